"""Says which numbers of a session become baselines, and which stay as they are and why.

Accepting is explicit and never automatic, and a number over its absolute limit is never accepted. Whether anything of a
session may be accepted at all, `judge.acceptable` says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from msgspec import Struct

from pytest_rollback.judge.compare import crossed_limit, fires
from pytest_rollback.judge.decide import OF_ACTION, Standing
from pytest_rollback.judge.match import is_compared
from pytest_rollback.model import Judged, Measurement, Status
from pytest_rollback.policy.baselines import NEWER, Accepted, Baseline, Shelf, file_of, is_contract, is_name
from pytest_rollback.policy.criteria import convert, number
from pytest_rollback.policy.rules import Metric, Policy, Trigger

REPLACE = "--accept-baselines all replaces it"
NOISE = 1e-9  # of floats, as a share
UNTOUCHED = frozenset({Status.LEFT_TO_CI, Status.TOO_FEW, Status.INVALID})


class How(str, Enum):
    """What is accepted."""

    NEW = "new"
    BETTER = "better"
    ALL = "all"


class Change(Struct, frozen=True, kw_only=True):
    """One baseline that is to be. `kind` is new, better, worse, changed unit or replaced."""

    name: str
    environment: str | None
    was: float | None
    now: float
    unit: str
    kind: str
    was_unit: str = ""
    metric: str = ""
    labels: tuple[str, ...] = ()
    basis: dict[str, Any] = {}
    remark: str = ""

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_of(self.name, self.environment)

    @property
    def is_contract(self) -> bool:
        """Whether it is a structure that is kept, whose number only counts what is broken."""
        return is_contract(self.metric, self.basis)


class Kept(Struct, frozen=True):
    """A metric whose baseline stays as it is, or that gets none; `is_news` where nobody would take that for granted."""

    name: str
    why: str
    is_news: bool = True


class Plan(Struct, frozen=True):
    """What becomes of each number that was measured."""

    changes: tuple[Change, ...]
    kept: tuple[Kept, ...]


def plan(
    judged: Sequence[Judged],
    measurements: Sequence[Measurement],
    shelf: Shelf,
    policy: Policy,
    how: How | str,
    *,
    machine: str,
) -> Plan:
    """Decide for each number whether it becomes the baseline; both lists are of one session, in one order."""
    how = How(how)
    changes: dict[str, Change] = {}
    kept: list[Kept] = []
    for stands, measurement in zip(judged, measurements, strict=True):
        decided = _Case(stands, measurement, shelf, policy, how, machine).decide()
        if isinstance(decided, Change) and decided.file in changes:
            decided = Kept(decided.name, f"its file would be that of {changes[decided.file].name}")
        if isinstance(decided, Change):
            changes[decided.file] = decided
        else:
            kept.append(decided)
    return Plan(tuple(changes.values()), tuple(kept))


def baseline_of(change: Change, accepted: Accepted) -> Baseline:
    """Make the baseline that a change asks for."""
    return Baseline(
        name=change.name,
        metric=change.metric,
        unit=change.unit,
        value=change.now,
        environment=change.environment,
        labels=change.labels,
        basis=change.basis,
        accepted=accepted,
    )


def in_unit(value: float | None, unit: str) -> str:
    """Write a value with its unit: `98.7 %`, `12 ms`; none where there is none."""
    if value is None:
        return "none"
    if unit == "s" and 0 < abs(value) < 1:
        return f"{number(value * 1000)} ms"
    return f"{number(value)} {unit}".rstrip()


class _Case:
    """One number before the decision."""

    def __init__(
        self, judged: Judged, measurement: Measurement, shelf: Shelf, policy: Policy, how: How, machine: str
    ) -> None:
        self.judged, self.measurement, self.shelf, self.policy, self.how = judged, measurement, shelf, policy, how
        self.name = measurement.name
        self.rules = policy.metric(measurement.name, measurement.metric)
        self.unit = measurement.unit or (self.rules.unit if self.rules else "")
        is_own = self.rules is not None and self.rules.per_environment
        self.environment = (measurement.environment or machine) if is_own else None
        self.detail = measurement.detail.partition("\n")[0]
        self.is_contract = is_contract(measurement.metric, measurement.basis)

    def decide(self) -> Change | Kept:
        """Say what becomes of it."""
        why = next(self._unfit(), "") or ("" if self.is_contract else self._beyond_limit())
        if why:
            return Kept(self.name, why)
        if trouble := self.shelf.trouble(self.name, self.environment):
            return self._damaged(trouble)
        known = self.shelf.get(self.name, self.environment)
        return self._new() if known is None else self._against(known)

    def _against(self, known: Baseline) -> Change | Kept:
        if known.pinned is not None:
            return Kept(self.name, f"pinned at {in_unit(known.value, known.unit)}: {known.pinned}")
        if self.how is How.NEW:
            return Kept(self.name, f"has a baseline, {in_unit(known.value, known.unit)}", is_news=False)
        value = convert(known.value, known.unit, self.unit)
        if value is None or bool(known.unit) != bool(self.unit):
            return self._in_another_unit(known)
        if self.measurement.doubt is not None:
            return self._incomparable(known)
        return self._of_contract(known) if self.is_contract else self._moved(known, value)

    # --- what is no baseline for anybody ---

    def _unfit(self) -> Iterator[str]:
        """Say why a number can't be a baseline at all."""
        measurement, unit = self.measurement, self.unit or "no unit"
        status = measurement.doubt if measurement.doubt in UNTOUCHED else self.judged.status
        if status is Status.LEFT_TO_CI:
            yield "left to CI; accept it there"
        elif status in UNTOUCHED:
            yield f"{status.value}: {self.detail}".removesuffix(": ")
        if not math.isfinite(measurement.value):
            yield f"{measurement.value} is no number"
        if not is_name(self.name):
            yield "its name has something in it that nobody sees"
        if self.rules is None:
            yield "the policy knows no such metric"
        elif not _fits(self.unit, self.rules):
            yield f"it is in {unit}, which the policy can't compare with its own"
        if status is Status.NOT_COMPARABLE and measurement.doubt is None:
            yield f"it is in {unit}, which the policy's rows can't compare"

    def _beyond_limit(self) -> str:
        """Say which absolute limit a number is over; what is over one is accepted by nobody."""
        measurement, rules = self.measurement, self.rules
        limit = crossed_limit(measurement.value, self.unit, rules) if rules is not None else None
        if limit is None and self.judged.status is Status.OVER_LIMIT:
            limit = self.judged.limit
        said = in_unit(measurement.value, self.unit)
        if limit is not None or self.judged.status is Status.OVER_LIMIT:
            return f"{said} is beyond its limit of {in_unit(limit, self.unit)}, and never accepted"
        row = next((row for row in self.policy.triggers if self._is_ruled_out_by(row)), None)
        return f"{said} is ruled out by the row {row.name}, and never accepted" if row is not None else ""

    def _is_ruled_out_by(self, row: Trigger) -> bool:
        """Whether a row blocks this number whatever the baseline is."""
        measurement = self.measurement
        absolute = (row.above is not None or row.below is not None) and row.drop is None and row.rise is None
        named = not row.metrics or bool({measurement.name, measurement.metric} & set(row.metrics))
        labelled = not row.labels or bool(set(row.labels) & set(measurement.labels))
        blocks = row.enabled and OF_ACTION[row.action] is Standing.FAILS
        return absolute and named and labelled and blocks and fires(row, self._as_it_is(), self.rules)

    def _as_it_is(self) -> Judged:
        return Judged(
            name=self.name,
            value=self.measurement.value,
            unit=self.unit,
            baseline=None,
            limit=None,
            change=None,
            status=Status.HELD,
        )

    # --- what there was before ---

    def _damaged(self, trouble: str) -> Change | Kept:
        file = file_of(self.name, self.environment)
        if file not in self.shelf.troubles or trouble.startswith(NEWER):
            return Kept(self.name, f"{file} {trouble}")
        if self.how is not How.ALL:
            return Kept(self.name, f"{file} {trouble}; {REPLACE}")
        return self._change("replaced", remark="in place of a damaged file")

    def _new(self) -> Change | Kept:
        measurement, rules = self.measurement, self.rules
        if measurement.doubt is not None:
            return Kept(
                self.name, f"{measurement.doubt.value}: {measurement.detail.partition(chr(10))[0]}".rstrip(": ")
            )
        ratchet = rules is not None and rules.ratchet
        if not (self.is_contract or ratchet or is_compared(measurement, self.policy)):
            return Kept(self.name, "no row of the policy compares it with a baseline", is_news=False)
        return self._change("new")

    def _in_another_unit(self, known: Baseline) -> Change | Kept:
        if self.how is not How.ALL:
            units = f"it is in {self.unit or 'no unit'}, and its baseline in {known.unit or 'no unit'}"
            return Kept(self.name, f"{units}; {REPLACE}")
        return self._change("changed unit", known)

    def _incomparable(self, known: Baseline) -> Change | Kept:
        if self.how is not How.ALL:
            return Kept(self.name, f"{self.detail or 'it could not be compared'}; {REPLACE}")
        return self._change("replaced", known, remark="could not be compared with it")

    def _of_contract(self, known: Baseline) -> Change | Kept:
        """Additions alone make a contract better: who relies on it loses nothing."""
        broken = self.measurement.value
        if self.measurement.basis == known.basis:
            return Kept(self.name, "unchanged", is_news=False)
        if broken and self.how is not How.ALL:
            return Kept(self.name, f"{number(broken)} breaking change{'s' * (broken != 1)}; {REPLACE}")
        return self._change("worse" if broken else "better", known, remark="" if broken else "additions only")

    def _moved(self, known: Baseline, before: float) -> Change | Kept:
        gain = self._gain(before)
        if gain > 0 or (self.how is How.ALL and self.measurement.value != before):
            return self._change("better" if self._is_ahead(before) else "worse", known)
        if self.measurement.value == before:
            return Kept(self.name, f"unchanged, {in_unit(before, self.unit)}", is_news=False)
        said, was = in_unit(self.measurement.value, self.unit), in_unit(before, self.unit)
        return Kept(self.name, f"{said} is {'within reach of' if self._is_ahead(before) else 'not better than'} {was}")

    def _gain(self, before: float) -> float:
        """Say how much better a number is for sure: by its interval's nearer end, and by more than the tolerance.

        Who gives an interval and a baseline has brought both to this machine's pace.
        """
        rules, measurement = self.rules, self.measurement
        higher = rules is None or rules.better == "higher"
        ends = [end for end in (measurement.low, measurement.high) if end is not None]
        if ends and measurement.baseline is not None:
            before = measurement.baseline
        nearest = (min if higher else max)([measurement.value, *ends])
        tolerance = (convert(rules.tolerance, rules.unit, self.unit) if rules is not None else None) or 0.0
        gained = ((nearest - before) if higher else (before - nearest)) - tolerance
        return gained if gained > NOISE * max(abs(nearest), abs(before)) else 0.0

    def _is_ahead(self, before: float) -> bool:
        higher = self.rules is None or self.rules.better == "higher"
        return (self.measurement.value > before) is higher

    def _change(self, kind: str, known: Baseline | None = None, *, remark: str = "") -> Change:
        measurement = self.measurement
        return Change(
            name=self.name,
            environment=self.environment,
            was=known.value if known is not None else None,
            now=0.0 if self.is_contract else measurement.value,  # against itself, nothing of it is broken
            unit=self.unit,
            kind=kind,
            was_unit=known.unit if known is not None else "",
            metric=measurement.metric,
            labels=measurement.labels,
            basis=measurement.basis,
            remark=remark,
        )


def _fits(unit: str, rules: Metric) -> bool:
    """Whether a number of this unit can be held against the metric's own, and against its limits."""
    written = [rules.unit, *(limit.unit for limit in (rules.floor, rules.ceiling) if limit is not None)]
    return all(convert(1.0, unit, other) is not None for other in written)
