"""The gate as a pytest plugin: hears what happens, judges at the very end, and sets the status."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Generator
from datetime import datetime, timezone

import msgspec
import pytest

from pytest_rollback.events import TestList
from pytest_rollback.judge.report import Facts, report_on
from pytest_rollback.judge.status import INCONCLUSIVE
from pytest_rollback.model import Mark, Obstacle, Outcome, Output, Part, Reason, Report, Signal, TestResult, Verdict
from pytest_rollback.repo.crashes import Session
from pytest_rollback.repo.journal import place_of
from pytest_rollback.session.basis import UNCOLLECTED
from pytest_rollback.session.demands import Demands
from pytest_rollback.session.evidence import collect_evidence
from pytest_rollback.session.exits import EXITS
from pytest_rollback.session.ground import Ground, Told
from pytest_rollback.session.narrow import narrowings
from pytest_rollback.session.numbers import Numbers
from pytest_rollback.session.observe import message_of, plain, readable
from pytest_rollback.session.outlets import Outlets
from pytest_rollback.session.record import Record, test_list
from pytest_rollback.session.remember import remember_failures
from pytest_rollback.session.shard import name_of_whole
from pytest_rollback.session.sight import Sight
from pytest_rollback.session.soundness import settings_of, unkeyed, wrong_ground
from pytest_rollback.session.status import exit_status
from pytest_rollback.session.workers import Controller
from pytest_rollback.session.yardstick import YARDSTICK

MODULE_SKIP = "skipped at import"
COLLECTION_ERROR = "collection-error"


class Gate:
    """One session of the gate."""

    def __init__(
        self,
        config: pytest.Config,
        ground: Ground,
        demands: Demands,
        outlets: Outlets,
        sight: Sight,
        *,
        taken: dict[str, str],
        controller: Controller | None = None,
    ) -> None:
        self.config = config
        self.ground = ground
        self.demands = demands
        self.policy = demands.policy
        self.outlets = outlets
        self.sight = sight
        self.taken = taken
        self.notes = [*ground.notes]
        self._listed = TestList()
        self.controller = controller
        self.subject = ground.subject(self.policy)
        self.environment = demands.environment
        self.record = Record(config, ground, demands)
        self.started = datetime.now(timezone.utc)
        self.signals: list[Signal] = []
        self.obstacles: list[Obstacle] = []
        self.skipped_modules: list[TestResult] = []
        self.odd_modules: set[str] = set()
        self.collection_errors = 0
        self.warnings = 0
        self.exits = config.stash[EXITS]
        self.status: int | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Begin the journal."""
        if self.ground.head is not None and not self.config.option.collectonly:
            place = place_of(self.ground.head)
            self.sight.chronicle.open(place, self.demands.root, self.subject, self.policy.digest)

    def pytest_report_header(self) -> str:
        """Say in one line what is in front of the change."""
        return self.outlets.header(self.policy, self.subject)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected, and modules that skip themselves; every worker reports the same."""
        if report.failed:
            self.collection_errors += 1
        if report.nodeid in self.odd_modules:
            return
        if report.failed or report.skipped:
            self.odd_modules.add(report.nodeid)
        if report.failed:
            name = readable(report.nodeid)
            detail = f"{name or 'the session'} could not be collected: {message_of(report)}"
            self.signals.append(Signal(name=COLLECTION_ERROR, detail=detail, tests=(name,)))
        elif report.skipped:
            self._module_skipped(report)

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Count the warnings, and note a marked class that pytest says it can't collect: nothing else tells of it."""
        self.warnings += 1
        if issubclass(warning_message.category, pytest.PytestCollectionWarning):
            text = str(warning_message.message)
            if self._names_a_group(text.partition("(from: ")[2].rstrip(")")):
                self._note(Reason.NARROWED, f"narrowed by a class that is not collected: {text}")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that the session was ended before its end."""
        self._note(Reason.INTERRUPTED, f"interrupted by {excinfo.typename}: {excinfo.value}".removesuffix(": "))

    def pytest_internalerror(self, excrepr: object) -> None:
        """Note that pytest or a plugin broke."""
        lines = str(excrepr).strip().splitlines() or ["unknown"]
        self._note(Reason.INTERNAL, f"internal error: {lines[-1]}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Judge and tell, after everyone else is done, where no other plugin can change the status any more."""
        try:
            yield
        except pytest.exit.Exception as error:
            self._note(Reason.INTERRUPTED, f"ended by pytest.exit: {error}")
        except KeyboardInterrupt:
            self._note(Reason.INTERRUPTED, "interrupted at the end of the session")
        except BaseException as error:  # noqa: BLE001 (raised from here, SystemExit(0) would be the status)
            self._note(Reason.INTERNAL, f"a plugin broke at the end: {type(error).__name__}: {error}")
            traceback.print_exception(error)
        self._conclude(session)

    def pytest_unconfigure(self) -> None:
        """Let go of the journal, and give git's variables back to whoever started this process."""
        self.sight.chronicle.leave()
        self.demands.close()
        os.environ.update(self.taken)

    def _note(self, reason: Reason, detail: str) -> None:
        self.obstacles.append(Obstacle(reason=reason, detail=plain(detail)))

    def _conclude(self, session: pytest.Session) -> None:
        """Reach the verdict, tell it, and set the status. An error of our own is no pass."""
        pytest_status = int(session.exitstatus)
        self.status = session.exitstatus = INCONCLUSIVE
        if not self.exits.is_ours():
            return  # a child that a test forked and forgot must not write over its parent's verdict
        try:
            self.status = self._judge(session, pytest_status)
        except BaseException as error:  # noqa: BLE001 (the hook's boundary: whatever it is, it is said and blocks)
            self.sight.chronicle.fail()
            told = f"{type(error).__name__}: {plain(str(error))}"
            sys.stderr.write(f"\nsafety gate: INCONCLUSIVE  an error of the gate itself: {told}\n")
            if getattr(self.config.option, "fulltrace", False):
                traceback.print_exception(error)
        session.exitstatus = self.exits.status = self.status

    def _judge(self, session: pytest.Session, pytest_status: int) -> int:
        facts = self._with_part(self._facts(session, pytest_status))
        if self.ground.kind == "survey":
            if self.sight.is_collected:
                self.ground.tell(self._listed)
            return pytest_status
        report = report_on(facts, self.policy, datetime.now(timezone.utc))
        problems = [*self.outlets.deliver(report), *self._tell_parent(exit_status(report, pytest_status))]
        if problems and report.verdict is Verdict.PASSED:
            # Who should have heard of a pass has not, so nobody may take this for one.
            untold = Obstacle(reason=Reason.UNTOLD, detail="not all who should hear the verdict could be told")
            evidence = msgspec.structs.replace(facts.evidence, obstacles=(*facts.evidence.obstacles, untold))
            facts = self._with_part(msgspec.structs.replace(facts, evidence=evidence))
            report = report_on(facts, self.policy, datetime.now(timezone.utc))
            self.outlets.write(report)
        status = exit_status(report, pytest_status)
        self._tell_parent(status)
        remember_failures(self.config, facts)
        if pytest_status != pytest.ExitCode.USAGE_ERROR:
            told = self.sight.chronicle.acknowledge()
            report = self._recorded(report, told)
            self.outlets.show(report, problems, self._accepted(facts, report, pytest_status))
        self.sight.chronicle.close(report)
        return status

    def _tell_parent(self, status: int) -> list[str]:
        """Tell whoever started a session in a scratch tree; gives why that could not be."""
        try:
            self.ground.tell(Told(status))
        except OSError as error:
            return [f"whoever waits for this verdict can't be told: {error.strerror or error}"]
        return []

    def _recorded(self, report: Report, crashes: list[Session]) -> Report:
        """Put the verdict on record. Where that can't be, it stands all the same, and says so."""
        troubles = self.record.keep(report, self._listed, crashes, complete=self._is_complete())
        if not troubles:
            return report
        report = msgspec.structs.replace(report, notes=(*report.notes, *map(plain, troubles)))
        self.outlets.write(report)
        return report

    def _accepted(self, facts: Facts, report: Report, pytest_status: int) -> list[str]:
        """Accept what was measured, where that was asked for; the verdict stands as it was judged."""
        yardstick = self.config.stash[YARDSTICK]
        if not yardstick.accepting:
            return []
        from pytest_rollback.session.accept import Measured, accept

        session = Measured(
            facts=facts,
            report=report,
            yardstick=yardstick,
            pytest_status=pytest_status,
            is_scratch=self.ground.orders is not None,
            verdict=self.record.event,
            root=self.demands.root,
        )
        ledger = self.demands.ledger if self.record.is_wanted and self.ground.head is not None else None
        return accept(self.config, session, yardstick.accepting, self.config.option.rollback_reason, ledger=ledger)

    def _facts(self, session: pytest.Session, pytest_status: int) -> Facts:
        """Gather all that was seen."""
        obstacles = [*self.obstacles, *self._narrowed(), *self._doubles()]
        ours = self.sight.observer.failures(self.sight.marks) + self.collection_errors
        outside = session.testsfailed > ours or (pytest_status == pytest.ExitCode.TESTS_FAILED and not ours)
        if self.config.option.collectonly:
            obstacles.append(
                Obstacle(reason=Reason.COLLECT_ONLY, detail="--collect-only shows the gate and runs nothing")
            )
        if pytest_status == pytest.ExitCode.USAGE_ERROR:
            obstacles.append(Obstacle(reason=Reason.USAGE, detail="the session could not start as it was asked to"))
        if self.warnings:
            self.signals.append(Signal(name="warnings", detail=f"{self.warnings} warnings"))
        limits = self.sight.limits
        if self.controller is not None:
            obstacles += self.controller.obstacles()
            self.notes += self.controller.notes()
        self.notes += self.sight.chronicle.notes()
        if not limits.enforced:
            self.notes.append("pytest-timeout is turned off: time limits are judged afterwards, nothing is ended")
        results = [*self.sight.results(), *self.skipped_modules]
        self._listed = test_list(results, self.sight, self.demands.root, self._settings())
        is_ended = any(obstacle.reason is Reason.INTERRUPTED for obstacle in obstacles)  # who ends it waits for nothing
        lost, told = self.demands.weigh(self._listed, complete=self._is_complete() and not is_ended)
        self.notes += [*self.demands.notes, *self.ground.caught("refused"), *unkeyed(self.ground)]
        obstacles += wrong_ground(self.ground, self.config.rootpath, self.sight.folders)
        obstacles += self.demands.obstacles()
        numbers = Numbers(self.config, self.sight, self.demands)
        self.notes += numbers.notes()
        evidence = collect_evidence(
            self.config,
            tests=results,
            measured=numbers.measured,
            signals=[*self.signals, *limits.signals(), *told, *numbers.signals(results)],
            obstacles=[*obstacles, *numbers.obstacles()],
            collected=len(self.sight.marks),
            yardstick=self.config.stash[YARDSTICK],
        )
        return Facts(
            evidence=evidence,
            subject=self.subject,
            environment=self.environment,
            started=self.started,
            whole_suite=self.sight.whole_suite,
            failed_outside=outside,
            base=self.demands.base,
            losses=tuple(lost),
            outputs=tuple(
                Output(test=test, lines=tuple(text.splitlines())) for test, text in sorted(self.sight.outputs.items())
            ),
            notes=tuple(self.notes),
        )

    def _is_complete(self) -> bool:
        """Whether all gate tests of the tree were found, so that one which is not there is gone."""
        narrowed = any(self._narrowed()) or self.collection_errors or not self.sight.is_collected
        return not narrowed and (self.controller is None or not self.controller.obstacles())

    def _settings(self) -> dict[str, str]:
        uncollected = sorted(signal.tests[0] for signal in self.signals if signal.name == COLLECTION_ERROR)
        more = {"rows": self.demands.rows(), **({UNCOLLECTED: ", ".join(uncollected)} if uncollected else {})}
        return settings_of(self.config, self.sight.limits) | more

    def _with_part(self, facts: Facts) -> Facts:
        """Add what the judgement of the whole needs, where this is a part of it."""
        shard = self.sight.shard
        if shard is None:
            return facts
        from pytest_rollback.judge.fold import pack

        dealt = [readable(test) for test in sorted(self.sight.all_parts())]
        packed = pack(facts, self.policy, shard, dealt)
        part = Part(number=shard.number, of=shard.of, whole=name_of_whole(dealt), packed=packed)
        return msgspec.structs.replace(facts, part=part)

    def _narrowed(self) -> Generator[Obstacle]:
        """Say how the gate was made to look at less than all of it."""
        for detail in narrowings(self.config, self.ground.top):
            yield Obstacle(reason=Reason.NARROWED, detail=f"narrowed by {detail}")
        for plugin, paths in self.sight.ignored_by.items():
            detail = f"narrowed by the plugin {plugin}, which left {len(paths)} paths uncollected"
            yield Obstacle(reason=Reason.NARROWED, detail=detail, tests=tuple(paths))

    def _doubles(self) -> Generator[Obstacle]:
        """Name gate tests that share a name: what one of them did can't be told from what the other did."""
        doubles = tuple(sorted(readable(test) for test in self.sight.doubles if self.sight.marks[test]))
        if doubles:
            detail = f"{len(doubles)} gate tests share their name with another test"
            yield Obstacle(reason=Reason.NARROWED, detail=detail, tests=doubles)

    def _names_a_group(self, name: str) -> tuple[str, ...]:
        """List the groups that a file's text names; what is not run can't be asked for its markers."""
        path = self.config.rootpath / name
        text = path.read_text("utf-8", errors="replace") if name and path.is_file() else ""
        return tuple(group.name for group in self.policy.groups if group.name in text)

    def _module_skipped(self, report: pytest.CollectReport) -> None:
        """Count a module that skipped itself as one skipped test of each group that its text names."""
        name = readable(report.nodeid)
        marks = tuple(Mark(group) for group in self._names_a_group(report.nodeid.partition("::")[0]))
        if not marks:
            self.notes.append(
                f"{name} skipped itself, so whether it holds gate tests is not known: {message_of(report)}"
            )
        message = f"{MODULE_SKIP}: {message_of(report)}"
        self.skipped_modules.append(TestResult(test=name, outcome=Outcome.SKIPPED, marks=marks, message=message))
