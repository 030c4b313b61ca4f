"""The gate under pytest-xdist: what the controller sends its workers, and what they tell of their collection.

The controller collects nothing, and what a worker keeps to itself is lost when it dies. So each worker writes down what
it collected before any test runs: into a file where the two share a disk, else onto its first report.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from pytest_rollback.model import Obstacle, Reason
from pytest_rollback.policy.rules import Policy
from pytest_rollback.session.checks.ground import CheckGround
from pytest_rollback.session.selection import Deal
from pytest_rollback.session.shard import Shard
from pytest_rollback.session.sight import Sight
from pytest_rollback.session.yardstick import Yardstick

INPUT = "rollback"
CARRIED = "rollback_manifest"
FOLDER = "pytest-rollback-workers-"
A_DAY = 86400
CHUNKED = ("load", "worksteal")


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker must know: it reads no policy and no cache of its own, so that all workers do the same."""

    yardstick: Yardstick
    ground: CheckGround
    failed_last: list[str]
    folder: str | None
    mode: str
    shard: Shard | None

    @property
    def policy(self) -> Policy:
        """The policy that judges."""
        return self.yardstick.policy

    @property
    def staged(self) -> bool:
        """Whether this judges what a commit would take."""
        return self.yardstick.is_staged


class Node(Protocol):
    """What we use of xdist's `WorkerController`."""

    workerinput: dict[str, Any]
    gateway: Any


def file_of(worker: str) -> str:
    """Name a worker's file; its id comes from the command line and may look like a path."""
    return hashlib.sha256(worker.encode("utf-8", "backslashreplace")).hexdigest()


def _sweep(folder: Path) -> None:
    """Remove what controllers that were killed left behind, once nobody can be using it any more."""
    for path in folder.glob(f"{FOLDER}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > A_DAY:
                shutil.rmtree(path)


def are_used(config: pytest.Config) -> bool:
    """Whether tests run in workers."""
    return getattr(config.option, "dist", "no") != "no" and not config.option.collectonly


class Controller:
    """The controller's side."""

    def __init__(
        self,
        config: pytest.Config,
        yardstick: Yardstick,
        ground: CheckGround,
        sight: Sight,
        failed_last: Iterable[str],
    ) -> None:
        self.config = config
        self.yardstick = yardstick
        self.ground = ground
        self.sight = sight
        self.failed_last = sorted(failed_last)
        _sweep(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=FOLDER))
        self.expected: set[str] = set()
        self.heard: set[str] = set()
        self.running: set[str] = set()
        self.died: list[str] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Node) -> None:
        """Give a worker its orders."""
        self.expected.add(node.gateway.id)
        shares_disk = bool(node.gateway.spec.popen)
        orders = Orders(
            yardstick=self.yardstick,
            ground=self.ground,
            failed_last=self.failed_last,
            folder=str(self.folder) if shares_disk else None,
            mode=self.config.option.dist,
            shard=self.sight.shard,
        )
        node.workerinput[INPUT] = msgspec.msgpack.encode(orders)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Node, ids: Sequence[str]) -> None:
        """Read what a worker collected, before any test runs."""
        self.running.update(ids)
        path = self.folder / file_of(node.gateway.id)
        if path.is_file():
            self._unpack(node.gateway.id, path.read_bytes())

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the manifest off the first report of a worker that shares no disk with us."""
        carried = vars(report).pop(CARRIED, None)
        if carried is not None:
            self._unpack(getattr(report, "worker_id", ""), bytes.fromhex(carried))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Node, error: object | None) -> None:
        """Note a worker that died."""
        if error:
            self.died.append(node.gateway.id)

    def pytest_unconfigure(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unpack(self, worker: str, packed: bytes) -> None:
        self.heard.add(worker)
        self.sight.unpack(packed)
        self.sight.refuse_wrong_markers()
        self.sight.settle(self.running)

    def obstacles(self) -> list[Obstacle]:
        """Say where a collection is not known: what such a worker ran can't be told from what it should have run."""
        unknown = self.running - self.sight.marks.keys()
        if unknown or not self.heard:
            dead = f" ({', '.join(self.died)} died)" if self.died else ""
            detail = f"{len(self.heard)} of {len(self.expected)} workers told what they collected{dead}"
            return [Obstacle(reason=Reason.INTERNAL, detail=detail, tests=tuple(sorted(unknown)))]
        return []

    def notes(self) -> list[str]:
        """Say which workers died on the way; the tests that they were running are counted as crashed."""
        return [f"worker {worker} died" for worker in self.died]


class Worker:
    """A worker's side."""

    def __init__(self, config: pytest.Config, orders: Orders, sight: Sight) -> None:
        self.orders = orders
        self.sight = sight
        self.name: str = config.workerinput["workerid"]  # type: ignore[attr-defined]  # xdist's, and its documented way
        self.carry: str | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self) -> None:
        """Tell what was collected, before xdist tells the controller that the collection is done."""
        packed = self.sight.pack()
        if self.orders.folder is None:
            self.carry = packed.hex()
            return
        path = Path(self.orders.folder, file_of(self.name))
        beside = path.with_suffix(".part")
        beside.write_bytes(packed)
        beside.replace(path)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Any:
        """Let the first report carry the manifest, where no disk is shared."""
        report = yield
        if self.carry is not None:
            vars(report)[CARRIED], self.carry = self.carry, None
        return report


def orders_of(config: pytest.Config) -> Orders | None:
    """Give the orders of this process, where it is a worker of a gate."""
    packed: bytes | None = getattr(config, "workerinput", {}).get(INPUT)
    return None if packed is None else msgspec.msgpack.decode(packed, type=Orders)


def dealer(mode: str, workers: int) -> Deal | None:
    """Deal tests out so that every worker starts with the most critical ones.

    xdist hands out consecutive stretches: the whole list cut in equal parts to be stolen from (`worksteal`), or first a
    quarter of each worker's share (`load`). A sorted list would give all critical tests to one worker. Should xdist cut
    in another way one day, the order is less good and no test is lost.
    """
    if mode not in CHUNKED or workers < 2:  # noqa: PLR2004 (one worker needs no dealing)
        return None

    def deal(items: list[pytest.Item]) -> list[pytest.Item]:
        sizes = stretches(mode, len(items), workers)
        first, rest = iter(items[: sum(sizes)]), items[sum(sizes) :]
        hands: list[list[pytest.Item]] = [[] for _ in sizes]
        while any(len(hand) < size for hand, size in zip(hands, sizes, strict=True)):
            for hand, size in zip(hands, sizes, strict=True):
                if len(hand) < size:
                    hand.append(next(first))
        return [*(item for hand in hands for item in hand), *rest]

    return deal


def stretches(mode: str, tests: int, workers: int) -> list[int]:
    """Say how many tests xdist hands to each worker at first, one worker after the other."""
    if mode == "load":
        return [max(tests // workers // 4, 2)] * workers if tests >= 2 * workers else []
    sizes: list[int] = []
    for place in range(workers):
        sizes.append((tests - sum(sizes)) // (workers - place))
    return sizes
