"""The status of a verdict: only 0 lets a change through."""

from __future__ import annotations

from pytest_rollback.model import Reason, Report, Verdict

PASSED = 0
FAILED_OUTSIDE = 1
BLOCKED = 80
INCONCLUSIVE = 81
NO_TESTS = 5


def status_of(report: Report, *, unheard: bool = False) -> int:
    """Say what a process that judged ends with.

    `unheard`: a report that was asked for could not be written, so nobody may take this for a pass.
    """
    if report.mode == "shadow":
        return PASSED
    if report.verdict is Verdict.BLOCKED:
        return BLOCKED
    if report.verdict is Verdict.INCONCLUSIVE:
        return NO_TESTS if report.reason is Reason.NO_TESTS else INCONCLUSIVE
    if unheard:
        return INCONCLUSIVE
    return FAILED_OUTSIDE if report.failed_outside else PASSED
