"""The known good: the newest first-parent ancestor whose tree has a verdict that says so.

It is matched by tree alone, so that it is found wherever a rebase or a squash led to the same tree.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from pytest_rollback.events import Entry
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.ledger import Ledger, LedgerError
from pytest_rollback.repo.plumbing import GitError, call
from pytest_rollback.repo.stream import records


class KnownGood(Struct, frozen=True, kw_only=True):
    """A commit that is known to be good, and the event that says so."""

    commit: str
    tree: str
    event: str
    entry: Entry


class Search(Struct, frozen=True, kw_only=True):
    """What a search along the first parents came to. It may end where a shallow clone does: then nobody can say."""

    found: KnownGood | None
    searched: int
    cut_short: bool = False


def known_good(
    catalogue: Catalogue, folder: Path, start: str = "HEAD", *, inclusive: bool, root: str | None = None
) -> Search:
    """Search from a commit back, with or without itself; `root` asks for verdicts on one project alone."""
    ledger, searched, last = catalogue.ledger, 0, ""
    try:
        with closing(first_parents(folder, start, ledger.surroundings)) as line:
            for commit, tree in line:
                last = commit
                if not inclusive and not searched:
                    inclusive = True
                    continue
                searched += 1
                if (good := catalogue.good(tree, root=root)) is not None:
                    found = KnownGood(commit=commit, tree=tree, event=good.id, entry=good.entry)
                    return Search(found=found, searched=searched)
    except GitError as error:
        if last or _is_there(folder, start, ledger.surroundings):
            msg = f"the history can't be read: {error}"
            raise LedgerError(msg) from error
    return Search(found=None, searched=searched, cut_short=last in shallow_ends(ledger))


def first_parents(folder: Path, start: str, extra: Mapping[str, str]) -> Generator[tuple[str, str]]:
    """Give commits and their trees along the first parents, newest first, for as long as somebody asks."""
    log = ("log", "-z", "--no-show-signature", "--first-parent", "--format=%H %T")
    with closing(records(*log, "--end-of-options", start, "--", cwd=folder, extra=extra)) as lines:
        for line in lines:
            commit, tree = line.decode("ascii").split()
            yield commit, tree


def _is_there(folder: Path, start: str, extra: Mapping[str, str]) -> bool:
    """Whether a commit exists; an unborn branch has none."""
    try:
        call("rev-parse", "--verify", "--quiet", "--end-of-options", f"{start}^{{commit}}", cwd=folder, extra=extra)
    except GitError as error:
        return error.status != 1
    return True


def shallow_ends(ledger: Ledger) -> frozenset[str]:
    """List the commits at which a shallow clone ends."""
    try:
        return frozenset((ledger.home.parent / "shallow").read_text("ascii").split())
    except OSError:
        return frozenset()
