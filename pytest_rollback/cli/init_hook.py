"""Has each commit judged: by git's own hook, or by the `pre-commit` framework where a project uses that."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pytest_rollback.cli import CommandError, init_precommit
from pytest_rollback.cli.init_files import Change, Writer, say
from pytest_rollback.cli.init_survey import Project, read_file
from pytest_rollback.repo.hooks import HookPlan, HookRefusedError, plan_hook, root_below


class CommitGate:
    """What stands before a commit in one project, and what could."""

    def __init__(self, project: Project, writer: Writer, command: str) -> None:
        self.project = project
        self.writer = writer
        self.command = command
        self.config = (project.top or project.root) / init_precommit.CONFIG
        self.folder = root_below(project.top or project.root, project.root)

    def install_hook(self) -> None:
        """Install git's hook, where that is nobody else's business."""
        if self.config.is_file():
            msg = (
                f"{self.config} is there, so pre-commit owns git's hook and none was installed; "
                f"to have pre-commit run the gate: {self.command} --pre-commit"
            )
            raise CommandError(msg)
        try:
            self._install(plan_hook(self.project.root, sys.executable))
        except HookRefusedError as error:
            raise CommandError(str(error)) from error

    def offer_hook(self) -> None:
        """Say how each commit could be judged, and see to it where a person is there and says yes."""
        if self.config.is_file():
            self._offer_pre_commit()
            return
        try:
            plan = plan_hook(self.project.root, sys.executable)
        except HookRefusedError as error:
            say("hook", f"none was installed: {error}")
            return
        if plan.in_place or self._is_wanted(plan.path):
            self._install(plan)
        elif plan.before is not None:
            say("hook", f"{plan.path} is not what it would be now; to renew it: {self.command} --hook")
        else:
            say("hook", f"none was installed; to have git judge each commit: {self.command} --hook")

    def add_to_pre_commit(self) -> None:
        """Add the gate to what pre-commit runs."""
        text = self._read_config()
        if text is None:
            after: str | None = init_precommit.new_config(self.folder)
        elif init_precommit.calls_gate(text, self.folder):
            say("hook", f"{self.config} runs the gate")
            return
        else:
            after = init_precommit.with_entry(text, self.folder)
        if after is None:
            lines = "\n".join(init_precommit.entry_lines(self.folder))
            msg = f"{self.config} is not of the usual shape and was left alone; add this to its list of repos:\n{lines}"
            raise CommandError(msg)
        before = None if text is None else text.encode()
        self.writer.make(Change(path=self.config, before=before, after=after.encode()), "hook")
        say("", "to have git run it: pre-commit install")

    def _install(self, plan: HookPlan) -> None:
        if plan.in_place:
            say("hook", f"{plan.path} {plan.in_place}")
            return
        change = Change(path=plan.path, before=plan.before, after=plan.after, executable=True)
        self.writer.make(change, "hook", "; it judges each commit")

    def _is_wanted(self, path: Path) -> bool:
        """Ask for the hook; where nobody is there to answer, nobody wants it."""
        if self.writer.dry_run or not sys.stdin.isatty():
            return False
        try:
            answer = input(f"have git judge each commit, by {path}? [y/N] ")
        except EOFError:
            return False
        return answer.strip().lower() in {"y", "yes"}

    def _offer_pre_commit(self) -> None:
        text = self._read_config()
        if text is not None and init_precommit.calls_gate(text, self.folder):
            say("hook", f"{self.config} runs the gate")
        else:
            say("hook", f"pre-commit owns it; to have pre-commit run the gate: {self.command} --pre-commit")

    def _read_config(self) -> str | None:
        """Read pre-commit's configuration; None where there is none."""
        if not os.path.lexists(self.config):
            return None
        try:
            return read_file(self.config).decode()
        except UnicodeDecodeError as error:
            msg = f"{self.config} is not UTF-8 (byte {error.start}), and was left alone"
            raise CommandError(msg) from error
