"""What is demanded of a change: by its own policy, and by the trusted base, whose demands it may not loosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from pytest_rollback.events import SCHEMA, TESTS, Approval, TestList
from pytest_rollback.judge.approvals import approve
from pytest_rollback.judge.erosion import in_doubt, losses, policy_losses, protected_losses
from pytest_rollback.model import Base, Loss, LossKind, Signal
from pytest_rollback.policy.load import Written, find_policy, load_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Policy
from pytest_rollback.policy.stricter import strictest
from pytest_rollback.repo.base import BaseFound, Change, changes_between, machine_losses
from pytest_rollback.repo.blobs import sources_between
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.identity import identity
from pytest_rollback.repo.ledger import Ledger, LedgerError
from pytest_rollback.repo.look import Head
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.protected import altered, drifted
from pytest_rollback.session.evidence import extra_rows
from pytest_rollback.session.ground import Ground
from pytest_rollback.session.surroundings import environment_of, now
from pytest_rollback.session.survey import Survey, SurveyError, arguments_of
from pytest_rollback.session.trusted import below, find_trusted

FIRST = "this is the first gate on record here"
UNCHECKED = "erosion-unchecked"
# What a loss is told by, so that a row of the matrix can judge it.
SIGNALS = {LossKind.PROTECTED: "protected-file-altered", LossKind.MACHINE: "machine-commit"}
EROSION = "erosion"
SAID = {
    LossKind.GONE: "gone",
    LossKind.UNMARKED: "without their marker",
    LossKind.SKIPPED: "newly skipped",
    LossKind.XFAILED: "newly expected to fail",
    LossKind.LIMIT: "with a longer time limit",
}
OTHERS = {
    LossKind.SETTING: "the setting {} of pytest is weaker",
    LossKind.POLICY: "{} of the policy is looser",
    LossKind.PROTECTED: "{} is protected, and is altered or missing",
    LossKind.MACHINE: "a machine's commit that no person approved: {}",
}
TOLD = 3


def load_own(config: pytest.Config, ground: Ground) -> tuple[Policy, Policy]:
    """Load the project's policy as it stands in what is judged: as written, and with the rows of other plugins."""
    tighter = config.option.rollback_policy
    if tighter is not None and not tighter.strip():
        msg = "--gate-policy is empty; name a policy file, or leave the option out"
        raise pytest.UsageError(msg)
    path = find_policy(config.rootpath, ground.top)
    over = config.invocation_params.dir / tighter if tighter else None
    extra = extra_rows(config)
    own = load_policy(path, over, extra)
    try:
        return load_policy(path, over) if extra else own, own
    except PolicyError:
        return own, own  # it says something about rows that only the other plugins know


