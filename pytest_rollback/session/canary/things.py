"""What a thing holds: the text that it is, or its parts, each with the step of the path that leads to it.

Looking must change nothing: nothing is called that a program wrote for anything but reading, and what reading would use
up is refused. What stands for data (a view, and what its lists and mappings hold) has to be readable, and is an
obstacle where it is not. What an object keeps to itself in its attributes is looked at as far as it can be. There, too,
what is known to hold data has to be readable, if few attributes lead to it; locks, sockets and such like hold none.
"""

from __future__ import annotations

import array
import collections.abc
import datetime as dt
import functools
import gc
import io
import itertools
import mmap
import numbers
import re
import sys
import types
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

import pytest

from pytest_rollback.session.canary.files import content_of, parts_of_database, parts_of_path, parts_of_stream
from pytest_rollback.session.canary.marker import Book
from pytest_rollback.session.canary.parts import Holds, ObstacleError, Part, Parts

MOST_PARTS = 1_000_000
LONGEST_INTEGER = 4096  # bits; Python writes no longer ones in decimal digits
OPAQUE = "can't be looked into; hand over what is in it, as text or as data"
OF_DATA = 3  # attributes that may lead to what holds data, and count
OF_UNKNOWN = 1  # to what may hold data, for all we know
OF_C = (types.WrapperDescriptorType, types.MethodDescriptorType)
HARMLESS = frozenset(
    {"_abc", "_asyncio", "_blake2", "_contextvars", "_decimal", "_hashlib", "_multiprocessing", "_random", "_socket"}
    | {"_ssl", "_struct", "_thread", "decimal", "hashlib", "multiprocessing", "random", "select", "socket", "ssl"}
    | {"uvloop", "weakref"}
)
HARMLESS_TYPES = frozenset(
    {"PyCapsule", "_lru_list_elem", "classmethod_descriptor", "getset_descriptor", "method_descriptor"}
)
USED_UP = "and looking would use it up; hand over a list of what is in it"


def text_in(what: Any, *, is_plain: bool) -> str | bytes | None:
    """Give the text that a thing is by itself; none where it has parts, or nothing to say."""
    if isinstance(what, str):
        return str.__str__(what)
    if isinstance(what, (bytes, bytearray, memoryview, array.array, mmap.mmap)):
        return bytes(memoryview(what).tobytes())
    if isinstance(what, (io.StringIO, io.BytesIO)):
        return what.getvalue()
    if isinstance(what, PurePath):
        return _path(what, is_plain=is_plain)
    return _written(what)


def _path(what: PurePath, *, is_plain: bool) -> str | bytes | None:
    if not is_plain or not isinstance(what, Path):
        return str(what)
    return None if what.is_dir() else content_of(what)


def _written(what: Any) -> str | bytes | None:
    if isinstance(what, int):
        return int.__repr__(what) if what.bit_length() <= LONGEST_INTEGER else f"{what:x}"
    if isinstance(what, (numbers.Number, uuid.UUID)):
        return str(what)
    return what.pattern if isinstance(what, re.Pattern) else None


def parts_of(what: Any, *, is_plain: bool) -> Parts:
    """List what a thing holds. Raises an obstacle where nobody can tell."""
    kind: Any = type(what)
    holds = _holds(kind)
    if holds in (_object, _members) and what.__class__ is not type(what):
        holds = _holds(what.__class__)  # a proxy, which stands for something else
    return holds(what, is_plain)


