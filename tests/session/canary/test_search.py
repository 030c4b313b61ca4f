"""Where canaries are found, by which path, and what is said of what nobody can look at."""

from __future__ import annotations

import array
import asyncio
import base64
import bz2
import collections
import contextlib
import contextvars
import dataclasses
import decimal
import enum
import functools
import gzip
import hashlib
import html
import io
import itertools
import json
import logging
import lzma
import operator
import pickle
import queue
import quopri
import random
import re
import selectors
import socket
import sqlite3
import ssl
import struct
import threading
import types
import urllib.parse
import uuid
import weakref
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock
from xml.etree import ElementTree as ET

import msgspec
import pytest

from pytest_rollback.session.canary import files, search
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


def test_what_is_told_of_a_place_holds_no_canary(tmp_path: Path) -> None:
    """Keys, names of files and names of attributes may be whatever a user is known by."""
    number, name = str(ADA.number), ADA.uuid.hex.upper()
    named = types.SimpleNamespace(**{f"of_{ADA.upper()}": 1, f"by_{ADA.number}": iter([1])})
    for file in (number, name, ADA.upper()):
        (tmp_path / f"{file}.txt").write_text(ADA, "utf-8")
    for thing in (
        {ADA.number: ADA},
        {number: [ADA]},
        {(1, name): ADA},
        tmp_path,
        named,
        [{number: "a"}, {number: ADA}],
    ):
        found = look(thing)
        assert found.hits
        told = [hit.path for hit in found.hits] + [f"{path} {why}" for path, why in found.obstacles]
        assert [text for text in told if BOOK.known.in_text(text)] == []


def test_the_names_of_attributes_are_looked_at() -> None:
    """A record with a field for each user tells of each."""
    assert path_to(types.SimpleNamespace(**{ADA: 1})) == f" (key {ADA[:8]}...)"
    assert path_to(types.SimpleNamespace(**{f"id_{ADA.number}": None})).startswith(" (key id_")


def test_words_with_a_canary_are_masked() -> None:
    """The last resort for what is told, whatever came into it."""
    known = BOOK.known
    for text in (f"a {ADA.number:,} b", f"a {ADA.uuid} b", f"/x/{ADA.upper()}/y.txt", " ".join(ADA), f"of {ADA.email}"):
        assert known.in_text(text)
        assert known.in_text(known.masked(text)) == []
    assert known.masked(f"the file {ADA.number}.txt of ada") == f"the file {str(ADA.number)[:8]}... of ada"
    assert known.masked("nothing is in here") == "nothing is in here"


class Held(queue.SimpleQueue[Any]):
    """A class of C's with a name of the project's."""


class Stream:
    """A stream that is consumed once, as answers are."""

    def __init__(self, pieces: Any) -> None:
        self._pieces = iter(pieces)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return next(self._pieces)


def filled(kind: type[Any]) -> Any:
    """Make a queue with something in it."""
    made = kind()
    made.put(ADA)
    return made


@pytest.mark.parametrize(
    "make",
    numbered(
        [
            lambda: iter([ADA]),
            lambda: map(str, [ADA]),
            lambda: itertools.chain([ADA]),
            lambda: itertools.tee([ADA])[0],
            zlib.compressobj,
            lambda: contextvars.ContextVar("user"),
            lambda: filled(queue.SimpleQueue),
            lambda: filled(Held),
            lambda: sqlite3.connect(":memory:").execute("select ?", (ADA,)),
            lambda: Stream([ADA]),
        ]
    ),
)
def test_what_a_view_keeps_to_itself_must_be_readable(make: Callable[[], Any]) -> None:
    """An attribute is where views keep what they show."""
    for thing in (make(), Plain(make()), [Plain([make()])]):
        found = look(thing)
        assert found.hits == []
        assert len(found.obstacles) == 1


def test_what_is_reached_twice_counts_where_it_is_nearer() -> None:
    """Far behind an object it may be machinery, and beside it it is data."""
    queued = filled(queue.SimpleQueue)
    far = Plain(Plain(Plain(Plain(queued))))
    assert look(far).obstacles == []
    near = types.SimpleNamespace(far=far, near=types.SimpleNamespace(it=queued))
    assert [path for path, _ in look(near).obstacles] == [".near.it"]


def in_future(value: object) -> asyncio.Future[object]:
    """Give a future that is done."""
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    future.set_result(value)
    loop.close()
    return future


def in_context(value: object) -> contextvars.Context:
    """Give a context in which a variable has a value."""
    context = contextvars.copy_context()
    context.run(contextvars.ContextVar[object]("user").set, value)
    return context


class Hidden(dict[str, Any]):
    """A mapping that shows nothing of what it holds."""

    def items(self) -> Any:
        """Show nothing."""
        return []


