"""What a canary is: a text like any other, that nobody can guess."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
import sqlite3

import pytest

from pytest_rollback.session.canary.marker import Book, Canary, CanaryError


def test_a_canary_goes_wherever_a_text_goes() -> None:
    """It is put in as data, so programs must be able to store, send and copy it."""
    canary = Book().get("ada")
    assert isinstance(canary, str)
    assert json.loads(json.dumps({"name": canary})) == {"name": canary}
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        assert database.execute("select ?", (canary,)).fetchone() == (canary,)
    assert type(pickle.loads(pickle.dumps(canary))) is str  # noqa: S301 - our own bytes
    assert copy.deepcopy([canary]) == [canary]
    assert type(str(canary)) is str


def test_a_canary_is_the_same_for_the_same_user_and_field() -> None:
    """A test may ask for it wherever it needs it."""
    book = Book()
    assert book.get("ada") is book.get("ada")
    assert len({book.get("ada"), book.get("bob"), book.get("ada", "password"), book.get(7)}) == 4


def test_a_round_has_canaries_of_its_own() -> None:
    """What is left of an earlier round can be told from what leaks in this one."""
    book = Book()
    first = book.get("ada")
    book.begin_round()
    assert book.get("ada") != first
    assert book.of("ada") == [book.get("ada")]
    assert book.users() == ["ada"]


def test_no_two_canaries_are_alike() -> None:
    """Neither by their text, nor by the numbers and names that are made of it."""
    made = [Canary.make("ada") for _ in range(500)]
    assert len(set(made)) == len({one.number for one in made}) == len({one.uuid for one in made}) == 500
    assert all(len(str(one.number)) == 16 and one.number % 10 and float(one.number) == one.number for one in made)
    assert {one.uuid.version for one in made} == {4}
    assert all(one in one.email for one in made)


def test_what_is_short_is_never_found() -> None:
    """Our own messages may stand in a log that is searched."""
    book = Book()
    canary = book.get("ada")
    assert len(canary.short) == 11
    assert book.known.in_text(canary.short) == []
    assert book.known.in_text(repr(canary)) == [canary]


class Broken:
    """A name of nobody."""

    def __hash__(self) -> int:
        msg = "broken"
        raise RuntimeError(msg)

    def __repr__(self) -> str:
        msg = "broken as well"
        raise RuntimeError(msg)


@pytest.mark.parametrize(
    "user", ["", "  ", None, True, [], {}, b"ada", Broken(), pytest.param(Canary.make("ada"), id="canary")]
)
def test_who_has_no_name_is_refused(user: object) -> None:
    """A user must be told from others, and be named in a message."""
    with pytest.raises(CanaryError, match="a user is named by"):
        Book().get(user)


@pytest.mark.parametrize("field", ["", " ", 3, ["password"]])
def test_a_field_without_a_name_is_refused(field: object) -> None:
    """It would be a second canary that no message could tell from the first."""
    with pytest.raises(CanaryError, match="a field is named by"):
        Book().get("ada", field)
