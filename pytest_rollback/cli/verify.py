"""`pytest-rollback verify`: is everything on record still what was recorded?"""

from __future__ import annotations

import argparse

from pytest_rollback.cli import ERROR, OK, record
from pytest_rollback.cli.record import LISTED, NOTHING_YET, SHORT, count, say
from pytest_rollback.repo.audit import Audit, audit


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "verify",
        help="check that everything on record is what was recorded",
        description="Walk the whole record: every event, and all that is kept beside it. The status "
        "is 1 where something is wrong; the first bad event is named, and the others are counted.",
        allow_abbrev=False,
    )
    parser.add_argument("--signed", action="store_true", help="check signatures too; so does sign = true")
    parser.add_argument("--json", action="store_true", help="print the facts for machines; lists every flaw")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check, and say what is wrong."""
    with record.answering():
        ledger = record.find_ledger()
        found = audit(ledger, signed=options.signed or record.wants_signatures(ledger))
        if options.json:
            flaws = [{"event": flaw.event, "what": flaw.what} for flaw in found.flaws]
            counts = {"events": found.events, "merges": found.merges, "newer": found.newer, "bad": found.bad}
            counts["vanished"] = found.vanished
            record.say_json({**counts, "signatures": found.signed, "flaws": flaws})
        else:
            _tell(found)
    return ERROR if found.flaws or found.vanished else OK


def _tell(found: Audit) -> None:
    if not found.flaws:
        signed = ", all signed" if found.signed else ""
        whole = f"{count(found.events, 'event')}, chain whole, everything readable{signed}{_newer(found)}"
        say(whole if found.events else NOTHING_YET)
        if found.vanished:
            say(record.told_of_vanished(found.vanished))
    else:
        first, *others = found.flaws
        say(f"the first bad event is {first.event}: {first.what}")
        for flaw in others[:LISTED]:
            say(f"then {flaw.event[:SHORT]}: {flaw.what}")
        if len(others) > LISTED:
            say(f"and {len(others) - LISTED:,} more; --json lists all")
        say(f"{found.bad:,} of {count(found.events, 'event')} bad{_newer(found)}")


def _newer(found: Audit) -> str:
    return f"; {found.newer:,} written by a newer version, which this one can't judge" if found.newer else ""
