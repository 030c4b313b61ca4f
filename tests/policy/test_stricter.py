"""Two policies merged: neither demands less than it did alone, and a policy merged with itself is itself."""

from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_rollback.judge.decide import decide
from pytest_rollback.model import (
    Action,
    Evidence,
    Level,
    Mark,
    Measurement,
    Outcome,
    Severity,
    Signal,
    Subject,
    TestResult,
    Verdict,
)
from pytest_rollback.policy.criteria import read_criterion, read_quantity
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.rules import Group, Policy, Trigger
from pytest_rollback.policy.stricter import strictest
from pytest_rollback.policy.tighten import loosened

SHIPPED = load_policy(None)
GROUPS = (Group(name="g"), Group(name="h"))
WORST_FIRST = tuple(Verdict)
# What is for the base to say, so that the change's word about it is not merged in.
BASE_SAYS = {"mode", "trusted", "live", "phase"}
ON_TESTS = [
    Trigger(
        name="row",
        severity=severity,
        action=action,
        enabled=enabled,
        groups=groups,
        labels=labels,
        failures=read_criterion(failures) if failures else None,
        rate=read_criterion(rate) if rate else None,
    )
    for severity, action, enabled, groups, labels, (failures, rate) in product(
        (Severity.HIGH, Severity.LOW),
        (Action.ROLL_BACK, Action.INVESTIGATE, Action.NOTE),
        (True, False),
        ((), ("g",), ("g", "h"), ("*",), ("g", "*")),
        ((), ("x",)),
        (("", ""), ("> 1", ""), ("1 to 2", ""), ("", "> 50 %"), ("", "> 20 %")),
    )
]
ON_NUMBERS = [
    Trigger(
        name="row",
        severity=Severity.HIGH,
        action=action,
        enabled=enabled,
        metrics=metrics,
        rise=read_criterion(rise) if rise else None,
        above=read_quantity(above) if above else None,
        limit=limit,
    )
    for action, enabled, metrics, (rise, above, limit) in product(
        (Action.RESTORE, Action.WATCH),
        (True, False),
        (("memory",), ("memory", "leak")),
        (("> 10 %", "", False), ("> 20 %", "", False), ("5 to 9 %", "", False), ("", "50", False), ("", "", True)),
    )
]
ON_SIGNALS = [
    Trigger(name="row", severity=Severity.LOW, action=action, enabled=enabled, signals=signals)
    for action, enabled, signals in product(
        (Action.INVESTIGATE, Action.WATCH, Action.NOTE), (True, False), (("odd",), ("odd", "even"))
    )
]
ROWS = [*ON_TESTS, *ON_NUMBERS, *ON_SIGNALS]
RESULTS = [
    TestResult(test="test", outcome=outcome, marks=(Mark(group, labels),))
    for outcome, group, labels in product((Outcome.FAILED, Outcome.PASSED), ("g", "h"), ((), ("x",)))
]
NUMBERS = [Measurement(name="memory", value=value, baseline=100.0) for value in (40.0, 107.0, 115.0, 130.0)]
SIGNALS = [Signal(name="odd"), Signal(name="even")]
Rows = list[tuple[str, Trigger]]
ANY_ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(ROWS)), max_size=3, unique_by=lambda row: row[0])
MANY = settings(deadline=None, max_examples=150)


def matrix(rows: Rows, **more: Any) -> Policy:
    """Make a policy of two groups and some rows."""
    named = tuple(msgspec.structs.replace(row, name=name) for name, row in rows)
    return msgspec.structs.replace(SHIPPED, groups=GROUPS, triggers=named, **more)


def policy(**tables: Any) -> Policy:
    """Load a policy with some tables over the shipped ones."""
    return load_policy(None, extra=tables)


def rows(merged: Policy, name: str) -> list[Trigger]:
    """Give the rows that bear a name."""
    return [row for row in merged.triggers if row.name == name]


