"""Growth that does not go back, told from caches that fill, steps, noise, and nothing at all."""

from __future__ import annotations

import math
import random
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_rollback.judge.growth import growth, middle, warm

SEEDS = range(200)


def noise(seed: int, cycles: int, leak: float = 0.0) -> list[float]:
    """Take levels that wander by thousands of bytes, and grow by a leak."""
    draw = random.Random(seed)  # noqa: S311 (nothing here is secret)
    return [leak * at + draw.expovariate(1 / 5000) for at in range(cycles + 1)]


@pytest.mark.parametrize("cycles", [5, 6, 11, 12, 20, 100, 1000])
@pytest.mark.parametrize("leak", [0.5, 32.0, 51e6])
def test_the_same_in_each_cycle_is_a_leak_to_the_byte(cycles: int, leak: float) -> None:
    """Levels without noise leave no doubt, however few and however small."""
    found = growth([1e9 + leak * at for at in range(cycles + 1)])
    assert (found.reliable, found.cycles) == (True, cycles)
    assert found.low == found.per_cycle == found.high == leak


@pytest.mark.parametrize("cycles", [5, 20, 1000])
def test_what_stays_level_is_none(cycles: int) -> None:
    """And there is no doubt about that either."""
    found = growth([7.0] * (cycles + 1))
    assert (found.reliable, found.per_cycle, found.low, found.high, found.net) == (False, 0, 0, 0, 0)


def test_warm_up_is_no_growth() -> None:
    """Whatever a third of the cycles does, the rest decides."""
    assert not growth([min(at, 300) * 1000.0 for at in range(1001)]).reliable
    assert growth([max(at, 300) * 1000.0 for at in range(1001)]).reliable


@pytest.mark.parametrize("full", [30, 128, 512])
def test_a_cache_that_fills_is_none_once_it_is_full(full: int) -> None:
    """One entry a cycle looks like a leak, and stops."""
    levels = [min(at, full) * 100.0 for at in range(1001)]
    assert growth(levels[: full + 1]).reliable
    assert not growth(levels).reliable


def test_a_cache_that_fills_by_keys_that_repeat_is_mostly_none_before_it_is_full() -> None:
    """It fills slower and slower, which no leak does."""
    alarms = 0
    for seed in SEEDS:
        draw = random.Random(seed)  # noqa: S311 (nothing here is secret)
        seen: set[int] = set()
        levels = [0.0]
        for _ in range(500):
            seen.add(draw.randrange(250))
            levels.append(100.0 * len(seen))
        alarms += growth(levels).reliable
    assert alarms <= len(SEEDS) // 5


def test_a_few_steps_are_none_and_many_are_a_leak() -> None:
    """Two modules that are imported late are two steps; a list that keeps all grows in ever so many."""
    late = [1e6 * ((at > 450) + (at > 800)) for at in range(1001)]
    assert not growth(late).reliable
    room = 0
    grown = [room := room if room >= at else at + (at >> 3) + 6 for at in range(1001)]
    found = growth([8.0 * slots for slots in grown])
    assert found.reliable
    assert found.low < 8 * 9 / 8 < found.high


def test_growth_that_goes_back_is_none() -> None:
    """A buffer that is written out now and then grows most of the time."""
    assert not growth([float(at % 50) for at in range(401)]).reliable
    assert not growth([-32.0 * at for at in range(401)]).reliable


@pytest.mark.parametrize("cycles", [20, 100, 400, 1000])
def test_noise_is_none(cycles: int) -> None:
    """What other threads hold for a moment is no trend: 200 seeded series, and not one alarm."""
    assert [seed for seed in SEEDS if growth(noise(seed, cycles)).reliable] == []


@pytest.mark.parametrize(("cycles", "leak"), [(100, 500.0), (400, 50.0), (1000, 5.0)])
def test_a_leak_far_below_the_noise_shows_by_the_number_of_cycles(cycles: int, leak: float) -> None:
    """A thousandth of the noise a cycle is enough, where there are enough cycles; and the bounds hold it."""
    found = [growth(noise(seed, cycles, leak)) for seed in SEEDS]
    assert sum(each.reliable for each in found) >= 0.9 * len(found)
    assert sum(each.low <= leak <= each.high for each in found) >= 0.9 * len(found)


def test_what_a_gauge_cannot_see_is_never_reliable() -> None:
    """Pages creep up by themselves."""
    levels = [1000.0 * at for at in range(101)]
    assert growth(levels, least=999.0).reliable
    assert not growth(levels, least=1000.0).reliable


@pytest.mark.parametrize("levels", [[], [1.0], [1.0, 2.0], [1.0, 2.0, 3.0]])
def test_too_few_levels_leave_everything_open(levels: list[float]) -> None:
    """Nothing looked at is not nothing found."""
    found = growth(levels)
    assert (found.reliable, found.low, found.high) == (False, -math.inf, math.inf)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_level_that_is_no_number_is_refused(bad: float) -> None:
    """It would compare as false with everything, and look flat."""
    with pytest.raises(ValueError, match="no number"):
        growth([1.0] * 20 + [bad])


@given(st.lists(st.integers(-(10**6), 10**6), min_size=4, max_size=60))
@settings(max_examples=200, deadline=None)
def test_bounds_are_in_order_and_a_leak_is_above_zero(steps: list[int]) -> None:
    """Whatever the levels are."""
    found = growth([float(level) for level in accumulate(steps, initial=0)])
    assert found.low <= found.per_cycle <= found.high
    assert not found.reliable or found.low > 0


def test_the_middle_is_the_median_with_two_values_around_it() -> None:
    """Where all are alike, so are the bounds; a few values leave all of them possible."""
    assert middle([3.0] * 50) == (3.0, 3.0, 3.0)
    assert middle([1.0, 9.0, 2.0]) == (2.0, 1.0, 9.0)
    value, low, high = middle([float(at) for at in range(101)])
    assert value == 50
    assert 30 < low < 50 < high < 70
    assert middle([4.0]) == (4.0, 4.0, 4.0)


def test_the_warm_up_is_a_third_and_at_least_two() -> None:
    """The first cycles build what all others use."""
    assert [*warm([1, 2, 3])] == [3]
    assert [*warm([*range(9)])] == [3, 4, 5, 6, 7, 8]
