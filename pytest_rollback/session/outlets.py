"""Where a verdict goes: the terminal, the report files, the other plugins."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest._io import TerminalWriter

from pytest_rollback.model import Report, Subject
from pytest_rollback.policy.rules import Policy
from pytest_rollback.session.observe import plain
from pytest_rollback.show import json, markdown, terminal

Format = tuple[Callable[[Report], str], Callable[[str], bool]]
FORMATS: dict[str, Format] = {
    ".json": (json.render, json.is_report),
    ".md": (markdown.render, markdown.is_report),
}
WIDTH = 80


class Outlets:
    """Everyone who wants to hear of a session's verdict."""

    def __init__(self, config: pytest.Config, reports: list[str]) -> None:
        self.config = config
        self.paths = [Path(config.invocation_params.dir, written) for written in reports]
        problems = [problem for path in self.paths if (problem := _problem(path))]
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
        problems = [problem for path in self.paths if (problem := _write(path, report))]
        try:
            self.config.hook.pytest_rollback_verdict(config=self.config, report=report)
        except Exception as error:  # noqa: BLE001 (a listener's failure changes no verdict, and is said)
            problems.append(f"pytest_rollback_verdict failed: {type(error).__name__}: {plain(str(error))}")
        if not silent:
            self._print(report, problems)
        return bool(problems)

    def _print(self, report: Report, problems: list[str]) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        # The reporter's public methods are silenced by one option or another, and there is none under -p no:terminal.
        writer: TerminalWriter = TerminalWriter(sys.stdout) if reporter is None else reporter._tw  # noqa: SLF001
        verbose = getattr(self.config.option, "verbose", 0) > 0
        lines = terminal.render(report, writer.fullwidth if writer.hasmarkup else WIDTH, verbose=verbose)
        for problem in problems:
            writer.line(f"{'error':<{terminal.LABEL}}{problem}", red=True)
        for line in lines:
            writer.line(line.text, **({line.colour: True} if line.colour else {}))


def _problem(path: Path) -> str | None:
    """Say why a report can't go to a path."""
    if path.suffix not in FORMATS:
        return f"--gate-report {path}: the ending says the format; known: {', '.join(FORMATS)}"
    if not path.parent.is_dir():
        return f"--gate-report {path}: there is no folder {path.parent}"
    if path.is_dir():
        return f"--gate-report {path}: is a folder"
    if not os.access(path.parent, os.W_OK):
        return f"--gate-report {path}: the folder {path.parent} can't be written to"
    try:
        text = path.read_text("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError):
        text = "?"
    if text.strip() and not FORMATS[path.suffix][1](text):
        return f"--gate-report {path}: stands there already and is no gate report; name another file, or remove it"
    return None


def _write(path: Path, report: Report) -> str | None:
    """Write a report so that a reader sees all of it or nothing."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(FORMATS[path.suffix][0](report), "utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        return f"--gate-report {path}: could not be written: {error.strerror or error}"
    return None
