"""The exit status of a session: the verdict's, and pytest's own where the verdict has nothing to say."""

from __future__ import annotations

import pytest

from pytest_rollback.judge.status import PASSED, status_of
from pytest_rollback.model import Report, Verdict

KEPT = frozenset({pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR})


def exit_status(report: Report, pytest_status: int) -> int:
    """Say what the process ends with."""
    if report.verdict is not Verdict.BLOCKED and pytest_status in KEPT:
        return pytest_status
    status = status_of(report)
    if status != PASSED or report.mode == "shadow" or pytest_status == pytest.ExitCode.TESTS_FAILED:
        return status
    return pytest_status
