"""What stands on the trusted base: its gate tests, its policy, and the rows that other plugins added to that there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import msgspec

from pytest_rollback.events import SCHEMA, TESTS, Judgment, TestList
from pytest_rollback.policy.baselines import FOLDER, Shelf, shelve
from pytest_rollback.policy.load import POLICY_FILES, choose_policy, load_policy, load_what_holds
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Policy
from pytest_rollback.policy.tighten import loosened
from pytest_rollback.repo.blobs import read_files, read_folder
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.ledger import Ledger
from pytest_rollback.repo.look import Head
from pytest_rollback.repo.protected import changed_policies
from pytest_rollback.session.survey import Survey, SurveyError
from pytest_rollback.session.trusted import Trusted

ROWS = "rows"
UNCOLLECTED = "uncollected"


class Basis:
    """The trusted base of one session. `trouble` says what of it could not be used."""

    def __init__(
        self, trusted: Trusted, head: Head, ledger: Ledger, catalogue: Catalogue | None, survey: Survey, root: str
    ) -> None:
        self.trusted = trusted
        self.found = trusted.found
        self.head = head
        self.ledger = ledger
        self.catalogue = catalogue
        self.survey = survey
        self.root = root
        self.trouble = ""

    @property
    def folder(self) -> str:
        """Where the base's policy stands, seen from the repository's top: its patterns begin there."""
        written = self.trusted.written
        return self.root if written is None else str(PurePosixPath(written.name).parent)

    def policy(self, rows: dict[str, Any]) -> Policy | None:
        """Load the base's policy under the rows that other plugins add now; None where it had neither policy nor gate.

        No change brings a row that would loosen what stands there: where its rows do, those of the base are asked for.
        """
        if self.found.tree is None:
            return None
        if self._listed is not None or self._loosens(rows):
            rows = self._rows_there()
        written = self.trusted.written
        if written is not None:
            try:
                return load_policy(written, None, rows)
            except PolicyError as error:
                self.trouble = f"the policy of the trusted base can't be used: {error.problems[0]}"
                return load_what_holds(written)
        return load_policy(None, None, rows) if self._went_by_the_shipped_matrix() else None

    def _rows_there(self) -> dict[str, Any]:
        try:
            return read_rows(self.tests.settings.get(ROWS, ""))
        except SurveyError as error:
            self.trouble = str(error)
            return {}

    def _loosens(self, rows: dict[str, Any]) -> bool:
        """Whether rows that other plugins add now could make the base's policy demand less, or make it unreadable."""
        written = self.trusted.written
        try:
            bare = load_policy(written)
        except PolicyError:
            return True  # it may lean on rows of the base's own plugins
        try:
            return bool(rows) and any(loosened(bare, load_policy(written, None, rows)))
        except PolicyError:
            return True

    def _went_by_the_shipped_matrix(self) -> bool:
        return bool(self.tests.tests)

    @property
    def kinds(self) -> dict[str, str]:
        """Say as what kind each metric is known that the base has a baseline of, or that its verdict measured."""
        known = {each.name: each.metric for each in self.shelf.baselines.values()}
        if self.catalogue is None or self.found.tree is None:
            return known
        for recorded in self.catalogue.verdicts_of(self.found.tree, root=self.root)[:1]:
            event = self.ledger.read(recorded.id).event
            if isinstance(event, Judgment):
                known = {judged.name: judged.metric for judged in event.measurements} | known
        return known

    @cached_property
    def shelf(self) -> Shelf:
        """The baselines of the base; what can't be read there demands nothing."""
        tree = self.found.tree
        return shelve(read_folder(self.head.top, tree, f"{self.root}/{FOLDER}")) if tree else Shelf()

    @cached_property
    def tests(self) -> TestList:
        """List the gate tests of the base: from its verdict where it is on record, else by asking its tree once."""
        return self._listed or self.survey.collect(self.found.tree or "", self.found.commit or "")

    @cached_property
    def _listed(self) -> TestList | None:
        """Read the list of a verdict that was reached here, in this project and in this environment.

        In another one, other tests are there, or skipped.
        """
        if self.catalogue is None or self.found.tree is None:
            return None
        for recorded in self.catalogue.verdicts_of(self.found.tree, root=self.root):
            entry = recorded.entry
            if entry.complete and (entry.root, entry.environment) == (self.root, self.survey.environment):
                kept = self.ledger.attachment(recorded.id, TESTS)
                if kept is not None and (tests := read_tests(kept)) is not None:
                    return tests
        return None

    def lost_policies(self, tree: str) -> list[str]:
        """Name the policy files of the base whose folders have none any more."""
        before = self.found.tree
        if before is None or before == tree:
            return []
        folders = {str(PurePosixPath(path).parent) for path in changed_policies(self.head.top, before, tree)}
        return sorted(
            had for folder in folders if (had := self._policy_in(before, folder)) and not self._policy_in(tree, folder)
        )

    def _policy_in(self, tree: str, folder: str) -> str | None:
        names = [str(PurePosixPath(folder, name)) for name in POLICY_FILES]
        written = choose_policy(read_files(self.head.top, tree, names))
        return written.name if written else None


def read_tests(content: bytes) -> TestList | None:
    """Read a list of tests; None for one of a version that says what this one does not know."""
    try:
        tests = msgspec.json.decode(content, type=TestList)
    except msgspec.MsgspecError:
        return None
    return tests if tests.schema <= SCHEMA else None


def write_rows(rows: dict[str, Any]) -> str:
    """Write down the rows that other plugins added, to be held against those of a later change."""
    return json.dumps(rows, sort_keys=True, default=repr) if rows else ""


def read_rows(text: str) -> dict[str, Any]:
    """Read such rows; what can't be read adds none."""
    try:
        rows = json.loads(text) if text else {}
    except ValueError:
        return {}
    return rows if isinstance(rows, dict) else {}


def together(*patterns: Iterable[str]) -> tuple[str, ...]:
    """Put patterns together, each once."""
    return tuple(dict.fromkeys(pattern for some in patterns for pattern in some))
