"""Criteria, limits and durations, as people write them and as they write them wrongly."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_rollback.policy.criteria import (
    Criterion,
    Quantity,
    convert,
    read_criterion,
    read_quantity,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
UNITS = st.sampled_from(["", "%", "points", "s", "ms", "MB", "requests"])
SIGNS = st.sampled_from([">", ">=", "<", "<="])
HUGE = "9" * 400


def criteria(numbers: st.SearchStrategy[float], units: st.SearchStrategy[str] = UNITS) -> st.SearchStrategy[Criterion]:
    """Make every kind of criterion that can be written."""
    bounds = st.builds(bound, SIGNS, numbers, units)
    ranges = st.builds(lambda a, b, unit: Criterion(min(a, b), max(a, b), unit), numbers, numbers, units)
    return bounds | ranges


def bound(sign: str, value: float, unit: str) -> Criterion:
    """Make a criterion with one end."""
    if sign[0] == ">":
        return Criterion(value, math.inf, unit, low_open=sign == ">")
    return Criterion(-math.inf, value, unit, high_open=sign == "<")


@pytest.mark.parametrize(
    ("written", "holds", "holds_not"),
    [
        ("> 10 %", [10.1, math.inf], [10, 9.9, -11]),
        (">10%", [10.1], [10]),
        (">= 3", [3, 4], [2.9]),
        ("< 5 min", [4.9, -math.inf], [5, 6]),
        ("<= 0.5 points", [0.5, -1], [0.6]),
        ("> -2.5", [-2.4], [-2.5]),
        (" > .5 s ", [0.6], [0.5]),
        ("0.5 to 2 points", [0.5, 1, 2], [0.49, 2.01, math.inf]),
        ("500 ms to 2 s", [0.5, 2], [0.49, 500]),
        ("5 % to 20 %", [5, 20], [4.9, 21]),
        ("5 % to 20", [5, 20], [4.9, 21]),
        ("-2 to -1", [-1.5], [-0.9]),
        ("3", [3, 4], [2.9]),
        (3, [3, 4], [2.9]),
        (0.5, [0.5], [0.4]),
    ],
)
def test_a_criterion_fires_where_its_words_say(written: object, holds: list[float], holds_not: list[float]) -> None:
    """A threshold that is off by its own end is a rollback too many or too few."""
    criterion = read_criterion(written)
    assert [value for value in [*holds, *holds_not] if criterion.holds(value)] == holds


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("> 1 point", "points"),
        ("> 5 minutes", "min"),
        ("1 sec to 2 secs", "s"),
        ("> 3 MB", "MB"),
        ("> 4 widgets", "widgets"),
    ],
)
def test_a_unit_may_be_spelt_as_people_do(written: str, unit: str) -> None:
    """Nobody should have to look up whether it is `point` or `points`."""
    assert read_criterion(written).unit == unit


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("", "cannot read ''"),
        ("ten", "cannot read 'ten'"),
        ("> ", "cannot read '> '"),
        ("=> 3", "cannot read"),
        ("> 1,5 %", "cannot read"),
        ("> 1e3", "cannot read"),
        ("> nan", "cannot read"),
        ("none", "cannot read"),
        ("2 to 0.5 points", 'write "0.5 points to 2 points"'),
        ("1 MB to 2 s", "goes from one unit to another"),
        ("> 1 Points", "did you mean 'points'?"),
        ("> 3 mb", "did you mean 'MB'?"),
        ("> 3 Ms", "did you mean 'ms'?"),
        ("> 3 MINUTES", "did you mean 'minutes'?"),
        (f"> {HUGE}", "too large"),
        (f"1 to {HUGE}", "too large"),
        (True, "not a boolean"),
        ([1], "not an array"),
        ({}, "not a table"),
        (None, "not NoneType"),
        (math.nan, "not a number without end"),
        (-math.inf, "not a number without end"),
        (int(HUGE), "not a number without end"),
    ],
)
def test_what_is_no_criterion_is_refused_in_words(written: object, complaint: str) -> None:
    """A criterion that was guessed would fire somewhere else, and one that crashed would be nobody's fault."""
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        read_criterion(written)
    assert complaint in str(caught.value)


