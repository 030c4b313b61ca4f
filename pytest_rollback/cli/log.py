"""`pytest-rollback log`: what happened, newest first, one line an event."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pytest_rollback.cli import OK, CommandError, record
from pytest_rollback.cli.record import NOTHING_YET, SHORT, SHORT_COMMIT, count, cut, local, say
from pytest_rollback.events import Entry
from pytest_rollback.judge.text import readable
from pytest_rollback.model import Verdict
from pytest_rollback.repo.catalogue import SHORTEST, Catalogue, Recorded, Wanted
from pytest_rollback.repo.ledger import Ledger
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.wording import KINDS, NEWER

PAGE = 20
WIDEST = 24
JUDGED = "verdict"
HEX = "0123456789abcdef"
UNKEYED = "not keyed"
UNSTEADY = "not steady"
PART = "a part"


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "log",
        help="tell what happened here: verdicts, approvals, checkpoints, newest first",
        description="Tell what is on record in this repository, newest first, one line an event.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--kind", action="append", default=[], choices=sorted(KINDS), help="only such events; repeatable"
    )
    parser.add_argument("--verdict", choices=sorted(verdict.value for verdict in Verdict), help="only such verdicts")
    parser.add_argument("--branch", metavar="NAME", type=record.worded, help="only what happened on a branch")
    parser.add_argument("--commit", metavar="REV", type=record.worded, help="only what happened to a commit")
    parser.add_argument(
        "--since", metavar="WHEN", type=record.moment, help="2026-11-21, '2026-11-21 13:30', '2 h', '3 d'"
    )
    parser.add_argument("--until", metavar="WHEN", type=record.moment, help="likewise")
    much = parser.add_mutually_exclusive_group()
    much.add_argument("-n", "--limit", metavar="N", type=record.number, default=PAGE, help=f"at most so many ({PAGE})")
    much.add_argument("--all", action="store_true", help="every one")
    parser.add_argument("--json", action="store_true", help="print the facts for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Find and tell the events that are wanted."""
    with record.answering():
        ledger = record.find_ledger()
        wanted = Wanted(
            kinds=tuple(options.kind),
            verdict=options.verdict,
            branch=options.branch and readable(options.branch),  # as it was recorded
            commit=options.commit and _commit(ledger, options.commit),
            since=options.since,
            until=options.until,
        )
        with Catalogue(ledger) as catalogue:
            found = catalogue.entries(wanted, limit=None if options.all else options.limit)
            total = catalogue.count(wanted)
            gone = catalogue.withdrawn() & {each.id for each in found if each.entry.kind == JUDGED}
            if options.json:
                record.say_json({"total": total, "events": [_document(each, gone) for each in found]})
            elif not found:
                say(_nothing(catalogue))
            else:
                _tell(found, gone)
                if total > len(found):
                    say(f"and {total - len(found):,} more of {total:,}; --all lists every one")
    return OK


def _commit(ledger: Ledger, named: str) -> str:
    """Give the commit that a person names; one that is not here any more may be on record by its id."""
    try:
        return ledger.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{named}^{{commit}}")
    except GitError as error:
        if len(named) >= SHORTEST and not set(named.lower()) - set(HEX):
            return named.lower()
        msg = f"there is no commit '{readable(named)}' here; name a branch, a tag, or the beginning of a commit's id"
        raise CommandError(msg) from error


def _nothing(catalogue: Catalogue) -> str:
    """Say why there is nothing to tell."""
    return NOTHING_YET if catalogue.tip is None else f"none of {count(catalogue.count(), 'event')} is such a one"


def _tell(found: Sequence[Recorded], gone: Collection[str]) -> None:
    """Print one aligned line an event."""
    rows = [_row(each, withdrawn=each.id in gone) for each in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True) if width]
        say("  ".join(cells).rstrip())


def _row(event: Recorded, *, withdrawn: bool) -> tuple[str, ...]:
    entry = event.entry
    says = f"{entry.says} ({NEWER})".lstrip() if event.is_newer else entry.says
    return tuple(
        readable(cell)
        for cell in (
            local(entry.at),
            event.id[:SHORT],
            cut(entry.kind, WIDEST),
            cut(entry.verdict or "", WIDEST),
            f"{(entry.commit or '')[:SHORT_COMMIT]}{'+' if entry.uncommitted else ''}",
            cut(entry.branch or "", WIDEST),
            cut("; ".join(filter(None, [says, *_remarks(entry, withdrawn=withdrawn)]))),
        )
    )


def _remarks(entry: Entry, *, withdrawn: bool) -> Iterator[str]:
    """Say why a pass is nobody's known good."""
    if withdrawn:
        yield "withdrawn"
    if entry.kind == JUDGED and entry.verdict == Verdict.PASSED.value:
        yield from (
            what for what, is_so in ((UNKEYED, entry.keyed), (UNSTEADY, entry.steady), (PART, entry.whole)) if not is_so
        )


def _document(event: Recorded, gone: Collection[str]) -> dict[str, Any]:
    """Write an event for machines: every key is always there."""
    facts = {field: getattr(event.entry, field) for field in event.entry.__struct_fields__}
    return {"id": event.id, "newer": event.is_newer, "withdrawn": event.id in gone, **facts}
