"""A number that slips a little each time is said before it crosses the line; noise, jumps and recoveries are not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_rollback.judge.trends import FEWEST, Slip, _balance, _exactly, slip, slip_in_words

Series = Callable[[random.Random, int], list[float]]
FALLING = [99.0, 98.9, 98.8, 98.7, 98.6, 98.5, 98.4]


def said(make: Series, length: int, trials: int) -> int:
    """Count in how many of so many seeded series a slip is said."""
    found = 0
    for trial in range(trials):
        source = random.Random(f"{length}-{trial}")  # noqa: S311 (nothing here is secret)
        found += slip(make(source, length), better="higher") is not None
    return found


def level(source: random.Random, length: int) -> list[float]:
    """Make noise around a level."""
    return [98.0 + source.gauss(0, 0.05) for _ in range(length)]


def falling_by(step: float) -> Series:
    """Make a number that falls by so much each time, with noise."""
    return lambda source, length: [value - step * place for place, value in enumerate(level(source, length))]


def jumping(source: random.Random, length: int) -> list[float]:
    """Make a number that falls once, anywhere, and then stays."""
    jump = source.randrange(1, length)
    return [value - (place >= jump) for place, value in enumerate(level(source, length))]


def test_a_steady_slip_is_said_with_its_pace() -> None:
    """Where it began, where it is, how fast, and when it will cross the line."""
    found = slip(FALLING, better="higher", baseline=99.0, distance=2.0)
    assert found == Slip(first=99.0, last=98.4, steps=6, per_step=-0.1, crosses_in=14)
    assert slip_in_words("architecture", found, "%") == (
        "architecture slips: 99 to 98.4 % in 6 steps, -0.1 each; crosses the line in 14 more"
    )


def test_where_less_is_better_a_rise_is_the_slip() -> None:
    """And a fall is good news."""
    rising = [0.10, 0.11, 0.12, 0.13, 0.14, 0.15]
    found = slip(rising, better="lower", baseline=0.10, distance=0.05)
    assert found is not None
    assert (found.per_step, found.crosses_in) == (0.01, 0)
    assert slip_in_words("search", found, "s").endswith("+0.01 each; it is at the line now")
    assert slip(rising, better="higher") is None


@pytest.mark.parametrize(("baseline", "distance"), [(None, 2.0), (99.0, None), (None, None)])
def test_without_a_row_that_would_fire_nothing_is_crossed(baseline: float | None, distance: float | None) -> None:
    """The slip is said all the same."""
    found = slip(FALLING, better="higher", baseline=baseline, distance=distance)
    assert found is not None
    assert found.crosses_in is None
    assert "cross" not in slip_in_words("architecture", found)


@pytest.mark.parametrize(
    "values",
    [
        [],
        FALLING[: FEWEST - 1],
        [98.0] * 30,
        FALLING[::-1],
        [99.0] * 8 + [95.0] * 8,
        [99.0] * 15 + [12.0],
        [99.0, 98.5, 98.0, 97.5, 97.0, 96.5, 99.0, 99.0],
        [99.0, 98.5, 98.0, 97.5, 97.0, 96.5, 98.9],
        [99.0, 98.0] * 10,
        [98.0, math.nextafter(98.0, 0)] + [98.0 - 1e-13 * place for place in range(2, 12)],
    ],
    ids=["none", "few", "equal", "rising", "jump", "odd one", "back", "just back", "to and fro", "a float's noise"],
)
def test_what_is_no_slip(values: list[float]) -> None:
    """Each of these would cry wolf."""
    assert slip(values, better="higher") is None


@pytest.mark.parametrize("length", [6, 8, 12])
def test_noise_is_a_slip_in_fewer_than_one_of_a_hundred(length: int) -> None:
    """A warning that is often wrong is not read."""
    assert said(level, length, 2000) < 20


@pytest.mark.parametrize("length", [8, 12])
def test_rounded_noise_is_none_either(length: int) -> None:
    """Scores have few digits, and so many equal values."""
    assert said(lambda source, size: [round(value, 1) for value in level(source, size)], length, 1000) < 10


@pytest.mark.parametrize("length", [6, 8, 12, 20])
def test_one_jump_is_rarely_taken_for_a_slip(length: int) -> None:
    """The jump itself was judged when it came."""
    assert said(jumping, length, 400) <= 12


@pytest.mark.parametrize(("step", "length", "share"), [(0.1, 8, 0.85), (0.1, 10, 0.98), (0.05, 12, 0.9)])
def test_a_slip_within_noise_is_found_soon(step: float, length: int, share: float) -> None:
    """0.1 points a verdict in a noise of 0.05: after 8 to 10 of them, long before 2 points are gone."""
    assert said(falling_by(step), length, 200) >= share * 200


def test_a_jump_within_a_slip_hides_nothing() -> None:
    """What slips before and after the jump slips."""
    values = [99.0 - 0.1 * place - (2.0 if place >= 6 else 0.0) for place in range(12)]
    found = slip(values, better="higher")
    assert found is not None
    assert found.per_step < 0


NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=0, max_size=14)


@settings(deadline=None)
@given(NUMBERS)
def test_a_slip_always_goes_the_bad_way(values: list[float]) -> None:
    """Whatever the numbers are: what is said to get worse does, and not both ways at once."""
    down, up = slip(values, better="higher"), slip(values, better="lower")
    assert down is None or (down.last < down.first and down.per_step < 0)
    assert up is None or (up.last > up.first and up.per_step > 0)
    assert down is None or up is None


@settings(deadline=None)
@given(NUMBERS)
def test_the_other_direction_is_the_mirror(values: list[float]) -> None:
    """A time that rises slips as a score that falls."""
    down = slip(values, better="higher")
    up = slip([-value for value in values], better="lower")
    assert (down is None) == (up is None)
    if down is not None and up is not None:
        assert (down.first, down.last, down.per_step) == (-up.first, -up.last, -up.per_step)


@pytest.mark.parametrize("sizes", [(5,), (2, 3), (1, 4)])
def test_the_chance_is_that_of_all_orders(sizes: tuple[int, ...]) -> None:
    """Counted by putting the values in each order there is."""
    balances = [0]
    for size in sizes:
        balances = [so_far + _balance(order) for so_far in balances for order in permutations(range(size))]
    for falls in range(-10, 11):
        assert _exactly(sizes, falls) == pytest.approx(sum(b >= falls for b in balances) / len(balances))


@pytest.mark.parametrize(
    ("values", "better", "baseline", "distance"),
    [
        ([1.0, math.nan], "higher", None, None),
        ([math.inf] * 8, "lower", None, None),
        (FALLING, "higher", math.nan, 1.0),
        (FALLING, "higher", 99.0, math.inf),
        (FALLING, "higher", 99.0, -1.0),
        (FALLING, "up", None, None),
        (FALLING, "", None, None),
    ],
)
def test_what_can_not_be_read_is_an_error(
    values: list[float], better: str, baseline: float | None, distance: float | None
) -> None:
    """No trend in what is no number would read as a good trend."""
    with pytest.raises(ValueError, match=r"a trend is one of numbers|better is"):
        slip(values, better=better, baseline=baseline, distance=distance)


def test_a_generator_is_read_once() -> None:
    """Histories come out of ledgers."""
    assert slip((value for value in FALLING), better="higher") == slip(FALLING, better="higher")
