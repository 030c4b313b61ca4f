"""The journal of a session: what starts and what ends, so that the next session can tell of one that died.

Each session has a file of its own, a checked line for a record. What the kernel has taken outlives the process, however
that ends, so only the first record and the last wait for the disk. Under `$GIT_COMMON_DIR/pytest-rollback/journal/`:

    *.journal           sessions that run, or that died and nobody has told of yet
    told/*.journal      sessions that died, and were told of
    closed/*.journal    sessions that reached a verdict: their first and their last record

No path of this machine, no host name and no value of an environment variable is written down.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated
from zlib import crc32

import msgspec
from msgspec import Meta, Struct

from pytest_rollback.model import Outcome, Reason, Subject, Verdict
from pytest_rollback.repo.look import Head
from pytest_rollback.repo.plumbing import GitError, git

try:
    import fcntl
except ImportError:  # pragma: no cover (without locks, the process alone tells whether its session lives)
    fcntl = None  # type: ignore[assignment]

SCHEMA = 1
ENDING = ".journal"
TOLD, CLOSED = "told", "closed"
KEPT, MOST = 20, 200
OUTSIDE = "not a git repository"
Moment = Annotated[datetime, Meta(tz=True)]
Number = Annotated[int, Meta(ge=0, lt=2**53)]
# Escapes all but ASCII, since a test's name may hold line ends and halves of surrogate pairs.
QUOTE = json.JSONEncoder().encode


class Place(Struct, frozen=True):
    """Where the sessions of a repository keep their journals, and which of its work trees this is."""

    folder: Path
    worktree: str

    @property
    def tag(self) -> str:
        """How the ids of this work tree's sessions end."""
        return f".{crc32(os.fsencode(self.worktree)):08x}"


class Opening(Struct, frozen=True, kw_only=True, tag="open"):
    """The first record: what is judged, and by which process."""

    schema: int = SCHEMA
    kind: str
    started: Moment
    subject: Subject
    policy: str
    worktree: str
    root: str
    pid: int
    born: str | None
    machine: str | None


class Expected(Struct, frozen=True, tag="expect"):
    """The gate tests that must be decided."""

    tests: tuple[str, ...]


class Started(Struct, frozen=True, tag="start"):
    """A test began."""

    test: str


class Finished(Struct, frozen=True, tag="finish"):
    """A test ended."""

    test: str
    outcome: Outcome


class Closing(Struct, frozen=True, kw_only=True, tag="close"):
    """The last record: the verdict, and how many of the gate's tests passed."""

    finished: Moment
    verdict: Verdict
    reason: str
    passed: Number
    selected: Number


Record = Opening | Expected | Started | Finished | Closing


class Journal:
    """The journal of this session. It never raises: `trouble` says why none is kept, or why it ends early."""

    def __init__(self) -> None:
        self.trouble = ""
        self._file: int | None = None
        self._path = Path()
        self._first = b""
        self._size = 0
        self._pid = os.getpid()
        # Kept here: a test may replace functions of `os` for longer than it lasts, and our records would go astray.
        self._write, self._seek, self._getpid = os.write, os.lseek, os.getpid

    @classmethod
    def open(cls, place: Place | None, subject: Subject, *, policy: str, root: str, kind: str = "gate") -> Journal:
        """Begin a journal. Outside git, which is no place, there is none, and every call does nothing.

        `policy` is its digest, `root` the project's folder as seen from the top of the work tree.
        """
        journal = cls()
        if place is not None:
            pid, now = os.getpid(), datetime.now(timezone.utc)
            opening = Opening(
                kind=kind,
                started=now,
                subject=subject,
                policy=policy,
                worktree=place.worktree,
                root=root,
                pid=pid,
                born=birth_of(pid),
                machine=this_machine(),
            )
            name = f"{now:%Y%m%dT%H%M%S.%fZ}-{pid}-{os.urandom(4).hex()}{place.tag}{ENDING}"
            journal._begin(place.folder / name, line_of(_encode(opening)))
        return journal

    def expect(self, tests: Iterable[str]) -> None:
        """Name the gate tests that must be decided, once they are known; of several calls the last counts."""
        self._append(_encode(Expected(tuple(tests))))

    def start(self, test: str) -> None:
        """Note that a test begins."""
        self._append(f'{{"type":"start","test":{QUOTE(test)}}}')

    def finish(self, test: str, outcome: Outcome) -> None:
        """Note what a test did, once nothing can change that any more."""
        self._append(f'{{"type":"finish","test":{QUOTE(test)},"outcome":"{outcome.value}"}}')

    def close(self, verdict: Verdict, reason: Reason, *, passed: int, selected: int) -> None:
        """Put the verdict on record, as the last one of this work tree."""
        if self._file is not None and self._getpid() == self._pid:
            now = datetime.now(timezone.utc)
            closing = Closing(finished=now, verdict=verdict, reason=reason.value, passed=passed, selected=selected)
            self._move_to_closed(self._first + line_of(_encode(closing)))
        self.leave()

    def leave(self) -> None:
        """Let go of the journal; one that was not closed reads as interrupted from now on."""
        if self._file is not None and self._is_held():
            os.close(self._file)
        self._file = None
        _OPEN.discard(self)

    def _begin(self, path: Path, first: bytes) -> None:
        try:
            self._file = _create(path, first)
        except OSError as error:
            self.trouble = f"no journal is kept of this session: {error.strerror}"
            return
        self._path, self._first, self._size = path, first, len(first)
        _OPEN.add(self)

    def _append(self, record: str) -> None:
        """Write a record in one go. The kernel keeps it however this process ends."""
        if self._file is None or self.trouble or self._getpid() != self._pid:
            return
        if not self._is_held():
            self.trouble = "the journal of this session ends early: a test closed its file"
            return
        line = line_of(record)
        try:
            while line:
                done = self._write(self._file, line)
                self._size, line = self._size + done, line[done:]
        except OSError as error:
            self.trouble = f"the journal of this session ends early: {error.strerror}"

    def _is_held(self) -> bool:
        """Whether the descriptor is still ours: when a test closes all there are, its number may go to another file."""
        try:
            return self._file is not None and self._seek(self._file, 0, os.SEEK_CUR) == self._size
        except OSError:
            return False

    def _move_to_closed(self, text: bytes) -> None:
        """Keep the verdict in place of the journal, which must be gone before its lock is."""
        closed = self._path.parent / CLOSED / self._path.name
        try:
            os.close(_create(closed, text))
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self.trouble = f"the verdict may not be on record: {error.strerror}"
            if not closed.exists():
                with suppress(OSError):  # without a verdict, but not interrupted either
                    self._path.rename(closed)
        prune(closed.parent)


