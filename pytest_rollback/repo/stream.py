"""What git says at length: records as they come, and objects one after another from a single process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO, NoReturn, cast, final

from msgspec import Struct

from pytest_rollback.repo.plumbing import GitError, command_in, environment

CHUNK = 1 << 16


class Thing(Struct, frozen=True):
    """An object of git's: what it is called, of which type it is, and what is in it."""

    id: str
    type: str
    content: bytes


class Talk:
    """A git process that talks while it runs."""

    def __init__(self, *arguments: str, cwd: Path, extra: Mapping[str, str] | None = None, asks: bool = False) -> None:
        self._command = command_in(arguments)
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                ["git", *arguments],
                cwd=cwd,
                env=environment(extra),
                stdin=pipe if asks else subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
            )
        except OSError as error:
            msg = f"git {self._command}: {error.strerror}"
            raise GitError(msg) from error
        self._complaints: list[bytes] = []
        # Read beside it: git would wait for us with a full pipe, while we wait for its answer.
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def answers(self) -> IO[bytes]:
        """What it says."""
        return cast("IO[bytes]", self._process.stdout)

    def ask(self, line: str) -> None:
        """Ask it something."""
        questions = cast("IO[bytes]", self._process.stdin)
        with suppress(OSError):  # it has died, which shows when the answer is read
            questions.write(os.fsencode(line) + b"\n")
            questions.flush()

    def end(self) -> None:
        """Wait for its end; one that was not well is an error in its own words."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        status = self._process.wait()
        self.stop()
        if status:
            said = os.fsdecode(b"".join(self._complaints)).strip()
            msg = f"git {self._command}: {(said.splitlines() or ['no word'])[0]}"
            raise GitError(msg, status, said)

    def stop(self) -> None:
        """End it, wherever it is."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _listen(self) -> None:
        self._complaints.append(cast("IO[bytes]", self._process.stderr).read())


def records(*arguments: str, cwd: Path, extra: Mapping[str, str] | None = None, end: bytes = b"\0") -> Generator[bytes]:
    """Give what git prints record by record, while it still works. Who has seen enough closes the iterator."""
    talk = Talk(*arguments, cwd=cwd, extra=extra)
    try:
        rest = b""
        while chunk := os.read(talk.answers.fileno(), CHUNK):
            *whole, rest = (rest + chunk).split(end)
            yield from whole
        if rest:
            yield rest
        talk.end()
    finally:
        talk.stop()


@final
class Objects:
    """Reads objects, any number of them, from one process."""

    def __init__(self, cwd: Path, extra: Mapping[str, str] | None = None) -> None:
        self._cwd, self._extra = cwd, extra
        self._talk: Talk | None = None

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._talk is not None:
            self._talk.stop()

    def get(self, name: str) -> Thing | None:
        """Read the object of a name; None where there is none. One that is damaged is a GitError."""
        if "\n" in name:
            return None
        if self._talk is None:
            self._talk = Talk("cat-file", "--batch", cwd=self._cwd, extra=self._extra, asks=True)
        talk = self._talk
        talk.ask(name)
        head = talk.answers.readline().split()
        if head and not head[-1].isdigit():
            return None
        size = int(head[-1]) if head else 0
        content = talk.answers.read(size + 1)
        if len(content) != size + 1:
            self._give_up(talk)
        return Thing(head[0].decode(), head[1].decode(), content[:-1])

    def _give_up(self, talk: Talk) -> NoReturn:
        """Say what made git end before its answer did; after that, another process reads on."""
        self._talk = None
        talk.end()
        msg = "git cat-file: ended too early"
        raise GitError(msg)
