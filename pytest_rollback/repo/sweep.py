"""What lies in a scratch tree and must not, and when its files were last changed, as far as byte code can tell.

Python takes byte code for fresh when time and size of its source are what they were. A tree that is moved between two
commits within a second fools it: 186 of 200 probes ran the wrong code. Here a file's time is made of its content, so
a `__pycache__` that was kept is right exactly where the content is the same.
"""
# Names are bytes here, as people and tests have made them, and there may be very many.
# ruff: noqa: PTH101, PTH108, PTH118

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

EPOCH = 978307200  # 2001-01-01, and 29 bits more end in 2018: old enough for make, young enough for zip
BITS = 0x1FFFFFFF
SECOND = 1_000_000_000
OURS, READABLE = 0o700, 0o600
LINK, GITLINK = b"120000", b"160000"
CACHE = b"__pycache__"


class Listed(NamedTuple):
    """A file as a tree lists it."""

    mode: bytes
    blob: str

    @property
    def is_plain(self) -> bool:
        """Whether it is a file with content of its own."""
        return self.mode not in {LINK, GITLINK}


Listing = Mapping[bytes, Listed]


def parse_listing(text: bytes) -> dict[bytes, Listed]:
    """Read what `git ls-tree -r -z` printed."""
    found = {}
    for line in text.split(b"\0"):
        facts, _, name = line.partition(b"\t")
        if name:
            mode, _, blob = facts.split(b" ")
            found[name] = Listed(mode, blob.decode("ascii"))
    return found


def sweep(top: bytes, listing: Listing, since: int) -> None:
    """Remove all that the listing doesn't name, but the byte code of what it names; and what was touched since.

    Git itself would keep a file whose size and time a test has left as they were: it counts whole seconds.
    """
    folders: set[bytes] = set()
    sources: set[bytes] = set()
    for name in listing:
        folder = name.rpartition(b"/")[0]
        if name.endswith(b".py"):
            sources.add(folder)
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition(b"/")[0]
    _Broom(listing, folders, sources, since).sweep(top, b"")


def age(top: bytes, listing: Listing, salt: int) -> bool:
    """Give each file the time that its content has; whether any had another."""
    changed = False
    for name, listed in listing.items():
        if not listed.is_plain:
            continue
        path = os.path.join(top, name)
        moment = time_of(listed.blob, salt) * SECOND
        with suppress(FileNotFoundError):
            if os.lstat(path).st_mtime_ns != moment:
                os.utime(path, ns=(moment, moment), follow_symlinks=False)
                changed = True
    return changed


def time_of(blob: str, salt: int) -> int:
    """Give the time of a content. The salt stands for what else makes a file out of a blob, such as line ends."""
    return EPOCH + ((int(blob[:8], 16) ^ salt) & BITS)


def remove(path: bytes | Path) -> None:
    """Remove a file or a folder, whatever tests have done to its permissions. No link is followed."""
    name = os.fsencode(path)
    try:
        _remove(name)
    except OSError:
        _open_up(name)
        _remove(name)


def is_folder(path: bytes | Path) -> bool:
    """Whether a folder is there; a link to one is none."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _remove(path: bytes) -> None:
    with suppress(FileNotFoundError):
        if is_folder(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def _open_up(path: bytes) -> None:
    """Make folders writable, from the top down: one that can't be read can't be walked."""
    if not is_folder(path):
        return
    os.chmod(path, OURS)
    for folder, below, _ in os.walk(path):
        for name in below:
            if is_folder(inner := os.path.join(folder, name)):
                os.chmod(inner, OURS)


class _Broom:
    """Walks a tree once, and takes away what is not listed."""

    def __init__(self, listing: Listing, folders: set[bytes], sources: set[bytes], since: int) -> None:
        self.listing = listing
        self.folders = folders
        self.sources = sources
        self.since = since

    def sweep(self, folder: bytes, prefix: bytes) -> None:
        """Sweep one folder; `prefix` is its name in the listing, with a slash."""
        if os.lstat(folder).st_mode & OURS != OURS:
            os.chmod(folder, OURS)
        with os.scandir(folder) as entries:
            for entry in entries:
                if prefix or entry.name != b".git":
                    self._judge(entry, prefix + entry.name, prefix)

    def _judge(self, entry: os.DirEntry[bytes], name: bytes, prefix: bytes) -> None:
        listed = self.listing.get(name)
        if entry.is_dir(follow_symlinks=False):
            if name in self.folders:
                self.sweep(entry.path, name + b"/")
            elif entry.name == CACHE and prefix[:-1] in self.sources:
                _sweep_cache(entry.path)
            elif listed is None or listed.mode != GITLINK:
                remove(entry.path)
        elif listed is None or listed.mode == GITLINK or not self._is_sound(entry, listed):
            remove(entry.path)

    def _is_sound(self, entry: os.DirEntry[bytes], listed: Listed) -> bool:
        """Whether a file is of the right kind, can be read, and is as git wrote it."""
        facts = entry.stat(follow_symlinks=False)
        if facts.st_ctime_ns >= self.since:
            return False
        if stat.S_ISLNK(facts.st_mode):
            return listed.mode == LINK
        return listed.is_plain and stat.S_ISREG(facts.st_mode) and facts.st_mode & READABLE == READABLE


def _sweep_cache(folder: bytes) -> None:
    """Keep byte code, and nothing else that somebody may have put beside it."""
    if os.lstat(folder).st_mode & OURS != OURS:
        os.chmod(folder, OURS)
    with os.scandir(folder) as entries:
        for entry in entries:
            if not (entry.name.endswith(b".pyc") and entry.is_file(follow_symlinks=False)):
                remove(entry.path)
