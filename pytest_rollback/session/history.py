"""How the numbers of a session go on from those of the verdicts before it. Of the ledger this takes history alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import islice

from pytest_rollback.events import Judgment
from pytest_rollback.judge.distance import distance_to_row
from pytest_rollback.judge.trends import slip, slip_in_words
from pytest_rollback.model import Judged, Measurement, Status
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.known_good import first_parents
from pytest_rollback.repo.ledger import LedgerError
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.session.demands import Demands

LOOKED_AT = 20
FARTHEST = 200  # commits back
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
    """Read the last verdicts on the way to what is judged, oldest first: other branches are no steps of this one."""
    head, catalogue = demands.ground.head, None
    if head is not None and head.commit is not None:
        catalogue = demands.catalogue
    if head is None or catalogue is None:
        return []
    judged = demands.ground.tree
    last: list[str] = []
    with closing(first_parents(head.top, "HEAD", {})) as commits:
        for _, tree in islice(commits, FARTHEST):
            if tree != judged and (found := _verdict_on(catalogue, tree, demands.root)):
                last.append(found)
            if len(last) == LOOKED_AT:
                break
    kept = demands.ledger.read_all(last)
    return [stored.event for stored in reversed(kept) if isinstance(stored.event, Judgment)]


def _verdict_on(catalogue: Catalogue, tree: str, root: str) -> str | None:
    """Find the last verdict on the whole gate of a tree."""
    return next((each.id for each in catalogue.verdicts_of(tree, root=root) if each.entry.whole), None)


def _value_in(event: Judgment, now: Judged) -> list[float]:
    """Give what a verdict measured of a number, where it measured the same on the same kind of machine.

    Times are told by how they stood to their baseline, which is what they were held against on that day's machine.
    """
    alike = (now.name, now.unit, now.environment)
    found = []
    for judged in event.measurements:
        if (
            (judged.name, judged.unit, judged.environment) != alike
            or judged.value is None
            or judged.status not in KNOWN
        ):
            continue
        if judged.environment is None:
            found.append(judged.value)
        elif judged.baseline and now.baseline:
            found.append(judged.value / judged.baseline * now.baseline)
    return found
