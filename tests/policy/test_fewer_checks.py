"""A check that looks at less than it did is named by its key, and a pattern that finds nothing is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_rollback.policy.fewer_checks import fewer_checks, less_of, limit_of, stricter_check
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Check

HOUR = 3600.0


def check(kind: str = "junit", **more: Any) -> Check:
    """Make a check."""
    return Check(name="web", kind=kind, **more)


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        (None, None, None),
        (None, 60.0, '"1 min" is looser than none, where results must be newer than every tracked file'),
        (None, 90 * 24 * HOUR, '"90 d" is looser than none, where results must be newer than every tracked file'),
        (60.0, 60.0, None),
        (60.0, 30.0, None),
        (60.0, 61.0, '"1 min 1 s" is looser than "1 min"'),
        (60.0, None, '"1 h" is looser than "1 min"'),
        (HOUR, None, None),
        (2 * HOUR, None, None),
        (2 * HOUR, 3 * HOUR, '"3 h" is looser than "2 h"'),
    ],
)
def test_without_an_age_results_must_be_newer_than_the_tree(
    was: float | None, now: float | None, says: str | None
) -> None:
    """So any age that is added lets older ones hold; one that is taken away only where it was less than an hour."""
    assert dict(less_of(check(max_age_s=was), check(max_age_s=now))) == ({} if says is None else {"max-age": says})


@pytest.mark.parametrize(
    ("kind", "was", "now", "says"),
    [
        ("imports", None, 60.0, None),
        ("imports", None, 61.0, '"1 min 1 s" is looser than "1 min"'),
        ("imports", 30.0, None, '"1 min" is looser than "30 s"'),
        ("imports", 1800.0, None, None),
        ("command", None, 300.0, None),
        ("command", None, 60.0, None),
        ("command", None, 1800.0, '"30 min" is looser than "5 min"'),
        ("command", 60.0, None, '"5 min" is looser than "1 min"'),
        ("command", 1800.0, None, None),
        ("syntax", 1800.0, 1801.0, '"30 min 1 s" is looser than "30 min"'),
        ("junit", None, None, None),
    ],
)
def test_a_limit_that_is_not_given_is_that_of_the_kind(
    kind: str, was: float | None, now: float | None, says: str | None
) -> None:
    """A minute for imports, five for all else."""
    found = dict(less_of(check(kind, limit_s=was), check(kind, limit_s=now)))
    assert found == ({} if says is None else {"limit": says})


def test_what_is_not_given_holds_for_those_that_run_it() -> None:
    """They ask here."""
    assert [limit_of(check(kind)) for kind in ("imports", "syntax", "command", "junit")] == [60, 300, 300, 300]
    assert limit_of(check(limit_s=0.0)) == 0


def test_of_two_checks_the_one_that_looks_at_more_is_kept() -> None:
    """An age that a change adds is not merged in; one that it takes away, where none is stricter, is."""
    plain, aged = check(), check(max_age_s=2 * HOUR)
    for base, change in ((plain, aged), (aged, plain)):
        assert stricter_check(base, change) is plain


def test_each_key_of_a_policy_s_checks_is_named() -> None:
    """By the check's name and its own."""
    before, after = (
        load_policy(None, extra={"checks": {"web": {"kind": "junit", "results": "a.xml", **more}}})
        for more in ({}, {"max-age": "90 d", "limit": "6 min"})
    )
    assert [key for key, _ in fewer_checks(before, after)] == ["checks.web.limit", "checks.web.max-age"]
    assert [*fewer_checks(after, before)] == []
    assert [*fewer_checks(before, load_policy(None))] == [("checks.web", "is gone")]


@pytest.mark.parametrize("pattern", [".*", "OK|", "^", "$", r"(\d*)", "(?!FAILED)", ""])
def test_a_pattern_that_matches_nothing_at_all_is_refused(pattern: str) -> None:
    """A program that prints nothing would pass."""
    wanted = {"kind": "command", "command": ["true"], "pattern": pattern}
    with pytest.raises(PolicyError, match=r"checks\.score\.pattern: matches the empty text"):
        load_policy(None, extra={"checks": {"score": wanted}})


@pytest.mark.parametrize("pattern", [".+", "OK", r"(\d+)", r"\bOK\b"])
def test_a_pattern_that_finds_something_is_taken(pattern: str) -> None:
    """As it is written."""
    wanted = {"kind": "command", "command": ["true"], "pattern": pattern}
    (read,) = load_policy(None, extra={"checks": {"score": wanted}}).checks
    assert read.pattern == wanted["pattern"]
