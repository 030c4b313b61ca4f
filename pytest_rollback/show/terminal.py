"""The verdict in a terminal: plain, aligned, and readable at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from msgspec import Struct

from pytest_rollback.model import Action, Report, Severity, Verdict
from pytest_rollback.show.words import changed, condition, cut, order, ran, span, way_back

LABEL = 10
INDENT = " " * LABEL
SHOWN = 10
NARROWEST = 24
COLOURS = {Verdict.PASSED: "green", Verdict.BLOCKED: "red", Verdict.INCONCLUSIVE: "yellow"}
URGENT = {Severity.CRITICAL: "red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: ""}


class Line(Struct, frozen=True):
    """A line, and the colour for where there are colours."""

    text: str
    colour: str = ""


class Row(Struct, frozen=True):
    """Something that stands against the change: a finding, or a reason why the gate could not tell."""

    weight: str
    name: str
    reason: str
    order: str
    tests: tuple[str, ...]
    colour: str


def render(report: Report, width: int, *, verbose: bool = False) -> list[Line]:
    """Write a report for people. A pass takes one line, all else ends in the one command to run next."""
    colour = COLOURS[report.verdict]
    shadow = " (shadow)" if report.mode == "shadow" else ""
    rows = list(_rows(report, verbose=verbose))
    if report.verdict is Verdict.PASSED:
        notes = [line for note in report.notes for line in _folded(f"{'note':<{LABEL}}", note, width)]
        return [Line(f"safety gate: PASSED{shadow}  {ran(report)}", colour), *_table(rows, report, width), *notes]
    title = f" safety gate: {report.verdict.value.upper()}{shadow} "
    facts = [line for label, text in _facts(report) for line in _folded(f"{label:<{LABEL}}", text, width)]
    last = Line(f"{'next':<{LABEL}}{report.next or ''}")  # never folded: it is there to be copied
    return [Line(title.center(width, "="), colour), *_table(rows, report, width), Line(""), *facts, last]


def _rows(report: Report, *, verbose: bool) -> Iterator[Row]:
    for found in report.findings:
        if found.action is not Action.NOTE or verbose:
            yield Row(
                found.severity.value,
                found.trigger,
                found.reason,
                order(found, report),
                found.tests,
                URGENT[found.severity],
            )
    for obstacle in report.obstacles:
        yield Row("unclear", obstacle.reason.value, obstacle.detail, "", obstacle.tests, "yellow")


def _table(rows: list[Row], report: Report, width: int) -> Iterator[Line]:
    """Lay rows out in columns; where they don't fit beside each other, the order goes under the reason."""
    names = max((len(row.name) for row in rows), default=0) + 2
    reasons = max((len(row.reason) for row in rows), default=0) + 3
    fits = all(LABEL + names + reasons + len(row.order) <= width for row in rows)
    told = {loss.what for loss in report.losses if loss.approved is None}  # they have lines of their own
    for row in rows:
        start = f"{row.weight:<{LABEL}}{row.name:<{names}}"
        if fits:
            yield Line(f"{start}{row.reason:<{reasons}}{row.order}".rstrip(), row.colour)
        else:
            yield from _folded(start, row.reason, width, row.colour)
            yield from _folded(" " * len(start), row.order, width, row.colour) if row.order else ()
        fresh = [test for test in row.tests if test not in told]
        told.update(fresh)
        yield from _tests(fresh, report, width)


def _tests(tests: list[str], report: Report, width: int) -> Iterator[Line]:
    """List tests with what they said; a name is never cut, since it is there to be copied."""
    said = {result.test: result.message for result in report.not_passed}
    for test in tests[:SHOWN]:
        message = said.get(test, "")
        line = f"{INDENT}{test}"
        if message and len(line) + 3 + len(message) <= width:
            yield Line(f"{line}   {message}")
            continue
        yield Line(line)
        if message:
            yield Line(cut(f"{INDENT}  {message}", width))
    if len(tests) > SHOWN:
        yield Line(f"{INDENT}and {len(tests) - SHOWN} more of {len(tests)}; --gate-report FILE.json lists all")


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "ran", ran(report)
    yield from _lost(report)
    if report.health is not None and report.health.listed and report.health.open:
        yield "health", condition(report.health)
    if report.recommendation is not None:
        yield "way back", way_back(report.recommendation)
    call = report.call
    if call is not None and (call.contacts or report.subject.live):
        contacts = f": {', '.join(call.contacts)}" if call.contacts else ""
        within = f"; answers within {span(call.respond_s)}" if call.respond_s else ""
        yield "call", f"tier {call.tier}, {call.name}{contacts}{within}"
    for note in report.notes:
        yield "note", note
    if report.mode == "shadow":
        yield "shadow", "all is judged and said, nothing is blocked: the status is 0"


def _lost(report: Report) -> Iterator[tuple[str, str]]:
    """Name what the trusted base demands and the change does not, so that each can be put back or approved."""
    found = [loss for loss in report.losses if loss.approved is None]
    for number, loss in enumerate(found[:SHOWN]):
        yield "" if number else "lost", f"{loss.name}: {changed(loss)}"
    if len(found) > SHOWN:
        yield "", f"and {len(found) - SHOWN} more of {len(found)}; --gate-report FILE.json lists all"
    if found:
        yield "approve", "where that is right: pytest-rollback approve NAME --reason TEXT"


def _folded(start: str, text: str, width: int, colour: str = "") -> Iterator[Line]:
    """Fold a text that is too long for its line; what follows stands under its beginning."""
    room = max(width - len(start), NARROWEST)
    parts = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    yield Line(f"{start}{parts[0]}", colour)
    for part in parts[1:]:
        yield Line(f"{' ' * len(start)}{part}", colour)
