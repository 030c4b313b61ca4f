"""The interval of a rate: what so many successes of so many attempts do and do not show."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_rollback.judge.rates import attempts_needed, rate_in_words, wilson

COUNTS = st.integers(1, 10**12).flatmap(lambda attempts: st.tuples(st.integers(0, attempts), st.just(attempts)))


@settings(deadline=None)
@given(COUNTS)
def test_the_interval_is_ordered_lies_in_0_to_1_and_holds_the_share(counts: tuple[int, int]) -> None:
    """What was seen is always one of the rates that could be true."""
    low, high = wilson(*counts)
    assert 0.0 <= low <= counts[0] / counts[1] <= high <= 1.0
    assert low < high


@settings(deadline=None)
@given(COUNTS)
def test_failures_are_judged_as_successes_are(counts: tuple[int, int]) -> None:
    """An error rate and its success rate must come to the same verdict."""
    successes, attempts = counts
    low, high = wilson(successes, attempts)
    assert wilson(attempts - successes, attempts) == pytest.approx((1.0 - high, 1.0 - low), rel=1e-12, abs=1e-15)


@settings(deadline=None)
@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(2, 1000))
def test_more_attempts_of_the_same_share_say_more(counts: tuple[int, int], times: int) -> None:
    """The interval narrows, whichever share was seen."""
    few, many = wilson(*counts), wilson(counts[0] * times, counts[1] * times)
    assert many[1] - many[0] < few[1] - few[0]


@settings(deadline=None)
@given(COUNTS)
def test_another_success_never_lowers_an_end(counts: tuple[int, int]) -> None:
    """A better count is never judged worse."""
    successes, attempts = counts
    worse, better = wilson(successes, attempts + 1), wilson(successes + 1, attempts + 1)
    assert worse[0] <= better[0]
    assert worse[1] <= better[1]


@pytest.mark.parametrize("attempts", [1, 2, 3, 7, 381, 10**6, 10**15, 10**400])
def test_the_ends_are_exact(attempts: int) -> None:
    """Nothing but successes never excludes 100 %, and nothing but failures never excludes 0 %."""
    assert wilson(attempts, attempts)[1] == 1.0
    assert wilson(0, attempts)[0] == 0.0


@pytest.mark.parametrize(
    ("successes", "attempts", "low", "high"),
    [
        (8, 10, 0.4901624715, 0.9433178485),
        (0, 10, 0.0, 0.2775327999),
        (1, 1, 0.2065493144, 1.0),
        (50, 100, 0.4038315304, 0.5961684696),
        (995, 1000, 0.9883490446, 0.9978624645),
    ],
)
def test_it_is_the_interval_of_the_textbooks(successes: int, attempts: int, low: float, high: float) -> None:
    """Held against the formula as it is printed, worked out with 50 digits."""
    assert wilson(successes, attempts) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(("successes", "attempts"), [(0, 0), (-1, 5), (6, 5), (1, -1)])
def test_what_is_no_count_has_no_interval(successes: int, attempts: int) -> None:
    """Zero attempts are no rate of 0 %, nor one of 100 %."""
    with pytest.raises(ValueError, match="expected 0 <= successes <= attempts"):
        wilson(successes, attempts)


@pytest.mark.parametrize(
    ("floor", "needed"), [(0.99, 381), (0.995, 765), (0.98, 189), (0.95, 73), (0.5, 4), (0.0, 1), (1.0, None)]
)
def test_a_floor_takes_so_many_attempts_without_a_failure(floor: float, needed: int | None) -> None:
    """The figure that a report gives is the first that is enough; no number of attempts shows 100 %."""
    assert attempts_needed(floor) == needed


@settings(deadline=None)
@given(st.floats(0.01, 0.9999))
def test_that_many_are_enough_and_one_fewer_is_not(floor: float) -> None:
    """Whoever makes that many attempts gets a verdict."""
    needed = attempts_needed(floor) or 0
    assert wilson(needed, needed)[0] >= floor * (1 - 1e-12)
    assert needed == 1 or wilson(needed - 1, needed - 1)[0] < floor


@settings(deadline=None)
@given(st.integers(1, 99), st.integers(0, 100))
def test_at_any_share_that_many_tell_it_from_the_floor(floor: int, share: int) -> None:
    """Above the floor the low end reaches it, below it the high end."""
    needed = attempts_needed(floor / 100, share / 100)
    if needed is None:
        assert floor == share
        return
    attempts = 100 * -(-needed // 100)  # a count that has exactly this share
    low, high = wilson(share * attempts // 100, attempts)
    assert (low if share > floor else 1 - high) >= (floor if share > floor else 100 - floor) / 100 - 1e-9


@pytest.mark.parametrize(("floor", "share"), [(1.5, 1.0), (-0.1, 1.0), (0.5, 2.0), (float("nan"), 1.0)])
def test_a_share_lies_between_0_and_1(floor: float, share: float) -> None:
    """99 is not 99 %."""
    with pytest.raises(ValueError, match="expected shares from 0 to 1"):
        attempts_needed(floor, share)


@pytest.mark.parametrize(
    ("successes", "attempts", "bounds", "words"),
    [
        (995, 1000, (), "995 of 1000"),
        (995, 1000, (98.0,), "995 of 1000"),
        (
            50,
            50,
            (99.0,),
            "50 of 50, which may be 92.87 to 100 %; it takes 381 attempts without a failure to tell it from 99 %",
        ),
        (
            99,
            100,
            (98.0, 97.0),
            "99 of 100, which may be 94.55 to 99.82 %; it takes 753 attempts at this rate to tell it from 98 %",
        ),
        (0, 9, (5.0,), "0 of 9, which may be 0 to 29.91 %; it takes 73 attempts without a success to tell it from 5 %"),
        (
            99,
            100,
            (99.0,),
            "99 of 100, which may be 94.55 to 99.82 %; at this rate no number of attempts tells it from 99 %",
        ),
    ],
)
def test_a_count_is_said_with_what_it_lacks(
    successes: int, attempts: int, bounds: tuple[float, ...], words: str
) -> None:
    """Where the verdict is open, whoever reads it learns what would close it."""
    assert rate_in_words(successes, attempts, bounds) == words
