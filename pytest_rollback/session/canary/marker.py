"""The markers: unguessable texts, numbers and names that stand for the data of one user, and nobody else's."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Hashable
from hashlib import sha256
from threading import RLock
from typing import Any

from pytest_rollback.session.canary.known import Known

PREFIX = "cnry"
DIGITS = 32
SHORT = len(PREFIX) + 4
LEAST_NUMBER = 10**15  # sixteen decimal digits, and exact as a float or in JavaScript
MOST_NUMBER = 2**53
LONGEST_NAME = 40


class CanaryError(Exception):
    """Canaries can't be used as asked; says what to change."""


class Canary(str):
    """A text that nobody can guess, put in as one user's data.

    A library that takes no kind of text but `str` itself takes `str(canary)`. `repr` gives all of it, so that it is
    found in whatever a program writes with `%r`. Our own messages say `short`.
    """

    __slots__ = ("email", "field", "number", "round", "user", "uuid")

    user: Hashable
    field: str | None
    round: int
    number: int
    email: str
    uuid: uuid.UUID

    @classmethod
    def make(cls, user: Hashable, field: str | None = None, number: int = 0) -> Canary:
        """Make one for a user, in a round."""
        made = cls(PREFIX + secrets.token_hex(DIGITS // 2))
        derived = sha256(made.encode()).digest()
        made.user, made.field, made.round = user, field, number
        made.number = LEAST_NUMBER + int.from_bytes(derived[:16], "big") % (MOST_NUMBER - LEAST_NUMBER)
        made.number += made.number % 10 == 0  # a last zero would go missing where it is written as cents
        made.uuid = uuid.UUID(bytes=derived[16:], version=4)
        made.email = f"{made}@example.com"
        return made

    @property
    def short(self) -> str:
        """Name it in a message. What is short is never found, though the message be in a log that is searched."""
        return f"{self[:SHORT]}..."

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        """Be pickled and copied as the text that it is, so that no program has to know us."""
        return str, (str(self),)


class Book:
    """The canaries of one test, by user, field and round. Threads may ask it at once."""

    def __init__(self) -> None:
        self.known: Known[Canary] = Known()
        self.round = 0
        self._made: dict[tuple[int, Hashable, str | None], Canary] = {}
        self._rounds = 0
        self._lock = RLock()

    def begin_round(self) -> None:
        """Have everybody's canaries be new ones from here on. The old ones stay known."""
        with self._lock:
            self._rounds += 1
            self.round = self._rounds

    def get(self, user: Hashable, field: Any = None) -> Canary:
        """Give a user's canary in this round, the same one each time."""
        check_user(user)
        if field is not None and (not isinstance(field, str) or not field.strip()):
            msg = f'a field is named by a word such as "password", not {shortened(field)}'
            raise CanaryError(msg)
        key = (self.round, user, field)
        with self._lock:
            if key not in self._made:
                self._made[key] = made = Canary.make(user, field, self.round)
                self.known.add(made, texts=(made[len(PREFIX) :], made.uuid.hex), number=made.number, raw=made.uuid)
            return self._made[key]

    def users(self) -> list[Hashable]:
        """List whoever has a canary, in any round."""
        with self._lock:
            return list(dict.fromkeys(user for _, user, _ in self._made))

    def of(self, user: Hashable) -> list[Canary]:
        """List the canaries that a user has in this round."""
        with self._lock:
            return [made for (number, owner, _), made in self._made.items() if owner == user and number == self.round]


def check_user(user: Any) -> None:
    """Hold a user to being one that can be named and told from others."""
    if isinstance(user, Canary):
        msg = f"a user is named by a word such as 'ada', and {user.short} is a canary"
        raise CanaryError(msg)
    try:
        hash(user)
    except Exception:  # noqa: BLE001 - whatever a foreign object raises
        named = False
    else:
        named = (
            bool(user.strip()) if isinstance(user, str) else user is not None and not isinstance(user, (bool, bytes))
        )
    if not named:
        msg = (
            f"a user is named by a word such as 'ada', a number, or another name that has a hash, not {shortened(user)}"
        )
        raise CanaryError(msg)


def name_of(user: Hashable) -> str:
    """Write a user's name for a message."""
    return user if isinstance(user, str) and user.isprintable() and len(user) <= LONGEST_NAME else shortened(user)


def shortened(value: object) -> str:
    """Write any value for a message, whatever its own methods do."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - whatever a foreign object raises
        text = f"{type(value).__name__} whose repr raises {type(error).__name__}"
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 3]}..."
