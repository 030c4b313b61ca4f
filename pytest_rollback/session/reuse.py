"""Lets a commit stand on a verdict that its very tree has had already, where the policy allows that."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cached_property

import pytest
from msgspec import structs

from pytest_rollback.events import Judgment
from pytest_rollback.judge.report import iso
from pytest_rollback.judge.status import status_of
from pytest_rollback.model import Report
from pytest_rollback.policy.load import choose_policy, load_policy, places_of_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.blobs import read_files
from pytest_rollback.repo.catalogue import Catalogue, Recorded
from pytest_rollback.repo.ledger import Ledger, LedgerError
from pytest_rollback.repo.look import Head, tree_of
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.session.arguments import Caller
from pytest_rollback.session.outlets import Outlets
from pytest_rollback.session.surroundings import asked_of, environment_of, is_ci, selection_of
from pytest_rollback.session.trusted import below, find_trusted


class Staged:
    """What is to be committed, before anything of it is run: its policy, and what was asked about it."""

    def __init__(self, config: pytest.Config, head: Head, tree: str, caller: Caller) -> None:
        self.config = config
        self.head = head
        self.tree = tree
        self.caller = caller
        self.root = below(head.top, config.rootpath)

    @cached_property
    def is_head(self) -> bool:
        """Whether what is staged is what HEAD holds already."""
        return self.head.commit is not None and self.tree == tree_of(structs.replace(self.head, uncommitted=False))

    @cached_property
    def policy(self) -> Policy | None:
        """The policy in what is staged; None where it can't be used, which the session that judges it will say."""
        written = choose_policy(read_files(self.head.top, self.tree, places_of_policy(self.root)))
        over = self.config.known_args_namespace.rollback_policy
        try:
            return load_policy(written, self.caller.folder / over if over else None)
        except PolicyError:
            return None

    @cached_property
    def selection(self) -> str:
        """The digest of what is asked."""
        if self.policy is None:
            return ""
        asked = self.config.known_args_namespace
        return selection_of(
            asked_of(
                self.caller.arguments,
                root=self.root,
                policy=self.policy,
                staged=True,
                whole_suite=bool(asked.rollback_all),
                shard=asked.rollback_shard or "",
            )
        )

    def stand_on_earlier(self) -> int | None:
        """Tell an earlier verdict on the same tree again, and give its status; None where it has to be judged."""
        policy = self.policy
        if policy is None or not policy.reuse or is_ci():
            return None
        try:
            ledger = Ledger(self.head.top)
            with Catalogue(ledger) as catalogue:
                found = self._earlier(ledger, catalogue, policy)
        except (GitError, LedgerError):
            return None
        return None if found is None else self._tell(*found)

    def _earlier(self, ledger: Ledger, catalogue: Catalogue, policy: Policy) -> tuple[str, Judgment] | None:
        good = catalogue.good(self.tree, root=self.root)
        if good is None or not self._is_alike(good, policy):
            return None
        event = ledger.read(good.id).event
        if not isinstance(event, Judgment) or event.losses or event.mode != policy.mode:
            return None  # what was let pass then need not be let pass now
        base = find_trusted(self.head, catalogue, self.root, clean=self.is_head).found
        then = event.base.tree if event.base else None
        return (good.id, event) if base.tree == then and not base.unchecked else None

    def _is_alike(self, good: Recorded, policy: Policy) -> bool:
        entry = good.entry
        here = environment_of(self.head.top).digest
        return (entry.policy, entry.selection, entry.environment) == (policy.digest, self.selection, here)

    def _tell(self, event: str, earlier: Judgment) -> int:
        moment = earlier.at[:16].replace("T", " ")
        finished = iso(datetime.now(timezone.utc))
        report = Report(
            verdict=earlier.verdict,
            reason=earlier.reason,
            steady=earlier.steady,
            mode=earlier.mode,
            subject=structs.replace(
                earlier.subject, what="staged", commit=self.head.commit, branch=self.head.branch, keyed=True, unkeyed=()
            ),
            policy=earlier.policy,
            environment=earlier.environment,
            base=earlier.base,
            started=finished,
            finished=finished,
            duration_s=earlier.duration_s,
            whole_suite=earlier.whole_suite,
            tests=earlier.tests,
            findings=earlier.findings,
            obstacles=earlier.obstacles,
            not_passed=(),
            measurements=earlier.measurements,
            stands_on=event,
            notes=(f"nothing was run: the same tree passed at {moment} UTC (event {event[:8]})",),
        )
        outlets = Outlets(self.config, self.config.known_args_namespace.rollback_reports)
        problems = outlets.deliver(report)
        outlets.show(report, problems)
        return status_of(report, unheard=bool(problems))