def _nothing(_what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001 - all of these are called alike
    return ()


def _mapping(what: Mapping[Any, Any], is_plain: bool) -> Parts:  # noqa: FBT001
    held: Any = what
    items = list(dict.items(held)) if issubclass(type(what), dict) else list(what.items())  # even if one shows no items
    for key, value in islice(items, MOST_PARTS):
        yield Part(value, "", key, is_plain)
    if len(items) > MOST_PARTS:
        msg = f"has more than {MOST_PARTS:,} parts, and nobody looked at the rest"
        raise ObstacleError(msg)
    yield from _attributes(what)


def _members(what: Iterable[Any], is_plain: bool) -> Parts:  # noqa: FBT001
    names = getattr(type(what), "_fields", None) if isinstance(what, tuple) else None
    for number, member in enumerate(islice(what, MOST_PARTS + 1)):
        step = f".{names[number]}" if names and number < len(names) else f"[{number}]"
        yield Part(member, step, is_plain=is_plain)
    yield from _attributes(what)


def _unordered(what: Iterable[Any], is_plain: bool) -> Parts:  # noqa: FBT001
    for member in list(what):
        yield Part(member, "{}", is_plain=is_plain)
    yield from _attributes(what)


def _refused(what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001
    msg = f"is a {type(what).__name__}, {USED_UP}"
    raise ObstacleError(msg)


def _iterator(what: Any, is_plain: bool) -> Parts:  # noqa: FBT001
    if is_plain:
        return _refused(what, is_plain)
    if _has_attributes(type(what)) and not _hides(type(what)):
        return _attributes(what)
    if type(what) is itertools.count:
        return ()
    msg = f"is a {type(what).__name__}, {USED_UP}"
    raise ObstacleError(msg, within=OF_DATA)


def _opaque(what: Any, _is_plain: bool = False, within: int = 0) -> Parts:  # noqa: FBT001, FBT002
    msg = f"is a {type(what).__name__}, which {OPAQUE}"
    raise ObstacleError(msg, within=within)


def _object(what: Any, is_plain: bool) -> Parts:  # noqa: FBT001
    kind = type(what)
    parts = list(_attributes(what))
    yield from parts
    if kind is object or (_has_attributes(kind) and not _hides(kind)):
        return
    with suppress(TypeError, ValueError, BufferError):
        yield Part(memoryview(what), "", is_plain=is_plain)
        return
    if is_plain or not (parts or _is_harmless(kind)):
        _opaque(what, within=OF_UNKNOWN)


def _hides(kind: Any) -> bool:
    """Whether a class of the project has one of C under it that keeps something which no attribute shows."""
    for cls in kind.__mro__[:-1]:
        if any(isinstance(one, OF_C) and one.__objclass__ is cls for one in vars(cls).values()):
            is_open = "__dict__" in vars(cls) or cls.__module__.startswith("msgspec")
            is_open = is_open or any(isinstance(one, types.MemberDescriptorType) for one in vars(cls).values())
            return not is_open and not _is_harmless(cls)
    return False


def _is_harmless(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in HARMLESS or kind.__name__ in HARMLESS_TYPES


def _local(what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001
    yield from _attributes(what)
    _opaque(what)


def _queue(what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001
    yield from _attributes(what)
    if not what.empty():
        _opaque(what, within=OF_DATA)


def _cursor(what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001
    yield from _attributes(what)
    if what.description is not None:
        msg = f"is a {type(what).__name__} with rows, {USED_UP}"
        raise ObstacleError(msg, within=OF_DATA)


def _future(what: Any, is_plain: bool) -> Parts:  # noqa: FBT001
    yield from _attributes(what)
    if what.done():
        for name in ("_result", "_exception"):
            yield Part(getattr(what, name), f".{name}", is_plain=is_plain)
    else:
        _opaque(what)


def _context(what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001
    for variable, value in what.items():
        yield Part(value, f"[{variable.name}]", is_plain=False)


def _context_variable(what: Any, is_plain: bool) -> Parts:  # noqa: FBT001
    yield Part(what.name, ".name", is_plain=is_plain)
    yield Part(what.get(None), ".get()", is_plain=is_plain)
    _opaque(what, within=OF_UNKNOWN)  # what it is elsewhere, only that context knows


def _element(what: Any, is_plain: bool) -> Parts:  # noqa: FBT001
    for name in ("tag", "attrib", "text", "tail"):
        held = getattr(what, name)
        yield Part(dict(held) if name == "attrib" else held, f".{name}", is_plain=is_plain)
    for number, child in enumerate(list(what)):
        yield Part(child, f"[{number}]", is_plain=is_plain)
    yield from _attributes(what)


def _getter(what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001
    for number, held in enumerate(what.__reduce__()[1]):
        yield Part(held, f".args[{number}]", is_plain=False)


def _exception(what: BaseException, is_plain: bool) -> Parts:  # noqa: FBT001
    yield Part(what.args, ".args", is_plain=is_plain)
    for name in ("__cause__", "__context__"):
        yield Part(getattr(what, name), f".{name}", is_plain=is_plain)
    yield from _attributes(what)


def _function(what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001
    yield Part(what.__defaults__, ".__defaults__", is_plain=False)
    yield Part(what.__kwdefaults__, ".__kwdefaults__", is_plain=False)
    for name, cell in zip(what.__code__.co_freevars, what.__closure__ or (), strict=False):
        with suppress(ValueError):  # a cell that is still empty
            yield Part(cell.cell_contents, f".{name}", is_plain=False)
    yield from _attributes(what)


def _method(what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001
    yield Part(what.__self__, ".__self__", is_plain=False)


def _cached(what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001
    """Look into the cache of `lru_cache`, whose own interface shows no more of it than its size."""
    foreign = (types.FunctionType, type, types.ModuleType)
    for held in gc.get_referents(what):
        if not isinstance(held, foreign) and held is not getattr(what, "__dict__", None):
            yield Part(held, ".cache", is_plain=False)


def _class_or_module(what: Any, is_plain: bool) -> Parts:  # noqa: FBT001
    """Look at a class or a module only where it is handed over, not where an object merely knows it."""
    if not is_plain:
        return
    own = what.__name__ if isinstance(what, types.ModuleType) else what.__module__
    for name, held in list(vars(what).items()):
        value = getattr(held, "__func__", held) if isinstance(held, (staticmethod, classmethod)) else held
        is_code = isinstance(value, (type, types.FunctionType))
        if not name.startswith("__") and not (is_code and value.__module__ != own):
            yield Part(value, f".{name}", is_plain=isinstance(value, type))


def _row(what: Any, is_plain: bool) -> Parts:  # noqa: FBT001
    return _mapping(dict(zip(what.keys(), tuple(what), strict=True)), is_plain)


def _captured_log(what: pytest.LogCaptureFixture, _is_plain: bool) -> Parts:  # noqa: FBT001
    yield Part(what.text, ".text")
    for phase in ("setup", "call", "teardown"):
        yield Part(list(what.get_records(phase)), f".{phase}")


def _captured_output(_what: Any, _is_plain: bool) -> Parts:  # noqa: FBT001
    msg = "is a capture, and looking would use it up; hand over what readouterr() gives"
    raise ObstacleError(msg)


def _attributes(what: Any) -> Iterator[Part]:
    """List what an object keeps in its own dictionary and slots; properties are code, and not run."""
    kind: Any = type(what)
    own = getattr(what, "__dict__", None)
    if isinstance(own, collections.abc.Mapping):
        for name, value in list(own.items()):
            yield Part(value, f".{name}", is_plain=False)
    for name, cls, member in _slots(kind):
        with suppress(AttributeError):  # a slot that is still empty
            yield Part(member.__get__(what, cls), f".{name}", is_plain=False)


@functools.lru_cache(maxsize=4096)
def _slots(kind: Any) -> tuple[tuple[str, type, Any], ...]:
    return tuple(
        (name, cls, member)
        for cls in kind.__mro__
        for name, member in list(vars(cls).items())
        if isinstance(member, types.MemberDescriptorType) and name != "__dict__" and cls not in PYTHONS_OWN
    )


def _has_attributes(cls: type) -> bool:
    return any("__dict__" in vars(one) or "__slots__" in vars(one) for one in cls.__mro__ if one is not object)


PYTHONS_OWN = frozenset({object, type, types.FunctionType, types.ModuleType, BaseException})
NOTHING = (
    type(None),
    bool,
    numbers.Number,
    str,
    bytes,
    bytearray,
    memoryview,
    array.array,
    mmap.mmap,
    uuid.UUID,
    re.Pattern,
    io.StringIO,
    io.BytesIO,
    dt.date,
    dt.time,
    dt.timedelta,
    dt.tzinfo,
    range,
    types.EllipsisType,
    types.NotImplementedType,
    types.TracebackType,
    types.FrameType,
    types.CodeType,
    types.BuiltinFunctionType,
    weakref.ref,
    Book,
)
# The first kind that fits says how a thing is read.
KINDS: tuple[tuple[tuple[type, ...], Holds], ...] = (
    (NOTHING, _nothing),
    ((pytest.LogCaptureFixture,), _captured_log),
    ((pytest.CaptureFixture,), _captured_output),
    ((PurePath,), parts_of_path),
    ((io.IOBase,), parts_of_stream),
    ((types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType), _refused),
    ((functools._lru_cache_wrapper,), _cached),  # noqa: SLF001 - its only name
    ((types.FunctionType,), _function),
    ((types.MethodType,), _method),
    ((type, types.ModuleType), _class_or_module),
    ((BaseException,), _exception),
    ((collections.abc.Mapping,), _mapping),
    ((collections.abc.Set,), _unordered),
    ((collections.abc.Iterator,), _iterator),
)
BY_NAME: tuple[tuple[str, str, Holds], ...] = (
    ("sqlite3", "Connection", parts_of_database),
    ("sqlite3", "Row", _row),
    ("unittest.mock", "NonCallableMock", lambda what, _: _attributes(what)),  # it notes whoever asks for its length
    ("threading", "local", _local),
    ("queue", "SimpleQueue", _queue),
    ("sqlite3", "Cursor", _cursor),
    ("asyncio", "Future", _future),
    ("contextvars", "Context", _context),
    ("contextvars", "ContextVar", _context_variable),
    ("xml.etree.ElementTree", "Element", _element),
    ("lxml.etree", "_Element", _element),
    ("operator", "itemgetter", _getter),
    ("operator", "attrgetter", _getter),
    ("operator", "methodcaller", _getter),
)


@functools.lru_cache(maxsize=4096)
def _holds(cls: Any) -> Holds:
    for module, name, holds in BY_NAME:
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type) and issubclass(cls, kind):
            return holds
    for kinds, holds in KINDS:
        if issubclass(cls, kinds):
            return holds
    is_sized = all(any(name in vars(one) for one in cls.__mro__) for name in ("__len__", "__iter__"))
    return _members if is_sized else _object
