"""The exit status: only 0 lets a change through."""

from __future__ import annotations

import pytest

from pytest_rollback.model import Reason, Report, Verdict

PASSED = 0
BLOCKED = 80
INCONCLUSIVE = 81
NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)
KEPT = frozenset({pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR})


def exit_status(report: Report, pytest_status: int, *, unexplained: bool, unheard: bool) -> int:
    """Say what the process ends with.

    `unexplained`: something failed that is no gate test, so pytest's own status stands.
    `unheard`: a report that was asked for could not be written, so nobody may take this for a pass.
    """
    if report.verdict is not Verdict.BLOCKED and pytest_status in KEPT:
        return pytest_status
    if report.mode == "shadow":
        return PASSED
    if report.verdict is Verdict.BLOCKED:
        return BLOCKED
    if report.verdict is Verdict.INCONCLUSIVE:
        return NO_TESTS if report.reason is Reason.NO_TESTS else INCONCLUSIVE
    if unheard:
        return INCONCLUSIVE
    return pytest_status if unexplained or pytest_status not in (PASSED, pytest.ExitCode.TESTS_FAILED) else PASSED
