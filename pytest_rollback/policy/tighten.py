"""Compares two policies: where does the second demand less than the first?"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from pytest_rollback.model import Action, Severity
from pytest_rollback.policy.criteria import Criterion, Quantity, convert, duration
from pytest_rollback.policy.fewer_checks import fewer_checks
from pytest_rollback.policy.rules import ANY_GROUP, Group, Metric, Phase, Policy, Trigger
from pytest_rollback.policy.safeguards import fewer_safeguards

SEVERITIES = tuple(Severity)
ACTIONS = tuple(Action)
USUAL = ("main", "master")  # live where no policy says a word
SOFT = (Action.WATCH, Action.NOTE)


def loosened(before: Policy, after: Policy) -> Iterator[tuple[str, str]]:
    """Name each key where the second policy demands less, with what it says and what the first said."""
    if before.mode == "enforce" and after.mode != "enforce":
        yield "mode", f'"{after.mode}" is looser than "{before.mode}"'
    if after.trusted != before.trusted:
        yield "trusted", f'"{after.trusted or ""}" is not {_quoted(before.trusted)}'
    named = set(before.live) - set(after.live)
    if lost := named or {name for name in USUAL if not before.live and not _stays_live(name, before, after)}:
        yield "live", f"no longer names {', '.join(sorted(lost))}"
    for group in before.groups:
        other = after.group(group.name)
        yield from _under(f"groups.{group.name}", _group(group, other) if other else _gone())
    yield from _rows(before, after)
    for name, metric in before.metrics.items():
        rules = after.metrics.get(name)
        yield from _under(f"metrics.{name}", _metric(metric, rules) if rules else _gone())
    yield from fewer_checks(before, after)
    for name, phase in before.phases.items():
        later = after.phases.get(name)
        yield from _under(f"phases.{name}", _phase(phase, later) if later else _gone())
    if before.phase and (after.phase is None or after.phase.name != before.phase.name):
        yield "phase", f'leaves the phase "{before.phase.name}"'
    yield from fewer_safeguards(before, after)


def _quoted(trusted: str | None) -> str:
    return f'"{trusted}"' if trusted else "the usual branch"


def _stays_live(branch: str, before: Policy, after: Policy) -> bool:
    return after.is_live(branch, None) or not before.is_live(branch, None)


def newly_judging(before: Policy, after: Policy, blamed: Collection[str] = ()) -> Iterator[Trigger]:
    """Find rows that let through what no row had judged: that was inconclusive, and now would pass."""
    known = {(row.name, _reach(row, before)) for row in before.triggers if row.enabled}
    for row in after.triggers:
        soft = row.action in SOFT or any((row.failures, row.rate, row.drop, row.rise, row.above, row.below))
        same = row.name in blamed or (row.name, _reach(row, after)) in known
        noted = bool(row.signals) and row.action is Action.NOTE  # switched off, it still says that the fact is known
        if (row.enabled or noted) and soft and not same and _reaches_unjudged(row, before, after):
            yield row


def is_as_strict(old: Trigger, new: Trigger, before: Policy, after: Policy) -> bool:
    """Whether a row fires wherever another does, and asks for no less."""
    return next(_trigger(old, new, before, after), None) is None


def _rows(before: Policy, after: Policy) -> Iterator[tuple[str, str]]:
    """Compare the matrix row by row, and then what is left to rows that only the second policy has."""
    blamed: set[str] = set()
    for trigger in before.triggers:
        if trigger.enabled:
            for found in _under(f"triggers.{trigger.name}", _row(trigger, before, after)):
                blamed.add(trigger.name)
                yield found
    yield from _left_to_others(before, after, blamed)
    for row in newly_judging(before, after, blamed):
        yield f"triggers.{row.name}", "lets through what no row judged, and was inconclusive"


def _row(trigger: Trigger, before: Policy, after: Policy) -> Iterator[tuple[str, str]]:
    """Compare a row with its namesake; a merged policy may have two, and then one as strict is enough."""
    namesakes = [row for row in after.triggers if row.name == trigger.name]
    found = [list(_trigger(trigger, row, before, after)) for row in namesakes]
    yield from min(found, key=len) if found else _gone()


def _left_to_others(before: Policy, after: Policy, blamed: Collection[str]) -> Iterator[tuple[str, str]]:
    """Find groups that a row for all others leaves to rows that now name them and are not as strict."""
    for row in before.triggers:
        if not row.enabled or ANY_GROUP not in row.groups or row.name in blamed:
            continue
        heirs = [new for new in after.triggers if new.name == row.name and is_as_strict(row, new, before, after)]
        if any(not new.groups for new in heirs):
            continue
        watched = frozenset().union(*(after.groups_of(new) for new in heirs))
        for name in sorted(before.groups_of(row) - watched - {ANY_GROUP}):
            if after.group(name) and not any(_judges_as_well(other, row, name, after) for other in after.triggers):
                yield f"groups.{name}", f'"{row.name}" no longer judges it, and no row is as strict'


def _judges_as_well(other: Trigger, row: Trigger, group: str, policy: Policy) -> bool:
    """Whether another row asks for as much, at any failure of a group."""
    narrowed = other.labels or other.exceptions or other.failures or other.rate
    judges = (
        other.enabled and other.on_tests and not narrowed and ACTIONS.index(other.action) <= ACTIONS.index(row.action)
    )
    return judges and (not other.groups or group in policy.groups_of(other))


def _reach(row: Trigger, policy: Policy) -> tuple[object, ...]:
    return bool(row.groups), policy.groups_of(row), row.labels, row.exceptions, row.metrics, row.signals, row.limit


def _reaches_unjudged(row: Trigger, before: Policy, after: Policy) -> bool:
    """Whether a row has a say about something that no row of the first policy had one about."""
    old = [other for other in before.triggers if other.enabled and not other.labels]
    if row.signals:
        return not all(before.hears(signal) for signal in row.signals)
    if row.on_metrics:
        return row.limit and not any(other.limit and not other.metrics for other in old)
    judged = [other for other in old if other.on_tests and not other.exceptions]
    groups = after.groups_of(row) if row.groups else {group.name for group in after.groups}
    return any(
        all(other.groups and name not in before.groups_of(other) for other in judged)
        for name in groups
        if before.group(name)
    )


def _under(at: str, found: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for key, text in found:
        yield (f"{at}.{key}" if key else at), text


def _gone() -> Iterator[tuple[str, str]]:
    yield "", "is gone"


def _group(old: Group, new: Group) -> Iterator[tuple[str, str]]:
    yield from _longer("each", old.each_s, new.each_s)
    yield from _longer("whole", old.whole_s, new.whole_s)
    if old.required and not new.required:
        yield "required", "false is looser than true"
    if old.at == "commit" and new.at != "commit":
        yield "at", '"ci" is looser than "commit"'


def _trigger(old: Trigger, new: Trigger, before: Policy, after: Policy) -> Iterator[tuple[str, str]]:
    if not new.enabled:
        yield "enabled", "false is looser than true"
    if SEVERITIES.index(new.severity) > SEVERITIES.index(old.severity):
        yield "severity", f'"{new.severity.value}" is looser than "{old.severity.value}"'
    if ACTIONS.index(new.action) > ACTIONS.index(old.action):
        yield "action", f'"{new.action.value}" is looser than "{old.action.value}"'
    if old.level is not None and new.level is None:
        yield "level", f'"none" is looser than "{old.level.value}"'
    yield from _longer("deadline", old.deadline_s, new.deadline_s)
    if new.action is old.action:
        yield from _longer(old.action.value, old.hold_s, new.hold_s)
    if not _same_tests(old, new, before, after):
        yield from _counts_others(new)
    for key in ("failures", "rate", "drop", "rise"):
        yield from _fires_less(key, getattr(old, key), getattr(new, key))
    yield from _condition("above", old.above, new.above, _unit_of(new, after), higher_is_looser=True)
    yield from _condition("below", old.below, new.below, _unit_of(new, after), higher_is_looser=False)
    if new.limit and not old.limit:
        yield "limit", "true fires only on what crossed its limit"
    for key, named, names in (
        ("group", old.groups, old.groups if _watches_all(old, new, before, after) else new.groups),
        ("label", old.labels, new.labels),
        ("exception", old.exceptions, new.exceptions),
        ("metric", old.metrics, new.metrics),
        ("signal", old.signals, new.signals),
    ):
        yield from _covers_less(key, named, names)


def _counts_others(new: Trigger) -> Iterator[tuple[str, str]]:
    if new.rate:
        yield "rate", "would be a share of other tests than it was"
    if new.failures and not math.isinf(new.failures.high):
        yield "failures", "would be a number of other tests than it was"


def _same_tests(old: Trigger, new: Trigger, before: Policy, after: Policy) -> bool:
    same = old.groups == new.groups or before.groups_of(old) - {ANY_GROUP} == after.groups_of(new) - {ANY_GROUP}
    return same and bool(old.groups) == bool(new.groups) and old.labels == new.labels


def _watches_all(old: Trigger, new: Trigger, before: Policy, after: Policy) -> bool:
    """Whether a row for all other groups is now one that names them."""
    return ANY_GROUP in old.groups and bool(new.groups) and before.groups_of(old) - {ANY_GROUP} <= after.groups_of(new)


def _metric(old: Metric, new: Metric) -> Iterator[tuple[str, str]]:
    yield from _reading(old, new)
    if new.assumed is not None and new.assumed != old.assumed:
        if old.assumed is None:
            yield "assumed", f"{new.assumed} lets pass what had no baseline"
        elif (new.assumed < old.assumed) == (new.better == "higher"):
            yield "assumed", f"{new.assumed} is looser than {old.assumed}"
    for key in ("required", "ratchet"):
        if getattr(old, key) and not getattr(new, key):
            yield key, "false is looser than true"
    if old.at == "commit" and new.at != "commit" and "at" in (*old.given, *new.given):
        yield "at", '"ci" is looser than "commit"'


def _reading(old: Metric, new: Metric) -> Iterator[tuple[str, str]]:
    """Compare how numbers are read, and the bounds that they must keep."""
    if old.unit != new.unit:
        yield "unit", f'"{new.unit}" is not "{old.unit}", so the numbers say less'
    if old.better != new.better:
        yield "better", f'"{new.better}" turns the metric round'
    yield from _bound("floor", old.floor, new.floor, new.unit, higher_is_looser=False)
    yield from _bound("ceiling", old.ceiling, new.ceiling, new.unit, higher_is_looser=True)
    if new.tolerance > old.tolerance:
        yield "tolerance", f"{new.tolerance:g} is looser than {old.tolerance:g}"
    if old.per_environment != new.per_environment:
        yield "per-environment", "is not what it was, so other baselines would hold"


def _phase(old: Phase, new: Phase) -> Iterator[tuple[str, str]]:
    yield from _longer("way-back", old.way_back_s, new.way_back_s)
    for key, before, after in (("requires", old.requires, new.requires), ("stop", old.stop, new.stop)):
        if lost := set(before) - set(after):
            yield key, f"no longer names {', '.join(sorted(lost))}"


def _longer(key: str, old: float | None, new: float | None) -> Iterator[tuple[str, str]]:
    if old is not None and (new is None or new > old):
        yield key, f'"{duration(new) if new is not None else "none"}" is looser than "{duration(old)}"'


def _fires_less(key: str, old: Criterion | None, new: Criterion | None) -> Iterator[tuple[str, str]]:
    if new is not None and (old is None or not new.contains(old)):
        yield key, f'"{new}" does not fire wherever "{old if old is not None else "any"}" does'


def _unit_of(trigger: Trigger, policy: Policy) -> str:
    """Give the unit of the numbers that a row watches, for a bound that names none."""
    return next((policy.metrics[name].unit for name in trigger.metrics if name in policy.metrics), "")


def _condition(
    key: str, old: Quantity | None, new: Quantity | None, unit: str, *, higher_is_looser: bool
) -> Iterator[tuple[str, str]]:
    """Compare a bound that a row fires beyond: one more is one more thing that must hold before it fires."""
    if old is None and new is not None:
        yield key, f'"{new}" does not fire wherever "any" does'
    elif new is not None:
        yield from _bound(key, old, new, unit, higher_is_looser=higher_is_looser)


def _bound(
    key: str, old: Quantity | None, new: Quantity | None, unit: str, *, higher_is_looser: bool
) -> Iterator[tuple[str, str]]:
    """Compare two bounds that must be kept; each is in the metric's own unit where it names none."""
    if old is None:
        return
    value = None if new is None else convert(new.value, new.unit or unit, old.unit or unit)
    if value is None or (value != old.value and (value > old.value) == higher_is_looser):
        yield key, f'"{new if new is not None else "none"}" is looser than "{old}"'


def _covers_less(key: str, old: Collection[str], new: Collection[str]) -> Iterator[tuple[str, str]]:
    """Compare conditions that are lists of names; an empty one does not restrict."""
    if not new or (old and set(old) <= set(new)):
        return
    yield key, f"watches only {', '.join(new)}, and watched {', '.join(old) or 'all'}"
