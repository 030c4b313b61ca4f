"""Checks a policy as it was written: key by key, so that all errors are found and each bears its own name.

`msgspec` would stop at the first error of a document and name a table in a dictionary only as `[...]`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import Struct

from pytest_rollback.policy.problems import Problem, nearest
from pytest_rollback.policy.tables import TABLES, PolicyTable

PREFIX = "tool.pytest-rollback"
RESERVED = (
    "filterwarnings",
    "flaky",
    "parametrize",
    "skip",
    "skipif",
    "timeout",
    "usefixtures",
    "xdist_group",
    "xfail",
)
MARKER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CHECK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
TIER = re.compile(r"[1-9][0-9]?")

Tables = dict[str, Any]


class Checker:
    """Collects the problems of one file."""

    def __init__(self, file: str, prefix: str) -> None:
        self.file = file
        self.prefix = prefix
        self.problems: list[Problem] = []

    def say(self, key: str, text: str) -> None:
        """Note a problem at a key."""
        self.problems.append(Problem(self.file, self._path(key), text))

    def said(self, key: str) -> bool:
        """Whether something is already wrong at a key, so that what follows from it need not be said."""
        return any(problem.key == self._path(key) for problem in self.problems)

    def _path(self, key: str) -> str:
        return ".".join(part for part in (self.prefix, key) if part)

    def policy(self, document: object) -> Tables:
        """Check a whole policy; gives its tables with every value read, the bad ones left out."""
        if not isinstance(document, dict):
            self.say("", "expected a table")
            return {}
        plain = {key: value for key, value in document.items() if key not in TABLES}
        read = self.table("", plain, PolicyTable)
        for name, shape in TABLES.items():
            if name in document:
                read[name] = self.family(name, document[name], shape)
        return read

    def family(self, family: str, tables: object, shape: type[Struct]) -> Tables:
        """Check all tables of one family, such as `[triggers.*]`."""
        if not isinstance(tables, dict):
            self.say(family, f'expected tables, such as "[{PREFIX}.{family}.NAME]"')
            return {}
        read = {}
        for name, table in tables.items():
            at = f"{family}.{quoted(name)}"
            if not isinstance(name, str):
                self.say(at, f"a name is text, not {name!r}")
                continue
            if family == "groups" and not MARKER.fullmatch(name):
                self.say(at, "a group is a marker, so its name is letters, digits and underscores")
            if family == "groups" and name in RESERVED:
                self.say(at, "this marker is pytest's own, or a plugin's; name the group otherwise")
            if family == "checks" and not CHECK.fullmatch(name):
                self.say(at, "a check's name is letters, digits, dashes, dots and underscores")
                continue
            if family == "tiers" and not TIER.fullmatch(name):
                self.say(at, 'a tier is a number; write "[tiers.1]"')
                continue
            if isinstance(table, dict):
                read[name] = self.table(at, table, shape)
            else:
                self.say(at, "expected a table")
        return read

    def table(self, at: str, table: Tables, shape: type[Struct]) -> Tables:
        """Check one table key by key."""
        fields = _fields(shape)
        read = {}
        for key, value in table.items():
            path = f"{at}.{quoted(key)}" if at else quoted(key)
            if key not in fields:
                self.say(path, f"unknown key{nearest(str(key), fields)}")
                continue
            kind = fields[key]
            reader = _reader(kind)
            try:
                read[key] = reader(value) if reader else _plain(value, kind)
            except msgspec.ValidationError as error:
                self.say(path, _explain(error, value, kind))
            except ValueError as error:
                self.say(path, str(error))
        return read


@cache
def _fields(shape: type[Struct]) -> dict[str, object]:
    """Give the types of a table's keys; msgspec evaluates annotations anew each time, at half a millisecond."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(shape)}


def _plain(value: object, kind: object) -> object:
    """Read a value that means what it says; nan and inf mean nothing that could be compared."""
    read: object = msgspec.convert(value, kind)
    if isinstance(read, float) and not math.isfinite(read):
        msg = f"expected a number, not {read}"
        raise ValueError(msg)
    return read


def _explain(error: msgspec.ValidationError, value: object, kind: object) -> str:
    """Turn msgspec's message into one that names what was written and what would be right."""
    words = _words(kind)
    for word in (value if isinstance(value, list) else [value]) if words else ():
        if isinstance(word, str) and word not in words:
            return f"{word!r} is not one of them{nearest(word, words)}"
    text = str(error).replace("`", "").replace(" | null", "")
    return text[:1].lower() + text[1:]


def _reader(kind: object) -> Callable[[object], object] | None:
    """Find the reader of a field whose text has a grammar of its own."""
    for part in get_args(kind):
        if isinstance(part, msgspec.Meta) and part.extra:
            reader: Callable[[object], object] = part.extra["reader"]
            return reader
        if found := _reader(part):
            return found
    return None


def _words(kind: object) -> list[str]:
    """List the words that a field takes, where it takes certain words only."""
    words: list[str] = []
    for part in get_args(kind) or (kind,):
        if isinstance(part, type) and issubclass(part, Enum):
            words += [member.value for member in part]
        elif isinstance(part, str):
            words.append(part)
        elif get_args(part):
            words += _words(part)
    return words


def quoted(key: object) -> str:
    """Write a key as TOML would; other plugins' rows may bear what is no text."""
    return str(key) if re.fullmatch(r"[A-Za-z0-9_-]+", str(key)) else f'"{key}"'
