"""What the journals of a repository tell: who runs now, who died, and what the last verdict was.

A journal may be what a full disk or a power cut left of it: that is said, and nothing of it counts as done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import msgspec
from msgspec import Struct

from pytest_rollback.judge.tally import FAILING
from pytest_rollback.model import Outcome
from pytest_rollback.repo.journal import (
    CLOSED,
    ENDING,
    SCHEMA,
    TOLD,
    Closing,
    Expected,
    Finished,
    Opening,
    Place,
    Record,
    Started,
    birth_of,
    journals_in,
    line_of,
    prune,
    this_machine,
)

try:
    import fcntl
except ImportError:  # pragma: no cover (without locks, the process alone tells whether its session lives)
    fcntl = None  # type: ignore[assignment]


HIGHEST_SCHEMA = 9999
YEARS = range(1970, 9999)


class Session(Struct, frozen=True, kw_only=True):
    """A session as its journal tells of it. What could not be read is in `notes`, and nothing of it counts as done."""

    id: str
    alive: bool
    opening: Opening | None
    closing: Closing | None
    expected: int | None
    decided: int
    in_flight: tuple[str, ...]
    failed: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def progress(self) -> str:
        """How far it came: `12 of 33 gate tests decided, 1 failed`."""
        failed = f", {len(self.failed)} failed" if self.failed else ""
        if self.expected is None:
            return f"{self.decided} gate tests decided{failed}; how many there were is not known"
        return f"{self.decided} of {self.expected} gate tests decided{failed}"


def find_interrupted(place: Place | None) -> list[Session]:
    """Find the sessions that ended without a verdict and were not told of yet, oldest first."""
    return [session for session in _unclosed(place) if not session.alive]


def find_running(place: Place | None) -> list[Session]:
    """Find the sessions that run now, in whatever work tree of the repository."""
    return [session for session in _unclosed(place) if session.alive]


def find_told(place: Place | None) -> list[Session]:
    """Find the interrupted sessions that were told of, oldest first."""
    paths = journals_in(place.folder / TOLD) if place else []
    return [session for path in paths if (session := _read(path))]


def find_last(place: Place | None) -> Session | None:
    """Find the last session of this work tree that reached a verdict. One whose verdict is lost has no `closing`."""
    paths = journals_in(place.folder / CLOSED, place.tag + ENDING) if place else []
    return _read(paths[-1]) if paths else None


def acknowledge(place: Place, session: Session) -> bool:
    """Mark an interrupted session as told of; False where another session was first."""
    told = place.folder / TOLD / f"{session.id}{ENDING}"
    try:
        told.parent.mkdir(exist_ok=True)
        (place.folder / told.name).rename(told)
    except OSError:
        return False
    prune(told.parent)
    return True


def _unclosed(place: Place | None) -> list[Session]:
    """Read the journals of sessions that run or died; one that is closed or told of meanwhile has left the folder."""
    if place is None:
        return []
    found = [(path, session) for path in journals_in(place.folder) if (session := _read(path))]
    closed = {path.name for path in journals_in(place.folder / CLOSED)}
    return [session for path, session in found if path.name not in closed and (session.alive or path.exists())]


def _read(path: Path) -> Session | None:
    """Read a journal; None where there is no file."""
    tale = _Tale()
    alive, trouble = False, ""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            for line in file:
                tale.add(line)
                if tale.newer:
                    break  # the words of what follows may mean something else by then
            alive = _is_alive(file.fileno(), tale.opening)
    except OSError as error:
        trouble = f"its journal can't be read: {error.strerror}"
    return tale.session(path.name.removesuffix(ENDING), alive=alive, trouble=trouble)


class _Tale:
    """What the lines of a journal add up to."""

    def __init__(self) -> None:
        self.opening: Opening | None = None
        self.closing: Closing | None = None
        self.expected: frozenset[str] | None = None
        self.running: dict[str, None] = {}
        self.done: dict[str, Outcome] = {}
        self.lines = self.unread = self.newer = 0

    def add(self, line: bytes) -> None:
        """Take in one more line."""
        self.lines += 1
        match _parse(line):
            case int(schema):
                self.newer = schema
            case Opening() as opening:
                self.opening = opening
            case Closing() as closing:
                self.closing = closing
            case Expected(tests):
                self.expected = frozenset(tests)
            case Started(test):
                self.done.pop(test, None)
                self.running[test] = None
            case Finished(test, outcome):
                self.running.pop(test, None)
                self.done[test] = outcome
            case None:
                self.unread += 1

    def session(self, name: str, *, alive: bool, trouble: str) -> Session:
        """Say what is known. A journal with any flaw holds no verdict."""
        notes = tuple(filter(None, (trouble, *self._flaws())))
        return Session(
            id=name,
            alive=alive,
            opening=self.opening,
            closing=self.closing if self.opening and not notes else None,
            expected=None if self.expected is None else len(self.expected),
            decided=len(self.done.keys() & (self.done if self.expected is None else self.expected)),
            in_flight=tuple(self.running),
            failed=tuple(test for test, outcome in self.done.items() if outcome in FAILING),
            notes=notes,
        )

    def _flaws(self) -> Iterator[str]:
        if self.newer:
            yield f"its journal is of a newer pytest-rollback (schema {self.newer}); upgrade this one to read it"
        elif not self.lines:
            yield "its journal is empty"
        elif self.unread:
            yield f"{self.unread} of {self.lines} lines of its journal can't be read"


def _parse(line: bytes) -> Record | int | None:
    """Read a line: a record, the number of a schema that is newer than ours, or None for what can't be read."""
    text = line[9:-1]
    try:
        if line != line_of(text.decode("ascii")):
            return None
        found = json.loads(text)
        schema = found.get("schema", SCHEMA) if isinstance(found, dict) else SCHEMA
        if isinstance(schema, int) and schema > SCHEMA:
            return schema if schema <= HIGHEST_SCHEMA else None
        record: Record = msgspec.convert(found, Record)
    except (ValueError, RecursionError):
        return None
    match record:
        case Opening(started=moment) | Closing(finished=moment) if not _is_on_a_clock(moment):
            return None
    return record


def _is_on_a_clock(moment: datetime) -> bool:
    """Whether a moment can be told in every time zone, which those at both ends of the calendar can't."""
    try:
        return moment.astimezone(timezone.utc).year in YEARS
    except OverflowError:
        return False


def _is_alive(file: int, opening: Opening | None) -> bool:
    """Whether the session of a journal still runs.

    The kernel frees the lock when the process ends, but not while a child lives that was forked behind Python's back.
    So where the process can be looked up, it must be there too, and be the same: numbers are used again.
    """
    locked = _is_locked(file)
    if opening is None:
        return bool(locked)
    here = opening.machine == this_machine()
    if locked is None:
        return here and not _has_ended(opening)
    return locked and not (here and opening.machine is not None and _has_ended(opening))


def _is_locked(file: int) -> bool | None:
    """Whether somebody holds the lock; None where there are no locks. Two who ask at once don't mislead each other."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def _has_ended(opening: Opening) -> bool:
    """Whether the process of a session on this machine is no more."""
    birth = birth_of(opening.pid)
    if birth is not None:
        return birth != opening.born
    if os.name != "posix":
        return True  # nobody can be asked: there, signal 0 is Ctrl-C
    try:
        os.kill(opening.pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
