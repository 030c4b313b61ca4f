"""Absence is never green: whatever was not looked at, not known or not judged has a name, and none of them passes."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_rollback.judge.decide import decide
from pytest_rollback.model import (
    Evidence,
    Judgement,
    Mark,
    Measurement,
    Outcome,
    Reason,
    Signal,
    Subject,
    TestResult,
    Verdict,
)
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.rules import Policy

SHIPPED = load_policy(None)


def with_tables(**tables: dict[str, Any]) -> Policy:
    """Lay some tables over the shipped policy."""
    return load_policy(None, extra=tables)


def result(outcome: Outcome, group: str = "golden_path", *labels: str) -> TestResult:
    """Make what one gate test did."""
    return TestResult(test=f"{group}-{outcome.name.lower()}", outcome=outcome, marks=(Mark(group, labels),))


HOLDS = result(Outcome.PASSED)


def judge(*facts: TestResult | Measurement | Signal, policy: Policy = SHIPPED) -> Judgement:
    """Judge some facts."""
    evidence = Evidence(
        tests=tuple(fact for fact in facts if isinstance(fact, TestResult)),
        measurements=tuple(fact for fact in facts if isinstance(fact, Measurement)),
        signals=tuple(fact for fact in facts if isinstance(fact, Signal)),
    )
    return decide(evidence, policy, Subject())


def doubts(judgement: Judgement) -> list[tuple[Reason, str]]:
    """Give the obstacles of an inconclusive verdict."""
    assert judgement.verdict is Verdict.INCONCLUSIVE
    return [(obstacle.reason, obstacle.detail) for obstacle in judgement.obstacles]


@pytest.mark.parametrize("facts", [(), (TestResult(test="outside", outcome=Outcome.PASSED),)])
def test_a_gate_without_a_gate_test_is_inconclusive(facts: tuple[TestResult, ...]) -> None:
    """Nothing ran, so nothing failed: the oldest green there is."""
    assert doubts(judge(*facts)) == [(Reason.NO_TESTS, "no test bears a gate marker")]
    measured = Measurement(name="compliance", value=99, baseline=99)
    assert judge(*facts, measured).reason is Reason.NO_TESTS


@pytest.mark.parametrize(
    ("outcome", "reason", "detail"),
    [
        (Outcome.UNFINISHED, Reason.NOT_RUN, "1 of 2 gate tests started and never finished"),
        (Outcome.NOT_STARTED, Reason.NOT_RUN, "1 of 2 gate tests never started"),
        (Outcome.WITHHELD, Reason.NOT_RUN, "1 of 2 gate tests withheld after its group was stopped"),
        (Outcome.LEFT_OUT, Reason.NARROWED, "1 of 2 gate tests left out of the run"),
    ],
)
def test_what_was_expected_and_not_decided_is_counted(outcome: Outcome, reason: Reason, detail: str) -> None:
    """Expected minus decided, with its denominator."""
    assert doubts(judge(HOLDS, result(outcome))) == [(reason, detail)]


def test_a_test_outside_the_gate_that_was_to_run_and_did_not_is_counted_too() -> None:
    """Where the whole suite was asked for, a part of it is no pass."""
    judged = judge(HOLDS, TestResult(test="x", outcome=Outcome.NOT_STARTED))
    assert doubts(judged) == [(Reason.NOT_RUN, "1 of 2 tests never started")]


def test_a_group_of_which_nothing_passed_is_inconclusive() -> None:
    """All skipped is a group switched off; another group's pass says nothing of it."""
    skipped, xfailed = result(Outcome.SKIPPED, "isolation"), result(Outcome.XFAILED, "isolation")
    judged = judge(HOLDS, skipped, xfailed)
    assert doubts(judged) == [(Reason.NOTHING_PASSED, "0 of 2 isolation tests passed")]
    assert judged.obstacles[0].tests == (skipped.test, xfailed.test)
    assert judge(HOLDS, skipped, result(Outcome.PASSED, "isolation")).verdict is Verdict.PASSED


