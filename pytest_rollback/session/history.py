"""How the numbers of a session go on from those of the verdicts before it. Of the ledger this takes history alone."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_rollback.events import Judgment
from pytest_rollback.judge.distance import distance_to_row
from pytest_rollback.judge.trends import slip, slip_in_words
from pytest_rollback.model import Judged, Measurement, Status
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.catalogue import Wanted
from pytest_rollback.repo.ledger import LedgerError
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.session.demands import Demands

LOOKED_AT = 20
KNOWN = frozenset({Status.HELD, Status.WATCHED, Status.REGRESSED, Status.OVER_LIMIT})


def slips(demands: Demands, judged: Sequence[tuple[Measurement, Judged]], policy: Policy) -> list[str]:
    """Say which numbers get a little worse with each verdict; what can't be read of the past says nothing of it."""
    try:
        past = _past(demands)
    except (GitError, LedgerError):
        return []
    found = []
    for measurement, now in judged:
        rules = policy.metric(measurement.name, measurement.metric)
        if rules is None or now.value is None:
            continue
        values = [value for seen in past for value in _value_in(seen, now)]
        distance = distance_to_row(measurement, now, rules, policy)
        seen = slip([*values, now.value], better=rules.better, baseline=now.baseline, distance=distance)
        if seen is not None:
            found.append(slip_in_words(now.name, seen, now.unit))
    return found


def _past(demands: Demands) -> list[Judgment]:
    """Read the last verdicts of this project, oldest first; of several on one tree the last."""
    catalogue = demands.catalogue if demands.ground.head is not None else None
    if catalogue is None:
        return []
    tree = demands.ground.tree
    recorded = catalogue.entries(Wanted(kinds=("verdict",), root=demands.root), limit=3 * LOOKED_AT)
    last: dict[str, str] = {}
    for each in recorded:  # newest first
        if each.entry.whole and each.entry.tree and each.entry.tree != tree:
            last.setdefault(each.entry.tree, each.id)
    kept = demands.ledger.read_all(list(last.values())[:LOOKED_AT])
    return [stored.event for stored in reversed(kept) if isinstance(stored.event, Judgment)]


def _value_in(event: Judgment, now: Judged) -> list[float]:
    """Give what a verdict measured of a number, where it measured the same on the same kind of machine."""
    alike = (now.name, now.unit, now.environment)
    return [
        judged.value
        for judged in event.measurements
        if (judged.name, judged.unit, judged.environment) == alike
        and judged.value is not None
        and judged.status in KNOWN
    ]
