"""The check `protected`: nothing is protected by a pattern that names nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.policy.rules import Check
from pytest_rollback.session.checks import protected
from pytest_rollback.session.checks.outcome import CheckResult, Place

CHECK = Check(name="protected", kind="protected")


@pytest.fixture
def tree(repository: Repository) -> str:
    """Commit two schemas and a folder with a name that git would read as a pattern."""
    repository.commit(schema_user_json="{}")
    for name in ("schema/user.json", "schema/[x].json", "own/schema/a.json"):
        repository.write(name, "{}")
    repository.commit()
    return repository.git("rev-parse", "HEAD^{tree}").strip()


def look(
    repository: Repository,
    tree: str | None,
    *patterns: str,
    altered: tuple[str, ...] | None = (),
    root: str = ".",
) -> CheckResult:
    """Check protected files."""
    path = repository.path
    return protected.run(CHECK, Place(root=path, top=path, folder=root, tree=tree, protected=patterns, altered=altered))


def test_protected_files_that_nobody_altered_hold(repository: Repository, tree: str) -> None:
    """All of them are counted."""
    result = look(repository, tree, "schema/**", r"own/schema/*.json")
    assert result == CheckResult(says="3 protected files, none of them altered")


def test_an_altered_file_is_named(repository: Repository, tree: str) -> None:
    """Each on a line, with what to do."""
    result = look(repository, tree, "schema/**", altered=("schema/user.json", "schema/gone.json"))
    assert [failure.partition(" ")[0] for failure in result.failures] == ["schema/user.json", "schema/gone.json"]
    assert "have it approved" in result.failures[0]


def test_a_pattern_that_names_no_file_fails(repository: Repository, tree: str) -> None:
    """A renamed folder would be protected no more, and nobody would hear of it; so too where there is no base."""
    for altered in ((), None):
        (failure,) = look(repository, tree, "schema/**", "shema/**", altered=altered).failures
        assert failure == 'protected: "shema/**" names no file of the tree; correct it, or take it out'


def test_patterns_start_where_the_policy_lies(repository: Repository, tree: str) -> None:
    """A project of many knows its own files."""
    assert look(repository, tree, "schema/a.json", root="own").failures == ()
    assert len(look(repository, tree, "schema/user.json", root="own").failures) == 1


def test_no_pattern_at_all_fails(repository: Repository, tree: str) -> None:
    """A check that looks at nothing says so."""
    assert "protects nothing" in look(repository, tree).failures[0]


def test_without_a_base_it_is_skipped(repository: Repository, tree: str) -> None:
    """Nobody knows, which is no pass."""
    assert "no trusted base" in look(repository, tree, "schema/**", altered=None).skipped
    outside = protected.run(CHECK, Place(root=Path(), protected=("schema/**",)))
    assert outside.skipped
    assert not outside.failures


def test_a_tree_that_is_not_there_fails(repository: Repository, tree: str) -> None:
    """Git could not look; what is known to be altered is told all the same."""
    result = look(repository, "0" * len(tree), "schema/**", altered=("schema/user.json",))
    assert len(result.failures) == 2
    assert "schema/user.json" in result.failures[0]
