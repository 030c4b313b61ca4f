"""Keeps the ledger's objects in packs, and those few: loose ones make it four times slower to read, many packs twice.

All of it is a courtesy to readers, done by one append in some hundred. Where it fails, all is as it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_rollback.repo.plumbing import GitError, call

try:
    import fcntl
except ImportError:  # pragma: no cover (without locks, packs are never gathered)
    fcntl = None  # type: ignore[assignment]

# One id in 256 begins like this, and nothing has to be counted to know it.
SIGN = "00"
MARK, LIST, LOCK = "packed", "packs", "packs.lock"
MOST = 32
PACKING_S = 120.0
# A partial clone holds not all objects, and must not fetch them for this.
OPTIONS = ("--quiet", "--local", "--non-empty", "--delta-base-offset", "--missing=allow-any")
# What belongs to a pack, in the order in which it goes: without its index, nobody looks into a pack.
PARTS = (".idx", ".rev", ".pack")
KEPT = (".keep", ".promisor", ".bitmap")


def is_time_to_pack(events: Sequence[str]) -> bool:
    """Whether some hundreds of events may have been recorded since the last pack."""
    return any(event.startswith(SIGN) for event in events)


def pack(folder: Path, extra: Mapping[str, str], home: Path, tip: str) -> None:
    """Pack what the ledger holds loose up to a commit.

    A pack is seen only when it is whole, and a loose object goes only when it is in a pack, so neither a kill at any
    moment nor two of us at once can lose any.
    """
    packing = _Packing(folder, extra, home)
    with suppress(GitError, OSError):
        packing.pack(tip)
        packing.gather()


class _Packing:
    """Where the packs are, and what we know of ours."""

    def __init__(self, folder: Path, extra: Mapping[str, str], home: Path) -> None:
        self._folder, self._extra, self._home = folder, extra, home

    def pack(self, tip: str) -> None:
        """Pack what came since the last time."""
        mark = self._home / MARK
        try:
            self._write(f"{tip}\n^{mark.read_text('ascii').strip()}\n", "--revs", "--unpacked")
        except (GitError, OSError, ValueError):  # no mark, or one that means nothing here
            mark.unlink(missing_ok=True)
            self._write(f"{tip}\n", "--revs", "--unpacked")
        self._git("prune-packed", "--quiet")
        fresh = self._home / f"{MARK}.{os.getpid()}"
        fresh.write_text(tip, "ascii")
        fresh.replace(mark)

    def gather(self) -> None:
        """Make one pack of many small ones of ours; each of them goes once all it holds is in the new one.

        Git does so too with all packs that there are, when it collects garbage; but some repositories never see that.
        """
        folder = self._packs()
        listed = self._home / LIST
        with _alone(self._home / LOCK):
            names = list(dict.fromkeys(listed.read_text("ascii").split()))
            ours = [name for name in names if _is_plain(folder, name)]
            if len(ours) < MOST or (folder / "multi-pack-index").exists():
                return
            held = {name: self._held_by(folder, name) for name in ours}
            gathered = self._write("\n".join(sorted(set().union(*held.values()))) + "\n")
            if gathered is None:
                return
            there = self._held_by(folder, gathered)
            for name in ours:
                if name != gathered and held[name] <= there:
                    for part in PARTS:
                        (folder / f"pack-{name}{part}").unlink(missing_ok=True)
            listed.unlink()

    def _write(self, feed: str, *options: str) -> str | None:
        """Write a pack, and note that it is ours; gives its name, None where there was nothing to pack."""
        base = str(self._packs() / "pack")
        said = self._git("pack-objects", *OPTIONS, *options, base, feed=feed.encode("ascii")).decode("ascii").split()
        if not said:
            return None
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / LIST).open("a", encoding="ascii") as listed:
            listed.write(f"{said[0]}\n")
        return said[0]

    def _packs(self) -> Path:
        said = self._git("rev-parse", "--git-path", "objects/pack")
        return self._folder / os.fsdecode(said.removesuffix(b"\n"))

    def _held_by(self, folder: Path, name: str) -> set[str]:
        """List what is in a pack."""
        said = self._git("show-index", feed=(folder / f"pack-{name}.idx").read_bytes()).decode("ascii")
        return {line.split()[1] for line in said.splitlines()}

    def _git(self, *arguments: str, feed: bytes = b"") -> bytes:
        return call(*arguments, cwd=self._folder, extra=self._extra, feed=feed, seconds=PACKING_S)


def _is_plain(folder: Path, name: str) -> bool:
    """Whether a pack is still there, and nobody has made more of it."""
    base = folder / f"pack-{name}"
    return base.with_suffix(".idx").exists() and not any(base.with_suffix(ending).exists() for ending in KEPT)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep others out who would gather the same; whoever comes second has nothing to do."""
    if fcntl is None:
        raise OSError
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)
