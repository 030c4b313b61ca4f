"""A number against its baseline and its limits: zero, negative and endless ones, and every unit."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_rollback.judge.compare import fires, is_readable, judge_measurement
from pytest_rollback.model import Action, Judged, Measurement, Severity, Status
from pytest_rollback.policy.criteria import read_criterion, read_quantity
from pytest_rollback.policy.rules import Metric, Trigger

SECONDS = Metric(name="x", unit="s", ceiling=read_quantity("2 s"), floor=read_quantity("100 ms"))
PLAIN = Metric(name="x")


def judge(
    value: float, baseline: float | None = None, unit: str = "", rules: Metric | None = SECONDS, *, needs: bool = False
) -> Judged:
    """Judge one number."""
    return judge_measurement(
        Measurement(name="x", value=value, baseline=baseline, unit=unit), rules, needs_baseline=needs
    )


def row(drop: str = "", rise: str = "", above: str = "", below: str = "", *, limit: bool = False) -> Trigger:
    """Make a row on a number."""
    return Trigger(
        name="row",
        severity=Severity.HIGH,
        action=Action.ROLL_BACK,
        metrics=("x",),
        drop=read_criterion(drop) if drop else None,
        rise=read_criterion(rise) if rise else None,
        above=read_quantity(above) if above else None,
        below=read_quantity(below) if below else None,
        limit=limit,
    )


@pytest.mark.parametrize(
    ("value", "unit", "status", "limit"),
    [
        (2, "", Status.HELD, None),
        (2.001, "", Status.OVER_LIMIT, 2.0),
        (2000, "ms", Status.HELD, None),
        (2001, "ms", Status.OVER_LIMIT, 2000.0),
        (0.1, "s", Status.HELD, None),
        (0.099, "s", Status.OVER_LIMIT, 0.1),
        (99, "ms", Status.OVER_LIMIT, 100.0),
        (-5, "s", Status.OVER_LIMIT, 0.1),
        (1, "min", Status.OVER_LIMIT, pytest.approx(1 / 30)),
    ],
)
def test_a_limit_is_crossed_in_whichever_unit(value: float, unit: str, status: Status, limit: float | None) -> None:
    """The limit is shown in the unit of the number, so that the two can be read side by side."""
    judged = judge(value, unit=unit)
    assert (judged.status, judged.limit, judged.unit) == (status, limit, unit or "s")


@pytest.mark.parametrize(
    ("rules", "unit"),
    [
        (SECONDS, "MB"),
        (SECONDS, "%"),
        (SECONDS, "S"),
        (Metric(name="x", floor=read_quantity("5 MB")), "s"),
        (Metric(name="x", ceiling=read_quantity("5 MB")), "s"),
        (None, "s"),
    ],
)
def test_what_cannot_be_compared_is_said(rules: Metric | None, unit: str) -> None:
    """A limit that no number can be held against would be one that nothing crosses."""
    judged = judge(1e9, 1.0, unit, rules)
    assert (judged.status, judged.limit, judged.change) == (Status.NOT_COMPARABLE, None, None)
    assert not fires(row(above="0"), judged, rules)


@pytest.mark.parametrize(
    ("value", "baseline"),
    [(math.nan, 1.0), (math.inf, 1.0), (-math.inf, None), (1.0, math.nan), (1.0, math.inf), (1.0, -math.inf)],
)
def test_what_is_no_number_is_invalid_and_fires_nothing(value: float, baseline: float | None) -> None:
    """NaN compares with nothing, so it would hold against everything."""
    judged = judge(value, baseline)
    assert (judged.status, judged.value, judged.baseline, judged.change) == (Status.INVALID, None, None, None)
    assert not fires(row(above="-1"), judged, SECONDS)
    assert not fires(row(), judged, None)


@pytest.mark.parametrize(("needs", "status"), [(True, Status.NO_BASELINE), (False, Status.HELD)])
def test_a_baseline_is_missed_only_where_one_is_needed(*, needs: bool, status: Status) -> None:
    """A number with nothing but limits has no need of one."""
    judged = judge(1.0, needs=needs)
    assert (judged.status, judged.baseline, judged.change) == (status, None, None)
    assert judge(1.0, 1.0, needs=needs).status is Status.HELD


ASSUMING = msgspec.structs.replace(SECONDS, assumed=1.0)


@pytest.mark.parametrize(
    ("value", "unit", "baseline", "change", "status"),
    [(1.5, "", 1.0, 0.5, Status.HELD), (1500, "ms", 1000.0, 500.0, Status.HELD), (3, "s", 1.0, 2.0, Status.OVER_LIMIT)],
)
def test_an_assumed_baseline_is_said_to_be_one(
    value: float, unit: str, baseline: float, change: float, status: Status
) -> None:
    """It is in the metric's unit, stands in only where none was accepted, and never passes for an accepted one."""
    judged = judge(value, unit=unit, rules=ASSUMING, needs=True)
    assert (judged.baseline, judged.change, judged.status, judged.assumed) == (baseline, change, status, True)
    accepted = judge(value, 1.25, unit, ASSUMING)
    assert (accepted.baseline, accepted.assumed) == (1.25, False)


def test_a_baseline_cannot_be_assumed_in_a_foreign_unit() -> None:
    """1 s is no baseline of something in MB."""
    judged = judge(1.0, unit="MB", rules=ASSUMING)
    assert (judged.status, judged.baseline, judged.assumed) == (Status.NOT_COMPARABLE, None, False)


