"""The one small door to git's plumbing, for what a gate needs on its way.

Git exports `GIT_DIR`, `GIT_INDEX_FILE` and friends to its hooks. A test that inherits them works on the repository
that is being committed to, and has destroyed some, so they are kept for reading here and stripped from all else.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

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
    """Git could not answer; says which command, and what git said first. `said` is all of that.

    `status` is git's own, where it ended by itself.
    """

    def __init__(self, text: str, status: int | None = None, said: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.said = said


def strip(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Take git's own variables out of an environment; gives what was taken."""
    return {name: environment.pop(name) for name in LOCAL_VARIABLES if name in environment}


def anchored(taken: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Make the paths among git's variables absolute.

    Git starts a hook at the top of the work tree and gives paths relative to that. A hook may change folder before it
    comes here, so a path that does not exist below `folder` is looked for further up.
    """
    return {name: str(_anchor(value, folder)) if name in PATHS else value for name, value in taken.items()}


def _anchor(value: str, folder: Path) -> Path:
    places = (place / value for place in (folder, *folder.parents))
    return next((place for place in places if place.exists()), folder / value)


def git(*arguments: str, cwd: Path, extra: Mapping[str, str] | None = None) -> str:
    """Run git and give what it printed. It never prompts, never pages and takes no lock that it need not.

    Of git's own variables it sees those in `extra` alone, whatever this process has inherited.
    """
    return os.fsdecode(call(*arguments, cwd=cwd, extra=extra))


def call(
    *arguments: str,
    cwd: Path,
    extra: Mapping[str, str] | None = None,
    feed: bytes = b"",
    seconds: float = SECONDS,
) -> bytes:
    """Run git as `git` does, with bytes in and out: blobs and names are whatever people made them."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            env=environment(extra),
            input=feed,
            capture_output=True,
            check=True,
            timeout=seconds,
        )
    except FileNotFoundError as error:
        gone = not cwd.is_dir()
        msg = f"the folder {cwd} is not there" if gone else "git is not installed, or not on PATH"
        raise GitError(msg) from error
    except subprocess.CalledProcessError as error:
        said = os.fsdecode(error.stderr).strip()
        msg = f"git {command_in(arguments)}: {(said.splitlines() or ['no word'])[0]}"
        raise GitError(msg, error.returncode, said) from error
    except subprocess.TimeoutExpired as error:
        msg = f"git {command_in(arguments)}: no answer in {seconds:g} s"
        raise GitError(msg) from error
    except OSError as error:
        msg = f"git {command_in(arguments)}: {error.strerror}"
        raise GitError(msg) from error
    return done.stdout


def command_in(arguments: Sequence[str]) -> str:
    """Find which command of git's arguments name, behind its settings."""
    words = zip(("", *arguments), arguments, strict=False)
    return next((word for before, word in words if before != "-c" and not word.startswith("-")), "")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment in which git runs."""
    inherited = {name: value for name, value in os.environ.items() if name not in LOCAL_VARIABLES}
    return {**inherited, "GIT_TERMINAL_PROMPT": "0", **(extra or {}), "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def find_top(folder: Path, extra: Mapping[str, str] | None = None) -> Path | None:
    """Find the top of the work tree around a folder; None outside git, or where there is no work tree."""
    try:
        return Path(git("rev-parse", "--show-toplevel", cwd=folder, extra=extra).removesuffix("\n"))
    except GitError as error:
        if any(says in str(error) for says in NO_WORK_TREE):
            return None
        raise
