"""Merges the rows of two matrices, so that whatever either of them fires on still fires, and asks for no less."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import structs

from pytest_rollback.model import Action
from pytest_rollback.policy.rules import ANY_GROUP, Group, Policy, Trigger
from pytest_rollback.policy.tighten import ACTIONS, SEVERITIES, is_as_strict, newly_judging

CONDITIONS = (
    "groups",
    "labels",
    "failures",
    "rate",
    "exceptions",
    "metrics",
    "drop",
    "rise",
    "above",
    "below",
    "limit",
    "signals",
)


class _Kept:
    """A row of the merged matrix, with the rows that it stands for."""

    def __init__(self, row: Trigger, policy: Policy) -> None:
        self.row = row
        self.policy = policy
        self.stands_for = [(row, policy)]

    @property
    def counts(self) -> bool:
        """Whether it is about how many of its tests fail, so that one test more is another question."""
        return self.row.failures is not None or self.row.rate is not None

    def also_for(self, row: Trigger, policy: Policy) -> None:
        self.stands_for.append((row, policy))

    def wanted(self, released: Collection[str]) -> frozenset[str]:
        """Name the groups that it must watch; `released` are those that rows for all others may leave to new rows."""
        wanted: set[str] = set()
        for row, policy in self.stands_for:
            wanted |= {
                name for name in policy.groups_of(row) if ANY_GROUP not in row.groups or name not in released
            } | set(row.groups)
        return frozenset(wanted - {ANY_GROUP})


def merge_rows(
    base: Policy, change: Policy, groups: tuple[Group, ...], approved: Collection[str]
) -> tuple[Trigger, ...]:
    """Merge two matrices: the change's rows in their order, each followed by what else the base demands by its name."""
    kept = [_Kept(row, change) for row in change.triggers]
    for row in base.triggers:
        _lay(kept, row, base)
    released = {name for key in approved if (name := key.removeprefix("groups.")) != key}
    _hold_groups(kept, change, groups, released)
    merged = structs.replace(change, groups=groups, triggers=tuple(each.row for each in kept))
    for before in (base, change):
        for row in newly_judging(before, merged):
            if before is change or f"triggers.{row.name}" not in approved:
                for each in kept:
                    each.row = _raised(row) if each.row == row else each.row
    return tuple(each.row for each in kept)


def _lay(kept: list[_Kept], row: Trigger, policy: Policy) -> None:
    """Lay one row of the base over those that bear its name: merged with one, covered by one, or beside them."""
    mates = [each for each in kept if each.row.name == row.name]
    if not mates:
        kept.append(_Kept(row, policy))
        return
    if not row.enabled:
        return
    for mate in mates:
        if mate.row.enabled and _asks_the_same(row, policy, mate):
            mate.row = _worse(row, mate.row)
            mate.also_for(row, policy)
            return
    if covering := next((mate for mate in mates if mate.row.enabled and _covers(mate, row, policy)), None):
        covering.also_for(row, policy)
        return
    own = _Kept(row, policy)
    beaten = [mate for mate in mates if not mate.row.enabled or _covers(own, mate.row, mate.policy)]
    own.stands_for += [pair for mate in beaten if mate.row.enabled for pair in mate.stands_for]
    kept.insert(kept.index(beaten[0] if beaten else mates[-1]) + (not beaten), own)
    for mate in beaten:
        kept.remove(mate)


def _asks_the_same(row: Trigger, policy: Policy, mate: _Kept) -> bool:
    """Whether two rows fire on the same, so that only what they ask for has to be merged."""
    if any(getattr(row, name) != getattr(mate.row, name) for name in CONDITIONS):
        return False
    return not mate.counts or policy.groups_of(row) == mate.policy.groups_of(mate.row)


def _covers(mate: _Kept, row: Trigger, policy: Policy) -> bool:
    """Whether a row makes another one superfluous."""
    if not is_as_strict(row, mate.row, policy, mate.policy):
        return False
    counted = mate.counts and bool(mate.row.groups)
    return not counted or policy.groups_of(row) == mate.policy.groups_of(mate.row)


def _worse(one: Trigger, other: Trigger) -> Trigger:
    """Merge what two rows ask for; where it can't be ordered, the second's word holds."""
    first = min((other, one), key=lambda row: ACTIONS.index(row.action))
    holds = [row.hold_s for row in (one, other) if row.action is first.action]
    return structs.replace(
        other,
        severity=min(one.severity, other.severity, key=SEVERITIES.index),
        action=first.action,
        level=other.level or one.level,
        deadline_s=shorter(one.deadline_s, other.deadline_s),
        hold_s=_shortest(holds),
    )


def _hold_groups(kept: list[_Kept], change: Policy, groups: tuple[Group, ...], released: Collection[str]) -> None:
    """See that each row still watches its groups: one for all others loses those that another row names.

    To name a group in one row may take it from the next one, so this goes on until nothing moves.
    """
    moved = True
    while moved:
        moved = False
        for each in kept:
            if not each.row.enabled or not each.row.groups:
                continue
            merged = structs.replace(change, groups=groups, triggers=tuple(other.row for other in kept))
            wanted, has = each.wanted(released), merged.groups_of(each.row) - {ANY_GROUP}
            named = (*each.row.groups, *sorted(wanted - has))
            if each.counts and has != wanted:
                named = tuple(sorted(wanted))
            if named != each.row.groups and named:
                each.row = structs.replace(each.row, groups=named)
                moved = True


def _raised(row: Trigger) -> Trigger:
    """Keep a row from letting through what was inconclusive: it blocks at once, or is no word about it at all."""
    if not row.enabled:
        return structs.replace(row, action=Action.WATCH)
    blocks = ACTIONS.index(row.action) <= ACTIONS.index(Action.INVESTIGATE)
    return structs.replace(
        row,
        action=row.action if blocks else Action.INVESTIGATE,
        hold_s=row.hold_s if blocks else None,
        **dict.fromkeys(("failures", "rate", "drop", "rise", "above", "below")),
    )


def shorter(one: float | None, other: float | None) -> float | None:
    """Give the shorter of two times, of which either may be without end."""
    return _shortest((one, other))


def _shortest(times: Iterable[float | None]) -> float | None:
    return min((time for time in times if time is not None), default=None)
