"""What the numbers of a session are held against while its tests run: the policy, and the accepted baselines.

In a gate whoever opened it lays it out, the demands of the trusted base included. In a plain run the first fixture
that asks makes one of what lies in the work tree.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct, structs

from pytest_rollback.judge.match import match
from pytest_rollback.model import Evidence, Finding, Judged, Measurement, Status, Subject
from pytest_rollback.policy.baselines import FOLDER, Baseline, Shelf, file_of
from pytest_rollback.policy.criteria import convert
from pytest_rollback.policy.load import find_policy, load_policy
from pytest_rollback.policy.problems import PolicyError, nearest
from pytest_rollback.policy.rules import Metric, Policy
from pytest_rollback.policy.shelf import take_shelf
from pytest_rollback.session.machine import machine_key

CI = "ci"


class UnknownMetricError(LookupError):
    """A number was measured that the policy, which lists its metrics, does not know."""


class Yardstick(Struct, frozen=True, kw_only=True):
    """What numbers are held against."""

    policy: Policy
    shelf: Shelf
    machine: str
    is_gate: bool = False
    is_staged: bool = False
    accepting: str = ""  # new, better or all, where this session may accept what it measures

    def rules(self, name: str, kind: str) -> Metric:
        """Give the rules of a metric. Where the policy lists metrics, any other name is a mistake."""
        known = self.policy.metrics
        rules = self.policy.metric(name, kind)
        if rules is None or (self.policy.names_metrics and not self._is_listed(name, kind)):
            msg = f'the policy ({self.policy.source}) knows no metric "{name}"{nearest(name, known)}'
            raise UnknownMetricError(msg)
        return rules

    def _is_listed(self, name: str, kind: str) -> bool:
        """Whether the policy knows a name, or whoever measures made it of one that it knows."""
        known = self.policy.metrics
        made = (kind == "leak" and name.removesuffix("-leak") in known) or (kind == "import" and "-" in name)
        return name in known or made or any(check.name == name for check in self.policy.checks)

    def environment(self, rules: Metric) -> str | None:
        """Name the machine that a metric's baseline must be of; none where it holds everywhere."""
        return self.machine if rules.per_environment else None

    def is_left_to_ci(self, rules: Metric) -> bool:
        """Whether a metric is kept out of this session."""
        return self.is_staged and rules.at == CI

    def baseline(self, name: str, rules: Metric) -> Baseline | None:
        """Find what was accepted for a metric here."""
        return self.shelf.get(name, self.environment(rules))

    def trouble(self, name: str, rules: Metric) -> str:
        """Say why the baseline of a metric can't be used; empty where there is nothing wrong, or no baseline."""
        environment = self.environment(rules)
        trouble = self.shelf.trouble(name, environment)
        return f"{FOLDER}/{file_of(name, environment)} {trouble}" if trouble else ""

    def expected(self) -> tuple[str, ...]:
        """Name the metrics that have a baseline here, and so must be measured again: one that is not is forgotten."""
        known = [each for each in self.shelf.baselines.values() if each.environment in (None, self.machine)]
        return tuple(dict.fromkeys(each.name for each in known if not self._is_left(each)))

    def _is_left(self, baseline: Baseline) -> bool:
        rules = self.policy.metric(baseline.name, baseline.metric)
        per_environment = baseline.environment is not None
        return rules is not None and (self.is_left_to_ci(rules) or rules.per_environment != per_environment)

    def with_baseline(self, measurement: Measurement, rules: Metric) -> Measurement:
        """Look up what was accepted for a number, unless whoever measured it has done so."""
        if measurement.baseline is not None or measurement.doubt is not None:
            return measurement
        measurement = structs.replace(measurement, environment=self.environment(rules))
        trouble = self.trouble(measurement.name, rules)
        if trouble:
            return structs.replace(measurement, doubt=Status.NOT_COMPARABLE, detail=trouble)
        known = self.baseline(measurement.name, rules)
        if known is None:
            return measurement
        if known.metric != measurement.metric:
            kinds = f"is measured as {measurement.metric or 'a rate'}, and was accepted as {known.metric or 'a rate'}"
            return structs.replace(measurement, doubt=Status.NOT_COMPARABLE, detail=f"it {kinds}; accept a new one")
        measurement = structs.replace(measurement, labels=tuple(dict.fromkeys((*measurement.labels, *known.labels))))
        unit = measurement.unit or rules.unit
        value = convert(known.value, known.unit, unit)
        if value is None or bool(known.unit) != bool(unit):
            detail = f"it is in {unit or 'no unit'}, and its baseline in {known.unit or 'no unit'}; accept a new one"
            return structs.replace(measurement, doubt=Status.NOT_COMPARABLE, detail=detail)
        return structs.replace(measurement, baseline=value)

    def judge(self, measurement: Measurement) -> tuple[Judged, tuple[Finding, ...]]:
        """Say where a number stands, and what the matrix asks for."""
        findings, (judged,) = match(Evidence(measurements=(measurement,)), self.policy, Subject())
        return judged, findings


YARDSTICK = pytest.StashKey[Yardstick]()


def yardstick_of(config: pytest.Config) -> Yardstick:
    """Give the yardstick of a session. A plain run, which has none yet, judges by what lies in the work tree."""
    known = config.stash.get(YARDSTICK, None)
    if known is None:
        root = config.rootpath
        try:
            policy = load_policy(find_policy(root, _top_of(root)))
        except PolicyError as error:
            raise pytest.UsageError(*(str(problem) for problem in error.problems)) from None
        known = Yardstick(policy=policy, shelf=take_shelf(root), machine=machine_key())
        config.stash[YARDSTICK] = known
    return known


def _top_of(root: Path) -> Path | None:
    """Find the top of the work tree without asking git, which a plain run has no need of."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
