"""Says that a number slips a little with each verdict, before it crosses the line.

Every pair of verdicts is asked which of the two is the better (the Mann-Kendall test), and the slope is the median of
those of all pairs (Theil and Sen). So one odd value says little. A single jump is no slip either: what is left must
still slip wherever the jump is thought to be. Neither is a number that came back.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from statistics import NormalDist, median

from msgspec import Struct

from pytest_rollback.policy.criteria import number

FEWEST = 6
BY_CHANCE = 0.005  # how often noise around a level may look like a slip, of all that is looked at
BY_CHANCE_BESIDE_A_JUMP = 0.03
EXACT_UP_TO = 12
RECENT = 3
DIRECTIONS = {"higher": 1.0, "lower": -1.0}
NOISE_OF_FLOATS = 1e-9


class Slip(Struct, frozen=True, kw_only=True):
    """A number that gets worse step by step.

    `first` and `last` are the ends of the line through the values. `crosses_in` counts the verdicts until a row fires,
    if it goes on like this; null where no row would.
    """

    first: float
    last: float
    steps: int
    per_step: float
    crosses_in: int | None = None


def slip(
    values: Iterable[float], *, better: str, baseline: float | None = None, distance: float | None = None
) -> Slip | None:
    """Say whether the values of one metric, oldest first, slip; `better` is the way that is good, higher or lower.

    `distance` is how far from the baseline the nearest row fires, in the values' own unit; null where none does.
    """
    seen = _readable(values, better, baseline, distance)
    if len(seen) < FEWEST:
        return None
    goodness = [value * DIRECTIONS[better] for value in seen]  # from here on, less is worse
    if not _is_lower_now(goodness) or not _falls(goodness):
        return None
    slope = _slope(goodness)
    steps = len(goodness) - 1
    size = max(abs(value) for value in goodness)
    if slope >= 0.0 or -slope * steps <= NOISE_OF_FLOATS * size:
        return None
    start = median(value - slope * place for place, value in enumerate(goodness))
    sign = DIRECTIONS[better]
    last = start + slope * steps
    return Slip(
        first=_tidy(start * sign),
        last=_tidy(last * sign),
        steps=steps,
        per_step=_tidy(slope * sign),
        crosses_in=_crosses_in(last, slope, None if baseline is None else baseline * sign, distance),
    )


def slip_in_words(name: str, slips: Slip, unit: str = "") -> str:
    """Say it in a line: `search slips: 98.9 to 98.1 % in 8 steps, -0.1 each; crosses the line in 12 more`."""
    shown = f" {unit}".rstrip()
    ends = f"{number(_short(slips.first, slips))} to {number(_short(slips.last, slips))}{shown}"
    text = f"{name} slips: {ends} in {slips.steps} steps, {_short(slips.per_step, slips):+.6g} each"
    if slips.crosses_in is None:
        return text
    if slips.crosses_in == 0:
        return f"{text}; it is at the line now"
    return f"{text}; crosses the line in {slips.crosses_in} more"


def _readable(
    values: Iterable[float], better: str, baseline: float | None, distance: float | None
) -> tuple[float, ...]:
    """Hold what is given to being numbers: a trend of what is none would be none, and pass for a good one."""
    seen = tuple(values)
    given = (*seen, *(value for value in (baseline, distance) if value is not None))
    if better not in DIRECTIONS:
        msg = f'better is "higher" or "lower", not {better!r}'
        raise ValueError(msg)
    if not all(math.isfinite(value) for value in given) or (distance is not None and distance < 0):
        msg = "a trend is one of numbers, and a distance is not negative"
        raise ValueError(msg)
    return seen


def _is_lower_now(values: Sequence[float]) -> bool:
    """Whether the number is low now: the last one, and the last few together. One that came back does not slip."""
    middle = median(values)
    return values[-1] < middle and median(values[-RECENT:]) < middle


def _falls(values: Sequence[float]) -> bool:
    """Whether the values fall, and would still do so if any one step between two of them were a jump of its own."""
    if _chance([values]) > BY_CHANCE:
        return False
    return all(_chance([values[:cut], values[cut:]]) <= BY_CHANCE_BESIDE_A_JUMP for cut in range(1, len(values)))


def _chance(parts: Sequence[Sequence[float]]) -> float:
    """Say how likely it is that noise falls as much; only values of one part are held against each other."""
    falls = sum(_balance(part) for part in parts)
    whole = sum(len(part) for part in parts)
    tied = any(len(set(part)) < len(part) for part in parts)
    if whole <= EXACT_UP_TO and not tied:
        return _exactly(tuple(len(part) for part in parts), falls)
    variance = sum(_variance(part) for part in parts)
    if variance == 0.0:
        return 1.0
    return 1.0 - NormalDist().cdf((falls - 1) / math.sqrt(variance))


def _balance(values: Sequence[float]) -> int:
    """Count the pairs that fall, less those that rise."""
    return sum(
        (later < earlier) - (later > earlier) for place, earlier in enumerate(values) for later in values[place + 1 :]
    )


def _variance(values: Sequence[float]) -> float:
    """Give the variance of that balance for values in any order; equal ones have less to say."""
    sizes = (len(values), *Counter(values).values())
    whole, *ties = (size * (size - 1) * (2 * size + 5) / 18 for size in sizes)
    return whole - sum(ties)


@cache
def _exactly(sizes: tuple[int, ...], falls: int) -> float:
    """Give the share of all orders of so many different values whose balance is at least this."""
    orders = Counter({0: 1})
    for size in sizes:
        for place in range(1, size):  # the next value may fall below any number of those before it
            orders = _added(orders, range(-place, place + 1, 2))
    return sum(times for balance, times in orders.items() if balance >= falls) / sum(orders.values())


def _added(orders: Counter[int], steps: range) -> Counter[int]:
    found: Counter[int] = Counter()
    for balance, times in orders.items():
        for step in steps:
            found[balance + step] += times
    return found


def _slope(values: Sequence[float]) -> float:
    """Give the median of the slopes of all pairs."""
    return median(
        (later - earlier) / (after - place)
        for place, earlier in enumerate(values)
        for after, later in enumerate(values[place + 1 :], place + 1)
    )


def _crosses_in(last: float, slope: float, baseline: float | None, distance: float | None) -> int | None:
    """Count the steps until the number is as far from its baseline as the nearest row fires at."""
    if baseline is None or distance is None:
        return None
    left = last - (baseline - distance)
    return max(0, math.ceil(_tidy(left / -slope)))


def _tidy(value: float) -> float:
    return float(f"{value:.9g}")


def _short(value: float, slips: Slip) -> float:
    """Round to what a step can change: two digits of it."""
    return round(value, 1 - math.floor(math.log10(abs(slips.per_step)))) if slips.per_step else value
