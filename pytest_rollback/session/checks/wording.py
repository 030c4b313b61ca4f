"""How checks put what they found: on one line each, and no more of them than anybody reads."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_rollback.judge.text import readable

MOST = 20
WIDEST = 400
COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def one_line(text: str, width: int = WIDEST) -> str:
    """Fold a text into one line that can be printed, and cut it where it is longer than anybody reads."""
    folded = readable(" ".join(text[: 10 * width].split()))
    return folded if len(folded) <= width else f"{folded[: width - 3]}..."


def listed(found: Sequence[str], most: int = MOST) -> tuple[str, ...]:
    """Fold what was found into so many lines; of more, the last line gives the number of the rest."""
    lines = [one_line(text) for text in found[:most]]
    return tuple(lines) if len(found) <= most else (*lines[:-1], f"and {len(found) - most + 1} more")


def counted(number: int, what: str) -> str:
    """Write a number of things: `1 file`, `2,000 files`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def as_written(text: str) -> str:
    """Take colours and the ends of lines of other systems out of what a program printed."""
    return COLOURS.sub("", text).replace("\r\n", "\n")


def printable(text: str, longest: int) -> str:
    """Spell out what is not printable in a text of many lines, and cut its middle where it is too long."""
    spelled = "\n".join(line if line.isprintable() else _spelled(line) for line in as_written(text).split("\n"))
    if len(spelled) <= longest:
        return spelled
    half = max((longest - 60) // 2, 0)
    lost = len(spelled) - 2 * half
    return f"{spelled[:half]}\n... {lost:,} characters cut ...\n{spelled[len(spelled) - half :]}"


def _spelled(line: str) -> str:
    return "\t".join(readable(part) for part in line.split("\t"))
