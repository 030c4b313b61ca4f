"""What the commands of the record share: they find the ledger, name events, and write what anyone may have written."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pytest_rollback.cli import CommandError
from pytest_rollback.judge.text import readable
from pytest_rollback.policy.criteria import DURATIONS, SPELLINGS
from pytest_rollback.policy.load import find_policy, load_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.catalogue import SHORTEST, Catalogue, Recorded
from pytest_rollback.repo.journal import find_place
from pytest_rollback.repo.ledger import REF, Ledger, LedgerError
from pytest_rollback.repo.plumbing import GitError, anchored, find_top, strip
from pytest_rollback.repo.wording import moment_of

SCHEMA = 1
LAST = "last"
SHORT, CANDIDATE, LISTED = 8, 12, 10
SHORT_COMMIT = 7
LONGEST = 200
LABEL = 11
NOTHING_YET = "nothing is on record here yet; a gate records itself: pytest --safety-gate"
AGO = DURATIONS | {spelt: DURATIONS[unit] for spelt, unit in SPELLINGS.items() if unit in DURATIONS}


@contextmanager
def answering() -> Iterator[None]:
    """Turn what goes wrong with the ledger into the command's own error; a reader that has seen enough is none."""
    try:
        yield
        print(end="", flush=True)
    except (LedgerError, GitError) as error:
        raise CommandError(readable(str(error))) from error
    except OSError as error:
        # Python writes what is left once more when it ends, and would then complain in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            msg = f"the answer could not be written: {error.strerror}"
            raise CommandError(msg) from error


def find_ledger() -> Ledger:
    """Find the ledger of the repository around the current folder; git's own variables count where there is none."""
    try:
        folder = Path.cwd()
    except OSError as error:
        msg = f"the current folder is gone: {error.strerror}"
        raise CommandError(msg) from error
    if find_place(folder) is not None:
        return Ledger(folder)
    extra = anchored(strip(dict(os.environ)), folder)
    if find_place(folder, extra) is None:
        msg = f"{folder} is in no git repository, and elsewhere nothing is recorded; run this in the project's folder"
        raise CommandError(msg)
    return Ledger(folder, extra)


def policy_of(ledger: Ledger) -> Policy:
    """Load the policy of the project in the current folder; a bare repository has none but the shipped one."""
    top = find_top(ledger.folder, ledger.surroundings)
    try:
        return load_policy(find_policy(ledger.folder, top) if top is not None else None)
    except PolicyError as error:
        raise CommandError(str(error)) from error


def wants_signatures(ledger: Ledger) -> bool:
    """Whether the project's policy wants what is recorded to be signed."""
    return policy_of(ledger).sign


def find_event(catalogue: Catalogue, named: str) -> Recorded:
    """Find the event that a person names: the beginning of its id, or `last`."""
    if catalogue.tip is None:
        raise CommandError(NOTHING_YET)
    if named == LAST:
        if (last := catalogue.last()) is not None:
            return last
        msg = "there is no last event: the ledger holds merges alone; run: pytest-rollback verify"
        raise CommandError(msg)
    found = catalogue.find(named)
    recorded = catalogue.get(found[0]) if len(found) == 1 else None
    if recorded is None:
        raise CommandError(_unclear(catalogue, named, found))
    return recorded


def _unclear(catalogue: Catalogue, named: str, found: list[str]) -> str:
    """Say why a name is none, or which ones it may stand for."""
    if not found:
        short = f"; an id has {SHORTEST} signs at least" if len(named) < SHORTEST else ""
        return f"no event begins with '{readable(named)}'{short}; pytest-rollback log lists them"
    lines = [f"{len(found)} events begin with {named}; name one of them by more of its id:"]
    for each in filter(None, map(catalogue.get, found[:LISTED])):
        what = readable(f"{each.entry.kind} {each.entry.verdict or ''}".rstrip())
        lines.append(f"  {each.id[:CANDIDATE]}  {local(each.entry.at)}  {what}")
    return "\n".join([*lines, "  ..."] if len(found) > LISTED else lines)


def told_of_vanished(number: int) -> str:
    """Say that something has put another chain in place of ours, and how what was lost comes back."""
    lost = f"{count(number, 'event')} recorded here {'is' if number == 1 else 'are'} not in {REF} any more"
    return f"{lost} (a fetch of refs/rollback/* does that); the next gate takes them back, or: pytest-rollback sync"


def say(text: str = "") -> None:
    """Print a line. What a terminal would act on, or can't show, is spelt out."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(readable(text).encode(encoding, "backslashreplace").decode(encoding))


def say_fact(label: str, text: str) -> None:
    """Print a fact behind its label."""
    say(f"{label:<{LABEL}}{text}".rstrip())


def say_json(document: dict[str, Any]) -> None:
    """Print a document for machines."""
    print(json.dumps({"schema": SCHEMA, **document}, indent=2))


def local(at: str) -> str:
    """Write a moment as the local clock shows it; what is no moment stays as it is."""
    moment = moment_of(at)
    if moment is None:
        return cut(at or "?", len("2026-11-21 13:30:28"))
    try:
        return f"{datetime.fromtimestamp(moment / 1_000_000, timezone.utc).astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, OSError, ValueError):
        return at


def cut(text: str, width: int = LONGEST) -> str:
    """Cut a text to a width, and show that it was cut."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def count(number: int, what: str) -> str:
    """Write a number of things: `1 event`, `1,234 events`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def moment(text: str) -> datetime:
    """Read a moment as people write it: `2026-11-21`, `2026-11-21 13:30`, or how long ago it was, `2 h`, `3 d`."""
    spelt = text.strip()
    number = spelt.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = spelt[len(number) :].strip()
    try:
        if unit in AGO:
            return datetime.now(timezone.utc) - timedelta(seconds=float(number) * AGO[unit])
        return datetime.fromisoformat(spelt.replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError) as error:
        msg = f"{text!r} is no moment; write 2026-11-21, '2026-11-21 13:30', or how long ago: '2 h', '3 d'"
        raise argparse.ArgumentTypeError(msg) from error


def worded(text: str) -> str:
    """Read a text that must not be empty: an empty one is what is left of a variable that was not set."""
    if not text.strip():
        msg = "it is empty"
        raise argparse.ArgumentTypeError(msg)
    return text


def number(text: str) -> int:
    """Read a positive number."""
    if not text.isascii() or not text.isdigit() or not int(text):
        msg = f"{text!r} is no number of events"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
