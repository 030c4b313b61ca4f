"""The verdict: one precedence, walked cell by cell; what was not looked at is never passed."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from pytest_rollback.judge.decide import OF_ACTION, OF_OUTCOME, OF_STATUS, REASON_OF_STATUS, Standing, decide
from pytest_rollback.model import (
    Action,
    Evidence,
    Judgement,
    Mark,
    Measurement,
    Obstacle,
    Outcome,
    Reason,
    Signal,
    Status,
    Subject,
    TestResult,
    Verdict,
)
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.rules import Policy

SHIPPED = load_policy(None)
BLOCKED, INCONCLUSIVE, PASSED = Verdict.BLOCKED, Verdict.INCONCLUSIVE, Verdict.PASSED


def with_tables(**tables: dict[str, Any]) -> Policy:
    """Lay some tables over the shipped policy."""
    return load_policy(None, extra=tables)


def result(outcome: Outcome, group: str = "golden_path", *labels: str) -> TestResult:
    """Make what one gate test did."""
    return TestResult(test=f"test_{outcome.name.lower()}", outcome=outcome, marks=(Mark(group, labels),))


HOLDS = result(Outcome.PASSED)


def judge(*facts: TestResult | Measurement | Signal | Obstacle, policy: Policy = SHIPPED) -> Judgement:
    """Judge some facts on a live branch."""
    evidence = Evidence(
        tests=tuple(fact for fact in facts if isinstance(fact, TestResult)),
        measurements=tuple(fact for fact in facts if isinstance(fact, Measurement)),
        signals=tuple(fact for fact in facts if isinstance(fact, Signal)),
        obstacles=tuple(fact for fact in facts if isinstance(fact, Obstacle)),
    )
    return decide(evidence, policy, Subject(live=True))


def said(judgement: Judgement) -> tuple[Verdict, Reason]:
    """Give the verdict with its reason."""
    return judgement.verdict, judgement.reason


# --- the precedence, cell by cell ---

BEST_FIRST = (Standing.HOLDS, Standing.WATCHING, Standing.INCONCLUSIVE, Standing.FAILS)
SEEN: dict[Standing, TestResult | Signal | Obstacle] = {
    Standing.HOLDS: result(Outcome.XPASSED),
    Standing.WATCHING: result(Outcome.FLAKY),
    Standing.INCONCLUSIVE: Obstacle(reason=Reason.NARROWED, detail="-k"),
    Standing.FAILS: Signal(name="deployment-failed"),
}
SAID = {
    Standing.HOLDS: (PASSED, Reason.HELD),
    Standing.WATCHING: (PASSED, Reason.WATCHING),
    Standing.INCONCLUSIVE: (INCONCLUSIVE, Reason.NARROWED),
    Standing.FAILS: (BLOCKED, Reason.FINDINGS),
}


@pytest.mark.parametrize(("one", "other"), list(product(Standing, Standing)))
def test_of_two_standings_the_worse_is_the_verdict(one: Standing, other: Standing) -> None:
    """Failing beats inconclusive, inconclusive beats watching, watching beats passed, in whichever order they came."""
    worse = max(one, other, key=BEST_FIRST.index)
    assert said(judge(HOLDS, SEEN[one], SEEN[other])) == SAID[worse]


# What each outcome means beside a test of its group that passed, and alone.
OUTCOMES = {
    Outcome.PASSED: ((PASSED, Reason.HELD), (PASSED, Reason.HELD)),
    Outcome.XPASSED: ((PASSED, Reason.HELD), (PASSED, Reason.HELD)),
    Outcome.FLAKY: ((PASSED, Reason.WATCHING), (PASSED, Reason.WATCHING)),
    Outcome.SKIPPED: ((PASSED, Reason.HELD), (INCONCLUSIVE, Reason.NOTHING_PASSED)),
    Outcome.XFAILED: ((PASSED, Reason.HELD), (INCONCLUSIVE, Reason.NOTHING_PASSED)),
    Outcome.LEFT_OUT: ((INCONCLUSIVE, Reason.NARROWED), (INCONCLUSIVE, Reason.NARROWED)),
    Outcome.LEFT_TO_CI: ((PASSED, Reason.HELD), (INCONCLUSIVE, Reason.NOTHING_PASSED)),
    Outcome.WITHHELD: ((INCONCLUSIVE, Reason.NOT_RUN), (INCONCLUSIVE, Reason.NOT_RUN)),
    Outcome.NOT_STARTED: ((INCONCLUSIVE, Reason.NOT_RUN), (INCONCLUSIVE, Reason.NOT_RUN)),
    Outcome.UNFINISHED: ((INCONCLUSIVE, Reason.NOT_RUN), (INCONCLUSIVE, Reason.NOT_RUN)),
    Outcome.ERROR: ((BLOCKED, Reason.FINDINGS), (BLOCKED, Reason.FINDINGS)),
    Outcome.FAILED: ((BLOCKED, Reason.FINDINGS), (BLOCKED, Reason.FINDINGS)),
    Outcome.TIMED_OUT: ((BLOCKED, Reason.FINDINGS), (BLOCKED, Reason.FINDINGS)),
    Outcome.CRASHED: ((BLOCKED, Reason.FINDINGS), (BLOCKED, Reason.FINDINGS)),
}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_meaning(outcome: Outcome) -> None:
    """A test that nobody watched pass is nobody's proof."""
    beside, alone = OUTCOMES[outcome]
    assert said(judge(HOLDS, result(outcome))) == beside
    assert said(judge(result(outcome))) == alone


