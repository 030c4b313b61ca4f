"""Says of a leak what it is made of: which types there are more of after each cycle, and which lines they come from."""

from __future__ import annotations

import functools
import gc
import itertools
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

FRAMES = 16
CYCLES, NAMED = 5, 3
OURS = str(Path(__file__).parent)


class Leftovers(Struct, frozen=True, kw_only=True):
    """What each cycle leaves behind: types with their number, and lines with their bytes, the most first."""

    types: tuple[tuple[str, int], ...] = ()
    lines: tuple[tuple[str, float], ...] = ()


def leftovers(cycle: Callable[[], object], root: Path, *, may_restart: bool) -> Leftovers:
    """Run a few cycles more, and look at what is there afterwards and was not before.

    Lines are named with their callers only where tracing `may_restart`, since it then forgets what it had traced.
    """
    with _deeper(may_restart=may_restart):
        _census(), _snapshot()  # what looking itself leaves behind, it leaves the first time
        objects, traced = _census(), _snapshot()
        for _ in range(CYCLES):
            cycle()
        lines = _lines(traced, _snapshot(), root)
        more = _census()
    more.subtract(objects)
    types = tuple(itertools.islice(_telling(more), NAMED))
    return Leftovers(types=types, lines=lines)


@contextmanager
def _deeper(*, may_restart: bool) -> Iterator[None]:
    if may_restart:
        tracemalloc.stop()
        tracemalloc.start(FRAMES)
    yield


def _census() -> Counter[type]:
    """Count the objects that the collector knows by their types."""
    gc.collect()
    return Counter(map(type, gc.get_objects()))


def _telling(grown: Counter[type]) -> Iterator[tuple[str, int]]:
    """Name the types that there are more of in each cycle, Python's own containers last: what they hold says more."""
    ordered = sorted(grown, key=lambda kind: (_of(kind, "__module__") == "builtins", -grown[kind]))
    for kind in ordered:
        if grown[kind] >= CYCLES:
            yield str(_of(kind, "__name__")), round(grown[kind] / CYCLES)


def _of(kind: type, what: str) -> Any:
    """Read from a type what it says of itself, past a metaclass that may have put anything in its place."""
    return type.__dict__[what].__get__(kind)


def _snapshot() -> tracemalloc.Snapshot:
    hidden = [tracemalloc.Filter(inclusive=False, filename_pattern=name) for name in (f"{OURS}*", tracemalloc.__file__)]
    return tracemalloc.take_snapshot().filter_traces(hidden)


def _lines(before: tracemalloc.Snapshot, after: tracemalloc.Snapshot, root: Path) -> tuple[tuple[str, float], ...]:
    """Add up what grew by the project's lines."""
    name = functools.cache(functools.partial(_name, root))
    found: Counter[str] = Counter()
    for each in after.compare_to(before, "traceback"):
        own = (frame for frame in reversed(each.traceback) if name(frame.filename))
        frame = next(own, each.traceback[-1])
        file = name(frame.filename) or "/".join(Path(frame.filename).parts[-2:])
        found[f"{file}:{frame.lineno}"] += each.size_diff
    return tuple((spot, size / CYCLES) for spot, size in found.most_common(NAMED) if size >= CYCLES)


def _name(root: Path, file: str) -> str:
    """Name a file as the project does; empty where it is none of its own, though an environment may lie below it."""
    path = Path(file)
    if not path.is_relative_to(root):
        return ""
    own = path.relative_to(root)
    is_installed = any(part == "site-packages" or part.startswith("python3") for part in own.parts)
    return "" if is_installed else own.as_posix()
