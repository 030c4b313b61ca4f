"""A baseline is a demand: what a change accepts worse than the trusted base did is a loss, and does not count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_rollback.judge.bars import higher_bar, lowered
from pytest_rollback.policy.baselines import Accepted, Baseline, Shelf, file_of
from pytest_rollback.policy.load import load_policy

SHIPPED = load_policy(None)
WHEN = Accepted(at="2026-11-21T10:00:00Z")
SCORE: dict[str, Any] = {"name": "architecture", "metric": "compliance", "unit": "%", "value": 98.9}
TIME: dict[str, Any] = {"name": "search", "metric": "performance", "unit": "s", "value": 0.2, "environment": "here"}
PACE = TIME | {"basis": {"seconds": 0.2, "calibration": 0.01}}
API: dict[str, Any] = {"name": "api", "metric": "contract", "value": 0.0, "basis": {"contract": {"get": "int"}}}


def shelf(*baselines: dict[str, Any], troubles: dict[str, str] | None = None) -> Shelf:
    """Make a shelf."""
    made = [Baseline(accepted=WHEN, **each) for each in baselines]
    return Shelf({each.key: each for each in made}, troubles or {})


def said(base: Shelf, now: Shelf) -> list[tuple[str, str, str]]:
    """Give the losses by name, with what was and what is."""
    return [(loss.name, loss.was, loss.now) for loss in lowered(base, now, SHIPPED)]


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        (SCORE, SCORE, None),
        (SCORE, SCORE | {"value": 99.0}, None),
        (SCORE, SCORE | {"value": 98.8}, "98.8 %"),
        (SCORE, SCORE | {"unit": "points"}, "98.9 points"),
        (SCORE, SCORE | {"unit": ""}, "98.9"),
        (SCORE, SCORE | {"metric": "rate"}, "a baseline of the kind rate"),
        (TIME, TIME | {"value": 0.1}, None),
        (TIME, TIME | {"value": 100, "unit": "ms"}, None),
        (TIME, TIME | {"value": 0.3}, "0.3 s"),
        (TIME, TIME | {"value": 300, "unit": "ms"}, "300 ms"),
        (TIME, TIME | {"basis": {"calibration": 2}}, "0.2 s, measured otherwise"),
        (PACE, PACE | {"value": 0.1, "basis": {"seconds": 0.1, "calibration": 0.01}}, None),
        (PACE, PACE | {"value": 0.1, "basis": {"seconds": 9.9, "calibration": 0.01}}, "0.1 s, measured otherwise"),
        (PACE, PACE | {"value": 0.1, "basis": {}}, "0.1 s, measured otherwise"),
        (API, API, None),
        (API, API | {"basis": {"contract": {"get": "int", "put": "int"}}}, None),
        (API, API | {"basis": {"contract": {"put": "int"}}}, "1 breaking change: removed get; 1 that break nobody"),
        (API, API | {"basis": {}}, "1 breaking change: type changed all of it"),
    ],
)
def test_what_became_of_a_baseline(was: dict[str, Any], now: dict[str, Any], words: str | None) -> None:
    """Better is for the metric to say; a number in another unit, or of another kind, is another number."""
    found = said(shelf(was), shelf(now))
    assert [loss[2] for loss in found] == ([] if words is None else [words])


def test_one_that_is_gone_or_damaged_is_a_loss_and_the_bases_holds() -> None:
    """What can't be read demands nothing, which is less than it did."""
    base = shelf(SCORE, TIME)
    damaged = shelf(troubles={file_of("search", "here"): "is no baseline"})
    assert said(base, damaged) == [
        ("baseline:architecture", "98.9 %", "gone"),
        ("baseline:search@here", "0.2 s", "damaged"),
    ]
    assert higher_bar(base, damaged, SHIPPED) == base
    assert higher_bar(base, damaged, SHIPPED, but=["search@*"]).troubles == damaged.troubles


def test_a_first_one_may_not_be_worse_than_what_was_assumed() -> None:
    """98 % stood in for a compliance score; to accept 97 is to lower the bar, and 99 raises it."""
    worse, better = shelf(SCORE | {"value": 97}), shelf(SCORE | {"value": 99})
    assert said(Shelf(), worse) == [("baseline:architecture", "98 %, assumed", "97 %")]
    assert higher_bar(Shelf(), worse, SHIPPED) == Shelf()
    assert higher_bar(Shelf(), worse, SHIPPED, but=["architecture"]) == worse
    assert said(Shelf(), better) == []
    assert higher_bar(Shelf(), better, SHIPPED) == better


def test_where_somebody_approved_the_changes_word_holds() -> None:
    """Of that one alone."""
    base, now = shelf(SCORE, TIME), shelf(SCORE | {"value": 90}, TIME | {"value": 9})
    merged = higher_bar(base, now, SHIPPED, but=["architecture"])
    assert {key: each.value for key, each in merged.baselines.items()} == {"architecture": 90, "search@here": 0.2}


VALUES = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats(90, 110))


@given(VALUES, VALUES)
def test_the_bar_is_never_lower_than_either(base: dict[str, float], now: dict[str, float]) -> None:
    """Whatever the two accepted, the merged shelf accepts no worse, and merging again changes nothing."""
    one, other = (
        shelf(*(SCORE | {"name": name, "value": value} for name, value in each.items())) for each in (base, now)
    )
    merged = higher_bar(one, other, SHIPPED)
    assert lowered(one, merged, SHIPPED) == []
    assert all(merged.baselines[key].value >= each.value for key, each in other.baselines.items() if key in base)
    assert higher_bar(one, merged, SHIPPED) == merged
