"""What `status` tells of the record: the verdict on what is checked out, the known good, and what is open."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from pytest_rollback.cli.project import find_root
from pytest_rollback.cli.record import SHORT, SHORT_COMMIT, count, cut, told_of_vanished
from pytest_rollback.model import Verdict
from pytest_rollback.repo.catalogue import Catalogue, Recorded, Wanted
from pytest_rollback.repo.chains import vanished
from pytest_rollback.repo.known_good import Search, known_good
from pytest_rollback.repo.ledger import Ledger, LedgerError
from pytest_rollback.repo.look import Head, tree_of
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.wording import EPOCH, MICROSECOND, moment_of
from pytest_rollback.show.files import is_report

FAR_ENOUGH = 1000
NAMED = 3
UNTRACKED = "untracked: "
PASSED = Verdict.PASSED.value
Line = tuple[str, str]


class Open(Struct, frozen=True, kw_only=True):
    """A live branch on which the last verdict is no pass: since when, and in how many verdicts."""

    branch: str | None
    since: str
    verdicts: int
    last: Recorded


class OnRecord(Struct, frozen=True, kw_only=True):
    """What the record says of a work tree. `trouble` says why it could not be asked."""

    events: int = 0
    tree: str | None = None
    unkeyed: tuple[str, ...] = ()
    verdict: Recorded | None = None
    withdrawn: bool = False
    known_good: Search | None = None
    open: tuple[Open, ...] = ()
    vanished: int = 0
    trouble: str = ""

    @property
    def is_good(self) -> bool:
        """Whether what is checked out has passed."""
        return self.verdict is not None and self.verdict.entry.verdict == PASSED and not self.withdrawn


def find_on_record(folder: Path, head: Head | None, extra: Mapping[str, str]) -> OnRecord:
    """Ask the ledger once for all that there is to tell."""
    try:
        with Catalogue(Ledger(folder, extra or None)) as catalogue:
            return _ask(catalogue, head, extra)
    except (GitError, LedgerError, OSError) as error:
        return OnRecord(trouble=str(error))


def lines_of(found: OnRecord, when: Callable[[datetime], str]) -> Iterator[Line]:
    """Write it for people."""
    if found.trouble:
        yield "record", f"can't be read: {found.trouble}"
        return
    if not found.events:
        yield from _vanished(found)
        return
    if found.verdict is None:
        yield "this tree", "has no verdict on record"
    else:
        entry = found.verdict.entry
        steady = "" if entry.steady or entry.verdict != PASSED else ", after a rerun"
        steady += ", and withdrawn" if found.withdrawn else ""
        steady += ", with what no commit holds" if not entry.keyed else ""
        yield "this tree", f"{entry.verdict}{steady}: {entry.says} (event {found.verdict.id[:SHORT]})"
    yield from _unkeyed(found)
    yield from _known_good(found.known_good, when)
    for each in found.open:
        on = f" on {each.branch}" if each.branch else ""
        since = _when(each.since, when)
        told = f"{each.last.entry.verdict}{on} since {since}, in {count(each.verdicts, 'verdict')}"
        yield "open", f"{told} (event {each.last.id[:SHORT]})"
    yield "record", f"{count(found.events, 'event')}; pytest-rollback log lists them"
    yield from _vanished(found)


def document_of(found: OnRecord) -> dict[str, Any]:
    """Write it for machines."""
    good = found.known_good.found if found.known_good else None
    return {
        "record": {"events": found.events, "vanished": found.vanished, "trouble": found.trouble or None},
        "tree": found.tree,
        "unkeyed": found.unkeyed,
        "verdict": found.verdict
        and {
            "event": found.verdict.id,
            "verdict": found.verdict.entry.verdict,
            "reason": found.verdict.entry.reason,
            "steady": found.verdict.entry.steady,
            "withdrawn": found.withdrawn,
            "at": found.verdict.entry.at,
        },
        "known_good": good and {"commit": good.commit, "tree": good.tree, "event": good.event, "at": good.entry.at},
        "known_good_cut_short": bool(found.known_good and found.known_good.cut_short),
        "open": [
            {"branch": each.branch, "since": each.since, "verdicts": each.verdicts, "event": each.last.id}
            for each in found.open
        ],
    }


def _ask(catalogue: Catalogue, head: Head | None, extra: Mapping[str, str]) -> OnRecord:
    events, lost = catalogue.count(), vanished(catalogue.ledger)
    if head is None or not events:
        return OnRecord(events=events, vanished=lost)
    tree, root, gone = tree_of(head, extra), find_root(catalogue, head), catalogue.withdrawn()
    verdict = next((found for found in catalogue.verdicts_of(tree, root=root) if found.entry.whole), None)
    if verdict is not None and verdict.id in gone:
        # It may be the newest only by a clock that was ahead, and the tree have passed again since it was withdrawn.
        verdict = catalogue.good(tree, root=root) or verdict
    good = known_good(catalogue, head.top, head.commit, inclusive=True, root=root) if head.commit else None
    return OnRecord(
        events=events,
        tree=tree,
        unkeyed=tuple(odd for odd in head.unkeyed if not is_report(head.top / odd.removeprefix(UNTRACKED))),
        verdict=verdict,
        withdrawn=verdict is not None and verdict.id in gone,
        known_good=good,
        open=tuple(
            each
            for each in _open(catalogue, root, gone)
            if not _is_settled(each, head, catalogue.good(tree, root=root))
        ),
        vanished=lost,
    )


def _open(catalogue: Catalogue, root: str, gone: Collection[str]) -> Iterator[Open]:
    """Find the live branches whose last verdict is no pass, and when that began."""
    by_branch: dict[str | None, list[Recorded]] = {}
    for found in catalogue.entries(Wanted(kinds=("verdict",), root=root), limit=FAR_ENOUGH):
        unkeyed_pass = found.entry.verdict == PASSED and not found.entry.keyed
        if found.entry.live and found.entry.whole and not unkeyed_pass and found.id not in gone:
            by_branch.setdefault(found.entry.branch, []).append(found)
    for branch, verdicts in by_branch.items():
        count_open = next((n for n, each in enumerate(verdicts) if each.entry.verdict == PASSED), len(verdicts))
        run = verdicts[:count_open]
        if any(each.entry.verdict == Verdict.BLOCKED.value for each in run):
            yield Open(branch=branch, since=run[-1].entry.at, verdicts=len(run), last=run[0])


def _is_settled(each: Open, head: Head, good: Recorded | None) -> bool:
    """Whether the branch is checked out, and its commit has passed since: staged, or before it was committed."""
    if each.branch != head.branch or head.uncommitted:
        return False
    return good is not None and (moment_of(good.entry.at) or 0) > (moment_of(each.last.entry.at) or 0)


def _vanished(found: OnRecord) -> Iterator[Line]:
    """Say that something has put another chain in place of ours."""
    if found.vanished:
        yield "lost", told_of_vanished(found.vanished)


def _when(at: str, when: Callable[[datetime], str]) -> str:
    """Tell a moment; what another version or another tool has written in its place stays as it is."""
    moment = moment_of(at)
    try:
        return when(EPOCH + moment * MICROSECOND) if moment is not None else cut(at or "?", SHORT)
    except (OverflowError, OSError, ValueError):  # no clock here can show it
        return at


def _unkeyed(found: OnRecord) -> Iterator[Line]:
    """Say why no commit will find a verdict on what is here."""
    if found.unkeyed:
        more = f" and {len(found.unkeyed) - NAMED} more" if len(found.unkeyed) > NAMED else ""
        yield "unkeyed", f"{'; '.join(found.unkeyed[:NAMED])}{more}"
        yield "", "a verdict on this is nobody's known good; commit, ignore or remove it"


def _known_good(search: Search | None, when: Callable[[datetime], str]) -> Iterator[Line]:
    if search is None:
        return
    good = search.found
    if good is None:
        cut = "; this clone is shallow, so it may lie further back" if search.cut_short else ""
        yield "known good", f"none in {count(search.searched, 'commit')} from here back{cut}"
        return
    back = "checked out" if search.searched == 1 else f"{count(search.searched - 1, 'commit')} back"
    moment = _when(good.entry.at, when)
    yield "known good", f"{good.commit[:SHORT_COMMIT]}, {back}, judged {moment} (event {good.event[:SHORT]})"