def keys(before: Policy, after: Policy) -> set[str]:
    """Name what the second loosens."""
    return {key for key, _ in loosened(before, after)}


@MANY
@given(ANY_ROWS, ANY_ROWS)
def test_neither_matrix_is_loosened(base: Rows, change: Rows) -> None:
    """Or the gate would judge by less than somebody decided."""
    merged = strictest(matrix(base), matrix(change))
    assert keys(matrix(base), merged) == set()
    assert keys(matrix(change), merged) == set()


@MANY
@given(
    ANY_ROWS,
    ANY_ROWS,
    st.lists(st.sampled_from(RESULTS), min_size=1, max_size=5),
    st.sampled_from([(), *((number,) for number in NUMBERS)]),
    st.lists(st.sampled_from(SIGNALS), max_size=2, unique=True),
)
def test_the_merged_matrix_never_judges_more_kindly(
    base: Rows, change: Rows, results: list[TestResult], numbers: tuple[Measurement, ...], signals: list[Signal]
) -> None:
    """Whatever a session saw, its verdict is at least as bad as either policy alone would have made it."""
    named = tuple(msgspec.structs.replace(result, test=f"test-{at}") for at, result in enumerate(results))
    evidence = Evidence(tests=named, measurements=numbers, signals=tuple(signals))
    policies = (matrix(base), matrix(change), strictest(matrix(base), matrix(change)))
    one, other, merged = (WORST_FIRST.index(decide(evidence, each, Subject()).verdict) for each in policies)
    assert merged <= min(one, other)


@MANY
@given(ANY_ROWS)
@example([])
def test_a_matrix_merged_with_itself_is_itself(base: Rows) -> None:
    """A change that leaves the policy alone is judged by it, digest and all."""
    same = strictest(matrix(base), matrix(base))
    assert msgspec.structs.replace(same, digest="") == msgspec.structs.replace(matrix(base), digest="")


def test_the_shipped_policy_merged_with_itself_is_itself() -> None:
    """Metrics, tiers, machines and its digest included."""
    assert strictest(SHIPPED, SHIPPED) == SHIPPED


TIMES = st.sampled_from(["10 s", "20 s", "none"])
FLAG = st.booleans()
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "groups": st.dictionaries(
            st.sampled_from(["smoke", "slow", "golden_path"]),
            st.fixed_dictionaries(
                {}, optional={"each": TIMES, "whole": TIMES, "required": FLAG, "at": st.sampled_from(["commit", "ci"])}
            ),
        ),
        "metrics": st.dictionaries(
            st.sampled_from(["memory", "compliance", "queue"]),
            st.fixed_dictionaries(
                {},
                optional={
                    "floor": st.sampled_from([1, 2]),
                    "ceiling": st.sampled_from([8, 9]),
                    "assumed": st.sampled_from([5.0, 99.0]),
                    "tolerance": st.sampled_from([0.5, 1.0]),
                    "required": FLAG,
                },
            ),
        ),
        "tiers": st.dictionaries(
            st.sampled_from("123"),
            st.fixed_dictionaries({"levels": st.lists(st.sampled_from([each.value for each in Level]), unique=True)}),
        ),
        "phases": st.dictionaries(
            st.sampled_from(["one", "two"]),
            st.fixed_dictionaries(
                {},
                optional={
                    "way-back": TIMES,
                    "requires": st.sampled_from([["isolation"], ["golden_path"]]),
                    "stop": st.sampled_from([["memory"], ["performance", "integration"]]),
                },
            ),
        ),
        "drift": st.dictionaries(
            st.sampled_from(["user", "other"]),
            st.fixed_dictionaries(
                {
                    "source": st.sampled_from(["a", "b"]),
                    "copies": st.lists(st.sampled_from("xyz"), min_size=1, unique=True),
                }
            ),
        ),
        "protected": st.lists(st.sampled_from(["schema/**", "schema/a", "**", "b/*"]), unique=True),
        "machines": st.lists(st.sampled_from(["*[bot]*", "*bot*", "x@*"]), unique=True),
        "labels": st.sampled_from([[], ["x"], ["x", "y"]]),
        "sign": FLAG,
        "reuse": FLAG,
        "approvers": st.sampled_from([[], ["ada@x.org"], ["*@x.org"], ["ada@x.org", "bob@y.org"]]),
    },
)


