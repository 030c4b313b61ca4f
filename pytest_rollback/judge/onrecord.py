"""Makes of a report what goes on record: all that a machine elsewhere may know, and nothing of this one."""

from __future__ import annotations

import re

from msgspec import structs

from pytest_rollback.events import Digests, Judgment
from pytest_rollback.judge.text import without_places
from pytest_rollback.model import Obstacle, Reason, Report

TYPE = re.compile(r"\b[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Iteration|Warning|Group|Timeout)(?=:|$)")


def judgment_of(report: Report, digests: Digests, *, at: str, by: str | None, root: str, complete: bool) -> Judgment:
    """Make the event of a verdict. What tests said is left out, and so is every folder of this machine."""
    part = report.part
    return Judgment(
        at=at,
        by=by,
        verdict=report.verdict,
        reason=report.reason,
        steady=report.steady,
        mode=report.mode,
        subject=report.subject,
        digests=digests,
        policy=report.policy,
        environment=report.environment,
        base=report.base,
        root=root,
        started=report.started,
        duration_s=report.duration_s,
        whole_suite=report.whole_suite,
        part=f"{part.number}/{part.of}" if part else None,
        complete=complete,
        tests=report.tests,
        findings=tuple(structs.replace(found, reason=without_places(found.reason)) for found in report.findings),
        obstacles=tuple(map(_without_places, report.obstacles)),
        losses=report.losses,
        measurements=tuple(structs.replace(judged, detail="") for judged in report.measurements),
    )


def _without_places(obstacle: Obstacle) -> Obstacle:
    detail = _without_text(obstacle.detail) if obstacle.reason is Reason.INTERNAL else obstacle.detail
    detail, tests = without_places(detail), tuple(map(without_places, obstacle.tests))
    return structs.replace(obstacle, detail=detail, tests=tests)


def _without_text(detail: str) -> str:
    """Leave of an internal error its type alone: what an exception says may be a password, or a line of a file."""
    what, colon, told = detail.partition(": ")
    if not colon:
        return detail
    named = TYPE.search(told)
    return f"{what}: {named[0] if named else 'an error of another kind'}"
