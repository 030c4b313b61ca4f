"""Where canaries are found, by which path, and what is said of what nobody can look at."""

from __future__ import annotations

import array
import base64
import bz2
import collections
import contextlib
import dataclasses
import functools
import gzip
import html
import io
import itertools
import json
import logging
import lzma
import pickle
import quopri
import sqlite3
import struct
import threading
import types
import urllib.parse
import uuid
import zipfile
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import msgspec
import pytest

from pytest_rollback.session.canary import search
from pytest_rollback.session.canary.marker import Book, Canary
from pytest_rollback.session.canary.search import Found, look_through

BOOK = Book()
ADA = BOOK.get("ada")
BOB = BOOK.get("bob")


def look(thing: object) -> Found:
    """Look through a thing."""
    return look_through(thing, BOOK.known)


def path_to(thing: object, canary: Canary = ADA) -> str:
    """Give the one path by which a canary is reached, when all could be looked at."""
    found = look(thing)
    assert found.obstacles == []
    assert [hit.canary for hit in found.hits] == [canary]
    return found.hits[0].path


def numbered(cases: list[Any]) -> list[Any]:
    """Name cases by their number: what stands in them is another text in each run."""
    return [pytest.param(*(one if type(one) is tuple else (one,)), id=str(at)) for at, one in enumerate(cases)]


def zipped(data: bytes) -> bytes:
    """Pack a file as zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", data)
    return file.getvalue()


def quoted(pattern: str, data: bytes) -> str:
    """Write each byte by a pattern."""
    return "".join(pattern.format(byte) for byte in data)


WRAPPINGS: dict[str, Callable[[bytes], str | bytes]] = {
    "": lambda data: data,
    " (URL-quoted)": lambda data: quoted("%{:02x}", data),
    " (escaped)": lambda data: quoted("\\u{:04x}", data),
    " (HTML)": lambda data: quoted("&#{};", data),
    " (quoted-printable)": lambda data: quoted("={:02X}", data),
    " (base64)": base64.b64encode,
    " (base32)": base64.b32encode,
    " (hex)": lambda data: data.hex(),
    " (UTF-16)": lambda data: data.decode().encode("utf-16"),
    " (gzip)": gzip.compress,
    " (zlib)": zlib.compress,
    " (bz2)": bz2.compress,
    " (xz)": lzma.compress,
    " (zip)": zipped,
}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_each_wrapping_comes_off(name: str) -> None:
    """What is encoded is as good as plain to whoever gets it."""
    assert path_to({"it": WRAPPINGS[name](ADA.encode() * 8)}) == f".it{name}"


@pytest.mark.parametrize("outer", [name for name in WRAPPINGS if name])
def test_a_wrapping_in_a_wrapping_comes_off(outer: str) -> None:
    """A program encodes what another has encoded already. UTF-16 and HTML can't hold what is no text."""
    for inner, wrap in WRAPPINGS.items():
        once = wrap(ADA.encode())
        once = once if isinstance(once, bytes) else once.encode()
        if not (outer in (" (UTF-16)", " (HTML)") and (b"\0" in once or not once.isascii())):
            assert {hit.canary for hit in look(WRAPPINGS[outer](once)).hits} == {ADA}, inner


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.b32encode, bytes.hex])
def test_an_encoding_is_found_wherever_it_begins(encode: Callable[[bytes], str | bytes]) -> None:
    """Neither the bytes before a canary nor the letters before its encoding may hide it."""
    for start in range(9):
        for data in (b"\xff" * start + ADA.encode(), ADA.encode()):
            encoded = encode(data)
            text = encoded if isinstance(encoded, str) else encoded.decode()
            assert look("x" * start + text).hits, start


@pytest.mark.parametrize(
    "written",
    numbered(
        [
            ADA.upper(),
            ADA[:16],
            ADA[9:24],
            "-".join(ADA),
            "\u200b".join(ADA),
            "\n  ".join(ADA),
            quoted("\\x{:02x}", ADA.encode()),
            quoted("&#x{:x};", ADA.encode()),
            quoted("{:02X}:", ADA.encode()),
            urllib.parse.quote(ADA.email),
            html.escape(f"<b>{ADA}</b>"),
            base64.encodebytes(b"long lines are folded" * 5 + ADA.encode()),
            quopri.encodestring(b"=" * 60 + ADA.encode(), quotetabs=True),
            ADA.encode("utf-16-le"),
            ADA.encode("utf-32-be"),
            pickle.dumps({"user": ADA, "n": 1}),
            pickle.dumps(ADA.number),
            gzip.compress(ADA.encode() * 3)[:-6],
            b"junk" + zlib.compress(ADA.encode()) + b"junk",
            str(ADA.uuid).upper(),
            ADA.uuid,
            ADA.uuid.bytes,
            ADA.uuid.bytes_le,
            ADA.uuid.int,
            base64.b64encode(ADA.uuid.bytes),
            ADA.number,
            -ADA.number,
            float(ADA.number),
            Decimal(ADA.number) / 100,
            ADA.number / 100,
            f"{ADA.number:,}",
            f"{ADA.number:_}",
            f"id={ADA.number};",
            struct.pack(">q", ADA.number),
            struct.pack("<q", ADA.number),
            struct.pack("<d", ADA.number),
        ]
    ),
)
def test_every_way_of_writing_it_is_found(written: object) -> None:
    """Text, bytes and numbers, in the forms that databases, wires and logs give them."""
    assert {hit.canary for hit in look([written]).hits} == {ADA}


