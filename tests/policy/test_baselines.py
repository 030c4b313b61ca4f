"""What a baseline's file may be named and may say; whatever else it says is named, and harms no other."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from msgspec import structs

from pytest_rollback.policy.baselines import (
    LARGEST,
    Accepted,
    Baseline,
    BaselineError,
    Shelf,
    file_of,
    key_of,
    names,
    read,
    shelve,
    write,
)

ACCEPTED = Accepted(at="2026-11-21T12:00:00.000000Z", by="Ada <ada@example.org>", reason="measured twice")
PLAIN = Baseline(name="search", metric="performance", unit="s", value=0.012, accepted=ACCEPTED)
NAMES = (
    *(
        "search",
        "Search",
        "SEARCH",
        "seärch",
        "搜索",
        "api/search",
        "a b",
        "../../etc/passwd",
        ".hidden",
        "..",
        "-",
        "a.",
    ),
    *("con", "nul.x", "com1", "aux", "x" * 80, "x" * 81, "x" * 300, "é" * 300, "a@b", "a@", "@", "search-9f3c01ab"),
    *("a\\b", "a:b", "a*?", "🙂", "a%", "NFC é", "NFC e\u0301"),
)


def document(**other: Any) -> dict[str, Any]:
    """Give a baseline's file as its keys."""
    return {**json.loads(write(PLAIN)), **other}


def trouble(content: bytes | dict[str, Any], file: str = "search.json") -> str:
    """Say what is wrong with a file."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(BaselineError) as error:
        read(file, raw)
    return str(error.value)


# --- names ---


def test_a_plain_name_is_the_name_of_its_file() -> None:
    """People look for it there."""
    assert file_of("search", None) == "search.json"
    assert file_of("login-rate", "cpython3.11-linux") == "login-rate@cpython3.11-linux.json"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("environment", [None, "cpython3.11-linux-x86_64-2-9f3c01ab", "M1 Max/é"])
def test_any_name_has_a_file_that_any_system_can_hold(name: str, environment: str | None) -> None:
    """Case, length, slashes and devices' names are a system's own business, and none of a metric's."""
    file = file_of(name, environment)
    assert file.isascii()
    assert file == file.lower()
    assert len(file) < 255
    assert not set(file) & set('/\\:*?"<>| ')
    assert not file.startswith((".", "-"))
    assert file.partition(".")[0] not in ("con", "nul", "com1", "aux")
    kept = structs.replace(PLAIN, name=name, environment=environment)
    assert read(file, write(kept)) == kept


def test_no_two_names_share_a_file_or_a_key() -> None:
    """One would be written over the other, or read for it."""
    keys = [
        (name, place) for name in (*NAMES, *(file_of(name, None)[:-5] for name in NAMES)) for place in (None, "b", "B")
    ]
    keys = list(dict.fromkeys(keys))
    assert len({file_of(*key) for key in keys}) == len(keys)
    assert len({key_of(*key) for key in keys}) == len(keys)


@pytest.mark.parametrize("name", ["", " ", " search", "search\n", "a\x1b[31mb", "a\u202eb", "\ud800"])
def test_a_name_that_nobody_sees_is_none(name: str) -> None:
    """It would be another one than it looks like."""
    assert "is no name" in trouble(document(name=name), file_of(name, None))
    with pytest.raises(BaselineError, match="can't be kept"):
        write(structs.replace(PLAIN, name=name))


def test_an_environment_is_a_name_without_an_at() -> None:
    """What stands behind the last one in a key is the environment."""
    assert "has an @ in it" in trouble(document(environment="a@b"), file_of("search", "a@b"))
    assert "is no name" in trouble(document(environment=""), "search.json")


# --- what a file says ---


def test_a_file_is_written_a_key_a_line_and_always_the_same() -> None:
    """Two branches that accept different metrics merge, and what is not changed shows no difference."""
    one = structs.replace(PLAIN, basis={"b": [1, {"z": 1, "a": 2}], "a": "ü"}, environment="linux", pinned="phase 2")
    other = structs.replace(one, basis={"a": "ü", "b": [1, {"a": 2, "z": 1}]})
    assert write(one) == write(other)
    assert write(PLAIN).decode().splitlines() == [
        "{",
        '  "schema": 1,',
        '  "name": "search",',
        '  "metric": "performance",',
        '  "unit": "s",',
        '  "value": 0.012,',
        '  "environment": null,',
        '  "labels": [],',
        '  "basis": {},',
        '  "pinned": null,',
        '  "accepted": {',
        '    "at": "2026-11-21T12:00:00.000000Z",',
        '    "by": "Ada <ada@example.org>",',
        '    "reason": "measured twice"',
        "  }",
        "}",
    ]


@pytest.mark.parametrize("value", [0.0, -3.5, 1, 1e300, 5e-324, 98.7])
def test_any_number_comes_back_as_it_was(value: float) -> None:
    """Zero and below are numbers."""
    assert read("search.json", write(structs.replace(PLAIN, value=value))).value == value


def test_half_a_surrogate_pair_in_what_was_measured_is_kept() -> None:
    """Names of files may hold bytes that are no text."""
    kept = structs.replace(PLAIN, basis={"contract": {"\udcff": "\ud800"}})
    assert read("search.json", write(kept)) == kept


