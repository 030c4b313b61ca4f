"""The catalogue: what it finds, in which order, and which trees it calls good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import Repository
from pytest_rollback.events import Approval, Event, Invalidation, Judgment, Known, entry_of
from pytest_rollback.repo.catalogue import Catalogue, Recorded, Wanted
from pytest_rollback.repo.chains import take_in
from pytest_rollback.repo.ledger import KEPT, REF, Draft, Ledger
from tests.recording import NOON, at, foreign, judgment, withdrawal

ONE, TWO, THREE = ("1" * 40, "2" * 40, "3" * 40)


@pytest.fixture
def ledger(repository: Repository) -> Ledger:
    """Give an empty ledger."""
    return Ledger(repository.path)


def record(ledger: Ledger, *events: Known) -> list[str]:
    """Record events."""
    return ledger.append([Draft(event=event) for event in events])


def ids(found: list[Recorded]) -> list[str]:
    """Give the ids of what was found."""
    return [each.id for each in found]


def test_a_repository_without_a_ledger_has_an_empty_one(ledger: Ledger) -> None:
    """Asking makes neither a ledger nor a cache."""
    with Catalogue(ledger) as catalogue:
        assert (catalogue.entries(), catalogue.count(), catalogue.first(), catalogue.last()) == ([], 0, None, None)
        assert (catalogue.good(ONE), catalogue.good_trees(), catalogue.find("abcd")) == (None, frozenset(), [])
    assert not (ledger.home / "cache").exists()


def test_events_are_listed_by_when_they_were_and_then_by_id(ledger: Ledger) -> None:
    """A clock may be wrong, and merged chains have no order of their own."""
    late, early, same, other = record(
        ledger, judgment(when=9), judgment(when=1), judgment(ONE, when=5), judgment(TWO, when=5)
    )
    with Catalogue(ledger) as catalogue:
        middle = sorted((same, other), reverse=True)
        assert ids(catalogue.entries()) == [late, *middle, early]
        assert ids(catalogue.entries(limit=2)) == [late, middle[0]]
        first, last = catalogue.first(), catalogue.last()
        assert (first and first.id, last and last.id) == (early, late)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "abcd"),
        ({"kinds": ("verdict",)}, "abd"),
        ({"kinds": ("invalidation", "approval")}, "c"),
        ({"kinds": ("quarantine",)}, ""),
        ({"verdict": "blocked"}, "b"),
        ({"branch": "main"}, "ad"),
        ({"branch": "ma"}, ""),
        ({"commit": "cafe" * 10}, "b"),
        ({"commit": "cafe"}, "b"),
        ({"tree": TWO}, "bc"),
        ({"tree": TWO, "kinds": ("verdict",)}, "b"),
        ({"root": "services/api"}, "d"),
        ({"since": NOON + timedelta(seconds=2)}, "bcd"),
        ({"until": NOON + timedelta(seconds=2)}, "ab"),
        ({"since": NOON + timedelta(seconds=2), "until": NOON + timedelta(seconds=3)}, "bc"),
    ],
)
def test_events_are_found_by_what_their_entries_say(ledger: Ledger, wanted: dict[str, Any], expected: str) -> None:
    """All that is wanted must hold; a commit may be abbreviated, a branch may not."""
    a, b = record(
        ledger,
        judgment(ONE, when=1),
        judgment(TWO, when=2, verdict="blocked", branch="fix", commit="cafe" * 10),
    )
    c, d = record(ledger, withdrawal(b, TWO, when=3), judgment(THREE, when=4, root="services/api"))
    names = dict(zip((a, b, c, d), "abcd", strict=True))
    with Catalogue(ledger) as catalogue:
        found = catalogue.entries(Wanted(**wanted))
        assert "".join(sorted(names[each.id] for each in found)) == expected
        assert catalogue.count(Wanted(**wanted)) == len(expected)


def test_an_id_is_found_by_its_beginning(ledger: Ledger) -> None:
    """Too short a one names nothing, and neither does what is no id."""
    kept = record(ledger, *(judgment(when=each) for each in range(8)))
    with Catalogue(ledger) as catalogue:
        for event in kept:
            assert catalogue.find(event) == [event]
            assert event in catalogue.find(event[:4].upper())
            assert catalogue.get(event)
        for text in ("", kept[0][:3], "wxyz", "%%%%", f"{kept[0]}0", "' OR 1"):
            assert catalogue.find(text) == []
        assert catalogue.get(kept[0][:12]) is None


def test_the_newest_verdict_that_holds_makes_a_tree_good(ledger: Ledger) -> None:
    """A block of the same tree says nothing against it: somebody's machine may be broken."""
    older, newer, _ = record(
        ledger, judgment(ONE, when=1), judgment(ONE, when=2), judgment(ONE, when=3, verdict="blocked")
    )
    with Catalogue(ledger) as catalogue:
        good = catalogue.good(ONE)
        assert good is not None
        assert good.id == newer
        assert good.entry.says == "31 of 33 gate tests passed"
        assert catalogue.good_trees() == {ONE}
        assert ids(catalogue.verdicts_of(ONE))[1:] == [newer, older]


