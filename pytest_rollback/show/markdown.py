"""The report as Markdown, for a pull request, a step summary or a wiki. All that tests wrote is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_rollback.model import SCHEMA, Report
from pytest_rollback.show.words import condition, order, ran, span, way_back

MARK = f"<!-- pytest-rollback report, schema {SCHEMA} -->"
MARKED = re.compile(r"<!-- pytest-rollback report, schema [0-9]{1,4} -->\n")
TITLE = "# Safety gate: "
SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&@])")
SHOWN = 50


def render(report: Report) -> str:
    """Write a report as Markdown."""
    return "\n".join(_lines(report)) + "\n"


def is_report(text: str) -> bool:
    """Whether a text is a report of ours, of whatever version; a title alone is anybody's."""
    return MARKED.match(text) is not None


def _lines(report: Report) -> Iterator[str]:
    shadow = " (shadow: nothing is blocked)" if report.mode == "shadow" else ""
    yield MARK
    yield ""  # some readers take all up to the next empty line for a part of the comment
    yield f"{TITLE}{report.verdict.value}{shadow}"
    yield ""
    yield f"{escape(ran(report))} (reason: {report.reason.value})"
    yield from _table(
        ("severity", "trigger", "what", "what to do"),
        [(found.severity.value, found.trigger, found.reason, order(found, report)) for found in report.findings],
    )
    yield from _table(
        ("could not tell", "why"), [(obstacle.reason.value, obstacle.detail) for obstacle in report.obstacles]
    )
    yield from _table(
        ("lost", "was", "now", "approved"),
        [(loss.name, loss.was, loss.now, loss.approved or "no") for loss in report.losses],
    )
    tests: list[tuple[str, ...]] = [(result.test, result.outcome.value, result.message) for result in report.not_passed]
    yield from _table(("test", "outcome", "message"), tests[:SHOWN])
    if len(tests) > SHOWN:
        yield from ("", f"and {len(tests) - SHOWN} more of {len(tests)} tests that did not simply pass")
    yield from _table(
        ("measurement", "value", "baseline", "limit", "status"),
        [
            (
                judged.name,
                _number(judged.value, judged.unit),
                _number(judged.baseline, judged.unit),
                _number(judged.limit, judged.unit),
                judged.status.value,
            )
            for judged in report.measurements
        ],
    )
    yield from _facts(report)


def _facts(report: Report) -> Iterator[str]:
    subject = report.subject
    at = f"{subject.commit[:12] if subject.commit else 'no commit'} on {subject.branch or 'no branch'}"
    yield ""
    yield f"- judged: {escape(at)}{' with uncommitted changes' if subject.uncommitted else ''}"
    if report.base is not None:
        yield f"- trusted base: {report.base.commit[:12] if report.base.commit else 'none'} ({escape(report.base.how)})"
    yield f"- policy: {escape(report.policy.source)} ({report.policy.digest[:12]})"
    yield f"- python {report.environment.python}, {escape(report.environment.platform)}"
    yield f"- started {report.started}, took {span(report.duration_s)}"
    if report.health is not None:
        yield f"- health: {escape(condition(report.health))}"
    if report.recommendation is not None:
        yield f"- way back: {escape(way_back(report.recommendation))}"
    if report.call is not None:
        who = ", ".join((report.call.name, *report.call.contacts))
        yield f"- call: tier {report.call.tier}, {escape(who)}"
    for note in report.notes:
        yield f"- note: {escape(note)}"
    if report.next:
        yield f"- next: {escape(report.next)}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(escape(cell) for cell in row)} |"


def escape(text: str) -> str:
    """Make a text that anyone may have written harmless: no markup, no HTML, no mention, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("\\<", "&lt;").replace("\\@", "@\u200b")


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.6g} {unit}".rstrip()
