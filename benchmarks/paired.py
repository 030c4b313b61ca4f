"""Runs two commands in turn and compares what they cost: CPU time and peak memory of whole processes, by medians.

Machines are shared and noisy, so the two are interleaved, each pair gives a ratio, and the median ratio is quoted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What one run of a process took."""

    cpu: float
    wall: float
    memory_mb: float


class Pairs(NamedTuple):
    """What the runs of two commands took, pair by pair."""

    ours: list[Cost]
    theirs: list[Cost]

    def ratio(self, field: str = "cpu") -> float:
        """Give the median of the ratios, ours to theirs."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return statistics.median(getattr(a, field) / getattr(b, field) for a, b in pairs)

    def spread(self, field: str = "cpu") -> tuple[float, float]:
        """Give the smallest and the largest ratio, so that a reader sees how noisy the machine was."""
        ratios = [getattr(a, field) / getattr(b, field) for a, b in zip(self.ours, self.theirs, strict=True)]
        return min(ratios), max(ratios)


def run(command: Sequence[str], folder: Path, extra: Mapping[str, str], expected: int) -> Cost:
    """Run one command and account for it; a status other than the expected one makes the figure worthless."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "GIT_"))}
    before = os.times()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, "PYTHONHASHSEED": "0", **extra},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = os.times().elapsed - before.elapsed
    if os.waitstatus_to_exitcode(status) != expected:
        said = process.stderr.read().decode(errors="replace") if process.stderr else ""
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}, expected {expected}\n{said}")
    if process.stderr:
        process.stderr.close()
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def compare(
    ours: Sequence[str], theirs: Sequence[str], folder: Path, *, pairs: int, extra: Mapping[str, str] | None = None
) -> Pairs:
    """Run two commands in turn, after one warm-up of each, changing who goes first from pair to pair."""
    found = Pairs([], [])
    for number in range(pairs + 1):
        order = (ours, theirs) if number % 2 else (theirs, ours)
        costs = {id(command): run(command, folder, extra or {}, 0) for command in order}
        if number:
            found.ours.append(costs[id(ours)])
            found.theirs.append(costs[id(theirs)])
    return found


def row(what: str, value: str, goal: str) -> None:
    """Print one line of the table."""
    print(f"{what:<80}{value:<26}{goal}")
