"""What the policy answers, and the law that makes `stricter` mean what it says."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_rollback.judge.decide import decide
from pytest_rollback.model import Action, Evidence, Level, Mark, Outcome, Severity, Subject, TestResult, Verdict
from pytest_rollback.policy.criteria import Quantity, read_criterion
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.rules import Group, Metric, Policy, Trigger
from pytest_rollback.policy.tighten import loosened

SHIPPED = load_policy(None)
GROUPS = (Group(name="g"), Group(name="h"))
WORST_FIRST = tuple(Verdict)
ROWS = [
    Trigger(
        name="row",
        severity=Severity.HIGH,
        action=action,
        enabled=enabled,
        groups=groups,
        labels=labels,
        exceptions=exceptions,
        failures=read_criterion(failures) if failures else None,
        rate=read_criterion(rate) if rate else None,
    )
    for action, enabled, groups, labels, exceptions, (failures, rate) in product(
        (Action.ROLL_BACK, Action.INVESTIGATE, Action.WATCH, Action.NOTE),
        (True, False),
        ((), ("g",), ("h",), ("g", "h"), ("*",), ("g", "*")),
        ((), ("x",), ("x", "y")),
        ((), ("KeyError",)),
        (("", ""), ("> 1", ""), ("1", ""), ("", "> 50 %"), ("", "> 20 %")),
    )
]
RESULTS = [
    TestResult(test="test", outcome=outcome, marks=(Mark(group, labels),), exceptions=exceptions)
    for outcome, group, labels, exceptions in product(
        (Outcome.FAILED, Outcome.PASSED), ("g", "h"), ((), ("x",), ("x", "y")), ((), ("KeyError",))
    )
]


def matrix(rows: list[Trigger]) -> Policy:
    """Make a policy of two groups and some rows on tests."""
    named = tuple(msgspec.structs.replace(row, name=name) for name, row in zip("abcd", rows, strict=False))
    return msgspec.structs.replace(SHIPPED, groups=GROUPS, triggers=named)


ANY_ROWS = st.lists(st.sampled_from(ROWS), max_size=3)


@settings(deadline=None)
@given(ANY_ROWS)
def test_no_policy_is_looser_than_itself(rows: list[Trigger]) -> None:
    """Or nothing could ever be left as it is."""
    assert list(loosened(matrix(rows), matrix(rows))) == []


def test_the_shipped_policy_is_not_looser_than_itself() -> None:
    """Metrics, phases and signals included."""
    assert list(loosened(SHIPPED, SHIPPED)) == []


@settings(deadline=None)
@given(
    ANY_ROWS, st.lists(st.sampled_from(ROWS), min_size=1, max_size=2), st.lists(st.sampled_from(RESULTS), min_size=1)
)
def test_what_is_not_looser_never_judges_more_kindly(
    kept: list[Trigger], changed: list[Trigger], results: list[TestResult]
) -> None:
    """It is the promise of tightening, whatever the rows are: nothing passes now that had not passed before."""
    before, after = matrix([*kept, *changed[:-1]]), matrix([*kept, changed[-1]])
    assume(not list(loosened(before, after)))
    evidence = Evidence(tests=tuple(results))
    old, new = (decide(evidence, policy, Subject()).verdict for policy in (before, after))
    assert WORST_FIRST.index(new) <= WORST_FIRST.index(old)


@pytest.mark.parametrize(
    ("live", "trusted", "default", "branches", "others"),
    [
        ((), None, None, ["main", "master"], ["work", "main2"]),
        ((), None, "trunk", ["trunk"], ["main", "trunk2"]),
        ((), None, "origin/trunk", ["trunk"], ["main"]),
        ((), "origin/next", "trunk", ["next"], ["trunk", "main"]),
        ((), "upstream/next", None, ["next"], ["main"]),
        ((), "release/1", None, ["release/1"], ["main"]),
        (("main", "release/*"), "origin/next", "trunk", ["main", "release/1.2"], ["next", "trunk", "release"]),
        (("Main",), None, None, ["Main"], ["main"]),
    ],
)
def test_a_branch_is_live_as_the_policy_says(
    live: tuple[str, ...], trusted: str | None, default: str | None, branches: list[str], others: list[str]
) -> None:
    """Deadlines that run on nobody's branch, or on everybody's, are no deadlines."""
    policy = msgspec.structs.replace(SHIPPED, live=live, trusted=trusted)
    assert [branch for branch in [*branches, *others] if policy.is_live(branch, default)] == branches


def test_no_branch_is_not_live() -> None:
    """A detached HEAD says nothing about where it will go."""
    assert not SHIPPED.is_live(None, "main")


def test_the_lowest_tier_that_may_decide_is_called() -> None:
    """A level that nobody may decide, and no level, call nobody."""
    called = {level: SHIPPED.tier_for(level) for level in (*Level, None)}
    assert {level.value: tier.number for level, tier in called.items() if level and tier} == {
        "change": 1,
        "file": 1,
        "commit": 1,
        "group": 2,
        "phase": 2,
        "system": 3,
    }
    assert called[None] is None


@pytest.mark.parametrize(
    ("name", "kind", "unit"),
    [("memory", "", "MB"), ("search", "performance", "s"), ("leak", "memory", "MB"), ("x", "y", None)],
)
def test_a_measurement_has_the_rules_of_its_name_or_of_its_kind(name: str, kind: str, unit: str | None) -> None:
    """A number of its own may have its own limits."""
    rules = SHIPPED.metric(name, kind)
    assert (rules.unit if rules else None) == unit
    own = SHIPPED.metric("login-rate", "memory")
    assert own is not None
    assert (own.unit, own.better, str(own.floor)) == ("%", "higher", "99 %")


def test_a_metric_of_its_own_name_has_from_its_kind_what_nobody_said_of_it() -> None:
    """A limit for one search makes a time none the less a time; a bound in another unit says nothing of it."""
    search = Metric(name="search", ceiling=Quantity(500, "ms"), given=("ceiling",))
    policy = msgspec.structs.replace(SHIPPED, metrics={**SHIPPED.metrics, "search": search})
    rules = policy.metric("search", "performance")
    assert rules is not None
    assert (rules.unit, rules.better, rules.at, rules.per_environment) == ("s", "lower", "ci", True)
    assert rules.ceiling == Quantity(500, "ms")
    time = SHIPPED.metric("tool-execution", "compliance")
    assert time is not None
    assert (time.unit, time.assumed) == ("s", None)


def test_the_row_for_all_others_watches_what_no_row_names() -> None:
    """Also beside a group that it names itself; and a row that is switched off still names its own."""
    rest, own, off = (msgspec.structs.replace(ROWS[0], groups=groups) for groups in (("*", "g"), ("*",), ("h",)))
    groups = (*GROUPS, Group(name="i"))
    policy = msgspec.structs.replace(matrix([rest, own, msgspec.structs.replace(off, enabled=False)]), groups=groups)
    assert [policy.groups_of(row) for row in policy.triggers] == [{"g", "i", "*"}, {"i", "*"}, {"h"}]
