"""The examples do what their READMEs say, as copies in a folder with a difficult name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_rollback.cli import CommandError, demo, main

EXAMPLES = Path(demo.HERE.parent, "examples")


def run_gate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a gate as its user would: a process of its own, in the example's folder."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITHUB_", "PYTEST_"))
    }
    command = [sys.executable, "-m", "pytest", "--safety-gate", "-pno:asyncio", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copy_of(tmp_path: Path) -> Path:
    """Make a folder whose name has a space and more than ASCII."""
    folder = tmp_path / "mit Übung"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["chat", "evidence", "library"])
def test_an_example_passes_its_own_gate(copy_of: Path, name: str) -> None:
    """Each README promises `pytest --safety-gate`, with warnings as strict as anybody's."""
    folder = shutil.copytree(EXAMPLES / name, copy_of / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    done = run_gate(folder, "-W", "error", "--strict-markers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "safety gate: PASSED" in done.stdout


@pytest.mark.parametrize(
    ("lost", "status", "trigger"), [(1, 0, "undocumented"), (2, 80, "hardly-documented")], ids=["one", "both"]
)
def test_the_hooks_of_the_evidence_example_work(copy_of: Path, lost: int, status: int, trigger: str) -> None:
    """Its README says what happens to whoever takes docstrings away."""
    folder = shutil.copytree(EXAMPLES / "evidence", copy_of / "evidence")
    source = folder / "greeting.py"
    text = source.read_text("utf-8").replace('    """Greet everybody, in their order."""\n', "")
    if lost == 2:
        text = text.replace('    """Greet one person."""\n', "")
    source.write_text(text, "utf-8")
    done = run_gate(folder)
    assert done.returncode == status, done.stdout
    assert trigger in done.stdout
    assert (folder / "verdicts.log").read_text("utf-8").count("\n") == 1


def test_the_demo_tells_its_story(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It runs the gate for real, shows a pass, a block and the record of both, and explains every line."""
    cache = tmp_path / "cache"
    # What surrounds the caller, a CI job's merge request for one, is no part of the story.
    around = {"PYTEST_ADDOPTS": "--co", "GITHUB_BASE_REF": "gone", "FORCE_COLOR": "1", "COLUMNS": "40"}
    for name, value in {**around, "XDG_CACHE_HOME": str(cache)}.items():
        monkeypatch.setenv(name, value)
    assert main(["demo"]) == 0
    text = capsys.readouterr().out
    assert "safety gate: PASSED  14 of 14 gate tests" in text
    assert "AssertionError: 4 events, expected 5" in text
    story, _, rest = text.partition("5. What each line says.")
    told, _, record = rest.partition("6. Both verdicts are on record.")
    block = story.partition("4. The gate blocks it.")[2]
    for label in ("critical", "ran", "way back", "call", "next"):
        assert any(line.strip().startswith(label) for line in block.splitlines())
        assert f"    {label}" in told
    assert not cache.exists()
    check_record(record)


def check_record(record: str) -> None:
    """See that the log tells both verdicts, and that the known good is the commit before, each line told twice."""
    log, _, status = record.partition("7. Where things stand")
    blocked, passed, *explained = (line.split() for line in log.splitlines() if "  verdict  " in line)
    assert explained == [blocked, passed]
    assert " ".join(blocked[3:]) == f"verdict blocked {blocked[5]} main 13 of 14 gate tests passed; golden-path"
    assert " ".join(passed[3:]) == f"verdict passed {passed[5]} main 14 of 14 gate tests passed"
    assert status.count(f"\n    known good {passed[5]}, 1 commit back") == 2
    assert status.count("\n    open       blocked on main since") == 2


@pytest.mark.parametrize("lines", [["= safety gate: BLOCKED =", "mystery"], ["mystery"]], ids=["last", "only"])
def test_the_demo_stops_at_a_line_that_it_can_not_explain(lines: list[str]) -> None:
    """A new line in what a gate or a command prints must not slip into the demo unexplained."""
    with pytest.raises(CommandError, match="does not know: mystery"):
        demo.explained(demo.verdict_in("\n".join(lines)) or lines, demo.BLOCK)


def test_the_demo_keeps_its_repository_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Somebody wants to play with it; otherwise nothing is left behind."""
    monkeypatch.setattr(demo, "_tell", lambda _, folder: (folder / "file").touch())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["demo"]) == 0
    assert not list(tmp_path.iterdir())
    assert main(["demo", "--keep"]) == 0
    (kept,) = tmp_path.glob("*/*/file")
    assert f"The repository is kept in {kept.parent}\n" in capsys.readouterr().out


def test_the_demo_says_what_it_needs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without websockets there is no service to show, and the remedy is one command."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["demo"]) == 1
    assert "pip install 'pytest-rollback[demo]'" in capsys.readouterr().err
    monkeypatch.setattr(demo, "EXAMPLES", ())
    assert main(["demo"]) == 1
