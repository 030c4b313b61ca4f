"""The counts: every test once, every count with its denominator."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_rollback.judge.tally import tally
from pytest_rollback.model import Counts, Evidence, Mark, Outcome, TestResult
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.rules import Group

SHIPPED = load_policy(None)
POLICY = msgspec.structs.replace(SHIPPED, groups=(*SHIPPED.groups, Group(name="smoke", required=True)))
GOLDEN, SMOKE, ISOLATION = Mark("golden_path"), Mark("smoke"), Mark("isolation")
COLUMN = {
    Outcome.CRASHED: "failed",
    Outcome.TIMED_OUT: "failed",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "errors",
    Outcome.UNFINISHED: "not_run",
    Outcome.NOT_STARTED: "not_run",
    Outcome.WITHHELD: "not_run",
    Outcome.LEFT_OUT: "not_run",
    Outcome.LEFT_TO_CI: "left_to_ci",
    Outcome.SKIPPED: "skipped",
    Outcome.XFAILED: "skipped",
    Outcome.FLAKY: "passed",
    Outcome.XPASSED: "passed",
    Outcome.PASSED: "passed",
}
UNSELECTED = (Outcome.LEFT_OUT, Outcome.LEFT_TO_CI)
COLUMNS = sorted(set(COLUMN.values()))
ANY_RESULTS = st.lists(
    st.builds(
        TestResult,
        test=st.just("a"),
        outcome=st.sampled_from(Outcome),
        marks=st.sampled_from([(), (GOLDEN,), (GOLDEN, SMOKE), (ISOLATION,)]),
    )
).map(tuple)


def result(outcome: Outcome, *marks: Mark) -> TestResult:
    """Make what one test did."""
    return TestResult(test="a", outcome=outcome, marks=marks)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_counted_in_one_column(outcome: Outcome) -> None:
    """What was found and left out of the run was collected, and was not selected."""
    counted = tally(Evidence(tests=(result(outcome, GOLDEN),)), POLICY)
    assert {column: getattr(counted, column) for column in COLUMNS} == {
        column: int(COLUMN[outcome] == column) for column in COLUMNS
    }
    assert counted.selected == (outcome not in UNSELECTED)
    assert counted.groups["golden_path"].collected == 1


@settings(deadline=None)
@given(ANY_RESULTS, st.booleans())
def test_the_columns_add_up(results: tuple[TestResult, ...], whole_suite: bool) -> None:  # noqa: FBT001 (hypothesis)
    """Nothing is lost, and nothing is counted twice, though a test bears two markers."""
    counted = tally(Evidence(tests=results, collected=99), POLICY, whole_suite=whole_suite)
    mine = [one for one in results if whole_suite or one.marks]
    assert sum(getattr(counted, column) for column in COLUMNS) == len(mine)
    assert counted.selected == len([one for one in mine if one.outcome not in UNSELECTED])
    assert counted.collected == 99
    for name, group in counted.groups.items():
        assert sum(getattr(group, column) for column in COLUMNS) == group.collected
        assert group.collected == len([one for one in mine if name in [mark.group for mark in one.marks]])


def test_a_test_with_two_markers_counts_in_both_groups_and_once_in_all() -> None:
    """Each group's line stands for itself."""
    counted = tally(Evidence(tests=(result(Outcome.PASSED, GOLDEN, SMOKE), result(Outcome.FAILED, SMOKE))), POLICY)
    assert (counted.passed, counted.failed) == (1, 1)
    assert counted.groups == {
        "golden_path": Counts(collected=1, selected=1, passed=1),
        "smoke": Counts(collected=2, selected=2, passed=1, failed=1),
    }


def test_an_empty_group_is_listed_where_it_is_required() -> None:
    """Its zero is the finding; that of a group which nobody asked for is noise."""
    assert tally(Evidence(), POLICY).groups == {"smoke": Counts()}


@pytest.mark.parametrize(("whole_suite", "passed"), [(False, 0), (True, 1)])
def test_a_test_outside_the_gate_counts_only_in_the_whole_suite(*, whole_suite: bool, passed: int) -> None:
    """`31 of 33 gate tests` must not count what is no gate test."""
    evidence = Evidence(tests=(result(Outcome.PASSED),), collected=7)
    counted = tally(evidence, SHIPPED, whole_suite=whole_suite)
    assert (counted.passed, counted.collected, counted.groups) == (passed, 7, {})