@pytest.mark.parametrize(
    ("written", "value", "baseline", "expected"),
    [
        (row(rise="> 50 %"), 150, 100, False),
        (row(rise="> 50 %"), 150.1, 100, True),
        (row(rise="> 50 %"), 1, 100, False),
        (row(drop="> 50 %"), 49, 100, True),
        (row(drop="> 50 %"), 151, 100, False),
        (row(drop="> 2 points"), 96, 98, False),
        (row(drop="> 2 points"), 95.9, 98, True),
        (row(drop="0.3 to 0.3"), 0.1, 0.4, True),
        (row(rise="> 0"), 1, 1, False),
        (row(rise="> 50 %"), -50, -100, False),
        (row(rise="> 50 %"), -49, -100, True),
        (row(drop="> 50 %"), -151, -100, True),
        (row(rise="> 50 %"), 1e-9, 0, True),
        (row(drop="> 50 %"), -1e-9, 0, True),
        (row(rise="> 50 %"), -1e-9, 0, False),
        (row(rise="> 50 %"), 0, 0, False),
        (row(rise=">= 0 %"), 0, 0, True),
        (row(rise="> 0.5 %"), 0, 0, False),
        (row(rise="> 5", above="10"), 16, 10, True),
        (row(rise="> 5", above="20"), 16, 10, False),
        (row(above="5"), 5, None, False),
        (row(above="5"), 5.1, None, True),
        (row(below="5"), 5, None, False),
        (row(below="5"), 4.9, None, True),
        (row(rise="> 5"), 100, None, False),
        (row(rise="> 50 %"), 1e308, -1e308, True),
    ],
)
def test_a_row_fires_as_far_as_the_number_moved(
    written: Trigger, value: float, baseline: float | None, *, expected: bool
) -> None:
    """A share is of the baseline's size, from zero it is without bound, and a float's noise moves nothing."""
    assert fires(written, judge(value, baseline, rules=PLAIN), PLAIN) is expected
    assert fires(written, judge(value, baseline, rules=PLAIN), None) is expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [(0.4, "s", False), (0.6, "s", True), (500, "ms", False), (501, "ms", True), (-501, "ms", False)],
)
def test_from_a_baseline_of_zero_the_tolerance_counts(value: float, unit: str, *, expected: bool) -> None:
    """Any share of zero is endless; the tolerance is absolute, and in the metric's unit."""
    rules = msgspec.structs.replace(SECONDS, tolerance=0.5)
    assert fires(row(rise="> 10 %"), judge(value, 0.0, unit, rules), rules) is expected


@pytest.mark.parametrize(
    ("written", "value", "baseline", "expected"),
    [
        (row(rise="> 200 ms"), 1.2, 1.0, False),
        (row(rise="> 200 ms"), 1.3, 1.0, True),
        (row(above="1500 ms"), 1.5, None, False),
        (row(above="1500 ms"), 1.6, None, True),
        (row(below="0.02 min"), 1.1, None, True),
        (row(below="0.02 min"), 1.2, None, False),
        (row(above="1.5"), 1.6, None, True),
    ],
)
def test_a_row_may_be_written_in_another_unit(
    written: Trigger, value: float, baseline: float | None, *, expected: bool
) -> None:
    """`> 200 ms` means the same to a number in seconds; without a unit the metric's own is meant."""
    assert fires(written, judge(value, baseline), SECONDS) is expected


def test_a_bare_bound_is_in_the_metrics_unit() -> None:
    """Not in that of whoever measured."""
    assert fires(row(above="1.5"), judge(1600, unit="ms"), SECONDS)
    assert not fires(row(above="1.5"), judge(1400, unit="ms"), SECONDS)


@pytest.mark.parametrize("written", [row(drop="> 5 s"), row(rise="> 5 s"), row(above="5 s"), row(below="5 s")])
def test_a_row_that_cannot_read_a_unit_does_not_fire_and_is_known(written: Trigger) -> None:
    """That it is known is what makes the verdict inconclusive."""
    assert not is_readable(written, "MB")
    assert is_readable(written, "ms")
    assert not fires(written, judge(1e9, 1.0, "MB", PLAIN), PLAIN)


def test_a_row_on_limits_fires_on_what_crossed_one() -> None:
    """And only together with its other conditions."""
    assert fires(row(limit=True), judge(3), SECONDS)
    assert not fires(row(limit=True), judge(2), SECONDS)
    assert not fires(row(limit=True, rise="> 50 %"), judge(3, 2.5), SECONDS)
    assert fires(row(limit=True, rise="> 50 %"), judge(3, 1.5), SECONDS)


NUMBERS = st.floats(-1e12, 1e12)


@settings(deadline=None)
@given(
    NUMBERS, NUMBERS, st.sampled_from([row(rise="> 5 %"), row(rise="> 0.5"), row(drop="> 5 %"), row(drop="> 2 points")])
)
def test_further_in_the_same_direction_fires_too(value: float, baseline: float, written: Trigger) -> None:
    """A number can't escape a row by getting worse, not even to infinity from zero."""
    further = value + (abs(value) + 1.0) * (1 if written.rise else -1)
    near, far = (fires(written, judge(number, baseline, rules=PLAIN), PLAIN) for number in (value, further))
    assert far or not near
