"""Compares two policies: where does the second demand less than the first?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pytest_rollback.model import Action, Severity
from pytest_rollback.policy.criteria import Criterion, Quantity, duration
from pytest_rollback.policy.rules import Group, Metric, Phase, Policy, Trigger

SEVERITIES = tuple(Severity)
ACTIONS = tuple(Action)


def loosened(before: Policy, after: Policy) -> Iterator[tuple[str, str]]:
    """Name each key where the second policy demands less, with what it says and what the first said."""
    if before.mode == "enforce" and after.mode != "enforce":
        yield "mode", f'"{after.mode}" is looser than "{before.mode}"'
    for group in before.groups:
        other = after.group(group.name)
        yield from _under(f"groups.{group.name}", _group(group, other) if other else _gone())
    triggers = {trigger.name: trigger for trigger in after.triggers}
    for trigger in before.triggers:
        if trigger.enabled:
            row = triggers.get(trigger.name)
            yield from _under(f"triggers.{trigger.name}", _trigger(trigger, row) if row else _gone())
    for name, metric in before.metrics.items():
        rules = after.metrics.get(name)
        yield from _under(f"metrics.{name}", _metric(metric, rules) if rules else _gone())
    for name, phase in before.phases.items():
        later = after.phases.get(name)
        yield from _under(f"phases.{name}", _phase(phase, later) if later else _gone())
    if before.phase and (after.phase is None or after.phase.name != before.phase.name):
        yield "phase", f'leaves the phase "{before.phase.name}"'


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


def _trigger(old: Trigger, new: Trigger) -> Iterator[tuple[str, str]]:
    if not new.enabled:
        yield "enabled", "false is looser than true"
    if SEVERITIES.index(new.severity) > SEVERITIES.index(old.severity):
        yield "severity", f'"{new.severity.value}" is looser than "{old.severity.value}"'
    if ACTIONS.index(new.action) > ACTIONS.index(old.action):
        yield "action", f'"{new.action.value}" is looser than "{old.action.value}"'
    yield from _longer("deadline", old.deadline_s, new.deadline_s)
    yield from _longer("investigate" if old.action is Action.INVESTIGATE else "watch", old.hold_s, new.hold_s)
    for key in ("failures", "rate", "drop", "rise"):
        yield from _fires_less(key, getattr(old, key), getattr(new, key))
    yield from _bound("above", old.above, new.above, higher_is_looser=True)
    yield from _bound("below", old.below, new.below, higher_is_looser=False)
    for key, before, after in (
        ("group", old.groups, new.groups),
        ("label", old.labels, new.labels),
        ("exception", old.exceptions, new.exceptions),
        ("metric", old.metrics, new.metrics),
        ("signal", old.signals, new.signals),
    ):
        yield from _covers_less(key, before, after)


def _metric(old: Metric, new: Metric) -> Iterator[tuple[str, str]]:
    if old.unit != new.unit:
        yield "unit", f'"{new.unit}" is not "{old.unit}", so the numbers say less'
    if old.better != new.better:
        yield "better", f'"{new.better}" turns the metric round'
    yield from _bound("floor", old.floor, new.floor, higher_is_looser=False)
    yield from _bound("ceiling", old.ceiling, new.ceiling, higher_is_looser=True)
    if new.tolerance > old.tolerance:
        yield "tolerance", f"{new.tolerance:g} is looser than {old.tolerance:g}"
    if old.assumed is not None and new.assumed != old.assumed:
        worse = new.assumed is None or (new.assumed < old.assumed) == (new.better == "higher")
        if worse:
            yield "assumed", f"{new.assumed} is looser than {old.assumed}"
    if old.required and not new.required:
        yield "required", "false is looser than true"


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


def _bound(
    key: str, old: Quantity | None, new: Quantity | None, *, higher_is_looser: bool
) -> Iterator[tuple[str, str]]:
    if old is None:
        return
    same = new is not None and new.unit == old.unit
    if new is None or not same or (new.value != old.value and (new.value > old.value) == higher_is_looser):
        yield key, f'"{new if new is not None else "none"}" is looser than "{old}"'


def _covers_less(key: str, old: Collection[str], new: Collection[str]) -> Iterator[tuple[str, str]]:
    """Compare conditions that are lists of names; an empty one does not restrict."""
    if not new or (old and set(old) <= set(new)):
        return
    yield key, f"watches only {', '.join(new)}, and watched {', '.join(old) or 'all'}"
