"""The known good: found by tree along the first parents, wherever history was rewritten to the same tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.known_good import Search, known_good
from pytest_rollback.repo.ledger import Draft, Ledger, LedgerError
from tests.recording import judgment, withdrawal


def passed(repository: Repository, commit: str) -> str:
    """Have a gate pass on a commit's tree; gives the event."""
    tree = repository.git("rev-parse", f"{commit}^{{tree}}").strip()
    return Ledger(repository.path).append([Draft(event=judgment(tree))])[0]


def search(folder: Path, start: str = "HEAD", *, inclusive: bool = True) -> Search:
    """Search for the known good."""
    with Catalogue(Ledger(folder)) as catalogue:
        return known_good(catalogue, folder, start, inclusive=inclusive)


def good(repository: Repository, start: str = "HEAD", *, inclusive: bool = True) -> str | None:
    """Give the commit that is found."""
    found = search(repository.path, start, inclusive=inclusive).found
    return found.commit if found else None


def test_it_is_the_newest_commit_whose_tree_passed(repository: Repository) -> None:
    """With the event that says so, and how far the search went."""
    first = repository.commit("first", a_py="1")
    second = repository.commit("second", a_py="2")
    third = repository.commit("third", a_py="3")
    passed(repository, first)
    event = passed(repository, second)
    found = search(repository.path, third)
    assert found.found
    assert (found.found.commit, found.found.event, found.searched) == (second, event, 2)
    assert found.found.tree == repository.git("rev-parse", f"{second}^{{tree}}").strip()
    assert good(repository, second) == second
    assert good(repository, second, inclusive=False) == first
    assert good(repository, first, inclusive=False) is None


def test_a_withdrawn_one_gives_way_to_the_one_before(repository: Repository) -> None:
    """The verdict was wrong, and its commit may be what must be rolled back."""
    first = repository.commit("first", a_py="1")
    second = repository.commit("second", a_py="2")
    passed(repository, first)
    event = passed(repository, second)
    tree = repository.git("rev-parse", f"{second}^{{tree}}").strip()
    Ledger(repository.path).append([Draft(event=withdrawal(event, tree, when=9))])
    assert good(repository) == first


def test_it_is_found_where_history_was_rebased_to_the_same_tree(repository: Repository) -> None:
    """No commit that was judged is left; its tree is."""
    repository.commit("first", a_py="1")
    judged = repository.commit("second", b_py="2")
    passed(repository, judged)
    repository.git("commit", "--quiet", "--amend", "-m", "better words", "--date=2001-01-01T00:00:00")
    amended = repository.git("rev-parse", "HEAD").strip()
    repository.commit("third", c_py="3")
    assert amended != judged
    assert good(repository) == amended


def test_it_is_found_where_a_branch_was_squashed(repository: Repository) -> None:
    """The branch's last tree is that of the one commit it became."""
    repository.commit("first", a_py="1")
    repository.git("checkout", "--quiet", "-b", "topic")
    repository.commit("one", b_py="2")
    passed(repository, repository.commit("two", c_py="3"))
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--squash", "topic")
    squashed = repository.commit("topic, squashed")
    assert good(repository) == squashed


def test_what_was_merged_is_no_ancestor_that_main_ever_stood_at(repository: Repository) -> None:
    """Its own commits were never on main; going back to one would drop what main had besides."""
    first = repository.commit("first", a_py="1")
    repository.git("checkout", "--quiet", "-b", "topic")
    passed(repository, repository.commit("on topic", b_py="2"))
    repository.git("checkout", "--quiet", "main")
    repository.commit("on main", c_py="3")
    repository.git("merge", "--quiet", "--no-ff", "-m", "merge", "topic")
    assert good(repository) is None
    passed(repository, first)
    assert good(repository) == first


def test_a_branch_without_a_commit_has_none(repository: Repository) -> None:
    """And neither has a name that means nothing, or that git would take for an option."""
    assert repository.path.exists()
    for start in ("HEAD", "no-such", "--all", "-1"):
        assert search(repository.path, start) == Search(found=None, searched=0)


def test_a_shallow_clone_says_that_it_ends_too_early(repository: Repository, tmp_path: Path) -> None:
    """There may be one behind its end; what is not here was not searched."""
    first = repository.commit("first", a_py="1")
    repository.commit("second", a_py="2")
    repository.commit("third", a_py="3")
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "--quiet", "--depth=2", f"file://{repository.path}", clone], check=True, capture_output=True
    )
    tree = repository.git("rev-parse", f"{first}^{{tree}}").strip()
    Ledger(clone).append([Draft(event=judgment(tree))])
    assert search(clone) == Search(found=None, searched=2, cut_short=True)
    passed(repository, first)
    assert good(repository) == first
    second = repository.git("rev-parse", "HEAD~1^{tree}").strip()
    Ledger(clone).append([Draft(event=judgment(second))])
    found = search(clone)
    assert (bool(found.found), found.cut_short) == (True, False)


def test_a_history_that_ends_is_not_cut_short(repository: Repository) -> None:
    """It was searched to its first commit."""
    repository.commit("first", a_py="1")
    repository.commit("second", a_py="2")
    assert search(repository.path) == Search(found=None, searched=2)


def test_a_history_that_cannot_be_read_is_an_error(repository: Repository) -> None:
    """A damaged repository may hold one where nobody can look any more."""
    first = repository.commit("first", a_py="1")
    repository.commit("second", a_py="2")
    (repository.path / ".git/objects" / first[:2] / first[2:]).unlink()
    with pytest.raises(LedgerError, match="the history can't be read: git log: "):
        search(repository.path)


def test_a_bare_repository_and_a_detached_head_are_searched_too(repository: Repository, tmp_path: Path) -> None:
    """A server, and a CI job."""
    first = repository.commit("first", a_py="1")
    repository.git("checkout", "--quiet", "--detach")
    passed(repository, first)
    assert good(repository) == first
    repository.git("clone", "--quiet", "--mirror", ".", str(tmp_path / "b.git"))
    found = search(tmp_path / "b.git").found
    assert found
    assert found.commit == first
