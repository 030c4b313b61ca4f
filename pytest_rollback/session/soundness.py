"""Says what a verdict leans on, and where something else was judged than what was to be judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pytest_rollback.model import Obstacle, Reason
from pytest_rollback.session.ground import Ground
from pytest_rollback.session.limits import Limits
from pytest_rollback.session.narrow import is_strict, turned_off
from pytest_rollback.session.observe import plain, readable

NAMED = 3


def settings_of(config: pytest.Config, limits: Limits) -> dict[str, str]:
    """Say what of the configuration a gate leans on, so that a later change can be held against it."""
    return {
        "timeouts": "on" if limits.enforced else "off",
        "timeout": f"{limits.of_session:g}",
        "strict-xfail": "on" if is_strict(config) else "off",
        "blocked": ",".join(sorted(turned_off(config))),
    }


def unkeyed(ground: Ground) -> list[str]:
    """Name what was judged and is in no tree that a commit could have."""
    odd = ground.unkeyed
    if not odd or ground.tree is None:
        return []
    more = f" and {len(odd) - NAMED} more" if len(odd) > NAMED else ""
    return [f"no commit will find this verdict, since no commit holds all of this: {'; '.join(odd[:NAMED])}{more}"]


def wrong_ground(ground: Ground, root: Path, folders: Iterable[str]) -> Iterator[Obstacle]:
    """Say where something else was judged than what was to be judged."""
    moved = ground.moved()
    if moved:
        files = "1 tracked file" if len(moved) == 1 else f"{len(moved)} tracked files"
        detail = f"{files} changed while the gate ran, so what was judged is no one tree"
        yield Obstacle(reason=Reason.TREE_MOVED, detail=detail, tests=tuple(map(readable, moved)))
    foreign = [str(folder) for folder in (root, *map(Path, sorted(folders))) if not ground.is_within(folder)]
    if foreign:
        detail = "gate tests were collected from outside of what was to be judged"
        yield Obstacle(reason=Reason.WRONG_TREE, detail=detail, tests=tuple(map(readable, foreign)))
    strays = ground.strays()
    if strays:
        detail = f"something else was run than what was to be judged: {plain(strays[0])}"
        yield Obstacle(reason=Reason.WRONG_TREE, detail=detail, tests=tuple(map(readable, strays[1:])))