def test_a_failure_that_is_only_watched_is_no_pass_of_its_group() -> None:
    """Or a failing test beside a skipped one would make an inconclusive group green."""
    policy = with_tables(groups={"integration": {}})
    watched, skipped = result(Outcome.FAILED, "integration"), result(Outcome.SKIPPED, "integration")
    assert doubts(judge(HOLDS, skipped, policy=policy)) == [(Reason.NOTHING_PASSED, "0 of 1 integration tests passed")]
    assert doubts(judge(HOLDS, skipped, watched, policy=policy)) == [
        (Reason.NOTHING_PASSED, "0 of 2 integration tests passed")
    ]
    assert judge(HOLDS, watched, policy=policy).reason is Reason.WATCHING


def test_a_required_group_without_a_test_is_inconclusive() -> None:
    """Its tests may have been deleted, or renamed, or never written."""
    detail = "no test is marked smoke, and the policy requires that group"
    assert doubts(judge(HOLDS, policy=with_tables(groups={"smoke": {}}))) == [(Reason.NOTHING_PASSED, detail)]
    assert judge(HOLDS, policy=with_tables(groups={"smoke": {"required": False}})).verdict is Verdict.PASSED


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ERROR])
def test_a_failure_that_no_row_judges_is_inconclusive(outcome: Outcome) -> None:
    """Switching a row off is not the same as letting its failures through."""
    policy = with_tables(triggers={"golden-path": {"enabled": False}})
    said = 'failed, and no row of the matrix judges them (a row with action = "note" would let them through)'
    failed = result(outcome)
    judged = judge(HOLDS, failed, policy=policy)
    assert doubts(judged) == [(Reason.UNJUDGED, f"1 of 2 gate tests {said}")]
    assert judged.obstacles[0].tests == (failed.test,)


@pytest.mark.parametrize(
    ("row", "judged"),
    [
        ({"label": "chat"}, False),
        ({"label": "login"}, True),
        ({"exception": "KeyError"}, False),
        ({"group": "isolation"}, False),
        ({"group": "golden_path", "failures": "> 5"}, True),
        ({"group": "golden_path"}, True),
    ],
)
def test_a_row_judges_the_failures_that_it_watches(row: dict[str, str], *, judged: bool) -> None:
    """One that tolerates a few has a say about them; one that looks elsewhere has none."""
    off = {name: {"enabled": False} for name in ("golden-path", "chat", "isolation")}
    policy = with_tables(triggers={**off, "mine": {**row, "severity": "low", "action": "note"}})
    verdict = judge(HOLDS, result(Outcome.FAILED, "golden_path", "login"), policy=policy).verdict
    assert verdict is (Verdict.PASSED if judged else Verdict.INCONCLUSIVE)


def test_a_signal_that_no_row_hears_is_inconclusive() -> None:
    """Somebody found it worth telling; a slip in its name must not make a broken deployment green."""
    signal = Signal(name="deploymnt-failed", detail="staging is down", tests=("a",))
    judged = judge(HOLDS, signal)
    assert doubts(judged) == [(Reason.UNJUDGED, "deploymnt-failed: staging is down; no row of the matrix judges it")]
    assert judged.obstacles[0].tests == ("a",)
    assert judge(HOLDS, Signal(name="odd")).obstacles[0].detail == "odd; no row of the matrix judges it"


@pytest.mark.parametrize(("name", "passes"), [("collection", False), ("warnings", True)])
def test_a_signal_of_a_row_that_is_switched_off_passes_only_where_it_was_noted(name: str, *, passes: bool) -> None:
    """A module that could not be collected stays a hole; nobody who tires of warnings wants to be stopped by them."""
    policy = with_tables(triggers={name: {"enabled": False}})
    signal = Signal(name={"collection": "collection-error"}.get(name, name))
    assert (judge(HOLDS, signal, policy=policy).verdict is Verdict.PASSED) is passes


@pytest.mark.parametrize(
    ("measurement", "detail"),
    [
        (
            Measurement(name="complianc", value=90),
            'complianc: the policy knows no such metric; did you mean "compliance"?',
        ),
        (
            Measurement(name="search", metric="performanc", value=1, baseline=1),
            'search: the policy knows no such metric; did you mean "performance"?',
        ),
    ],
)
def test_a_metric_that_the_policy_does_not_know_is_inconclusive(measurement: Measurement, detail: str) -> None:
    """No row looks at it, so it says nothing, however good it is."""
    assert doubts(judge(HOLDS, measurement)) == [(Reason.NOT_COMPARABLE, detail)]


