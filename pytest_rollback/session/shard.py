"""Cuts a gate into parts, so that several machines can share it. Every machine cuts in the same way."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable

import msgspec
import pytest

MOST = 1000


class Shard(msgspec.Struct, frozen=True):
    """One part of several: `2/4`."""

    number: int
    of: int

    def takes(self, tests: Iterable[str]) -> set[str]:
        """Choose this part's tests: dealt out by name, so neither order nor machine matters."""
        return set(sorted(tests)[self.number - 1 :: self.of])


def read_shard(text: str | None) -> Shard | None:
    """Read `K/N`."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]*)/([1-9][0-9]*)", text)
    if found is None or not int(found[1]) <= int(found[2]) <= MOST:
        msg = f'--gate-shard {text}: write K/N with 1 <= K <= N <= {MOST}, such as "2/4"'
        raise pytest.UsageError(msg)
    return Shard(int(found[1]), int(found[2]))


def name_of_whole(tests: Collection[str]) -> str:
    """Name the tests of all parts together, so that parts of different collections are told apart."""
    return hashlib.sha256("\n".join(sorted(tests)).encode("utf-8", "backslashreplace")).hexdigest()
