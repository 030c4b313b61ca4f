"""What a check is given, and what it says."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from pytest_rollback.model import Measurement

LONGEST_OUTPUT = 20_000


class Place(Struct, frozen=True, kw_only=True):
    """Where a check runs. `root` is the project's root in the tree that is judged, and the folder that it starts in.

    `top` is the top of that tree, `tree` its name in git, `home` where caches may lie; each is null outside git.
    `folder` is where the patterns in `protected` begin, seen from the top.
    `altered` lists the protected files that are altered or missing and not approved of; null where nobody knows.
    """

    root: Path
    top: Path | None = None
    tree: str | None = None
    home: Path | None = None
    folder: str = "."
    protected: tuple[str, ...] = ()
    altered: tuple[str, ...] | None = None
    is_staged: bool = False


class CheckResult(Struct, frozen=True, kw_only=True):
    """What a check found. It holds where nothing failed and it was not skipped.

    `output` is what its programs said, cut; `measured` are the numbers that it took; `says` is one line for people.
    """

    failures: tuple[str, ...] = ()
    skipped: str = ""
    output: str = ""
    measured: tuple[Measurement, ...] = ()
    says: str = ""
