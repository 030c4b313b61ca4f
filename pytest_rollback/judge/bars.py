"""Finds the baselines that a change accepts worse than the trusted base did, and the higher bar of the two."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from pytest_rollback.model import Loss, LossKind
from pytest_rollback.policy.baselines import CONTRACT, Baseline, Shelf, file_of, is_contract
from pytest_rollback.policy.criteria import convert, number
from pytest_rollback.policy.patterns import matches
from pytest_rollback.policy.rules import Policy

GONE, DAMAGED = "gone", "damaged"
NOISE = 1.1
WAITING = "waiting"


def lowered(base: Shelf, now: Shelf, policy: Policy) -> list[Loss]:
    """Name each baseline of the base that is gone, can't be read, or accepts worse, as the policy reads it."""
    found = []
    for key, was in sorted(base.baselines.items()):
        said = _worse(was, now, policy)
        if said is not None:
            found.append(_loss(key, _in_words(was), said))
    for key, is_now in sorted(now.baselines.items()):
        assumed = _assumed(is_now, base, policy)
        if assumed is not None:
            found.append(_loss(key, f"{assumed}, assumed", _in_words(is_now)))
    return found


def higher_bar(base: Shelf, now: Shelf, policy: Policy, *, but: Collection[str] = ()) -> Shelf:
    """Merge two shelves: of a baseline that both know the one that demands more, of all others the one that there is.

    `but` are patterns of keys where somebody approved of the change's word.
    """
    baselines, troubles = dict(now.baselines), dict(now.troubles)
    for key, was in base.baselines.items():
        if _worse(was, now, policy) is not None and not any(matches(pattern, key) for pattern in but):
            baselines[key] = was
            troubles.pop(file_of(was.name, was.environment), None)
    for key, is_now in now.baselines.items():
        if _assumed(is_now, base, policy) is not None and not any(matches(pattern, key) for pattern in but):
            del baselines[key]
    return Shelf(baselines, troubles)


def _loss(key: str, was: str, now: str) -> Loss:
    return Loss(name=f"baseline:{key}", kind=LossKind.BASELINE, what=key, was=was, now=now)


def _assumed(is_now: Baseline, base: Shelf, policy: Policy) -> str | None:
    """Say in words what the base assumed where it had no baseline, if the first one that is accepted is worse."""
    rules = policy.metric(is_now.name, is_now.metric)
    if is_now.key in base.baselines or rules is None or rules.assumed is None:
        return None
    assumed = convert(rules.assumed, rules.unit, is_now.unit)
    if assumed is None or is_now.value == assumed or (is_now.value > assumed) == (rules.better == "higher"):
        return None
    return f"{number(assumed)} {is_now.unit}".rstrip()


def _worse(was: Baseline, now: Shelf, policy: Policy) -> str | None:
    """Say in words what a baseline is now, where that demands less than it did; none where it demands as much."""
    is_now = now.baselines.get(was.key)
    if is_now is None:
        return DAMAGED if now.trouble(was.name, was.environment) else GONE
    if is_now.metric != was.metric:
        return f"a baseline of the kind {is_now.metric or 'none'}"
    if lost := set(was.labels) - set(is_now.labels):
        return f"no longer labelled {', '.join(sorted(lost))}"
    return _worse_contract(was, is_now) if is_contract(was.metric, was.basis) else _worse_number(was, is_now, policy)


def _worse_contract(was: Baseline, is_now: Baseline) -> str | None:
    from pytest_rollback.judge.contracts import breaking, compare, summary  # most gates have none

    changes = compare(was.basis.get(CONTRACT), is_now.basis.get(CONTRACT))
    return summary(changes) if breaking(changes) else None


def _worse_number(was: Baseline, is_now: Baseline, policy: Policy) -> str | None:
    value = convert(is_now.value, is_now.unit, was.unit) if bool(is_now.unit) == bool(was.unit) else None
    if value is None:
        return _in_words(is_now)
    rules = policy.metric(was.name, was.metric)
    if value == was.value:
        return f"{_in_words(is_now)}, measured otherwise" if is_now.basis != was.basis else None
    if rules is None or (value > was.value) != (rules.better == "higher"):
        return _in_words(is_now)
    return f"{_in_words(is_now)}, measured otherwise" if _is_slower(was.basis, is_now.basis) else None


def _is_slower(was: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether what times are really held against allows more, whatever stands beside it as the value."""
    before, after = _pace(was), _pace(now)
    if was.get("kind") != now.get("kind") or _number(now, "spread") > max(2 * _number(was, "spread"), NOISE - 1):
        return bool(was)
    return before is not None and (after is None or after > before * NOISE)


def _number(basis: dict[str, Any], key: str) -> float:
    value = basis.get(key, 0.0)
    return float(value) if isinstance(value, (int, float)) else math.inf


def _pace(basis: dict[str, Any]) -> float | None:
    """Give a time in units of the calibration beside it; what waits takes as long on any machine."""
    seconds, calibration = basis.get("seconds"), 1.0 if basis.get("kind") == WAITING else basis.get("calibration")
    if isinstance(seconds, (int, float)) and isinstance(calibration, (int, float)) and calibration > 0:
        return seconds / calibration
    return None


def _in_words(baseline: Baseline) -> str:
    if baseline.metric == CONTRACT:
        return "a contract"
    return f"{number(baseline.value)} {baseline.unit}".rstrip()
