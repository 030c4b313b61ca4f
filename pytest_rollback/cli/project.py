"""Which project of a repository a command is about, and which policy held for it in any of its trees."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pytest_rollback.policy.load import choose_policy, find_policy, load_policy, places_of_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.blobs import read_files
from pytest_rollback.repo.catalogue import Catalogue, Wanted
from pytest_rollback.repo.look import Head

SEEN = 100  # events: of so many newest ones it is told which projects they are of


def find_root(catalogue: Catalogue, head: Head) -> str:
    """Give the project's folder as events have it: the nearest one from here up that was judged, or has a policy."""
    here, top = catalogue.ledger.folder.resolve(), head.top.resolve()
    policy: Path | None = None
    with suppress(PolicyError):  # whoever goes by the policy says what is wrong with it
        policy = find_policy(here, top)
    for folder in (here, *here.parents):
        if folder == top or not folder.is_relative_to(top):
            break
        root = folder.relative_to(top).as_posix()
        if (policy is not None and policy.parent == folder) or catalogue.count(Wanted(kinds=("verdict",), root=root)):
            return root
    return "."


def other_roots(catalogue: Catalogue, root: str) -> list[str]:
    """List the other projects of the repository that were judged lately."""
    lately = catalogue.entries(Wanted(kinds=("verdict",)), limit=SEEN)
    return sorted({recorded.entry.root for recorded in lately if recorded.entry.root} - {root})


def policy_at(head: Head, tree: str, root: str) -> Policy | None:
    """Load the policy as it stands in a tree; none where there is none, or none that can be used."""
    try:
        written = choose_policy(read_files(head.top, tree, places_of_policy(root)))
        return load_policy(written) if written is not None else None
    except PolicyError:
        return None
