"""Times and their ratios, on machines that are made up: quiet, busy, changing, and lying."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pytest_rollback.judge.pace import (
    CPU,
    FEWEST,
    UNKNOWN,
    WAITING,
    Compared,
    NotComparable,
    Pace,
    Sample,
    compare,
    interval,
    summarise,
)

UNIT = 2e-4


def samples(
    count: int = 40,
    *,
    seconds: float = 1e-3,
    machine: float = 1.0,
    follows: float = 0.8,
    noise: float = 0.01,
    seed: int = 1,
) -> list[Sample]:
    """Make samples of a busy function on a machine that is slower by a factor, and of which it follows a part."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    found = []
    for _ in range(count):
        took = seconds * machine**follows * math.exp(chance.gauss(0, noise))
        unit = UNIT * machine * math.exp(chance.gauss(0, noise))
        found.append(Sample(took, unit, unit, took, 0.0))
    return found


def waiting(count: int = 40, *, seconds: float = 1e-2, delay: float = 0.0, seed: int = 1) -> list[Sample]:
    """Make samples of a function that waits, while the system lets others run as well."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    waited = [seconds * math.exp(chance.gauss(0, 0.01)) for _ in range(count)]
    return [Sample(took + delay, UNIT, UNIT, took / 100, delay) for took in waited]


def ratio(then: Pace, now: Pace) -> Compared:
    """Hold one time against another that was stored and read again."""
    found = compare(json.loads(json.dumps(then.basis)), now)
    assert isinstance(found, Compared), found
    assert found.low <= found.ratio <= found.high
    return found


def why(then: Pace, now: Pace, **changed: Any) -> NotComparable:
    """Say why one time can't be held against another, of which some keys were changed."""
    found = compare({**then.basis, **changed}, now)
    assert isinstance(found, NotComparable)
    return found


@pytest.mark.parametrize("slower", [0.5, 0.9, 1.0, 1.1, 1.2, 1.5, 3.0, 100.0])
def test_a_change_of_the_function_is_seen(slower: float) -> None:
    """On a machine that is as it was, the interval holds the truth, and hardly anything else."""
    found = ratio(summarise(samples(), 1), summarise(samples(seconds=1e-3 * slower, seed=2), 1))
    assert found.low < slower < found.high
    assert found.low > 0.94 * slower
    assert found.high < 1.06 * slower


@pytest.mark.parametrize("machine", [0.7, 1.3, 1.7])
@pytest.mark.parametrize("follows", [0.5, 0.8, 1.0])
def test_a_change_of_the_machine_is_none_of_the_function(machine: float, follows: float) -> None:
    """Whichever part of it the function follows: the interval holds that nothing has changed."""
    found = ratio(summarise(samples(), 1), summarise(samples(machine=machine, follows=follows, seed=2), 1))
    assert found.low < 1 < found.high


def test_a_change_of_the_function_shows_on_another_machine_too() -> None:
    """A machine that is slower by 30 % hides no slow-down by half, and does not make one up."""
    found = ratio(summarise(samples(), 1), summarise(samples(machine=1.3, seconds=1.5e-3, seed=2), 1))
    assert 1.3 < found.low < 1.5 < found.high


def test_what_is_sampled_while_the_machine_is_slow_is_left_out() -> None:
    """Half of the time somebody else slows it down by half, which the calibration on both sides tells."""
    mixed = [
        each for pair in zip(samples(40), samples(40, machine=1.5, follows=0.4, seed=3), strict=True) for each in pair
    ]
    found = summarise(mixed, 1)
    assert found.samples == 80
    assert found.calm == 40
    assert found.seconds == pytest.approx(1e-3, rel=0.01)
    assert found.wall > 1.02e-3, "the median of what was seen is reported as it was seen"
    after = [sample._replace(after=2 * UNIT) for sample in samples(20, seconds=5e-3, seed=3)]
    assert summarise([*samples(), *after], 1).seconds == pytest.approx(1e-3, rel=0.01)


def test_the_time_of_others_does_not_count() -> None:
    """What the system gave to others meanwhile is no time of a function that waits, nor of one that works."""
    found = ratio(summarise(waiting(), 1), summarise(waiting(delay=0.05, seed=2), 1))
    assert 0.9 < found.low < 1 < found.high < 1.1
    preempted = [sample._replace(wall=4 * sample.wall, delay=3 * sample.wall) for sample in samples(seed=2)]
    now = summarise(preempted, 1)
    assert now.kind == CPU
    assert now.wall == pytest.approx(4e-3, rel=0.02)
    found = ratio(summarise(samples(), 1), now)
    assert 0.9 < found.low < 1 < found.high < 1.1


