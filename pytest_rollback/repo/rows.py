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
    target TEXT, good INTEGER, entry BLOB
)"""
INDICES = (
    "CREATE UNIQUE INDEX IF NOT EXISTS by_id ON event (id)",
    "CREATE INDEX IF NOT EXISTS by_moment ON event (moment, id)",
    "CREATE INDEX IF NOT EXISTS by_tree ON event (tree) WHERE tree IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS withdrawals ON event (target) WHERE kind = 'invalidation'",
)
INSERT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
PASSED = Verdict.PASSED.value
Row = tuple[str | int | bytes | None, ...]


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
        rows.execute("DROP TABLE IF EXISTS event")
    rows.execute(EVENTS)
    if known is None or known != tip:
        rows.executemany(INSERT, _rows_between(ledger, known, tip))
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


def _rows_between(ledger: Ledger, old: str | None, new: str | None) -> Iterator[Row]:
    """Read the entries that one tip has and another has not."""
    if new is None:
        return
    without = [f"^{old}"] if old else []
    try:
        for record in ledger.records("log", "-z", "--no-show-signature", f"--format={FORMAT}", new, *without):
            if (row := _row(record)) is not None:
                yield row
    except GitError as error:
        msg = f"the ledger can't be read: {error}; run: pytest-rollback verify"
        raise LedgerError(msg) from error


def _row(record: bytes) -> Row | None:
    """Make a row of what git says of a commit; None for a merge of chains, which is no event."""
    event, parents, committed, message = record.split(b"\n", 3)
    entry = wording.entry_in(message)
    if entry is None:
        if len(parents.split()) > 1:
            return None
        entry = wording.unreadable(int(committed))
    moment = wording.moment_of(entry.at)
    return (
        event.decode("ascii"),
        int(committed) * 1_000_000 if moment is None else moment,
        entry.kind,
        entry.verdict,
        entry.commit,
        entry.tree,
        entry.branch,
        entry.root,
        entry.target,
        int(_is_good(entry)),
        msgspec.json.encode(entry),
    )


def _is_good(entry: Entry) -> bool:
    """Whether an entry, as long as nobody withdraws it, makes its tree a known good."""
    passed = entry.kind == "verdict" and entry.verdict == PASSED and entry.schema <= SCHEMA
    return passed and entry.steady and entry.keyed and entry.whole and entry.tree is not None
