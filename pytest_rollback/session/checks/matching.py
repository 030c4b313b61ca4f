"""Finds a pattern in what a program printed, in a process of its own: some patterns never come to an end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_rollback.policy.criteria import duration
from pytest_rollback.session.checks import probe_match
from pytest_rollback.session.checks.program import run_program

LEAST_S = 1.0  # a program that needs nearly all of its time leaves enough for a look
KEEP = 64_000_000


def matches(pattern: str, pieces: Sequence[str], *, is_score: bool, limit_s: float, left_s: float) -> list[str]:
    """List the different texts that a pattern finds, or the first where it is no score.

    A ValueError says why nobody can know.
    """
    feed = json.dumps([pattern, pieces, is_score]).encode("ascii")
    command = (sys.executable, "-I", "-S", probe_match.__file__)
    ran = run_program(command, Path(__file__).parent, max(left_s, LEAST_S), feed=feed, keep=KEEP)
    if ran.trouble:
        msg = (
            f"{pattern!r} was still being matched when the check's time was up (limit {duration(limit_s)}); "
            "write one without a repetition inside a repetition"
        )
        raise ValueError(msg)
    try:
        told: dict[str, list[str]] = json.loads("".join(ran.out))
    except ValueError:
        msg = f"{pattern!r} can't be matched ({ran.ended})"
        raise ValueError(msg) from None
    if wrong := told.get("wrong"):
        msg = f"{pattern!r} {wrong[0]}"
        raise ValueError(msg)
    return told["found"]


def whole_lines(pieces: Sequence[str]) -> tuple[str, ...]:
    """Leave out the lines that were cut in two where the middle of an output is not kept."""
    if len(pieces) == 1:
        return tuple(pieces)
    head, tail = pieces
    return head[: head.rfind("\n") + 1], tail.partition("\n")[2]
