"""What to do next: the recommendation, who is called, and the one command to run."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from pytest_rollback.judge.advise import next_command, recommend, who_is_called, worst_finding
from pytest_rollback.judge.decide import decide
from pytest_rollback.model import (
    Action,
    Contact,
    Evidence,
    Finding,
    Judgement,
    Level,
    Mark,
    Obstacle,
    Outcome,
    Reason,
    Recommendation,
    Severity,
    Signal,
    Subject,
    TestResult,
    Verdict,
)
from pytest_rollback.policy.load import load_policy

SHIPPED = load_policy(None)
FINISHED = datetime(2026, 3, 1, 23, 50, tzinfo=timezone.utc)
LEAD = Contact(tier=1, name="technical lead", respond_s=900.0)


def finding(action: Action, level: Level | None = None, deadline_s: float | None = None, *tests: str) -> Finding:
    """Make a finding."""
    return Finding(
        trigger="row",
        severity=Severity.HIGH,
        action=action,
        level=level,
        deadline_s=deadline_s,
        reason="1 of 1 tests failed",
        tests=tests,
    )


def blocked(*findings: Finding) -> Judgement:
    """Make a blocking judgement."""
    return judgement(Verdict.BLOCKED, Reason.FINDINGS, *findings)


def judgement(verdict: Verdict, reason: Reason, *findings: Finding) -> Judgement:
    """Make a judgement."""
    return Judgement(verdict=verdict, reason=reason, steady=False, findings=findings, obstacles=(), measurements=())


NOTED, WATCHED = finding(Action.NOTE, None, None, "noted"), finding(Action.WATCH, None, None, "watched")


@pytest.mark.parametrize("action", [Action.LOCK_DOWN, Action.ROLL_BACK, Action.RESTORE, Action.INVESTIGATE])
def test_what_the_worst_blocking_finding_asks_for_is_recommended(action: Action) -> None:
    """Nothing was tried yet, so it is suspected and no more, and says why."""
    judged = blocked(WATCHED, NOTED, finding(action, Level.PHASE, 300.0), finding(Action.ROLL_BACK, Level.FILE))
    assert recommend(judged, LEAD, FINISHED) == Recommendation(
        action=action,
        level=Level.PHASE,
        status="suspected",
        reason="by the matrix alone",
        deadline_s=300.0,
        respond_by="2026-03-02T00:05:00Z",
    )


@pytest.mark.parametrize(
    ("deadline", "call"),
    [(None, LEAD), (300.0, None), (300.0, Contact(tier=1, name="technical lead"))],
)
def test_nobody_must_answer_by_then_without_a_deadline_or_a_time(deadline: float | None, call: Contact | None) -> None:
    """Off a live branch nothing runs, and a time that nobody agreed to is none."""
    recommended = recommend(blocked(finding(Action.ROLL_BACK, Level.COMMIT, deadline)), call, FINISHED)
    assert recommended is not None
    assert (recommended.respond_by, recommended.deadline_s) == (None, deadline)


def test_where_a_rollback_does_not_help_none_is_recommended() -> None:
    """A flaky ground stays flaky on the commit before."""
    recommended = recommend(blocked(finding(Action.INVESTIGATE, None, 2700.0)), None, FINISHED)
    assert recommended is not None
    assert (recommended.status, recommended.level) == ("none", None)
    assert recommended.reason == "a rollback does not help against this"


@pytest.mark.parametrize(
    "judged",
    [
        judgement(Verdict.PASSED, Reason.WATCHING, WATCHED),
        judgement(Verdict.INCONCLUSIVE, Reason.NARROWED, WATCHED),
        blocked(),
    ],
)
def test_without_a_block_nothing_is_recommended(judged: Judgement) -> None:
    """Nobody rolls back what may well be fine."""
    assert recommend(judged, LEAD, FINISHED) is None
    assert worst_finding(judged) is None


@pytest.mark.parametrize(
    ("level", "tier"), [(Level.CHANGE, 1), (Level.COMMIT, 1), (Level.PHASE, 2), (Level.SYSTEM, 3), (None, None)]
)
def test_who_may_decide_the_level_is_called(level: Level | None, tier: int | None) -> None:
    """Where a rollback does not help there is nothing to decide about one."""
    call = who_is_called(blocked(WATCHED, finding(Action.ROLL_BACK, level)), SHIPPED)
    assert (call.tier if call else None) == tier


def test_a_call_says_who_and_how_soon() -> None:
    """A name and a time, as the policy has them; without a finding that blocks nobody is woken."""
    judged = blocked(finding(Action.ROLL_BACK, Level.FILE))
    policy = load_policy(None, extra={"tiers": {"1": {"contacts": ["ada@example.org"]}}})
    assert who_is_called(judged, policy) == Contact(
        tier=1, name="technical lead", contacts=("ada@example.org",), respond_s=900.0
    )
    assert who_is_called(judgement(Verdict.PASSED, Reason.WATCHING, WATCHED), policy) is None


@pytest.mark.parametrize(
    ("findings", "command"),
    [
        ((finding(Action.ROLL_BACK, None, None, "test_a.py::test_it", "test_b.py::x"),), "pytest test_a.py::test_it"),
        ((finding(Action.ROLL_BACK, None, None, "t.py::test_it[a b]"),), "pytest 't.py::test_it[a b]'"),
        ((finding(Action.ROLL_BACK), finding(Action.INVESTIGATE, None, None, "t.py::x")), "pytest t.py::x"),
        ((WATCHED, finding(Action.ROLL_BACK)), "pytest --safety-gate -v"),
        ((finding(Action.ROLL_BACK, None, None, ""),), "pytest --safety-gate -v"),
    ],
)
def test_after_a_block_the_first_test_that_blocks_is_run_alone(findings: tuple[Finding, ...], command: str) -> None:
    """Not one that is only watched, and never a command that a shell would tear apart."""
    assert next_command(blocked(*findings)) == command


MARK_ONE = "mark one test with @pytest.mark.golden_path, then run: pytest --safety-gate"


@pytest.mark.parametrize("reason", Reason)
def test_every_inconclusive_verdict_ends_in_a_command(reason: Reason) -> None:
    """Whoever was stopped must not have to think about how to go on."""
    accept = 'pytest --safety-gate --accept-baselines new --baseline-reason "..."'
    special = {
        Reason.NO_TESTS: MARK_ONE,
        Reason.NOTHING_PASSED: "pytest --safety-gate -rs",
        Reason.NO_BASELINE: accept,
    }
    assert next_command(judgement(Verdict.INCONCLUSIVE, reason)) == special.get(reason, "pytest --safety-gate")


def test_a_pass_needs_no_command() -> None:
    """A pass takes one line."""
    assert next_command(judgement(Verdict.PASSED, Reason.WATCHING, WATCHED)) is None


def test_the_whole_way_from_a_failure_to_the_advice() -> None:
    """The pieces fit: an isolation test failed on a live branch, beside doubts and a warning."""
    failed = TestResult(test="t.py::leaks", outcome=Outcome.FAILED, marks=(Mark("isolation"),))
    evidence = Evidence(
        tests=(failed,),
        signals=(Signal(name="warnings"),),
        obstacles=(Obstacle(reason=Reason.NARROWED, detail="-k"),),
    )
    judged = decide(evidence, SHIPPED, Subject(live=True))
    call = who_is_called(judged, SHIPPED)
    recommended = recommend(judged, call, FINISHED)
    assert call is not None
    assert recommended is not None
    assert (call.name, recommended.action, recommended.level) == ("engineering manager", Action.LOCK_DOWN, Level.PHASE)
    assert (recommended.deadline_s, recommended.respond_by) == (120.0, "2026-03-02T00:20:00Z")
    assert next_command(judged) == "pytest t.py::leaks"
