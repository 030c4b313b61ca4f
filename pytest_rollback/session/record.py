"""Keeps a session on record: its verdict, the tests it stands on, and the sessions before it that never ended."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from pytest_rollback.events import PROTECTED, TESTS, Digests, Interrupted, ListedTest, TestList
from pytest_rollback.judge.onrecord import judgment_of
from pytest_rollback.judge.report import iso
from pytest_rollback.judge.tally import NOT_RUN
from pytest_rollback.judge.text import readable
from pytest_rollback.model import Outcome, Report, TestResult, Verdict
from pytest_rollback.repo.crashes import Session
from pytest_rollback.repo.identity import identity
from pytest_rollback.repo.ledger import Draft, LedgerError
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.protected import snapshot
from pytest_rollback.repo.wording import now
from pytest_rollback.session.demands import Demands
from pytest_rollback.session.ground import Ground
from pytest_rollback.session.sight import Sight
from pytest_rollback.session.surroundings import asked_of, selection_of
from pytest_rollback.show import json

UNSEEN = frozenset({Outcome.LEFT_TO_CI, *NOT_RUN})
NOT_RECORDED = "nothing was recorded"
EVIDENCE = "evidence"
KEPT = 200


class Record:
    """The record of one session."""

    def __init__(self, config: pytest.Config, ground: Ground, demands: Demands) -> None:
        self.config = config
        self.ground = ground
        self.demands = demands
        self.event: str | None = None  # of the verdict, once it is on record
        self.is_wanted = not (config.option.rollback_no_record or config.option.collectonly)

    def keep(self, report: Report, tests: TestList, crashes: Iterable[Session], *, complete: bool) -> list[str]:
        """Append what there is to the ledger, all in one swap; gives why it could not be."""
        head = self.ground.head
        if not self.is_wanted or head is None:
            return []
        try:
            drafts = [Draft(event=_interrupted(crash)) for crash in crashes]
            drafts.append(self._draft(head.top, report, tests, complete=complete))
            *_, kept = self.demands.ledger.append(drafts, sign=self.demands.policy.sign)
        except (GitError, LedgerError) as error:
            return [_not_recorded(error)]
        self.event = kept
        _keep_evidence(head.common / "pytest-rollback" / EVIDENCE, kept, report)
        return []

    def _draft(self, folder: Path, report: Report, tests: TestList, *, complete: bool) -> Draft:
        protected = self._protected(folder) if report.verdict is Verdict.PASSED else None
        digests = Digests(
            policy=self.demands.project.digest, selection=self._selection(), environment=report.environment.digest
        )
        by, root = identity(folder), self.demands.root
        return Draft(
            event=judgment_of(report, digests, at=now(), by=by, root=root, complete=complete),
            blobs={TESTS: listed(tests)},
            trees={PROTECTED: protected} if protected else {},
        )

    def _protected(self, folder: Path) -> str | None:
        tree = self.ground.tree
        return snapshot(folder, tree, self.demands.policy.protected, self.demands.folder) if tree else None

    def _selection(self) -> str:
        orders = self.ground.orders
        if orders is not None:
            return orders.selection
        asked = asked_of(
            self.config.invocation_params.args,
            root=self.demands.root,
            policy=self.demands.own,
            staged=False,
            whole_suite=bool(self.config.option.rollback_all),
            shard=self.config.option.rollback_shard or "",
        )
        return selection_of(asked)


def test_list(results: Iterable[TestResult], sight: Sight, root: str, settings: dict[str, str]) -> TestList:
    """List the gate tests of a tree with all that a later session may hold against them; what nobody ran is open."""
    outcomes = {result.test: result.outcome for result in results if result.outcome not in UNSEEN}
    tests = (
        ListedTest(
            test=readable(test),
            outcome=outcomes.get(readable(test)),
            marks=marks,
            limit_s=sight.limits_of_tests.get(test),
            steps_aside=test in sight.asides,
        )
        for test, marks in sight.marks.items()
        if marks
    )
    return TestList(root=root, settings=settings, tests=tuple(sorted(tests, key=lambda listed: listed.test)))


def listed(tests: TestList) -> bytes:
    """Write a list of tests, a line each, so that two lists that are nearly the same take little room in git."""
    lines = [msgspec.json.encode(test).decode() for test in tests.tests]
    head = msgspec.json.encode(structs.replace(tests, tests=())).decode().removesuffix("[]}")
    body = ",\n".join(lines)
    return f"{head}[\n{body}\n]}}\n".encode() if lines else f"{head}[]}}\n".encode()


def _not_recorded(error: Exception) -> str:
    said = str(error)
    return said if said.startswith(NOT_RECORDED) else f"{NOT_RECORDED}: {said}"


def _interrupted(crash: Session) -> Interrupted:
    opening = crash.opening
    return Interrupted(
        at=now(),
        session=crash.id,
        started=iso(opening.started) if opening else None,
        subject=opening.subject if opening else None,
        policy=opening.policy if opening else None,
        expected=crash.expected,
        decided=crash.decided,
        in_flight=crash.in_flight,
        failed=crash.failed,
    )


def _keep_evidence(folder: Path, event: str, report: Report) -> None:
    """Keep the whole report on this machine; losing it costs a traceback's last line, and no verdict."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{event}.json").write_text(json.render(report), "utf-8")
        kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-KEPT]:
            path.unlink()
