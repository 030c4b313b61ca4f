"""Holds a measurement against its baseline and its limits."""

from __future__ import annotations

import math

from msgspec import structs

from pytest_rollback.model import Judged, Measurement, Status
from pytest_rollback.policy.criteria import Criterion, Quantity, convert
from pytest_rollback.policy.rules import Metric, Trigger

RELATIVE = ("%", "points")
UNREAD = (Status.INVALID, Status.TOO_FEW, Status.LEFT_TO_CI)  # doubts about a number that leave nothing of it to judge
SILENT = (*UNREAD, Status.NOT_COMPARABLE)


def judge_measurement(measurement: Measurement, rules: Metric | None, *, needs_baseline: bool) -> Judged:
    """Say where a number stands; `needs_baseline` where some trigger compares it with one."""
    unit = measurement.unit or (rules.unit if rules else "")
    if measurement.doubt in UNREAD:
        return _judged(measurement, unit, measurement.doubt, readable=False)
    baseline = measurement.baseline
    assumed = False
    if baseline is None and measurement.doubt is None and rules is not None and rules.assumed is not None:
        baseline = convert(rules.assumed, rules.unit, unit)
        assumed = baseline is not None
    if not math.isfinite(measurement.value) or (baseline is not None and not math.isfinite(baseline)):
        return _judged(measurement, unit, Status.INVALID, readable=False)
    if rules is None or not _is_comparable(unit, rules):
        if rules is not None and not measurement.detail:
            read = f"it is in {unit or 'no unit'}, and the policy reads it in {rules.unit or 'no unit'}"
            remedy = f'say unit = "{unit}" in [metrics.{measurement.name}]'
            measurement = structs.replace(measurement, detail=f"{read}; {remedy}")
        return _judged(measurement, unit, Status.NOT_COMPARABLE, baseline=baseline, assumed=assumed)
    crossed = crossed_limit(measurement.value, unit, rules)
    change = None if baseline is None else measurement.value - baseline
    if crossed is not None:
        return _judged(
            measurement, unit, Status.OVER_LIMIT, baseline=baseline, limit=crossed, change=change, assumed=assumed
        )
    if change is None:
        missing = needs_baseline and measurement.doubt is None
        return _judged(measurement, unit, Status.NO_BASELINE if missing else Status.HELD)
    return _judged(measurement, unit, Status.HELD, baseline=baseline, change=change, assumed=assumed)


def ends_of(measurement: Measurement) -> tuple[Measurement, ...]:
    """Give a number at both ends of what it may truly be; none where it is exact, or where an end can't be read."""
    ends = (measurement.low, measurement.high)
    if None in ends or measurement.doubt in UNREAD or not all(end is not None and math.isfinite(end) for end in ends):
        return ()
    return tuple(structs.replace(measurement, value=end) for end in ends if end is not None)


def _is_comparable(unit: str, rules: Metric) -> bool:
    """Whether a number of this unit can be held against the metric's own, and against its limits."""
    written = [rules.unit, *(limit.unit for limit in (rules.floor, rules.ceiling) if limit is not None)]
    return all(convert(1.0, unit, other) is not None for other in written)


def crossed_limit(value: float, unit: str, rules: Metric) -> float | None:
    """Give the limit that a value crossed, in the value's own unit."""
    for limit, sign in ((rules.floor, -1.0), (rules.ceiling, 1.0)):
        bound = _in_unit(limit, unit, rules.unit)
        if bound is not None and (value - bound) * sign > 0:
            return bound
    return None


def fires(trigger: Trigger, judged: Judged, rules: Metric | None) -> bool:
    """Whether a row's conditions on a number all hold. A number that can't be read fires nothing: it is an obstacle."""
    if judged.value is None or judged.status in SILENT:
        return False
    value, default_unit = judged.value, rules.unit if rules else ""
    above = _in_unit(trigger.above, judged.unit, default_unit)
    below = _in_unit(trigger.below, judged.unit, default_unit)
    conditions = [
        not trigger.limit or judged.status is Status.OVER_LIMIT,
        trigger.above is None or (above is not None and value > above),
        trigger.below is None or (below is not None and value < below),
    ]
    tolerance = (convert(rules.tolerance, rules.unit, judged.unit) if rules else None) or 0.0
    for criterion, sign in ((trigger.drop, -1.0), (trigger.rise, 1.0)):
        if criterion is not None:
            conditions.append(_moved_by(criterion, judged, sign, tolerance))
    return all(conditions)


def is_readable(trigger: Trigger, unit: str) -> bool:
    """Whether all of a row's conditions can be held against a number of this unit."""
    moves = [criterion.unit for criterion in (trigger.drop, trigger.rise) if criterion is not None]
    written = [other for other in moves if other not in RELATIVE]
    written += [bound.unit for bound in (trigger.above, trigger.below) if bound is not None]
    return all(convert(1.0, unit, other) is not None for other in written)


def _moved_by(criterion: Criterion, judged: Judged, sign: float, tolerance: float) -> bool:
    """Whether a number moved in one direction as far as the criterion says."""
    if judged.baseline is None or judged.change is None:
        return False
    change = judged.change * sign
    if criterion.unit == "%":
        return criterion.holds(_relative(change, judged.baseline, tolerance))
    if criterion.unit not in (*RELATIVE, ""):
        converted = convert(change, judged.unit, criterion.unit)
        return converted is not None and criterion.holds(_tidy(converted))
    return criterion.holds(_tidy(change))


def _relative(change: float, baseline: float, tolerance: float) -> float:
    """Give a change in per cent of the baseline; from a zero one, anything beyond the tolerance is without bound."""
    if baseline == 0:
        return 0.0 if abs(change) <= tolerance else math.copysign(math.inf, change)
    return _tidy(100.0 * change / abs(baseline))


def _tidy(value: float) -> float:
    """Take the noise of floats away, so that 98.0 - 96.0 is a drop of exactly 2 points."""
    return float(f"{value:.9g}")


def _in_unit(bound: Quantity | None, unit: str, default: str) -> float | None:
    """Bring a bound, which is in the metric's own unit where it names none, into a value's unit."""
    if bound is None:
        return None
    return convert(bound.value, bound.unit or default, unit)


def _judged(
    measurement: Measurement,
    unit: str,
    status: Status,
    *,
    readable: bool = True,
    baseline: float | None = None,
    limit: float | None = None,
    change: float | None = None,
    assumed: bool = False,
) -> Judged:
    return Judged(
        name=measurement.name,
        value=measurement.value if readable else None,
        unit=unit,
        baseline=baseline,
        limit=limit,
        change=None if change is None else _tidy(change),
        status=status,
        assumed=assumed,
        metric=measurement.metric,
        low=measurement.low if readable else None,
        high=measurement.high if readable else None,
        samples=measurement.samples,
        environment=measurement.environment,
        detail=measurement.detail,
    )