def test_a_delay_beside_the_clocks_takes_nothing_away() -> None:
    """The account of delays is read around the clocks, so the system may have let others run between the two."""
    late = [sample._replace(delay=5 * sample.wall) for sample in samples(seed=2)]
    found = ratio(summarise(samples(), 1), summarise(late, 1))
    assert 0.9 < found.low < 1 < found.high < 1.1
    assert summarise([sample._replace(delay=1.0) for sample in waiting()], 1).seconds > 0


def test_waiting_is_not_scaled_by_the_processor() -> None:
    """A second of sleep is a second on every machine."""
    slow = [sample._replace(before=3 * UNIT, after=3 * UNIT) for sample in waiting(seed=2)]
    found = ratio(summarise(waiting(), 1), summarise(slow, 1))
    assert 0.9 < found.low < 1 < found.high < 1.1


@pytest.mark.parametrize(
    ("of_wall", "kind"),
    [(1.0, CPU), (0.9, CPU), (0.5, WAITING), (0.0, WAITING), (1.1, CPU), (2.0, WAITING), (None, UNKNOWN)],
)
def test_what_a_function_does_with_its_time(of_wall: float | None, kind: str) -> None:
    """Where two threads of it run at once, only the clock tells how long it takes."""
    made = [sample._replace(cpu=None if of_wall is None else of_wall * sample.wall) for sample in samples()]
    assert summarise(made, 1).kind == kind


def test_a_little_waiting_counts_as_time() -> None:
    """A function that starts to wait a little, and is still bound by the processor, has become slower by that."""
    now = [sample._replace(wall=1.15 * sample.wall) for sample in samples(seed=2)]
    found = ratio(summarise(samples(), 1), summarise(now, 1))
    assert 1.05 < found.low < 1.15 < found.high


def test_calls_of_a_batch_are_counted_one_by_one() -> None:
    """A thousand calls in a sample are a thousandth each."""
    found = summarise(samples(), 1000)
    assert found.batch == 1000
    assert found.wall == pytest.approx(1e-6, rel=0.01)
    assert found.seconds == pytest.approx(1e-6, rel=0.01)


def test_without_the_processors_time_the_interval_is_wider() -> None:
    """Nobody knows then whether it follows the machine; and what was not interleaved has seen another one."""
    plain = [sample._replace(cpu=None) for sample in samples()]
    apart = ratio(summarise(plain, 1, interleaved=False), summarise(plain, 1, interleaved=False))
    together = ratio(summarise(plain, 1), summarise(plain, 1))
    assert apart.low < together.low < 1 < together.high < apart.high


@pytest.mark.parametrize("count", range(1, FEWEST))
def test_too_few_samples_compare_with_nothing(count: int) -> None:
    """Here more samples help; in the baseline they don't."""
    few = summarise(samples(count), 1)
    assert why(summarise(samples(), 1), few) == NotComparable(f"there are only {count} samples of at least 5")
    found = why(few, summarise(samples(), 1))
    assert (found.why, found.lasts) == (f"its baseline has only {count} samples of at least 5", True)


def test_five_samples_say_little() -> None:
    """They may all be off: the interval is wider than their range."""
    few = samples(5, noise=0.1)
    found = summarise(few, 1)
    assert found.wall_low < min(sample.wall for sample in few)
    assert found.wall_high > max(sample.wall for sample in few)


def test_another_kind_of_function_is_not_comparable() -> None:
    """One that worked and waits now does something else."""
    found = why(summarise(samples(), 1), summarise(waiting(), 1))
    assert found.why == "it kept the processor busy when its baseline was taken, it waited now (1 ms then, 10 ms now)"


@pytest.mark.parametrize(("machine", "which"), [(3.5, "slower"), (1 / 3.5, "faster")])
def test_another_machine_is_not_comparable(machine: float, which: str) -> None:
    """Nobody knows how a function would do on it."""
    found = why(summarise(samples(), 1), summarise(samples(machine=machine), 1))
    assert found == NotComparable(f"the machine is 3.5 times {which} than when its baseline was taken")


def test_a_baseline_of_other_work_is_not_comparable() -> None:
    """A calibration that was something else calibrates nothing."""
    found = why(summarise(samples(), 1), summarise(samples(), 1), work=2)
    assert found.lasts
    assert "another version's work" in found.why


