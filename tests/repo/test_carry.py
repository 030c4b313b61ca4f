"""What is carried into a scratch tree lands in it, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo.carry import carry
from pytest_rollback.repo.troubles import ScratchError


def test_ignored_files_are_carried_and_no_others(repository: Repository, tmp_path: Path) -> None:
    """What git does not ignore was forgotten, and has to be missed."""
    repository.write(".gitignore", "*.ini\n")
    repository.write("local/a b.ini", "here")
    repository.write("local/ü.ini", "there")
    repository.write("local/forgotten.txt", "")
    repository.write("elsewhere.ini", "")
    assert sorted(carry(repository.path, tmp_path, ["local/*"])) == ["local/a b.ini", "local/ü.ini"]
    assert sorted(path.name for path in (tmp_path / "local").iterdir()) == ["a b.ini", "ü.ini"]
    assert (tmp_path / "local" / "a b.ini").read_text() == "here"
    assert carry(repository.path, tmp_path, []) == []


def test_a_link_in_what_is_judged_leads_nothing_out(repository: Repository, tmp_path: Path) -> None:
    """The tree may hold anything, and what it points at may be somebody's work."""
    repository.write(".gitignore", "*.ini\n")
    repository.write("local/x.ini", "new")
    precious, scratch = tmp_path / "precious", tmp_path / "scratch"
    precious.mkdir()
    scratch.mkdir()
    (precious / "x.ini").write_text("old")
    (scratch / "local").symlink_to(precious)
    with pytest.raises(ScratchError, match="leads out of the scratch tree"):
        carry(repository.path, scratch, ["local/*"])
    assert (precious / "x.ini").read_text() == "old"
    (scratch / "local").unlink()
    (scratch / "local").mkdir()
    (scratch / "local" / "x.ini").symlink_to(precious / "x.ini")
    carry(repository.path, scratch, ["local/*"])
    assert (precious / "x.ini").read_text() == "old"
    assert (scratch / "local" / "x.ini").read_text() == "new"
