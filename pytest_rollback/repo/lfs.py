"""Large files: a scratch tree gets their content from this machine, and never downloads any.

Git checks out pointers, whether git-lfs is installed or not. The content comes from where git-lfs keeps it, or from
the user's work tree where that has the very same. What is nowhere stays a pointer, and is named.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from pytest_rollback.repo.plumbing import GitError, git
from pytest_rollback.repo.replica import Origin, Replica
from pytest_rollback.repo.sweep import Listing
from pytest_rollback.repo.troubles import Trouble

MARK = b"version https://git-lfs.github.com/spec/"
POINTER = re.compile(rb"^oid sha256:([0-9a-f]{64})$.*^size (\d+)$", re.MULTILINE | re.DOTALL)
LONGEST = 1024  # bytes: a pointer is shorter, as git-lfs itself has it
# The index is to hold the pointer and to know the file's size and time, else `git status` would call it modified.
# So for the one look that git takes at it, the answer to "what would be added?" is what is there already. It takes a
# filter of another name: where a user's `filter.lfs.process` is set, be it to nothing, git runs no `filter.lfs.clean`.
ATTRIBUTES = "info/attributes"
ASKED = b"* filter=pytest-rollback\n"
ANSWER = "filter.pytest-rollback.clean=cat >/dev/null; git cat-file blob :0:%f"
NAMED = 5


class Filled(Struct, frozen=True, kw_only=True):
    """What became of the pointers of a tree."""

    names: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()


def fill(replica: Replica) -> Filled:
    """Put the content in the place of each pointer that has one on this machine."""
    names = [
        os.fsdecode(name) for name in replica.git("ls-files", "-z", "--", ":(attr:filter=lfs)").split(b"\0") if name
    ]
    pointers = {name: pointer for name in names if (pointer := _read_pointer(replica.top / name))}
    if not pointers:
        return Filled()
    store = _store_of(replica.origin)
    filled = [name for name, pointer in pointers.items() if _fill_one(replica, store, name, *pointer)]
    return Filled(names=tuple(filled), troubles=_told([name for name in pointers if name not in filled]))


def refresh(replica: Replica, listing: Listing, names: Iterable[str]) -> None:
    """Have the index take the filled files for what it holds, once they have their times."""
    paths = [os.fsencode(name) for name in names]
    lines = (b"%b %b\t%b\0" % (listing[path].mode, listing[path].blob.encode("ascii"), path) for path in paths)
    # Listed afresh, they have no size yet; git believes a size that differs, and would not even ask for the content.
    replica.git("update-index", "-z", "--index-info", feed=b"".join(lines))
    replica.git("update-index", "-q", "--refresh")  # all but these, which must not be asked about
    replica.put(ATTRIBUTES, ASKED)
    try:
        replica.git("-c", ANSWER, "update-index", "-q", "--refresh")
    finally:
        replica.copy(ATTRIBUTES)


def _read_pointer(path: Path) -> tuple[str, int] | None:
    """Read which content a file stands for; None for one that stands for itself."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LONGEST:
        return None
    text = path.read_bytes()
    found = POINTER.search(text) if text.startswith(MARK) else None
    return (found[1].decode("ascii"), int(found[2])) if found else None


def _store_of(origin: Origin) -> Path:
    try:
        given = git("config", "--type=path", "--get", "lfs.storage", cwd=origin.top).removesuffix("\n")
    except GitError:
        given = "lfs"
    return origin.common / given


def _fill_one(replica: Replica, store: Path, name: str, oid: str, size: int) -> bool:
    kept = store / "objects" / oid[:2] / oid[2:4] / oid
    for source in (kept, replica.origin.top / name):
        with suppress(OSError):
            if source.is_symlink() or source.stat().st_size != size:
                continue
            if source is not kept and _sum_of(source) != oid:
                continue
            # In place, so that the file keeps its mode.
            shutil.copyfile(source, replica.top / name)
            return True
    return False


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        sums = hashlib.sha256()
        while chunk := file.read(1 << 20):
            sums.update(chunk)
    return sums.hexdigest()


def _told(missing: list[str]) -> tuple[Trouble, ...]:
    if not missing:
        return ()
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    names = ", ".join(missing[:NAMED])
    detail = f"only pointers to large files are here, their content is not; run git lfs pull: {names}{more}"
    return (Trouble(kind="lfs", detail=detail),)
