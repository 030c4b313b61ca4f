"""Reads a score as programs print it: `98.7`, `98.7 %`, `1,234.5`, `1e3`, `312 ms`."""

from __future__ import annotations

import math
import re

from pytest_rollback.policy.criteria import DURATIONS, SIZES

UNITS = frozenset({"", "%", *DURATIONS, *SIZES})
NUMBER = re.compile(
    r"(?P<number>[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>[%A-Za-z]*)",
    re.ASCII,
)


def read_score(text: str) -> tuple[float, str]:
    """Read a number and the unit behind it, if there is one; a ValueError says what can't be read."""
    found = NUMBER.fullmatch(text.strip())
    if found is None:
        hint = "; write a decimal point" if re.fullmatch(r"[-+]?\d+,\d+\s*%?", text.strip(), re.ASCII) else ""
        msg = f"{text[:80]!r} is no number{hint}"
        raise ValueError(msg)
    value = float(found["number"].replace(",", ""))
    if not math.isfinite(value):
        msg = f"{text[:80]!r} is no number that could be judged"
        raise ValueError(msg)
    if found["unit"] not in UNITS:
        msg = f"{text[:80]!r} has the unit {found['unit']!r}, which nobody knows; let the pattern take the number alone"
        raise ValueError(msg)
    return value, found["unit"]


def one_score(found: list[str]) -> tuple[float, str]:
    """Read a score that was printed once, or several times alike. One of several that differ would be a guess."""
    scores = dict.fromkeys(read_score(text) for text in found)
    if len(scores) > 1:
        alike = ", ".join(f"{value:g} {unit}".rstrip() for value, unit in list(scores)[:5])
        msg = f"matches {len(scores)} scores that differ: {alike}"
        raise ValueError(msg)
    return next(iter(scores))
