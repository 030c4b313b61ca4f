"""Takes one wrapping off a text or bytes: what was quoted, escaped, encoded or packed.

Nothing here knows what is looked for. Each wrapping is tried where its signs are there; what comes out is looked at
again by whoever asked, so that wrappings in wrappings come off one after the other.
"""

from __future__ import annotations

import binascii
import html
import re
from collections.abc import Callable, Iterator
from itertools import islice
from urllib.parse import unquote_to_bytes

from pytest_rollback.session.canary.known import WIDTHLESS
from pytest_rollback.session.canary.packed import SIGNS, unpack

Layer = tuple[str, "str | bytes"]  # what the wrapping is called, and what was in it

WRAPPED = re.compile(rf"=?[\r\n]+[ \t]*|[{WIDTHLESS}]+")
PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")
QUOTED = re.compile(r"=[0-9A-F]{2}")
ESCAPE = re.compile(
    r"\\(?:u\{?([0-9a-fA-F]{4,6})\}?|U([0-9a-fA-F]{8})|x\{?([0-9a-fA-F]{2})\}?|([0-7]{3})|([\\/\"'bfnrt]))"
)
PLAIN_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}")
BASE32 = re.compile(r"[A-Z2-7]{20,}|[a-z2-7]{20,}")
HEX = re.compile(r"[0-9a-fA-F]{24,}|(?:[0-9a-fA-F]{2}[ :-]){11,}[0-9a-fA-F]{2}")
HEX_GAPS = re.compile(r"[ :-]")
URLSAFE = str.maketrans("-_", "+/")
LEGIBLE = re.compile(rb"(?:[\t\n\r -~]\0{0,3}){12}")
WORD = re.compile(r"[A-Za-z0-9+/=_%\\&#;.~-]{12,}")
SHORT = 4096
SPARSE = 16  # characters of a text for each escape in it, at least
SHORTEST = 12  # what is shorter is looked for in nothing
LAST_CODE = 0x10FFFF
LAST_BYTE = "\xff"


def text_of(data: bytes) -> str:
    """Read bytes as text, losing none of them."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def unwrap(data: str | bytes) -> Iterator[Layer]:
    """Take off whatever one wrapping may be there."""
    text = text_of(data) if isinstance(data, bytes) else data
    if len(text) < SHORTEST:
        return
    if "\0" in text:
        yield "UTF-16", text.replace("\0", "")
    joined = WRAPPED.sub("", text)
    yield from _unescaped(text, joined)
    yield from _base64(joined)
    yield from _base32(joined)
    yield from _hexadecimal(joined)
    if isinstance(data, bytes):
        yield from unpack(data)  # comes last, as it may meet an obstacle


def is_promising(data: bytes) -> bool:
    """Whether bytes may hold text, or be packed; most of what is decoded was never encoded."""
    return LEGIBLE.search(data) is not None or SIGNS.search(data) is not None


def _unescaped(text: str, joined: str) -> Iterator[Layer]:
    for name, signs, unescape in ESCAPES:
        found = sum(1 for _ in islice(signs.finditer(text), len(text) // SPARSE + 1))
        if found and (len(text) <= SHORT or found > len(text) // SPARSE):
            yield name, unescape(text)
        elif found:
            # In a long text with few escapes, only those inside of words can hide anything.
            words = "\n".join(word for word in WORD.findall(joined) if signs.search(word))
            if words:
                yield name, unescape(words)


def _from_url(text: str) -> bytes:
    return unquote_to_bytes(text.encode("utf-8", "surrogatepass"))


def _from_escapes(text: str) -> str | bytes:
    plain = ESCAPE.sub(_character, text)
    is_binary = not plain.isascii() and max(plain) <= LAST_BYTE
    return plain.encode("latin-1") if is_binary else plain


def _from_quoted_printable(text: str) -> bytes:
    return binascii.a2b_qp(text.encode("utf-8", "surrogatepass"))


def _character(found: re.Match[str]) -> str:
    brief, long, short, octal, plain = found.groups()
    if plain:
        return PLAIN_ESCAPES.get(plain, plain)
    code = int(octal, 8) if octal else int(brief or long or short, 16)
    return chr(code) if code <= LAST_CODE else found[0]


def _base64(text: str) -> Iterator[tuple[str, bytes]]:
    """Decode each run from each of its first four characters on: where the wrapping begins, nobody knows."""
    for run in dict.fromkeys(BASE64.findall(text)):
        ready = run.translate(URLSAFE).encode("ascii")
        for start in range(4):
            part = ready[start:]
            if len(part) % 4 == 1:
                part = part[:-1]  # six bits are no byte
            yield "base64", binascii.a2b_base64(part + b"=" * (-len(part) % 4))


def _base32(text: str) -> Iterator[tuple[str, bytes]]:
    for run in dict.fromkeys(BASE32.findall(text)):
        for start in range(8):
            yield "base32", _from_base32(run[start:].upper())


def _from_base32(run: str) -> bytes:
    """Decode base 32, by way of the digits that `int` knows; what is left over at the end is dropped."""
    size = len(run) * 5 // 8
    number = int(run.translate(AS_DIGITS), 32) if run else 0
    return (number >> (len(run) * 5 - size * 8)).to_bytes(size, "big")


AS_DIGITS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHIJKLMNOPQRSTUV")


def _hexadecimal(text: str) -> Iterator[tuple[str, bytes]]:
    for run in dict.fromkeys(HEX.findall(text)):
        digits = HEX_GAPS.sub("", run)
        for start in range(2):
            size = len(digits) - start - (len(digits) - start) % 2
            yield "hex", bytes.fromhex(digits[start : start + size])


ESCAPES: tuple[tuple[str, re.Pattern[str], Callable[[str], str | bytes]], ...] = (
    ("URL-quoted", PERCENT, _from_url),
    ("escaped", ESCAPE, _from_escapes),
    ("HTML", ENTITY, html.unescape),
    ("quoted-printable", QUOTED, _from_quoted_printable),
)
