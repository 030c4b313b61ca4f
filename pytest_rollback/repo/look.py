"""Looks where a work tree stands, and writes down as a tree what is judged there.

Nothing of the user's changes: the tree is made from a copy of the index, and all that it adds are objects.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, structs

from pytest_rollback.repo.blobs import changed_files
from pytest_rollback.repo.plumbing import NO_WORK_TREE, GitError, call, git

BYTE_CODE = "__pycache__/"
LONG = 60.0
SEEN = 20


class Head(Struct, frozen=True, kw_only=True):
    """Where a work tree stands, and what of it is not in a tree that git could write."""

    top: Path
    common: Path
    own: Path
    commit: str | None
    branch: str | None
    default_branch: str | None
    uncommitted: bool
    shallow: bool = False
    unkeyed: tuple[str, ...] = ()

    @property
    def worktree(self) -> str:
        """Which of the repository's work trees this is; `.` for the main one."""
        return self.own.relative_to(self.common).as_posix() if self.own.is_relative_to(self.common) else self.own.name


def look(folder: Path, extra: Mapping[str, str] | None = None) -> Head | None:
    """Look once where the work tree around a folder stands; None where there is none."""
    places = _places(folder, None) or (_places(folder, extra) if extra else None)
    if places is None:
        return None
    top, common, own, shallow = places
    said, changed, odd = _status(top, extra)
    branch, commit = said.get("head"), said.get("oid")
    unborn = commit == "(initial)"
    return Head(
        top=top,
        common=common,
        own=own,
        commit=None if unborn else commit,
        branch=None if branch == "(detached)" else branch,
        default_branch=_default_branch(top, extra),
        uncommitted=unborn or changed,
        shallow=shallow,
        unkeyed=tuple(odd),
    )


def tree_of(head: Head, extra: Mapping[str, str] | None = None) -> str:
    """Write down what is judged in a work tree: HEAD's index with all tracked edits, which `git commit -a` would take.

    Where nothing is uncommitted that is HEAD's own tree, and nothing is written.
    """
    if not head.uncommitted and head.commit:
        return git("rev-parse", "--verify", f"{head.commit}^{{tree}}", cwd=head.top, extra=extra).strip()
    with tempfile.TemporaryDirectory(prefix="pytest-rollback-") as folder:
        extra = _with_copied_index(head.top, Path(folder), extra)
        # A file whose line ends would not survive the round trip is no reason not to judge it.
        call("-c", "core.safecrlf=false", "add", "--update", "--", ".", cwd=head.top, extra=extra, seconds=LONG)
        return git("write-tree", cwd=head.top, extra=extra).strip()


def staged_tree(top: Path, extra: Mapping[str, str] | None = None) -> str:
    """Write down exactly what `git commit` would commit: the index that it, or its hook's environment, names."""
    with tempfile.TemporaryDirectory(prefix="pytest-rollback-") as folder:
        # `write-tree` would lock and rewrite the index itself, which may be git's own, half-way through a commit.
        return git("write-tree", cwd=top, extra=_with_copied_index(top, Path(folder), extra)).strip()


def tree_now(head: Head, extra: Mapping[str, str] | None = None) -> str:
    """Write down what stands in the work tree by now, whatever has moved since it was looked at."""
    said, changed, _ = _status(head.top, extra)
    commit = said.get("oid")
    unborn = commit == "(initial)"
    return tree_of(structs.replace(head, commit=None if unborn else commit, uncommitted=unborn or changed), extra)


def moved_between(folder: Path, before: str, after: str) -> list[str]:
    """Name the files in which two trees differ, the first of them."""
    return changed_files(folder, before, after)[:SEEN]


def _places(folder: Path, extra: Mapping[str, str] | None) -> tuple[Path, Path, Path, bool] | None:
    """Ask where the work tree and its repository lie."""
    asked = ("--show-toplevel", "--git-common-dir", "--absolute-git-dir", "--is-shallow-repository")
    try:
        said = git("rev-parse", *asked, cwd=folder, extra=extra).removesuffix("\n").split("\n")
    except GitError as error:
        if any(says in str(error) for says in NO_WORK_TREE):
            return None
        raise
    if len(said) != len(asked):
        msg = "git rev-parse: the path of the repository has a line end in it"
        raise GitError(msg)
    return Path(said[0]), (folder / said[1]).resolve(), Path(said[2]).resolve(), said[3] == "true"


def _status(top: Path, extra: Mapping[str, str] | None) -> tuple[dict[str, str], bool, list[str]]:
    """Ask what is checked out, whether something tracked is not committed, and what no tree would hold."""
    options = (
        "--porcelain=v2",
        "--branch",
        "-z",
        "--no-renames",
        "--untracked-files=normal",
        "--ignore-submodules=none",
    )
    listed = os.fsdecode(call("status", *options, cwd=top, extra=extra, seconds=LONG)).split("\0")
    said = dict(line[len("# branch.") :].split(" ", 1) for line in listed if line.startswith("# branch."))
    changed = any(_is_tracked_change(line) for line in listed)
    return said, changed, [*_untracked(listed), *_dirty_submodules(listed), *_unwatched(top, extra)]


def _is_tracked_change(line: str) -> bool:
    """Whether a line tells of a change that a commit would take; what changed inside a submodule it would not."""
    if line.startswith("u "):
        return True
    if not line.startswith("1 "):
        return False
    state, submodule = line.split(" ", 3)[1:3]
    return not (state == ".M" and submodule.startswith("S") and submodule[1] == ".")


def _untracked(listed: list[str]) -> Iterator[str]:
    """Name what a commit would leave behind. Byte code speaks for its source, and counts as that."""
    for line in listed:
        if line.startswith("? ") and not line.endswith(BYTE_CODE):
            yield f"untracked: {line[2:]}"


def _dirty_submodules(listed: list[str]) -> Iterator[str]:
    for line in listed:
        parts = line.split(" ", 8)
        if line.startswith("1 ") and parts[2].startswith("S") and parts[2][2:] != "..":
            yield f"changes inside a submodule: {parts[8]}"


def _unwatched(top: Path, extra: Mapping[str, str] | None) -> Iterator[str]:
    """Name files that git was told not to look at, and that are there: their edits would be in no tree."""
    for entry in call("ls-files", "-v", "-z", cwd=top, extra=extra).split(b"\0"):
        tag, name = entry[:1], os.fsdecode(entry[2:])
        if tag.islower() or (tag == b"S" and os.path.lexists(top / name)):
            yield f"marked as not to be looked at (assume-unchanged or skip-worktree): {name}"


def _with_copied_index(top: Path, folder: Path, extra: Mapping[str, str] | None) -> dict[str, str]:
    """Copy the index, so that what git notes in it is noted in the copy."""
    index = top / git("rev-parse", "--git-path", "index", cwd=top, extra=extra).removesuffix("\n")
    copy = folder / "index"
    try:
        # With its times: a file that was changed within the second in which the index was written, and kept its size,
        # is told from an unchanged one by the index's own time alone.
        shutil.copy2(index, copy)
    except FileNotFoundError:
        pass  # nothing was ever staged here
    except OSError as error:
        msg = f"the index {index} can't be read: {error.strerror}"
        raise GitError(msg) from error
    return {**(extra or {}), "GIT_INDEX_FILE": str(copy)}


def _default_branch(top: Path, extra: Mapping[str, str] | None) -> str | None:
    """Name the branch that the remote calls its own, without its remote."""
    try:
        name = git("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD", cwd=top, extra=extra)
    except GitError:
        return None
    return name.strip().removeprefix("refs/remotes/origin/")
