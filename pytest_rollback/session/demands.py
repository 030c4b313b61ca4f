"""What is demanded of a change: by its own policy, and by the trusted base, whose demands it may not loosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar

import pytest
from msgspec import structs

from pytest_rollback.events import UNCHECKED_SAID, Approval, TestList
from pytest_rollback.judge.approvals import approve, name_and_mail
from pytest_rollback.judge.erosion import in_doubt, losses, policy_losses, protected_losses
from pytest_rollback.model import CHECKS, Base, Loss, LossKind, Obstacle, Reason, Signal
from pytest_rollback.policy.by_kind import newly_listed, written_out
from pytest_rollback.policy.load import find_policy, load_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Policy
from pytest_rollback.policy.stricter import strictest
from pytest_rollback.repo.base import Change, changes_between, machine_losses
from pytest_rollback.repo.blobs import sources_between
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.identity import identity
from pytest_rollback.repo.ledger import Ledger, LedgerError
from pytest_rollback.repo.look import Head
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.protected import altered, drifted
from pytest_rollback.repo.wording import now
from pytest_rollback.session.bar import Bar
from pytest_rollback.session.basis import UNCOLLECTED, Basis, together, write_rows
from pytest_rollback.session.checks.ground import CheckGround
from pytest_rollback.session.evidence import extra_rows
from pytest_rollback.session.ground import Ground
from pytest_rollback.session.machine import machine_key
from pytest_rollback.session.observe import plain
from pytest_rollback.session.surroundings import environment_of
from pytest_rollback.session.survey import Survey, SurveyError, arguments_of
from pytest_rollback.session.trusted import Trusted, below, find_trusted
from pytest_rollback.session.yardstick import Yardstick

Anything = TypeVar("Anything")
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
    LossKind.BASELINE: "the baseline of {} is gone, or accepts worse",
    LossKind.MACHINE: "a machine's commit that no person approved: {}",
}
TOLD = 3


def load_own(config: pytest.Config, ground: Ground, extra: dict[str, Any]) -> tuple[Policy, Policy]:
    """Load the project's policy as it stands in what is judged: as written, and with the rows of other plugins."""
    tighter = config.option.rollback_policy
    if tighter is not None and not tighter.strip():
        msg = "--gate-policy is empty; name a policy file, or leave the option out"
        raise pytest.UsageError(msg)
    path = find_policy(config.rootpath, ground.top)
    over = config.invocation_params.dir / tighter if tighter else None
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
        self.added = extra_rows(config)
        self.project, self.own = load_own(config, ground, self.added)
        self.environment = environment_of(ground.head.top if ground.head else None)
        self.policy = self.own
        self.root = below(ground.top, config.rootpath)
        self.notes: list[str] = []
        self.bar = Bar(config.rootpath, self.root, ground)
        self.compared = self.own  # with what it newly lists written out, to be held against the base's
        self.basis: Basis | None = None
        self.before: Policy | None = None
        self.troubles: list[str] = []
        self.unreadable = ""
        if ground.head is not None and ground.kind != "survey":
            self._attempt(self._take_base)
            self.ground = structs.replace(ground, unkeyed=(*ground.unkeyed, *(self._attempt(self.bar.loose) or ())))

    @property
    def base(self) -> Base | None:
        """The trusted base, as the report tells of it."""
        if self.basis is None:
            return Base(commit=None, how=f"{UNCHECKED_SAID}{self.unchecked}") if self.unchecked else None
        found = self.basis.found
        how = f"{UNCHECKED_SAID}{self.unchecked}" if self.unchecked else found.how
        return Base(commit=found.commit, how=how, tree=found.tree)

    @property
    def unchecked(self) -> str:
        """Why it is not known whether the change loosens anything; empty where it is."""
        known = [self.basis.trouble, self.basis.found.unchecked or ""] if self.basis else []
        return "; ".join(dict.fromkeys(filter(None, [*self.troubles, *known])))

    def weigh(self, now: TestList, *, complete: bool) -> tuple[list[Loss], list[Signal]]:
        """Say what the change takes away from what the base demands, and tell the matrix of it."""
        if self.ground.head is None or self.ground.kind == "survey":
            return [], []
        lost: list[Loss] = []
        for look in (self._of_policy, self._of_files, self._of_machines, self._of_baselines):
            lost += self._attempt(look) or []
        if complete:
            lost += self._attempt(lambda: self._of_tests(now)) or []
        found = self._attempt(lambda: self._approved(lost)) or lost
        return found, [*self._signals(found), *self._drift(), *self._doubts()]

    def close(self) -> None:
        """Let go of the catalogue: left to the collector, it would be a warning, and to some projects an error."""
        opened: Catalogue | None = vars(self).get("catalogue")  # asking for it would open one
        if opened is not None:
            opened.close()

    def obstacles(self) -> list[Obstacle]:
        """Say what forbids a pass: of a record that can't be read nobody knows what it would have demanded."""
        detail = f"the record can't be read: {plain(self.unreadable)}"
        return [Obstacle(reason=Reason.UNREADABLE, detail=detail)] if self.unreadable else []

    def rows(self) -> str:
        """Write down the rows that other plugins added, for those who come after."""
        return write_rows(self.added)

    def _attempt(self, look: Callable[[], Anything]) -> Anything | None:
        """Look at one thing; what can't be seen is said, and keeps nobody from looking at the next."""
        try:
            return look()
        except LedgerError as error:
            self.unreadable = self.unreadable or str(error)
        except (GitError, SurveyError) as error:
            self.troubles.append(str(error))
        return None

    # --- the base ---

    def _take_base(self) -> None:
        """Find the base, and let the stricter of both policies judge; what is trusted and live, the base says."""
        head, catalogue = self._head, self.catalogue
        if catalogue is not None and catalogue.first() is None:
            self.notes.append(FIRST)
        trusted = find_trusted(head, catalogue, self.root, clean=not head.uncommitted)
        self.basis = basis = Basis(trusted, head, self.ledger, catalogue, self._survey(trusted), self.root)
        self.before = before = basis.policy(self.added)
        if before is None:
            return
        if newly_listed(before, self.own):
            before, self.compared = written_out(before, self.own, basis.kinds)
            self.before = before
        passed = [loss.what for loss in self._approved(policy_losses(before, self.compared)) if loss.approved]
        policy = strictest(before, self.compared, but=passed)
        self.policy = structs.replace(policy, mode=before.mode, live=before.live, trusted=before.trusted)

    def yardstick(self, accepting: str = "") -> Yardstick:
        """Lay out what this session's numbers are held against: of both shelves the higher bar."""
        lost = self._attempt(lambda: self._approved(self._of_baselines())) or []
        but = [loss.what for loss in lost if loss.approved]
        shelf = self.bar.on_disk
        if self.basis is not None and self.before is not None and not self._is_base():
            shelf = self.bar.over(self.basis.shelf, self.before, but)
        return Yardstick(
            policy=self.policy,
            shelf=shelf,
            machine=machine_key(),
            is_gate=True,
            is_staged=self.ground.is_staged,
            accepting=accepting,
        )

    def ground_of_checks(self) -> CheckGround:
        """Say what the checks of this session stand on."""
        head, ground = self.ground.head, self.ground
        is_asked = ground.kind == "survey" and not self.config.option.collectonly  # about some tests alone
        if not self.policy.checks or head is None or is_asked:
            return CheckGround(is_staged=ground.is_staged, is_off=is_asked)
        altered = None
        asks = any(check.kind == "protected" for check in self.policy.checks)  # before the verdict does
        if asks and self.basis is not None and self.basis.found.tree is not None:
            found = self._attempt(lambda: self._approved(self._of_files()))
            altered = None if found is None else tuple(loss.what for loss in found if loss.approved is None)
        return CheckGround(
            top=str(ground.top),
            tree=ground.tree,
            home=str(head.common / "pytest-rollback"),
            folder=self.folder,
            altered=altered,
            is_staged=ground.is_staged,
        )

    # --- what is lost ---

    def _of_policy(self) -> list[Loss]:
        """Say which keys of the policy demand less, and which policies are gone altogether."""
        basis, tree = self.basis, self.ground.tree
        if basis is None or self._is_base():
            return []
        gone = [
            Loss(name=f"policy:{path}", kind=LossKind.POLICY, what=path, was="a policy", now="gone")
            for path in (basis.lost_policies(tree) if tree else [])
        ]
        return [*gone, *(policy_losses(self.before, self.compared) if self.before is not None else [])]

    def _of_baselines(self) -> list[Loss]:
        """Say which accepted baselines are gone, or accept worse."""
        if self.basis is None or self.before is None or self._is_base():
            return []
        return self.bar.lost(self.basis.shelf, self.before)

    def _of_tests(self, now: TestList) -> list[Loss]:
        """Say which tests are lost; where it hangs on what some of them do on the base, they are run there."""
        basis, tree = self.basis, self.ground.tree
        if basis is None or basis.found.tree is None or tree is None or self._is_base():
            return []
        before = basis.tests
        if uncollected := before.settings.get(UNCOLLECTED):
            self.troubles.append(f"on the base these could not be collected: {uncollected}")
        if not before.tests:
            return []  # the base had no gate that could be loosened
        sources = sources_between(self._head.top, basis.found.tree, tree, self.root)
        doubtful = [test for test in in_doubt(before, now, sources=sources) if not test.startswith(CHECKS)]
        if doubtful:
            ran = basis.survey.run(basis.found.tree, basis.found.commit or "", doubtful)
            before = _with_outcomes(before, ran)
        each = {group.name: group.each_s for group in (self.before or self.own).groups}
        found = losses(before, now, sources=sources, each=each)
        return [*_moved_root(before, now), *(loss for loss in found if not _is_of_policy(loss))]

    def _of_files(self) -> list[Loss]:
        """Say which protected files are altered. Patterns begin where their policy stands, wherever pytest starts."""
        basis, tree = self.basis, self.ground.tree
        if basis is None or basis.found.tree is None or tree is None or self._is_base():
            return []
        top, base = self._head.top, basis.found.tree
        found = altered(top, base, tree, self.policy.protected, self.folder)
        if self.before is not None:
            found += altered(top, base, tree, self.before.protected, basis.folder)
        return protected_losses(dict.fromkeys(found))

    @property
    def folder(self) -> str:
        """Where the project's own policy stands, seen from the repository's top."""
        path = find_policy(self.config.rootpath, self.ground.top)
        return self.root if path is None else below(self.ground.top, path.parent)

    def _is_base(self) -> bool:
        """Whether what is judged is the base itself, which can't have lost anything."""
        return self.basis is not None and self.basis.found.tree == self.ground.tree

    def _of_machines(self) -> list[Loss]:
        """Name the commits of machines that nobody has looked at."""
        return machine_losses(self._changes, self.policy.machines) if self.policy.machine_approval else []

    # --- who let it pass ---

    def _approved(self, found: list[Loss]) -> list[Loss]:
        """Fill in who let what pass."""
        if not found:
            return []
        known = self.catalogue.approvals() if self.catalogue is not None else []
        events = self.ledger.read_all([recorded.id for recorded in known])
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
            authors={*own, *(mail for change in self._changes for mail in _mails(change))},
        )

    def _own_mail(self) -> str | None:
        who = identity(self._head.top)
        return name_and_mail(who)[1] if who else None

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
        for found in drifted(self._head.top, self.ground.tree, self.policy.drift, root=self.folder):
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
    def catalogue(self) -> Catalogue | None:
        """What the ledger can be asked; none where it can't be read, which forbids a pass."""
        return self._attempt(lambda: Catalogue(self.ledger))

    @cached_property
    def _changes(self) -> list[Change]:
        """List the commits between the base and what is judged."""
        found, head = self.basis.found if self.basis else None, self._head
        if found is None or found.commit is None or head.commit is None:
            return []
        return changes_between(head.top, found.commit, head.commit)

    def _survey(self, trusted: Trusted) -> Survey:
        carried = self.own.carry
        if trusted.written is not None:
            with suppress(PolicyError):
                carried = together(carried, load_policy(trusted.written).carry)
        return Survey(self._head, self.root, self.environment.digest, arguments_of(self.config), carried)

    @property
    def _head(self) -> Head:
        head = self.ground.head
        if head is None:
            msg = "there is no base outside git"
            raise LedgerError(msg)
        return head


