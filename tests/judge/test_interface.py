"""What others can call is written down: parameters, the public names of classes and modules."""

from __future__ import annotations

import collections
import enum
import functools
import inspect
import json
import os
import subprocess
import sys
import threading
import types
import typing
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from pytest_rollback.judge.canonical import ContractError, canonical
from pytest_rollback.judge.contracts import compare
from pytest_rollback.judge.interface import is_empty

MISSING = object()


def module(code: str, name: str = "shop", **extra: Any) -> types.ModuleType:
    """Make a module of some code."""
    made = types.ModuleType(name)
    made.__dict__.update(extra)
    exec(compile(code, "<module>", "exec", dont_inherit=True), made.__dict__)  # noqa: S102 (it stands below)
    return made


def members(value: Any) -> Any:
    """Write something down, and give its public names."""
    return canonical(value)["members"]


def everything(  # noqa: D103
    first: int,
    /,
    second: int,
    third: typing.Optional[list[str]] = None,  # noqa: UP045 (that is what is read)
    *rest: str,
    fourth: str = "x",
    fifth: Any = MISSING,
    **more: Any,
) -> dict[str, Any] | None: ...


def test_a_function_is_its_parameters() -> None:
    """With kind, place, type and default; an object without a name of its own is known by its class."""
    assert canonical(everything) == {
        "is": "function",
        "parameters": {
            "first": {"kind": "positional only", "place": 0, "type": "int"},
            "second": {"kind": "positional or keyword", "place": 1, "type": "int"},
            "third": {
                "kind": "positional or keyword",
                "place": 2,
                "default": "None",
                "type": "typing.Optional[list[str]]",
            },
            "*": {"kind": "any positional", "type": "str"},
            "fourth": {"kind": "keyword only", "default": "'x'", "type": "str"},
            "fifth": {"kind": "keyword only", "default": "<object>", "type": "Any"},
            "**": {"kind": "any keyword", "type": "Any"},
        },
        "returns": "dict[str, Any] | None",
    }
    assert canonical(inspect.signature(everything)) == canonical(everything)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (typing.Optional[int], "int | None"),  # noqa: UP045
        (typing.Union[int, str], "int | str"),  # noqa: UP007
        (int | str, "int | str"),
        (typing.List[int], "list[int]"),  # noqa: UP006
        (list["Proxy"], "list[Proxy]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (collections.abc.Callable[[int], None], "Callable[[int], None]"),
        (typing.Literal["a", 1], "Literal['a', 1]"),
        (typing.Annotated[int, MISSING], "int"),
        (typing.Any, "Any"),
        (typing.TypeVar("T"), "T"),
        (None, "None"),
        ("  list[ int ]\n", "list[ int ]"),
        (MISSING, "<object>"),
    ],
)
def test_a_type_is_written_without_its_modules(annotation: Any, words: str) -> None:
    """However it was imported, and whichever Python writes it."""

    def function(): ...  # type: ignore[no-untyped-def]  # noqa: ANN202

    function.__annotations__ = {"return": annotation}
    assert canonical(function)["returns"] == words


@pytest.mark.parametrize(
    ("default", "words"),
    [
        (1, "1"),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        ("a", "'a'"),
        (b"a", "b'a'"),
        ((1, "b"), "(1, 'b')"),
        ([], "[]"),
        ({"b", "a"}, "{'a', 'b'}"),
        ({"b": 1, "a": [MISSING]}, "{'a': [<object>], 'b': 1}"),
        (len, "len"),
        (int, "int"),
        (enum.Enum("E", "A").A, "E.A"),  # type: ignore[attr-defined]
        (10**500, hex(10**500)),
        (threading.Lock(), "<lock>"),
    ],
)
def test_a_default_is_written_as_in_code(default: Any, words: str) -> None:
    """And where that can't be, by its class: no place in memory."""

    def function(value=None): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202

    function.__defaults__ = (default,)
    assert canonical(function)["parameters"]["value"]["default"] == words


@pytest.mark.parametrize(
    "value",
    [functools.partial(everything, 1), functools.lru_cache(everything), functools.wraps(everything)(lambda: 0)],
)
def test_what_wraps_a_function_is_one(value: Any) -> None:
    """Decorators are how functions are written."""
    written = canonical(value)
    assert written["is"] == "function"
    assert "second" in written["parameters"]


def test_functions_of_c_and_coroutines_have_their_kind() -> None:
    """One that does not tell its parameters is still one that can go."""

    async def later(x): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202

    assert canonical(later)["is"] == "async function"
    assert canonical(print)["is"] == "function"
    assert canonical(dict.fromkeys)["is"] == "function"


CLASSES = """
import abc, enum, functools, threading, typing
class Base(abc.ABC):
    limit = 3
    def shared(self, x: int) -> None: ...
class User(Base, threading.Thread):
    name: str
    count: int = 0
    kinds: typing.ClassVar[list[str]] = []
    def __init__(self, name: str, *, count: int = 0) -> None: ...
    def get(self, key: str) -> int: ...
    @classmethod
    def make(cls, text: str) -> "User": ...
    @staticmethod
    def check(text: str) -> bool: ...
    @property
    def age(self) -> int: ...
    @age.setter
    def age(self, value: int) -> None: ...
    @functools.cached_property
    def size(self) -> int: ...
    def _hidden(self) -> None: ...
    class Kind(enum.Enum):
        A = "a"
    other = Base
"""
NAMES = ("Kind", "age", "check", "count", "get", "kinds", "limit", "make", "name", "other", "shared", "size")


