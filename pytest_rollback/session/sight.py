"""What a session sees of its gate tests: which were found, which of them run, and what each did.

In one process the same sight is filled while tests are collected and while they run. Under pytest-xdist a worker fills
the first half and packs it, and the controller, which has no tests of its own, unpacks it and hears the reports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec
import pytest

from pytest_rollback.judge.tally import FAILING
from pytest_rollback.model import CHECKS, Measurement, Outcome, TestResult
from pytest_rollback.session.chronicle import Chronicle
from pytest_rollback.session.limits import Limits, seconds_of
from pytest_rollback.session.observe import EXCEPTIONS, Observer, readable
from pytest_rollback.session.select import Marks
from pytest_rollback.session.shard import Shard

MEASURED = "rollback_measured"
CHECK = "check"
ASIDE = frozenset({"skip", "skipif", "xfail"})


class Manifest(msgspec.Struct, frozen=True):
    """What a worker tells of its collection: markers come from here, never from reports."""

    marks: dict[str, Marks]
    problems: list[str]
    ignored_by: dict[str, list[str]]
    own_limits: list[str]
    elsewhere: list[str]
    doubles: list[str]
    limits_of_tests: dict[str, float]
    asides: list[str]
    folders: list[str]
    left: list[str]
    unmarked: list[str]
    benchmarked: list[str]


class Sight:
    """The gate tests of one session."""

    def __init__(
        self, limits: Limits, *, whole_suite: bool, shard: Shard | None = None, for_ci: Collection[str] = ()
    ) -> None:
        self.limits = limits
        self.shard = shard
        self.for_ci = for_ci  # groups that are kept out of this session
        self.whole_suite = whole_suite
        self.observer = Observer()
        self.chronicle = Chronicle()
        self.marks: dict[str, Marks] = {}
        self.exceptions: dict[tuple[str, str | None], list[str]] = {}
        self.problems: list[str] = []
        self.left_out: set[str] = set()
        self.doubles: set[str] = set()
        self.is_timed = True  # whether any of the tests has a clock to keep
        self.is_kept = True  # whether anybody keeps a clock or a journal of what the tests do
        self.elsewhere: set[str] = set()
        self.ignored_by: dict[str, list[str]] = {}
        self.limits_of_tests: dict[str, float] = {}
        self.asides: set[str] = set()  # tests that bear a marker by which they may not run, or may fail
        self.folders: set[str] = set()  # that gate tests were collected from
        self.is_collected = False
        self.left: set[str] = set()  # checks that are left to CI
        self.benchmarked: set[str] = set()  # gate tests with the fixture of pytest-benchmark
        self.unmarked: list[str] = []  # tests that measure and belong to no group
        self.measured: dict[str, dict[str, Measurement]] = {}  # what tests of this process measured, until they end
        self.numbers: dict[str, list[Measurement]] = {}
        self.outputs: dict[str, str] = {}

    def note(self, item: pytest.Item) -> None:
        """Note what a gate test says of itself beside its groups."""
        for marker in item.iter_markers():
            if marker.name in ASIDE:
                self.asides.add(item.nodeid)
            elif marker.name == "timeout" and item.nodeid not in self.limits_of_tests:
                self.limits_of_tests[item.nodeid] = seconds_of(marker)

    def is_left_to_ci(self, test: str, marks: Marks) -> bool:
        """Whether a test belongs to groups alone that are kept out of this session, or is itself."""
        return test in self.left or (bool(self.for_ci and marks) and all(mark.group in self.for_ci for mark in marks))

    def all_parts(self) -> set[str]:
        """Give the tests of all parts together, this one and the others."""
        wanted = {test for test, marks in self.marks.items() if marks or self.whole_suite}
        if not self.for_ci and not self.left:
            return wanted
        return {test for test in wanted if not self.is_left_to_ci(test, self.marks[test])}

    def cut(self) -> None:
        """Leave to the other parts what is theirs."""
        if self.shard is not None:
            tests = self.all_parts()
            self.elsewhere = tests - self.shard.takes(tests)

    def settle(self, running: Collection[str]) -> None:
        """Note which gate tests are not going to run, now that nobody can drop one any more."""
        self.is_collected = True
        here = self.marks.keys() - self.elsewhere
        wanted = here & self.all_parts()
        self.left_out = wanted - set(running)
        self.chronicle.expect(wanted - self.left_out)
        self.is_timed = self.limits.are_on(self.marks[test] for test in wanted)
        self.is_kept = self.chronicle.is_kept or self.is_timed

    def refuse_wrong_markers(self) -> None:
        """Refuse to judge by markers that say something other than they seem to."""
        if self.problems:
            raise pytest.UsageError(*dict.fromkeys(self.problems))

    def start(self, test: str) -> None:
        """Note that a test began."""
        self.observer.start(test)
        if self.chronicle.is_kept:
            self.chronicle.start(test)

    def hear(self, report: pytest.TestReport) -> None:
        """Fold a report into what is known of its test; at its end, add its time to its groups' clocks."""
        if self.exceptions and (names := self.exceptions.pop((report.nodeid, report.when), None)):
            vars(report)[EXCEPTIONS] = names  # so that it travels with the report, where this is a worker
        self.observer.report(report)
        if report.when == "teardown":
            if self.measured or self.numbers or MEASURED in vars(report):  # most tests measure nothing
                self._note_numbers(report)
        elif report.sections and report.nodeid.startswith(CHECKS):
            self.outputs[report.nodeid] = "\n".join(text for name, text in report.sections if CHECK in name)
        if report.when in ("setup", "call") or not self.is_kept or isinstance(report, pytest.SubtestReport):
            return
        result = self.observer.result(report.nodeid, self.marks.get(report.nodeid, ()))
        worker: str = getattr(report, "worker_id", "")
        self.limits.account(result, worker, failing=result.outcome in FAILING)
        self.chronicle.finish(report.nodeid, result.outcome)

    def _note_numbers(self, report: pytest.TestReport) -> None:
        """Take what a test measured off its last report; where this is a worker, put it there first.

        A test that is run again measures again, and of what it did before nothing counts.
        """
        own = self.measured.pop(report.nodeid, None) if self.measured else None
        if own:
            vars(report)[MEASURED] = msgspec.msgpack.encode(list(own.values())).hex()
        packed = vars(report).get(MEASURED)
        if packed:
            self.numbers[report.nodeid] = msgspec.msgpack.decode(bytes.fromhex(packed), type=list[Measurement])
        elif self.numbers:
            self.numbers.pop(report.nodeid, None)

    def measurements(self) -> list[Measurement]:
        """List what the tests measured."""
        return [measurement for numbers in self.numbers.values() for measurement in numbers]

    def results(self) -> Iterator[TestResult]:
        """Say of each test what it did; each gate test that was found is there, run or not."""
        for test, marks in self.marks.items():
            if test in self.elsewhere or not (marks or self.whole_suite):
                continue
            result = self.observer.result(test, marks)
            if test in self.left_out:
                result = TestResult(test=test, outcome=Outcome.LEFT_OUT, marks=marks)
            elif self.is_left_to_ci(test, marks):
                result = TestResult(test=test, outcome=Outcome.LEFT_TO_CI, marks=marks)
            name = readable(test)
            result = self.limits.judge_time(result)
            yield result if name == test else msgspec.structs.replace(result, test=name)

    def pack(self) -> bytes:
        """Write down what was collected, for another process."""
        manifest = Manifest(
            self.marks,
            self.problems,
            self.ignored_by,
            sorted(self.limits.own),
            sorted(self.elsewhere),
            sorted(self.doubles),
            self.limits_of_tests,
            sorted(self.asides),
            sorted(self.folders),
            sorted(self.left),
            self.unmarked,
            sorted(self.benchmarked),
        )
        return msgspec.msgpack.encode(manifest)

    def unpack(self, packed: bytes) -> None:
        """Take over what another process collected; two processes that saw different things add up."""
        manifest = msgspec.msgpack.decode(packed, type=Manifest)
        self.marks.update(manifest.marks)
        self.problems += manifest.problems
        self.elsewhere.update(manifest.elsewhere)
        self.doubles.update(manifest.doubles)
        self.limits.own.update(manifest.own_limits)
        self.limits_of_tests.update(manifest.limits_of_tests)
        self.asides.update(manifest.asides)
        self.folders.update(manifest.folders)
        self.left.update(manifest.left)
        self.unmarked = manifest.unmarked
        self.benchmarked.update(manifest.benchmarked)
        for plugin, paths in manifest.ignored_by.items():
            known = self.ignored_by.setdefault(plugin, [])
            known.extend(path for path in paths if path not in known)
