"""Two clones record apart, and their chains become one set again: merged the same way on every machine.

Events are all commits that bear an entry and can be reached from the tip. A merge bears none: it has both tips as
parents, an empty tree, and nobody's name. Whoever merges the same tips makes the same commit.
"""

from __future__ import annotations

from msgspec import Struct

from pytest_rollback.repo import wording
from pytest_rollback.repo.identity import signature
from pytest_rollback.repo.ledger import REF, Ledger, LedgerError
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.stream import Objects


class Merged(Struct, frozen=True, kw_only=True):
    """What a merge came to: where the ledger stands now, and how many events each side lacked."""

    tip: str
    came: int
    ahead: int


def take_in(ledger: Ledger, theirs: str) -> Merged:
    """Merge another chain into the ledger, however many append to it meanwhile."""
    before: list[str | None] = [None]

    def prepare(tip: str | None) -> list[str]:
        before[0] = tip
        return [merge(ledger, tip, theirs)]

    try:
        _check(ledger, theirs)
        new = ledger.advance(prepare)[-1]
        return Merged(tip=new, came=count(ledger, theirs, but=before[0]), ahead=count(ledger, new, but=theirs))
    except GitError as error:
        msg = f"the chains could not be merged: {error}"
        raise LedgerError(msg) from error


def merge(ledger: Ledger, ours: str | None, theirs: str) -> str:
    """Give the commit that holds the events of two tips: one of the two, if it holds the other."""
    if ours is None or contains(ledger, theirs, ours):
        return theirs
    if contains(ledger, ours, theirs):
        return ours
    parents = sorted((ours, theirs))
    with ledger.objects() as objects:
        moment = max(_moment(objects, tip) for tip in parents)
    empty = ledger.git("mktree")
    options = [word for parent in parents for word in ("-p", parent)]
    return ledger.git("commit-tree", *options, empty, feed=wording.MERGE, more=signature(None, moment))


def contains(ledger: Ledger, tip: str, other: str) -> bool:
    """Whether all that can be reached from one commit can be reached from a tip."""
    try:
        ledger.git("merge-base", "--is-ancestor", other, tip)
    except GitError as error:
        if error.status != 1:
            raise
        return False
    return True


def count(ledger: Ledger, tip: str | None, *, but: str | None) -> int:
    """Count the events that can be reached from a tip and not from another; an event has one parent at most."""
    if tip is None:
        return 0
    without = [f"^{but}"] if but else []
    return int(ledger.git("rev-list", "--count", "--max-parents=1", tip, *without))


def vanished(ledger: Ledger) -> int:
    """Count the events that were recorded here and that something else has thrown out of the ledger since."""
    try:
        tip, kept = ledger.tip(), ledger.kept()
        return 0 if kept is None or kept == tip else count(ledger, kept, but=tip)
    except GitError as error:
        raise LedgerError(str(error)) from error


def _check(ledger: Ledger, theirs: str) -> None:
    """Refuse what is no chain of events: the ledger never lets go of what it has taken in."""
    with ledger.objects() as objects:
        found = objects.get(theirs)
    written = wording.take_apart(found.content) if found is not None and found.type == "commit" else None
    if written is None or (written.message != wording.MERGE and wording.entry_in(written.message) is None):
        msg = f"what was fetched ({theirs[:12]}) is no ledger, and was not taken in; see what lies under {REF} there"
        raise LedgerError(msg)


def _moment(objects: Objects, commit: str) -> int:
    found = objects.get(commit)
    return wording.take_apart(found.content).committed if found else 0
