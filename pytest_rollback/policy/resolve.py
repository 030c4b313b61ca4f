"""Makes the policy of its checked tables: the project's laid over the shipped ones, key by key, then held to sense."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Any

import msgspec

from pytest_rollback.model import Action, Level, Severity
from pytest_rollback.policy.check import Checker, Tables
from pytest_rollback.policy.criteria import Criterion, convert
from pytest_rollback.policy.problems import nearest
from pytest_rollback.policy.rules import ANY_GROUP, LAST, Group, Metric, Phase, Policy, Tier, Trigger
from pytest_rollback.policy.tables import TABLES

ON_TESTS = ("group", "label", "failures", "rate", "exception")
ON_METRICS = ("metric", "drop", "rise", "above", "below", "limit")
NEEDS_METRIC = ("drop", "rise", "above", "below")
BLOCKING = (Action.LOCK_DOWN, Action.ROLL_BACK, Action.RESTORE)


def overlay(under: Tables, over: Tables) -> Tables:
    """Lay one policy's tables over another's: rows by name, then key by key."""
    merged = {**under, **{key: value for key, value in over.items() if key not in TABLES}}
    for family in TABLES:
        rows = {name: dict(table) for name, table in under.get(family, {}).items()}
        for name, table in over.get(family, {}).items():
            rows[name] = {**rows.get(name, {}), **table}
        merged[family] = rows
    return merged


def resolve(tables: Tables, source: str) -> Policy:
    """Turn merged tables into the policy, the running phase applied."""
    phases = {name: _phase(name, table) for name, table in tables["phases"].items()}
    phase = phases.get(tables.get("phase", ""))
    groups = sorted((_group(name, table) for name, table in tables["groups"].items()), key=lambda g: g.order)
    triggers = [_trigger(name, table) for name, table in tables["triggers"].items()]
    if phase is not None:
        groups = [
            msgspec.structs.replace(group, required=group.required or group.name in phase.requires) for group in groups
        ]
        triggers = [_in_phase(trigger, phase) for trigger in triggers]
    tiers = (_tier(name, table) for name, table in tables["tiers"].items())
    policy = Policy(
        mode=tables["mode"],
        trusted=tables.get("trusted"),
        live=tuple(tables.get("live", ())),
        labels=tuple(tables.get("labels", ())),
        phase=phase,
        groups=tuple(groups),
        triggers=tuple(triggers),
        metrics={name: _metric(name, table) for name, table in tables["metrics"].items()},
        phases=phases,
        tiers=tuple(sorted(tiers, key=lambda tier: tier.number)),
        source=source,
        digest="",
    )
    return msgspec.structs.replace(policy, digest=_digest(policy))


def hold_to_sense(checker: Checker, under: Tables, over: Tables, merged: Tables) -> None:
    """Say what can't be meant: rows without a condition, names that nothing bears. Only of what `over` wrote."""
    labels = [*merged["labels"], *_labels_of_rows(under)] if merged.get("labels") else []
    for name, written in over.get("triggers", {}).items():
        _sense_of_trigger(checker, f"triggers.{name}", merged["triggers"][name], merged)
        _known(checker, f"triggers.{name}.group", written.get("group"), [*merged["groups"], ANY_GROUP])
        _known(checker, f"triggers.{name}.metric", written.get("metric"), merged["metrics"])
        if labels:
            _known(checker, f"triggers.{name}.label", written.get("label"), labels)
    for name, written in over.get("phases", {}).items():
        _known(checker, f"phases.{name}.requires", written.get("requires"), merged["groups"])
        _known(checker, f"phases.{name}.stop", written.get("stop"), merged["triggers"])
    for name in over.get("tiers", {}):
        if "name" not in merged["tiers"][name]:
            checker.say(f"tiers.{name}.name", "missing; say who it is")
    if "phase" in over:
        _known(checker, "phase", over["phase"], merged["phases"])


def _sense_of_trigger(checker: Checker, at: str, row: Tables, merged: Tables) -> None:
    """Say what is missing in a row, or can't stand beside the rest of it."""
    conditions = [key for key in (*ON_TESTS, *ON_METRICS, "signal") if key in row]
    if not conditions:
        name = at.removeprefix("triggers.")
        known = [known for known in merged["triggers"] if known != name]
        checker.say(at, f"no row of this name is shipped, and a new one needs a condition{nearest(name, known)}")
        return
    for key in ("severity", "action"):
        if key not in row:
            checker.say(f"{at}.{key}", "missing")
    kinds = {
        "tests": [key for key in conditions if key in ON_TESTS and key != "label"],
        "a metric": [key for key in conditions if key in ON_METRICS],
        "a signal": [key for key in conditions if key == "signal"],
    }
    mixed = {kind: keys for kind, keys in kinds.items() if keys}
    if len(mixed) > 1:
        said = " and ".join(f"{kind} ({', '.join(keys)})" for kind, keys in mixed.items())
        checker.say(at, f"a row watches tests, a metric or a signal, and this one {said}; make it two rows")
    for key in NEEDS_METRIC:
        if key in row and "metric" not in row:
            checker.say(f"{at}.{key}", 'needs "metric", the number that it watches')
    _sense_of_units(checker, at, row, merged)


