"""A contract is written down as plain data, the same in every process; what can't be is named with its place."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import json
import math
import os
import re
import subprocess
import sys
import types
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_rollback.judge.canonical import DEEPEST, MOST, ContractError, as_text, canonical


class Color(enum.Enum):
    """A plain enumeration: only its names mean something."""

    RED = enum.auto()
    BLUE = enum.auto()


class State(str, enum.Enum):
    """One that travels as text."""

    ON = "on"


class Right(enum.Flag):
    """Flags, which add up."""

    READ = 1
    WRITE = 2


@dataclass
class Point:
    """A record."""

    y: int
    x: list[int] = field(default_factory=lambda: [1])


class Pair(NamedTuple):
    """A record that is a tuple."""

    left: int
    right: str


class Part(msgspec.Struct):
    """A record of msgspec."""

    number: int
    of: int


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (2.5, 2.5),
        (2.0, 2),
        (-0.0, 0),
        (2**63, "0x8000000000000000"),
        (10**500, hex(10**500)),
        (1e300, 1e300),
        ("a", "a"),
        ("\ud800", "\\ud800"),
        (b"\xff", "b'\\xff'"),
        (Decimal("1.50"), "1.50"),
        (Fraction(1, 3), "1/3"),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (dt.timedelta(seconds=5), "0:00:05"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("a/b"), "a/b"),
        (re.compile("a+"), "a+"),
        (Color.RED, "Color.RED"),
        (State.ON, "on"),
        (Right.READ | Right.WRITE, "Right(3)"),
        ((1, 2), [1, 2]),
        (collections.deque([1]), [1]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a", 1}), ["a", "b", 1]),
        ({"b": 1, "a": 2}.keys(), ["a", "b"]),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
        ({2: 1, 2.5: 2, None: 3, True: 4}, {"2": 1, "2.5": 2, "null": 3, "true": 4}),
        ({Color.RED: 1, State.ON: 2}, {"Color.RED": 1, "on": 2}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (Point(1), {"x": [1], "y": 1}),
        (Pair(1, "b"), {"left": 1, "right": "b"}),
        (Part(1, 2), {"number": 1, "of": 2}),
    ],
)
def test_each_kind_of_value_is_written(value: Any, written: Any) -> None:
    """As what JSON has, and for what it has not, as text."""
    found = canonical(value)
    assert found == written
    assert as_text(json.loads(as_text(found))) == as_text(found)


class Rude(Mapping[str, int]):
    """A mapping whose methods raise."""

    def __getitem__(self, key: str) -> int:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        yield "a"

    def __len__(self) -> int:
        return 1


class Nothing:
    """An object that says nothing of itself but where it lies in memory."""


def endless() -> Iterator[int]:
    """Give numbers, once."""
    while True:
        yield 1


def ring() -> dict[str, Any]:
    """Make a mapping that holds itself."""
    found: dict[str, Any] = {"a": []}
    found["a"].append(found)
    return found


def nested(depth: int) -> list[Any]:
    """Make lists in lists."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": {"b": math.nan}}, "a.b: nan is no number"),
        ([1, math.inf], "[1]: inf is no number"),
        ({"a": Decimal("NaN")}, "a: nan is no number"),
        ({"a": Decimal("sNaN")}, "the contract: can't be read: ValueError"),
        (math.nan, "the contract: nan is no number"),
        (
            {"a b": [Nothing()]},
            '["a b"][0]: an object of the class Nothing can\'t be written down; hand over a mapping',
        ),
        (object(), "the contract: an object of the class object can't be written down"),
        ({"a": endless()}, "a: an object of the class generator can't be written down; it can be read only once"),
        ({"a": map(str, [1])}, "a: an object of the class map can't be written down; it can be read only once"),
        ({"a": range(10**9)}, "a: an object of the class range can't be written down"),
        (ring(), "a[0]: it holds itself"),
        (nested(DEEPEST), f"nested more than {DEEPEST} deep"),
        (nested(5000), f"nested more than {DEEPEST} deep"),
        ([0] * (MOST + 1), f"there are more than {MOST} entries"),
        ({1: 1, "1": 2}, "[\"1\"]: two keys are both written as '1'"),
        ({(1, 2): 1}, "the contract: a key is an object of the class tuple"),
        ({"a": {Nothing(): 1}}, "a: a key is an object of the class Nothing"),
        ({math.nan: 1}, "the contract, a key: nan is no number"),
        ({"a": Rude()}, "the contract: can't be read: KeyError"),
        ({"a": 1j}, "a: an object of the class complex can't be written down"),
    ],
)
def test_what_can_not_be_written_is_named_with_its_place(value: Any, said: str) -> None:
    """And never written as something that differs in the next process."""
    with pytest.raises(ContractError) as raised:
        canonical(value)
    assert said in str(raised.value)
    assert " at 0x" not in str(raised.value)


def test_one_thing_that_is_there_twice_is_no_cycle() -> None:
    """Only what holds itself has no end."""
    shared = {"x": 1}
    assert canonical({"a": shared, "b": [shared, shared]}) == {"a": {"x": 1}, "b": [{"x": 1}, {"x": 1}]}


CODE = """
import dataclasses, enum, json, sys
from pytest_rollback.judge.canonical import canonical
class Color(enum.Enum):
    RED = 1
    BLUE = frozenset({"x", "y", "z"})
@dataclasses.dataclass
class User:
    name: str = "a"
    marker: object = object()
    def get(self, keys=frozenset({"p", "q", "r", "s"}), *, then=print, make=lambda: 0) -> "set[str]": ...
value = {"user": User, "color": Color, "set": {"a", "b", "c", Color.RED}, "types": {int, str, list[int]}}
print(json.dumps(canonical(value)))
"""


def test_it_is_the_same_in_every_process() -> None:
    """No order of a hash shows, and no place in memory."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", CODE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "7")
    }
    assert len(outputs) == 1
    (output,) = outputs
    assert " at 0x" not in output
    assert "frozenset" not in output
    assert json.loads(output)["set"] == ["Color.RED", "a", "b", "c"]


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON)
def test_what_is_written_can_be_kept_and_is_written_alike_again(value: Any) -> None:
    """A contract outlives the process: it is read back from a file, and compared."""
    written = canonical(value)
    text = json.dumps(written, ensure_ascii=False, allow_nan=False).encode("utf-8", "strict")
    assert json.loads(text) == written
    assert canonical(written) == written