@MANY
@given(TABLES, TABLES)
def test_nothing_else_of_either_policy_is_loosened(base: dict[str, Any], change: dict[str, Any]) -> None:
    """Groups, metrics, phases, tiers, copies, people: the stricter word of the two."""
    merged = strictest(policy(**base), policy(**change))
    assert keys(policy(**base), merged) == set()
    assert keys(policy(**change), merged) - BASE_SAYS == set()
    assert strictest(merged, merged) == merged


def test_rows_that_cannot_be_ordered_both_apply() -> None:
    """One fires on many failures and rolls back, the other on any and only watches: neither is the stricter."""
    base = policy(triggers={"chat": {"failures": "> 2"}})
    change = policy(triggers={"chat": {"action": "watch", "severity": "low"}})
    merged = strictest(base, change)
    assert [(row.action, str(row.failures)) for row in rows(merged, "chat")] == [
        (Action.WATCH, "None"),
        (Action.ROLL_BACK, "> 2"),
    ]


def test_rows_that_fire_on_the_same_are_merged_key_by_key() -> None:
    """The worse severity of one and the shorter deadline of the other."""
    base = policy(triggers={"memory": {"severity": "critical", "deadline": "1 h", "investigate": "5 min"}})
    change = policy(triggers={"memory": {"deadline": "20 min", "level": "phase"}})
    (row,) = rows(strictest(base, change), "memory")
    assert (row.severity, row.action, row.deadline_s, row.hold_s, row.level) == (
        Severity.CRITICAL,
        Action.INVESTIGATE,
        1200.0,
        300.0,
        Level.PHASE,
    )


@pytest.mark.parametrize("but", [["triggers.golden-path.enabled"], ["triggers.golden-path.*"], ["*"]])
def test_where_a_loosening_was_approved_the_changes_word_holds(but: list[str]) -> None:
    """Somebody answers for it."""
    change = policy(triggers={"golden-path": {"enabled": False}})
    assert rows(strictest(SHIPPED, change), "golden-path")[0].enabled
    assert not rows(strictest(SHIPPED, change, but=but), "golden-path")[0].enabled


def test_an_approval_of_one_key_lets_no_other_pass() -> None:
    """Whoever approved of a longer deadline has not approved of a milder action."""
    change = policy(triggers={"chat": {"deadline": "1 h", "action": "watch"}})
    (row,) = rows(strictest(SHIPPED, change, but=["triggers.chat.deadline"]), "chat")
    assert (row.deadline_s, row.action) == (3600.0, Action.ROLL_BACK)