def test_nothing_is_found_where_nothing_is() -> None:
    """What merely looks alike is no leak: other hashes, cut canaries, a number with one digit changed."""
    others = [uuid.uuid4().hex * 20, base64.b64encode(bytes(range(256)) * 50), ADA[:14], str(ADA.number + 1), ADA.short]
    found = look([others, {"key": others}, zlib.compress(repr(others).encode())])
    assert found.hits == []
    assert found.obstacles == []


class Point(NamedTuple):
    """A named tuple."""

    x: Any
    y: Any


@dataclasses.dataclass
class Plain:
    """A data class."""

    inner: Any


class Slotted:
    """An object with slots, one of them empty."""

    __slots__ = ("empty", "inner")

    def __init__(self, inner: Any) -> None:
        self.inner = inner


class Record(msgspec.Struct):
    """A record of msgspec."""

    inner: Any


class Counted:
    """An object that is neither list nor tuple, and can be counted and walked."""

    def __init__(self, *members: Any) -> None:
        self._made = [member[::-1] if isinstance(member, str) else member for member in members]

    def __len__(self) -> int:
        return len(self._made)

    def __iter__(self) -> Any:
        return (member[::-1] if isinstance(member, str) else member for member in self._made)


def of_cache(value: object) -> Any:
    """Make a cached function that has seen a value."""

    @functools.lru_cache
    def cached(_key: object) -> object:
        return None

    cached(value)
    return cached


def raised(value: object) -> BaseException:
    """Give an error whose cause holds a value."""
    try:
        try:
            raise ValueError(value)  # noqa: TRY301
        except ValueError as cause:
            raise RuntimeError from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("thing", "path"),
    numbered(
        [
            ({"a b": [0, {"c": ADA}]}, "['a b'][1].c"),
            ({3: (ADA,)}, "[3][0]"),
            ({None: ADA}, "[None]"),
            ({ADA: 1}, f" (key {ADA[:8]}...)"),
            ({("ada", ADA[:20]): 1}, " (key ada', 'c...)[1]"),
            ({ADA.encode()}, "{}"),
            (Point(1, ADA), ".y"),
            (Plain(Plain([ADA])), ".inner.inner[0]"),
            (Slotted(ADA), ".inner"),
            (Record(ADA), ".inner"),
            (Counted(1, ADA), "[1]"),
            (collections.deque([ADA]), "[0]"),
            (collections.OrderedDict({3: ADA}), "[3]"),
            (types.MappingProxyType({"a": ADA}), ".a"),
            ({"a": ADA}.values(), "[0]"),
            (types.SimpleNamespace(a=ADA), ".a"),
            (bytearray(ADA.encode()), ""),
            (memoryview(ADA.encode()), ""),
            (array.array("B", ADA.encode()), ""),
            (io.StringIO(ADA), ""),
            (io.BytesIO(ADA.encode()), ""),
            (ValueError("no", ADA), ".args[1]"),
            (raised(ADA), ".__cause__.args[0]"),
            (logging.LogRecord("x", 10, "f", 1, "of %s", (ADA,), None), ".args[0]"),
            (functools.partial(print, ADA), ".args[0]"),
            (lambda name=ADA: name, ".__defaults__[0]"),
            (of_cache(ADA), ".cache[0]"),
            (f"one\ntwo {ADA}\nthree", " line 2"),
            (json.dumps({"user": {"name": ADA}}), " (JSON).user.name"),
            (f'{{"a": "{ADA}", "a": 1}}', " (JSON)[0].a"),
            (json.dumps(json.dumps([ADA])), " (JSON) (JSON)[0]"),
            (base64.b64encode(json.dumps({"user": ADA}).encode()), " (base64, then JSON).user"),
            (list(ADA.encode()), f"[0..{len(ADA) - 1}] (joined)"),
            ([ADA[at : at + 9] for at in range(0, 36, 9)], "[0..3] (joined)"),
            ([{"delta": letter, "n": 1} for letter in ADA], f"[0..{len(ADA) - 1}].delta (joined)"),
        ]
    ),
)
def test_the_path_leads_there(thing: object, path: str) -> None:
    """Whoever reads the failure must find the place."""
    assert path_to(thing) == path


