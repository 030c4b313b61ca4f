"""Finds known secrets in plain text and raw bytes: all of them in one pass, broken up or cut off.

A pass takes no longer for many secrets than for one: pieces of what is looked at are looked up among pieces of secrets.
A text secret is found from twelve of its digits on: nothing holds so many by accident, and much of what is written to
logs is cut. It is found whatever its case, and through white space, hyphens and characters of no width. A number must
be there whole.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Hashable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

FEWEST = 12
FEWEST_BYTES = 7  # that a number takes
CHUNK = 8
STRIDE = 4  # of any twelve digits in a row, eight begin at a multiple of four
WIDTHLESS = r"\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
HOLLOW = re.compile(rf"[\s{WIDTHLESS}-]+")
RUN = re.compile(rf"[0-9a-f]{{{FEWEST},}}")
GROUPED = re.compile(r"[0-9](?:[,._'\u2019]?[0-9]){15,}")
GROUPING = re.compile(r"[,._'\u2019]")
SEVEN_BITS = 0x7F
WORD = 4  # bytes; of any seven in a row, four stand at a multiple of four
TOKEN = re.compile(rf"[^\s\[\](){{}}\"/:;=]{{{FEWEST},}}")
MASKED = 8
LONGEST_TOLD = 4096
OF_EACH = 100  # what keeping it takes besides its letters
MOST_TOLD = 16 * 1024 * 1024

Owner = TypeVar("Owner", bound=Hashable)


class Digits(NamedTuple):
    """Where eight digits stand in whose secret, and how many must be there for it to count."""

    owner: Any
    text: str
    at: int
    fewest: int


class Told(NamedTuple):
    """Whose secret was found in a text, in which wrappings and in which line."""

    owner: Any
    wrappings: tuple[str, ...]
    where: str


class Known(Generic[Owner]):
    """The secrets that are known so far.

    `told` is what was found in texts so far, by the text and how often it had been unwrapped. It stays true: nothing
    holds what nobody could guess before it was made.
    """

    def __init__(self) -> None:
        self.told: dict[tuple[str | bytes, int], list[Told]] = {}
        self._characters = 0
        self._chunks: dict[str, list[Digits]] = {}
        self._words: dict[int, dict[bytes, Owner]] = {}

    def add(self, owner: Owner, *, texts: Iterable[str], number: int, raw: UUID) -> None:
        """Make a secret known: its digits, its number, and what databases and wires make of either."""
        for text in texts:
            self._add_digits(owner, text, FEWEST)
        self._add_digits(owner, str(number), len(str(number)))
        self._add_digits(owner, str(raw.int), len(str(raw.int)))
        for written in (raw.bytes, raw.bytes_le, *_written(number)):
            for at in range(WORD):
                (word,) = memoryview(written)[at : at + WORD].cast("I")
                self._words.setdefault(word, {})[written] = owner

    def _add_digits(self, owner: Owner, text: str, fewest: int) -> None:
        for at in range(0, len(text) - CHUNK + 1, STRIDE):
            self._chunks.setdefault(text[at : at + CHUNK], []).append(Digits(owner, text, at, fewest))

    def in_text(self, text: str) -> list[Owner]:
        """List whose secrets stand in a text, each once."""
        if len(text) < FEWEST:
            return []
        runs = RUN.findall(HOLLOW.sub("", text).lower())
        if "," in text or "." in text or "_" in text or "'" in text or "\u2019" in text:
            runs += [GROUPING.sub("", run) for run in GROUPED.findall(text)]
        return list(dict.fromkeys(owner for run in runs for owner in self._in_run(run)))

    def _in_run(self, run: str) -> list[Owner]:
        chunks = self._chunks
        found = []
        start = 0
        while start <= len(run) - CHUNK:
            after = start + 1
            for digits in chunks.get(run[start : start + CHUNK], ()):
                begin = start - digits.at
                if begin >= 0 and run.startswith(digits.text, begin):
                    found.append(digits.owner)
                    after = begin + len(digits.text) - CHUNK + 1
                elif _shared(run, start, digits.text, digits.at) >= digits.fewest:
                    found.append(digits.owner)
            start = after
        return found

    def in_bytes(self, data: bytes) -> list[Owner]:
        """List whose names and numbers stand in bytes as databases and wires write them."""
        words = memoryview(data)[: len(data) // WORD * WORD].cast("I")
        if self._words.keys().isdisjoint(words):
            return []
        here = self._words.keys() & set(words)
        owners = {written: owner for word in here for written, owner in self._words[word].items()}
        return list(dict.fromkeys(owner for written, owner in owners.items() if written in data))

    def remember(self, key: tuple[str | bytes, int], told: list[Told]) -> None:
        """Keep what was found in a text, as far as there is room."""
        if len(key[0]) <= LONGEST_TOLD and self._characters <= MOST_TOLD:
            self._characters += len(key[0]) + OF_EACH
            self.told[key] = told

    def masked(self, text: str) -> str:
        """Write a text with no secret in it: of each word that holds one, the first letters."""
        if not self.in_text(text):
            return text
        masked = TOKEN.sub(lambda word: f"{word[0][:MASKED]}..." if self.in_text(word[0]) else word[0], text)
        return masked if not self.in_text(masked) else f"{text[:MASKED]}..."


def _shared(run: str, start: int, text: str, at: int) -> int:
    """Count how many digits in a row are alike around a place where eight are."""
    before = 0
    while before < min(start, at) and run[start - before - 1] == text[at - before - 1]:
        before += 1
    after = CHUNK
    while after < min(len(run) - start, len(text) - at) and run[start + after] == text[at + after]:
        after += 1
    return before + after


def _written(number: int) -> list[bytes]:
    """Write a number as pickle, struct, protobuf and IEEE do. Leading zero bytes say nothing, and are left out."""
    size = (number.bit_length() + 7) // 8
    variable = bytearray()
    rest = number
    while rest > SEVEN_BITS:
        variable.append(rest & SEVEN_BITS | 0x80)
        rest >>= 7
    variable.append(rest)
    floats = [struct.pack(order, float(number)) for order in ("<d", ">d")]
    return [number.to_bytes(size, "little"), number.to_bytes(size, "big"), bytes(variable), *floats]
