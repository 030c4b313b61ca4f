"""Chooses the gate tests, puts them in order and keeps their time: what happens where tests are collected and run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from pathlib import Path

import pytest
from _pytest.pathlib import bestrelpath

from pytest_rollback.model import CHECKS
from pytest_rollback.policy.rules import Policy
from pytest_rollback.session.checks.ground import CheckGround
from pytest_rollback.session.clocks import Clocks
from pytest_rollback.session.narrow import ignoring_plugin
from pytest_rollback.session.observe import names_of
from pytest_rollback.session.select import MarkerReader, in_gate_order
from pytest_rollback.session.sight import Sight

MEASURING = frozenset({"compliance", "performance", "memory"})
CLOCKS_NAME = "rollback-clocks"
Deal = Callable[[list[pytest.Item]], list[pytest.Item]]


class Selection:
    """Sees to it that the gate tests run, and no others."""

    def __init__(
        self,
        policy: Policy,
        sight: Sight,
        failed_last: Collection[str],
        ground: CheckGround,
        *,
        is_alone: bool = True,
        deal: Deal | None = None,
    ) -> None:
        self.policy = policy
        self.sight = sight
        self.limits = sight.limits
        self.failed_last = failed_last
        self.ground = ground
        self.is_alone = is_alone
        self.deal = deal
        self.reader = MarkerReader(policy)

    @pytest.hookimpl(wrapper=True)
    def pytest_ignore_collect(
        self, collection_path: Path, config: pytest.Config
    ) -> Generator[None, bool | None, bool | None]:
        """Note what another plugin leaves uncollected; pytest and the project's own conftest may."""
        ignored = yield
        if ignored and (plugin := ignoring_plugin(config, collection_path)):
            self.sight.ignored_by.setdefault(plugin, []).append(bestrelpath(config.rootpath, collection_path))
        return ignored

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item], config: pytest.Config
    ) -> Generator[None]:
        """Take the gate tests, after everyone else has marked, shuffled and deselected."""
        if self.policy.checks and not self.ground.is_off:
            self._add_checks(session, items)
        before = list(items)
        yield
        marks = self.sight.marks
        self._read_markers([*before, *items])
        self.sight.cut()
        wanted = self.sight.all_parts() - self.sight.elsewhere
        outside = [item for item in items if item.nodeid not in wanted]
        if outside:
            config.hook.pytest_deselected(items=outside)
            items[:] = [item for item in items if item.nodeid in wanted]
        items[:] = in_gate_order(items, marks, self.policy, self.failed_last)
        if self.deal is not None:
            items[:] = self.deal(items)
        for item in items:
            self.limits.limit_each(item, marks[item.nodeid])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which gate tests are not going to run. A wrong marker ends the session here, and a worker's there."""
        self.sight.settle({item.nodeid for item in session.items})
        if self.sight.is_timed:
            session.config.pluginmanager.register(Clocks(self.sight), CLOCKS_NAME)
        if self.is_alone:
            self.sight.refuse_wrong_markers()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Keep the types of an exception, which a report knows as text only. A wrapper would cost each test more."""
        if call.excinfo is not None:
            self.sight.exceptions[item.nodeid, call.when] = list(dict.fromkeys(names_of(call.excinfo.value)))

    def _add_checks(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add the checks of the policy to the tests, before anybody could select among them."""
        from pytest_rollback.session.checks.items import make_items

        checks = make_items(session, self.policy, self.ground)
        items += checks
        at_ci = {check.name for check in self.policy.checks if check.at == "ci"}
        self.sight.left |= {item.nodeid for item in checks if self.ground.is_staged and item.name in at_ci}

    def _read_markers(self, items: list[pytest.Item]) -> None:
        marks = self.sight.marks
        for item in dict.fromkeys(items):
            own = self.reader.marks(item)
            known = marks.get(item.nodeid)
            if known is not None:  # two tests of one name: each report may be either's, so both are the gate's
                own = tuple(dict.fromkeys((*known, *own)))
                self.sight.doubles.add(item.nodeid)
            marks[item.nodeid] = own
            if own:
                if "benchmark" in getattr(item, "fixturenames", ()):
                    self.sight.benchmarked.add(item.nodeid)
                self.sight.note(item)
                if not item.nodeid.startswith(CHECKS):
                    self.sight.folders.add(str(item.path.parent))
            elif not MEASURING.isdisjoint(getattr(item, "fixturenames", ())):
                self.sight.unmarked.append(item.nodeid)
        self.sight.problems += self.reader.problems
