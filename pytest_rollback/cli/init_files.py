"""Writes what `init` decided, or shows it: each file whole or not at all, and only where it still is what was read."""

from __future__ import annotations

import contextlib
import difflib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from pytest_rollback.cli import CommandError


class Change(Struct, frozen=True, kw_only=True):
    """What a file was (None: not there), and what it is to be."""

    path: Path
    before: bytes | None
    after: bytes
    executable: bool = False


class Writer:
    """Makes changes and says so; in a dry run it shows them instead."""

    def __init__(self, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.changed = False

    def make(self, change: Change, topic: str, more: str = "") -> None:
        """Make one change."""
        verb = "written" if change.before is None else "changed"
        self.changed = True
        if self.dry_run:
            say(topic, f"{change.path} would be {verb}{more}:")
            for line in show(change):
                tell(line)
        else:
            write(change)
            say(topic, f"{change.path} was {verb}{more}")


def say(topic: str, text: str) -> None:
    """Print what there is to say on one thing."""
    tell(f"{topic:<9} {text}")


def tell(line: str) -> None:
    """Print a line; what the terminal's encoding has no sign for, such as in the name of a folder, is spelt out."""
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding))


def write(change: Change) -> None:
    """Put the new file in the place of the old one in one step; its mode stays, and so does a link to it."""
    path = change.path.resolve()
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        was = _hold_to_before(change, path)
        try:
            _write_new(beside, change, was)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        msg = f"{path} could not be written ({error.strerror or error}), and was left as it was"
        raise CommandError(msg) from error


def show(change: Change) -> Iterator[str]:
    """Give the lines by which a dry run shows a change: all of a new file, the difference in an old one."""
    after = _lines(change.after)
    if change.before is None:
        yield from (f"+{line}" for line in after)
        return
    difference = list(difflib.unified_diff(_lines(change.before), after, n=0, lineterm=""))[2:]
    yield from (line for line in difference if not line.startswith("@@"))


def _hold_to_before(change: Change, path: Path) -> os.stat_result | None:
    """Refuse to write over what somebody else wrote in the meantime; gives the mode and the owner of what is there."""
    found = path.read_bytes() if os.path.lexists(path) else None
    if found != change.before:
        msg = f"{path} was changed by somebody else just now, and was left as it is; run this again"
        raise CommandError(msg)
    return None if found is None else path.stat()


def _write_new(beside: Path, change: Change, was: os.stat_result | None) -> None:
    with beside.open("xb") as file:
        file.write(change.after)
        file.flush()
        os.fsync(file.fileno())
    if was is not None:
        with contextlib.suppress(OSError):  # only root may give files away, and only root needs to
            os.chown(beside, was.st_uid, was.st_gid)
    mode = stat.S_IMODE((was or beside.stat()).st_mode)
    beside.chmod(mode | (mode & 0o444) >> 2 if change.executable else mode)


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "backslashreplace").splitlines()
