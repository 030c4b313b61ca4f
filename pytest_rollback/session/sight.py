"""What a session sees of its gate tests: which were found, which of them run, and what each did.

In one process the same sight is filled while tests are collected and while they run. Under pytest-xdist a worker fills
the first half and packs it, and the controller, which has no tests of its own, unpacks it and hears the reports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec
import pytest

from pytest_rollback.judge.tally import FAILING
from pytest_rollback.model import Outcome, TestResult
from pytest_rollback.session.limits import Limits
from pytest_rollback.session.observe import Observer
from pytest_rollback.session.select import Marks


class Manifest(msgspec.Struct, frozen=True):
    """What a worker tells of its collection: markers come from here, never from reports."""

    marks: dict[str, Marks]
    problems: list[str]
    ignored_by: dict[str, list[str]]
    own_limits: list[str]


class Sight:
    """The gate tests of one session."""

    def __init__(self, limits: Limits, *, whole_suite: bool) -> None:
        self.limits = limits
        self.whole_suite = whole_suite
        self.observer = Observer()
        self.marks: dict[str, Marks] = {}
        self.problems: list[str] = []
        self.left_out: set[str] = set()
        self.ignored_by: dict[str, list[str]] = {}

    def settle(self, running: Collection[str]) -> None:
        """Note which gate tests are not going to run, now that nobody can drop one any more."""
        self.left_out = {test for test, marks in self.marks.items() if marks and test not in running}

    def refuse_wrong_markers(self) -> None:
        """Refuse to judge by markers that say something other than they seem to."""
        if self.problems:
            raise pytest.UsageError(*dict.fromkeys(self.problems))

    def start(self, test: str) -> None:
        """Note that a test began."""
        self.observer.start(test)

    def hear(self, report: pytest.TestReport) -> None:
        """Fold a report into what is known of its test; at its end, add its time to its groups' clocks."""
        self.observer.report(report)
        if report.when in ("setup", "call") or isinstance(report, pytest.SubtestReport):
            return
        result = self.observer.result(report.nodeid, self.marks.get(report.nodeid, ()))
        worker: str = getattr(report, "worker_id", "")
        self.limits.account(result, worker, failing=result.outcome in FAILING)

    def results(self) -> Iterator[TestResult]:
        """Say of each test what it did; each gate test that was found is there, run or not."""
        for test, marks in self.marks.items():
            if test in self.left_out:
                yield TestResult(test=test, outcome=Outcome.LEFT_OUT, marks=marks)
            elif marks or self.whole_suite:
                yield self.limits.judge_time(self.observer.result(test, marks))

    def pack(self) -> bytes:
        """Write down what was collected, for another process."""
        return msgspec.msgpack.encode(Manifest(self.marks, self.problems, self.ignored_by, sorted(self.limits.own)))

    def unpack(self, packed: bytes) -> None:
        """Take over what another process collected; two processes that saw different things add up."""
        manifest = msgspec.msgpack.decode(packed, type=Manifest)
        self.marks.update(manifest.marks)
        self.problems += manifest.problems
        self.limits.own.update(manifest.own_limits)
        for plugin, paths in manifest.ignored_by.items():
            known = self.ignored_by.setdefault(plugin, [])
            known.extend(path for path in paths if path not in known)
