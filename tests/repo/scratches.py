"""What the tests of scratch trees share."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from conftest import Repository
from pytest_rollback.repo.replica import Origin
from pytest_rollback.repo.scratch import Scratch
from pytest_rollback.repo.slots import Slot


def origin_of(repository: Repository) -> Origin:
    """Say where a repository is, as one of its work trees sees it."""
    common = repository.git("rev-parse", "--path-format=absolute", "--git-common-dir").removesuffix("\n")
    return Origin(top=repository.path, common=Path(common))


def prepare(slot: Slot, repository: Repository, *, branch: str | None = "main") -> Scratch:
    """Prepare what `git commit` would commit."""
    commit = repository.git("rev-parse", "--verify", "--quiet", "HEAD").strip()
    return slot.prepare(tree=repository.git("write-tree").strip(), commit=commit, branch=branch)


def git(top: Path, *arguments: str) -> str:
    """Run git at a place, and give what it says."""
    return subprocess.run(["git", *arguments], cwd=top, check=True, capture_output=True, text=True).stdout


def files_in(top: Path) -> dict[str, bytes]:
    """Read all that is there, beside the repository itself; a link is read as what it says."""
    found = {}
    for path in sorted(top.rglob("*")):
        name = path.relative_to(top).as_posix()
        if path.is_symlink():
            found[name] = os.fsencode(path.readlink())
        elif path.is_file() and not name.startswith(".git/"):
            found[name] = path.read_bytes()
    return found
