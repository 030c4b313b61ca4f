"""The policy's tables as they may stand in TOML; `pytest-rollback schema policy` is made from these types.

`None` means that the key is not there. What a key means is said once, here, and shown by the schema.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from pytest_rollback.model import Action, Level, Severity
from pytest_rollback.policy.criteria import read_criterion, read_duration, read_quantity

# What the schema shows is what is written; the reader in `extra` makes of it what the gate goes by.
CriterionText = Annotated[
    float | str, Meta(examples=["> 10 %", "<= 3", "0.5 to 2 points"], extra={"reader": read_criterion})
]
DurationText = Annotated[str, Meta(examples=["30 s", "5 min", "none"], extra={"reader": read_duration})]
QuantityText = Annotated[float | str, Meta(examples=["500 ms", "95 %", 2.0], extra={"reader": read_quantity})]
Positive = Annotated[float, Meta(ge=0)]
Names = str | list[str]
Mode = Literal["enforce", "shadow"]
At = Literal["commit", "ci"]
Better = Literal["higher", "lower"]
Kind = Literal["imports", "syntax", "command", "protected", "junit"]
Depth = Literal["change", "file", "commit", "group", "phase", "system", "none"]


class GroupTable(Struct, kw_only=True, rename="kebab"):
    """`[groups.NAME]`: a marker that the gate runs and judges."""

    order: Annotated[int | None, Meta(description="lower runs earlier; the shipped groups stand at 10, 20, 40")] = None
    each: Annotated[DurationText | None, Meta(description="time limit of a test that has none of its own")] = None
    whole: Annotated[DurationText | None, Meta(description="time limit of the whole group")] = None
    fail_fast: Annotated[bool | None, Meta(description="stop the group at its first failure")] = None
    at: Annotated[At | None, Meta(description="ci: kept out of staged gates, counted as left to CI")] = None
    required: Annotated[bool | None, Meta(description="no test in the group is no pass")] = None


class TriggerTable(Struct, kw_only=True, rename="kebab"):
    """`[triggers.NAME]`: a row of the decision matrix: when it fires, and what then is to be done."""

    enabled: Annotated[bool | None, Meta(description="false switches the row off")] = None
    severity: Severity | None = None
    action: Action | None = None
    level: Annotated[Depth | None, Meta(description="none: a rollback does not help")] = None
    deadline: Annotated[DurationText | None, Meta(description="by when it must be dealt with")] = None
    investigate: Annotated[DurationText | None, Meta(description="how long to look before rolling back")] = None
    watch: Annotated[DurationText | None, Meta(description="how long to watch before assessing")] = None
    group: Annotated[Names | None, Meta(description="fires on failing tests of these groups")] = None
    label: Annotated[Names | None, Meta(description="only tests or measurements with one of these labels")] = None
    failures: Annotated[CriterionText | None, Meta(description="how many of them fail; any, if not given")] = None
    rate: Annotated[CriterionText | None, Meta(description="which share of them fails, in %")] = None
    exception: Annotated[Names | None, Meta(description="fires on failures by these exceptions or heirs")] = None
    metric: Annotated[Names | None, Meta(description="fires on measurements of these names or kinds")] = None
    drop: Annotated[CriterionText | None, Meta(description="how far it fell from its baseline")] = None
    rise: Annotated[CriterionText | None, Meta(description="how far it rose over its baseline")] = None
    above: Annotated[QuantityText | None, Meta(description="it is more than this")] = None
    below: Annotated[QuantityText | None, Meta(description="it is less than this")] = None
    limit: Annotated[bool | None, Meta(description="it crossed its own floor or ceiling")] = None
    signal: Annotated[Names | None, Meta(description="fires on these named facts, such as deployment-failed")] = None


class MetricTable(Struct, kw_only=True, rename="kebab"):
    """`[metrics.NAME]`: how the numbers of this name or kind are read, and their absolute limits."""

    unit: Annotated[str | None, Meta(description="the unit that a number without one is in")] = None
    better: Annotated[Better | None, Meta(description="which way is better")] = None
    floor: Annotated[QuantityText | None, Meta(description="a limit: no less than this")] = None
    ceiling: Annotated[QuantityText | None, Meta(description="a limit: no more than this")] = None
    assumed: Annotated[float | None, Meta(description="stands in where no baseline was ever accepted")] = None
    tolerance: Annotated[Positive | None, Meta(description="a change this small from a zero baseline is none")] = None
    required: Annotated[
        bool | None, Meta(description="not measured is no pass; so is a metric that a project adds")
    ] = None
    at: Annotated[At | None, Meta(description="ci: not measured in staged gates, counted as left to CI")] = None
    per_environment: Annotated[bool | None, Meta(description="each kind of machine has a baseline of its own")] = None
    ratchet: Annotated[bool | None, Meta(description="in CI, a better number that nobody accepted is a finding")] = None


class CheckTable(Struct, kw_only=True, rename="kebab"):
    """`[checks.NAME]`: a check that needs no test code."""

    kind: Annotated[Kind | None, Meta(description="what is checked")] = None
    group: Annotated[str | None, Meta(description="the group whose rows judge it; checks, if not given")] = None
    label: Annotated[Names | None, Meta(description="its labels inside the group")] = None
    at: Annotated[At | None, Meta(description="ci: kept out of staged gates, counted as left to CI")] = None
    limit: Annotated[DurationText | None, Meta(description="how long all of it may take")] = None
    packages: Annotated[
        list[str] | None, Meta(description="imports: packages and modules, all of which must import")
    ] = None
    exclude: Annotated[
        list[str] | None, Meta(description="imports: patterns of modules; syntax: patterns of files")
    ] = None
    command: Annotated[
        list[str] | None, Meta(description="command, junit: what to run, a word each, never a shell line")
    ] = None
    pattern: Annotated[str | None, Meta(description="command: a regular expression for the score in its output")] = None
    metric: Annotated[str | None, Meta(description="command: the metric that the score is judged by")] = None
    status: Annotated[
        int | list[int] | None, Meta(description="command: the exit statuses that hold; 0, if not given")
    ] = None
    results: Annotated[str | None, Meta(description="junit: the file, or a pattern of files, with the results")] = None
    max_age: Annotated[DurationText | None, Meta(description="junit: older results are stale; 1 h, if not given")] = (
        None
    )


class PhaseTable(Struct, kw_only=True, rename="kebab"):
    """`[phases.NAME]`: a phase of a migration; it holds while `phase = "NAME"`."""

    risk: Annotated[Literal["low", "medium", "high"] | None, Meta(description="said when the gate runs")] = None
    requires: Annotated[list[str] | None, Meta(description="groups that must have run and held")] = None
    stop: Annotated[list[str] | None, Meta(description="triggers that mean: roll back at once")] = None
    way_back: Annotated[DurationText | None, Meta(description="the longest deadline while this phase runs")] = None


class TierTable(Struct, kw_only=True, rename="kebab"):
    """`[tiers.N]`: who is called, and for which levels of rollback."""

    name: str | None = None
    contacts: list[str] | None = None
    respond: Annotated[DurationText | None, Meta(description="how soon they answer")] = None
    levels: Annotated[list[Level] | None, Meta(description="the levels that they may decide")] = None


class DriftTable(Struct, kw_only=True, rename="kebab"):
    """`[drift.NAME]`: a file or folder whose copies elsewhere in the repository must be like it."""

    source: Annotated[str | None, Meta(description="the file or folder that counts")] = None
    copies: Annotated[list[str] | None, Meta(description="patterns of its copies; each must name something")] = None


class PolicyTable(Struct, kw_only=True, rename="kebab"):
    """`[tool.pytest-rollback]`, or the whole of `pytest-rollback.toml`."""

    mode: Annotated[Mode | None, Meta(description="shadow: all is judged and said, the status is 0")] = None
    trusted: Annotated[str | None, Meta(description="the branch whose demands a change may not loosen")] = None
    live: Annotated[list[str] | None, Meta(description="branches on which deadlines run")] = None
    labels: Annotated[list[str] | None, Meta(description="where given, any other label is an error")] = None
    phase: Annotated[str | None, Meta(description="the phase that is running now")] = None
    protected: Annotated[list[str] | None, Meta(description="files that no change may alter or lose unapproved")] = None
    carry: Annotated[list[str] | None, Meta(description="ignored files that tests need in a scratch tree")] = None
    reuse: Annotated[bool | None, Meta(description="a gate may stand on a steady verdict on the same tree")] = None
    sign: Annotated[bool | None, Meta(description="what is put on record is signed by git's own signature")] = None
    approvers: Annotated[list[str] | None, Meta(description="mails of those who may approve; never their own")] = None
    machines: Annotated[list[str] | None, Meta(description="names and mails of authors that are no people")] = None
    machine_approval: Annotated[bool | None, Meta(description="a machine's commit needs a person's approval")] = None
    health: Annotated[
        list[str] | None, Meta(description="the groups, labels, checks and metrics of the health score")
    ] = None
    groups: dict[str, GroupTable] | None = None
    triggers: dict[str, TriggerTable] | None = None
    metrics: dict[str, MetricTable] | None = None
    checks: dict[str, CheckTable] | None = None
    phases: dict[str, PhaseTable] | None = None
    tiers: dict[str, TierTable] | None = None
    drift: dict[str, DriftTable] | None = None


TABLES: dict[str, type[Struct]] = {
    "groups": GroupTable,
    "triggers": TriggerTable,
    "metrics": MetricTable,
    "checks": CheckTable,
    "phases": PhaseTable,
    "tiers": TierTable,
    "drift": DriftTable,
}
