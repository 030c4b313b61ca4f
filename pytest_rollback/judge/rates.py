"""What a share of some attempts says of the true rate: an interval, and how many attempts would say more.

The interval is Wilson's, 95 %, two-sided. It is narrow only where there were many attempts, never leaves 0 to 1, and
says something of 20 successes of 20 where the plain formula claims to be certain.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from pytest_rollback.policy.criteria import number

Z = 1.959963984540054
Z_SQUARED = Z * Z


def wilson(successes: int, attempts: int) -> tuple[float, float]:
    """Give the ends of the interval in which the true share lies, both from 0 to 1."""
    if attempts < 1 or not 0 <= successes <= attempts:
        msg = f"expected 0 <= successes <= attempts and an attempt, not {successes} of {attempts}"
        raise ValueError(msg)
    if 2 * successes > attempts:  # one half is worked out as the mirror of the other, so that both are exact alike
        low, high = wilson(attempts - successes, attempts)
        return 1.0 - high, 1.0 - low
    share, each = successes / attempts, 1 / attempts
    weight = Z_SQUARED * each
    middle = share + weight / 2
    spread = Z * math.sqrt(share * (1.0 - share) * each + weight * each / 4)
    low = 0.0 if successes == 0 else min(share, max(0.0, (middle - spread) / (1.0 + weight)))
    return low, max(share, (middle + spread) / (1.0 + weight))


def attempts_needed(floor: float, share: float = 1.0) -> int | None:
    """Say how many attempts of this share it takes to tell the true rate from a floor: none does where both are equal.

    Without a share: how many without a failure it takes before the low end reaches the floor. All are shares 0 to 1.
    """
    if not (0.0 <= floor <= 1.0 and 0.0 <= share <= 1.0):
        msg = f"expected shares from 0 to 1, not a floor of {floor} and {share}"
        raise ValueError(msg)
    apart = share - floor
    if apart == 0.0:
        return None
    enough = Z_SQUARED * floor * (1.0 - floor) / apart / apart
    return max(1, math.ceil(enough)) if math.isfinite(enough) else None


def rate_in_words(successes: int, attempts: int, bounds: Iterable[float] = ()) -> str:
    """Say what was counted: `995 of 1000`. Where it can't be told from a bound (in %), say how many attempts could."""
    counted = f"{successes} of {attempts}"
    low, high = (100.0 * end for end in wilson(successes, attempts))
    bound = next((bound for bound in bounds if low < bound < high), None)
    if bound is None:
        return counted
    needed = attempts_needed(bound / 100.0, successes / attempts)
    may_be = f"{counted}, which may be {_short(low)} to {_short(high)} %"
    if needed is None:
        return f"{may_be}; at this rate no number of attempts tells it from {number(bound)} %"
    how = {0: "without a success", attempts: "without a failure"}.get(successes, "at this rate")
    return f"{may_be}; it takes {needed} attempts {how} to tell it from {number(bound)} %"


def _short(percent: float) -> str:
    """Write an end of an interval, which nobody needs to more than two places."""
    return number(round(percent, 2))