@pytest.mark.parametrize(
    "other", [{"verdict": "blocked"}, {"verdict": "inconclusive"}, {"steady": False}, {"keyed": False}, {"part": "1/2"}]
)
def test_nothing_less_makes_a_tree_good(ledger: Ledger, other: dict[str, Any]) -> None:
    """Passed after a rerun, judged with files that the tree lacks, or in part: that will not do."""
    (kept,) = record(ledger, judgment(ONE, **other))
    with Catalogue(ledger) as catalogue:
        assert catalogue.good(ONE) is None
        assert catalogue.good_trees() == frozenset()
        assert ids(catalogue.verdicts_of(ONE)) == [kept]


def test_what_a_newer_version_wrote_is_listed_and_makes_nothing_good(ledger: Ledger, repository: Repository) -> None:
    """Who knows what it takes to pass there; but what withdraws is believed, since it only takes away."""
    entry = json.loads(msgspec.json.encode(entry_of(judgment(ONE))))
    newer = foreign(repository.path, json.dumps({**entry, "schema": 2}))
    nothing = foreign(repository.path, "no entry")
    odd = foreign(repository.path, json.dumps({"kind": "quarantine", "at": "tomorrow", "tree": ONE}))
    (ours,) = record(ledger, judgment(TWO))
    with Catalogue(ledger) as catalogue:
        assert catalogue.good(ONE) is None
        listed = {each.id: each.is_newer for each in catalogue.entries()}
        assert listed == {newer: True, odd: True, nothing: False, ours: False}
    record(ledger, judgment(ONE))
    foreign(repository.path, json.dumps({"schema": 2, "kind": "invalidation", "at": at(9), "tree": ONE, "says": ""}))
    with Catalogue(ledger) as catalogue:
        assert catalogue.good(ONE) is None


def test_one_project_of_several_is_asked_for_by_its_root(ledger: Ledger) -> None:
    """Two gates in one repository judge the same trees, and the one says nothing of the other."""
    (kept,) = record(ledger, judgment(ONE, root="services/api"))
    with Catalogue(ledger) as catalogue:
        assert catalogue.good(ONE, root=".") is None
        for root in (None, "services/api"):
            found = catalogue.good(ONE, root=root)
            assert found
            assert found.id == kept


def test_a_withdrawal_takes_what_it_names_and_nothing_else(ledger: Ledger) -> None:
    """The tree has been judged again since, and that stands; another tree is none of its business."""
    first, second, later, other = record(
        ledger, judgment(ONE, when=1), judgment(ONE, when=2), judgment(ONE, when=4), judgment(TWO, when=1)
    )
    (gone,) = record(ledger, withdrawal(second, ONE, first, when=2))
    with Catalogue(ledger) as catalogue:
        assert [bool(catalogue.withdrawals(each)) for each in (first, second, later, other)] == [
            True,
            True,
            False,
            False,
        ]
        assert ids(catalogue.withdrawals(first)) == [gone]
        assert catalogue.withdrawn() == {first, second}
        listed = ids(catalogue.entries())
        assert listed.index(gone) < listed.index(second), "at the same moment, it stands above what it withdraws"
        good = catalogue.good(ONE)
        assert good
        assert good.id == later
    record(ledger, withdrawal(later, ONE, when=3))  # by a clock that is behind
    with Catalogue(ledger) as catalogue:
        assert catalogue.good(ONE) is None
        assert catalogue.good_trees() == {TWO}