@pytest.mark.parametrize(
    "key", ["kind", "samples", "batch", "seconds", "spread", "calibration", "calm", "interleaved", "work"]
)
@pytest.mark.parametrize("value", [None, "x", -1, [], {}, math.nan, math.inf, 10**40])
def test_garbage_in_a_basis_is_named(key: str, value: Any) -> None:
    """Whoever edited the file learns where; nothing of it is taken for a time."""
    good = summarise(samples(), 1)
    for basis in ({**good.basis, key: value}, {name: kept for name, kept in good.basis.items() if name != key}):
        found = compare(basis, good)
        assert isinstance(found, NotComparable)
        if key != "work":
            assert found.lasts
            assert key in found.why, found.why
            assert "accept a new one" in found.why


@pytest.mark.parametrize("key", ["samples", "batch", "seconds", "calibration", "calm"])
def test_zero_is_no_time(key: str) -> None:
    """A basis of nothing would make any time endlessly slower, or none."""
    good = summarise(samples(), 1)
    assert key in why(good, good, **{key: 0}).why


@pytest.mark.parametrize("basis", [{}, {"contract": {}}, None, [], "x", 3])
def test_a_basis_of_something_else_is_none(basis: Any) -> None:
    """Such as that of a baseline that was accepted for another kind of number."""
    found = compare(basis, summarise(samples(), 1))
    assert isinstance(found, NotComparable)
    assert found.lasts


def test_a_time_that_is_endlessly_far_away_is_no_ratio() -> None:
    """No infinity comes out of it."""
    good = summarise(samples(), 1)
    assert "so far from it" in why(good, good, seconds=1e12).why
    assert "so far from it" in why(good, good, spread=1e9).why
    assert "seconds is 1e+300" in why(good, good, seconds=1e300).why


@pytest.mark.parametrize(("given", "batch"), [([], 1), (samples(), 0), (samples(), -1)])
def test_nothing_is_summarised_as_nothing(given: list[Sample], batch: int) -> None:
    """No sample is no fast function."""
    with pytest.raises(ValueError, match="nothing to summarise"):
        summarise(given, batch)


def test_clocks_that_stand_still_break_nothing() -> None:
    """A clock may be too coarse for a fast call."""
    found = summarise([Sample(0.0, 0.0, 0.0, 0.0, 0.0)] * 10, 1)
    assert math.isfinite(found.seconds)
    assert found.seconds > 0
    assert ratio(found, found).ratio == 1


def test_the_basis_is_small() -> None:
    """It is kept in a file that people read."""
    basis = summarise(samples(500), 7).basis
    assert len(json.dumps(basis)) < 300
    assert basis["batch"] == 7


def test_the_interval_holds_the_middle_as_often_as_it_says() -> None:
    """Of 400 seeded sets of noise, in which nothing moves, and whose tails are heavy."""
    chance = random.Random(7)  # noqa: S311 (no secret)
    for count in (10, 20, 80, 300):
        held = 0
        for _ in range(400):
            _, low, high = interval([chance.gauss(0, 1) * (10 if chance.random() < 0.1 else 1) for _ in range(count)])
            held += low <= 0 <= high
        assert held >= 388, count


def test_hundreds_of_thousands_of_samples_are_summarised_too() -> None:
    """pytest-benchmark takes as many; the interval is that of all of them, and not of those that were looked at."""
    chance = random.Random(7)  # noqa: S311 (no secret)
    values = [chance.gauss(0, 1) for _ in range(100_000)]
    middle, low, high = interval(values)
    assert abs(middle) < 0.02
    assert low < middle < high
    assert high - low < 0.05


NUMBERS = st.floats(-1e6, 1e6)


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=80))
def test_an_interval_is_ordered_and_minds_no_order(values: list[float]) -> None:
    """And it is that of the values, wherever they lie."""
    middle, low, high = interval(values)
    assert low <= middle <= high
    assert interval(values[::-1]) == (middle, low, high)
    negative = interval([-value for value in values])
    assert negative == pytest.approx((-middle, -high, -low))


@settings(deadline=None, max_examples=50)
@given(st.floats(0.2, 5), st.floats(0.6, 1.6), st.integers(0, 1000))
def test_there_and_back_again_is_one(slower: float, machine: float, seed: int) -> None:
    """What is faster one way is slower by the same the other way."""
    one = summarise(samples(seed=seed), 1)
    other = summarise(samples(seconds=1e-3 * slower, machine=machine, seed=seed + 1), 1)
    there, back = ratio(one, other), ratio(other, one)
    assert there.ratio * back.ratio == pytest.approx(1, rel=1e-4)
    assert there.low * back.high == pytest.approx(1, rel=1e-4)


def test_a_wide_baseline_widens_the_interval() -> None:
    """A baseline that is not known well is not held against anybody."""
    good = summarise(samples(), 1)
    vague = structs.replace(good, spread=0.3)
    assert ratio(vague, good).low < 0.8 < ratio(good, good).low
