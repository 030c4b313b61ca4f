"""Opens the gate: reads and checks all that it needs, before any test is collected."""

from __future__ import annotations

import os

import pytest

from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.plumbing import strip
from pytest_rollback.session.acceptance import asked_to_accept
from pytest_rollback.session.demands import Demands
from pytest_rollback.session.gate import Gate
from pytest_rollback.session.ground import stand
from pytest_rollback.session.hearing import Hearing
from pytest_rollback.session.limits import Limits, has_timeouts, timeout_of_session
from pytest_rollback.session.measures import MEASURED
from pytest_rollback.session.narrow import own_options_in
from pytest_rollback.session.outlets import Outlets
from pytest_rollback.session.remember import failed_last_time
from pytest_rollback.session.selection import Selection
from pytest_rollback.session.shard import Shard, read_shard
from pytest_rollback.session.sight import Sight
from pytest_rollback.session.workers import Controller, Orders, Worker, are_used, dealer, orders_of
from pytest_rollback.session.yardstick import YARDSTICK, Yardstick

SELECTION_NAME = "rollback-selection"


def open_gate(config: pytest.Config) -> Gate | None:
    """Make the gate, or say all that is wrong with what it was given. A worker gets its part, and no gate."""
    orders = orders_of(config)
    if orders is not None:
        open_worker(config, orders)
        return None
    taken = strip(os.environ)
    try:
        return _open(config, taken)
    except BaseException as error:
        os.environ.update(taken)
        if isinstance(error, PolicyError):
            raise pytest.UsageError(*(str(problem) for problem in error.problems)) from None
        raise


def open_worker(config: pytest.Config, orders: Orders) -> None:
    """Let a worker run the gate tests; judging is the controller's."""
    config.option.continue_on_collection_errors = True
    _know_markers(config, orders.policy)
    sight = _sight(config, orders.policy, orders.shard, staged=orders.staged)
    _lay_out(config, orders.yardstick, sight)
    deal = dealer(orders.mode, int(config.workerinput["workercount"]))  # type: ignore[attr-defined]
    config.pluginmanager.register(
        Selection(orders.policy, sight, orders.failed_last, orders.ground, is_alone=False, deal=deal), SELECTION_NAME
    )
    config.pluginmanager.register(Hearing(sight), "rollback-hearing")
    config.pluginmanager.register(Worker(config, orders, sight), "rollback-worker")


def _open(config: pytest.Config, taken: dict[str, str]) -> Gate:
    if getattr(config.option, "dist", "no") == "each":
        msg = "the safety gate judges one environment at a time; run it once for each in place of --dist each"
        raise pytest.UsageError(msg)
    if misplaced := own_options_in(config):
        msg = f"{', '.join(misplaced)} in addopts would mute every gate; give it on the command line"
        raise pytest.UsageError(msg)
    ground = stand(config, taken)
    outlets = Outlets(config, config.option.rollback_reports, ground.folder)
    demands = Demands(config, ground)
    ground = demands.ground
    policy = demands.policy
    config.option.continue_on_collection_errors = True
    config.option.loadscopereorder = False  # xdist would start with the largest file, not with the most critical one
    _know_markers(config, policy)
    sight = _sight(config, policy, read_shard(config.option.rollback_shard), staged=ground.is_staged)
    failed_last = failed_last_time(config)
    yardstick = demands.yardstick(asked_to_accept(config, ground))
    _lay_out(config, yardstick, sight)
    checks = demands.ground_of_checks()
    controller = None
    if are_used(config):
        controller = Controller(config, yardstick, checks, sight, failed_last)
        config.pluginmanager.register(controller, "rollback-controller")
    else:
        config.pluginmanager.register(Selection(policy, sight, failed_last, checks), SELECTION_NAME)
    config.pluginmanager.register(Hearing(sight), "rollback-hearing")
    return Gate(config, ground, demands, outlets, sight, taken=taken, controller=controller)


def _lay_out(config: pytest.Config, yardstick: Yardstick, sight: Sight) -> None:
    """Let the fixtures of this process find what numbers are held against, and the session what they measure."""
    config.stash[YARDSTICK] = yardstick
    config.stash[MEASURED] = sight.measured


def _know_markers(config: pytest.Config, policy: Policy) -> None:
    for group in policy.groups:
        config.addinivalue_line("markers", f"{group.name}(*labels): a group of the safety gate")


def _sight(config: pytest.Config, policy: Policy, shard: Shard | None, *, staged: bool) -> Sight:
    enforced, of_session = has_timeouts(config), timeout_of_session(config)
    limits = Limits(policy, enforced=enforced, of_session=of_session, stops_at_block=staged)
    for_ci = {group.name for group in policy.groups if staged and group.at == "ci"}
    return Sight(limits, whole_suite=bool(config.option.rollback_all), shard=shard, for_ci=for_ci)