def _is_of_policy(loss: Loss) -> bool:
    """Whether it is a check that is gone or stands in another group, of which the policy's own loss tells."""
    return loss.what.startswith(CHECKS) and loss.kind in (LossKind.GONE, LossKind.UNMARKED)


def _mails(change: Change) -> list[str]:
    """List the mails of all who wrote a commit."""
    return [change.mail, *(name_and_mail(person)[1] for person in change.co_authors)]


def _with_outcomes(before: TestList, ran: TestList) -> TestList:
    """Put what some tests did on the base into its list."""
    seen = {test.test: test.outcome for test in ran.tests}
    tests = (structs.replace(test, outcome=seen.get(test.test, test.outcome)) for test in before.tests)
    return structs.replace(before, tests=tuple(tests))


def _moved_root(before: TestList, now: TestList) -> list[Loss]:
    """Say where pytest takes another folder for the project's root: another policy and another suite count there."""
    if before.root == now.root:
        return []
    return [Loss(name="setting:root", kind=LossKind.SETTING, what="root", was=before.root, now=now.root)]


def _in_words(found: list[Loss]) -> str:
    """Count what is lost: `2 gate tests gone, 1 newly skipped; triggers.golden-path.action is looser`."""
    counted = Counter(loss.kind for loss in found)
    tests = [
        f"{counted[kind]} gate test{'s' * (counted[kind] != 1)} {said}" for kind, said in SAID.items() if counted[kind]
    ]
    others = [OTHERS[loss.kind].format(loss.what) for loss in found if loss.kind in OTHERS]
    more = [f"and {len(others) - TOLD} more"] if len(others) > TOLD else []
    return ", ".join([*tests, *others[:TOLD], *more])
