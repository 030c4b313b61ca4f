"""Health: how many of the lines hold, which do not, and what that is called."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pytest_rollback.judge.health import band, health
from pytest_rollback.judge.tally import FAILING, HOLDING
from pytest_rollback.model import Evidence, Health, Judged, Mark, Measurement, Outcome, Status, TestResult
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.rules import Check, Group, Policy

SHIPPED = load_policy(None)
GOLDEN = Mark("golden_path", ("chat",))


def listing(*lines: str, checks: tuple[str, ...] = ()) -> Policy:
    """Make a policy that lists some lines."""
    made = tuple(Check(name=name, kind="syntax") for name in checks)
    return structs.replace(SHIPPED, health=lines, checks=made)


def result(outcome: Outcome, *marks: Mark, test: str = "test_it.py::test_it") -> TestResult:
    """Make what one test did."""
    return TestResult(test=test, outcome=outcome, marks=marks)


def number(name: str, status: Status, kind: str = "") -> Judged:
    """Make a number that was judged."""
    return Judged(name=name, value=1.0, unit="", baseline=None, limit=None, change=None, status=status, metric=kind)


@pytest.mark.parametrize(
    ("score", "of", "name"),
    [
        (6, 6, "healthy"),
        (5, 6, "degraded"),
        (4, 5, "degraded"),
        (79, 100, "impaired"),
        (80, 100, "degraded"),
        (99, 100, "degraded"),
        (4, 6, "impaired"),
        (3, 5, "impaired"),
        (59, 100, "critical"),
        (3, 6, "critical"),
        (0, 1, "critical"),
        (1, 1, "healthy"),
    ],
)
def test_each_share_has_its_band(score: int, of: int, name: str) -> None:
    """100 %, 80 and over, 60 and over, and the rest; the edges belong to the better one."""
    assert band(score, of) == name


@pytest.mark.parametrize(("score", "of"), [(0, 0), (2, 1), (-1, 5)])
def test_no_line_has_no_band(score: int, of: int) -> None:
    """None of none is not 100 %."""
    with pytest.raises(ValueError, match="expected 0 <= score <= of"):
        band(score, of)


@pytest.mark.parametrize("line", ["golden_path", "chat"])
@pytest.mark.parametrize("outcome", Outcome)
def test_a_group_or_label_holds_where_a_test_passed(line: str, outcome: Outcome) -> None:
    """Skipped, expected to fail, left to CI and not run have shown nothing."""
    found = health(Evidence(tests=(result(outcome, GOLDEN),)), (), listing(line))
    holds = outcome in HOLDING
    assert found == Health(
        score=int(holds), of=1, band="healthy" if holds else "critical", open=() if holds else (line,), listed=True
    )


@pytest.mark.parametrize("outcome", Outcome)
def test_one_that_passed_does_not_speak_for_one_that_did_not_end(outcome: Outcome) -> None:
    """Only what was skipped, or expected to fail, may stand beside it."""
    tests = (result(Outcome.PASSED, GOLDEN), result(outcome, GOLDEN))
    found = health(Evidence(tests=tests), (), listing("golden_path"))
    assert found is not None
    assert bool(found.score) == (outcome in HOLDING | {Outcome.SKIPPED, Outcome.XFAILED})


@pytest.mark.parametrize("outcome", Outcome)
def test_a_check_holds_where_its_test_does(outcome: Outcome) -> None:
    """It goes by its own name, whichever group it is in."""
    tests = (result(outcome, Mark("checks"), test="checks::imports"), result(Outcome.PASSED, GOLDEN))
    found = health(Evidence(tests=tests), (), listing("imports", checks=("imports",)))
    assert found is not None
    assert bool(found.score) == (outcome in HOLDING)


@pytest.mark.parametrize("line", ["search", "performance"])
@pytest.mark.parametrize("status", Status)
def test_a_metric_holds_where_it_is_held_or_watched(line: str, status: Status) -> None:
    """By its name or by its kind; a number that could not be judged has shown nothing."""
    found = health(Evidence(), (number("search", status, "performance"),), listing(line))
    assert found is not None
    assert bool(found.score) == (status in (Status.HELD, Status.WATCHED))


def test_a_kind_holds_where_all_of_its_numbers_do() -> None:
    """One slow query is enough."""
    judged = (number("search", Status.HELD, "performance"), number("index", Status.REGRESSED, "performance"))
    found = health(Evidence(), judged, listing("performance", "search", "index"))
    assert found is not None
    assert found.open == ("performance", "index")


def test_a_kind_is_known_by_the_measurement_too() -> None:
    """Whoever judged may have left it out."""
    evidence = Evidence(measurements=(Measurement(name="search", value=1.0, metric="performance"),))
    found = health(evidence, (number("search", Status.HELD),), listing("performance"))
    assert found == Health(score=1, of=1, band="healthy", listed=True)


def test_what_nothing_showed_to_hold_does_not_hold() -> None:
    """Absence is never green: not of tests, not of numbers, not of a name that nobody knows."""
    lines = ("golden_path", "chat", "imports", "performance", "heard-of-by-nobody")
    found = health(Evidence(tests=(result(Outcome.PASSED),)), (), listing(*lines, checks=("imports",)))
    assert found == Health(score=0, of=5, band="critical", open=lines, listed=True)


def test_where_tests_and_numbers_go_by_one_name_both_must_hold() -> None:
    """A group named after a metric is measured by its tests, and the number still counts."""
    marks = Mark("performance")
    for outcome, status, holds in (
        (Outcome.PASSED, Status.HELD, 1),
        (Outcome.PASSED, Status.REGRESSED, 0),
        (Outcome.FAILED, Status.HELD, 0),
        (Outcome.SKIPPED, Status.HELD, 0),
    ):
        evidence = Evidence(tests=(result(outcome, marks),))
        found = health(evidence, (number("search", status, "performance"),), listing("performance"))
        assert found is not None
        assert found.score == holds


def test_a_line_that_is_listed_twice_counts_once() -> None:
    """Nobody gets healthier by saying it again."""
    found = health(Evidence(tests=(result(Outcome.PASSED, GOLDEN),)), (), listing("chat", "chat", "memory"))
    assert found == Health(score=1, of=2, band="critical", open=("memory",), listed=True)


def test_without_a_list_all_that_there_is_counts() -> None:
    """Groups that have tests, each check whether it ran or not, and each kind that was measured here."""
    policy = structs.replace(
        listing(checks=("imports", "syntax")), groups=(*SHIPPED.groups, Group(name="smoke", required=True))
    )
    evidence = Evidence(
        tests=(
            result(Outcome.PASSED, Mark("smoke"), GOLDEN),
            result(Outcome.FAILED, Mark("isolation")),
            result(Outcome.PASSED),
            result(Outcome.PASSED, Mark("checks"), test="checks::imports"),
        )
    )
    judged = (
        number("architecture", Status.HELD, "compliance"),
        number("style", Status.HELD, "compliance"),
        number("login-rate", Status.TOO_FEW),
        number("search", Status.LEFT_TO_CI, "performance"),
    )
    assert health(evidence, judged, policy) == Health(
        score=4, of=7, band="critical", open=("isolation", "syntax", "login-rate")
    )


def test_without_anything_there_is_no_health() -> None:
    """Nothing to look at is neither healthy nor critical."""
    assert health(Evidence(), (), SHIPPED) is None
    assert health(Evidence(tests=(result(Outcome.PASSED),)), (), SHIPPED) is None


OUTCOMES = st.lists(st.sampled_from(Outcome), max_size=5)


@settings(deadline=None)
@given(OUTCOMES, st.sampled_from(sorted(FAILING)))
def test_bad_news_never_make_healthier(outcomes: list[Outcome], worse: Outcome) -> None:
    """Another failing test can't raise the score."""
    tests = tuple(result(outcome, GOLDEN) for outcome in outcomes)
    before = health(Evidence(tests=tests), (), listing("golden_path", "chat"))
    after = health(Evidence(tests=(*tests, result(worse, GOLDEN))), (), listing("golden_path", "chat"))
    assert before is not None
    assert after is not None
    assert after.score <= before.score
    assert after.score == 0
