"""The catalogue of the ledger: finds events by what their entries say, without reading any event.

It is derived from the messages of the ledger's commits alone, holds what stood there at one tip, and follows the tip
by reading what is new. Events are ordered by when they were and then by id, since merged chains have no other order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, final

import msgspec
from msgspec import Struct

from pytest_rollback.events import Entry
from pytest_rollback.repo import wording
from pytest_rollback.repo.cache import Cache, UnusableError, in_memory
from pytest_rollback.repo.ledger import Ledger, LedgerError
from pytest_rollback.repo.rows import follow, tip_in

SHORTEST = 4
NEWEST = "ORDER BY event.moment DESC, event.late DESC, event.id DESC"  # a withdrawal stands above what it withdraws
# A withdrawal takes what it names. By moments alone, one of a clock that was ahead would take every pass to come.
WITHDRAWN = """(
    EXISTS (SELECT 1 FROM covered WHERE covered.event = event.id)
    OR EXISTS (SELECT 1 FROM swept WHERE swept.tree = event.tree AND swept.moment >= event.moment)
)"""

_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


class Recorded(Struct, frozen=True):
    """An event as the catalogue knows it: its id, and what it can be found by."""

    id: str
    entry: Entry

    @property
    def is_newer(self) -> bool:
        """Whether it was written by a version that says what this one does not know."""
        return self.entry.kind != wording.UNREADABLE and not wording.is_known(self.entry)


class Wanted(Struct, frozen=True, kw_only=True):
    """Which events are looked for; what is left open does not matter. A commit may be abbreviated."""

    kinds: tuple[str, ...] = ()
    verdict: str | None = None
    branch: str | None = None
    commit: str | None = None
    tree: str | None = None
    root: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = Wanted()


@final
class Catalogue:
    """The catalogue of a ledger, as it stands now. Close it, or use it as a context."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.tip: str | None = None
        self._cache = Cache(ledger.home / "cache")
        self._rows = in_memory()
        self.refresh()

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()

    def refresh(self) -> None:
        """Follow the ledger to its tip."""
        self.tip = self.ledger.tip()
        self._rows.close()
        self._rows = self._opened()

    def entries(self, wanted: Wanted = EVERYTHING, *, limit: int | None = None) -> list[Recorded]:
        """List events, newest first."""
        where, values = _condition(wanted)
        return self._select(f"WHERE {where} {NEWEST} LIMIT ?", *values, -1 if limit is None else limit)

    def count(self, wanted: Wanted = EVERYTHING) -> int:
        """Count events."""
        where, values = _condition(wanted)
        return int(self._ask(f"SELECT count(*) FROM event WHERE {where}", values)[0][0])  # noqa: S608 (no value in it)

    def first(self) -> Recorded | None:
        """Give the oldest event."""
        return _only(self._select("ORDER BY moment, late, id LIMIT 1"))

    def last(self, wanted: Wanted = EVERYTHING) -> Recorded | None:
        """Give the newest event of those that are wanted."""
        return _only(self.entries(wanted, limit=1))

    def get(self, event: str) -> Recorded | None:
        """Give an event by its whole id."""
        return _only(self._select("WHERE id = ?", event))

    def find(self, prefix: str) -> list[str]:
        """List the ids that begin so, in order; nothing for what is too short to name one, or is no id."""
        start = prefix.lower()
        if len(start) < SHORTEST or set(start) - set("0123456789abcdef"):
            return []
        rows = self._ask("SELECT id FROM event WHERE id >= ? AND id < ? ORDER BY id", (start, f"{start}g"))
        return [str(row[0]) for row in rows]

    def verdicts_of(self, tree: str, *, root: str | None = None) -> list[Recorded]:
        """List the verdicts on a tree, newest first; `root` asks for one project's alone."""
        return self.entries(Wanted(kinds=("verdict",), tree=tree, root=root))

    def approvals(self) -> list[Recorded]:
        """List the approvals, newest first."""
        return self.entries(Wanted(kinds=("approval",)))

    def good(self, tree: str, *, root: str | None = None) -> Recorded | None:
        """Give the newest verdict that makes a tree a known good; None where none does.

        It is steady, keyed and whole, it passed, and nobody has withdrawn it. `root` asks for one project's alone.
        """
        rooted, values = ("AND event.root = ?", (root,)) if root is not None else ("", ())
        return _only(
            self._select(
                f"WHERE event.tree = ? AND good = 1 {rooted} AND NOT {WITHDRAWN} {NEWEST} LIMIT 1", tree, *values
            )
        )

    def good_trees(self) -> frozenset[str]:
        """Give all trees that are known to be good."""
        query = f"SELECT DISTINCT tree FROM event WHERE good = 1 AND NOT {WITHDRAWN}"  # noqa: S608 (a constant)
        return frozenset(str(row[0]) for row in self._ask(query, ()))

    def withdrawals(self, event: str) -> list[Recorded]:
        """List what withdraws a verdict, newest first."""
        named = "SELECT by FROM covered WHERE covered.event = ?"
        swept = (
            "SELECT by FROM event AS v JOIN swept ON swept.tree = v.tree AND swept.moment >= v.moment WHERE v.id = ?"
        )
        return self._select(f"WHERE event.id IN ({named} UNION {swept}) {NEWEST}", event, event)

    def withdrawn(self) -> frozenset[str]:
        """Give the ids of all that is withdrawn."""
        swept = "SELECT v.id FROM swept JOIN event AS v ON v.tree = swept.tree AND v.moment <= swept.moment"
        return frozenset(str(row[0]) for row in self._ask(f"SELECT event FROM covered UNION {swept}", ()))  # noqa: S608

    def _opened(self) -> sqlite3.Connection:
        """Give the rows at the ledger's tip: from the file, which is brought up to date, or else from memory."""
        if self.tip is None:
            return self._kept_in_memory()
        if (file := self._file()) is not None:
            return file
        try:
            with self._cache.writing() as rows:
                self.tip = self.ledger.tip()  # it may have moved while we waited, and never moves back
                follow(rows, self.ledger, self.tip)
        except UnusableError:
            return self._kept_in_memory()
        return self._file() or self._kept_in_memory()

    def _file(self) -> sqlite3.Connection | None:
        """Open the file, if it holds what stands at the tip."""
        rows = self._cache.open()
        try:
            if rows is not None and tip_in(rows) == self.tip:
                return rows
        except sqlite3.Error:
            pass
        if rows is not None:
            rows.close()
        return None

    def _kept_in_memory(self) -> sqlite3.Connection:
        """Read what the file lacks, where it can't be written."""
        rows, file = in_memory(), self._cache.open()
        if file is not None:
            try:
                file.backup(rows)
                follow(rows, self.ledger, self.tip)
            except sqlite3.Error:
                rows.close()
                rows = in_memory()
            else:
                return rows
            finally:
                file.close()
        follow(rows, self.ledger, self.tip)
        return rows

    def _select(self, rest: str, *values: str | int) -> list[Recorded]:
        rows = self._ask(f"SELECT event.id, event.entry FROM event {rest}", values)  # noqa: S608 (no value in it)
        try:
            return [Recorded(str(event), _decoder.decode(entry)) for event, entry in rows]
        except (TypeError, ValueError) as error:
            msg = f"the catalogue of the ledger is damaged: {error}; remove {self.ledger.home / 'cache'}"
            raise LedgerError(msg) from error

    def _ask(self, query: str, values: Iterable[str | int]) -> list[tuple[Any, ...]]:
        """Ask the rows; should the file be damaged under our hands, they are read anew."""
        values = tuple(values)
        try:
            return self._rows.execute(query, values).fetchall()
        except sqlite3.DatabaseError:
            self._rows.close()
            self._rows = in_memory()
            follow(self._rows, self.ledger, self.tip)
            return self._asked_again(query, values)
        except (UnicodeError, OverflowError) as error:
            msg = f"the ledger can't be searched for that: {error}"
            raise LedgerError(msg) from error

    def _asked_again(self, query: str, values: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._rows.execute(query, values).fetchall()
        except sqlite3.Error as error:
            msg = f"the ledger can't be searched: {error}"
            raise LedgerError(msg) from error


def _condition(wanted: Wanted) -> tuple[str, list[str | int]]:
    """Write what is wanted as a condition, with its values apart."""
    terms: list[tuple[str, str | int | None]] = [
        ("verdict = ?", wanted.verdict),
        ("branch = ?", wanted.branch),
        ("tree = ?", wanted.tree),
        ("root = ?", wanted.root),
        ("at_commit >= ?", wanted.commit),
        ("at_commit < ?", wanted.commit and f"{wanted.commit}g"),
        ("moment >= ?", _count(wanted.since)),
        ("moment <= ?", _count(wanted.until)),
    ]
    given = [(text, value) for text, value in terms if value is not None]
    texts = [text for text, _ in given]
    if wanted.kinds:
        texts.append(f"kind IN ({', '.join('?' * len(wanted.kinds))})")
    return " AND ".join(texts) or "1", [*(value for _, value in given), *wanted.kinds]


def _count(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - wording.EPOCH) // wording.MICROSECOND


def _only(found: list[Recorded]) -> Recorded | None:
    return found[0] if found else None
