"""What an event says, as lines for people: labels and texts, one function for each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pytest_rollback.cli.record import SHORT, local
from pytest_rollback.events import (
    Approval,
    BaselineChange,
    Checkpoint,
    Interrupted,
    Invalidation,
    Judgment,
    Known,
    Restoration,
)
from pytest_rollback.model import Counts, Judged, Subject
from pytest_rollback.repo.ledger import Stored

SHORT_DIGEST = 12
TOP = "."
Line = tuple[str, str]


def lines_of(stored: Stored) -> Iterator[Line]:
    """Tell all that an event says; where this version can't read it, what it can be found by."""
    entry, event = stored.entry, stored.event
    yield "event", stored.id
    yield "what", " ".join(filter(None, (entry.kind, entry.verdict)))
    yield "when", local(entry.at)
    yield "by", entry.by or "nobody that git knows"
    if event is not None:
        yield from _SECTIONS[type(event)](event)
        return
    yield "note", stored.note
    for label in ("says", "commit", "branch", "tree", "target"):
        if value := getattr(entry, label):
            yield label, value


def _judgment(event: Judgment) -> Iterator[Line]:
    yield "reason", f"{event.reason.value}{'' if event.steady else ', not steady'}, in mode {event.mode}"
    yield from _subject(event.subject)
    if event.root != TOP:
        yield "project", event.root
    if event.part:
        yield "part", f"{event.part}, which says nothing of the others"
    yield "tests", f"{_counts(event.tests)} in {event.duration_s:g} s"
    yield from (("", f"{group}: {_counts(counts)}") for group, counts in sorted(event.tests.groups.items()))
    yield from _why(event)
    yield from (("measured", _measured(each)) for each in event.measurements)
    if event.base is not None:
        yield "base", f"{event.base.commit or 'none'}, {event.base.how}"
    yield "policy", f"{event.policy.digest[:SHORT_DIGEST]} from {event.policy.source}"
    where = event.environment
    yield "ran on", f"{where.python} on {where.platform}, environment {where.digest[:SHORT_DIGEST]}"


def _why(event: Judgment) -> Iterator[Line]:
    """Tell what speaks against a pass."""
    for finding in event.findings:
        yield "finding", f"{finding.severity.value} {finding.trigger}: {finding.reason} ({finding.action.value})"
        yield from (("", name) for name in (*finding.tests, *finding.measurements))
    for obstacle in event.obstacles:
        yield "obstacle", f"{obstacle.reason.value}: {obstacle.detail}"
        yield from (("", test) for test in obstacle.tests)
    for loss in event.losses:
        yield "loss", f"{loss.name}: {loss.was} -> {loss.now}"
        yield "", f"approved by {loss.approved}" if loss.approved else "approved by nobody"


def _interrupted(event: Interrupted) -> Iterator[Line]:
    expected = "an unknown number" if event.expected is None else f"{event.expected:,}"
    yield "came to", f"{event.decided:,} of {expected} gate tests decided"
    if event.started:
        yield "started", local(event.started)
    if event.subject is not None:
        yield from _subject(event.subject)
    yield from (("in flight", test) for test in event.in_flight)
    yield from (("failed", test) for test in event.failed)


def _approval(event: Approval) -> Iterator[Line]:
    yield "reason", event.reason
    yield "until", local(event.until) if event.until else "for good"
    if event.commit:
        yield "commit", event.commit
    yield from (("lets pass", f"{loss.name}: {loss.was} -> {loss.now}") for loss in event.losses)


def _invalidation(event: Invalidation) -> Iterator[Line]:
    yield "reason", event.reason
    yield "withdraws", event.target
    if event.tree:
        yield "tree", event.tree
    yield from (("as well" if not number else "", event) for number, event in enumerate(event.covers))


def _checkpoint(event: Checkpoint) -> Iterator[Line]:
    yield "name", f"{event.name}{f', phase {event.phase}' if event.phase else ''}, tag {event.tag}"
    yield "commit", event.commit
    yield "tree", event.tree
    yield "verdict", event.verdict


def _restoration(event: Restoration) -> Iterator[Line]:
    yield "from", event.source
    yield "verdict", event.verdict
    if event.backup:
        yield "backup", event.backup
    for file in event.files:
        yield "file", f"{file.path}: {file.was[:SHORT] if file.was else 'missing'} -> {file.blob[:SHORT]}"


def _baselines(event: BaselineChange) -> Iterator[Line]:
    if event.reason:
        yield "reason", event.reason
    if event.root != TOP:
        yield "project", event.root
    if event.verdict:
        yield "verdict", event.verdict
    if event.checkpoint:
        yield "checkpoint", event.checkpoint
    for change in event.changes:
        values = [
            f"{value:.12g} {change.unit}".rstrip() if value is not None else "none"
            for value in (change.was, change.now)
        ]
        on = f" on {change.environment}" if change.environment else ""
        yield change.act, f"{change.name}{on}: {' -> '.join(dict.fromkeys(values))}"


_SECTIONS: dict[type[Known], Callable[[Any], Iterator[Line]]] = {
    Judgment: _judgment,
    Interrupted: _interrupted,
    Approval: _approval,
    Invalidation: _invalidation,
    Checkpoint: _checkpoint,
    Restoration: _restoration,
    BaselineChange: _baselines,
}


def _subject(subject: Subject) -> Iterator[Line]:
    """Tell what was judged."""
    branch = f" on {subject.branch}{', live' if subject.live else ''}" if subject.branch else ""
    yield "judged", f"{subject.what}{', with uncommitted work' if subject.uncommitted else ''}{branch}"
    yield "commit", subject.commit or "none yet"
    yield "tree", subject.tree or "none"
    if not subject.keyed:
        yield "not keyed", "the commit that follows can't find this verdict"
    yield from (("", name) for name in subject.unkeyed)


def _counts(counts: Counts) -> str:
    """Count tests, with their denominator."""
    rest = (
        (counts.failed, "failed"),
        (counts.errors, "in error"),
        (counts.skipped, "skipped"),
        (counts.not_run, "not run"),
        (counts.left_to_ci, "left to CI"),
    )
    tail = "".join(f"; {number:,} {what}" for number, what in rest if number)
    return f"{counts.passed:,} of {counts.selected:,} gate tests passed{tail}"


def _measured(each: Judged) -> str:
    """Write a measurement with what it was held against."""
    unit = f" {each.unit}" if each.unit else ""
    against = (("baseline", each.baseline), ("limit", each.limit), ("change", each.change))
    told = "".join(f", {name} {value:g}" for name, value in against if value is not None)
    return f"{each.name} {'no number' if each.value is None else f'{each.value:g}{unit}'}{told}: {each.status.value}"
