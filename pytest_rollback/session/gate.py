"""The gate as a pytest plugin: its hooks translate what pytest says, and call."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from _pytest.pathlib import bestrelpath

from pytest_rollback.judge.tally import FAILING
from pytest_rollback.model import Mark, Obstacle, Outcome, Reason, Signal, TestResult
from pytest_rollback.policy.load import find_policy, load_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.plumbing import GitError, Head, anchored, look, strip
from pytest_rollback.session.evidence import collect_evidence, extra_rows
from pytest_rollback.session.limits import Limits
from pytest_rollback.session.narrow import ignoring_plugin, narrowings
from pytest_rollback.session.observe import EXCEPTIONS, Observer, message_of, names_of, plain
from pytest_rollback.session.outlets import Outlets
from pytest_rollback.session.remember import failed_last_time, remember_failures
from pytest_rollback.session.select import MarkerReader, Marks, in_gate_order
from pytest_rollback.session.status import INCONCLUSIVE, exit_status
from pytest_rollback.session.surroundings import environment_of, subject_of
from pytest_rollback.session.verdict import Facts, report_on

MODULE_SKIP = "skipped at import"


def open_gate(config: pytest.Config) -> Gate:
    """Read and check all that the gate needs, before any test is collected."""
    taken = strip(os.environ)
    try:
        return _open_gate(config, taken)
    except PolicyError as error:
        os.environ.update(taken)
        raise pytest.UsageError(*(str(problem) for problem in error.problems)) from None
    except BaseException:
        os.environ.update(taken)
        raise


def _open_gate(config: pytest.Config, taken: dict[str, str]) -> Gate:
    if getattr(config.option, "dist", "no") != "no" or getattr(config.option, "numprocesses", None):
        msg = "the safety gate runs in one process; leave out -n and --dist"
        raise pytest.UsageError(msg)
    outlets = Outlets(config, config.option.rollback_reports)
    notes = []
    head = None
    try:
        head = look(config.rootpath, anchored(taken, config.invocation_params.dir))
    except GitError as error:
        notes.append(f"git could not be asked ({error}), so this counts as no live branch")
    tighter = config.option.rollback_policy
    policy = load_policy(
        find_policy(config.rootpath, head.top if head else None),
        config.invocation_params.dir / tighter if tighter else None,
        extra_rows(config),
    )
    for group in policy.groups:
        config.addinivalue_line("markers", f"{group.name}(*labels): a group of the safety gate")
    config.option.continue_on_collection_errors = True
    return Gate(config, policy, head, outlets, taken=taken, notes=notes)


class Gate:
    """One session of the gate."""

    def __init__(
        self,
        config: pytest.Config,
        policy: Policy,
        head: Head | None,
        outlets: Outlets,
        *,
        taken: dict[str, str],
        notes: list[str],
    ) -> None:
        self.config = config
        self.policy = policy
        self.outlets = outlets
        self.taken = taken
        self.notes = notes
        self.whole_suite = bool(config.option.rollback_all)
        self.subject = subject_of(head, policy)
        self.top = head.top if head else None
        self.started = datetime.now(timezone.utc)
        self.observer = Observer()
        self.reader = MarkerReader(policy)
        self.limits = Limits(policy, enforced=_has_timeouts(config), of_session=_session_timeout(config))
        self.marks: dict[str, Marks] = {}
        self.left_out: list[str] = []
        self.collected = 0
        self.signals: list[Signal] = []
        self.obstacles: list[Obstacle] = []
        self.skipped_modules: list[TestResult] = []
        self.ignored_by: dict[str, list[str]] = {}
        self.warnings = 0
        self.status: int | None = None

    # --- before ---

    def pytest_report_header(self) -> str:
        """Say in one line what is in front of the change."""
        return self.outlets.header(self.policy, self.subject)

    @pytest.hookimpl(wrapper=True)
    def pytest_ignore_collect(
        self, collection_path: Path, config: pytest.Config
    ) -> Generator[None, bool | None, bool | None]:
        """Note what another plugin leaves uncollected; pytest and the project's own conftest may."""
        ignored = yield
        if ignored and (plugin := ignoring_plugin(config, collection_path)):
            self.ignored_by.setdefault(plugin, []).append(bestrelpath(config.rootpath, collection_path))
        return ignored

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected, and modules that skip themselves with all gate tests in them."""
        if report.failed:
            detail = f"{report.nodeid or 'the session'} could not be collected: {message_of(report)}"
            self.signals.append(Signal(name="collection-error", detail=detail, tests=(report.nodeid,)))
        elif report.skipped:
            self._module_skipped(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Take the gate tests, after everyone else has marked, shuffled and deselected."""
        before = list(items)
        yield
        kept = {item.nodeid for item in items}
        for item in before + items:
            if item.nodeid not in self.marks:
                self.marks[item.nodeid] = self.reader.marks(item)
        self.reader.check()
        self.collected = len(self.marks)
        self.left_out = [test for test, marks in self.marks.items() if marks and test not in kept]
        outside = [item for item in items if not self.marks[item.nodeid]]
        if outside and not self.whole_suite:
            self.config.hook.pytest_deselected(items=outside)
            items[:] = [item for item in items if self.marks[item.nodeid]]
        items[:] = in_gate_order(items, self.marks, self.policy, failed_last_time(self.config))
        for item in items:
            self.limits.limit_each(item, self.marks[item.nodeid])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests are really going to run; only now can nobody drop one any more."""
        kept = {item.nodeid for item in session.items}
        self.left_out = [test for test, marks in self.marks.items() if marks and test not in kept]

    # --- during ---

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

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test began."""
        self.observer.start(nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Fold a report into what is known of its test."""
        self.observer.report(report)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the types of an exception, which a report otherwise knows as text only."""
        report = yield
        if report.failed and call.excinfo is not None:
            vars(report)[EXCEPTIONS] = tuple(dict.fromkeys(names_of(call.excinfo.value)))
        return report

    def pytest_warning_recorded(self) -> None:
        """Count the warnings."""
        self.warnings += 1

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that the session was ended before its end."""
        detail = f"interrupted by {excinfo.typename}: {plain(str(excinfo.value))}".removesuffix(": ")
        self.obstacles.append(Obstacle(reason=Reason.INTERRUPTED, detail=detail))

    def pytest_internalerror(self, excrepr: object) -> None:
        """Note that pytest or a plugin broke."""
        lines = str(excrepr).strip().splitlines() or ["unknown"]
        self.obstacles.append(Obstacle(reason=Reason.INTERNAL, detail=f"internal error: {plain(lines[-1])}"))

    # --- after ---

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Judge and tell, after everyone else is done, where no other plugin can change the status any more."""
        try:
            yield
        except pytest.exit.Exception as error:
            self.obstacles.append(
                Obstacle(reason=Reason.INTERRUPTED, detail=f"ended by pytest.exit: {plain(str(error))}")
            )
        except BaseException as error:
            self.obstacles.append(Obstacle(reason=Reason.INTERNAL, detail=f"internal error at the end: {error!r}"))
            self._conclude(session)
            raise
        self._conclude(session)

    def pytest_unconfigure(self) -> None:
        """Give git's variables back to whoever started this process."""
        os.environ.update(self.taken)

    def _conclude(self, session: pytest.Session) -> None:
        """Reach the verdict, tell it, and set the status. An error of our own is no pass."""
        try:
            self._judge(session)
        except Exception as error:
            self.status = session.exitstatus = INCONCLUSIVE
            told = f"{type(error).__name__}: {plain(str(error))}"
            sys.stderr.write(f"\nsafety gate: INCONCLUSIVE  an error of the gate itself: {told}\n")
            if getattr(self.config.option, "fulltrace", False):
                raise

    def _judge(self, session: pytest.Session) -> None:
        pytest_status = int(session.exitstatus)
        facts = self._facts(pytest_status)
        report = report_on(facts, self.policy)
        remember_failures(self.config, facts)
        unheard = self.outlets.tell(report, silent=pytest_status == pytest.ExitCode.USAGE_ERROR)
        beyond = session.testsfailed - self.observer.failures(self.marks) - len(self._collection_errors())
        self.status = exit_status(report, pytest_status, unexplained=beyond > 0, unheard=unheard)
        session.exitstatus = self.status

    def _facts(self, pytest_status: int) -> Facts:
        """Gather all that was seen."""
        obstacles = [*self.obstacles, *self._narrowed()]
        if self.config.option.collectonly:
            obstacles.append(
                Obstacle(reason=Reason.COLLECT_ONLY, detail="--collect-only shows the gate and runs nothing")
            )
        if pytest_status == pytest.ExitCode.USAGE_ERROR:
            obstacles.append(Obstacle(reason=Reason.USAGE, detail="the session could not start as it was asked to"))
        if self.warnings:
            self.signals.append(Signal(name="warnings", detail=f"{self.warnings} warnings"))
        if not self.limits.enforced:
            self.notes.append("pytest-timeout is turned off: time limits are judged afterwards, nothing is ended")
        evidence = collect_evidence(
            self.config,
            tests=[*self._results(), *self.skipped_modules],
            signals=[*self.signals, *self.limits.signals()],
            obstacles=obstacles,
            collected=self.collected,
        )
        return Facts(
            evidence=evidence,
            subject=self.subject,
            environment=environment_of(),
            started=self.started,
            whole_suite=self.whole_suite,
            notes=tuple(self.notes),
        )

    def _results(self) -> Generator[TestResult]:
        """Say of each test what it did; each gate test that was found is there, run or not."""
        left_out = set(self.left_out)
        for test, marks in self.marks.items():
            if test in left_out:
                yield TestResult(test=test, outcome=Outcome.LEFT_OUT, marks=marks)
            elif test in self.limits.withheld:
                yield TestResult(test=test, outcome=Outcome.WITHHELD, marks=marks, message=self.limits.withheld[test])
            elif marks or self.whole_suite:
                yield self.limits.judge_time(self.observer.result(test, marks))

    def _narrowed(self) -> Generator[Obstacle]:
        """Say how the gate was made to look at less than all of it."""
        for detail in narrowings(self.config, self.top):
            yield Obstacle(reason=Reason.NARROWED, detail=f"narrowed by {detail}")
        for plugin, paths in self.ignored_by.items():
            detail = f"narrowed by the plugin {plugin}, which left {len(paths)} paths uncollected"
            yield Obstacle(reason=Reason.NARROWED, detail=detail, tests=tuple(paths))

    def _module_skipped(self, report: pytest.CollectReport) -> None:
        """Count a module that skipped itself as one skipped test of each group that its text names."""
        path = self.config.rootpath / report.nodeid.partition("::")[0]
        text = path.read_text("utf-8", errors="replace") if path.is_file() else ""
        marks = tuple(Mark(group.name) for group in self.policy.groups if group.name in text)
        message = f"{MODULE_SKIP}: {message_of(report)}"
        self.skipped_modules.append(
            TestResult(test=report.nodeid, outcome=Outcome.SKIPPED, marks=marks, message=message)
        )

    def _collection_errors(self) -> list[Signal]:
        return [signal for signal in self.signals if signal.name == "collection-error"]


def _has_timeouts(config: pytest.Config) -> bool:
    return config.pluginmanager.hasplugin("timeout") or config.pluginmanager.hasplugin("pytest_timeout")


def _session_timeout(config: pytest.Config) -> float | None:
    """Give pytest-timeout's own limit for every test, which no group's may raise."""
    if not _has_timeouts(config):
        return None
    written = config.getoption("timeout", None) or os.environ.get("PYTEST_TIMEOUT") or config.getini("timeout")
    try:
        return float(written) or None
    except (TypeError, ValueError):
        return None
