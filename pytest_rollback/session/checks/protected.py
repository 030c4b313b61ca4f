"""The check `protected`: what the policy protects is there, and nobody altered it without approval."""

from __future__ import annotations

from pathlib import Path

from pytest_rollback.policy.rules import Check
from pytest_rollback.repo.plumbing import GitError, call
from pytest_rollback.repo.protected import EMPTY, pathspecs
from pytest_rollback.session.checks.outcome import CheckResult, Place
from pytest_rollback.session.checks.wording import counted, listed, one_line

NOBODY_KNOWS = "nothing to hold the protected files against: there is no trusted base, or it can't be had"


def run(check: Check, place: Place) -> CheckResult:  # noqa: ARG001 (all kinds are asked alike)
    """Look for the protected files, and at what was found altered."""
    if not place.protected:
        return CheckResult(
            failures=('the policy protects nothing; remove the check, or add protected = ["schema/**"]',)
        )
    failures = [f"{path} is protected, and altered or missing; restore it, or have it approved" for path in _all(place)]
    top = place.top or place.root
    held = 0
    if place.tree is not None:
        for pattern in place.protected:
            try:
                files = _files_of(top, place.tree, pattern, place.folder)
            except GitError as error:
                return CheckResult(failures=tuple(map(one_line, (*failures, f"protected: {error}"))))
            held += len(files)
            if not files:
                failures.append(f'protected: "{pattern}" names no file of the tree; correct it, or take it out')
    if failures:
        return CheckResult(failures=listed(failures))
    if place.altered is None or place.tree is None:
        return CheckResult(skipped=NOBODY_KNOWS)
    return CheckResult(says=f"{counted(held, 'protected file')}, none of them altered")


def _all(place: Place) -> tuple[str, ...]:
    return tuple(dict.fromkeys(place.altered or ()))


def _files_of(top: Path, tree: str, pattern: str, root: str) -> list[bytes]:
    """List the files of a tree that a pattern names, as git reads it."""
    options = ["-r", "-z", "--no-renames", "--name-only", "--end-of-options", EMPTY[len(tree)], tree, "--"]
    return call("diff-tree", *options, *pathspecs([pattern], root), cwd=top).split(b"\0")[:-1]
