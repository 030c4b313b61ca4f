"""Reads which part of a gate a session is to judge. How a gate is cut stands in `judge.parts`."""

from __future__ import annotations

import re

import pytest

from pytest_rollback.judge.parts import MOST, Shard, name_of_whole

__all__ = ["Shard", "name_of_whole", "read_shard"]


def read_shard(text: str | None) -> Shard | None:
    """Read `K/N`."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]*)/([1-9][0-9]*)", text)
    if found is None or not int(found[1]) <= int(found[2]) <= MOST:
        msg = f'--gate-shard {text}: write K/N with 1 <= K <= N <= {MOST}, such as "2/4"'
        raise pytest.UsageError(msg)
    return Shard(int(found[1]), int(found[2]))
