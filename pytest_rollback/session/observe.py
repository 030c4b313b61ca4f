"""Folds pytest's reports into one outcome a test. The worst that was seen wins; what was not seen is not passed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest
from msgspec import Struct

from pytest_rollback.judge.text import readable as readable  # noqa: PLC0414 (those who name tests take it from here)
from pytest_rollback.model import Outcome, TestResult
from pytest_rollback.session.select import Marks

EXCEPTIONS = "rollback_exceptions"
WITHHELD = "safety gate: withheld, "
OUTCOMES = tuple(Outcome)
TOLD = 400
OURS = re.compile(r"^pytest_rollback\.[\w.]+\.(?=\w+: )")  # of an error of ours the name says enough
PLAIN_ANCESTORS = frozenset({object, BaseException, Exception})


class Seen(Struct, gc=False):
    """What was seen of one test so far."""

    worst: Outcome | None = None
    ran: bool = False
    reran: bool = False
    finished: bool = False
    duration: float = 0.0
    message: str = ""
    exceptions: tuple[str, ...] = ()

    def add(self, outcome: Outcome, report: pytest.TestReport) -> None:
        """Note an outcome; the worse of two stays, with its message."""
        if self.worst is not None and OUTCOMES.index(self.worst) <= OUTCOMES.index(outcome):
            return
        self.worst = outcome
        self.message = message_of(report)
        self.exceptions = tuple(vars(report).get(EXCEPTIONS, ()))

    def outcome(self) -> Outcome:
        """Say what the test did, all reports taken together."""
        if self.worst is not None and OUTCOMES.index(self.worst) <= OUTCOMES.index(Outcome.ERROR):
            return self.worst
        if not self.finished:
            return Outcome.UNFINISHED
        if self.worst in (Outcome.WITHHELD, Outcome.SKIPPED, Outcome.XFAILED):
            return self.worst
        if not self.ran:
            return Outcome.NOT_STARTED
        if self.reran:
            return Outcome.FLAKY
        return self.worst or Outcome.PASSED


class Observer:
    """Sees every report of a session."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self.failed_reports: Counter[str] = Counter()

    def start(self, test: str) -> None:
        """Note that a test began."""
        if test not in self.seen:
            self.seen[test] = Seen()

    def report(self, report: pytest.TestReport) -> None:
        """Fold one report into what is known of its test."""
        seen = self.seen.get(report.nodeid)
        if seen is None:
            self.seen[report.nodeid] = seen = Seen()
        when = report.when
        if report.outcome == "passed" and type(report) is pytest.TestReport and "wasxfail" not in vars(report):
            # Three reports of each test come this way, and nearly all of them say no more than this.
            seen.duration += report.duration
            seen.ran = seen.ran or when == "call"
            seen.finished = seen.finished or when == "teardown"
            return
        if report.outcome == "rerun":  # type: ignore[comparison-overlap]  # pytest-rerunfailures adds a fourth outcome
            self.seen[report.nodeid] = rerun = Seen()
            rerun.reran = True
            return
        if report.failed and not hasattr(report, "wasxfail"):
            self.failed_reports[report.nodeid] += 1
        seen.duration += report.duration
        outcome = outcome_of(report)
        if outcome is not None:
            seen.add(outcome, report)
        if not isinstance(report, pytest.SubtestReport):
            seen.ran = seen.ran or when == "call"
            seen.finished = seen.finished or when not in ("setup", "call")

    def failures(self, marks: Mapping[str, Marks]) -> int:
        """Count failures of gate tests as pytest counts them: by report."""
        return sum(times for test, times in self.failed_reports.items() if marks.get(test))

    def result(self, test: str, marks: Marks) -> TestResult:
        """Say what a test did, as far as it was seen."""
        seen = self.seen.get(test)
        if seen is None:
            return TestResult(test=test, outcome=Outcome.NOT_STARTED, marks=marks)
        return TestResult(
            test=test,
            outcome=seen.outcome(),
            marks=marks,
            duration_s=seen.duration,
            message=seen.message,
            exceptions=seen.exceptions,
        )


def outcome_of(report: pytest.TestReport) -> Outcome | None:
    """Translate one report; None where it says nothing against its test."""
    expected = hasattr(report, "wasxfail")
    if report.failed:
        if report.when not in ("setup", "call", "teardown"):
            return Outcome.CRASHED
        if ran_out_of_time(report):
            return Outcome.TIMED_OUT
        return Outcome.FAILED if report.when == "call" else Outcome.ERROR
    if report.skipped:
        if report.when == "setup" and message_of(report).startswith(f"Skipped: {WITHHELD}"):
            return Outcome.WITHHELD
        return Outcome.XFAILED if expected else Outcome.SKIPPED
    return Outcome.XPASSED if expected and report.when == "call" else None


def ran_out_of_time(report: pytest.TestReport) -> bool:
    """Whether pytest-timeout ended it; its message is all that tells."""
    message = message_of(report)
    return "Timeout (>" in message and "from pytest-timeout" in message


def message_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Give the one line that says best what went wrong, without anything that would act on a terminal."""
    longrepr = report.longrepr
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        text = crash.message
    elif isinstance(longrepr, tuple):
        text = longrepr[2]
    else:
        lines = [line for line in str(longrepr or "").splitlines() if line.strip()]
        errors = [line[1:] for line in lines if line.startswith("E ")]
        text = (errors or lines or [""])[-1]
    return plain(OURS.sub("", text.strip().partition("\n")[0]))


def plain(text: str) -> str:
    """Spell out what is not printable in a text that tests wrote, and cut it to a readable length."""
    spelled = readable(text.strip()[: TOLD + 1])
    return spelled if len(spelled) <= TOLD else f"{spelled[: TOLD - 3]}..."


def names_of(error: BaseException) -> Iterator[str]:
    """Name an exception's type and the types that it descends from, and those of the members of a group."""
    for ancestor in type(error).__mro__:
        if ancestor not in PLAIN_ANCESTORS:
            yield ancestor.__name__
    for member in getattr(error, "exceptions", ()):
        if isinstance(member, BaseException):
            yield from names_of(member)
