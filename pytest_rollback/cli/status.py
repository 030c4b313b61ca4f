"""`pytest-rollback status`: the last verdict here, the known good, what is open, and which sessions were interrupted.

It tells what the record and the journals say and judges nothing, so its own status is 0 whenever it could answer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from msgspec import Struct

from pytest_rollback.cli import CommandError
from pytest_rollback.cli.status_record import OnRecord, document_of, find_on_record, lines_of
from pytest_rollback.judge.report import iso
from pytest_rollback.judge.text import readable
from pytest_rollback.model import Verdict
from pytest_rollback.repo.crashes import Session, find_interrupted, find_last, find_running, find_told
from pytest_rollback.repo.journal import Place, find_place
from pytest_rollback.repo.look import Head, look
from pytest_rollback.repo.plumbing import GitError, anchored, strip
from pytest_rollback.show.words import STEPS, cut

SCHEMA = 1
GATE = "pytest --safety-gate"
LABEL = 11
SHOWN = 10
SESSIONS = 5
LONGEST = 200
SHORT_COMMIT, SHORT_DIGEST = 7, 12
TOP = "."

Line = tuple[str, str]


class Standing(Struct, frozen=True, kw_only=True):
    """All that there is to tell of a work tree."""

    now: datetime
    place: Place
    head: Head | None
    last: Session | None
    recorded: OnRecord
    running: list[Session]
    untold: list[Session]
    told: list[Session]

    @property
    def next(self) -> str | None:
        """The one command to run next: a gate, where the last thing here was not a pass."""
        if any(self.is_here(session) for session in self.running):
            return None
        passed = self.last and self.last.closing and self.last.closing.verdict is Verdict.PASSED
        passed = passed or (self.last is None and self.recorded.is_good)
        crashed = any(self.is_here(session) and self.is_news(session) for session in [*self.untold, *self.told])
        return None if passed and not crashed and not self.recorded.withdrawn else GATE

    def is_here(self, session: Session) -> bool:
        """Whether a session is one of this work tree."""
        return session.id.endswith(self.place.tag)

    def is_news(self, session: Session) -> bool:
        """Whether a session began after the last one that reached a verdict here."""
        return self.last is None or session.id > self.last.id


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "status",
        help="tell the last verdict here, the known good, what is open, and which gates were interrupted",
        description="Tell where things stand: the last verdict in this work tree, whether what is checked out was "
        "judged, the known good, what is open on a live branch, and the sessions that run now or were interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print the facts for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tell where things stand."""
    standing = find_standing()
    try:
        if options.json:
            print(json.dumps(document(standing), indent=2))
        else:
            for label, text in lines(standing):
                say(label, text)
        print(end="", flush=True)
    except OSError as error:
        # Python writes what is left once more when it ends, and would then complain in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # a reader that has seen enough is no error
            msg = f"the answer could not be written: {error.strerror}"
            raise CommandError(msg) from error
    return 0


def find_standing() -> Standing:
    """Read all journals around the current folder once."""
    try:
        folder = Path.cwd()
        extra = anchored(strip(dict(os.environ)), folder)
        place = find_place(folder) or find_place(folder, extra)
        head = look(folder, extra)
    except (GitError, OSError) as error:
        raise CommandError(str(error)) from error
    if place is None:
        msg = (
            f"{folder} is in no git repository, and elsewhere a gate keeps no journal; run this in the project's folder"
        )
        raise CommandError(msg)
    if place.folder.exists() and not os.access(place.folder, os.R_OK | os.X_OK):
        msg = f"{place.folder} can't be read; ask whoever owns it"
        raise CommandError(msg)
    running, untold, told = find_running(place), find_interrupted(place), find_told(place)
    # The verdicts come last: a session that ends while we read is then seen twice rather than never.
    last = find_last(place)
    now = datetime.now(timezone.utc)
    recorded = find_on_record(folder, head, extra)
    return Standing(
        now=now, place=place, head=head, last=last, recorded=recorded, running=running, untold=untold, told=told
    )


def lines(standing: Standing) -> Iterator[Line]:
    """Write it for people, as labels and texts."""
    if standing.head is not None:
        head = standing.head
        yield "here", _where(head.commit, head.branch, uncommitted=head.uncommitted)
    yield from _verdict(standing)
    yield from lines_of(standing.recorded, lambda moment: when(moment, standing.now))
    yield from _courses("running", standing.running, standing)
    fresh = [session for session in standing.told if standing.is_here(session) and standing.is_news(session)]
    yield from _courses("crash", [*standing.untold, *fresh], standing)
    earlier = len(standing.told) - len(fresh)
    if earlier:
        yield "earlier", f"{earlier} interrupted, and told of by the gate that came next; --json lists them"
    if standing.next:
        yield "next", standing.next


def _verdict(standing: Standing) -> Iterator[Line]:
    """Tell the last verdict of this work tree."""
    last = standing.last
    if last is None:
        yield "last", "no verdict in this work tree, by its journal"
        return
    if last.closing is None:
        yield "last", "a session ended here, and its verdict is not in the journal"
    else:
        done = last.closing
        verdict = f"{done.verdict.value} ({cut(done.reason, LONGEST)})"
        yield "last", f"{verdict}: {done.passed} of {done.selected} gate tests passed"
    yield from _identity(last, standing)


