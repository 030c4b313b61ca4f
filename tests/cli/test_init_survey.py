"""What `pytest-rollback init` finds in a project, and that it finds what pytest would."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.policy.load import find_policy, load_policy

PROJECT = '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'
MARKED = "import pytest\n@pytest.mark.golden_path\ndef test_it(): pass\n"

Init = Callable[..., tuple[int, str]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.toml", '[pytest]\nmarkers = ["e2e: slow ones", "other"]\n'),
        ("pytest.ini", "[pytest]\nmarkers =\n    e2e: slow ones\n    other\n"),
        ("pyproject.toml", '[tool.pytest]\nmarkers = ["e2e", "other"]\n'),
        ("pyproject.toml", '[tool.pytest.ini_options]\nmarkers = "e2e(kind): x"\n'),
        ("tox.ini", "[pytest]\nmarkers = e2e\n"),
        ("setup.cfg", "[tool:pytest]\nmarkers = e2e\n"),
    ],
)
def test_a_well_known_marker_that_the_project_declares_is_offered_as_a_group(
    init: Init, repository: Repository, name: str, text: str
) -> None:
    """The project's own words serve better than ours."""
    repository.write(name, text)
    _, said = init("--dry-run")
    assert "groups.e2e]" in said
    assert "groups.integration]" not in said
    assert "groups.other]" not in said


@pytest.mark.parametrize("text", ["[tool:pytest\n", "[metadata]\nname = x\n", "[tool:pytest]\nmarkers\n"])
def test_settings_that_say_nothing_are_passed_over(init: Init, repository: Repository, text: str) -> None:
    """An ini file that is broken or another tool's is not ours to complain about."""
    repository.write("setup.cfg", text)
    repository.write("pyproject.toml", "[tool.pytest]\n")
    assert init()[0] == 0
    assert "[tool.pytest-rollback]" in (repository.path / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize("settings", ["pytest.ini", "pyproject.toml", "setup.py", ".git/HEAD"])
def test_it_takes_the_root_that_pytest_takes(
    init: Init, repository: Repository, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    """A policy in the folder where one happens to stand would be read by nobody."""
    if not settings.startswith(".git"):
        repository.write(settings, "")
    below = repository.path / "src/pkg"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    init()
    assert find_policy(repository.path) is not None
    assert list(below.iterdir()) == []


def test_a_root_that_is_no_folder_is_an_error(init: Init) -> None:
    """A mistyped path must not become a policy somewhere."""
    status, said = init("--root", "nowhere")
    assert status == 1
    assert "nowhere is no folder" in said


def test_the_next_command_is_the_gate_once_a_test_bears_a_marker(init: Init, repository: Repository) -> None:
    """One command, and the right one; other people's packages don't count as tests of the project."""
    repository.write("pyproject.toml", PROJECT)
    repository.write("other/test_it.py", MARKED)
    repository.write("tests/env/pyvenv.cfg", "")
    repository.write("tests/env/test_it.py", MARKED)
    repository.write("tests/.hidden/test_it.py", MARKED)
    (repository.path / "tests/test_gone.py").symlink_to("nowhere")
    _, said = init()
    assert "no marker of the gate in use yet" in said
    assert said.endswith("mark one test with @pytest.mark.golden_path, then run: pytest --safety-gate\n")
    repository.write("tests/deep/test_it.py", MARKED)
    _, said = init()
    assert "2 test files; markers of the gate in use: golden_path" in said
    assert said.endswith("next      pytest --safety-gate\n")


@pytest.mark.parametrize("testpaths", ["", "*", "/nowhere", "none"])
def test_any_testpaths_will_do(init: Init, repository: Repository, testpaths: str) -> None:
    """Where pytest finds nothing there, it looks everywhere; so does this."""
    repository.write("pytest.toml", f'[pytest]\ntestpaths = ["{testpaths}"]\n')
    repository.write("tests/test_it.py", MARKED)
    assert "1 test file; markers of the gate in use: golden_path" in init()[1]


def test_without_git_there_still_is_a_policy(
    init: Init, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate judges without git too; only a hook it can't have, and that is said where one was asked for."""
    repository.write("pyproject.toml", PROJECT)
    monkeypatch.setenv("PATH", "")
    status, said = init()
    assert status == 0
    assert "none was installed: git is not installed" in said
    assert load_policy(repository.path / "pyproject.toml").live == ()
    status, said = init("--hook")
    assert status == 1
    assert "git is not installed" in said


def test_outside_a_repository_nothing_is_said_of_hooks(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no commit to judge there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT, "utf-8")
    status, said = init()
    assert status == 0
    assert "hook" not in said


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes only names that are text")
def test_a_folder_whose_name_the_terminal_can_not_show_is_spelt_out(
    init: Init, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is no text is no reason to break off half-way."""
    folder = Path(os.fsdecode(os.fsencode(repository.path) + b"/\xff"))
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "pytest.ini").touch()
    status, said = init("--hook")
    assert status == 0
    assert "\\udcff" in said