class Demands:
    """The policy that judges a session, and what the trusted base demands beside it."""

    def __init__(self, config: pytest.Config, ground: Ground) -> None:
        self.config = config
        self.ground = ground
        self.project, self.own = load_own(config, ground)
        self.policy = self.own
        self.root = below(ground.top, config.rootpath)
        self.notes: list[str] = []
        self.found: BaseFound | None = None
        self.before: Policy | None = None
        self.trouble = ""
        if ground.head is not None and ground.kind != "survey":
            self._take_base()

    @property
    def base(self) -> Base | None:
        """The trusted base, as the report tells of it."""
        found = self.found
        if found is None:
            return Base(commit=None, how=f"unchecked: {self.trouble}") if self.trouble else None
        how = f"unchecked: {self.unchecked}" if self.unchecked else found.how
        return Base(commit=found.commit, how=how, tree=found.tree)

    @property
    def unchecked(self) -> str:
        """Why it is not known whether the change loosens anything; empty where it is."""
        return self.trouble or (self.found.unchecked if self.found else None) or ""

    def protected_patterns(self) -> tuple[str, ...]:
        """Give the patterns of the protected files, those of the base and those of the change."""
        before = self.before.protected if self.before else ()
        return tuple(dict.fromkeys((*self.policy.protected, *before)))

    def weigh(self, now: TestList, *, complete: bool) -> tuple[list[Loss], list[Signal]]:
        """Say what the change takes away from what the base demands, and tell the matrix of it."""
        if self.ground.head is None or self.ground.kind == "survey":
            return [], []
        try:
            found = self._approved(self._lost(now, complete=complete))
        except (GitError, LedgerError, SurveyError) as error:
            self.trouble = self.trouble or str(error)
            found = []
        return found, [*self._signals(found), *self._drift(), *self._doubts()]

    # --- the base ---

    def _take_base(self) -> None:
        try:
            self._find_base()
        except (GitError, LedgerError, SurveyError) as error:
            self.trouble = str(error)

    def _find_base(self) -> None:
        """Find the base, and let the stricter of both policies judge; what is trusted and live, the base says."""
        head = self._head
        if self.catalogue.first() is None:
            self.notes.append(FIRST)
        trusted = find_trusted(head, self.catalogue, self.root, clean=not head.uncommitted)
        self.found = trusted.found
        self.before = before = self._load(trusted.written) if trusted.written else self._shipped(trusted.found)
        if before is None:
            return
        passed = [loss.what for loss in self._approved(policy_losses(before, self.own)) if loss.approved]
        policy = strictest(before, self.own, but=passed)
        self.policy = structs.replace(policy, mode=before.mode, live=before.live, trusted=before.trusted)

    def _shipped(self, found: BaseFound) -> Policy | None:
        """Give the matrix as it is shipped, where the base had gate tests and no policy, and went by that."""
        shipped = load_policy(None, None, extra_rows(self.config))
        if found.tree is None or not policy_losses(shipped, self.own):
            return None  # it loosens nothing, so nobody need know
        return shipped if self._tests_of(found).tests else None

    def _load(self, written: Written) -> Policy | None:
        """Load the policy of the base; None where it can't be used any more."""
        path = find_policy(self.config.rootpath, self.ground.top)
        alike = path is not None and path.name == Path(written.name).name and path.read_bytes() == written.content
        if alike and not self.config.option.rollback_policy:
            return self.own
        try:
            return load_policy(written, None, extra_rows(self.config))
        except PolicyError as error:
            self.notes.append(f"the policy of the trusted base can't be used, so nothing is held against it: {error}")
            return None

    # --- what is lost ---

    def _lost(self, now: TestList, *, complete: bool) -> list[Loss]:
        found = self.found
        if found is None or found.tree is None or found.tree == self.ground.tree:
            return self._of_machines()
        lost: list[Loss] = []
        if complete:
            listed = self._tests_of(found)
            if uncollected := listed.settings.get("uncollected"):
                self.trouble = f"on the base these could not be collected: {uncollected}"
            lost += self._of_tests(found, listed, now)
        if self.before is not None:
            lost += policy_losses(self.before, self.own)
        return [*lost, *self._of_files(found), *self._of_machines()]

    def _tests_of(self, found: BaseFound) -> TestList:
        """List the gate tests of the base: from its verdict where it is on record, else by asking its tree once."""
        tree = found.tree or ""
        for recorded in self.catalogue.verdicts_of(tree):
            if recorded.entry.complete and recorded.entry.root == self.root:
                kept = self.ledger.attachment(recorded.id, TESTS)
                if kept is not None and (tests := read_tests(kept)) is not None:
                    return tests
        return self._survey.collect(tree, found.commit or "")

    def _of_tests(self, found: BaseFound, before: TestList, now: TestList) -> list[Loss]:
        """Say which tests are lost; where it hangs on what some of them do on the base, they are run there."""
        if found.tree is None or self.ground.tree is None or not before.tests:
            return []  # the base had no gate that could be loosened
        sources = sources_between(self._head.top, found.tree, self.ground.tree, self.root)
        doubtful = in_doubt(before, now, sources=sources)
        if doubtful:
            seen = {test.test: test for test in self._survey.run(found.tree, found.commit or "", doubtful).tests}
            tests = (
                structs.replace(test, outcome=seen[test.test].outcome) if test.test in seen else test
                for test in before.tests
            )
            before = structs.replace(before, tests=tuple(tests))
        each = {group.name: group.each_s for group in (self.before or self.own).groups}
        return losses(before, now, sources=sources, each=each)

    def _of_files(self, found: BaseFound) -> list[Loss]:
        if found.tree is None or self.ground.tree is None:
            return []
        patterns = self.protected_patterns()
        return protected_losses(altered(self._head.top, found.tree, self.ground.tree, patterns, self.root))

    def _of_machines(self) -> list[Loss]:
        """Name the commits of machines that nobody has looked at."""
        return machine_losses(self._changes, self.policy.machines) if self.policy.machine_approval else []

    # --- who let it pass ---

    def _approved(self, found: list[Loss]) -> list[Loss]:
        """Fill in who let what pass."""
        if not found:
            return []
        events = self.ledger.read_all([recorded.id for recorded in self.catalogue.approvals()])
        given = [(kept.id, kept.event) for kept in events if isinstance(kept.event, Approval)]
        before = self.before or self.own
        own = {mail for mail in [self._own_mail()] if mail and self._head.uncommitted}
        return approve(
            found,
            given,
            [trailer for change in self._changes for trailer in change.trailers],
            now=now(),
            approvers=before.approvers,
            machines=before.machines,
            authors={*own, *(change.mail for change in self._changes)},
        )

    def _own_mail(self) -> str | None:
        who = identity(self._head.top)
        return who.rpartition("<")[2].rstrip(">") if who else None

    # --- what the matrix is told ---

    def _signals(self, found: list[Loss]) -> Iterator[Signal]:
        open_losses = [loss for loss in found if loss.approved is None]
        for name in dict.fromkeys(SIGNALS.get(loss.kind, EROSION) for loss in open_losses):
            told = [loss for loss in open_losses if SIGNALS.get(loss.kind, EROSION) == name]
            tests = tuple(loss.what for loss in told if loss.kind in SAID)
            yield Signal(name=name, detail=_in_words(told), tests=tests)

    def _drift(self) -> Iterator[Signal]:
        if not self.policy.drift or self.ground.tree is None:
            return
        for found in drifted(self._head.top, self.ground.tree, self.policy.drift, root=self.root):
            yield Signal(name="drift", detail=f"{found.name}: {found.path} {found.what}")

    def _doubts(self) -> Iterator[Signal]:
        if self.unchecked:
            yield Signal(name=UNCHECKED, detail=f"whether the change demands less is unchecked: {self.unchecked}")

    # --- what all of this goes by ---

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of the repository."""
        return Ledger(self._head.top)

    @cached_property
    def catalogue(self) -> Catalogue:
        """What the ledger can be asked."""
        return Catalogue(self.ledger)

    @cached_property
    def _changes(self) -> list[Change]:
        """List the commits between the base and what is judged."""
        found, head = self.found, self._head
        if found is None or found.commit is None or head.commit is None:
            return []
        return changes_between(head.top, found.commit, head.commit)

    @cached_property
    def _survey(self) -> Survey:
        digest = environment_of(self._head.top).digest
        return Survey(self._head, self.root, digest, arguments_of(self.config), self.own.carry)

    @property
    def _head(self) -> Head:
        head = self.ground.head
        if head is None:
            msg = "there is no base outside git"
            raise LedgerError(msg)
        return head


def read_tests(content: bytes) -> TestList | None:
    """Read a list of tests; None for one of a version that says what this one does not know."""
    try:
        tests = msgspec.json.decode(content, type=TestList)
    except msgspec.MsgspecError:
        return None
    return tests if tests.schema <= SCHEMA else None


def _in_words(found: list[Loss]) -> str:
    """Count what is lost: `2 gate tests gone, 1 newly skipped; triggers.golden-path.action is looser`."""
    counted = Counter(loss.kind for loss in found)
    tests = [
        f"{counted[kind]} gate test{'s' * (counted[kind] != 1)} {said}" for kind, said in SAID.items() if counted[kind]
    ]
    others = [OTHERS[loss.kind].format(loss.what) for loss in found if loss.kind in OTHERS]
    more = [f"and {len(others) - TOLD} more"] if len(others) > TOLD else []
    return ", ".join([*tests, *others[:TOLD], *more])