def _courses(label: str, sessions: Sequence[Session], standing: Standing) -> Iterator[Line]:
    """Tell of the newest sessions, and count those before them."""
    for session in sessions[-SESSIONS:]:
        yield from _course(label, session, standing)
    if len(sessions) > SESSIONS:
        yield "", f"and {len(sessions) - SESSIONS} more of {len(sessions)} before that; --json lists all"


def _course(label: str, session: Session, standing: Standing) -> Iterator[Line]:
    """Tell how far a session came that has reached no verdict."""
    yield label, session.progress if session.alive else f"interrupted: {session.progress}"
    yield from _identity(session, standing)
    yield from _tests("in flight", session.in_flight)
    yield from _tests("failed", session.failed)


def _identity(session: Session, standing: Standing) -> Iterator[Line]:
    """Tell when a session was, and what it judged by which policy."""
    opening, place = session.opening, standing.place
    if opening is not None:
        subject = opening.subject
        moment = session.closing.finished if session.closing else opening.started
        yield "", f"{when(moment, standing.now)}, by policy {opening.policy[:SHORT_DIGEST]}"
        yield "", _where(subject.commit, subject.branch, uncommitted=subject.uncommitted)
        if opening.worktree != place.worktree:
            name = cut(Path(opening.worktree).name, LONGEST)
            yield "", "main work tree" if opening.worktree == TOP else f"work tree {name}"
        if opening.root != TOP:
            yield "", cut(f"project in {opening.root}", LONGEST)
    yield from (("note", note) for note in session.notes)


def _tests(label: str, tests: Sequence[str]) -> Iterator[Line]:
    """List tests; a name is never cut, since it is there to be copied."""
    for number, test in enumerate(tests[:SHOWN]):
        yield label if number == 0 else "", test
    if len(tests) > SHOWN:
        yield "", f"and {len(tests) - SHOWN} more of {len(tests)}; --json lists all"


def _where(commit: str | None, branch: str | None, *, uncommitted: bool) -> str:
    """Write where a work tree stands: `4f1c2a9 on main, with uncommitted work`."""
    at = commit[:SHORT_COMMIT] if commit else "no commit yet"
    return f"{at}{f' on {cut(branch, LONGEST)}' if branch else ''}{', with uncommitted work' if uncommitted else ''}"


def when(moment: datetime, now: datetime) -> str:
    """Write a moment as the local clock shows it, and how long ago that was."""
    seconds = _age(moment, now)
    ago = next((f"{seconds // size} {unit}" for size, unit in STEPS if seconds >= size), f"{seconds} s")
    return f"{moment.astimezone():%Y-%m-%d %H:%M}, {ago} ago"


def _age(moment: datetime, now: datetime) -> int:
    """Count the seconds since a moment; a clock that was set back makes none of them negative."""
    return max(0, int((now - moment).total_seconds()))


def say(label: str, text: str) -> None:
    """Print a line. What a terminal would act on, or can't show, is spelt out: tests write their own names."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(f"{label:<{LABEL}}{readable(text)}".encode(encoding, "backslashreplace").decode(encoding))


def document(standing: Standing) -> dict[str, Any]:
    """Write it for machines: every key is always there, and null where nothing is known."""
    now, head, last = standing.now, standing.head, standing.last
    return {
        "schema": SCHEMA,
        "now": iso(now),
        "worktree": standing.place.worktree,
        "here": head and {"commit": head.commit, "branch": head.branch, "uncommitted": head.uncommitted},
        "last": last and {**_judged(last, now), **_known(last)},
        **document_of(standing.recorded),
        "running": [{**_progress(each, now), **_known(each)} for each in standing.running],
        "interrupted": [
            {"told": told, **_progress(each, now), **_known(each)}
            for told, sessions in ((False, standing.untold), (True, standing.told))
            for each in sessions
        ],
        "next": standing.next,
    }


def _judged(session: Session, now: datetime) -> dict[str, Any]:
    done = session.closing
    return {
        "verdict": done and done.verdict.value,
        "reason": done and done.reason,
        "passed": done and done.passed,
        "selected": done and done.selected,
        "finished": done and iso(done.finished),
        "age_s": done and _age(done.finished, now),
    }


def _progress(session: Session, now: datetime) -> dict[str, Any]:
    return {
        "expected": session.expected,
        "decided": session.decided,
        "in_flight": session.in_flight,
        "failed": session.failed,
        "age_s": session.opening and _age(session.opening.started, now),
    }


def _known(session: Session) -> dict[str, Any]:
    """Give what is known of each session, however it ended."""
    opening = session.opening
    subject = opening.subject if opening else None
    return {
        "id": session.id,
        "kind": opening and opening.kind,
        "started": opening and iso(opening.started),
        "commit": subject and subject.commit,
        "branch": subject and subject.branch,
        "tree": subject and subject.tree,
        "uncommitted": subject and subject.uncommitted,
        "policy": opening and opening.policy,
        "worktree": opening and opening.worktree,
        "root": opening and opening.root,
        "notes": session.notes,
    }