def _sense_of_units(checker: Checker, at: str, row: Tables, merged: Tables) -> None:
    """Say where a unit can't be compared with what the row watches."""
    for key, allowed in (("failures", ("",)), ("rate", ("%", ""))):
        criterion = row.get(key)
        if isinstance(criterion, Criterion) and criterion.unit not in allowed:
            checker.say(f"{at}.{key}", f"{str(criterion)!r} has a unit that makes no sense here")
    for name in _names(row.get("metric")):
        unit = merged["metrics"].get(name, {}).get("unit", "")
        for key in NEEDS_METRIC:
            written = getattr(row.get(key), "unit", "")
            relative = ("%", "points") if key in ("drop", "rise") else ()
            if written not in relative and convert(1.0, written, unit) is None:
                checker.say(f"{at}.{key}", f"{str(row[key])!r} can't be compared with {name}, which is in {unit}")


def _known(checker: Checker, key: str, names: object, known: Iterable[str]) -> None:
    """Say which of the names nothing bears."""
    bearers = list(known)
    for name in _names(names):
        if name not in bearers:
            checker.say(key, f'nothing is named "{name}"{nearest(name, bearers)}')


def _labels_of_rows(tables: Tables) -> list[str]:
    """List the labels that rows already know, which no vocabulary takes away."""
    return [label for row in tables["triggers"].values() for label in _names(row.get("label"))]


def _group(name: str, table: Tables) -> Group:
    return Group(
        name=name,
        order=table.get("order", LAST),
        each_s=_seconds(table.get("each")),
        whole_s=_seconds(table.get("whole")),
        fail_fast=table.get("fail-fast", False),
        at=table.get("at", "commit"),
        required=table.get("required", True),
    )


def _trigger(name: str, table: Tables) -> Trigger:
    level = table.get("level", "none")
    return Trigger(
        name=name,
        severity=table["severity"],
        action=table["action"],
        level=None if level == "none" else Level(level),
        deadline_s=_seconds(table.get("deadline")),
        hold_s=_seconds(table.get("investigate", table.get("watch"))),
        enabled=table.get("enabled", True),
        groups=_names(table.get("group")),
        labels=_names(table.get("label")),
        failures=table.get("failures"),
        rate=table.get("rate"),
        exceptions=_names(table.get("exception")),
        metrics=_names(table.get("metric")),
        drop=table.get("drop"),
        rise=table.get("rise"),
        above=table.get("above"),
        below=table.get("below"),
        limit=table.get("limit", False),
        signals=_names(table.get("signal")),
    )


def _in_phase(trigger: Trigger, phase: Phase) -> Trigger:
    """Sharpen a row by what the running phase says: its stop criteria, and the time a way back may take."""
    if trigger.name in phase.stop and trigger.action not in BLOCKING:
        trigger = msgspec.structs.replace(
            trigger,
            action=Action.ROLL_BACK,
            severity=Severity.CRITICAL,
            level=trigger.level or Level.PHASE,
            hold_s=None,
        )
    if phase.way_back_s is not None and trigger.action in (*BLOCKING, Action.INVESTIGATE):
        deadline = min(trigger.deadline_s or math.inf, phase.way_back_s)
        trigger = msgspec.structs.replace(trigger, deadline_s=deadline)
    return trigger


def _metric(name: str, table: Tables) -> Metric:
    return Metric(
        name=name,
        unit=table.get("unit", ""),
        better=table.get("better", "higher"),
        floor=table.get("floor"),
        ceiling=table.get("ceiling"),
        assumed=table.get("assumed"),
        tolerance=table.get("tolerance", 0.0),
        required=table.get("required", False),
    )


def _phase(name: str, table: Tables) -> Phase:
    return Phase(
        name=name,
        risk=table.get("risk"),
        requires=tuple(table.get("requires", ())),
        stop=tuple(table.get("stop", ())),
        way_back_s=_seconds(table.get("way-back")),
    )


def _tier(name: str, table: Tables) -> Tier:
    return Tier(
        number=int(name),
        name=table["name"],
        contacts=tuple(table.get("contacts", ())),
        respond_s=_seconds(table.get("respond")),
        levels=tuple(table.get("levels", ())),
    )


def _names(value: Any) -> tuple[str, ...]:
    """Read a name or a list of names as a tuple of names."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _seconds(value: float | None) -> float | None:
    """Read a duration; one without end is none."""
    return None if value is None or math.isinf(value) else float(value)


def _digest(policy: Policy) -> str:
    """Name the policy by what it says, not by where it was read from."""
    said = msgspec.structs.replace(policy, source="")
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
