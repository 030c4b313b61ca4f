"""Runs a program of a check within bounds: of time, of memory, and of what it may leave behind.

It gets the environment as it is, no shell, nothing to read, and a session of its own. Whatever it prints, no more than
a piece of it is held. When it ends, or its time does, all that it started is ended: its process group, and where the
system tells of environments (Linux), those too that have left the group and kept their environment.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from pytest_rollback.policy.criteria import duration
from pytest_rollback.session.checks.kept import Kept
from pytest_rollback.session.checks.leftovers import GRACE_S, end_all, marked
from pytest_rollback.session.checks.outcome import LONGEST_OUTPUT
from pytest_rollback.session.checks.wording import printable

PYTHONS = ("python", "python3")
SEARCHED = 2_000_000
CHUNK = 65536
PAUSE_S = 0.05


class Ran(Struct, frozen=True, kw_only=True):
    """How a program ended. `trouble` says why it did not end by itself; without one, `status` is its own.

    `out` and `err` are what it printed: in one piece, or beginning and end, where `lost` bytes between are not kept.
    `is_open` tells that something that hid from us holds its output open, and may print on.
    """

    trouble: str = ""
    status: int = 0
    out: tuple[str, ...] = ()
    err: tuple[str, ...] = ()
    lost: int = 0
    is_open: bool = False
    output: str = ""
    took_s: float = 0.0

    @property
    def ended(self) -> str:
        """Say how it ended: `exit status 1`, or by which signal."""
        if self.status >= 0:
            return f"exit status {self.status}"
        with suppress(ValueError):
            return f"ended by {signal.Signals(-self.status).name}"
        return f"ended by signal {-self.status}"


def run_program(command: Sequence[str], root: Path, limit_s: float, *, feed: bytes = b"", keep: int = SEARCHED) -> Ran:
    """Run a program to its end, or to the end of its time.

    `python` and `python3` are this interpreter: it is the one that has the project, and a machine may have no other
    by that name. Whoever wants another one writes its path or its version.
    """
    argv = [sys.executable if number == 0 and word in PYTHONS else word for number, word in enumerate(command)]
    token, environment = marked()
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        said.write(feed)
        said.seek(0)
        try:
            process = subprocess.Popen(
                argv,
                cwd=root,
                env=environment,
                stdin=said if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Ran(trouble=_why_not(error, argv, root))
    with process:
        return _Running(process, token, keep).to_its_end(started, limit_s)


class _Running:
    """A program that runs, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes], token: str, keep: int) -> None:
        self.process, self.token = process, token
        self.both = Kept(LONGEST_OUTPUT)
        self.streams = {stream.fileno(): Kept(keep) for stream in (process.stdout, process.stderr) if stream}
        self.selector = selectors.DefaultSelector()
        for number in self.streams:
            os.set_blocking(number, False)
            self.selector.register(number, selectors.EVENT_READ)

    def to_its_end(self, started: float, limit_s: float) -> Ran:
        """Read until it ends; nothing that it started lives on, whatever happens meanwhile."""
        with self.selector:
            try:
                in_time = self._wait(started + limit_s)
            finally:
                end_all(self.process, self.token)
            self._read_the_rest()
            is_open = bool(self.selector.get_map())
        out, err = self.streams.values()
        return Ran(
            trouble="" if in_time else f"did not end within {duration(limit_s)}",
            status=self.process.wait(),
            out=out.pieces(),
            err=err.pieces(),
            lost=out.lost + err.lost,
            is_open=is_open,
            output=printable(self.both.text(), LONGEST_OUTPUT),
            took_s=time.monotonic() - started,
        )

    def _wait(self, end: float) -> bool:
        while self.process.poll() is None:
            left = end - time.monotonic()
            if left <= 0:
                return False
            if self.selector.get_map():
                self._read(min(left, PAUSE_S))  # what it started may hold the pipes open when it has long ended
            else:
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(min(left, GRACE_S))
        return True

    def _read_the_rest(self) -> None:
        """Read what lies in the pipes. Nobody is left to hold them open but what hid from us."""
        end = time.monotonic() + GRACE_S
        while self.selector.get_map() and time.monotonic() < end:
            self._read(PAUSE_S)

    def _read(self, wait: float) -> bool:
        ready = self.selector.select(wait)
        for key, _ in ready:
            data = os.read(key.fd, CHUNK)
            if data:
                self.streams[key.fd].add(data)
                self.both.add(data)
            else:
                self.selector.unregister(key.fd)
        return bool(ready)


def _why_not(error: OSError | ValueError, argv: Sequence[str], root: Path) -> str:
    """Say why a program could not be started, and what to look at."""
    word = argv[0] if argv else ""
    if not root.is_dir():
        return f"its folder {root} is not there"
    if isinstance(error, FileNotFoundError):
        return _not_found(word, root)
    if (root / word).is_dir() and os.sep in word:
        return f"{word!r} is a folder"
    if isinstance(error, PermissionError):
        return f"{word!r} is not executable; chmod +x it, or name its interpreter first"
    if isinstance(error, OSError) and error.errno == errno.ENOEXEC:
        return f"{word!r} is no program that this system can run; give it a first line with #!, or name its interpreter"
    return f"{word!r} can't be run: {getattr(error, 'strerror', None) or error}"


def _not_found(word: str, root: Path) -> str:
    if os.sep not in word:
        return f"{word!r} is not installed, or not on PATH"
    there = (root / word).exists()
    return f"{word!r} names an interpreter in its first line that is not there" if there else f"no file {word!r}"


def outcome_in(statuses: Sequence[int], ran: Ran) -> str:
    """Say what is wrong with how a program ended; empty where nothing is."""
    if ran.trouble or ran.status in statuses:
        return ran.trouble
    wanted = " or ".join(map(str, statuses))
    return f"{ran.ended}, expected {wanted or 'one that the check names'}"
