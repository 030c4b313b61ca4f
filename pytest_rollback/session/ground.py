"""What a session stands on: the repository that keeps its record, and the tree that is judged.

In a plain gate both are one work tree. A staged gate and a survey of the trusted base run in a scratch tree, and are
told by whoever started them which repository it stands for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from pytest_rollback.model import Subject
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.look import Head, look, moved_between, tree_now, tree_of
from pytest_rollback.repo.plumbing import GitError, anchored
from pytest_rollback.repo.seal import changed_since
from pytest_rollback.show import files

VARIABLE = "PYTEST_ROLLBACK_ORDERS"
CONTROLLER = "PYTEST_ROLLBACK_CONTROLLER"  # the process whose workers run in its scratch tree
UNTRACKED = "untracked: "
PR_SET_PDEATHSIG = 1
ORPHAN = 1
GUARD = "_pytest_rollback_guard"

# CI systems check out a commit, not a branch; each says in a variable of its own which branch it stands for.
BRANCH_VARIABLES = (
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_COMMIT_BRANCH",
    "BRANCH_NAME",
    "BUILDKITE_BRANCH",
)


class ScratchOrders(Struct, frozen=True, kw_only=True):
    """What a session in a scratch tree is told. `told` is the file in which it says what came of it."""

    kind: str
    scratch: str
    top: str
    common: str
    own: str
    parent: int
    told: str
    folder: str = ""
    tree: str
    commit: str | None = None
    branch: str | None = None
    default_branch: str | None = None
    uncommitted: bool = False
    shallow: bool = False
    selection: str = ""
    notes: tuple[str, ...] = ()


class Told(Struct, frozen=True):
    """What a session in a scratch tree says came of it: a process can end with 0 for many reasons."""

    status: int


class Ground(Struct, frozen=True, kw_only=True):
    """Where a session stands. Outside git there is no `head`, and then there is no record either."""

    head: Head | None = None
    top: Path | None = None
    extra: dict[str, str] = {}
    tree: str | None = None
    unkeyed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    orders: ScratchOrders | None = None

    @property
    def kind(self) -> str:
        """What this session is for: `gate`, `staged` or `survey`."""
        return self.orders.kind if self.orders is not None else "gate"

    @property
    def is_staged(self) -> bool:
        """Whether this judges what a commit would take."""
        return self.kind == "staged"

    def subject(self, policy: Policy) -> Subject:
        """Describe what is judged, and whether that is live."""
        head = self.head
        if head is None:
            return Subject()
        branch = head.branch or next((os.environ[name] for name in BRANCH_VARIABLES if os.environ.get(name)), None)
        return Subject(
            what="staged" if self.is_staged else "worktree" if head.uncommitted else "commit",
            tree=self.tree,
            commit=head.commit,
            branch=branch,
            live=policy.is_live(branch, head.default_branch) and not head.uncommitted,
            keyed=self.tree is not None and not self.unkeyed,
            uncommitted=head.uncommitted,
            unkeyed=self.unkeyed,
        )

    @property
    def folder(self) -> Path | None:
        """Where the person stands who started this, if not where this session was started."""
        return Path(self.orders.folder) if self.orders is not None and self.orders.folder else None

    def is_within(self, path: Path) -> bool:
        """Whether a file belongs to what is judged, whatever links lead to it."""
        return self.top is None or path.resolve().is_relative_to(self.top.resolve())

    def moved(self) -> list[str] | None:
        """Name what changed under the session since it began; None where nothing did."""
        if self.head is None or self.tree is None:
            return None
        if self.orders is not None:
            return changed_since(Path(self.orders.scratch), Path(self.orders.told).parent) or None
        now = tree_now(self.head, self.extra)
        return None if now == self.tree else moved_between(self.head.top, self.tree, now)

    def strays(self) -> list[str]:
        """Say what came from the user's tree, where all was to come from a scratch tree, in whatever process."""
        if self.orders is None:
            return []
        guard = sys.modules.get(GUARD)
        if guard is None or not guard.active:
            return ["nothing guards this session's imports", *self.caught("failed")]
        own = (f"{name} was loaded from the work tree: {place}" for name, place in guard.strays())
        return list(dict.fromkeys((*own, *self.caught("strays"), *self.caught("failed"))))

    def caught(self, kind: str) -> list[str]:
        """Read what the guards of this session's processes have written down."""
        if self.orders is None:
            return []
        try:
            lines = (Path(self.orders.told).parent / kind).read_bytes().splitlines()
            return list(dict.fromkeys(str(msgspec.json.decode(line)["says"]) for line in lines))
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError, KeyError, TypeError) as error:
            return [f"what a guard wrote down can't be read: {error}"]

    def tell(self, answer: Struct) -> None:
        """Tell whoever started a session in a scratch tree what came of it, whole or not at all."""
        if self.orders is not None:
            told = Path(self.orders.told)
            beside = told.with_suffix(".part")
            beside.write_bytes(msgspec.json.encode(answer))
            beside.replace(told)


def stand(config: pytest.Config, taken: Mapping[str, str]) -> Ground:
    """Find out where this session stands."""
    orders = take_orders(config.invocation_params.dir)
    if orders is not None:
        return _in_scratch(orders)
    extra = anchored(taken, config.invocation_params.dir)
    try:
        head = look(config.rootpath, extra)
    except GitError as error:
        return Ground(notes=(f"git could not be asked ({error}), so this counts as no live branch",))
    if head is None:
        return Ground()
    try:
        tree = tree_of(head, extra)
    except GitError as error:
        note = f"what is judged could not be written down as a tree ({error}), so no commit will find this verdict"
        return Ground(head=head, top=head.top, extra=extra, unkeyed=("the tree",), notes=(note,))
    unkeyed = tuple(odd for odd in head.unkeyed if not files.is_report(head.top / odd.removeprefix(UNTRACKED)))
    return Ground(head=head, top=head.top, extra=extra, tree=tree, unkeyed=unkeyed)


def take_orders(folder: Path) -> ScratchOrders | None:
    """Read the orders of a session that runs in a scratch tree, and keep them from the tests.

    A test may start a pytest of its own somewhere else, which then has inherited what was not meant for it.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    try:
        orders = msgspec.json.decode(Path(path).read_bytes(), type=ScratchOrders)
    except (OSError, msgspec.MsgspecError):
        return None
    if not folder.resolve().is_relative_to(Path(orders.scratch).resolve()):
        return None
    del os.environ[VARIABLE]
    os.environ[CONTROLLER] = str(os.getpid())
    _end_with(orders.parent)
    return orders


def _in_scratch(orders: ScratchOrders) -> Ground:
    head = Head(
        top=Path(orders.top),
        common=Path(orders.common),
        own=Path(orders.own),
        commit=orders.commit,
        branch=orders.branch,
        default_branch=orders.default_branch,
        uncommitted=orders.uncommitted,
        shallow=orders.shallow,
    )
    return Ground(head=head, top=Path(orders.scratch), tree=orders.tree, notes=orders.notes, orders=orders)


def _end_with(parent: int) -> None:
    """End this session when whoever started it is killed: nobody would hear its verdict."""
    try:
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent and os.getppid() == ORPHAN:  # not a wrapper around this interpreter
            os.kill(os.getpid(), signal.SIGTERM)
    except (ImportError, OSError, AttributeError):
        return  # elsewhere than on Linux it goes on to its end, and tells the record
