"""Finds the trusted base of what is judged, and the policy that stands there."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from pytest_rollback.policy.load import Written, choose_policy, load_policy, places_of_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.repo.base import BaseFound, find_base
from pytest_rollback.repo.blobs import read_files
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.hooks import root_below
from pytest_rollback.repo.known_good import known_good
from pytest_rollback.repo.look import Head


class Trusted(Struct, frozen=True, kw_only=True):
    """The base, and the policy as it is written there; none where there is none."""

    found: BaseFound
    written: Written | None


def find_trusted(head: Head, catalogue: Catalogue | None, root: str, *, clean: bool) -> Trusted:
    """Find the base. Which branch is trusted is for the base itself to say: no change chooses its own."""
    first = _find(head, catalogue, root, clean=clean, trusted=None)
    named = _named_by(first.written)
    return _find(head, catalogue, root, clean=clean, trusted=named) if named else first


def below(top: Path | None, root: Path) -> str:
    """Give the project's folder as seen from the top of the repository."""
    try:
        return root_below(top, root) if top is not None else os.curdir
    except ValueError:
        return os.curdir


def _find(head: Head, catalogue: Catalogue | None, root: str, *, clean: bool, trusted: str | None) -> Trusted:
    def good_from(start: str) -> str | None:
        """Find the newest known good that was held against a base of its own: else losses would be washed clean."""
        inclusive = True
        while catalogue is not None:
            found = known_good(catalogue, head.top, start, inclusive=inclusive, root=root).found
            if found is None or not found.entry.unchecked:
                return found.commit if found else None
            start, inclusive = found.commit, False
        return None

    found = find_base(
        head.top, head=head.commit, clean=clean, trusted=trusted, environment=os.environ, known_good=good_from
    )
    if found.tree is None:
        return Trusted(found=found, written=None)
    contents = read_files(head.top, found.tree, places_of_policy(root))
    return Trusted(found=found, written=choose_policy(contents, of=f"at {(found.commit or '')[:7]}"))


def _named_by(written: Written | None) -> str | None:
    """Read which branch a policy trusts; one that can't be used names none."""
    if written is None:
        return None
    try:
        return load_policy(written).trusted
    except PolicyError:
        return None
