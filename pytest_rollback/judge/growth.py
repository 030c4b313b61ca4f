"""Tells growth that does not go back from memory in use: caches that fill, steps, allocators that keep, noise.

Levels are taken after each cycle. The first third is warm-up. The rest is cut into spans, and only the floor of each
counts: what another thread holds for a moment lifts a level and leaves the floor where it is. A leak lifts the floors
one after the other, all along, and as fast at the end as before; a cache that fills and a module that is imported
late lift some of them. The rate is the median of the slopes between all pairs of floors (Theil and Sen), and its
interval comes of their order (Kendall), so that no single step decides. Everything is computed, nothing drawn.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise

from msgspec import Struct

WARM = 3  # one in so many levels is warm-up,
FIRST = 2  # and never fewer than these
SPANS = 12
ENOUGH = 8  # with fewer floors no order of them is rare enough to speak
CHANCE = 1e-4  # how often levels without a trend may look like a leak, each time that somebody looks
Z = 2.58  # 99 %
SLOWED = 0.7  # a rate that falls below this share of what it was is that of a cache that fills
ALIKE = 2.0  # how far the steps of a few cycles may differ

Floor = tuple[int, float]


class Growth(Struct, frozen=True, kw_only=True):
    """What each cycle adds, in the unit of the levels, and between which bounds that lies.

    Only where it is `reliable` is it a leak; else `high` says what could not be told from nothing. `net` is what the
    last floor lies over the first.
    """

    per_cycle: float
    low: float
    high: float
    reliable: bool
    cycles: int
    net: float = 0.0


def growth(levels: Sequence[float], least: float = 0.0) -> Growth:
    """Judge the levels before the first and after each cycle; a rate of `least` or under is never called reliable."""
    if not all(math.isfinite(level) for level in levels):
        msg = "a level of memory is no number"
        raise ValueError(msg)
    cycles = max(len(levels) - 1, 0)
    floors = _floors(warm(levels))
    if len(floors) < FIRST:
        return Growth(per_cycle=0.0, low=-math.inf, high=math.inf, reliable=False, cycles=cycles)
    slopes = sorted(_slopes(floors))
    per_cycle = statistics.median(slopes)
    low, high = _interval(slopes, len(floors))
    shows = _rises_all_along(floors) if len(floors) >= ENOUGH else _rises_evenly(floors)
    return Growth(
        per_cycle=per_cycle,
        low=low,
        high=high,
        reliable=shows and low > 0 and per_cycle > least,
        cycles=cycles,
        net=floors[-1][1] - floors[0][1],
    )


def warm(values: Sequence[float]) -> Sequence[float]:
    """Leave out the warm-up."""
    return values[max(FIRST, len(values) // WARM) :]


def middle(values: Sequence[float]) -> tuple[float, float, float]:
    """Give the median of some values, and between which two of them it lies for as good as certain."""
    ordered = sorted(values)
    off = math.ceil(Z * math.sqrt(len(ordered)) / 2)
    rank = max(len(ordered) // 2 - off, 0)
    return statistics.median(ordered), ordered[rank], ordered[-1 - rank]


def _floors(levels: Sequence[float]) -> list[Floor]:
    """Cut levels into spans; gives the lowest level of each, and where it lies."""
    count = SPANS if len(levels) >= 2 * SPANS else len(levels)
    cuts = [round(number * len(levels) / count) for number in range(count + 1)] if count else [0]
    lowest = (min(range(start, end), key=levels.__getitem__) for start, end in pairwise(cuts))
    return [(at, levels[at]) for at in lowest]


def _slopes(floors: Iterable[Floor]) -> list[float]:
    return [(b - a) / (at_b - at_a) for (at_a, a), (at_b, b) in combinations(floors, 2)]


def _interval(slopes: Sequence[float], floors: int) -> tuple[float, float]:
    """Give Sen's interval of the rate: the slopes that far from the middle as chance alone could move it."""
    spread = Z * math.sqrt(floors * (floors - 1) * (2 * floors + 5) / 18)
    rank = max(int((len(slopes) - spread) / 2), 0)
    return slopes[rank], slopes[-1 - rank]


def _rises_all_along(floors: Sequence[Floor]) -> bool:
    """Whether the floors rise beyond chance, in most places, and as fast in the second half as in the first."""
    steps = [after - before for (_, before), (_, after) in pairwise(floors)]
    if 2 * sum(step > 0 for step in steps) < len(steps):
        return False
    heights = [height for _, height in floors]
    disorder = sum(1.0 if b < a else 0.5 if b == a else 0.0 for a, b in combinations(heights, 2))
    if _chance(len(floors), math.ceil(disorder)) > CHANCE:
        return False
    half = len(floors) // 2
    before, after = (statistics.median(_slopes(part)) for part in (floors[: half + 1], floors[half:]))
    return after > 0 and after >= SLOWED * before


def _rises_evenly(floors: Sequence[Floor]) -> bool:
    """Whether each of a few cycles adds about the same; there are too few to tell it from chance in another way."""
    steps = [after - before for (_, before), (_, after) in pairwise(floors)]
    return len(steps) > FIRST and min(steps) > 0 and max(steps) <= ALIKE * min(steps)


def _chance(count: int, disorder: int) -> float:
    """How often values in random order have no more than so many pairs in the wrong one."""
    # nothing of this is kept for later: whoever looks at levels while they are taken must leave no growth behind
    ways = [1.0]
    for size in range(2, count + 1):
        ways = [sum(ways[max(0, at - size + 1) : at + 1]) for at in range(len(ways) + size - 1)]
    return math.fsum(ways[: disorder + 1]) / math.factorial(count)
