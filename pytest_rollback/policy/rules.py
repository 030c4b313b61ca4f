"""The policy once it is read, checked and merged: what `judge` and `session` go by."""

from __future__ import annotations

import fnmatch
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from pytest_rollback.model import Action, Level, Severity
from pytest_rollback.policy.criteria import Criterion, Quantity

ANY_GROUP = "*"
LAST = 100


def names_in(value: Any) -> tuple[str, ...]:
    """Read a name or a list of names as a tuple of names."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


class Group(Struct, frozen=True, kw_only=True):
    """A marker that the gate runs and judges."""

    name: str
    order: int = LAST
    each_s: float | None = None
    whole_s: float | None = None
    fail_fast: bool = False
    at: str = "commit"
    required: bool = False


class Trigger(Struct, frozen=True, kw_only=True):
    """A row of the decision matrix."""

    name: str
    severity: Severity
    action: Action
    level: Level | None = None
    deadline_s: float | None = None
    hold_s: float | None = None
    enabled: bool = True
    groups: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    failures: Criterion | None = None
    rate: Criterion | None = None
    exceptions: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    drop: Criterion | None = None
    rise: Criterion | None = None
    above: Quantity | None = None
    below: Quantity | None = None
    limit: bool = False
    signals: tuple[str, ...] = ()

    @property
    def on_metrics(self) -> bool:
        """Whether the row watches measurements."""
        ranged = (self.drop, self.rise, self.above, self.below)
        return bool(self.metrics) or self.limit or any(bound is not None for bound in ranged)

    @property
    def on_tests(self) -> bool:
        """Whether the row watches tests."""
        return not self.on_metrics and not self.signals


class Metric(Struct, frozen=True, kw_only=True):
    """How numbers of one name or kind are read, and their absolute limits."""

    name: str
    unit: str = ""
    better: str = "higher"
    floor: Quantity | None = None
    ceiling: Quantity | None = None
    assumed: float | None = None
    tolerance: float = 0.0
    required: bool = False
    at: str = "commit"
    per_environment: bool = False
    ratchet: bool = False
    given: Annotated[tuple[str, ...], Meta(description="the keys that somebody wrote")] = ()


# What a metric of its own name has from its kind, where nobody said otherwise.
INHERITED = ("unit", "better", "at", "per_environment", "ratchet")
BOUNDS = ("floor", "ceiling", "assumed", "tolerance")


class Check(Struct, frozen=True, kw_only=True):
    """A check that needs no test code."""

    name: str
    kind: str
    group: str = "checks"
    labels: tuple[str, ...] = ()
    at: str = "commit"
    limit_s: float | None = None
    packages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    pattern: str = ""
    metric: str = ""
    status: tuple[int, ...] = (0,)
    results: str = ""
    max_age_s: float | None = None


class Phase(Struct, frozen=True, kw_only=True):
    """A phase of a migration."""

    name: str
    risk: str | None = None
    requires: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    way_back_s: float | None = None


class Tier(Struct, frozen=True, kw_only=True):
    """Who is called."""

    number: int
    name: str
    contacts: tuple[str, ...] = ()
    respond_s: float | None = None
    levels: tuple[Level, ...] = ()


class Drift(Struct, frozen=True, kw_only=True):
    """A file or folder whose copies must be like it."""

    name: str
    source: str
    copies: tuple[str, ...]


class Policy(Struct, frozen=True, kw_only=True):
    """All that the project decided, the shipped matrix included."""

    mode: str
    trusted: str | None
    live: tuple[str, ...]
    labels: tuple[str, ...]
    phase: Phase | None
    groups: tuple[Group, ...]
    triggers: tuple[Trigger, ...]
    metrics: dict[str, Metric]
    phases: dict[str, Phase]
    tiers: tuple[Tier, ...]
    source: str
    digest: str
    protected: tuple[str, ...] = ()
    carry: tuple[str, ...] = ()
    reuse: bool = False
    sign: bool = False
    approvers: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    machine_approval: bool = False
    drift: tuple[Drift, ...] = ()
    checks: tuple[Check, ...] = ()
    health: tuple[str, ...] = ()
    names_metrics: Annotated[bool, Meta(description="the project lists its metrics, so any other is an error")] = False

    def group(self, name: str) -> Group | None:
        """Find a group by its marker's name."""
        return next((group for group in self.groups if group.name == name), None)

    def groups_of(self, trigger: Trigger) -> frozenset[str]:
        """Name the groups that a row watches: `*` are those that no row names; one switched off still names its own."""
        if ANY_GROUP not in trigger.groups:
            return frozenset(trigger.groups)
        named = {name for row in self.triggers for name in row.groups if row.name != trigger.name}
        return frozenset(trigger.groups) | {group.name for group in self.groups if group.name not in named}

    def hears(self, signal: str) -> bool:
        """Whether any row has a say about a signal; one that only notes it may be switched off."""
        return any(signal in row.signals and (row.enabled or row.action is Action.NOTE) for row in self.triggers)

    def metric(self, name: str, kind: str) -> Metric | None:
        """Find the rules of a measurement: those of its own name, which fall back on those of its kind."""
        own, of_kind = self.metrics.get(name), self.metrics.get(kind)
        if own is None or of_kind is None or own is of_kind:
            return own or of_kind
        alike = "unit" not in own.given or own.unit == of_kind.unit  # a bound in another unit is no bound of this
        keys = (*INHERITED, *(BOUNDS if alike else ()))
        return structs.replace(own, **{key: getattr(of_kind, key) for key in keys if key not in own.given})

    def tier_for(self, level: Level | None) -> Tier | None:
        """Find the lowest tier that may decide a rollback of this level."""
        return next((tier for tier in self.tiers if level in tier.levels), None)

    def is_live(self, branch: str | None, default_branch: str | None) -> bool:
        """Whether deadlines run on this branch; without a word of the policy: the trusted one, or main, master."""
        if branch is None:
            return False
        trusted = self.trusted or default_branch or ""
        named = self.live or (trusted, trusted.partition("/")[2])
        patterns = named if any(named) else ("main", "master")
        return any(fnmatch.fnmatchcase(branch, pattern) for pattern in patterns)
