"""What looking comes upon: a part of a thing, or an obstacle."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class ObstacleError(Exception):
    """A thing can't be looked at; says why, and what to hand over instead. What nobody looked at must not pass."""


class NoKey:
    """Stands where no mapping leads to a part."""


class Part(NamedTuple):
    """Something inside a thing, and the step of the path that leads to it; `key` is where a mapping keeps it."""

    what: Any
    step: str = ""
    key: Any = NoKey
    is_plain: bool = True


Parts = Iterable[Part]
Holds = Callable[[Any, bool], Parts]
