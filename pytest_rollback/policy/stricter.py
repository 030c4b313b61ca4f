"""Merges the trusted base's policy with that of a change, so that neither demands less than it did alone.

Where both know a row, a metric or a group, the stricter holds; what one of them alone knows holds too. Rows that can't
be ordered both apply, under their one name. What is trusted, what is live and whether the gate only watches is for the
base to say, and so is the unit that a metric is in, and what nobody could merge.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from msgspec import structs

from pytest_rollback.model import Level
from pytest_rollback.policy.criteria import Quantity, convert
from pytest_rollback.policy.fewer_checks import stricter_check
from pytest_rollback.policy.keys import let_stand
from pytest_rollback.policy.patterns import covers_name, covers_path, matches
from pytest_rollback.policy.resolve import in_phase, named
from pytest_rollback.policy.rows import merge_rows, shorter
from pytest_rollback.policy.rules import Check, Drift, Group, Metric, Phase, Policy, Tier
from pytest_rollback.policy.tighten import loosened

Row = TypeVar("Row")


def strictest(base: Policy, change: Policy, *, but: Collection[str] = ()) -> Policy:
    """Merge two policies. `but` names keys, as `tighten` does or by patterns, where the change's word was approved."""
    approved = [key for key, _ in loosened(base, change) if any(matches(pattern, key) for pattern in but)]
    base = let_stand(base, change, approved)
    phases = _by_name(base.phases, change.phases, _phase)
    running = base.phase or change.phase
    phase = phases[running.name] if running else None
    groups = _groups(base, change, phase)
    rows = merge_rows(base, change, groups, approved)
    merged = structs.replace(
        change,
        mode=base.mode,
        trusted=base.trusted,
        live=base.live,
        labels=change.labels or base.labels,
        phase=phase,
        groups=groups,
        triggers=tuple(in_phase(row, phase) for row in rows) if phase else rows,
        metrics=_by_name(base.metrics, change.metrics, _metric),
        checks=_checks(base, change),
        health=_together(change.health, base.health),
        names_metrics=base.names_metrics or change.names_metrics,
        phases=phases,
        tiers=_tiers(base, change),
        protected=_together(change.protected, base.protected, covers_path),
        sign=base.sign or change.sign,
        approvers=_approvers(base.approvers, change.approvers),
        machines=_together(change.machines, base.machines, covers_name),
        machine_approval=base.machine_approval or change.machine_approval,
        drift=_drift(base.drift, change.drift),
    )
    return named(merged)


def _by_name(base: Mapping[str, Row], change: Mapping[str, Row], merge: Callable[[Row, Row], Row]) -> dict[str, Row]:
    """Merge what both know, and keep what one of them knows."""
    merged = {name: merge(base[name], row) if name in base else row for name, row in change.items()}
    return {**merged, **{name: row for name, row in base.items() if name not in merged}}


def _groups(base: Policy, change: Policy, phase: Phase | None) -> tuple[Group, ...]:
    one, other = ({group.name: group for group in policy.groups} for policy in (base, change))
    known = _by_name(one, other, _group)
    required = phase.requires if phase else ()
    held = (structs.replace(each, required=each.required or each.name in required) for each in known.values())
    return tuple(sorted(held, key=lambda group: group.order))


def _group(base: Group, change: Group) -> Group:
    return structs.replace(
        change,
        each_s=shorter(base.each_s, change.each_s),
        whole_s=shorter(base.whole_s, change.whole_s),
        at=base.at if base.at == "commit" else change.at,
        required=base.required or change.required,
    )


def _checks(base: Policy, change: Policy) -> tuple[Check, ...]:
    one, other = ({check.name: check for check in policy.checks} for policy in (base, change))
    return tuple(_by_name(one, other, stricter_check).values())


def _metric(base: Metric, change: Metric) -> Metric:
    required = base.required or change.required
    if (base.unit, base.better) != (change.unit, change.better):
        return structs.replace(base, required=required)  # numbers that are read otherwise can't be ordered
    return structs.replace(
        change,
        floor=_bound(base.floor, change.floor, change.unit, max),
        ceiling=_bound(base.ceiling, change.ceiling, change.unit, min),
        assumed=_assumed(base, change),
        tolerance=min(base.tolerance, change.tolerance),
        required=required,
        at=base.at if base.at == "commit" else change.at,
        per_environment=base.per_environment,
        ratchet=base.ratchet or change.ratchet,
        given=tuple(sorted({*base.given, *change.given})),
    )


def _bound(
    base: Quantity | None, change: Quantity | None, unit: str, stricter: Callable[[float, float], float]
) -> Quantity | None:
    if base is None or change is None:
        return change or base
    value = convert(change.value, change.unit or unit, base.unit or unit)
    return change if value is not None and stricter(value, base.value) == value else base


def _assumed(base: Metric, change: Metric) -> float | None:
    """A baseline that one of them does not assume has to be accepted."""
    if base.assumed is None or change.assumed is None:
        return None
    return (max if change.better == "higher" else min)(base.assumed, change.assumed)


def _phase(base: Phase, change: Phase) -> Phase:
    return structs.replace(
        change,
        risk=change.risk or base.risk,
        requires=_together(change.requires, base.requires),
        stop=_together(change.stop, base.stop),
        way_back_s=shorter(base.way_back_s, change.way_back_s),
    )


def _tiers(base: Policy, change: Policy) -> tuple[Tier, ...]:
    """Let each level be decided by the higher of the two tiers that decided it."""
    decides = {level: _highest(base.tier_for(level), change.tier_for(level)) for level in Level}

    one, other = ({str(each.number): each for each in policy.tiers} for policy in (base, change))
    known = _by_name(one, other, _tier)
    held = (
        structs.replace(each, levels=tuple(level for level in each.levels if decides[level] <= each.number))
        for each in known.values()
    )
    return tuple(sorted(held, key=lambda each: each.number))


def _tier(base: Tier, change: Tier) -> Tier:
    return structs.replace(change, levels=_together(change.levels, base.levels))


def _highest(*tiers: Tier | None) -> int:
    return max((tier.number for tier in tiers if tier is not None), default=0)


def _approvers(base: tuple[str, ...], change: tuple[str, ...]) -> tuple[str, ...]:
    """Name those whom both let approve; where there is nobody, those of the base, since no name at all means anyone."""
    if not base or not change:
        return base or change
    both = [one for one in change if any(covers_name(other, one) for other in base)]
    both += [one for one in base if one not in both and any(covers_name(other, one) for other in change)]
    return tuple(both) or base


def _drift(base: tuple[Drift, ...], change: tuple[Drift, ...]) -> tuple[Drift, ...]:
    """Join the copies of one source; of two sources under one name each has its own."""
    joined = {(drift.name, drift.source): drift for drift in change}
    for drift in base:
        known = joined.setdefault((drift.name, drift.source), drift)
        joined[drift.name, drift.source] = structs.replace(known, copies=_together(known.copies, drift.copies))
    return tuple(joined.values())


def _same(one: object, other: object) -> bool:
    return one == other


def _together(
    first: Iterable[Row], second: Iterable[Row], covers: Callable[[Row, Row], bool] = _same
) -> tuple[Row, ...]:
    """Join two lists, leaving out of the second what the first names already."""
    own = tuple(first)
    return (*own, *(one for one in second if not any(covers(other, one) for other in own)))
