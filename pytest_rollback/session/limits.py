"""Carries the time limits of groups and tests, and stops a group that failed fast or ran out of time.

pytest-timeout ends a test that runs too long. Between tests the group's own clock is read, so that a group keeps
its limit even where pytest-timeout is turned off.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

import msgspec
import pytest
from _pytest.mark.structures import Mark as PytestMark

from pytest_rollback.judge.match import blocks_alone
from pytest_rollback.model import Outcome, Signal, TestResult
from pytest_rollback.policy.criteria import duration
from pytest_rollback.policy.rules import Group, Policy
from pytest_rollback.session.select import Marks

SHORTEST = 0.1  # so that a test which still gets its turn has one


class Limits:
    """The clocks of one session's groups."""

    def __init__(
        self, policy: Policy, *, enforced: bool, of_session: float | None = None, stops_at_block: bool = False
    ) -> None:
        self.policy = policy
        self.stops_at_block = stops_at_block
        self.blocked: Group | None = None
        self.groups = {group.name: group for group in policy.groups}
        self.has_each = any(group.each_s is not None for group in policy.groups)
        self.enforced = enforced
        self.of_session = of_session or math.inf
        self.clocks: dict[tuple[str, str], float] = {}
        self.stopped: dict[str, str] = {}
        self.on_the_rest: tuple[str, list[Group]] = ("", [])
        self.own: set[str] = set()

    def limit_each(self, item: pytest.Item, marks: Marks) -> None:
        """Give a test the limit of its groups, where it has none of its own."""
        if not self.has_each:
            return
        own = item.get_closest_marker("timeout")
        if own is not None:
            self.own.add(item.nodeid)
            return
        limits = [group.each_s for group in self._groups(marks) if group.each_s is not None]
        if limits and self.enforced and min(limits) < self.of_session:
            item.add_marker(pytest.mark.timeout(min(limits)))

    def limit_rest(self, item: pytest.Item, marks: Marks) -> None:
        """Give a test no more than what is left of its groups' time."""
        rests = [group.whole_s - self.spent(group) for group in self._groups(marks) if group.whole_s is not None]
        if not rests or not self.enforced or self.why_withheld(marks):
            return  # a timer on a test that is withheld would go off in the middle of pytest's own work
        rest = max(min(rests), SHORTEST)
        own = item.get_closest_marker("timeout")
        if (self.of_session if own is None else seconds_of(own)) > rest:
            item.add_marker(pytest.mark.timeout(rest, **_how(own)), append=False)
            self.on_the_rest = item.nodeid, [group for group in self._groups(marks) if group.whole_s is not None]

    def are_on(self, marks: Iterable[Marks]) -> bool:
        """Whether any of some tests has a clock to keep: most suites have none, and then nobody looks at one."""
        if self.stops_at_block:
            return True
        timed = {name for name, group in self.groups.items() if group.whole_s is not None or group.fail_fast}
        return any(mark.group in timed for own in marks for mark in own)

    def why_withheld(self, marks: Marks) -> str | None:
        """Say why a test is not to run: every group that it belongs to was stopped."""
        reasons = [self.stopped.get(mark.group) or self._behind_a_block(mark.group) for mark in marks]
        if not reasons or not all(reasons):
            return None
        return "; ".join(dict.fromkeys(reason for reason in reasons if reason))

    def account(self, result: TestResult, worker: str, *, failing: bool) -> None:
        """Add what a test took to its groups' clocks, and stop those that are done with.

        Workers run side by side, so each has a clock of its own, and a group's time is that of its slowest worker.
        """
        if result.outcome is Outcome.WITHHELD:
            return
        if failing and self.stops_at_block and blocks_alone(result, self.policy):
            first = min(self._groups(result.marks), key=lambda group: group.order)
            if self.blocked is None or first.order < self.blocked.order:
                self.blocked = first
        test, ending = self.on_the_rest
        if result.outcome is Outcome.TIMED_OUT and result.test == test:
            # It had all that was left. What its phases report adds up to a little less than that.
            for group in ending:
                self.clocks[worker, group.name] = group.whole_s or 0.0
        for group in self._groups(result.marks):
            clock = (worker, group.name)
            self.clocks[clock] = self.clocks.get(clock, 0.0) + result.duration_s
            if self._is_used_up(group):
                self.stopped.setdefault(group.name, f"{group.name} used up its {duration(group.whole_s or 0.0)}")
            if group.fail_fast and failing:
                self.stopped.setdefault(group.name, f"{group.name} stops at its first failure")

    def _behind_a_block(self, name: str) -> str | None:
        """Say why a group is not run any more: the verdict stands, and whoever waits for it need not wait for more."""
        if self.blocked is None or self.groups[name].order <= self.blocked.order:
            return None
        return f"{self.blocked.name} blocked already"

    def spent(self, group: Group) -> float:
        """Give the time that a group has taken."""
        return max((time for (_, name), time in self.clocks.items() if name == group.name), default=0.0)

    def _is_used_up(self, group: Group) -> bool:
        return group.whole_s is not None and self.spent(group) >= group.whole_s

    def judge_time(self, result: TestResult) -> TestResult:
        """Hold a test's measured time against its groups' limit, where nothing could end it in time."""
        if self.enforced or not self.has_each:
            return result
        limits = [group.each_s for group in self._groups(result.marks) if group.each_s is not None]
        if not limits or result.test in self.own or result.duration_s <= min(limits):
            return result
        message = f"took {duration(round(result.duration_s, 3))}, limit {duration(min(limits))}"
        return msgspec.structs.replace(result, outcome=Outcome.TIMED_OUT, message=message)

    def signals(self) -> list[Signal]:
        """Say which groups ran out of time."""
        return [
            Signal(name="timed-out", detail=f"{group.name} used up its {duration(group.whole_s or 0.0)}")
            for group in self.groups.values()
            if self._is_used_up(group)
        ]

    def _groups(self, marks: Marks) -> list[Group]:
        return [self.groups[mark.group] for mark in marks]


def has_timeouts(config: pytest.Config) -> bool:
    """Whether pytest-timeout is there to end tests."""
    return config.pluginmanager.hasplugin("timeout") or config.pluginmanager.hasplugin("pytest_timeout")


def timeout_of_session(config: pytest.Config) -> float | None:
    """Give pytest-timeout's own limit for every test, which no group's may raise."""
    if not has_timeouts(config):
        return None
    written = config.getoption("timeout", None) or os.environ.get("PYTEST_TIMEOUT") or config.getini("timeout")
    try:
        return float(written) or None
    except (TypeError, ValueError):
        return None


def seconds_of(own: PytestMark) -> float:
    """Read a test's own time limit; one that can't be read is pytest-timeout's to complain about."""
    written = own.args[0] if own.args else own.kwargs.get("timeout")
    try:
        seconds = float(written)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0.0
    return seconds if seconds > 0 else math.inf


def _how(own: PytestMark | None) -> dict[str, object]:
    """Keep how a test wants to be ended, where only its time changes."""
    if own is None:
        return {}
    how = {name: value for name, value in own.kwargs.items() if name != "timeout"}
    if len(own.args) > 1:
        how["method"] = own.args[1]
    return how
