"""What git says at length: records as they come, and objects one after another from a single process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from select import POLLIN, poll
from threading import Thread
from types import TracebackType
from typing import IO, NoReturn, cast, final

from msgspec import Struct

from pytest_rollback.repo.plumbing import SECONDS, GitError, command_in, environment

CHUNK = 1 << 16
LINGERING_S = 2.0
PATIENCE_S = 60.0


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

    def listen(self, patience_s: float | None = None) -> bytes:
        """Give what it says next; nothing once it has ended, or when it says nothing for that long."""
        answers = cast("IO[bytes]", self._process.stdout).fileno()
        if patience_s is not None:
            waiting = poll()
            waiting.register(answers, POLLIN)
            if not waiting.poll(patience_s * 1000):
                return b""
        return os.read(answers, CHUNK)

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
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS)
        status = self._process.poll()
        self.stop()
        if status is None:
            msg = f"git {self._command}: did not end within {SECONDS} s"
            raise GitError(msg)
        if status:
            said = os.fsdecode(b"".join(self._complaints)).strip()
            msg = f"git {self._command}: {(said.splitlines() or ['no word'])[0]}"
            raise GitError(msg, status, said)

    def stop(self) -> None:
        """End it, wherever it is."""
        self._process.kill()
        self._process.wait()
        self._listener.join(LINGERING_S)  # what git itself has started may live on, with a hand on the pipe
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _listen(self) -> None:
        with suppress(OSError, ValueError):
            self._complaints.append(cast("IO[bytes]", self._process.stderr).read())


def records(*arguments: str, cwd: Path, extra: Mapping[str, str] | None = None, end: bytes = b"\0") -> Generator[bytes]:
    """Give what git prints record by record, while it still works. Who has seen enough closes the iterator."""
    talk = Talk(*arguments, cwd=cwd, extra=extra)
    try:
        rest = b""
        while chunk := talk.listen():
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
        head, _, content = self._up_to_line_end(talk).partition(b"\n")
        words = head.split()
        if not words[-1].isdigit():
            return None
        size = int(words[-1])
        parts, length = [content], len(content)
        while length <= size:
            # Git streams a file whose object was cut short as if nothing were amiss, and waits for the next question.
            if not (more := talk.listen(PATIENCE_S)):
                self._give_up(talk)
            parts.append(more)
            length += len(more)
        return Thing(words[0].decode(), words[1].decode(), b"".join(parts)[:size])

    def _up_to_line_end(self, talk: Talk) -> bytes:
        said = b""
        while b"\n" not in said:
            if not (more := talk.listen(PATIENCE_S)):
                self._give_up(talk)
            said += more
        return said

    def _give_up(self, talk: Talk) -> NoReturn:
        """Say what made git end before its answer did; after that, another process reads on."""
        self._talk = None
        talk.end()
        msg = "git cat-file: the answer is cut short"
        raise GitError(msg)
