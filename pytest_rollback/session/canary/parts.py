"""What looking comes upon: a part of a thing, or an obstacle."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class ObstacleError(Exception):
    """A thing can't be looked at; says why, and what to hand over instead. What nobody looked at must not pass.

    `within` says how many attributes may lead to the thing for it to count: what a view keeps in its own attributes is
    what its user sees, and the machinery far behind it is not.
    """

    def __init__(self, why: str, within: float = math.inf) -> None:
        super().__init__(why)
        self.within = within


class NoKey:
    """Stands where no mapping leads to a part."""


class Part(NamedTuple):
    """Something inside a thing, and the step of the path that leads to it; `key` is where a mapping keeps it.

    An obstacle may stand in the place of what it hides.
    """

    what: Any
    step: str = ""
    key: Any = NoKey
    is_plain: bool = True


Parts = Iterable[Part]
Holds = Callable[[Any, bool], Parts]
