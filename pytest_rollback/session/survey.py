"""Asks a tree that is not checked out for its gate tests: collects them once, in a scratch tree.

The session that wants to know runs a second one there, which writes its answer to a file. An answer belongs to a tree
and an environment, and is kept; deleting it costs another survey.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from pytest_rollback.events import TestList
from pytest_rollback.repo.carry import carry
from pytest_rollback.repo.child import child_environment
from pytest_rollback.repo.look import Head
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.replica import Origin
from pytest_rollback.repo.scratch import Scratch
from pytest_rollback.repo.slots import take_slot
from pytest_rollback.repo.troubles import ScratchError
from pytest_rollback.session.ground import VARIABLE, ScratchOrders

LONGEST = 600.0
KEPT = 50
QUIET = ("-q", "--no-header", "--no-summary", "--color=no", "-p", "no:randomly")


class SurveyError(Exception):
    """A tree could not be asked; says why."""


class Survey:
    """Asks trees of one repository, for one environment."""

    def __init__(
        self, head: Head, root: str, environment: str, arguments: Sequence[str], carried: Sequence[str] = ()
    ) -> None:
        self.head = head
        self.carried = tuple(carried)
        self.root = root
        self.environment = environment
        self.arguments = tuple(arguments)

    def collect(self, tree: str, commit: str) -> TestList:
        """List the gate tests of a tree, as its own policy and its own configuration mark them."""
        return self._ask(tree, commit, ())

    def run(self, tree: str, commit: str, tests: Sequence[str]) -> TestList:
        """List some of them with what they do there."""
        return self._ask(tree, commit, tests)

    def _ask(self, tree: str, commit: str, tests: Sequence[str]) -> TestList:
        kept = self._kept(tree, tests)
        with suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(kept.read_bytes(), type=TestList)
        answer = self._session(tree, commit, tests)
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            beside = kept.with_suffix(f".{os.getpid()}")
            beside.write_bytes(answer)
            beside.replace(kept)
            for old in sorted(kept.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
                old.unlink()
        return msgspec.json.decode(answer, type=TestList)

    def _kept(self, tree: str, tests: Sequence[str]) -> Path:
        asked = "\n".join([tree, self.root, self.environment, *self.arguments, *self.carried, *tests])
        name = hashlib.sha256(asked.encode("utf-8", "backslashreplace")).hexdigest()[:32]
        return self.head.common / "pytest-rollback" / "cache" / "surveys" / f"{name}.json"

    def _session(self, tree: str, commit: str, tests: Sequence[str]) -> bytes:
        try:
            with take_slot(Origin(top=self.head.top, common=self.head.common)) as slot:
                return self._run(slot.prepare(tree=tree, commit=commit, branch=None), tree, commit, tests)
        except (GitError, ScratchError, OSError) as error:
            raise SurveyError(str(error)) from error

    def _run(self, scratch: Scratch, tree: str, commit: str, tests: Sequence[str]) -> bytes:
        told = scratch.control / "told.json"
        orders = ScratchOrders(
            kind="survey",
            scratch=str(scratch.top),
            top=str(self.head.top),
            common=str(self.head.common),
            own=str(self.head.own),
            parent=os.getpid(),
            told=str(told),
            tree=tree,
            commit=commit,
        )
        path, names = scratch.control / "orders.json", scratch.control / "tests.txt"
        path.write_bytes(msgspec.json.encode(orders))
        what = ["--collect-only"]
        if tests:
            names.write_text("\n".join(tests), "utf-8", "surrogateescape")
            what = [f"@{names}"]
        carry(self.head.top, scratch.top, self.carried, self.root)
        inside = scratch.top / self.root
        if not inside.is_dir():
            return msgspec.json.encode(TestList(root=self.root))  # the project was not there yet, nor was its gate
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--safety-gate",
            *QUIET,
            "-o",
            f"cache_dir={scratch.temporary / 'cache'}",
        ]
        environment = {**child_environment(scratch, self.head.top), VARIABLE: str(path)}
        said = self._wait([*command, *self.arguments, *what], inside, environment, scratch.keep)
        try:
            return told.read_bytes()
        except OSError:
            lines = [line for line in said.splitlines() if line.strip()] or ["no word"]
            msg = f"its gate could not be collected: {lines[-1]}"
            raise SurveyError(msg) from None

    def _wait(self, command: list[str], folder: Path, environment: dict[str, str], keep: Sequence[int]) -> str:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=LONGEST,
                pass_fds=keep,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            msg = f"its gate was not collected within {LONGEST:g} s"
            raise SurveyError(msg) from error
        return done.stdout.decode("utf-8", "replace")


def arguments_of(config: pytest.Config) -> list[str]:
    """Give what a survey must be told as this session was, so that both find tests in the same way."""
    given = [f"-p{plugin}" for plugin in config.getoption("plugins", None) or () if plugin not in _own(config)]
    return [argument for argument in given if argument != "-pno:terminal"]


def _own(config: pytest.Config) -> list[str]:
    """List the plugins that the project's configuration names; the tree that is asked has one of its own."""
    added = [str(argument) for argument in config.getini("addopts")]
    return [argument.removeprefix("-p").strip() for argument in added] + added
