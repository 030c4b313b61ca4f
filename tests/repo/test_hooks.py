"""Git's pre-commit hook: it lets nothing through that was not judged, and takes nobody's place."""

from __future__ import annotations

import os
import pty
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.repo.hooks import HookRefusedError, plan_hook, render_hook

HOLDS = "import pytest\n@pytest.mark.golden_path\ndef test_it(): pass\n"
FAILS = HOLDS.replace("pass", "assert 0")
CALL = "-m pytest --safety-gate --gate-staged || exit 1"

Commit = Callable[..., tuple[int, str]]


def test_a_commit_is_made_only_if_the_gate_passes(repository: Repository, commit: Commit) -> None:
    """The main job, with the real gate: what breaks the golden path does not get in."""
    repository.commit()
    head = repository.git("rev-parse", "HEAD")
    repository.write("pytest.ini", "[pytest]\naddopts = -p no:randomly -p no:hypothesispytest -p no:testmon\n")
    repository.write("test_it.py", FAILS)
    repository.git("add", "--all")
    assert main(["init", "--hook"]) == 0
    status, said = commit(repository.path)
    assert status == 1
    assert "safety gate: BLOCKED" in said
    assert "the commit was stopped: the safety gate blocked it" in said
    assert repository.git("rev-parse", "HEAD") == head
    repository.write("test_it.py", HOLDS)
    status, said = commit(repository.path, "--all")
    assert status == 0, said
    assert repository.git("rev-parse", "HEAD") != head


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        ("80", "the safety gate blocked it"),
        ("81", "could not reach a verdict"),
        ("5", "found no test"),
        ("4", "can not import pytest and pytest-rollback"),
        ("1", "can not import pytest and pytest-rollback"),
    ],
)
def test_any_status_but_zero_stops_the_commit(
    repository: Repository, commit: Commit, stand_in: Path, ended: str, why: str
) -> None:
    """Each with its reason, and with the two ways on."""
    assert main(["init", "--hook"]) == 0
    assert commit(repository.path)[0] == 0, stand_in
    status, said = commit(repository.path, STATUS=ended)
    assert status == 1
    assert why in said
    assert "git commit --no-verify" in said
    assert commit(repository.path, "--no-verify", STATUS=ended)[0] == 0


@pytest.mark.parametrize(
    ("verdict", "lets_through"),
    [('"mode": "shadow"', True), ('"verdict": "blocked"', False), ('"verdict": "inconclusive"', False), ("", False)],
)
def test_a_status_of_zero_needs_a_verdict_beside_it(
    repository: Repository, commit: Commit, stand_in: Path, verdict: str, *, lets_through: bool
) -> None:
    """A process that dies with 0 has passed nothing; in shadow mode nothing is stopped."""
    assert main(["init", "--hook"]) == 0
    status, said = commit(repository.path, VERDICT=verdict)
    assert (status == 0) == lets_through, stand_in
    assert ("ended without a verdict" in said) != lets_through


def test_a_conftest_that_ends_the_process_stops_the_commit(repository: Repository, commit: Commit) -> None:
    """With the real gate: `os._exit(0)` at import comes before anything of ours could answer for it."""
    repository.write("conftest.py", "import os\nos._exit(0)\n")
    repository.write("test_it.py", FAILS)
    repository.git("add", "--all")
    assert main(["init", "--hook"]) == 0
    assert commit(repository.path)[0] == 1


def test_an_interpreter_without_pytest_stops_the_commit(repository: Repository, commit: Commit, stand_in: Path) -> None:
    """An environment that was made anew judges nothing, and that must not look like a pass."""
    real = Path(sys.prefix, "bin", "python")
    stand_in.write_text(f'#!/bin/sh\nexec {shlex.quote(str(real))} -I -S "$@"\n', "utf-8")
    assert main(["init", "--hook"]) == 0
    status, said = commit(repository.path)
    assert status == 1
    assert "can not import pytest and pytest-rollback" in said
    assert "renew this hook: pytest-rollback init --hook" in said