@pytest.mark.parametrize(
    ("thing", "path"),
    numbered(
        [
            (in_future(ADA), "._result"),
            (in_context(ADA), "[user]"),
            (operator.itemgetter(ADA), ".args[0]"),
            (ET.fromstring(f"<a><b>{ADA}</b></a>"), "[0].text"),  # noqa: S314 - our own text
            (ET.fromstring(f"<a><b id='{ADA}'/></a>"), "[0].attrib.id"),  # noqa: S314 - our own text
            (ET.ElementTree(ET.fromstring(f"<a><b/>{ADA}</a>")), "._root[0].tail"),  # noqa: S314 - our own text
            (Hidden(a=ADA), ".a"),
        ]
    ),
)
def test_what_python_keeps_in_its_own_classes_is_read(thing: object, path: str) -> None:
    """Where they let themselves be read without change."""
    assert path_to(thing) == path
    assert path_to(Plain(thing)) == f".inner{path}"


class Colour(enum.Enum):
    """A choice, whose class can be counted, and not itself."""

    RED = 1


def test_the_machinery_of_an_object_is_no_obstacle() -> None:
    """Whoever hands over an object of a service hands over its locks and sockets with it."""
    loop = asyncio.new_event_loop()
    with socket.socket() as plug, ThreadPoolExecutor(1) as pool, contextlib.closing(loop):
        pool.submit(int).result()
        machinery = [
            *(threading.Lock(), threading.RLock(), threading.Condition(), threading.Event(), threading.local()),
            *(threading.current_thread(), pool, plug, loop, loop.create_future(), selectors.DefaultSelector),
            *(logging.getLogger("chat"), logging.getLogger(), json, look, len, [].append, Colour.RED, object()),
            *(random.Random(), random.SystemRandom(), ssl.create_default_context(), hashlib.sha256(), re.compile("a")),  # noqa: S311 - looked at, not used
            *(weakref.ref(plug), weakref.WeakKeyDictionary(), struct.Struct("i"), decimal.getcontext(), slice(1)),
            *(itertools.count(), queue.SimpleQueue(), queue.Queue(), asyncio.Queue(), asyncio.Lock(), Future()),
            *(
                functools.partial(print),
                of_cache(1),
                property(len),
                list[int],
                json.JSONDecoder(),
                operator.attrgetter("a"),
            ),
        ]
        for thing in machinery:
            assert look(Plain(thing)) == Found(), thing


def test_all_databases_of_a_connection_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that last as long as it, and those that were attached; rows that are too many are told."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("create temp table draft (note)")
        database.execute("attach ':memory:' as \"old 'mail\"")
        database.execute('create table "old \'mail".letters (note)')
        database.execute("insert into draft values (?)", (ADA,))
        assert path_to(database) == "['temp.draft'][0].note"
        database.execute("delete from draft")
        database.execute("insert into letters values (?)", (ADA,))
        assert path_to(database) == """["old 'mail.letters"][0].note"""
        database.execute("insert into letters values (?)", (ADA,))
        monkeypatch.setattr(files, "MOST_ROWS", 1)
        assert "more than 1 rows" in look(database).obstacles[0][1]


def test_a_link_that_leads_elsewhere_is_told(tmp_path: Path) -> None:
    """Nobody follows it, so nobody knows what is there."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "logs").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here" / "gone").symlink_to(tmp_path / ADA)
    found = look(tmp_path / "here")
    assert [hit.path for hit in found.hits] == ["/gone (link)"]
    assert [path for path, _ in found.obstacles] == ["/logs"]
    assert "a link to a folder elsewhere" in found.obstacles[0][1]


def test_looking_takes_no_longer_with_many_canaries() -> None:
    """Each round of a run adds some. Counted, since clocks differ: bytes are looked at once, for all of them."""
    book = Book()
    for _ in range(50):
        book.begin_round()
        made = [book.get(user) for user in ("ada", "bob")]
    for canary in made:
        for form in (canary.uuid.bytes, canary.uuid.bytes_le, struct.pack("<q", canary.number)):
            for start in range(9):
                assert book.known.in_bytes(bytes(start) + form + b"x" * start) == [canary]
    passes: list[int] = []

    class Counted(bytes):
        def __contains__(self, form: object) -> bool:
            passes.append(1)
            return super().__contains__(form)  # type: ignore[operator]

    assert book.known.in_bytes(Counted(bytes(range(256)) * 9)) == []
    assert passes == []
    assert book.known.in_bytes(Counted(made[0].uuid.bytes)) == [made[0]]
    assert len(passes) <= 4


def test_a_short_text_is_looked_through_once() -> None:
    """A log that grows is handed over again after each round; what is told of it stays the same."""
    book = Book()
    ada = book.get("ada")
    lines = [f"one of {ada}", "a line of nobody"]
    first = look_through(lines, book.known)
    assert {text for text, _ in book.known.told} == {*lines, "".join(lines)}
    bob = book.get("bob")
    again = look_through([*lines, f"two of {bob}"], book.known)
    assert [hit.canary for hit in again.hits] == [ada, bob]
    assert again.hits[0] == first.hits[0]


def test_a_long_number_is_no_obstacle() -> None:
    """Python refuses to write some in decimal."""
    assert look([10**10_000, float("nan"), float("inf"), complex(1, 2)]) == Found()