def test_a_metric_that_the_policy_requires_must_be_measured() -> None:
    """By its name or as its kind."""
    policy = with_tables(metrics={"memory": {"required": True}})
    detail = "memory: the policy requires it, nothing measured it"
    assert doubts(judge(HOLDS, policy=policy)) == [(Reason.NOT_MEASURED, detail)]
    for measured in (
        Measurement(name="memory", value=1, baseline=1),
        Measurement(name="peak", metric="memory", value=1, baseline=1),
    ):
        assert judge(HOLDS, measured, policy=policy).verdict is Verdict.PASSED


def test_a_number_beyond_its_limit_that_no_row_judges_is_inconclusive() -> None:
    """Also where another row notes something else about the same number."""
    off: dict[str, Any] = {"limit": {"enabled": False}}
    over = Measurement(name="start-up", value=11, baseline=10)
    assert doubts(judge(HOLDS, over, policy=with_tables(triggers=off))) == [(Reason.UNJUDGED, "start-up: over limit")]
    noted = {"metric": "start-up", "rise": "> 5 %", "severity": "low", "action": "note"}
    judged = judge(HOLDS, over, policy=with_tables(triggers={**off, "noted": noted}))
    assert doubts(judged) == [(Reason.UNJUDGED, "start-up: over limit")]


@pytest.mark.parametrize("value", [0.5, 6, 11])
def test_a_missing_baseline_is_said_whatever_else_fires(value: float) -> None:
    """A row that watches the number itself must not hide that nothing was compared."""
    rises = {"metric": "error-rate", "rise": "> 1 point", "severity": "high", "action": "investigate"}
    policy = with_tables(
        triggers={"rises": rises, "limit": {"action": "note"}}, metrics={"error-rate": {"ceiling": "10 %"}}
    )
    assert doubts(judge(HOLDS, Measurement(name="error-rate", value=value), policy=policy)) == [
        (Reason.NO_BASELINE, "error-rate: no baseline")
    ]
    compared = Measurement(name="error-rate", value=value, baseline=value)
    assert judge(HOLDS, compared, policy=policy).verdict is Verdict.PASSED


@pytest.mark.parametrize("value", [1, 1e9])
def test_a_unit_that_a_row_cannot_compare_is_said(value: float) -> None:
    """A metric without a unit lets any through, and the row would never fire."""
    row = {"metric": "queue", "above": "5 s", "severity": "high", "action": "restore"}
    noted = {"metric": "queue", "above": 10, "severity": "low", "action": "watch"}
    policy = with_tables(metrics={"queue": {}}, triggers={"full": row, "noted": noted})
    judged = judge(HOLDS, Measurement(name="queue", value=value, unit="MB"), policy=policy)
    assert doubts(judged) == [(Reason.NOT_COMPARABLE, "queue: it is in MB, which full can't compare")]


def test_only_a_row_that_compares_this_number_needs_its_baseline() -> None:
    """A row for another label must not ask for what it would never use."""
    row = {"metric": "leak", "label": "nightly", "rise": "> 1 %", "severity": "high", "action": "investigate"}
    policy = with_tables(triggers={"nightly": row})
    assert judge(HOLDS, Measurement(name="leak", value=1), policy=policy).verdict is Verdict.PASSED
    labelled = Measurement(name="leak", value=1, labels=("nightly",))
    assert doubts(judge(HOLDS, labelled, policy=policy)) == [(Reason.NO_BASELINE, "leak: no baseline")]


def test_a_part_of_a_gate_is_not_asked_what_only_all_parts_can_show() -> None:
    """A shard may hold only the skipped tests of a group; but an empty one has looked at nothing."""
    policy = with_tables(groups={"smoke": {}}, metrics={"memory": {"required": True}})
    parts = Evidence(tests=(result(Outcome.SKIPPED),)), Evidence()
    judged, empty = (decide(part, policy, Subject(), whole=False) for part in parts)
    assert judged.verdict is Verdict.PASSED
    assert doubts(empty) == [(Reason.NO_TESTS, "no gate test fell into this part; cut it into fewer")]
