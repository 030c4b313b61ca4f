"""Keeps files of the work tree as they stand, byte by byte, under a ref that no branch shows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from pytest_rollback.repo.identity import identity, signature
from pytest_rollback.repo.ledger import PLAIN
from pytest_rollback.repo.plumbing import call, git

BACKUPS = "refs/rollback/backup"
FILE, EXECUTABLE, LINK = "100644", "100755", "120000"
LONG = 600.0  # seconds: large files on a slow disk
# A shared index would be written into the repository's own folder, and a file watch would be asked about this one.
OWN_INDEX = ("-c", "core.splitIndex=false", "-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false")

Row = tuple[str, str, str]  # mode, blob, path


def back_up(top: Path, paths: Sequence[str], extra: Mapping[str, str] | None = None) -> tuple[str | None, list[Row]]:
    """Keep files and links as they are, whatever git's filters would make of them; gives the ref, and what it holds."""
    rows = _written(top, paths, extra)
    if not rows:
        return None, []
    with tempfile.TemporaryDirectory(prefix="pytest-rollback-") as folder:
        own = index_of(Path(folder) / "index", rows, top, extra)
        tree = git(*OWN_INDEX, "write-tree", cwd=top, extra=own).strip()
    moment = datetime.now(timezone.utc)
    who = {**(extra or {}), **signature(identity(top, extra), int(moment.timestamp()))}
    message = b"what stood in the place of restored files\n"
    commit = call(*PLAIN, "commit-tree", tree, cwd=top, extra=who, feed=message).decode("ascii").strip()
    ref = f"{BACKUPS}/{moment:%Y%m%dT%H%M%S.%fZ}"
    git(*PLAIN, "update-ref", "--no-deref", ref, commit, "", cwd=top, extra=extra)
    return ref, rows


def index_of(index: Path, rows: Iterable[Row], top: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Write an index that is nobody's; gives the variables with which git goes by it."""
    own = {**(extra or {}), "GIT_INDEX_FILE": str(index.resolve())}
    feed = b"".join(os.fsencode(f"{mode} {blob}\t{path}\0") for mode, blob, path in rows)
    call(*OWN_INDEX, "update-index", "-z", "--add", "--index-info", cwd=top, extra=own, feed=feed)
    return own


def hashes(top: Path, paths: Sequence[str], extra: Mapping[str, str] | None = None, *options: str) -> list[str]:
    """Name the blobs that files would be, from one process; paths are seen from the top."""
    feed = b"".join(_quoted(path) + b"\n" for path in paths)
    command = ("-c", "core.safecrlf=false", "hash-object", *options, "--stdin-paths")
    return call(*command, cwd=top, extra=extra, feed=feed, seconds=LONG).decode("ascii").split() if paths else []


def mode_of(path: Path) -> str:
    """Say as what git would take a file or a link."""
    status = path.lstat()
    if path.is_symlink():
        return LINK
    return EXECUTABLE if status.st_mode & 0o100 else FILE


def _written(top: Path, paths: Sequence[str], extra: Mapping[str, str] | None) -> list[Row]:
    links = [path for path in paths if (top / path).is_symlink()]
    plain = [path for path in paths if os.path.lexists(top / path) and path not in set(links)]
    blobs = hashes(top, plain, extra, "-w", "--no-filters")
    rows = [(mode_of(top / path), blob, path) for path, blob in zip(plain, blobs, strict=True)]
    return [*rows, *((LINK, write_link(top, path, extra), path) for path in links)]


def write_link(top: Path, path: str, extra: Mapping[str, str] | None = None) -> str:
    """Write where a link leads as a blob."""
    target = os.fsencode((top / path).readlink())
    return call("hash-object", "-w", "--stdin", cwd=top, extra=extra, feed=target).decode("ascii").strip()


def _quoted(path: str) -> bytes:
    """Write a path as git reads it in a list of lines."""
    return b'"' + b"".join(b"\\%03o" % byte if byte in b'\n"\\' else bytes([byte]) for byte in os.fsencode(path)) + b'"'
