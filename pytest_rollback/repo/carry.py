"""Carries files into a scratch tree that tests need and that git ignores: the policy names them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pytest_rollback.repo.plumbing import call
from pytest_rollback.repo.protected import pathspecs
from pytest_rollback.repo.troubles import ScratchError, Trouble


def carry(top: Path, scratch: Path, patterns: Sequence[str], root: str = ".") -> list[str]:
    """Copy what git ignores and the patterns name from the work tree into a scratch tree; gives the paths.

    What git does not ignore is either tracked, and then it is there, or was forgotten, and then it has to be missed.
    """
    if not patterns:
        return []
    options = ("--others", "--ignored", "--exclude-standard", "-z")
    listed = call("ls-files", *options, "--", *pathspecs(patterns, root), cwd=top)
    paths = [os.fsdecode(name) for name in listed.split(b"\0") if name]
    for path in paths:
        try:
            (scratch / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(top / path, scratch / path, follow_symlinks=False)
        except OSError as error:
            detail = f"{path} is to be carried into the scratch tree, and can't be: {error.strerror or error}"
            raise ScratchError((Trouble(kind="disk", detail=detail),)) from error
    return paths
