"""Where the submodules of a tree have their repositories on the user's side."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pytest_rollback.repo.plumbing import GitError, call, git
from pytest_rollback.repo.replica import Origin, Replica


def find_origins(replica: Replica, names: Iterable[str]) -> dict[str, Origin | None]:
    """Find the repository of each submodule; None for one that the user has not initialised."""
    top = replica.origin.top
    found = {name: _at(top / name) for name in names}
    if None in found.values():
        for name, module in _modules_of(replica).items():
            if name in found and found[name] is None:
                found[name] = _stored(replica.origin, module, top / name)
    return found


def _at(folder: Path) -> Origin | None:
    """Look in the user's work tree. Git is told the folder: left alone, it would find the repository around it."""
    own = folder / ".git"
    if not os.path.lexists(own):
        return None
    try:
        said = git("--git-dir", str(own), "rev-parse", "--path-format=absolute", "--git-common-dir", cwd=folder)
    except GitError:
        return None
    return Origin(top=folder, common=Path(said.removesuffix("\n")))


def _stored(origin: Origin, module: str, folder: Path) -> Origin | None:
    """Look among the repositories that git keeps of submodules: the folder may lie elsewhere in the judged tree.

    One that the user has never initialised, or taken away with `git submodule deinit`, is not configured.
    """
    try:
        git("config", "--get", f"submodule.{module}.url", cwd=origin.top)
        kept = Path(git("rev-parse", "--git-path", f"modules/{module}", cwd=origin.top).removesuffix("\n"))
    except GitError:
        return None
    common = origin.top / kept
    if ".." in Path(module).parts or not (common / "objects").is_dir():
        return None
    return Origin(top=folder if folder.is_dir() else origin.top, common=common)


def _modules_of(replica: Replica) -> dict[str, str]:
    """Read which submodule lies where from the judged tree, which is checked out by now."""
    path = replica.top / ".gitmodules"
    if path.is_symlink() or not path.is_file():
        return {}
    try:
        told = call("config", "--file", str(path), "--get-regexp", "-z", r"^submodule\..*\.path$", cwd=replica.top)
    except GitError:
        return {}
    found = {}
    for line in told.split(b"\0"):
        key, _, name = os.fsdecode(line).partition("\n")
        if name:
            found[name] = key[len("submodule.") : -len(".path")]
    return found
