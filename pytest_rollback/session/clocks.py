"""Keeps the time of groups that have a limit, and withholds the tests of those that were stopped."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_rollback.session.observe import WITHHELD
from pytest_rollback.session.sight import Sight


class Clocks:
    """Looks at the clocks around each test; registered only where a group has one."""

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        self.limits = sight.limits

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Give a test no more than what is left of its groups' time."""
        self.limits.limit_rest(item, self.sight.marks.get(item.nodeid, ()))
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Withhold a test whose group was stopped."""
        why = self.limits.why_withheld(self.sight.marks.get(item.nodeid, ()))
        if why:
            msg = f"{WITHHELD}{why}"
            raise pytest.skip.Exception(msg, _use_item_location=True)
