"""The phrases that every format shares: orders, counts, times."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from pytest_rollback.model import (
    Action,
    Finding,
    Health,
    Level,
    Loss,
    LossKind,
    Outcome,
    Recommendation,
    Report,
    Status,
    Verdict,
)

BLOB = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,52}\b")
STEPS = ((86400, "d"), (3600, "h"), (60, "min"))
ORDERS = {Action.ROLL_BACK: "roll back", Action.LOCK_DOWN: "lock down, roll back", Action.RESTORE: "restore"}


def span(seconds: float) -> str:
    """Write a span of time: `5 min`, `1 h 30 min`, `4.2 s`."""
    if seconds < STEPS[-1][0]:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    parts = []
    rest = round(seconds)
    for size, unit in STEPS:
        whole, rest = divmod(rest, size)
        if whole:
            parts.append(f"{whole} {unit}")
    return " ".join([*parts, f"{rest} s"] if rest else parts)


def clock(report: Report, seconds: float) -> str:
    """Give the local time of day at which a deadline ends."""
    finished = datetime.fromisoformat(report.finished.replace("Z", "+00:00"))
    return (finished + timedelta(seconds=seconds)).astimezone().strftime("%H:%M")


def order(finding: Finding, report: Report) -> str:
    """Say what a finding asks for, and by when."""
    by = ""
    if finding.deadline_s is not None:
        by = f" within {span(finding.deadline_s)}, by {clock(report, finding.deadline_s)}"
    hold = f" {span(finding.hold_s)}" if finding.hold_s else ""
    if finding.action is Action.NOTE:
        return "noted"
    if finding.action is Action.WATCH:
        return f"watch{hold}, then assess"
    if finding.action is Action.INVESTIGATE:
        return f"investigate{hold}{', then ' + undo(finding.level) if finding.level else ''}{by}"
    return f"{undo(finding.level, ORDERS[finding.action])}{by}"


def undo(level: Level | None, verb: str = "roll back") -> str:
    """Say what is undone; what is not committed needs no rollback."""
    return "take the change back" if level is Level.CHANGE else verb


def ran(report: Report) -> str:
    """Count what ran, with its denominator: `31 of 33 gate tests in 4.2 s; 2 skipped`."""
    tests = report.tests
    done = tests.passed + tests.failed + tests.errors
    total = done + tests.skipped + tests.not_run
    xfailed = _count(report, Outcome.XFAILED)
    failing = tests.failed + tests.errors if report.verdict is Verdict.PASSED else 0
    rest = (
        (failing, "failed, which the matrix lets through"),
        (tests.skipped - xfailed, "skipped"),
        (xfailed, "expected to fail"),
        (tests.not_run, "not run"),
        (tests.left_to_ci, "left to CI"),
        (_count(report, Outcome.FLAKY), "passed only after a rerun"),
        (_count(report, Outcome.XPASSED), "passed though expected to fail"),
    )
    tail = "".join(f"; {number} {what}" for number, what in rest if number)
    numbers = sum(judged.status is Status.LEFT_TO_CI for judged in report.measurements)
    if numbers:
        tail += f"; {numbers} number{'s' * (numbers != 1)} left to CI"
    approved = sum(loss.approved is not None for loss in report.losses)
    if approved:
        tail += f"; {approved} loss{'es' * (approved != 1)} approved"
    if report.part is not None:
        tail += f"; part {report.part.number} of {report.part.of}, which says nothing of the others"
    return f"{done} of {total} {'gate ' if not report.whole_suite else ''}tests in {span(report.duration_s)}{tail}"


def way_back(recommendation: Recommendation) -> str:
    """Say what is recommended, and how far that was proven."""
    if recommendation.level is None:
        return f"none: {recommendation.reason}"
    what = undo(recommendation.level, f"{recommendation.action.value}, level {recommendation.level.value}")
    return f"{what}: {recommendation.status}, {recommendation.reason}"


def condition(health: Health) -> str:
    """Say how many of the health checks hold, and which do not: `5 of 6, degraded; open: isolation`."""
    missing = f"; open: {', '.join(health.open)}" if health.open else ""
    return f"{health.score} of {health.of}, {health.band}{missing}"


def changed(loss: Loss) -> str:
    """Say from what to what a demand went; blobs are named by their first signs."""
    short = [BLOB.sub(r"\1", text) if loss.kind is LossKind.PROTECTED else text for text in (loss.was, loss.now)]
    return f"{short[0]} -> {short[1]}"


def _count(report: Report, outcome: Outcome) -> int:
    return sum(test.outcome is outcome for test in report.not_passed)


def cut(text: str, width: int) -> str:
    """Cut a line to the width, and show that it was cut."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def plain(text: str, longest: int) -> str:
    """Put a text that anyone may have written on one line, without what acts on a terminal or a reader, and cut it.

    The judge spells out a report's texts when it makes one. This is for lines of formats that break on what is not,
    whoever made the report; it stands here since what prints knows the records and nothing else.
    """
    line = " ".join(cut(text, longest).split())
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else "\ufffd" for character in line)