@settings(deadline=None)
@given(criteria(FINITE))
def test_a_criterion_reads_back_as_itself(criterion: Criterion) -> None:
    """A message that quotes a criterion can be copied into the policy."""
    assert read_criterion(str(criterion)) == criterion


@settings(deadline=None)
@given(FINITE, UNITS)
def test_a_limit_reads_back_as_itself(value: float, unit: str) -> None:
    """A message that quotes a limit can be copied into the policy."""
    assert read_quantity(str(Quantity(value, unit))) == Quantity(value, unit)


@settings(deadline=None)
@given(criteria(FINITE))
def test_nan_lies_in_no_range(criterion: Criterion) -> None:
    """What is not a number is an error elsewhere, never a fired or a held row."""
    assert not criterion.holds(math.nan)


SMALL = st.integers(-3, 3).map(float)
ANYWHERE = st.integers(-8, 8).map(lambda half: half / 2) | st.sampled_from([-math.inf, math.inf])


@settings(deadline=None)
@given(criteria(SMALL), criteria(SMALL), ANYWHERE)
def test_what_contains_another_fires_wherever_that_does(wide: Criterion, narrow: Criterion, value: float) -> None:
    """It is what `stricter` rests on: a policy may only be tightened."""
    inside = convert(value, narrow.unit, wide.unit)
    if wide.contains(narrow) and narrow.holds(value):
        assert inside is not None
        assert wide.holds(inside)


@settings(deadline=None)
@given(criteria(SMALL, st.just("%")), criteria(SMALL, st.just("%")))
def test_what_does_not_contain_another_misses_some_value_of_it(wide: Criterion, narrow: Criterion) -> None:
    """A real tightening is not refused."""
    somewhere = [half / 2 for half in range(-8, 9)]
    missed = [value for value in somewhere if narrow.holds(value) and not wide.holds(value)]
    assert wide.contains(narrow) is not bool(missed)


@pytest.mark.parametrize(
    ("wide", "narrow", "contains"),
    [
        ("> 0.5 s", ">= 500 ms", False),
        (">= 0.5 s", "> 500 ms", True),
        ("< 5", "<= 5", False),
        ("<= 5", "< 5", True),
        ("1 to 5", "1 to 5", True),
        ("> 0.5 s", "> 600 ms", True),
        ("> 0.5 s", "> 400 ms", False),
        ("> 1 %", "> 2 points", False),
        ("> 1", "> 2 %", False),
        ("> 1 MB", "> 2 s", False),
    ],
)
def test_criteria_in_two_units_are_compared_where_that_can_be(wide: str, narrow: str, *, contains: bool) -> None:
    """Half a second and 500 ms are one thing; per cent and points are two."""
    assert read_criterion(wide).contains(read_criterion(narrow)) is contains


@pytest.mark.parametrize(
    ("written", "quantity"),
    [
        (95, Quantity(95.0)),
        (2.5, Quantity(2.5)),
        ("95 %", Quantity(95.0, "%")),
        ("-3", Quantity(-3.0)),
        (" 500ms ", Quantity(500.0, "ms")),
    ],
)
def test_a_limit_is_a_number_with_or_without_its_unit(written: object, quantity: Quantity) -> None:
    """Where there is none, the metric's own counts."""
    assert read_quantity(written) == quantity


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("> 5 s", "cannot read '> 5 s'"),
        ("fast", "cannot read 'fast'"),
        ("5 S", "did you mean 's'?"),
        (HUGE, "too large"),
        (False, "a boolean"),
        (math.inf, "a number without end"),
        (int(HUGE), "a number without end"),
        (["5 s"], "an array"),
    ],
)
def test_what_is_no_limit_is_refused_in_words(written: object, complaint: str) -> None:
    """A limit that was dropped would be a limit that nothing crosses."""
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        read_quantity(written)
    assert complaint in str(caught.value)
