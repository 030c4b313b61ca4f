"""Durations as people write them, and units brought into one another."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_rollback.policy.criteria import DURATIONS, SIZES, convert, duration, read_duration

HUGE = "9" * 400


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30 s", 30),
        ("5 min", 300),
        ("5min", 300),
        ("1 h 30 min", 5400),
        ("1h30min", 5400),
        ("1.5 hours", 5400),
        ("250 ms", 0.25),
        ("2 days", 172800),
        ("0 s", 0),
        (" 90 seconds ", 90),
        ("none", math.inf),
    ],
)
def test_a_duration_is_read_as_people_write_it(written: str, seconds: float) -> None:
    """A deadline is written by somebody in a hurry."""
    assert read_duration(written) == seconds


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("5", "cannot read the duration '5'"),
        ("1 h 30", "cannot read"),
        ("-5 min", "cannot read"),
        ("5 Min", "cannot read"),
        ("5 m", "cannot read"),
        ("5 MB", "cannot read"),
        ("5 min, 3 s", "cannot read"),
        ("5 min or none", "cannot read"),
        ("None", "cannot read"),
        ("", "cannot read"),
        (f"{HUGE} s", "too large"),
        (f"{'9' * 308} d", "too large"),
        (5, "not a number"),
        (2.5, "not a number"),
        (True, "not a boolean"),
        (math.inf, "not a number without end"),
        (["5 min"], "not an array"),
    ],
)
def test_what_is_no_duration_is_refused_in_words(written: object, complaint: str) -> None:
    """A number without a unit may be seconds or minutes, and a guess may be sixty times too long."""
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        read_duration(written)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.25, "250 ms"),
        (0, "0 ms"),
        (30, "30 s"),
        (60, "1 min"),
        (300, "5 min"),
        (5400, "1 h 30 min"),
        (90061.5, "1 d 1 h 1 min 1.5 s"),
    ],
)
def test_a_duration_is_written_as_people_do(seconds: float, written: str) -> None:
    """Nobody thinks in 5400 seconds while something is broken."""
    assert duration(seconds) == written


@settings(deadline=None)
@given(st.integers(0, 3 * 10**8).map(float) | st.integers(0, 999).map(lambda ms: ms / 1000))
def test_a_duration_reads_back_as_itself(seconds: float) -> None:
    """A message that quotes a duration can be copied into the policy."""
    assert read_duration(duration(seconds)) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("value", "unit", "to", "there"),
    [
        (2.0, "s", "ms", 2000.0),
        (500.0, "ms", "s", 0.5),
        (0.35, "s", "ms", 350.0),
        (1.0, "GiB", "MiB", 1024.0),
        (1.0, "MiB", "KiB", 1024.0),
        (1.0, "KiB", "B", 1024.0),
        (1.0, "GB", "MB", 1000.0),
        (1.0, "MB", "KB", 1000.0),
        (1.0, "KB", "B", 1000.0),
        (1.0, "d", "h", 24.0),
        (1.0, "h", "min", 60.0),
        (1.0, "min", "s", 60.0),
        (7.0, "%", "%", 7.0),
        (7.0, "", "%", 7.0),
        (7.0, "widgets", "", 7.0),
        (7.0, "s", "MB", None),
        (7.0, "%", "points", None),
        (7.0, "widgets", "s", None),
        (7.0, "s", "S", None),
    ],
)
def test_a_value_is_brought_into_another_unit_or_refused(value: float, unit: str, to: str, there: float | None) -> None:
    """The result is exact: a value that equals its limit must not cross it by a float's noise."""
    assert convert(value, unit, to) == there


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.sampled_from([list(DURATIONS), list(SIZES)]), st.data())
def test_there_and_back_again_is_the_same_value(value: float, scale: list[str], data: st.DataObject) -> None:
    """Which unit a person likes must not change what a number means."""
    unit, other = data.draw(st.sampled_from(scale)), data.draw(st.sampled_from(scale))
    there = convert(value, unit, other)
    assert there is not None
    assert convert(there, other, unit) == pytest.approx(value, rel=1e-9)
