"""The file in which the catalogue of the ledger lies: any process may read it, one at a time writes it, none must.

It is worth nothing but time. Whatever becomes of it (deleted, cut short, altered, on a disk that takes no writes,
written by two at once, its writer killed), the answers stay the same: the ledger is read anew, into memory if need be.

A seal beside it says how the file looked when it was last written whole. What was altered since doesn't match that, and
is not read: SQLite notices damage to its pages, but not to what stands on them.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover (without locks, every process keeps its own in memory)
    fcntl = None  # type: ignore[assignment]

NAME = "ledger-v2.sqlite"
SEAL, LOCK, JOURNAL = ".seal", ".lock", "-journal"
PATIENCE_S = 20.0
PAUSE_S = 0.02


class UnusableError(Exception):
    """The file can't be used now."""


class Cache:
    """The file, where it can be used."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def open(self) -> sqlite3.Connection | None:
        """Open it for reading; None where there is none that can be trusted."""
        if not self._is_sealed():
            return None
        try:
            return _connect(f"{self._path.as_uri()}?mode=ro")
        except sqlite3.Error:
            return None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open it for writing, alone; it is sealed again when all went well. Begins anew where it can't be trusted."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._alone():
                if not self._is_sealed():
                    self._discard()
                connection = _connect(f"{self._path.as_uri()}?mode=rwc")
                try:
                    self._beside(SEAL).unlink(missing_ok=True)
                    yield connection
                finally:
                    connection.close()
                self._set_seal()
        except (OSError, sqlite3.Error) as error:
            raise UnusableError(str(error)) from error

    def _beside(self, ending: str) -> Path:
        return self._path.with_name(NAME + ending)

    def _look(self) -> str:
        """Say how the file looks: any write to it shows in its times, which nobody sets by chance."""
        seen = self._path.stat()
        return f"{seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"

    def _is_sealed(self) -> bool:
        try:
            return self._beside(SEAL).read_text("ascii") == self._look() and not self._beside(JOURNAL).exists()
        except (OSError, ValueError):
            return False

    def _set_seal(self) -> None:
        fresh = self._beside(f"{SEAL}.new")
        fresh.write_text(self._look(), "ascii")
        fresh.replace(self._beside(SEAL))

    def _discard(self) -> None:
        for ending in (SEAL, JOURNAL, ""):
            self._beside(ending).unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other writers out: SQLite's own locks don't cover a file that is deleted and made anew."""
        if fcntl is None:
            msg = "no locks here"
            raise UnusableError(msg)
        file = os.open(self._beside(LOCK), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _wait_for(file)
            yield
        finally:
            os.close(file)


def in_memory() -> sqlite3.Connection:
    """Give an empty one that nobody else sees."""
    return sqlite3.connect(":memory:", isolation_level=None)


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE_S, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _wait_for(file: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > end:
            msg = "somebody else has been writing it for long"
            raise UnusableError(msg)
        time.sleep(PAUSE_S)
