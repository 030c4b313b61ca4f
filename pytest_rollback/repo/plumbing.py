"""The one small door to git's plumbing, for what a gate needs on its way.

Git exports `GIT_DIR`, `GIT_INDEX_FILE` and friends to its hooks. A test that inherits them works on the repository
that is being committed to, and has destroyed some, so they are kept for reading here and stripped from all else.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from msgspec import Struct

# What `git rev-parse --local-env-vars` lists, and the prefix that a hook of a linked work tree gets.
LOCAL_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_NAMESPACE",
)
PATHS = frozenset(
    {
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_COMMON_DIR",
        "GIT_OBJECT_DIRECTORY",
        "GIT_SHALLOW_FILE",
    }
)
NO_WORK_TREE = ("not a git repository", "must be run in a work tree")
SECONDS = 20


class GitError(Exception):
    """Git could not answer; says which command, and what git said."""


class Head(Struct, frozen=True, kw_only=True):
    """Where a work tree stands."""

    top: Path
    commit: str | None
    branch: str | None
    default_branch: str | None
    uncommitted: bool


def strip(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Take git's own variables out of an environment; gives what was taken."""
    return {name: environment.pop(name) for name in LOCAL_VARIABLES if name in environment}


def anchored(taken: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Make the paths among git's variables absolute: a hook gets them relative to where git started it."""
    return {name: str(folder / value) if name in PATHS else value for name, value in taken.items()}


def git(*arguments: str, cwd: Path, extra: Mapping[str, str] | None = None) -> str:
    """Run git and give what it printed. It never prompts, never pages and takes no lock that it need not.

    Of git's own variables it sees those in `extra` alone, whatever this process has inherited.
    """
    env = {name: value for name, value in os.environ.items() if name not in LOCAL_VARIABLES}
    env |= {**(extra or {}), "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=SECONDS,
        )
    except FileNotFoundError as error:
        msg = "git is not installed, or not on PATH"
        raise GitError(msg) from error
    except subprocess.CalledProcessError as error:
        said = os.fsdecode(error.stderr).strip().splitlines() or ["no word"]
        msg = f"git {arguments[0]}: {said[0]}"
        raise GitError(msg) from error
    except subprocess.TimeoutExpired as error:
        msg = f"git {arguments[0]}: no answer in {SECONDS} s"
        raise GitError(msg) from error
    return os.fsdecode(done.stdout)


def find_top(folder: Path, extra: Mapping[str, str] | None = None) -> Path | None:
    """Find the top of the work tree around a folder; None outside git, or where there is no work tree."""
    try:
        return Path(git("rev-parse", "--show-toplevel", cwd=folder, extra=extra).removesuffix("\n"))
    except GitError as error:
        if any(says in str(error) for says in NO_WORK_TREE):
            return None
        raise


def look(folder: Path, extra: Mapping[str, str] | None = None) -> Head | None:
    """Look once where the work tree around a folder stands; None where there is none."""
    top = find_top(folder) or (find_top(folder, extra) if extra else None)
    if top is None:
        return None
    status = git("status", "--porcelain=v2", "--branch", "--untracked-files=no", cwd=top, extra=extra).splitlines()
    said = dict(line[len("# branch.") :].split(" ", 1) for line in status if line.startswith("# branch."))
    branch = said.get("head")
    commit = said.get("oid")
    unborn = commit == "(initial)"
    return Head(
        top=top,
        commit=None if unborn else commit,
        branch=None if branch == "(detached)" else branch,
        default_branch=_default_branch(top, extra),
        uncommitted=unborn or any(not line.startswith("#") for line in status),
    )


def _default_branch(top: Path, extra: Mapping[str, str] | None) -> str | None:
    """Name the branch that the remote calls its own, without its remote."""
    try:
        name = git("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD", cwd=top, extra=extra)
    except GitError:
        return None
    return name.strip().removeprefix("refs/remotes/origin/")
