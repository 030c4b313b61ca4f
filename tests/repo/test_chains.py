"""Chains of clones that recorded apart: merged as a set, the same way on every machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.chains import contains, count, merge, take_in
from pytest_rollback.repo.ledger import REF, Draft, Ledger, LedgerError
from tests.recording import foreign, judgment


@pytest.fixture
def ours(repository: Repository) -> Ledger:
    """Give our ledger, with the first event of all."""
    repository.commit("first", a_py="")
    ledger = Ledger(repository.path)
    append(ledger, "common", 0)
    return ledger


@pytest.fixture
def theirs(ours: Ledger, tmp_path: Path) -> Ledger:
    """Give the ledger of a clone, with the same event."""
    subprocess.run(["git", "clone", "--quiet", ours.folder, tmp_path / "clone"], check=True)
    clone = Ledger(tmp_path / "clone")
    fetch(clone, ours)
    clone.git("update-ref", REF, ours.tip() or "")
    return clone


def append(ledger: Ledger, branch: str, when: float) -> str:
    """Record an event that can be told from others by its branch."""
    return ledger.append([Draft(event=judgment(branch=branch, when=when))])[0]


def fetch(ledger: Ledger, other: Ledger) -> str:
    """Bring another's objects here; gives its tip."""
    ledger.git("fetch", "--quiet", str(other.folder), REF)
    return other.tip() or ""


def told(ledger: Ledger) -> list[str]:
    """List the events by their branches, newest first."""
    with Catalogue(ledger) as catalogue:
        return [each.entry.branch or "" for each in catalogue.entries()]


def test_two_chains_become_one_set_on_both_sides(ours: Ledger, theirs: Ledger) -> None:
    """Both make the same commit, whoever they are, and whenever they merge."""
    append(ours, "ours", 1)
    append(theirs, "theirs", 2)
    append(theirs, "theirs too", 3)
    their_tip, our_tip = fetch(ours, theirs), fetch(theirs, ours)
    theirs.git("config", "user.name", "Grace")
    theirs.git("config", "i18n.commitEncoding", "ISO-8859-1")
    here, there = take_in(ours, their_tip), take_in(theirs, our_tip)
    assert here.tip == there.tip == ours.tip()
    assert (here.came, here.ahead, there.came, there.ahead) == (2, 1, 1, 2)
    assert told(ours) == told(theirs) == ["theirs too", "theirs", "ours", "common"]
    assert [count(ours, here.tip, but=each) for each in (None, our_tip, their_tip)] == [4, 2, 1]


def test_a_merge_says_nothing_of_who_made_it(ours: Ledger, theirs: Ledger) -> None:
    """Sorted parents, an empty tree, nobody's name, and the later of the two dates."""
    append(ours, "ours", 50)
    append(theirs, "theirs", 2)
    tips = sorted((fetch(ours, theirs), ours.tip() or ""))
    take_in(ours, fetch(ours, theirs))
    said = ours.git("log", "-1", "--format=%P|%an <%ae>|%ct|%T|%s", ours.tip() or "")
    assert said.split("|") == [
        " ".join(tips),
        "pytest-rollback <pytest-rollback@invalid>",
        "1795262450",
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "merge of two chains",
    ]


def test_a_chain_that_holds_the_other_is_taken_as_it_is(ours: Ledger, theirs: Ledger) -> None:
    """Nothing is made where nothing was recorded apart."""
    newest = append(theirs, "theirs", 1)
    assert merge(ours, None, "0" * 40) == "0" * 40
    assert take_in(ours, fetch(ours, theirs)).tip == newest
    assert take_in(theirs, fetch(theirs, ours)).tip == newest
    after = append(theirs, "more", 2)
    assert take_in(theirs, newest).tip == after
    assert contains(theirs, after, newest)
    assert not contains(theirs, newest, after)


def test_the_order_in_which_chains_meet_does_not_matter(ours: Ledger, theirs: Ledger, tmp_path: Path) -> None:
    """Three machines that exchange in any order hold the same events, and in the end the same tip."""
    subprocess.run(["git", "clone", "--quiet", ours.folder, tmp_path / "third"], check=True)
    third = Ledger(tmp_path / "third")
    everybody = [ours, theirs, third]
    for number, each in enumerate(everybody):
        append(each, f"b{number}", number)
    for one, other in ((0, 1), (1, 2), (2, 0), (0, 1), (2, 1), (0, 2), (1, 0), (2, 0)):
        take_in(everybody[one], fetch(everybody[one], everybody[other]))
    assert len({each.tip() for each in everybody}) == 1
    assert sorted(told(ours)) == ["b0", "b1", "b2", "common"]


def test_what_is_recorded_while_chains_merge_is_kept(ours: Ledger, theirs: Ledger) -> None:
    """A gate does not wait for a sync."""
    append(ours, "ours", 1)
    append(theirs, "theirs", 2)
    tip = fetch(ours, theirs)
    swap, meanwhile = ours._swap, Ledger(ours.folder)

    def late(new: str, old: str | None, *, last: bool) -> bool:
        if "meanwhile" not in told(meanwhile):
            append(meanwhile, "meanwhile", 3)
        return swap(new, old, last=last)

    ours._swap = late  # type: ignore[method-assign]
    take_in(ours, tip)
    assert told(ours) == ["meanwhile", "theirs", "ours", "common"]


def test_what_a_newer_version_wrote_survives_a_merge(ours: Ledger, theirs: Ledger) -> None:
    """It is passed over, never dropped."""
    newer = foreign(theirs.folder, '{"schema": 2, "kind": "quarantine", "at": "later"}')
    append(ours, "ours", 1)
    take_in(ours, fetch(ours, theirs))
    with Catalogue(ours) as catalogue:
        found = catalogue.get(newer)
    assert found
    assert found.entry.kind == "quarantine"


@pytest.mark.parametrize("what", ["HEAD", "HEAD^{tree}", "0" * 40])
def test_what_is_no_ledger_is_not_taken_in(ours: Ledger, what: str) -> None:
    """Somebody pushed a branch to the wrong ref; a ledger that took it in could never let go of it."""
    before = ours.tip()
    thing = what if what.startswith("0") else ours.git("rev-parse", what)
    with pytest.raises(LedgerError, match="is no ledger, and was not taken in"):
        take_in(ours, thing)
    assert ours.tip() == before
