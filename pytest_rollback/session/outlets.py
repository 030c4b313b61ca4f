"""Where a verdict goes: the terminal, the report files, the forge, the other plugins."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest._io import TerminalWriter
from msgspec import structs

from pytest_rollback.model import Report, Subject
from pytest_rollback.policy.rules import Policy
from pytest_rollback.session.forge import Forge
from pytest_rollback.session.observe import plain, readable
from pytest_rollback.session.stale import report_paths
from pytest_rollback.show import files, terminal

WIDTH = 80
CHECKS = "checks"  # a group that nobody has heard of who has none
NEXT = "next "


class Outlets:
    """Everyone who wants to hear of a session's verdict."""

    def __init__(self, config: pytest.Config, reports: list[str], folder: Path | None = None) -> None:
        self.config = config
        self.forge = Forge(os.environ, config.rootpath)
        self.paths = report_paths(folder or config.invocation_params.dir, reports)
        problems = [f"--gate-report {problem}" for path in self.paths if (problem := files.problem(path))]
        if problems:
            raise pytest.UsageError(*problems)

    def header(self, policy: Policy, subject: Subject) -> str:
        """Say in one line what is in front of the change."""
        used = (group.name for group in policy.groups if policy.checks or group.name != CHECKS)
        parts = [", ".join(used), f"policy: {policy.source}"]
        if policy.phase is not None:
            risk = f" (risk {policy.phase.risk})" if policy.phase.risk else ""
            parts.append(f"phase: {policy.phase.name}{risk}")
        if subject.branch:
            parts.append(f"branch: {subject.branch}{', live' if subject.live else ''}")
        if not (subject.commit or subject.branch or subject.tree):
            parts.append("outside git: nothing is recorded")
        if policy.mode == "shadow":
            parts.append("shadow: nothing is blocked")
        return readable(f"safety gate: {'; '.join(parts)}")

    def deliver(self, report: Report) -> list[str]:
        """Write the files and tell the other plugins; gives why somebody who should have heard could not."""
        problems = self.write(report)
        try:
            self.config.hook.pytest_rollback_verdict(config=self.config, report=report)
        except BaseException as error:  # noqa: BLE001 (SystemExit, a skip, whatever: it changes no verdict, and is said)
            problems.append(f"pytest_rollback_verdict failed: {type(error).__name__}: {plain(str(error))}")
        return problems

    def write(self, report: Report) -> list[str]:
        """Write the files that were asked for; gives why one could not be written."""
        return [f"--gate-report {problem}" for path in self.paths if (problem := files.write(path, report))]

    def show(self, report: Report, problems: list[str], accepted: Sequence[str] = ()) -> None:
        """Show the verdict to people, here and on the forge, and what was accepted after it."""
        *said, last = accepted or [""]
        if last.startswith(NEXT) and report.next is not None:
            report = structs.replace(report, next=last.removeprefix(NEXT).strip())
            accepted = said  # a verdict that did not pass ends in one command
        problems = problems + self.forge.summarise(report)  # a courtesy: without it, the verdict stands
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        # The reporter's public methods are silenced by one option or another, and there is none under -p no:terminal.
        writer: TerminalWriter = TerminalWriter(sys.stdout) if reporter is None else reporter._tw  # noqa: SLF001
        verbose = getattr(self.config.option, "verbose", 0) > 0
        lines = terminal.render(report, writer.fullwidth if writer.hasmarkup else WIDTH, verbose=verbose)
        for command in self.forge.annotate(report):
            writer.line(command)
        for problem in problems:
            writer.line(self.forge.harmless(f"{'error':<{terminal.LABEL}}{problem}"), red=True)
        for text in accepted if report.next is not None else ():
            writer.line(self.forge.harmless(text))
        for line in lines:
            writer.line(self.forge.harmless(line.text), **({line.colour: True} if line.colour else {}))
        for text in accepted if report.next is None else ():
            writer.line(self.forge.harmless(text))
