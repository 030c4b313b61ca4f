"""Where git's pre-commit hook goes, and where none may go."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.repo.hooks import HookRefusedError, plan_hook

CALL = "-m pytest --safety-gate --gate-staged || exit 1"

Commit = Callable[..., tuple[int, str]]


@pytest.mark.parametrize("target", ["hook.sh", "nowhere"])
def test_a_link_is_not_written_through(repository: Repository, target: str) -> None:
    """Behind it lies a file of the project, or of somebody else."""
    repository.write("hook.sh", "#!/bin/sh\n")
    path = repository.path / ".git/hooks/pre-commit"
    path.symlink_to(repository.path / target)
    with pytest.raises(HookRefusedError, match="not ours"):
        plan_hook(repository.path, sys.executable)


@pytest.mark.parametrize("folder", [".git/own-hooks", ".git/deep/er", "ignored/hooks"])
def test_a_folder_of_hooks_that_is_the_repositorys_alone_is_used(
    repository: Repository, commit: Commit, stand_in: Path, folder: str
) -> None:
    """core.hooksPath says where git looks, so a hook anywhere else would never run."""
    repository.write(".gitignore", "ignored/\n")
    repository.git("config", "core.hooksPath", folder)
    assert main(["init", "--hook"]) == 0
    assert (repository.path / folder / "pre-commit").exists()
    assert not (repository.path / ".git/hooks/pre-commit").exists()
    assert commit(repository.path, STATUS="80")[0] == 1, stand_in


@pytest.mark.parametrize("tracked", [True, False])
def test_a_folder_that_is_committed_gets_no_hook(
    repository: Repository, capsys: pytest.CaptureFixture[str], *, tracked: bool
) -> None:
    """An interpreter of one machine is nobody else's; the line to add names none, and counts once it is there."""
    repository.git("config", "core.hooksPath", ".githooks")
    if tracked:
        repository.write(".githooks/pre-push", "#!/bin/sh\n")
        repository.git("add", ".githooks")
    assert main(["init", "--hook"]) == 1
    said = capsys.readouterr().err
    path = repository.path / ".githooks/pre-commit"
    assert "would be committed" in said
    assert said.endswith(f"add this line to {path} by hand, before anything that ends it:\n    python {CALL}\n")
    assert not path.exists()
    repository.write(".githooks/pre-commit", f"#!/bin/sh\npython {CALL}\n").chmod(0o755)
    assert main(["init", "--hook"]) == 0


def test_a_folder_that_all_repositories_share_gets_no_hook(
    repository: Repository,
    commit: Commit,
    stand_in: Path,
    git_identity: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line to add judges this repository's commits, in all its work trees, and no other's."""
    shared = tmp_path / "hooks"
    repository.commit()
    with git_identity.open("a", encoding="utf-8") as config:
        config.write(f"[core]\n\thooksPath = {shared}\n")
    assert main(["init", "--hook"]) == 1
    said = capsys.readouterr().err
    assert "not this repository's alone" in said
    assert not shared.exists()
    line = said.splitlines()[-1].strip()
    shared.mkdir()
    (shared / "pre-commit").write_text(f"#!/bin/sh\n{line}\n", "utf-8")
    (shared / "pre-commit").chmod(0o755)
    assert main(["init", "--hook"]) == 0, stand_in
    other = Repository(tmp_path / "other")
    other.path.mkdir()
    other.git("init", "--quiet")
    repository.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    judged = [commit(folder, STATUS="80")[0] for folder in (repository.path, tmp_path / "linked", other.path)]
    assert judged == [1, 1, 0]
    assert main(["init", "--root", str(other.path), "--hook"]) == 1


def test_a_folder_that_can_not_be_made_is_a_clear_error(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """A read-only or odd place ends with its name and nothing half written."""
    folder = repository.path / ".git/hooks"
    for sample in folder.iterdir():
        sample.unlink()
    folder.rmdir()
    folder.write_bytes(b"odd")
    assert main(["init", "--hook"]) == 1
    assert f"{folder}/pre-commit could not be written" in capsys.readouterr().err
    assert folder.read_bytes() == b"odd"


def test_a_folder_in_the_hooks_place_is_a_clear_error(repository: Repository) -> None:
    """Git would not run it, and it is not ours to remove."""
    (repository.path / ".git/hooks/pre-commit").mkdir()
    with pytest.raises(HookRefusedError, match="is a folder, where git looks for a hook; remove it"):
        plan_hook(repository.path, sys.executable)


@pytest.mark.parametrize("kind", ["none", "bare"])
def test_where_nothing_can_be_committed_there_is_no_hook(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """The policy is written all the same; the hook that was asked for is an error."""
    folder = tmp_path / kind
    folder.mkdir()
    if kind == "bare":
        repository.git("init", "--quiet", "--bare", str(folder))
    assert main(["init", "--root", str(folder), "--hook"]) == 1
    assert "in no work tree of a git repository" in capsys.readouterr().err
    assert (folder / "pytest-rollback.toml").exists()
    assert not (folder / "hooks/pre-commit").exists()


def test_a_work_tree_that_lies_elsewhere_is_refused(repository: Repository) -> None:
    """With core.worktree, git's work tree need not hold the folder in which one stands."""
    (repository.path / "elsewhere").mkdir()
    repository.git("config", "core.worktree", str(repository.path / "elsewhere"))
    assert main(["init", "--hook"]) == 1
    assert (repository.path / "pytest-rollback.toml").exists()
    with pytest.raises(HookRefusedError, match="lies outside the work tree"):
        plan_hook(repository.path, sys.executable)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="takes a file that root can't read")
def test_a_hook_that_can_not_be_read_is_refused(repository: Repository) -> None:
    """What it is, nobody can tell from here."""
    (repository.path / ".git/hooks/pre-commit").symlink_to("/proc/self/mem")
    with pytest.raises(HookRefusedError, match="pre-commit can't be read"):
        plan_hook(repository.path, sys.executable)
