"""Git's pre-commit hook: what stands in it, where it goes, and when it must not go there.

Nothing is written here. `plan_hook` looks, and says what would have to be written where, or refuses with the reason
and with what a person can do by hand. A hook that is not ours is never to be overwritten.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from pathlib import Path

from msgspec import Struct

from pytest_rollback.repo.plumbing import GitError, find_top, git

HOOK_VERSION = 2
NAME = "pre-commit"
CALL = "-m pytest --safety-gate --gate-staged"
MARK = re.compile(rb"^# pytest-rollback hook, version (\d+), sha256 ([0-9a-f]{16})$", re.MULTILINE)
ROOT = re.compile(rb"^root=(.*)$", re.MULTILINE)
CALLING = re.compile(rb"^[^#\n]*--safety-gate\b", re.MULTILINE)
EXECUTABLE = 0o111

BODY = """\

refuse() {
    {
        printf 'pytest-rollback: the commit was stopped: %s\\n' "$1"
        shift
        printf '    %s\\n' "$@" 'commit without a judgement: git commit --no-verify'
    } >&2
    exit 1
}

# Git names its own files relative to where it starts a hook, which is not where the gate runs.
for name in GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE; do
    eval "value=\\${$name-}"
    case $value in
    '' | /*) ;;
    *) eval "$name=\\$PWD/\\$value" && export "$name" ;;
    esac
done

renew='renew this hook: pytest-rollback init --hook'
CDPATH='' cd -- "$root" || refuse "there is no folder $root here, in which its gate would run" "$renew"
[ -x "$python" ] || refuse "the interpreter of this hook is gone: $python" "$renew"
folder=$(mktemp -d) || refuse 'no temporary folder can be made for the verdict'
trap 'rm -rf "$folder"' EXIT
"$python" -m pytest --safety-gate --gate-staged "--gate-report=$folder/gate.json"
status=$?
case $status in
0)
    # A process that dies with 0 has passed nothing: the report of a verdict must be there too.
    grep -Eq '^  "(verdict": "passed|mode": "shadow)"' "$folder/gate.json" 2>/dev/null && exit 0
    refuse 'the safety gate ended without a verdict'
    ;;
80) refuse 'the safety gate blocked it' ;;
81) refuse 'the safety gate could not reach a verdict' ;;
5) refuse 'the safety gate found no test' 'mark one with @pytest.mark.golden_path' ;;
esac
"$python" -c 'import pytest_rollback.plugin' ||
    refuse "$python can not import pytest and pytest-rollback" "install them there, or $renew"
refuse "pytest ended with status $status, which is no verdict"
"""


class HookRefusedError(Exception):
    """The hook can't be installed; says why, and what to do by hand."""


class HookPlan(Struct, frozen=True, kw_only=True):
    """What has to be written for the hook; nothing, where `in_place` says how the gate is called already."""

    path: Path
    before: bytes | None
    after: bytes
    in_place: str = ""


class Place(Struct, frozen=True, kw_only=True):
    """Where a repository keeps its hooks, and where in it the project lies (`.` for the work tree's top)."""

    top: Path
    common: Path
    folder: Path
    project: str

    @property
    def outside(self) -> bool:
        """Whether the folder belongs to neither the repository nor its work tree, so that others use it too."""
        return not (self.folder.is_relative_to(self.common) or self.folder.is_relative_to(self.top))


def render_hook(python: str, root: str) -> bytes:
    """Write the hook that judges with an interpreter, in a folder given relative to the work tree's top."""
    shebang = b"#!/bin/sh\n"
    rest = os.fsencode(
        "# Judges what is about to be committed; only a safety gate that passed lets it through.\n"
        "# `pytest-rollback init --hook` wrote this file, and renews it. To be rid of it, delete it.\n"
        f"python={shlex.quote(python)}\n"
        f"root={shlex.quote(root)}\n" + BODY
    )
    mark = f"# pytest-rollback hook, version {HOOK_VERSION}, sha256 {_digest(shebang + rest)}\n"
    return shebang + mark.encode() + rest


def plan_hook(root: Path, python: str) -> HookPlan:
    """Look where the hook for a project goes, and what is there; refuses where it must not go."""
    try:
        return _plan(_find_place(root), python)
    except GitError as error:
        raise HookRefusedError(str(error)) from error
    except ValueError as error:
        msg = f"{root} lies outside the work tree that git names for it; unset core.worktree, or give --root"
        raise HookRefusedError(msg) from error


def root_below(top: Path, root: Path) -> str:
    """Give the project's folder as git sees it from the work tree's top, `.` for the top itself."""
    return root.resolve().relative_to(top.resolve()).as_posix()


def _plan(place: Place, python: str) -> HookPlan:
    path = place.folder / NAME
    line = _line_to_add(place, python)
    found = _read(path)
    if found is not None and (path.is_symlink() or not MARK.search(found)):
        return _leave_foreign(path, found, line, calls=_calls_gate(place, found, line))
    if found is not None:
        _hold_to_ours(place, path, found, python)
    _hold_to_place(place, path, line)
    after = render_hook(python, place.project)
    current = found == after and _is_executable(path)
    return HookPlan(path=path, before=found, after=after, in_place="judges every commit" if current else "")


def _read(path: Path) -> bytes | None:
    """Read what git would run; None where nothing is there."""
    if path.is_dir():
        msg = f"{path} is a folder, where git looks for a hook; remove it"
        raise HookRefusedError(msg)
    if not path.exists():
        return b"" if path.is_symlink() else None
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path} can't be read: {error.strerror or error}"
        raise HookRefusedError(msg) from error


def _find_place(root: Path) -> Place:
    """Ask git where it looks for hooks, in linked work trees and under core.hooksPath too."""
    top = find_top(root)
    if top is None:
        msg = f"{root} is in no work tree of a git repository, so there is no commit to judge; run git init first"
        raise HookRefusedError(msg)
    project = root_below(top, root)
    common = git("rev-parse", "--git-common-dir", cwd=top).removesuffix("\n")
    folder = git("rev-parse", "--git-path", "hooks", cwd=top).removesuffix("\n")
    return Place(top=top.resolve(), common=(top / common).resolve(), folder=(top / folder).resolve(), project=project)


def _hold_to_ours(place: Place, path: Path, found: bytes, python: str) -> None:
    """Refuse to replace a hook with our mark that holds anything we would lose."""
    mark = MARK.search(found)
    if mark is None or int(mark[1]) > HOOK_VERSION:
        msg = f"{path} was written by a newer pytest-rollback; upgrade this one, or delete the hook and run this again"
        raise HookRefusedError(msg)
    if mark[2].decode() != _digest(found[: mark.start()] + found[mark.end() + 1 :]):
        msg = (
            f"{path} was edited after pytest-rollback had written it, so it was left alone; "
            "keep what was added elsewhere, delete the hook and run this again"
        )
        raise HookRefusedError(msg)
    other = _root_of(found)
    if other != place.project and (place.top / other).is_dir():
        lines = "".join(f"\n    {_call(each, python)}" for each in (other, place.project))
        msg = (
            f"{path} judges another project, {place.top / other}, and was left alone; "
            f"to judge both, put these lines into a hook of your own:{lines}"
        )
        raise HookRefusedError(msg)


def _root_of(found: bytes) -> str:
    """Read the project's folder out of a hook of ours."""
    written = ROOT.search(found)
    return "".join(shlex.split(os.fsdecode(written[1]))) if written else "."


def _leave_foreign(path: Path, found: bytes, line: str, *, calls: bool) -> HookPlan:
    """Leave a hook alone that is not ours: it calls the gate by itself, or a person must add the line."""
    if not calls:
        msg = f"{path} is not ours and was left alone; {_adding(line)}"
        raise HookRefusedError(msg)
    if not _is_executable(path):
        msg = f"{path} is not executable, so git ignores it; it is not ours and was left alone: chmod +x it"
        raise HookRefusedError(msg)
    return HookPlan(path=path, before=found, after=found, in_place="is not ours, and calls the safety gate by itself")


def _calls_gate(place: Place, found: bytes, line: str) -> bool:
    """Whether a hook that is not ours calls the gate of this project; what others share must do so by our line."""
    if any(written.strip() == os.fsencode(line) for written in found.splitlines()):
        return True
    here = place.project == "." or os.fsencode(place.project) in found
    return here and not place.outside and CALLING.search(found) is not None


def _hold_to_place(place: Place, path: Path, line: str) -> None:
    """Refuse a folder that is shared with other repositories, or with other people by being committed."""
    if place.outside:
        msg = (
            f"core.hooksPath is {place.folder}, which is not this repository's alone, so no hook was installed; "
            f"{_adding(line, path)}"
        )
        raise HookRefusedError(msg)
    if not place.folder.is_relative_to(place.common) and not _is_ignored(place.top, path):
        msg = (
            f"core.hooksPath is {place.folder}, where a hook would be committed with this machine's interpreter in it, "
            f"so none was installed; {_adding(line, path)}"
        )
        raise HookRefusedError(msg)


def _is_executable(path: Path) -> bool:
    return bool(path.stat().st_mode & EXECUTABLE)


def _is_ignored(top: Path, path: Path) -> bool:
    """Whether git ignores a path; `git check-ignore` fails where it does not, and for what is tracked."""
    try:
        git("check-ignore", "--quiet", "--", str(path), cwd=top)
    except GitError:
        return False
    return True


def _line_to_add(place: Place, python: str) -> str:
    """Write the line that a person adds to a hook of their own."""
    if place.folder.is_relative_to(place.common):
        return _call(place.project, python)
    if not place.outside:
        return _call(place.project, "python")
    here = '"$(cd "$(git rev-parse --git-common-dir)" && pwd -P)"'
    return f"[ {here} != {shlex.quote(str(place.common))} ] || {_call(place.project, python)}"


def _call(project: str, python: str) -> str:
    call = f"{shlex.quote(python)} {CALL}"
    return f"{call} || exit 1" if project == "." else f"(cd {shlex.quote(project)} && {call}) || exit 1"


def _adding(line: str, path: Path | None = None) -> str:
    target = f" to {path}" if path else ""
    return f"add this line{target} by hand, before anything that ends it:\n    {line}"


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
