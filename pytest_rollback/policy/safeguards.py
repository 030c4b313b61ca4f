"""Compares what stands around the matrix: labels, protected files, who approves, who decides, copies and signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pytest_rollback.model import Level
from pytest_rollback.policy.patterns import covers_name, covers_path
from pytest_rollback.policy.rules import Drift, Policy

Found = Iterator[tuple[str, str]]


def fewer_safeguards(before: Policy, after: Policy) -> Found:
    """Name each key where the second policy watches over less, or lets more people have their way."""
    if before.labels and not after.labels:
        yield "labels", "is gone, so a misspelt label is none"
    yield from _no_longer("protected", before.protected, after.protected, covers_path)
    yield from _approvers(before.approvers, after.approvers)
    yield from _no_longer("machines", before.machines, after.machines, covers_name)
    for key in ("machine_approval", "sign"):
        if getattr(before, key) and not getattr(after, key):
            yield key.replace("_", "-"), "false is looser than true"
    if lost := [name for name in before.health if name not in after.health]:
        yield "health", f"no longer counts {', '.join(lost)}"
    yield from _drift(before, after)
    yield from _authority(before, after)


def lowers_authority(level: Level, before: Policy, after: Policy) -> bool:
    """Whether a level of rollback may be decided further down than it was, or by nobody that is named."""
    was, now = before.tier_for(level), after.tier_for(level)
    return was is not None and (now is None or now.number < was.number)


def adds_approvers(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    """List those who may approve and might not before; where nobody was named, everybody might."""
    return [new for new in after if before and not any(covers_name(old, new) for old in before)]


def _no_longer(
    key: str, before: tuple[str, ...], after: tuple[str, ...], covers_it: Callable[[str, str], bool]
) -> Found:
    if lost := [old for old in before if not any(covers_it(new, old) for new in after)]:
        yield key, f"no longer names {', '.join(lost)}"


def _approvers(before: tuple[str, ...], after: tuple[str, ...]) -> Found:
    if before and not after:
        yield "approvers", "is gone, so anyone may approve"
    elif more := adds_approvers(before, after):
        yield "approvers", f"lets {', '.join(more)} approve as well"


def _drift(before: Policy, after: Policy) -> Found:
    for old in before.drift:
        rows = [new for new in after.drift if new.name == old.name]
        if not any(_holds_as_much(new, old) for new in rows):
            yield from ((f"drift.{old.name}{key}", text) for key, text in _less_of(old, rows))


def _holds_as_much(new: Drift, old: Drift) -> bool:
    return new.source == old.source and set(old.copies) <= set(new.copies)


def _less_of(old: Drift, rows: list[Drift]) -> Found:
    if not rows:
        yield "", "is gone"
        return
    new = next((row for row in rows if row.source == old.source), rows[0])
    if new.source != old.source:
        yield ".source", f'"{new.source}" is not "{old.source}"'
    if lost := set(old.copies) - set(new.copies):
        yield ".copies", f"no longer names {', '.join(sorted(lost))}"


def _authority(before: Policy, after: Policy) -> Found:
    for tier in before.tiers:
        lost = [level for level in tier.levels if lowers_authority(level, before, after)]
        if lost := [level for level in lost if before.tier_for(level) == tier]:
            now = {level.value: after.tier_for(level) for level in lost}
            said = [f"{level}: tier {new.number}" if new else f"{level}: nobody" for level, new in now.items()]
            yield f"tiers.{tier.number}.levels", f"are decided elsewhere than they were ({', '.join(said)})"
