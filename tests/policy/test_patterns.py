"""Patterns of names: two wildcards, and whether one says all that another does."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_rollback.policy.patterns import any_matches, covers, covers_path, matches

SIGNS = "ab*?"
NAMES = ["".join(signs) for length in range(4) for signs in product("ab[", repeat=length)]


@pytest.mark.parametrize(
    ("pattern", "text", "holds"),
    [
        ("*[bot]*", "dependabot[bot]", True),
        ("*[bot]*", "Abbott", False),
        ("gone:t.py::test_x[*]", "gone:t.py::test_x[a\nb]", True),
        ("gone:t.py::test_x[a]", "gone:t.py::test_xa", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a.c", "abc", False),
        ("", "", True),
        ("*", "", True),
        ("a*b*c", "a--b--c", True),
        ("a[*", "a[x", True),
        ("a*", "a*", True),
    ],
)
def test_two_signs_are_wild_and_all_else_means_itself(pattern: str, text: str, holds: bool) -> None:  # noqa: FBT001
    """Brackets stand in the names of machines and of tests."""
    assert matches(pattern, text) is holds


def test_many_stars_take_no_longer() -> None:
    """A pattern is anybody's, and an exponential search would be a way to stop the gate."""
    assert not matches("*" * 5000 + "b", "a" * 5000)
    assert not matches("*a" * 12 + "*b", "a" * 60)


def test_authors_match_in_any_case_and_nobody_matches_nothing() -> None:
    """Mails are written in all ways; an author without a name is no machine by that."""
    assert any_matches(["*@Example.org"], ["", "ADA@example.ORG"])
    assert not any_matches(["*"], ["", ""])


@given(st.text(SIGNS, max_size=4), st.text(SIGNS, max_size=4))
def test_what_a_pattern_covers_it_matches(pattern: str, other: str) -> None:
    """Or a list of approvers could be widened by what looks narrower."""
    if covers(pattern, other):
        assert all(matches(pattern, name) for name in NAMES if matches(other, name))


@pytest.mark.parametrize(
    ("pattern", "other", "holds"),
    [
        ("*@example.org", "ada@example.org", True),
        ("*@example.org", "*a@example.org", True),
        ("ada@example.org", "*@example.org", False),
        ("?@x", "*@x", False),
        ("*@x", "?@x", True),
        ("a", "a", True),
    ],
)
def test_a_wider_pattern_covers_a_narrower(pattern: str, other: str, holds: bool) -> None:  # noqa: FBT001
    """And not the other way round."""
    assert covers(pattern, other) is holds


@pytest.mark.parametrize(
    ("pattern", "other", "holds"),
    [
        ("schema/**", "schema/a/b.json", True),
        ("schema/**", "schema/**", True),
        ("schema/**", "schema/*.json", True),
        ("**", "anything/*", True),
        ("schema/**", "schemas/a", False),
        ("schema/**", "schema", False),
        ("sch*/**", "schema/a", False),
        ("schema/*", "schema/a", False),
    ],
)
def test_of_files_only_what_is_sure_is_covered(pattern: str, other: str, holds: bool) -> None:  # noqa: FBT001
    """What git makes of the rest is git's to say, so it counts as narrower."""
    assert covers_path(pattern, other) is holds
