"""Where a verdict goes: the terminal, the report files, the forge, the other plugins."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from _pytest._io import TerminalWriter

from pytest_rollback.model import Report, Subject
from pytest_rollback.policy.rules import Policy
from pytest_rollback.session.forge import Forge
from pytest_rollback.session.observe import plain
from pytest_rollback.show import files, terminal

WIDTH = 80


class Outlets:
    """Everyone who wants to hear of a session's verdict."""

    def __init__(self, config: pytest.Config, reports: list[str]) -> None:
        self.config = config
        self.forge = Forge(os.environ, config.rootpath)
        self.paths = [Path(config.invocation_params.dir, written) for written in reports]
        problems = [f"--gate-report {problem}" for path in self.paths if (problem := files.problem(path))]
        if problems:
            raise pytest.UsageError(*problems)
        for path in self.paths:
            path.unlink(missing_ok=True)  # a session that is killed must not leave the last one's pass behind

    def header(self, policy: Policy, subject: Subject) -> str:
        """Say in one line what is in front of the change."""
        parts = [", ".join(group.name for group in policy.groups), f"policy: {policy.source}"]
        if policy.phase is not None:
            risk = f" (risk {policy.phase.risk})" if policy.phase.risk else ""
            parts.append(f"phase: {policy.phase.name}{risk}")
        if subject.branch:
            parts.append(f"branch: {subject.branch}{', live' if subject.live else ''}")
        if policy.mode == "shadow":
            parts.append("shadow: nothing is blocked")
        return f"safety gate: {'; '.join(parts)}"

    def tell(self, report: Report, *, silent: bool) -> bool:
        """Tell everyone; gives whether somebody who should have heard could not."""
        problems = [f"--gate-report {problem}" for path in self.paths if (problem := files.write(path, report))]
        try:
            self.config.hook.pytest_rollback_verdict(config=self.config, report=report)
        except Exception as error:  # noqa: BLE001 (a listener's failure changes no verdict, and is said)
            problems.append(f"pytest_rollback_verdict failed: {type(error).__name__}: {plain(str(error))}")
        unheard = bool(problems)
        problems += self.forge.summarise(report)  # a summary is a courtesy: without it, the verdict stands
        if not silent:
            self._print(report, problems)
        return unheard

    def _print(self, report: Report, problems: list[str]) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        # The reporter's public methods are silenced by one option or another, and there is none under -p no:terminal.
        writer: TerminalWriter = TerminalWriter(sys.stdout) if reporter is None else reporter._tw  # noqa: SLF001
        verbose = getattr(self.config.option, "verbose", 0) > 0
        lines = terminal.render(report, writer.fullwidth if writer.hasmarkup else WIDTH, verbose=verbose)
        for command in self.forge.annotate(report):
            writer.line(command)
        for problem in problems:
            writer.line(self.forge.harmless(f"{'error':<{terminal.LABEL}}{problem}"), red=True)
        for line in lines:
            writer.line(self.forge.harmless(line.text), **({line.colour: True} if line.colour else {}))