# A forked child inherits the locks with the descriptors, and would make a dead session look alive. What is registered
# stays so for as long as the process lives, so it is done once for all the sessions there will be.
_OPEN: set[Journal] = set()


def _leave_all() -> None:
    """Let go of all journals."""
    for journal in tuple(_OPEN):
        journal.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


def _create(path: Path, text: bytes) -> int:
    """Make a file that is locked, whole and on the disk before anybody sees it under its name; gives its descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    file = os.open(fresh, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        if fcntl is not None:
            with suppress(OSError):  # some file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        while text:
            text = text[os.write(file, text) :]
        os.fsync(file)
        fresh.rename(path)
    except BaseException:
        os.close(file)
        fresh.unlink(missing_ok=True)
        raise
    return file


def prune(folder: Path) -> None:
    """Keep the newest journals of a folder, and for long the newest of each work tree."""
    seen = set()
    for number, path in enumerate(reversed(journals_in(folder))):
        worktree = path.stem.rpartition(".")[2]
        if number >= (KEPT if worktree in seen else MOST):
            with suppress(OSError):
                path.unlink()
        seen.add(worktree)


def _encode(record: Struct) -> str:
    return QUOTE(msgspec.to_builtins(record))


def line_of(record: str) -> bytes:
    """Write a record as a line that shows whether it is whole: torn and altered ones must never count."""
    text = record.encode("ascii")
    return b"%08x %s\n" % (crc32(text), text)


def place_of(head: Head) -> Place:
    """Say where the sessions of a work tree keep their journals."""
    return Place(head.common / "pytest-rollback" / "journal", head.worktree)


def find_place(folder: Path, extra: Mapping[str, str] | None = None) -> Place | None:
    """Ask git where the journals around a folder are; None outside git. Of git's own variables `extra` alone counts."""
    try:
        said = git("rev-parse", "--git-common-dir", "--git-dir", cwd=folder, extra=extra)
        common, own = ((folder / path).resolve() for path in said.removesuffix("\n").split("\n"))
    except GitError as error:
        if OUTSIDE in str(error):
            return None
        raise
    except ValueError as error:
        msg = "git rev-parse: the path of the repository has a line end in it"
        raise GitError(msg) from error
    worktree = own.relative_to(common).as_posix() if own.is_relative_to(common) else own.name
    return Place(common / "pytest-rollback" / "journal", worktree)


def journals_in(folder: Path, ending: str = ENDING) -> list[Path]:
    """List the journals in a folder, oldest first."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(ending))
    except OSError:
        return []


def birth_of(pid: int) -> str | None:
    """When a process began, in ticks of this machine; "" for one that has ended, None where nobody knows."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return "" if fields[0] in b"ZX" else fields[19].decode()


def this_machine() -> str | None:
    """What tells one run of one machine, and one container in it, from another; None where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        return f"{crc32(boot + bytes(Path('/proc/self/ns/pid').readlink())):08x}"
    except OSError:
        return None
