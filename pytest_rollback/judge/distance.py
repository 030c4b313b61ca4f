"""Says how far from its baseline a number may go before the nearest row of the matrix fires."""

from __future__ import annotations

import math

from pytest_rollback.judge.match import rows_on
from pytest_rollback.model import Judged, Measurement
from pytest_rollback.policy.criteria import Criterion, convert
from pytest_rollback.policy.rules import Metric, Policy


def distance_to_row(measurement: Measurement, judged: Judged, rules: Metric, policy: Policy) -> float | None:
    """Give the change for the worse at which the first row fires, in the number's own unit; null where none does."""
    if judged.baseline is None:
        return None
    rows = rows_on(measurement, policy)
    criteria = [row.drop if rules.better == "higher" else row.rise for row in rows]
    found = [_as_change(criterion, judged) for criterion in criteria if criterion is not None]
    return min((distance for distance in found if distance is not None), default=None)


def _as_change(criterion: Criterion, judged: Judged) -> float | None:
    if not math.isfinite(criterion.low) or criterion.low < 0 or judged.baseline is None:
        return None
    if criterion.unit == "%":
        return criterion.low * abs(judged.baseline) / 100.0
    return criterion.low if criterion.unit == "points" else convert(criterion.low, criterion.unit, judged.unit)
