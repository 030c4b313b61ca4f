"""How an event is put into a commit, and read from it again: a line for people, and a line to search by.

    verdict: passed, 31 of 33 gate tests passed

    {"kind":"verdict","at":"2026-11-21T13:30:28.123456Z","verdict":"passed",...}

What a newer version wrote is kept and passed over: its entry tells what it can, its event stays closed.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, get_args

import msgspec
from msgspec import Struct

from pytest_rollback.events import SCHEMA, Entry, Known
from pytest_rollback.judge.text import all_readable, readable

EVENT = "event.json"
KINDS = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Known))
UNREADABLE = "unreadable"  # the kind of what bears no entry, and is no merge of chains either
LONGEST = 120
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
LAST_SECOND = 253_402_300_799  # the end of the year 9999
LONGEST_SECOND = 20
NO_EVENT = f"there is no {EVENT} in it"
NO_ENTRY = "it bears no entry"
NEWER = "written by a newer version of pytest-rollback"
MERGE = b"merge of two chains\n"

_ENTRY: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_EVENT: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Known)


class Written(Struct, frozen=True, kw_only=True):
    """A commit of the ledger, taken apart."""

    tree: str
    parents: tuple[str, ...]
    committed: int
    message: bytes


def encode(event: Known) -> tuple[Known, bytes]:
    """Write an event as JSON that people can read too; gives what was written with it.

    Names of tests and branches may hold bytes that are no text; those are spelt out, since JSON can't hold them.
    """
    try:
        raw = msgspec.json.encode(event)
    except UnicodeEncodeError:
        event = all_readable(event)
        raw = msgspec.json.encode(event)
    return event, msgspec.json.format(raw, indent=2) + b"\n"


def decode(raw: bytes, entry: Entry) -> tuple[Known | None, str]:
    """Read an event; where this version can't, a note says why."""
    if entry.kind == UNREADABLE:
        return None, NO_ENTRY
    if not is_known(entry):
        return None, NEWER
    try:
        event = _EVENT.decode(raw)
    except (ValueError, RecursionError) as error:  # bytes that are no text are no error of msgspec's own
        return None, f"{EVENT} can't be read: {error}"
    return (event, "") if event.schema <= SCHEMA else (None, NEWER)


def is_known(entry: Entry) -> bool:
    """Whether this version knows what an entry says."""
    return entry.schema <= SCHEMA and entry.kind in KINDS


def message_of(entry: Entry) -> bytes:
    """Write the message of an event's commit."""
    told = readable(f"{entry.kind}: {', '.join(filter(None, (entry.verdict, entry.says)))}")
    title = told if len(told) <= LONGEST else f"{told[: LONGEST - 3]}..."
    return title.encode() + b"\n\n" + msgspec.json.encode(entry) + b"\n"


def entry_in(message: bytes) -> Entry | None:
    """Find the entry in a message; None where it bears none."""
    line = message.rstrip(b"\n").rpartition(b"\n")[2]
    if not line.startswith(b"{"):
        return None
    try:
        return _ENTRY.decode(line)
    except (ValueError, RecursionError):
        return _guessed(line)


def _guessed(line: bytes) -> Entry | None:
    """Take from an entry what has the form that we know, whatever its schema has become."""
    try:
        told = msgspec.json.decode(line)
        fields = {name: value for name, value in told.items() if isinstance(value, str | bool)}
        schema = told.get("schema", SCHEMA)
        schema = schema if isinstance(schema, int) else SCHEMA + 1
        return msgspec.convert({**_fitting(fields), "schema": schema}, Entry) if "kind" in fields else None
    except (ValueError, RecursionError):
        return None


def _fitting(fields: dict[str, str | bool]) -> dict[str, str | bool]:
    flags = {field.name for field in msgspec.structs.fields(Entry) if field.type is bool}
    fitting = {name: value for name, value in fields.items() if isinstance(value, bool) == (name in flags)}
    return {"at": "", **fitting}


def take_apart(raw: bytes) -> Written:
    """Read a commit as git keeps it."""
    head, _, message = raw.partition(b"\n\n")
    lines = [line.split(b" ", 1) for line in head.split(b"\n")]
    said = {line[0]: line[-1] for line in lines}
    parents = tuple(line[-1].decode("ascii", "replace") for line in lines if line[0] == b"parent")
    committed = said.get(b"committer", b"").rpartition(b"> ")[2].split(b" ")[0]
    return Written(
        tree=said.get(b"tree", b"").decode("ascii", "replace"),
        parents=parents,
        committed=second_in(committed),
        message=message,
    )


def second_in(text: bytes) -> int:
    """Read a second as git writes it; what a calendar can't hold is taken for none."""
    return second if text.isdigit() and len(text) <= LONGEST_SECOND and (second := int(text)) <= LAST_SECOND else 0


def moment_of(at: str) -> int | None:
    """Count the microseconds since 1970, so that moments can be compared however they were written."""
    try:
        moment = datetime.fromisoformat(at.replace("Z", "+00:00"))
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (aware - EPOCH) // MICROSECOND


def now() -> str:
    """Give this moment as events have it."""
    return stamp(datetime.now(timezone.utc))


def stamp(moment: datetime) -> str:
    """Write a moment as events do: UTC, with microseconds."""
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def second_of(at: str) -> int:
    """Give the second at which an event was, as git counts."""
    return (moment_of(at) or 0) // 1_000_000


def unreadable(committed: int) -> Entry:
    """Stand in for the entry of a commit that bears none."""
    at = stamp(EPOCH + timedelta(seconds=committed))
    return Entry(kind=UNREADABLE, at=at, says="a commit of the ledger without an entry; run: pytest-rollback verify")
