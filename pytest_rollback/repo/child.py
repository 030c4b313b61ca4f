"""The environment of a process that runs in a scratch tree: nothing of git's, and a guard that runs before all else.

The guard keeps imports inside the scratch tree: through an editable install, they would lead to the user's work tree.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest_rollback
from pytest_rollback.repo.plumbing import strip
from pytest_rollback.repo.scratch import Scratch

SLOT = "PYTEST_ROLLBACK_SLOT"
GUARD = "PYTEST_ROLLBACK_GUARD"
FOLDER = Path(pytest_rollback.__file__).parent / "guard"
TREES = "trees"  # the file in the control folder that tells the guard what lies where
FIELDS = 5
# What git says to its hooks, beside where its repository is. A test that commits would get the date of this commit.
SAID_TO_HOOKS = ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_REFLOG_ACTION")


def child_environment(scratch: Scratch, user_top: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment for a process in a scratch tree that stands in for the user's work tree."""
    environment = dict(os.environ) | dict(extra or {})
    strip(environment)
    for name in (*SAID_TO_HOOKS, "PWD", "OLDPWD"):
        environment.pop(name, None)
    trees = scratch.control / TREES
    # Where this process is guarded itself, its own trees stay guarded below.
    trees.write_bytes(_told(scratch, user_top) + _outer(environment.get(GUARD)))
    temporary = str(scratch.temporary)
    ceilings = [str(scratch.top.parent), environment.get("GIT_CEILING_DIRECTORIES", "")]
    return environment | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(FOLDER), environment.get("PYTHONPATH", "")])),
        "GIT_CEILING_DIRECTORIES": os.pathsep.join(filter(None, ceilings)),
        "TMPDIR": temporary,
        "TMP": temporary,
        "TEMP": temporary,
        SLOT: str(scratch.top),
        GUARD: str(trees),
    }


def _told(scratch: Scratch, user_top: Path) -> bytes:
    facts = (user_top, user_top.resolve(), scratch.top.resolve(), scratch.temporary.resolve(), scratch.control)
    return b"".join(os.fsencode(fact) + b"\0" for fact in facts)


def _outer(path: str | None) -> bytes:
    try:
        told = Path(path or "").read_bytes()
    except OSError:
        return b""
    return told if told.count(b"\0") % FIELDS == 0 else b""
