"""Chooses the gate tests, puts them in order and keeps their clocks: what happens where tests are collected and run."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from _pytest.pathlib import bestrelpath

from pytest_rollback.judge.tally import FAILING
from pytest_rollback.model import Outcome, TestResult
from pytest_rollback.policy.rules import Policy
from pytest_rollback.session.limits import Limits
from pytest_rollback.session.narrow import ignoring_plugin
from pytest_rollback.session.observe import EXCEPTIONS, Observer, names_of
from pytest_rollback.session.remember import failed_last_time
from pytest_rollback.session.select import MarkerReader, Marks, in_gate_order


class Selection:
    """The gate tests of one session."""

    def __init__(self, config: pytest.Config, policy: Policy, limits: Limits, observer: Observer) -> None:
        self.config = config
        self.policy = policy
        self.limits = limits
        self.observer = observer
        self.whole_suite = bool(config.option.rollback_all)
        self.reader = MarkerReader(policy)
        self.marks: dict[str, Marks] = {}
        self.left_out: set[str] = set()
        self.ignored_by: dict[str, list[str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_ignore_collect(
        self, collection_path: Path, config: pytest.Config
    ) -> Generator[None, bool | None, bool | None]:
        """Note what another plugin leaves uncollected; pytest and the project's own conftest may."""
        ignored = yield
        if ignored and (plugin := ignoring_plugin(config, collection_path)):
            self.ignored_by.setdefault(plugin, []).append(bestrelpath(config.rootpath, collection_path))
        return ignored

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Take the gate tests, after everyone else has marked, shuffled and deselected."""
        before = list(items)
        yield
        self._read_markers([*before, *items])
        outside = [item for item in items if not self.marks[item.nodeid]]
        if outside and not self.whole_suite:
            self.config.hook.pytest_deselected(items=outside)
            items[:] = [item for item in items if self.marks[item.nodeid]]
        items[:] = in_gate_order(items, self.marks, self.policy, failed_last_time(self.config))
        for item in items:
            self.limits.limit_each(item, self.marks[item.nodeid])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which gate tests are not going to run; only now can nobody drop one any more."""
        kept = {item.nodeid for item in session.items}
        self.left_out = {test for test, marks in self.marks.items() if marks and test not in kept}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Keep the clocks of the test's groups."""
        marks = self.marks.get(item.nodeid, ())
        self.limits.limit_rest(item, marks)
        done = yield
        result = self.observer.result(item.nodeid, marks)
        self.limits.account(result, failing=result.outcome in FAILING)
        return done

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Withhold a test whose group was stopped."""
        why = self.limits.why_withheld(item.nodeid, self.marks.get(item.nodeid, ()))
        if why:
            msg = f"safety gate: withheld, {why}"
            raise pytest.skip.Exception(msg, _use_item_location=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the types of an exception, which a report otherwise knows as text only."""
        report = yield
        if report.failed and call.excinfo is not None:
            vars(report)[EXCEPTIONS] = tuple(dict.fromkeys(names_of(call.excinfo.value)))
        return report

    def results(self) -> Iterator[TestResult]:
        """Say of each test what it did; each gate test that was found is there, run or not."""
        for test, marks in self.marks.items():
            if test in self.left_out:
                yield TestResult(test=test, outcome=Outcome.LEFT_OUT, marks=marks)
            elif test in self.limits.withheld:
                message = self.limits.withheld[test]
                yield TestResult(test=test, outcome=Outcome.WITHHELD, marks=marks, message=message)
            elif marks or self.whole_suite:
                yield self.limits.judge_time(self.observer.result(test, marks))

    def _read_markers(self, items: list[pytest.Item]) -> None:
        for item in items:
            if item.nodeid not in self.marks:
                self.marks[item.nodeid] = self.reader.marks(item)
        self.reader.check()
