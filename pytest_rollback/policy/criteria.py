"""Criteria and durations, read as people write them: `"> 10 %"`, `"0.5 to 2 points"`, `"5 min"`."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from msgspec import Struct

DURATIONS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SIZES = {"B": 1.0, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
SCALES = (DURATIONS, SIZES)
LONGEST = 3650 * DURATIONS["d"]
WHOLE = 1e6
SPELLINGS = {
    "point": "points",
    "second": "s",
    "seconds": "s",
    "sec": "s",
    "secs": "s",
    "mins": "min",
    "minute": "min",
    "minutes": "min",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
}

_NUMBER = r"-?(?:\d+(?:\.\d+)?|\.\d+)"
_UNIT = r"[%A-Za-z]*"
_BOUND = re.compile(rf"(>=|<=|>|<)\s*({_NUMBER})\s*({_UNIT})")
_RANGE = re.compile(rf"({_NUMBER})\s*({_UNIT})\s+to\s+({_NUMBER})\s*({_UNIT})")
_PLAIN = re.compile(rf"({_NUMBER})\s*({_UNIT})")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


class Quantity(Struct, frozen=True):
    """A number with its unit, as it stands in a limit: `500 ms`, `95 %`, `2.0`."""

    value: float
    unit: str = ""

    def __str__(self) -> str:
        return f"{_exactly(self.value)} {self.unit}".rstrip()


class Criterion(Struct, frozen=True):
    """A range of numbers in which a trigger fires."""

    low: float
    high: float
    unit: str = ""
    low_open: bool = False
    high_open: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value lies in the range; NaN lies nowhere."""
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def contains(self, other: Criterion) -> bool:
        """Whether this criterion fires wherever the other does: only then is it as strict."""
        low, high = (convert(end, other.unit, self.unit) for end in (other.low, other.high))
        if bool(self.unit) != bool(other.unit) or low is None or high is None:
            return False
        starts = self.low < low or (self.low == low and (not self.low_open or other.low_open))
        ends = self.high > high or (self.high == high and (not self.high_open or other.high_open))
        return starts and ends

    def __str__(self) -> str:
        tail = f" {self.unit}".rstrip()
        if math.isinf(self.high):
            return f"{'>' if self.low_open else '>='} {_exactly(self.low)}{tail}"
        if math.isinf(self.low):
            return f"{'<' if self.high_open else '<='} {_exactly(self.high)}{tail}"
        return f"{_exactly(self.low)} to {_exactly(self.high)}{tail}"


class Duration(float):
    """Seconds, written with a unit: `"30 s"`, `"5 min"`, `"1 h 30 min"`; `"none"` is without end."""

    __slots__ = ()


def number(value: float) -> str:
    """Write a number without the noise of floats: `2`, `0.5`, `98.7`, and no exponent where it is large."""
    return f"{value:.0f}" if abs(value) >= WHOLE else f"{value:.6g}"


def duration(seconds: float) -> str:
    """Write seconds as people do: `30 s`, `5 min`, `1 h 30 min`."""
    if seconds < 1:
        return f"{number(seconds * 1000)} ms"
    parts = []
    rest = seconds
    for unit in ("d", "h", "min"):
        if rest >= DURATIONS[unit]:
            whole, rest = divmod(rest, DURATIONS[unit])
            parts.append(f"{int(whole)} {unit}")
    if rest or not parts:
        parts.append(f"{number(rest)} s")
    return " ".join(parts)


def read_criterion(text: object) -> Criterion:
    """Read `"> 10 %"`, `"0.5 to 2 points"` or a bare number, which means `at least`."""
    if (bare := _bare(text)) is not None:
        return Criterion(bare, math.inf)
    if not isinstance(text, str):
        msg = f'expected a criterion such as "> 10 %", not {_kind(text)}'
        raise ValueError(msg)
    written = text.strip()
    if found := _BOUND.fullmatch(written):
        sign, value, unit = found[1], _finite(found[2]), _unit(found[3], text)
        if sign[0] == ">":
            return Criterion(value, math.inf, unit, low_open=sign == ">")
        return Criterion(-math.inf, value, unit, high_open=sign == "<")
    if found := _RANGE.fullmatch(written):
        return _range(found, text)
    if found := _PLAIN.fullmatch(written):
        return Criterion(_finite(found[1]), math.inf, _unit(found[2], text))
    msg = f'cannot read {text!r}; write "> 10 %", "<= 3", or "0.5 to 2 points"'
    raise ValueError(msg)


