"""Makes the policy of its checked tables: the project's laid over the shipped ones, key by key."""

from __future__ import annotations

import hashlib
import math

import msgspec

from pytest_rollback.model import Action, Level, Severity
from pytest_rollback.policy.check import Tables
from pytest_rollback.policy.rules import LAST, Check, Drift, Group, Metric, Phase, Policy, Tier, Trigger, names_in
from pytest_rollback.policy.tables import TABLES

CHECKS = "checks"  # the group of a check that names no other
NAMES_METRICS = "names-metrics"  # no key that anybody writes: whether the project's own tables name a metric
CHECKED_WITHOUT = ("junit",)  # kinds that look at what somebody else has run, which a scratch tree does not hold
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
        triggers = [in_phase(trigger, phase) for trigger in triggers]
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
        checks=tuple(_check(name, table) for name, table in tables["checks"].items()),
        health=tuple(tables.get("health", ())),
        names_metrics=tables.get(NAMES_METRICS, False),
        phases=phases,
        tiers=tuple(sorted(tiers, key=lambda tier: tier.number)),
        source=source,
        digest="",
        protected=tuple(tables.get("protected", ())),
        carry=tuple(tables.get("carry", ())),
        reuse=tables.get("reuse", False),
        sign=tables.get("sign", False),
        approvers=tuple(tables.get("approvers", ())),
        machines=tuple(tables.get("machines", ())),
        machine_approval=tables.get("machine-approval", False),
        drift=tuple(_drift(name, table) for name, table in tables["drift"].items()),
    )
    return named(policy)


def named(policy: Policy) -> Policy:
    """Name a policy by what it says, not by where it was read from."""
    said = msgspec.structs.replace(policy, source="", digest="")
    digest = hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
    return msgspec.structs.replace(policy, digest=digest)


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
        hold_s=_seconds(table.get(table["action"].value)),  # "investigate" and "watch" are keys as well as actions
        enabled=table.get("enabled", True),
        groups=names_in(table.get("group")),
        labels=names_in(table.get("label")),
        failures=table.get("failures"),
        rate=table.get("rate"),
        exceptions=names_in(table.get("exception")),
        metrics=names_in(table.get("metric")),
        drop=table.get("drop"),
        rise=table.get("rise"),
        above=table.get("above"),
        below=table.get("below"),
        limit=table.get("limit", False),
        signals=names_in(table.get("signal")),
    )


def in_phase(trigger: Trigger, phase: Phase) -> Trigger:
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
        own = math.inf if trigger.deadline_s is None else trigger.deadline_s
        deadline = min(own, phase.way_back_s)
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
        at=table.get("at", "commit"),
        per_environment=table.get("per-environment", False),
        ratchet=table.get("ratchet", False),
        given=tuple(sorted(key.replace("-", "_") for key in table)),
    )


def _check(name: str, table: Tables) -> Check:
    status = table.get("status", 0)
    stands_alone = table["kind"] not in CHECKED_WITHOUT or "command" in table
    return Check(
        name=name,
        kind=table["kind"],
        group=table.get("group", CHECKS),
        labels=names_in(table.get("label")),
        at=table.get("at", "commit" if stands_alone else "ci"),
        limit_s=_seconds(table.get("limit")),
        packages=tuple(table.get("packages", ())),
        exclude=tuple(table.get("exclude", ())),
        command=tuple(table.get("command", ())),
        pattern=table.get("pattern", ""),
        metric=table.get("metric", ""),
        status=(status,) if isinstance(status, int) else tuple(status),
        results=table.get("results", ""),
        max_age_s=_seconds(table.get("max-age")),
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


def _drift(name: str, table: Tables) -> Drift:
    return Drift(name=name, source=table["source"], copies=tuple(table["copies"]))


def _seconds(value: float | None) -> float | None:
    """Read a duration; one without end is none."""
    return None if value is None or math.isinf(value) else float(value)
