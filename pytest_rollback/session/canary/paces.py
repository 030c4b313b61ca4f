"""When the running thread hands over: at each of its steps, as the seed decides.

No single way of interleaving finds all races, so the rounds take turns. In step, everyone goes line by line, and what
is written by two and then read by both shows at once. At random, some fall far behind others. At rare lines, whoever
comes to one of them has to wait, which hits a narrow window however long the loops before it are. With few changes, one
runs nearly to its end inside another. All of it is done at lines, and then inside them.

Long loops are not worked through: at a place that comes again and again, and late in a long round, a thread hands over
ever more seldom.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import NamedTuple

Spot = tuple[str, int, int]  # file, line, and the place inside of it
Chooses = Callable[[Spot], bool]

OFTEN = 0.5
SELDOM = 0.12
VERY_SELDOM = 0.03
RARE = 8  # visits, after which a spot stands in a loop
FEW_CHANGES = 3
FIRST_GUESS = 60  # steps, before any round was counted
AT_A_SPOT = 300  # visits in a round, after which few of them hand over
EVERY = 101  # of them; a prime number, so that it is not always the same user's
IN_A_ROUND = 10_000  # times that somebody hands over, after which only new spots do
INSIDE_LINES = 60_000  # steps of all users in a round, after which only lines are steps


class Pace(NamedTuple):
    """How one round is interleaved. `in_turn`: whoever hands over hands over to the next, not to anyone."""

    chooses: Chooses
    in_turn: bool
    inside_lines: bool


def pace_of(number: int, rng: Random, steps: dict[bool, int]) -> Pace:
    """Choose how a round is interleaved; `steps` says how many steps rounds took, at lines and inside them."""
    kinds = (_in_step, _at_random, _at_rare_spots, _with_few_changes)
    turn = (number - 1) % (2 * len(kinds))
    inside_lines = turn >= len(kinds)
    kind = kinds[turn % len(kinds)]
    length = steps.get(inside_lines) or 8 * steps.get(False, FIRST_GUESS)
    chooses = kind(rng, length)
    chooses = chooses if kind is _with_few_changes else _sparing(chooses)
    return Pace(chooses, in_turn=kind in (_in_step, _at_rare_spots), inside_lines=inside_lines)


def _sparing(chooses: Chooses) -> Chooses:
    """Keep a long loop from handing over at each of its steps."""
    visits: dict[Spot, int] = defaultdict(int)
    count = 0

    def chooses_seldom(spot: Spot) -> bool:
        nonlocal count
        visits[spot] = now = visits[spot] + 1
        if now > (AT_A_SPOT if count < IN_A_ROUND else RARE) and (count >= IN_A_ROUND or now % EVERY):
            return False
        chosen = chooses(spot)
        count += chosen
        return chosen

    return chooses_seldom


def _in_step(_rng: Random, _length: int) -> Chooses:
    return lambda _spot: True


def _at_random(rng: Random, _length: int) -> Chooses:
    chance = rng.choice((OFTEN, SELDOM))
    return lambda _spot: rng.random() < chance


def _at_rare_spots(rng: Random, _length: int) -> Chooses:
    chosen: dict[Spot, bool] = {}
    visits: dict[Spot, int] = defaultdict(int)

    def chooses(spot: Spot) -> bool:
        if spot not in chosen:
            chosen[spot] = rng.random() < OFTEN
        visits[spot] += 1
        return chosen[spot] and (visits[spot] <= RARE or rng.random() < VERY_SELDOM)

    return chooses


def _with_few_changes(rng: Random, length: int) -> Chooses:
    changes = {rng.randrange(1, max(length, 2)) for _ in range(FEW_CHANGES)}
    step = 0

    def chooses(_spot: Spot) -> bool:
        nonlocal step
        step += 1
        return step in changes

    return chooses