def _range(found: re.Match[str], text: str) -> Criterion:
    """Read `0.5 to 2 points`; the first end may have a unit of its own."""
    own, unit = _unit(found[2], text), _unit(found[4], text)
    unit = unit or own
    low, high = convert(_finite(found[1]), own, unit), _finite(found[3])
    if low is None:
        msg = f"{text!r} goes from one unit to another that can't be compared with it"
        raise ValueError(msg)
    if low > high:
        msg = f'{text!r} is an empty range; write "{Quantity(high, unit)} to {Quantity(low, unit)}"'
        raise ValueError(msg)
    return Criterion(low, high, unit)


def read_quantity(text: object) -> Quantity:
    """Read a limit: a bare number in the metric's own unit, or `"500 ms"`."""
    if (bare := _bare(text)) is not None:
        return Quantity(bare)
    found = _PLAIN.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        written = repr(text) if isinstance(text, str) else _kind(text)
        msg = f'cannot read {written}; write a number, or a number with its unit such as "500 ms"'
        raise ValueError(msg)
    return Quantity(_finite(found[1]), _unit(found[2], text))


def read_duration(text: object) -> Duration:
    """Read `"5 min"` or `"1 h 30 min"` as seconds; a number without a unit is refused as ambiguous."""
    if not isinstance(text, str):
        msg = f'expected a duration with its unit, such as "30 s" or "5 min", not {_kind(text)}'
        raise ValueError(msg)
    if text.strip() == "none":
        return Duration(math.inf)
    parts = _DURATION.findall(text)
    units = [SPELLINGS.get(unit, unit) for _, unit in parts]
    if not parts or _DURATION.sub("", text).strip() or any(unit not in DURATIONS for unit in units):
        msg = f'cannot read the duration {text!r}; write "30 s", "5 min" or "1 h 30 min"'
        raise ValueError(msg)
    seconds = _finite(sum(float(value) * DURATIONS[unit] for (value, _), unit in zip(parts, units, strict=True)))
    if seconds > LONGEST:
        msg = f'{text!r} is longer than ten years; write "none" for a time without end'
        raise ValueError(msg)
    return Duration(seconds)


def convert(value: float, unit: str, to: str) -> float | None:
    """Bring a value into another unit; None where the two don't measure the same thing."""
    if unit == to or not unit or not to:
        return value
    for scale in SCALES:
        if unit in scale and to in scale:
            return float(f"{value * scale[unit] / scale[to]:.12g}")
    return None


def _unit(written: str, text: object) -> str:
    """Resolve a unit's spelling; one that looks like the known ones with another case is refused, not guessed."""
    unit = SPELLINGS.get(written, written)
    known = [*(known for scale in SCALES for known in scale), *SPELLINGS, "points"]
    alike = [name for name in known if name.lower() == unit.lower()]
    if alike and unit not in alike:
        msg = f"unknown unit {unit!r} in {text!r}; did you mean {alike[0]!r}?"
        raise ValueError(msg)
    return unit


def _bare(value: object) -> float | None:
    """Give a number of TOML's own; none where it is something else, or has no end."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer of TOML may have any number of digits
        return None


def _finite(written: float | str) -> float:
    """Read digits; so many that they mean infinity would read as "none"."""
    value = float(written)
    if math.isinf(value):
        msg = "the number is too large"
        raise ValueError(msg)
    return value


def _exactly(value: float) -> str:
    """Write a number so that it reads back as the same: with all its digits, and without an exponent."""
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _kind(value: object) -> str:
    """Name a TOML value's type in TOML's words."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _bare(value) is None:
        return "a number without end"
    names = {bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "a table"}
    return names.get(type(value), type(value).__name__)