APPROVED = [
    ({"groups": {"smoke": {}}}, {}, "groups.smoke", lambda merged: merged.group("smoke") is None),
    (
        {"groups": {"smoke": {"each": "5 s"}}},
        {"groups": {"smoke": {"each": "9 s"}}},
        "groups.smoke.each",
        lambda merged: merged.group("smoke").each_s == 9.0,
    ),
    (
        {"triggers": {"a.b": {"label": "x", "severity": "low", "action": "watch"}}},
        {},
        "triggers.a.b",
        lambda merged: rows(merged, "a.b") == [],
    ),
    (
        {"triggers": {"chat": {"action": "investigate", "investigate": "1 min"}}},
        {"triggers": {"chat": {"action": "watch", "watch": "1 h"}}},
        "triggers.chat.action",
        lambda merged: (merged.triggers[4].action, merged.triggers[4].hold_s) == (Action.WATCH, 3600.0),
    ),
    (
        {"metrics": {"memory": {"floor": 2}}},
        {},
        "metrics.memory.floor",
        lambda merged: not merged.metrics["memory"].floor,
    ),
    ({"metrics": {"queue": {}}}, {}, "metrics.queue", lambda merged: "queue" not in merged.metrics),
    ({"phases": {"one": {}}}, {}, "phases.one", lambda merged: merged.phases == {}),
    (
        {},
        {"tiers": {"1": {"levels": ["change", "file", "commit", "group"]}}},
        "tiers.2.levels",
        lambda merged: merged.tier_for(Level.GROUP).number == 1 and merged.tier_for(Level.PHASE).number == 2,
    ),
    ({"drift": {"user": {"source": "a", "copies": ["b"]}}}, {}, "drift.user", lambda merged: merged.drift == ()),
    ({"approvers": ["a@x"]}, {}, "approvers", lambda merged: merged.approvers == ()),
    ({"machine-approval": True}, {}, "machine-approval", lambda merged: not merged.machine_approval),
    (
        {"groups": {"smoke": {}}},
        {
            "groups": {"smoke": {}},
            "triggers": {"sly": {"group": "smoke", "severity": "low", "action": "note"}},
        },
        "groups.smoke",
        lambda merged: merged.groups_of(rows(merged, "gate-test")[0]) == {"*", "checks"},
    ),
    (
        {"triggers": {"gate-test": {"enabled": False}}, "groups": {"smoke": {}}},
        {
            "triggers": {
                "gate-test": {"enabled": False},
                "sly": {"group": "smoke", "severity": "low", "action": "note"},
            },
            "groups": {"smoke": {}},
        },
        "triggers.sly",
        lambda merged: rows(merged, "sly")[0].action is Action.NOTE,
    ),
]


@pytest.mark.parametrize(("base", "change", "key", "holds"), APPROVED, ids=[each[2] for each in APPROVED])
def test_each_kind_of_key_can_be_approved(base: dict[str, Any], change: dict[str, Any], key: str, holds: Any) -> None:
    """A key that is named and can't be approved would block for ever."""
    before, after = policy(**base), policy(**change)
    assert key in keys(before, after)
    assert not holds(strictest(before, after))
    assert holds(strictest(before, after, but=[key]))


def test_what_is_trusted_and_live_is_for_the_base_to_say() -> None:
    """A change that names another trusted branch would choose who judges it."""
    base, change = policy(trusted="origin/main", live=["main"]), policy(trusted="me/main", live=["x"], mode="shadow")
    merged = strictest(base, change, but=["triggers.*"])
    assert (merged.trusted, merged.live, merged.mode) == ("origin/main", ("main",), "enforce")


def test_a_metric_in_another_unit_stays_in_the_bases() -> None:
    """A floor of 95 % is not held by a number in points."""
    base, change = policy(metrics={"compliance": {"floor": "95 %"}}), policy(metrics={"compliance": {"unit": "x"}})
    assert strictest(base, change).metrics["compliance"] == base.metrics["compliance"]


def test_a_new_row_takes_no_group_from_the_row_for_all_others() -> None:
    """The base's row judged it, and goes on judging it beside the new one."""
    base = policy(groups={"smoke": {}})
    change = policy(groups={"smoke": {}}, triggers={"sly": {"group": "smoke", "severity": "low", "action": "note"}})
    merged = strictest(base, change)
    assert "smoke" in merged.groups_of(rows(merged, "gate-test")[0])
    assert rows(merged, "sly")


def test_the_source_stays_the_changes_and_the_digest_is_new() -> None:
    """A verdict is used again by the digest, and must not be where the base demanded more."""
    change = msgspec.structs.replace(policy(triggers={"chat": {"enabled": False}}), source="pyproject.toml")
    merged = strictest(SHIPPED, change)
    assert merged.source == "pyproject.toml"
    assert merged.digest == SHIPPED.digest != change.digest
