"""Writes a contract down as plain JSON data: the same in every process, whatever order a hash or an import gave.

What can't be written down so is an error that names its place in the contract: NaN, cycles, a generator, or an object
that nobody told how to write. Functions, classes and modules are written as what others can call (`judge.interface`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any
from uuid import UUID

from msgspec import Struct

DEEPEST = 100
MOST = 200_000
LARGEST_NUMBER = 2**63
SIMPLE = re.compile(r"[^\W\d][\w$-]*|\*{1,2}")
SPELT = (Decimal, Fraction, UUID, dt.date, dt.time, dt.timedelta)  # a datetime is a date
SINGLE = (Enum, str, bytes, bytearray, Real, re.Pattern, PurePath, *SPELT)


class ContractError(ValueError):
    """Something can't be written down as a contract; says where it is, and what to hand over instead."""


class Writer:
    """Writes one contract down; knows what it is in the middle of, and how much there was."""

    def __init__(self) -> None:
        self.within: list[int] = []
        self.count = 0

    def write(self, value: Any, path: str) -> Any:
        """Write one value."""
        self.count += 1
        if self.count > MOST:
            msg = f"{path or 'the contract'}: there are more than {MOST} entries up to here; keep a smaller part of it"
            raise ContractError(msg)
        if isinstance(value, Enum) and isinstance(value, (str, int, float)):
            return self.write(value.value, path)  # it travels as what it is besides
        return _single(value, path) if isinstance(value, SINGLE) or value is None else self._nested(value, path)

    def _nested(self, value: Any, path: str) -> Any:
        """Write what holds other values; one that holds itself has no end."""
        if id(value) in self.within:
            msg = f"{path or 'the contract'}: it holds itself, so there is no end to it"
            raise ContractError(msg)
        if len(self.within) >= DEEPEST:
            msg = f"{path or 'the contract'}: nested more than {DEEPEST} deep"
            raise ContractError(msg)
        self.within.append(id(value))
        try:
            return self._held(value, path)
        finally:
            self.within.pop()

    def _held(self, value: Any, path: str) -> Any:
        from pytest_rollback.judge import interface  # it writes its parts by this

        if isinstance(value, Mapping):
            return self.mapping(value.items(), path)
        fields = _fields(value)
        if fields is not None:
            return self.mapping(((name, getattr(value, name)) for name in fields), path)
        if isinstance(value, AbstractSet):
            return sorted((self.write(each, f"{path}[]") for each in value), key=as_text)
        if isinstance(value, Sequence) and not isinstance(value, range):
            return [self.write(each, f"{path}[{place}]") for place, each in enumerate(value)]
        written = interface.written(value, path, self)
        if written is not None:
            return written
        msg = f"{path or 'the contract'}: {_kind(value)} can't be written down; {_remedy(value)}"
        raise ContractError(msg)

    def mapping(self, items: Iterable[tuple[Any, Any]], path: str) -> dict[str, Any]:
        """Write a mapping, by the order of its keys."""
        found: dict[str, Any] = {}
        for key, each in items:
            name = _key(key, path)
            if name in found:
                msg = f"{below(path, name)}: two keys are both written as {name!r}"
                raise ContractError(msg)
            found[name] = self.write(each, below(path, name))
        return dict(sorted(found.items()))


def canonical(value: Any) -> Any:
    """Write a contract down as what JSON can hold: null, truth, numbers, text, lists, and mappings in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a deprecated name is still part of what is offered
        return safely(Writer().write, "the contract", value, "")


def safely(make: Callable[..., Any], path: str, *arguments: Any) -> Any:
    """Read something of somebody's own class, whose methods may do anything; name the place where they raise."""
    try:
        return make(*arguments)
    except ContractError:
        raise
    except Exception as error:
        msg = f"{path}: can't be read: {type(error).__name__}"
        raise ContractError(msg) from error


def below(path: str, key: str) -> str:
    """Name the place of a key: `users.get`, `paths["/users/{id}"]`."""
    if SIMPLE.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{json.dumps(key, ensure_ascii=not key.isprintable())}]"


def as_text(value: Any) -> str:
    """Write a canonical value on one line; two that are equal are written alike."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def text_of(text: str) -> str:
    """Give a text that every encoder can write: halves of surrogate pairs are spelt out."""
    return str.encode(text, "utf-8", "backslashreplace").decode("utf-8")


def member_in_words(member: Enum) -> str:
    """Name a member of an enumeration, `Color.RED`; a sum of flags, which some versions give no name, by its value."""
    kind = type(member).__qualname__
    return f"{kind}.{member.name}" if member.name in type(member).__members__ else f"{kind}({member.value!r})"


def _single(value: Any, path: str) -> Any:
    """Write what holds nothing else."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (Real, Decimal)) and not isinstance(value, Fraction):
        return _number(value, path)
    if isinstance(value, Enum):
        return member_in_words(value)
    return text_of(value) if isinstance(value, str) else _spelt(value)


def _number(value: Any, path: str) -> Any:
    if isinstance(value, Integral):
        whole = int(value)
        return whole if -LARGEST_NUMBER <= whole < LARGEST_NUMBER else hex(whole)
    number = float(value)
    if not math.isfinite(number):
        msg = f"{path or 'the contract'}: {number} is no number that could be compared"
        raise ContractError(msg)
    if isinstance(value, Decimal):
        return str(value)
    return int(number) if number.is_integer() and abs(number) < LARGEST_NUMBER else number  # JSON has one kind


def _spelt(value: Any) -> str:
    if isinstance(value, SPELT):
        return str(value)
    if isinstance(value, re.Pattern):
        return text_of(value.pattern) if isinstance(value.pattern, str) else repr(value.pattern)
    return text_of(value.as_posix()) if isinstance(value, PurePath) else repr(bytes(value))


def _fields(value: Any) -> Iterable[str] | None:
    """Name the fields of a record, in no order of importance; none where it is no record."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    if isinstance(value, Struct):
        return value.__struct_fields__
    names = getattr(type(value), "_fields", None) if isinstance(value, tuple) else None
    return names if isinstance(names, tuple) else None


def _key(key: Any, path: str) -> str:
    """Spell a key: JSON has none but text."""
    if isinstance(key, Enum):
        return _key(key.value, path) if isinstance(key, (str, int, float)) else member_in_words(key)
    if isinstance(key, str):
        return text_of(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, (Real, Decimal)):
        return str(_number(key, f"{path or 'the contract'}, a key"))
    if isinstance(key, SPELT):
        return str(key)
    msg = f"{path or 'the contract'}: a key is {_kind(key)}; keys are text, numbers or members of an enumeration"
    raise ContractError(msg)


def _kind(value: Any) -> str:
    return f"an object of the class {type(value).__qualname__}"


def _remedy(value: Any) -> str:
    if inspect.isgenerator(value) or hasattr(type(value), "__next__"):
        return "it can be read only once; hand over a list of what it gives"
    return "hand over a mapping of what others rely on"
