"""`pytest-rollback show ID`: everything that one event of the record holds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pytest_rollback.cli import OK, record
from pytest_rollback.cli.record import SHORT, count, cut, local, say_fact
from pytest_rollback.cli.show_event import Line, lines_of
from pytest_rollback.events import PROTECTED, TESTS, ListedTest, TestList
from pytest_rollback.repo.catalogue import Catalogue, Recorded
from pytest_rollback.repo.ledger import Ledger, Stored

LONGEST = 400
WHOLE = ("event", "test", "")  # what is there to be copied is never cut


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "show",
        help="tell all that an event of the record holds",
        description="Tell all that an event holds: of a verdict its findings, losses, counts and circumstances.",
        allow_abbrev=False,
    )
    parser.add_argument("event", metavar="ID", help="the beginning of an event's id, or last")
    parser.add_argument("--tests", action="store_true", help="list the gate tests of a verdict too")
    parser.add_argument("--json", action="store_true", help="print the facts for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Find the event, and tell."""
    with record.answering():
        ledger = record.find_ledger()
        with Catalogue(ledger) as catalogue:
            recorded = record.find_event(catalogue, options.event)
            gone = catalogue.withdrawals(recorded.id) if recorded.entry.kind == "verdict" else []
        stored = ledger.read(recorded.id)
        if options.json:
            record.say_json(_document(ledger, stored, gone, tests=options.tests))
        else:
            for label, text in _lines(ledger, stored, gone, tests=options.tests):
                say_fact(label, text if label in WHOLE else cut(text, LONGEST))
    return OK


def _document(ledger: Ledger, stored: Stored, gone: Iterable[Recorded], *, tests: bool) -> dict[str, Any]:
    """Write it for machines, the event as it was recorded, whichever version recorded it."""
    try:
        event = json.loads(stored.raw) if stored.raw else None
    except ValueError:
        event = None
    listed = _test_list(ledger, stored.id) if tests else None
    return {
        "id": stored.id,
        "parents": list(stored.parents),
        "entry": {name: getattr(stored.entry, name) for name in stored.entry.__struct_fields__},
        "event": event,
        "note": stored.note or None,
        "withdrawn_by": [each.id for each in gone],
        "protected": ledger.subtree(stored.id, PROTECTED),
        **({"tests": listed and msgspec.to_builtins(listed)} if tests else {}),
    }


def _lines(ledger: Ledger, stored: Stored, gone: Iterable[Recorded], *, tests: bool) -> Iterator[Line]:
    """Write it for people, as labels and texts."""
    yield from lines_of(stored)
    for each in gone:
        yield "withdrawn", f"{each.id[:SHORT]}, {local(each.entry.at)}: {each.entry.says}"
    if protected := ledger.subtree(stored.id, PROTECTED):
        yield "protected", f"the protected files are kept as tree {protected}"
    listed = _test_list(ledger, stored.id)
    if listed is not None and not tests:
        yield "listed", f"{count(len(listed.tests), 'gate test')}; --tests lists them"
    for test in listed.tests if listed is not None and tests else ():
        yield "test", f"{test.test}  {_what_it_did(test)}"


def _what_it_did(test: ListedTest) -> str:
    marks = ", ".join(f"{mark.group}({', '.join(mark.labels)})" if mark.labels else mark.group for mark in test.marks)
    limit = f", limit {test.limit_s:g} s" if test.limit_s is not None else ""
    return f"{test.outcome.value if test.outcome else 'not run'}; {marks}{limit}"


def _test_list(ledger: Ledger, event: str) -> TestList | None:
    """Read the list of gate tests beside an event; None where there is none, or none that this version can read."""
    raw = ledger.attachment(event, TESTS)
    try:
        return msgspec.json.decode(raw, type=TestList) if raw is not None else None
    except msgspec.MsgspecError:
        return None
