"""Events for tests of the record: complete, dull, and different only in what a test says."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pytest_rollback.events import Digests, Invalidation, Judgment
from pytest_rollback.model import Environment, PolicyUsed, Reason, Subject, Tests, Verdict
from pytest_rollback.repo.ledger import REF
from pytest_rollback.repo.wording import stamp

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


def at(seconds: float = 0) -> str:
    """Give a moment, so many seconds after a noon."""
    return stamp(NOON + timedelta(seconds=seconds))


def judgment(tree: str | None = None, *, when: float = 0, verdict: str = "passed", **other: Any) -> Judgment:
    """Make a verdict on a tree: steady, keyed and whole, as long as nothing else is said."""
    subject: dict[str, Any] = {"tree": tree, "branch": "main", "keyed": tree is not None}
    subject |= {name: other.pop(name) for name in list(other) if name in Subject.__struct_fields__}
    given: dict[str, Any] = {
        "at": at(when),
        "by": "Ada <ada@example.org>",
        "verdict": Verdict(verdict),
        "reason": Reason.HELD if verdict == "passed" else Reason.FINDINGS,
        "steady": verdict == "passed",
        "mode": "enforce",
        "subject": Subject(**subject),
        "digests": Digests(policy="0123456789ab", selection="s", environment="e"),
        "policy": PolicyUsed(digest="0123456789abcdef", source="pyproject.toml"),
        "environment": Environment(digest="fedcba9876543210", python="3.11.2", platform="linux"),
        "started": at(when - 5),
        "duration_s": 4.2,
        "tests": Tests(collected=40, selected=33, passed=31, skipped=2),
    }
    return Judgment(**(given | other))


def withdrawal(target: str, tree: str | None, *covers: str, when: float = 0) -> Invalidation:
    """Withdraw a verdict, and others with it."""
    return Invalidation(at=at(when), target=target, tree=tree, reason="the clock was wrong", covers=covers)


def foreign(folder: Path, line: str, *, event: str | None = "{}", parents: int = 1) -> str:
    """Put a commit on the ledger of a repository that this version would not write; `line` is where its entry goes."""
    feed = "" if event is None else f"100644 blob {put(folder, event)}\tevent.json\n"
    tree = _git(folder, "mktree", feed=feed)
    old = _git(folder, "for-each-ref", "--format=%(objectname)", REF)
    options = ["-p", old] * (parents if old else 0)
    commit = _git(folder, "commit-tree", *options, tree, feed=f"title\n\n{line}\n")
    _git(folder, "update-ref", REF, commit)
    return commit


def put(folder: Path, content: str) -> str:
    """Write a blob."""
    return _git(folder, "hash-object", "-w", "--stdin", feed=content)


def _git(folder: Path, *arguments: str, feed: str = "") -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, input=feed, capture_output=True, text=True, check=True)
    return done.stdout.strip()
