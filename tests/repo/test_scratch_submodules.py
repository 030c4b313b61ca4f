"""Submodules are in a scratch tree where they are in the work tree, at the commit that is judged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo.slots import take_slot
from pytest_rollback.repo.troubles import ScratchError

from .scratches import files_in, git, origin_of, prepare

LOCAL = ("-c", "protocol.file.allow=always")


def library(tmp_path: Path, name: str) -> Repository:
    """Make a repository that others take in."""
    found = Repository(tmp_path / name)
    found.path.mkdir()
    found.git("init", "--quiet", "--initial-branch=main")
    found.commit(a_py="x = 1\n")
    return found


def add(repository: Repository, inner: Repository, place: str) -> None:
    """Take one in."""
    repository.git(*LOCAL, "submodule", "--quiet", "add", str(inner.path), place)


def test_submodules_and_theirs_are_there(repository: Repository, tmp_path: Path) -> None:
    """At the commit that is recorded, not at the one that somebody has checked out; without any download."""
    deep, middle = library(tmp_path, "deep"), library(tmp_path, "middle")
    add(middle, deep, "vendor/deep")
    middle.commit()
    add(repository, middle, "libs/mid dle")
    repository.git(*LOCAL, "submodule", "--quiet", "update", "--init", "--recursive")
    repository.commit()
    there = Repository(repository.path / "libs/mid dle")
    there.write("a.py", "x = 'not recorded'\n")
    there.write("untracked.py", "")
    expected = {"a.py", "vendor/deep/a.py", ".gitmodules"}
    with take_slot(origin_of(repository)) as slot:
        scratch = prepare(slot, repository)
        inner = scratch.top / "libs/mid dle"
        found = {name for name in files_in(inner) if "/.git/" not in name}
        assert found == expected
        assert (inner / "a.py").read_text("utf-8") == "x = 1\n"
        assert git(scratch.top, "status", "--porcelain") == ""
        assert git(inner, "rev-parse", "HEAD").strip() == git(scratch.top, "rev-parse", ":libs/mid dle").strip()
        # What a test does to one is gone as well, and what it does never reaches the user's.
        (inner / "vendor/deep/left.py").write_text("", "utf-8")
        git(inner, "tag", "left")
        shutil.rmtree(inner / ".git/objects")
        scratch = prepare(slot, repository)
        assert {name for name in files_in(inner) if "/.git/" not in name} == expected
        assert git(inner, "tag") == there.git("tag") == ""


def test_one_that_comes_moves_and_goes(repository: Repository, tmp_path: Path) -> None:
    """The commits of a search know it at other places, or as plain files."""
    repository.write("lib/plain.py", "")
    plain = repository.commit("plain files")
    repository.git("rm", "-r", "--quiet", "lib")
    add(repository, library(tmp_path, "inner"), "lib")
    taken = repository.commit("a submodule in their place")
    repository.git("mv", "lib", "moved")
    moved = repository.commit("moved")
    names = {plain: {"lib/plain.py"}, taken: {"lib/a.py"}, moved: {"moved/a.py"}}
    with take_slot(origin_of(repository)) as slot:
        for commit in (plain, taken, moved, taken, plain, moved, plain):
            tree = repository.git("rev-parse", f"{commit}^{{tree}}").strip()
            scratch = slot.prepare(tree=tree, commit=commit, branch=None)
            found = {name for name in files_in(scratch.top) if "/.git/" not in name}
            assert found - {".gitmodules", ".gitignore"} == names[commit]
            assert git(scratch.top, "status", "--porcelain") == ""


def test_one_that_is_not_initialised_is_an_empty_folder(repository: Repository, tmp_path: Path) -> None:
    """As in the work tree; tests that need it fail there too."""
    add(repository, library(tmp_path, "inner"), "lib")
    repository.commit()
    with take_slot(origin_of(repository)) as slot:
        scratch = prepare(slot, repository)
        assert (scratch.top / "lib/a.py").exists()
        repository.git("submodule", "--quiet", "deinit", "--force", "lib")
        scratch = prepare(slot, repository)
        assert list((scratch.top / "lib").iterdir()) == []
        assert scratch.notes == ()


def test_a_commit_that_is_not_here_is_asked_for(repository: Repository, tmp_path: Path) -> None:
    """Somebody pulled and did not update: tests on the old commit would judge what nobody will have."""
    inner = library(tmp_path, "inner")
    add(repository, inner, "lib")
    repository.commit()
    missing = inner.commit("newer", a_py="x = 2\n")
    repository.git("update-index", "--cacheinfo", f"160000,{missing},lib")
    with take_slot(origin_of(repository)) as slot:
        with pytest.raises(ScratchError) as caught:
            prepare(slot, repository)
        assert str(caught.value) == f"submodule lib at {missing[:7]} is not here; run git submodule update"
        assert [trouble.kind for trouble in caught.value.troubles] == ["submodule"]
        Repository(repository.path / "lib").git("fetch", "--quiet")
        assert (prepare(slot, repository).top / "lib/a.py").read_text("utf-8") == "x = 2\n"


def test_a_submodule_of_a_linked_work_tree_is_found(repository: Repository, tmp_path: Path) -> None:
    """Git keeps its repository in a folder of that work tree's own."""
    add(repository, library(tmp_path, "inner"), "lib")
    repository.commit()
    linked = Repository(tmp_path / "linked")
    repository.git("worktree", "add", "--quiet", "-b", "linked", str(linked.path))
    linked.git(*LOCAL, "submodule", "--quiet", "update", "--init")
    with take_slot(origin_of(linked)) as slot:
        assert (prepare(slot, linked, branch="linked").top / "lib/a.py").exists()