def test_a_withdrawal_that_came_from_another_clone_first_holds_too(ledger: Ledger) -> None:
    """It may be recorded before what it withdraws is merged."""
    start = ledger.tip()
    (judged,) = record(ledger, judgment(ONE, when=3))
    ledger.git("update-ref", "-d", KEPT)
    ledger.git("update-ref", "-d", REF)
    assert start is None
    record(ledger, withdrawal("f" * 40, ONE, judged, when=5))
    with Catalogue(ledger) as catalogue:
        assert catalogue.good(ONE) is None
    take_in(ledger, judged)
    with Catalogue(ledger) as catalogue:
        assert catalogue.count() == 2
        assert catalogue.good(ONE) is None


def test_a_withdrawal_by_a_clock_that_was_ahead_leaves_what_is_judged_after_it(ledger: Ledger) -> None:
    """By moments alone it would take every honest pass to come."""
    (wrong,) = record(ledger, judgment(ONE, when=1))
    record(ledger, withdrawal(wrong, ONE, when=9_000_000))
    (honest,) = record(ledger, judgment(ONE, when=2))
    with Catalogue(ledger) as catalogue:
        good = catalogue.good(ONE)
        assert good
        assert good.id == honest
        assert catalogue.withdrawals(honest) == []


def test_an_unkeyed_verdict_without_a_tree_can_be_withdrawn(ledger: Ledger) -> None:
    """No tree is equal to no tree."""
    one, two = record(ledger, judgment(when=1), judgment(when=2))
    record(ledger, withdrawal(one, None, when=9))
    with Catalogue(ledger) as catalogue:
        assert catalogue.withdrawals(one)
        assert not catalogue.withdrawals(two)


def test_approvals_are_listed_newest_first(ledger: Ledger) -> None:
    """A gate asks for all of them."""
    approvals = [Approval(at=at(each), losses=(), reason="r") for each in (2, 1)]
    newer, older = record(ledger, *approvals)
    with Catalogue(ledger) as catalogue:
        assert ids(catalogue.approvals()) == [newer, older]


def test_it_follows_the_ledger(ledger: Ledger) -> None:
    """What this process or another one appends is seen once it is asked for."""
    record(ledger, judgment(ONE))
    with Catalogue(ledger) as catalogue:
        record(ledger, judgment(TWO, when=1))
        catalogue.refresh()
        assert catalogue.good_trees() == {ONE, TWO}
        assert catalogue.tip == ledger.tip()


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["passed", "passed", "passed", "blocked", "withdrawal"]),
        st.integers(0, 4),
        st.sampled_from([ONE, TWO]),
        st.booleans(),
    ),
    max_size=7,
)


@pytest.fixture
def numbers() -> Iterator[int]:
    """Count the examples."""
    return iter(range(10_000))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS)
def test_good_is_what_a_reader_of_all_events_would_call_good(
    repository: Repository, numbers: Iterator[int], story: list[tuple[str, int, str, bool]]
) -> None:
    """The rule, read off the events one by one, gives what the catalogue finds by its indices."""
    folder = repository.path / str(next(numbers))
    repository.git("init", "--quiet", str(folder))
    ledger = Ledger(folder)
    kept: list[tuple[str, Event, str]] = []
    for what, when, tree, steady in story:
        of_tree = [event for event, _, its_tree in kept if its_tree == tree]
        event: Known
        if what == "withdrawal":
            event = withdrawal(of_tree[0] if of_tree else "f" * 40, tree, *of_tree[1:2], when=when)
        else:
            event = judgment(tree, when=when, verdict=what, steady=steady and what == "passed")
        kept.append((record(ledger, event)[0], event, tree))
    with Catalogue(ledger) as catalogue:
        for tree in (ONE, TWO):
            expected = _good(kept, tree)
            found = catalogue.good(tree)
            assert (found and found.id) == expected
            assert (tree in catalogue.good_trees()) == (expected is not None)


def _good(kept: list[tuple[str, Event, str]], tree: str) -> str | None:
    gone = [event for _, event, _ in kept if isinstance(event, Invalidation)]
    holding = [
        (event.at, name)
        for name, event, its_tree in kept
        if isinstance(event, Judgment) and event.verdict.value == "passed" and event.steady and its_tree == tree
        if not any(name in (each.target, *each.covers) for each in gone)
    ]
    return max(holding)[1] if holding else None
