"""Laws of the verdict: order is nothing, bad news never helps, and a pass has looked at everything."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_rollback.judge.decide import decide
from pytest_rollback.judge.tally import FAILING, HOLDING, UNPROVEN
from pytest_rollback.model import (
    Action,
    Evidence,
    Judgement,
    Mark,
    Measurement,
    Obstacle,
    Outcome,
    Reason,
    Signal,
    Status,
    Subject,
    TestResult,
    Verdict,
)
from pytest_rollback.policy.load import load_policy

OFF = {"enabled": False}
LIMIT_NOTED = {"action": "note"}
# The shipped policy, and policies with rows switched off, softened and added: holes are where rows meet.
POLICIES = [
    load_policy(None, extra=tables)
    for tables in (
        {},
        {"groups": {"integration": {"required": False}, "smoke": {"required": False}}},
        {"triggers": {"golden-path": OFF, "limit": OFF, "deployment": OFF, "memory": OFF}},
        {"triggers": {"limit": LIMIT_NOTED, "golden-path": {"failures": "> 1"}, "infrastructure": OFF}},
        {
            "triggers": {
                "limit": {"action": "watch"},
                "noted": {"metric": "start-up", "rise": "> 0 %", "severity": "critical", "action": "note"},
            },
            "metrics": {"memory": {"ceiling": 119}, "start-up": {"assumed": 9}},
        },
    )
]
WORST_FIRST = tuple(Verdict)
MARKS = [(), (Mark("golden_path"),), (Mark("integration"), Mark("isolation", ("chat",))), (Mark("smoke"),)]
RESULTS = [
    TestResult(test=f"{outcome.name}-{number}", outcome=outcome, marks=marks, exceptions=exceptions)
    for number, (outcome, marks, exceptions) in enumerate(product(Outcome, MARKS, ((), ("AttributeError",))))
]
MEASUREMENTS = [
    Measurement(name=name, value=value, baseline=baseline, unit=unit)
    for name, value, baseline, unit in product(
        ("memory", "start-up", "unheard-of"), (0.0, 9.5, 110.0, 120.5, math.nan), (None, 0.0, 100.0), ("", "ms", "%")
    )
]
SIGNALS = [Signal(name=name) for name in ("warnings", "deployment-failed", "fails-on-known-good", "odd", "flaky")]
OBSTACLES = [Obstacle(reason=reason, detail="x") for reason in (Reason.NARROWED, Reason.INTERNAL)]
PASSED = TestResult(test="holds", outcome=Outcome.PASSED, marks=(Mark("golden_path"),))
Fact = TestResult | Measurement | Signal | Obstacle
Facts = list[Fact]
BAD_NEWS: Facts = [
    *(result for result in RESULTS if result.marks and result.outcome not in HOLDING),
    *MEASUREMENTS,
    *SIGNALS,
    *OBSTACLES,
]
ANY_POLICY = st.sampled_from(range(len(POLICIES)))
LIVE = Subject(live=True)


def evidence_of(facts: Facts) -> Evidence:
    """Sort facts into evidence; a number is measured once."""
    measured = {fact.name: fact for fact in facts if isinstance(fact, Measurement)}
    return Evidence(
        tests=tuple(fact for fact in facts if isinstance(fact, TestResult)),
        measurements=tuple(measured.values()),
        signals=tuple(fact for fact in facts if isinstance(fact, Signal)),
        obstacles=tuple(fact for fact in facts if isinstance(fact, Obstacle)),
    )


def found(judgement: Judgement) -> set[Any]:
    """Give what was found, without its order."""
    return {
        (finding.trigger, finding.action, frozenset(finding.tests), finding.measurements)
        for finding in judgement.findings
    } | {(obstacle.reason, frozenset(obstacle.tests)) for obstacle in judgement.obstacles}


def lets_pass(fact: Fact) -> bool:
    """Whether some policy lets a fact through beside a test that holds."""
    return any(decide(evidence_of([PASSED, fact]), policy, LIVE).verdict is Verdict.PASSED for policy in POLICIES)


EVERYTHING: Facts = [*RESULTS, *MEASUREMENTS, *SIGNALS]
# Most of everything blocks alone; holes are where things meet that pass alone.
HARMLESS = st.lists(st.sampled_from([fact for fact in EVERYTHING if lets_pass(fact)]), max_size=6)
ANY_FACTS = HARMLESS | st.lists(st.sampled_from(EVERYTHING), max_size=6)


@settings(deadline=None)
@given(ANY_POLICY, ANY_FACTS, st.randoms())
def test_the_order_in_which_things_were_seen_is_nothing(policy: int, facts: Facts, random: Any) -> None:
    """Two workers, or a shuffled run, must not disagree."""
    shuffled = list(facts)
    random.shuffle(shuffled)
    assume(
        len({fact.name for fact in facts if isinstance(fact, Measurement)})
        == sum(isinstance(fact, Measurement) for fact in facts)
    )
    one, other = (decide(evidence_of(order), POLICIES[policy], LIVE) for order in (facts, shuffled))
    assert (one.verdict, one.reason, one.steady) == (other.verdict, other.reason, other.steady)
    assert found(one) == found(other)


@settings(deadline=None)
@given(ANY_POLICY, ANY_FACTS, st.sampled_from(BAD_NEWS))
def test_bad_news_never_makes_the_verdict_better(policy: int, facts: Facts, bad: Any) -> None:
    """One more failure, skip, doubt or number that regressed can only block what would have passed."""
    assume(not (isinstance(bad, Measurement) and any(isinstance(f, Measurement) and f.name == bad.name for f in facts)))
    groups = {mark.group for fact in facts if isinstance(fact, TestResult) for mark in fact.marks}
    assume(not isinstance(bad, TestResult) or groups.issuperset(mark.group for mark in bad.marks))
    before, after = (decide(evidence_of(all_of), POLICIES[policy], LIVE) for all_of in (facts, [*facts, bad]))
    assert WORST_FIRST.index(after.verdict) <= WORST_FIRST.index(before.verdict)
    assert after.steady <= before.steady


@settings(deadline=None)
@given(ANY_POLICY, ANY_FACTS, st.sampled_from([result for result in RESULTS if result.outcome is Outcome.PASSED]))
def test_a_passed_test_cures_only_the_lack_of_one(policy: int, facts: Facts, passed: TestResult) -> None:
    """What was left out, unjudged or unreadable stays so, however much else passes."""
    assume(not any(isinstance(fact, TestResult) and fact.outcome in FAILING for fact in facts))
    before, after = (decide(evidence_of(all_of), POLICIES[policy], LIVE) for all_of in (facts, [*facts, passed]))
    curable = {obstacle.reason for obstacle in before.obstacles} <= {Reason.NO_TESTS, Reason.NOTHING_PASSED}
    if before.verdict is Verdict.INCONCLUSIVE and not curable:
        assert after.verdict is Verdict.INCONCLUSIVE
    if before.verdict is Verdict.PASSED:
        assert after.verdict is Verdict.PASSED


@settings(deadline=None)
@given(ANY_POLICY, HARMLESS)
def test_a_pass_has_looked_at_everything(policy: int, facts: Facts) -> None:
    """Every test decided, every failure and number and fact let through by a row that says so."""
    evidence = evidence_of([*facts, PASSED])
    judged = decide(evidence, POLICIES[policy], LIVE)
    if judged.verdict is not Verdict.PASSED:
        return
    gate = [result for result in evidence.tests if result.marks]
    assert {result.outcome for result in gate} <= {*HOLDING, *UNPROVEN, *FAILING, Outcome.LEFT_TO_CI}
    assert {result.outcome for result in gate} != {Outcome.LEFT_TO_CI}
    for group in {mark.group for result in gate for mark in result.marks}:
        seen = {result.outcome for result in gate if group in [mark.group for mark in result.marks]}
        assert seen & HOLDING or seen <= {*FAILING, Outcome.LEFT_TO_CI}
    assert {finding.action for finding in judged.findings} <= {Action.WATCH, Action.NOTE}
    assert {one.status for one in judged.measurements} <= {Status.HELD, Status.WATCHED, Status.OVER_LIMIT}
    assert all(POLICIES[policy].hears(signal.name) for signal in evidence.signals)
    assert judged.obstacles == ()


@settings(deadline=None)
@given(ANY_POLICY, ANY_FACTS)
def test_steady_is_a_pass_without_a_rerun_and_what_was_found_stands_worst_first(policy: int, facts: Facts) -> None:
    """Only a steady pass can become a known good, and the first line of the report is the one to act on."""
    judged = decide(evidence_of(facts), POLICIES[policy], LIVE)
    reran = any(isinstance(f, TestResult) and f.marks and f.outcome is Outcome.FLAKY for f in facts)
    assert judged.steady is (judged.verdict is Verdict.PASSED and not reran)
    places = [(tuple(type(f.severity)).index(f.severity), tuple(Action).index(f.action)) for f in judged.findings]
    assert places == sorted(places)


@settings(deadline=None)
@given(ANY_FACTS)
def test_where_it_was_found_changes_no_verdict(facts: Facts) -> None:
    """A branch decides about deadlines and levels, never about right and wrong."""
    subjects = [Subject(), Subject(uncommitted=True), LIVE]
    judged = [decide(evidence_of(facts), POLICIES[0], subject) for subject in subjects]
    assert len({(one.verdict, one.reason, one.steady) for one in judged}) == 1
    bare = [[msgspec.structs.replace(f, level=None, deadline_s=None) for f in one.findings] for one in judged]
    assert bare[0] == bare[1] == bare[2]
