"""`pytest-rollback sync`: what came and what went, in a line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.repo.ledger import Draft, Ledger
from tests.recording import judgment

Say = Callable[..., str]


@pytest.fixture
def remote(repository: Repository, tmp_path: Path) -> Path:
    """Give the repository an empty remote."""
    path = tmp_path / "remote.git"
    repository.git("init", "--quiet", "--bare", str(path))
    repository.git("remote", "add", "origin", str(path))
    return path


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run the subcommand; gives what it said."""

    def run(*options: str, status: int = 0) -> str:
        capsys.readouterr()
        assert main(["sync", *options]) == status
        said = capsys.readouterr()
        return (said.out + said.err).rstrip("\n")

    return run


def test_what_came_and_what_went_is_said(
    repository: Repository, remote: Path, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first exchange to one that finds nothing to do."""
    nothing = "origin: nothing is on record here or there; a gate records itself: pytest --safety-gate"
    assert say() == nothing
    ledger = Ledger(repository.path)
    ledger.append([Draft(event=judgment())])
    assert say("--no-push") == "origin: 0 events came, 1 not pushed; 1 event in all"
    assert say("origin") == "origin: 0 events came, 1 went; 1 event in all"
    assert say() == "origin: nothing new on either side; 1 event in all"
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", remote, clone], check=True, capture_output=True)
    other = Ledger(clone)
    other.append([Draft(event=judgment(when=1)), Draft(event=judgment(when=2))])
    monkeypatch.chdir(clone)
    assert say() == "origin: 1 event came, 2 went; 3 events in all"
    monkeypatch.chdir(repository.path)
    assert say("--no-push") == "origin: 2 events came, none of ours is missing there; 3 events in all"
    assert ledger.tip() == other.tip()


def test_evidence_goes_along_when_it_is_asked_for(repository: Repository, remote: Path, say: Say) -> None:
    """A line of its own says so."""
    assert remote.exists()
    ledger = Ledger(repository.path)
    (event,) = ledger.append([Draft(event=judgment())])
    folder = ledger.home / "evidence"
    folder.mkdir(parents=True)
    (folder / f"{event}.json").write_text("{}")
    assert say("--evidence", "--no-push").splitlines()[1] == "origin: evidence of 0 events came"
    assert say("--evidence").splitlines()[1] == "origin: evidence of 0 events came, 1 went"
    (folder / f"{event}.json").unlink()
    assert say("--evidence").splitlines()[1] == "origin: evidence of 1 event came, 0 went"


def test_the_facts_are_there_for_machines(repository: Repository, remote: Path, say: Say) -> None:
    """Every key, and null where nothing was asked for."""
    assert remote.exists()
    (event,) = Ledger(repository.path).append([Draft(event=judgment())])
    facts = {"schema": 1, "remote": "origin", "came": 0, "total": 1, "tip": event}
    assert json.loads(say("--json", "--no-push")) == {**facts, "went": None, "evidence": None}
    assert json.loads(say("--json", "--evidence")) == {**facts, "went": 1, "evidence": {"came": 0, "went": 0}}


def test_a_failure_is_an_error_in_gits_words(repository: Repository, remote: Path, say: Say) -> None:
    """With what to do."""
    assert remote.exists()
    repository.git("remote", "set-url", "origin", "/no/such/place")
    said = say(status=1)
    assert said.startswith("pytest-rollback sync: origin: nothing was fetched: ")
    assert "/no/such/place" in said
    assert said.endswith("see whether the remote is right: git remote --verbose")
    assert "there is no remote 'fork'; there is origin" in say("fork", status=1)