def test_a_class_is_its_public_names() -> None:
    """With what its bases of the same package define, and without what Python's own do."""
    written = members(module(CLASSES))["User"]
    assert (written["is"], written["bases"]) == ("class", ["ABC", "Base", "Thread"])
    assert written["call"]["parameters"] == {
        "name": {"kind": "positional or keyword", "place": 0, "type": "str"},
        "count": {"kind": "keyword only", "default": "0", "type": "int"},
    }
    names = written["members"]
    assert tuple(names) == NAMES
    for name, parameter in {"get": "key", "make": "text", "check": "text", "shared": "x"}.items():
        assert list(names[name]["parameters"]) == [parameter]
    assert names["age"] == {"is": "property", "settable": True, "type": "int"}
    assert names["size"] == {"is": "property", "type": "int"}
    assert names["Kind"] == {"is": "enumeration", "bases": ["Enum"], "members": {"A": "a"}}
    assert (names["name"], names["count"]) == ("str", "int")
    assert names["limit"] == {"is": "value", "type": "int"}
    assert names["other"] == {"is": "value", "type": "type[Base]"}


def test_a_method_may_move_to_a_base() -> None:
    """Nobody who calls it can tell."""
    before = module("class Store:\n  def get(self, key): ...\n")
    after = module("class _Reads:\n  def get(self, key): ...\nclass Store(_Reads): ...\n")
    assert compare(canonical(before), canonical(after)) == []


def test_records_are_made_by_their_fields() -> None:
    """Whoever makes one gives them."""

    @dataclass
    class Point:
        x: int

    class Old(msgspec.Struct):
        x: int

    assert list(canonical(Point)["call"]["parameters"]) == ["x"]
    assert list(canonical(Old)["call"]["parameters"]) == ["x"]


def test_a_module_is_what_it_defines() -> None:
    """Not what it imports, and nothing with a leading underscore."""
    code = (
        "from __future__ import annotations\n"
        "import os\nfrom json import dumps, JSONDecodeError\n"
        "LIMIT = 3\n_own = 1\ndef get(key: str) -> int: ...\ndef _hidden(): ...\n"
        "class User:\n  def name(self): ...\n"
    )
    assert members(module(code)) == {
        "LIMIT": {"is": "value", "type": "int"},
        "User": {
            "is": "class",
            "bases": [],
            "members": {"name": {"is": "function", "parameters": {}}},
        },
        "get": {
            "is": "function",
            "parameters": {"key": {"kind": "positional or keyword", "place": 0, "type": "str"}},
            "returns": "int",
        },
    }


def test_all_is_respected() -> None:
    """What it names counts, wherever it comes from; what it does not name does not."""
    inner = module("def get(key): ...\n", "shop.inner")
    code = "from json import dumps\nimport os\ndef own(): ...\n__all__ = ['dumps', '_odd', 'inner', 'os']\n_odd = 1\n"
    found = members(module(code, inner=inner))
    assert list(found) == ["_odd", "dumps", "inner", "os"]
    assert found["dumps"]["is"] == "function"
    assert list(found["inner"]["members"]) == ["get"]
    assert found["os"] == {"is": "value", "type": "module"}


def test_all_that_names_what_is_not_there_is_an_error() -> None:
    """`from shop import *` would not work."""
    with pytest.raises(ContractError, match=r"^gone: can't be read: AttributeError$"):
        canonical(module("__all__ = ['gone']"))


def test_a_class_of_python_is_a_type() -> None:
    """`{"id": int}` is a mapping of names to types."""
    assert canonical({"id": int, "when": threading.Thread, "kinds": list[int]}) == {
        "id": "int",
        "when": "Thread",
        "kinds": "list[int]",
    }


def test_a_package_offers_what_it_takes_from_its_own_modules() -> None:
    """That is what its `__init__` is for; what it takes from others is theirs."""
    inner = module("def get(key): ...\nclass User: ...\n", "shop.inner", __name__="shop.inner")
    taken = {"get": inner.get, "User": inner.User, "dumps": json.dumps, "inner": inner}
    assert list(members(module("", __path__=[], **taken))) == ["User", "get"]
    assert members(module("", **taken)) == {}
    assert is_empty(canonical(module("", **taken)))


class Proxy:
    """Stands for something that is not there yet, and raises at whatever it is asked."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_a_proxy_is_not_asked() -> None:
    """Web frameworks put them into their modules."""
    assert members(module("", current=Proxy())) == {"current": {"is": "value", "type": "Proxy"}}


def test_a_deprecated_name_is_offered_still() -> None:
    """Its warning is for those who use it."""
    code = "import warnings\n__all__ = ['old']\ndef __getattr__(name):\n  warnings.warn('old'); return 1\n"
    assert members(module(code)) == {"old": {"is": "value", "type": "int"}}


REAL = ["json", "decimal", "typing", "collections", "msgspec", "pytest", "flask", "jinja2", "hypothesis", "asyncio"]


def test_real_modules_are_written() -> None:
    """With all that people put into a module, and alike in two processes."""
    code = (
        "import importlib, json, sys\nfrom pytest_rollback.judge.canonical import canonical\n"
        "print(json.dumps({name: canonical(importlib.import_module(name)) for name in sys.argv[1:]}))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, *REAL],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    found = json.loads(outputs.pop())
    assert " at 0x" not in json.dumps(found)
    assert min(len(found[name]["members"]) for name in REAL) >= 5
