"""The rows of the catalogue: made of the messages of the ledger's commits, and brought from tip to tip."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from pytest_rollback.events import SCHEMA, Entry
from pytest_rollback.model import Verdict
from pytest_rollback.repo import wording
from pytest_rollback.repo.ledger import Ledger, LedgerError
from pytest_rollback.repo.plumbing import GitError

FORMAT = "%H%n%P%n%ct%n%B"
EVENTS = """CREATE TABLE IF NOT EXISTS event (
    id TEXT, moment INTEGER, kind TEXT, verdict TEXT, at_commit TEXT, tree TEXT, branch TEXT, root TEXT,
    target TEXT, good INTEGER, late INTEGER, entry BLOB
)"""
COVERED = "CREATE TABLE IF NOT EXISTS covered (event TEXT, by TEXT)"  # what a withdrawal takes, event by event
# A newer version may withdraw in a way that this one does not know: then all of the tree up to that moment is gone.
SWEPT = "CREATE TABLE IF NOT EXISTS swept (tree TEXT, moment INTEGER, by TEXT)"
TABLES = (EVENTS, COVERED, SWEPT)
INDICES = (
    "CREATE UNIQUE INDEX IF NOT EXISTS by_id ON event (id)",
    "CREATE INDEX IF NOT EXISTS by_moment ON event (moment, late, id)",
    "CREATE INDEX IF NOT EXISTS by_tree ON event (tree) WHERE tree IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS by_event ON covered (event)",
    "CREATE INDEX IF NOT EXISTS by_swept ON swept (tree)",
)
INSERT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_COVERED = "INSERT INTO covered VALUES (?, ?)"
INSERT_SWEPT = "INSERT INTO swept VALUES (?, ?, ?)"
WITHDRAWAL = "invalidation"
PASSED = Verdict.PASSED.value
Row = tuple[str | int | bytes | None, ...]
Read = tuple[str, int, Entry]  # an event's id, its moment and its entry


def tip_in(rows: sqlite3.Connection) -> str | None:
    """Say at which tip rows were written; None where nothing was."""
    if not rows.execute("SELECT 1 FROM sqlite_master WHERE name = 'tip'").fetchone():
        return None
    found = rows.execute("SELECT id FROM tip").fetchone()
    return found[0] if found else None


def follow(rows: sqlite3.Connection, ledger: Ledger, tip: str | None) -> None:
    """Bring rows up to a tip, in one transaction."""
    rows.execute("BEGIN IMMEDIATE")
    known = tip_in(rows)
    if known is None or tip is None or not _continues(ledger, known, tip):
        known = None
        for table in ("event", "covered", "swept"):
            rows.execute(f"DROP TABLE IF EXISTS {table}")
    for table in TABLES:
        rows.execute(table)
    if known is None or known != tip:
        withdrawals: list[Read] = []
        rows.executemany(INSERT, _rows_of(_read_between(ledger, known, tip), withdrawals))
        for withdrawal in withdrawals:
            _withdraw(rows, *withdrawal)
        for index in INDICES:
            rows.execute(index)
        rows.execute("CREATE TABLE IF NOT EXISTS tip (id TEXT)")
        rows.execute("DELETE FROM tip")
        rows.execute("INSERT INTO tip VALUES (?)", (tip,))
    rows.execute("COMMIT")


def _continues(ledger: Ledger, old: str, new: str) -> bool:
    """Whether a tip came of another by appending; otherwise the ledger was replaced."""
    try:
        return old == new or not ledger.git("merge-base", "--is-ancestor", old, new)
    except GitError:
        return False


def _rows_of(read: Iterator[Read], withdrawals: list[Read]) -> Iterator[Row]:
    """Make rows of what was read, and put withdrawals aside: those take more than a row."""
    for event, moment, entry in read:
        if entry.kind == WITHDRAWAL:
            withdrawals.append((event, moment, entry))
        yield _row(event, moment, entry)


def _withdraw(rows: sqlite3.Connection, event: str, moment: int, entry: Entry) -> None:
    """Note what a withdrawal takes; what it takes may come on record after it, from another clone."""
    taken = {*entry.covers, *([entry.target] if entry.target is not None else [])}
    rows.executemany(INSERT_COVERED, [(each, event) for each in sorted(taken)])
    if entry.schema > SCHEMA and not entry.covers and entry.tree is not None:
        rows.execute(INSERT_SWEPT, (entry.tree, moment, event))


def _read_between(ledger: Ledger, old: str | None, new: str | None) -> Iterator[Read]:
    """Read the entries that one tip has and another has not."""
    if new is None:
        return
    without = [f"^{old}"] if old else []
    try:
        for record in ledger.records("log", "-z", "--no-show-signature", f"--format={FORMAT}", new, *without):
            if (read := _read(record)) is not None:
                yield read
    except GitError as error:
        msg = f"the ledger can't be read: {error}; run: pytest-rollback verify"
        raise LedgerError(msg) from error


def _read(record: bytes) -> Read | None:
    """Read what git says of a commit; None for a merge of chains, which is no event."""
    event, parents, committed, message = record.split(b"\n", 3)
    second = wording.second_in(committed)
    entry = wording.entry_in(message)
    if entry is None:
        if len(parents.split()) > 1:
            return None
        entry = wording.unreadable(second)
    moment = wording.moment_of(entry.at)
    return event.decode("ascii"), second * 1_000_000 if moment is None else moment, entry


def _row(event: str, moment: int, entry: Entry) -> Row:
    return (
        event,
        moment,
        entry.kind,
        entry.verdict,
        entry.commit,
        entry.tree,
        entry.branch,
        entry.root,
        entry.target,
        int(_is_good(entry)),
        int(entry.kind == WITHDRAWAL),
        msgspec.json.encode(entry),
    )


def _is_good(entry: Entry) -> bool:
    """Whether an entry, as long as nobody withdraws it, makes its tree a known good."""
    passed = entry.kind == "verdict" and entry.verdict == PASSED and entry.schema <= SCHEMA
    return passed and entry.steady and entry.keyed and entry.whole and entry.tree is not None
