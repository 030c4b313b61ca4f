"""Imports one module in a process of its own: how long it took, and on what; or what broke it, and where."""
# ruff: noqa: BLE001, SLF001

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

LONGEST = 2000
DEEPEST = 40
HERE = f"{os.path.dirname(os.path.abspath(__file__))}/probe"  # noqa: PTH100, PTH120
NOT_OURS = ("/site-packages/", "/dist-packages/")


def import_one(tell: Callable[[Iterable[object]], None], name: str, tree: str, blame: Blame | None) -> None:
    """Import a module and tell how long it took, or what it raised; ends this process."""
    leave, own, process, now = os._exit, os.getpid(), os.getpid, clock()
    places = [tree, *sys.path]
    sys.modules["__main__"] = type(sys)("__main__")
    sys.argv = ["-c"]
    if blame is not None:
        blame.begin()
    begun = now()
    try:
        __import__(name)
    except BaseException as error:
        fields: tuple[object, ...] = ("broken", now() - begun, *told_of(error, name, places))
    else:
        fields = ("fine", now() - begun, *(blame.worst() if blame is not None else ()))
    if process() != own:  # the module forked, and this is not the process that is asked
        leave(0)
    tell(fields)
    try:
        sys.__stdout__.flush()  # type: ignore[union-attr]
        sys.__stderr__.flush()  # type: ignore[union-attr]
    except BaseException:
        leave(0)
    leave(0)


def clock() -> Callable[[], float]:
    """Make a clock that stands still while the processors are busy with others, where the system tells (Linux)."""
    now, seek, read, start = time.perf_counter, os.lseek, os.read, os.SEEK_SET
    try:
        waits = os.open("/proc/self/schedstat", os.O_RDONLY)
        read(waits, 100).split()[1]
    except (OSError, IndexError):
        return now

    def tell() -> float:
        try:
            seek(waits, 0, start)
            return now() - int(read(waits, 100).split()[1]) / 1e9
        except (OSError, ValueError, IndexError):  # whatever was imported has closed it
            return now()

    return tell


class Blame:
    """Finds what an import spends its time on: modules of its own, or packages of others with all that they import."""

    def __init__(self, own: list[str]) -> None:
        self.own, self.now = own, clock()
        self.spent: dict[str, float] = {}
        self.within = [0.0]
        self.foreign = False

    def begin(self) -> None:
        """Watch each module that is really loaded; most statements find theirs loaded already, and cost nothing."""
        machinery: Any = sys.modules.get("_frozen_importlib")
        load = getattr(machinery, "_find_and_load", None)
        if load is not None:
            machinery._find_and_load = lambda name, *rest: self.watch(name, load, name, *rest)

    def watch(self, name: str, load: Callable[..., object], *arguments: object) -> object:
        """Load a module, and note the time."""
        if self.foreign:
            return load(*arguments)
        self.foreign = not any(name == one or name.startswith(f"{one}.") for one in self.own)
        key = name.partition(".")[0] if self.foreign else name
        self.within.append(0.0)
        begun = self.now()
        try:
            return load(*arguments)
        finally:
            self.foreign = False
            took = self.now() - begun
            self.spent[key] = self.spent.get(key, 0.0) + took - self.within.pop()
            self.within[-1] += took

    def worst(self) -> tuple[object, ...]:
        """Name what took most."""
        if not self.spent:
            return ()
        name = max(self.spent, key=lambda key: self.spent[key])
        return name, self.spent[name]


def told_of(error: BaseException, name: str, places: list[str]) -> tuple[str, ...]:
    """Say what an import raised: type, message, where, from where in the tree, the first cause, cycle and trace."""
    chain = [error]
    while (before := chain[-1].__cause__ or _context(chain[-1])) and before not in chain and len(chain) < DEEPEST:
        chain.append(before)
    frames = frames_of(error)
    where = [place for place in (_place(one, places) for one in frames) if place]
    inside = [place for file, line, _, _ in frames if (place := _inside(file, line, places[0]))]
    if isinstance(error, SyntaxError) and error.filename:
        where.append(_place((error.filename, error.lineno or 0, "", ""), places))
    cycle = next((found for one in chain if (found := cycle_of(one, name))), [])
    first = chain[-1]
    cause = f"{type(first).__name__}: {_text(first)}" if first is not error else ""
    return (
        type(error).__name__,
        _text(error),
        where[-1] if where else "",
        inside[-1] if inside else "",
        cause,
        " ".join(cycle),
        "\n".join(where[-DEEPEST:]),
        "import" if isinstance(error, ImportError) else "",
    )


def _context(error: BaseException) -> BaseException | None:
    return None if error.__suppress_context__ else error.__context__


def _text(error: BaseException) -> str:
    try:
        return f"{error}"[:LONGEST]
    except BaseException:
        return "(its message can't be had)"


def frames_of(error: BaseException) -> list[tuple[str, int, str, str]]:
    """List the frames of an error, outermost first, without those of the import machinery and of this file."""
    found, at = [], error.__traceback__
    while at is not None:
        code, known = at.tb_frame.f_code, at.tb_frame.f_globals.get("__name__")
        machinery = code.co_filename.startswith("<frozen importlib") or known == "importlib"
        if not machinery and not code.co_filename.startswith(HERE):
            found.append((code.co_filename, at.tb_lineno, code.co_name, f"{known}"))
        at = at.tb_next
    return found


def _place(frame: tuple[str, int, str, str], places: list[str]) -> str:
    """Write a file and a line, seen from the folder in which it was found."""
    file, line = frame[:2]
    inside = [place for place in places if place and file.startswith(place.rstrip("/") + "/")]
    return f"{file[len(max(inside, key=len).rstrip('/')) + 1 :] if inside else file}:{line}"


def _inside(file: str, line: int, tree: str) -> str:
    own = file.startswith(f"{tree}/") and not any(name in file for name in NOT_OURS)
    return f"{file[len(tree) + 1 :]}:{line}" if own else ""


def cycle_of(error: BaseException, name: str) -> list[str]:
    """Name the modules of an import cycle, the first one at the end again; nothing where there is none.

    What misses a name in a module that is still being run is part of one.
    """
    running = [module for _, _, function, module in frames_of(error) if function == "<module>"]
    running = [module for at, module in enumerate(running) if at == 0 or module != running[at - 1]] or [name]
    half = ""
    if isinstance(error, ImportError) and "circular import" in _text(error):
        half = error.name or ""
    elif isinstance(error, AttributeError):
        owner = getattr(error.obj, "__name__", "") if isinstance(error.obj, type(sys)) else ""
        inner = f"{owner}.{error.name}"
        half = inner if inner in running else owner
    return (
        [*running[running.index(half) :], half] if half in running[:-1] or _is_half_itself(half, running, error) else []
    )


def _is_half_itself(half: str, running: list[str], error: BaseException) -> bool:
    """Whether a module looks into itself by its own name, too early."""
    return half == running[-1] and "circular import" in _text(error)
