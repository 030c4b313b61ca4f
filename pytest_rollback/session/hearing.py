"""Hears every report of a session, in whichever process they arrive."""

from __future__ import annotations

import pytest

from pytest_rollback.session.sight import Sight


class Hearing:
    """Passes on what pytest reports."""

    def __init__(self, sight: Sight) -> None:
        self.sight = sight

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test began."""
        self.sight.start(nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Fold a report into what is known of its test."""
        self.sight.hear(report)
