"""Ends all that a check started, so that it does not outlive it: no server in the background, no hung import.

A session holds most of it. What has left that still bears a mark in its environment, which is looked for where the
system shows it (Linux). What begins a session of its own and empties its environment as well is not found.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from contextlib import suppress

VARIABLE = "PYTEST_ROLLBACK_CHECK"  # the marks of the checks that a process belongs to, the innermost last
GRACE_S = 1.0
PAUSE_S = 0.005
DEAD = frozenset({b"Z", b"X"})


def marked() -> tuple[str, dict[str, str]]:
    """Make a new mark, and this environment with it."""
    mark = secrets.token_hex(12)
    return mark, {**os.environ, VARIABLE: f"{os.environ.get(VARIABLE, '')} {mark}".strip()}


def end_all(process: subprocess.Popen[bytes], mark: str) -> None:
    """End a program and all that it started: first with a word, then without."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + GRACE_S
        told: set[int] = set()
        while left := _left(process, mark):
            with suppress(OSError):
                if not told or number == signal.SIGKILL:
                    os.killpg(process.pid, number)
            for one in left - told - {process.pid}:
                with suppress(OSError):
                    os.kill(one, number)
            told |= left
            if time.monotonic() > end:
                break
            time.sleep(PAUSE_S)


def _left(process: subprocess.Popen[bytes], mark: str) -> set[int]:
    """Name the processes that are left of a program."""
    left = {process.pid} if process.poll() is None else set()
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 (names, not paths)
    except OSError:
        numbers = []
    if numbers:
        return left | {one for one in numbers if one != os.getpid() and _is_of(one, process.pid, mark.encode())}
    with suppress(OSError):
        os.killpg(process.pid, 0)
        left.add(process.pid)
    return left


def _is_of(one: int, session: int, mark: bytes) -> bool:
    """Whether a process lives, and is of a session or bears a mark."""
    try:
        state, _, _, own, *_ = _read(one, "stat").rpartition(b")")[2].split()
        return state not in DEAD and (int(own) == session or mark in _read(one, "environ"))
    except (OSError, ValueError):
        return False


def _read(one: int, name: str) -> bytes:
    with open(f"/proc/{one}/{name}", "rb") as file:  # noqa: PTH123 (there are hundreds, and a path costs more)
        return file.read()
