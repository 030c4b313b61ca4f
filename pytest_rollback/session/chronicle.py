"""Keeps this session's journal, and tells of the sessions before it that never ended."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_rollback.model import Outcome, Reason, Report, Subject, Verdict
from pytest_rollback.repo.crashes import Session, acknowledge, find_interrupted
from pytest_rollback.repo.journal import Journal, Place
from pytest_rollback.session.observe import plain

SHOWN = 3


class Chronicle:
    """The journal of one session. Where there is none to keep, every call does nothing."""

    def __init__(self) -> None:
        self.place: Place | None = None
        self.crashes: list[Session] = []
        self.journal = Journal()
        self.trouble = ""

    def open(self, place: Place, root: str, subject: Subject, policy: str) -> None:
        """Begin, once nothing can keep the session from its end any more: a usage error is no crash."""
        self.place = place
        self.crashes = [crash for crash in find_interrupted(self.place) if self._was_here(crash)]
        self.journal = Journal.open(self.place, subject, policy=policy, root=root)

    def _was_here(self, crash: Session) -> bool:
        """Whether a session died in this work tree; those of linked ones are told of there."""
        place, opening = self.place, crash.opening
        return place is not None and (opening is None or opening.worktree == place.worktree)

    @property
    def is_kept(self) -> bool:
        """Whether there is a journal."""
        return self.place is not None

    def expect(self, tests: Iterable[str]) -> None:
        """Name the tests that must be decided."""
        self.journal.expect(tests)

    def start(self, test: str) -> None:
        """Note that a test begins."""
        self.journal.start(test)

    def finish(self, test: str, outcome: Outcome) -> None:
        """Note what a test did."""
        self.journal.finish(test, outcome)

    def notes(self) -> list[str]:
        """Say what a person must know of journals: sessions that died, and why this one's is not whole."""
        shown = self.crashes[-SHOWN:]
        told = [f"an earlier session never ended: {crash.progress}{_in_flight(crash)}" for crash in shown]
        if len(self.crashes) > SHOWN:
            told.append(f"{len(self.crashes) - SHOWN} more sessions never ended; pytest-rollback status lists them")
        told += [note for crash in shown for note in crash.notes][:SHOWN]
        return [*told, *(trouble for trouble in (self.trouble, self.journal.trouble) if trouble)]

    def close(self, report: Report) -> None:
        """Put the verdict on record."""
        self.journal.close(report.verdict, report.reason, passed=report.tests.passed, selected=report.tests.selected)

    def fail(self) -> None:
        """Put on record that the gate itself failed."""
        self.journal.close(Verdict.INCONCLUSIVE, Reason.INTERNAL, passed=0, selected=0)

    def acknowledge(self) -> list[Session]:
        """Note that the sessions that died are told of, and give those of which nobody else has told meanwhile."""
        place = self.place
        return [crash for crash in self.crashes if acknowledge(place, crash)] if place is not None else []

    def leave(self) -> None:
        """Let go of a journal that was not closed."""
        self.journal.leave()


def _in_flight(crash: Session) -> str:
    if not crash.in_flight:
        return ""
    names = ", ".join(plain(test) for test in crash.in_flight[:SHOWN])
    more = f" and {len(crash.in_flight) - SHOWN} more" if len(crash.in_flight) > SHOWN else ""
    return f"; in flight: {names}{more}"
