"""The numbers of a whole session: what tests measured, what other tools did, how they go on from verdict to verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

import pytest

from pytest_rollback.judge.compare import ends_of
from pytest_rollback.judge.tally import FAILING
from pytest_rollback.model import CHECKS, Measurement, Obstacle, Reason, Signal, Status, TestResult
from pytest_rollback.session.demands import Demands
from pytest_rollback.session.sight import Sight
from pytest_rollback.session.surroundings import is_ci
from pytest_rollback.session.workers import are_used
from pytest_rollback.session.yardstick import YARDSTICK

BROKEN, TREND, UNRECORDED = "imports-broken", "trend", "improvement-unrecorded"
TOLD = 3


class Numbers:
    """What was measured in a session."""

    def __init__(self, config: pytest.Config, sight: Sight, demands: Demands) -> None:
        self.config = config
        self.sight = sight
        self.demands = demands
        self.yardstick = config.stash[YARDSTICK]
        self.policy = self.yardstick.policy

    @cached_property
    def measured(self) -> list[Measurement]:
        """List what was measured, each name once; of one that two tests measured nobody knows which counts."""
        return [number for number in self._all if self._times[number.name] == 1]

    @cached_property
    def _all(self) -> list[Measurement]:
        """List the numbers of gate tests; what others measure, where all tests are run, fails those tests alone."""
        taken = []
        if self.config.pluginmanager.hasplugin("benchmark"):
            from pytest_rollback.session.fixtures.benchmarks import taken_over

            taken = taken_over(self.config, self.yardstick)
        return [number for number in (*self.sight.measurements(), *taken) if self.sight.marks.get(number.test)]

    @cached_property
    def _times(self) -> Counter[str]:
        return Counter(number.name for number in self._all)

    def obstacles(self) -> Iterator[Obstacle]:
        """Name what was measured by two tests: in two processes, neither hears of the other."""
        for name, times in self._times.items():
            if times > 1:
                tests = tuple(sorted({number.test for number in self._all if number.name == name and number.test}))
                detail = f"{name} was measured {times} times; a metric is measured once"
                yield Obstacle(reason=Reason.INVALID, detail=detail, tests=tests)
        for test, numbers in self.sight.measured.items():
            detail = f"{', '.join(sorted(numbers))}: measured after the test that did so had ended"
            yield Obstacle(reason=Reason.INVALID, detail=detail, tests=(test,))

    def signals(self, results: Sequence[TestResult]) -> Iterator[Signal]:
        """Tell the matrix what the numbers say beside themselves, and what the checks found."""
        broken = [result for result in results if result.outcome in FAILING and self._is_of_imports(result.test)]
        for result in broken:
            yield Signal(name=BROKEN, detail=result.message or "imports are broken", tests=(result.test,))
        for detail in self._attempted_slips():
            yield Signal(name=TREND, detail=detail)
        if is_ci():
            better = [number.name for number in self.measured if self._is_unrecorded(number)]
            if better:
                detail = f"better than accepted: {', '.join(better)}"
                yield Signal(name=UNRECORDED, detail=detail)

    def notes(self) -> Iterator[str]:
        """Say which tests measure and are not run, where something was not measured."""
        if self.config.pluginmanager.hasplugin("benchmark"):
            from pytest_rollback.session.fixtures.benchmarks import left_behind

            yield from filter(None, [left_behind(self.config, self.yardstick)])
            if self.sight.benchmarked and are_used(self.config):
                tests = ", ".join(sorted(self.sight.benchmarked)[:TOLD])
                yield f"pytest-benchmark times nothing in workers, so these were run and not timed: {tests}"
        unmarked = self.sight.unmarked
        seen = {number.name for number in self._all} | {number.metric for number in self._all}
        missing = [name for name, rules in self.policy.metrics.items() if rules.required and name not in seen]
        if unmarked and missing:
            more = f" and {len(unmarked) - TOLD} more" if len(unmarked) > TOLD else ""
            yield f"these measure and bear no gate marker, so they were not run: {', '.join(unmarked[:TOLD])}{more}"

    def _is_of_imports(self, test: str) -> bool:
        return any(check.kind == "imports" and test == f"{CHECKS}{check.name}" for check in self.policy.checks)

    def _is_unrecorded(self, number: Measurement) -> bool:
        """Whether a number is better than its baseline wherever the truth lies, and the policy wants that accepted."""
        rules = self.policy.metric(number.name, number.metric)
        if rules is None or not rules.ratchet or number.baseline is None or number.doubt is not None:
            return False
        sign = 1.0 if rules.better == "higher" else -1.0
        values = [end.value for end in ends_of(number)] or [number.value]
        return all((value - number.baseline) * sign > rules.tolerance for value in values)

    def _attempted_slips(self) -> list[str]:
        judged = [(number, *self.yardstick.judge(number)) for number in self.measured]
        held = [(number, seen) for number, seen, _ in judged if seen.status is Status.HELD]
        if not held:
            return []
        from pytest_rollback.session.history import slips

        return slips(self.demands, held, self.policy)