def test_the_rows_of_a_database_are_read() -> None:
    """A tenant's own database is a view like any other."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute('create table "odd ""name" (note)')
        database.execute('insert into "odd ""name" values (?)', (ADA,))
        database.row_factory = sqlite3.Row
        assert path_to(database) == """['odd "name'][0].note"""
        assert path_to(database.execute('select * from "odd ""name"').fetchall()) == "[0].note"


def test_what_a_mock_was_called_with_is_looked_at_and_not_added_to() -> None:
    """A stand-in for a bus holds what was sent over it; looking must not look like a call."""
    bus = mock.MagicMock()
    bus.publish("topic", ADA)
    calls = list(bus.mock_calls)
    assert {hit.canary for hit in look(bus).hits} == {ADA}
    assert bus.mock_calls == calls


def test_a_piece_alone_is_not_told_twice() -> None:
    """Joined pieces count only where no piece alone holds it."""
    assert [hit.path for hit in look(["hello", f"of {ADA}"]).hits] == ["[1]"]


def test_all_canaries_of_one_text_are_told() -> None:
    """Each is a leak of its own."""
    assert {hit.canary for hit in look(f"{ADA} {BOB}").hits} == {ADA, BOB}


def test_a_cycle_is_walked_once() -> None:
    """Objects know each other."""
    ring: list[Any] = [ADA]
    ring.append({"ring": ring})
    assert path_to(ring) == "[0]"


def test_classes_and_modules_are_looked_at_only_where_they_are_handed_over() -> None:
    """An object knows its module and with it all the world, which is not what a user sees."""

    class Service:
        history = [ADA]  # noqa: RUF012 - the leak

    module = types.ModuleType("service")
    module.cache = {"x": ADA}  # type: ignore[attr-defined]
    assert path_to(Service) == ".history[0]"
    assert path_to(module) == ".cache.x"
    assert look(types.SimpleNamespace(module=module, kind=Service)).hits == []


def test_files_and_folders_are_read(tmp_path: Path) -> None:
    """Logs lie in files; a link that leads back into its own folder is not followed."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text(f"one\n{ADA}\n", "utf-8")
    (tmp_path / "logs" / "round").symlink_to(tmp_path / "logs")
    assert path_to(tmp_path) == "/logs/app.log line 2"
    assert path_to([tmp_path / "logs" / "app.log"]) == "[0] line 2"
    assert look(Plain(tmp_path)).hits == []
    with (tmp_path / "logs" / "app.log").open("a", encoding="utf-8") as stream:
        assert path_to(stream) == " line 2"


def test_a_stream_is_left_where_it_was(tmp_path: Path) -> None:
    """Looking changes nothing."""
    file = tmp_path / "it"
    file.write_text(f"one\n{ADA}\n", "utf-8")
    with file.open(encoding="utf-8") as stream:
        assert stream.read(2) == "on"
        assert path_to(stream) == " line 2"
        assert stream.read(2) == "e\n"


def test_the_log_that_pytest_captured_is_read(caplog: pytest.LogCaptureFixture) -> None:
    """It is the log that a test has at hand."""
    logging.getLogger("chat").warning("login of %s", ADA)
    assert {hit.canary for hit in look(caplog).hits} == {ADA}


class Angry(collections.UserDict[str, str]):
    """A mapping that can't be read."""

    def items(self) -> Any:
        """Raise."""
        msg = f"of {ADA}"
        raise LookupError(msg)


def nested(depth: int) -> list[Any]:
    """Nest lists."""
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("thing", "path", "why"),
    [
        ([(number for number in range(3))], "[0]", "is a generator, and looking would use it up"),
        (Plain(number for number in range(3)), ".inner", "is a generator"),
        ([itertools.count()], "[0]", "is a count, and looking would use it up"),
        ([threading.Lock()], "[0]", "is a lock, which can't be looked into"),
        ([threading.local()], "[0]", "is a _local, which can't be looked into"),
        ({"a": Angry()}, ".a", "reading it raises LookupError"),
        (Path("/there/is/no/such/file"), "", "which is not there"),
        (Path("/dev/null"), "", "neither a file nor a folder"),
        (nested(60), "[0]" * 50, "nested more than 50 deep"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "", "packed as zstd"),
        (zlib.compress(bytes(17 * 1024 * 1024)), "", "unpacks to more than 16 MiB"),
    ],
)
def test_what_nobody_can_look_at_is_said(thing: object, path: str, why: str) -> None:
    """Silence would be green."""
    found = look(thing)
    assert found.hits == []
    assert [place for place, _ in found.obstacles] == [path]
    assert why in found.obstacles[0][1]
    assert ADA not in found.obstacles[0][1]


def test_captured_output_is_not_used_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever looked would take it away from the test."""
    assert "hand over what readouterr() gives" in look(capsys).obstacles[0][1]


def test_what_lies_beside_an_obstacle_is_looked_at() -> None:
    """One obstacle hides no leak."""
    found = look([ADA, iter([1]), ADA.number])
    assert len(found.hits) == 2
    assert len(found.obstacles) == 1


def test_what_is_too_large_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that is met in silence is a hole."""
    monkeypatch.setattr(search, "MOST_THINGS", 100)
    assert "more than 100 parts" in look([[number] for number in range(99)]).obstacles[0][1]
    monkeypatch.setattr(search, "MOST_CHARACTERS", 1000)
    assert "unwraps to more than" in look("hello " * 300).obstacles[0][1]


def test_a_long_number_is_no_obstacle() -> None:
    """Python refuses to write some in decimal."""
    assert look([10**10_000, float("nan"), float("inf"), complex(1, 2)]) == Found()