def test_a_plugin_that_is_turned_off_stops_the_commit(repository: Repository, commit: Commit) -> None:
    """Pytest then knows no safety gate, and says so with a status of its own."""
    assert main(["init", "--hook"]) == 0
    status, said = commit(repository.path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert status == 1
    assert "pytest ended with status 4, which is no verdict" in said


def test_an_interpreter_that_is_gone_stops_the_commit_until_the_hook_is_renewed(
    repository: Repository, commit: Commit, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People delete and move their environments."""
    assert main(["init", "--hook"]) == 0
    moved = stand_in.rename(stand_in.with_name("python3"))
    status, said = commit(repository.path)
    assert status == 1
    assert f"the interpreter of this hook is gone: {stand_in}" in said
    monkeypatch.setattr(sys, "executable", str(moved))
    assert main(["init", "--hook"]) == 0
    assert commit(repository.path)[0] == 0


def test_the_gate_of_a_sub_folder_runs_there_and_finds_the_index(
    repository: Repository, commit: Commit, stand_in: Path
) -> None:
    """Git names its index relative to the top, and whatever the folder's name is, it is one."""
    root = repository.path / 'it\'s a "grün" $x'
    root.mkdir()
    assert main(["init", "--root", str(root), "--hook"]) == 0
    status, said = commit(repository.path)
    assert status == 0, stand_in
    assert f"ran -m pytest --safety-gate --gate-staged in {root} with {repository.path}/.git/index" in said
    root.rename(repository.path / "moved")
    status, said = commit(repository.path)
    assert status == 1
    assert "there is no folder" in said


def test_a_linked_work_tree_shares_the_hook(
    repository: Repository, commit: Commit, stand_in: Path, tmp_path: Path
) -> None:
    """Git keeps one hook for all work trees of a repository, and tells it where it stands in variables."""
    repository.commit()
    linked = tmp_path / "linked tree"
    repository.git("worktree", "add", "--quiet", "-b", "linked", str(linked))
    assert main(["init", "--root", str(linked), "--hook"]) == 0
    assert commit(linked, STATUS="80")[0] == 1
    status, said = commit(linked)
    assert status == 0, stand_in
    assert f"in {linked} with {repository.path}/.git/worktrees" in said
    assert commit(repository.path, STATUS="80")[0] == 1


@pytest.mark.parametrize("lost", ["x", "interpreter", "mode"])
def test_our_own_hook_is_renewed(
    repository: Repository, stand_in: Path, capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    """An older one names what is gone; one that is not executable git passes over in silence."""
    path = repository.path / ".git/hooks/pre-commit"
    assert main(["init", "--hook"]) == 0
    current = path.read_bytes()
    if lost == "interpreter":
        path.write_bytes(render_hook("/gone/python", "gone"))
    elif lost == "mode":
        path.chmod(0o644)
    else:
        path.unlink()
    assert main(["init"]) == 0
    assert capsys.readouterr().out.count("to renew it: pytest-rollback init --hook") == (lost != "x")
    assert main(["init", "--hook"]) == 0
    assert path.read_bytes() == current == render_hook(str(stand_in), ".")
    assert path.stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("content", [b"#!/bin/sh\nmake lint\n", b"\xff", b"# pytest --safety-gate\n", b""])
def test_a_hook_that_is_not_ours_is_never_overwritten(
    repository: Repository, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """It is somebody's work; they get the line to add, and once it is there all is in place."""
    path = repository.path / ".git/hooks/pre-commit"
    path.write_bytes(content)
    path.chmod(0o755)
    assert main(["init", "--hook"]) == 1
    said = capsys.readouterr().err
    line = f"{shlex.quote(sys.executable)} {CALL}"
    assert f"{path} is not ours and was left alone" in said
    assert said.endswith(f"\n    {line}\n")
    assert main(["init"]) == 0
    assert line in capsys.readouterr().out
    assert path.read_bytes() == content
    path.write_bytes(content + f"\n# {line}\n".encode())
    assert main(["init", "--hook"]) == 1
    path.write_bytes(content + f"\n{line}\n".encode())
    assert main(["init", "--hook"]) == 0
    path.chmod(0o644)
    assert main(["init", "--hook"]) == 1
    assert "chmod +x it" in capsys.readouterr().err


def test_a_hook_of_ours_that_somebody_edited_is_left_alone(repository: Repository) -> None:
    """The mark says who wrote it, and the sum in it whether that is still all of it."""
    path = repository.path / ".git/hooks/pre-commit"
    path.write_bytes(render_hook(sys.executable, ".") + b"make lint\n")
    with pytest.raises(HookRefusedError, match="was edited after pytest-rollback had written it"):
        plan_hook(repository.path, sys.executable)


def test_a_hook_of_a_newer_version_is_left_alone(repository: Repository) -> None:
    """It may know of something that this version does not."""
    path = repository.path / ".git/hooks/pre-commit"
    path.write_bytes(render_hook(sys.executable, ".").replace(b"version 2,", b"version 3,"))
    with pytest.raises(HookRefusedError, match="newer pytest-rollback"):
        plan_hook(repository.path, sys.executable)


def test_the_hook_of_another_project_of_the_repository_is_left_alone(repository: Repository) -> None:
    """Renewing it for this one would leave that one unjudged, and nobody would notice."""
    (repository.path / "one two").mkdir()
    path = repository.path / ".git/hooks/pre-commit"
    path.write_bytes(render_hook("/bin/python", "one two"))
    with pytest.raises(HookRefusedError) as refused:
        plan_hook(repository.path, "/bin/python")
    said = str(refused.value)
    assert "\n    (cd 'one two' && /bin/python -m pytest --safety-gate --gate-staged) || exit 1\n" in said
    assert f"\n    /bin/python {CALL}" in said


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Put a real terminal in the place of stdin; gives the end that a person types into."""
    keyboard, screen = pty.openpty()
    with os.fdopen(screen, "r", encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield keyboard
    os.close(keyboard)


@pytest.mark.parametrize(("typed", "installed"), [(b"y\n", True), (b"\n", False), (b"n\n", False), (b"\x04", False)])
def test_a_person_at_a_terminal_is_asked(
    repository: Repository, terminal: int, typed: bytes, *, installed: bool
) -> None:
    """Only a yes is one; a pipe is never asked."""
    os.write(terminal, typed)
    assert main(["init"]) == 0
    path = repository.path / ".git/hooks/pre-commit"
    assert path.exists() == installed
    os.write(terminal, b"y\n")
    before = path.exists()
    assert main(["init", "--dry-run"]) == 0
    assert path.exists() == before
