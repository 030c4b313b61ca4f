"""Seals a scratch tree: what of its tracked files is not as it was made shows that something else was judged."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from pytest_rollback.repo.plumbing import call

FILE = "seal"
Seen = tuple[int, int, int]
MANY = 20


def seal(scratch: Path, tree: str, repository: Path, control: Path) -> None:
    """Note how the tracked files of a scratch tree look, before anything runs in it."""
    listed = call("ls-tree", "-r", "-z", "--name-only", "--full-tree", tree, cwd=repository)
    names = [name for name in listed.split(b"\0") if name]
    (control / FILE).write_bytes(msgspec.msgpack.encode([(name, _look(scratch, name)) for name in names]))


def changed_since(scratch: Path, control: Path) -> list[str]:
    """Name the tracked files that look otherwise by now, the first of them; nothing where nobody sealed the tree."""
    try:
        sealed = msgspec.msgpack.decode((control / FILE).read_bytes(), type=list[tuple[bytes, Seen | None]])
    except FileNotFoundError:
        return []
    changed = (os.fsdecode(name) for name, seen in sealed if _look(scratch, name) != seen)
    return [name for name, _ in zip(changed, range(MANY), strict=False)]


def _look(scratch: Path, name: bytes) -> Seen | None:
    try:
        found = (scratch / os.fsdecode(name)).lstat()
    except OSError:
        return None
    return found.st_mode, found.st_size, found.st_mtime_ns