@pytest.mark.parametrize("outcome", Outcome)
def test_what_each_outcome_is_good_for(outcome: Outcome) -> None:
    """Only a pass without a rerun can become a known good; what is in doubt is named."""
    judged = judge(HOLDS, result(outcome))
    assert judged.steady is (judged.verdict is PASSED and outcome is not Outcome.FLAKY)
    named = [test for obstacle in judged.obstacles for test in obstacle.tests]
    assert named == ([result(outcome).test] if judged.verdict is INCONCLUSIVE else [])


ACTIONS = {
    Action.LOCK_DOWN: (BLOCKED, Reason.FINDINGS),
    Action.ROLL_BACK: (BLOCKED, Reason.FINDINGS),
    Action.RESTORE: (BLOCKED, Reason.FINDINGS),
    Action.INVESTIGATE: (BLOCKED, Reason.FINDINGS),
    Action.WATCH: (PASSED, Reason.WATCHING),
    Action.NOTE: (PASSED, Reason.HELD),
}


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("severity", ["critical", "low"])
def test_every_action_has_its_meaning_whatever_the_severity(action: Action, severity: str) -> None:
    """What is to be done decides; how bad it is only orders the list."""
    row = {"signal": "odd", "severity": severity, "action": action.value}
    judged = judge(HOLDS, Signal(name="odd"), policy=with_tables(triggers={"odd": row}))
    assert said(judged) == ACTIONS[action]
    assert [finding.trigger for finding in judged.findings] == ["odd"]


# A measurement of each status, and what it means.
STATUSES = {
    Status.HELD: (Measurement(name="memory", value=100, baseline=100), (PASSED, Reason.HELD)),
    Status.WATCHED: (Measurement(name="memory", value=116, baseline=100), (PASSED, Reason.WATCHING)),
    Status.REGRESSED: (Measurement(name="memory", value=121, baseline=100), (BLOCKED, Reason.FINDINGS)),
    Status.OVER_LIMIT: (Measurement(name="start-up", value=11), (BLOCKED, Reason.FINDINGS)),
    Status.NO_BASELINE: (Measurement(name="memory", value=100), (INCONCLUSIVE, Reason.NO_BASELINE)),
    Status.NOT_COMPARABLE: (
        Measurement(name="memory", value=1, baseline=1, unit="s"),
        (INCONCLUSIVE, Reason.NOT_COMPARABLE),
    ),
    Status.INVALID: (Measurement(name="memory", value=float("nan"), baseline=1), (INCONCLUSIVE, Reason.INVALID)),
    Status.TOO_FEW: (
        Measurement(name="memory", value=118, baseline=100, low=112, high=124),
        (INCONCLUSIVE, Reason.TOO_FEW),
    ),
    Status.LEFT_TO_CI: (
        Measurement(name="memory", value=0, doubt=Status.LEFT_TO_CI),
        (PASSED, Reason.HELD),
    ),
}


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_its_meaning(status: Status) -> None:
    """A number that can't be judged is no number that holds."""
    measurement, expected = STATUSES[status]
    judged = judge(HOLDS, measurement)
    assert [one.status for one in judged.measurements] == [status]
    assert said(judged) == expected
    assert bool(judged.obstacles) is (expected[0] is INCONCLUSIVE)


def test_every_word_has_its_standing() -> None:
    """One table, with nothing missing: a new word without a meaning would be a KeyError in somebody's gate."""
    assert set(OF_OUTCOME) == set(OUTCOMES) == set(Outcome)
    assert set(OF_ACTION) == set(ACTIONS) == set(Action)
    assert set(OF_STATUS) == set(STATUSES) == set(Status)
    doubtful = {status for status, standing in OF_STATUS.items() if standing is Standing.INCONCLUSIVE}
    assert set(REASON_OF_STATUS) == doubtful


@pytest.mark.parametrize("reason", Reason)
def test_every_obstacle_alone_forbids_a_pass(reason: Reason) -> None:
    """Whatever kept the gate from looking, it did not look."""
    obstacle = Obstacle(reason=reason, detail="why")
    judged = judge(HOLDS, obstacle)
    assert (*said(judged), judged.steady, judged.obstacles) == (INCONCLUSIVE, reason, False, (obstacle,))


@pytest.mark.parametrize("one", Reason)
def test_of_two_obstacles_the_weightier_is_the_reason(one: Reason) -> None:
    """The reason leads to the remedy, and the weightier doubt is to be dealt with first; both are listed."""
    for other in Reason:
        judged = judge(HOLDS, Obstacle(reason=one, detail="a"), Obstacle(reason=other, detail="b"))
        assert judged.reason is min(one, other, key=tuple(Reason).index)
        assert [obstacle.detail for obstacle in judged.obstacles] == ["a", "b"]
