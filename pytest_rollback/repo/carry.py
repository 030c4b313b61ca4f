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
            _copy(top / path, scratch / path, scratch)
        except OSError as error:
            detail = f"{path} is to be carried into the scratch tree, and can't be: {error.strerror or error}"
            raise ScratchError((Trouble(kind="disk", detail=detail),)) from error
    return paths


def _copy(source: Path, target: Path, scratch: Path) -> None:
    """Copy one file. A link in its way is a tree's own, and may lead to anybody's files."""
    here = scratch.resolve()
    below = next(folder for folder in target.parents if os.path.lexists(folder))
    if not below.resolve().is_relative_to(here):
        msg = "a link in what is judged leads out of the scratch tree"
        raise OSError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink():
        target.unlink()
    shutil.copy2(source, target, follow_symlinks=False)