@pytest.mark.parametrize(
    "broken",
    [
        {"value": math.nan},
        {"value": math.inf},
        {"basis": {"samples": [math.nan]}},
        {"basis": {"a": object()}},
        {"basis": {"a": {1, 2}.__class__}},
        {"unit": "%" * LARGEST},
    ],
)
def test_what_no_file_can_hold_is_not_written(broken: dict[str, Any]) -> None:
    """Whatever is written can be read again."""
    with pytest.raises(BaselineError, match="'search' can't be kept"):
        write(structs.replace(PLAIN, **broken))


def test_what_is_nested_without_end_is_not_written() -> None:
    """A structure that holds itself has no text."""
    basis: dict[str, Any] = {}
    basis["again"] = basis
    with pytest.raises(BaselineError, match="'search' can't be kept"):
        write(structs.replace(PLAIN, basis=basis))


# --- damage ---


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no baseline: Expecting value"),
        (write(PLAIN)[:100], "is no baseline: "),
        (b"\x00\xff\xfe\x80", "is no baseline: it is no text (byte 1)"),
        (b"[" * 100_000, "is no baseline: it is nested too deeply"),
        (b" " * (LARGEST + 1), "is larger than 4 MB"),
        (b"[]", "Expected object, got array"),
        (b"null", "Expected object, got null"),
        (b'{"schema": 1}', "missing required field name"),
        (document(value="98"), "Expected float, got str - at $.value"),
        (document(value=True), "Expected float, got bool"),
        (document(value=None), "Expected float, got null"),
        (document(value=math.nan), "NaN is no number"),
        (document(value=-math.inf), "-Infinity is no number"),
        (write(PLAIN).replace(b"0.012", b"1e999"), "1e999 is no number"),
        (write(PLAIN).replace(b"0.012", b"1" * 400), "out of range"),
        (write(PLAIN).replace(b"0.012", b"1" * 9000), "is no baseline: "),
        (write(PLAIN).replace(b"{}", b'{"a": [1e999]}'), "1e999 is no number"),
        (document(accepted=None), "Expected object, got null - at $.accepted"),
        (document(extra=1), "unknown field extra"),
        (document(schema=0), "there was never a version 0"),
        (document(schema="2"), "Expected int, got str - at $.schema"),
        (write(PLAIN).replace(b'"unit": "s"', b'"unit": "s",\n  "unit": "ms"'), "the key 'unit' stands there twice"),
        (b'{"\x1b[31m": 1}', "is no baseline: "),
        (write(PLAIN).replace(b'"s"', b'"\\u001b[31m', 1), "is no baseline: "),
    ],
)
def test_a_damaged_file_says_what_is_wrong_and_what_to_do(content: bytes | dict[str, Any], says: str) -> None:
    """And nothing of it acts on a terminal."""
    told = trouble(content)
    assert says in told
    assert told.endswith("; bring it back with git, or remove it and accept a new one")
    assert told.isprintable()
    assert len(told) < 400


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_conflict_markers_are_called_by_their_name(end: str) -> None:
    """That is what a merge of two branches leaves that accepted the same metric."""
    lines = write(PLAIN).decode().splitlines()
    lines[5:6] = ["<<<<<<< HEAD", lines[5], "=======", '  "value": 0.011,', ">>>>>>> faster"]
    assert trouble(end.join(lines).encode()).startswith("has merge conflict markers; settle the merge")
    assert "conflict" not in trouble(document(value="<<<<<<< HEAD"))


def test_a_file_of_a_newer_version_says_so() -> None:
    """Whatever else it holds by then."""
    told = trouble({"schema": 2, "name": ["?"], "values": []})
    assert told == "was written by a newer version (schema 2, this one reads 1); upgrade pytest-rollback"


def test_a_file_that_was_renamed_or_copied_says_where_it_belongs() -> None:
    """It would be found under one name, and speak for another."""
    told = trouble(write(PLAIN), "find.json")
    assert told == "is the baseline of search, which belongs into search.json; rename it, or remove it"


def test_one_damaged_file_harms_no_other() -> None:
    """Each by its own name; what is no baseline's file is not looked at."""
    other = structs.replace(PLAIN, name="login", environment="linux")
    files = {
        "search.json": write(PLAIN),
        "login@linux.json": write(other),
        "bad.json": b"{",
        "README.md": b"about",
        ".search.json": b"{",
        "search.json.orig": b"<<<<<<<",
    }
    shelf = shelve(files)
    assert shelf.baselines == {"search": PLAIN, "login@linux": other}
    assert list(shelf.troubles) == ["bad.json"]
    assert shelf.get("login", "linux") == other
    assert shelf.get("login", None) is None
    assert (shelf.trouble("bad", None) or "").startswith("is no baseline")
    assert shelf.trouble("search", None) is None
    assert list(names(shelf)) == ["login", "search"]


def test_a_trouble_of_the_whole_folder_is_everyones() -> None:
    """Nobody knows what lies in it."""
    assert Shelf(troubles={"": "can't be read"}).trouble("search", None) == "can't be read"
