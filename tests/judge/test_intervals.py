"""A number that is an estimate: a row blocks only where it would wherever the truth lies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pytest_rollback.judge.decide import decide
from pytest_rollback.model import Evidence, Mark, Measurement, Outcome, Reason, Status, Subject, TestResult, Verdict
from pytest_rollback.policy.load import load_policy

SHIPPED = load_policy(None)
HOLDS = TestResult(test="t", outcome=Outcome.PASSED, marks=(Mark("golden_path"),))


def judge(measurement: Measurement) -> tuple[Verdict, Status, list[str]]:
    """Judge one number by the shipped matrix."""
    said = decide(Evidence(tests=(HOLDS,), measurements=(measurement,)), SHIPPED, Subject())
    return said.verdict, said.measurements[0].status, [found.trigger for found in said.findings]


def memory(value: float, low: float, high: float) -> Measurement:
    """Measure memory whose baseline is 100 MB: over 115 is watched, over 120 blocks."""
    return Measurement(name="memory", value=value, low=low, high=high, baseline=100)


@pytest.mark.parametrize(
    ("measured", "verdict", "status", "rows"),
    [
        (memory(130, 125, 140), Verdict.BLOCKED, Status.REGRESSED, ["memory"]),
        (memory(125, 119, 131), Verdict.INCONCLUSIVE, Status.TOO_FEW, []),
        (memory(118, 112, 124), Verdict.INCONCLUSIVE, Status.TOO_FEW, []),
        (memory(117, 112, 119), Verdict.PASSED, Status.WATCHED, ["memory-growth"]),
        (memory(113, 108, 118), Verdict.PASSED, Status.HELD, []),
        (memory(100, 60, 119), Verdict.PASSED, Status.HELD, []),
        (memory(130, 130, 130), Verdict.BLOCKED, Status.REGRESSED, ["memory"]),
    ],
)
def test_both_ends_must_agree_that_a_row_blocks(
    measured: Measurement, verdict: Verdict, status: Status, rows: list[str]
) -> None:
    """An estimate that may be on either side of the line is on neither."""
    assert judge(measured) == (verdict, status, rows)


@pytest.mark.parametrize(
    ("value", "low", "high", "status"),
    [
        (99.9, 99.2, 100, Status.HELD),
        (99.9, 98.0, 100, Status.TOO_FEW),
        (98.0, 97.0, 98.7, Status.OVER_LIMIT),
        (98.9, 98.0, 99.4, Status.TOO_FEW),
    ],
)
def test_a_limit_is_held_against_both_ends(value: float, low: float, high: float, status: Status) -> None:
    """A login rate of at least 99 %."""
    measured = Measurement(name="login-rate", value=value, low=low, high=high, unit="%")
    assert judge(measured)[1] is status


@pytest.mark.parametrize("end", [None, float("nan"), float("inf")])
def test_an_end_that_is_none_is_no_interval(end: float | None) -> None:
    """The number itself is all that there is."""
    measured = Measurement(name="memory", value=130, low=90, high=end, baseline=100)
    assert judge(measured) == (Verdict.BLOCKED, Status.REGRESSED, ["memory"])


@given(st.floats(50, 200), st.floats(0, 60), st.floats(0, 60))
def test_a_wider_interval_never_turns_a_block_into_a_pass_or_a_pass_into_a_block(
    value: float, below: float, above: float
) -> None:
    """Knowing less makes a verdict inconclusive, and nothing else."""
    exact = judge(Measurement(name="memory", value=value, baseline=100))[0]
    wide = judge(memory(value, value - below, value + above))[0]
    assert wide in (exact, Verdict.INCONCLUSIVE)


def test_what_can_not_be_compared_still_has_its_limits() -> None:
    """A start that takes 11 s is too slow on any machine, whatever the baseline was measured on."""
    measured = Measurement(name="start-up", value=9, doubt=Status.NOT_COMPARABLE, detail="another machine")
    assert judge(structs.replace(measured, value=11)) == (Verdict.BLOCKED, Status.OVER_LIMIT, ["limit"])
    said = decide(Evidence(tests=(HOLDS,), measurements=(measured,)), SHIPPED, Subject())
    assert (said.verdict, said.reason) == (Verdict.INCONCLUSIVE, Reason.NOT_COMPARABLE)
    assert [each.detail for each in said.obstacles] == ["start-up: not comparable: another machine"]


@pytest.mark.parametrize("doubt", [Status.TOO_FEW, Status.INVALID])
def test_a_number_that_is_none_crosses_no_limit(doubt: Status) -> None:
    """Nobody logged in, so nobody failed to: that is no rate of 0 %."""
    verdict, status, rows = judge(Measurement(name="login-rate", value=0, unit="%", doubt=doubt))
    assert (verdict, status, rows) == (Verdict.INCONCLUSIVE, doubt, [])


def test_a_required_metric_may_be_measured_by_a_test_that_is_left_to_ci() -> None:
    """A staged gate that left its slow tests to CI misses nothing."""
    policy = load_policy(None, extra={"metrics": {"queue": {"required": True}}})
    left = TestResult(test="slow", outcome=Outcome.LEFT_TO_CI, marks=(Mark("mission_critical"),))
    assert decide(Evidence(tests=(HOLDS,)), policy, Subject()).reason is Reason.NOT_MEASURED
    assert decide(Evidence(tests=(HOLDS, left)), policy, Subject()).verdict is Verdict.PASSED
