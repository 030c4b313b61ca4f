"""A commit may stand on a verdict that its very tree has had already, where the policy says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import Repository
from pytest_rollback.cli import main

GOLDEN = "import pytest\n@pytest.mark.golden_path\ndef test_it(): pass\n"
PLUGINS = ("asyncio", "randomly", "testmon", "benchmark", "django", "flask", "html", "anyio", "jsonreport")
QUIET = [f"-pno:{name}" for name in PLUGINS]


@pytest.fixture
def project(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Commit a project that allows it, with an edit that is staged."""
    for name in ("CI", "PYTEST_ADDOPTS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    repository.write("pytest-rollback.toml", "reuse = true\n")
    repository.commit("one", test_it_py=GOLDEN)
    gate(repository)  # so that the base is on record, and no survey takes its time
    repository.write("lib.py", "answer = 42\n")
    repository.git("add", "--all")
    return repository


def gate(project: Repository, *arguments: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Run a gate; gives its status, its report and what it said."""
    report = project.path / "gate.json"
    command = [sys.executable, "-m", "pytest", "--safety-gate", "--gate-report=gate.json", *QUIET, *arguments]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, cwd=project.path, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(report.read_text("utf-8")), done.stdout + done.stderr


def is_reused(project: Repository, *arguments: str, **environment: str) -> bool:
    """Whether a staged gate, which passes, ran nothing."""
    status, report, _ = gate(project, "--gate-staged", *arguments, **environment)
    assert status == 0
    return report["stands_on"] is not None


@pytest.mark.parametrize("first", [[], ["--gate-staged"]], ids=["a plain gate", "a staged gate"])
def test_the_same_tree_is_not_run_twice(project: Repository, first: list[str]) -> None:
    """And it says on which verdict it stands."""
    status, report, _ = gate(project, *first)
    assert (status, report["stands_on"]) == (0, None)
    status, report, said = gate(project, "--gate-staged", "-q")
    assert (status, report["verdict"], report["tests"]["passed"]) == (0, "passed", 1)
    assert report["stands_on"] is not None
    assert f"event {report['stands_on'][:7]}" in " ".join(said.split())
    assert "nothing was run" in said


def test_any_other_tree_policy_selection_or_environment_is_judged(project: Repository, tmp_path: Path) -> None:
    """All four must be the same."""
    gate(project, "--gate-staged")
    assert is_reused(project)
    assert not is_reused(project, "-p", "no:cov")
    assert not is_reused(project, PYTEST_ADDOPTS="-p no:xdist")
    (tmp_path / "other-1.0.dist-info").mkdir()
    assert not is_reused(project, PYTHONPATH=str(tmp_path))
    project.write("lib.py", "answer = 43\n")
    project.git("add", "--all")
    assert not is_reused(project)
    assert is_reused(project)
    project.write("pytest-rollback.toml", "reuse = true\n[triggers.golden-path]\ndeadline = '2 min'\n")
    project.git("add", "--all")
    assert not is_reused(project)


def test_in_ci_and_unasked_everything_is_run(project: Repository) -> None:
    """CI judges again, so that a machine that was wrong is found out."""
    gate(project, "--gate-staged")
    assert not is_reused(project, CI="true")
    project.write("pytest-rollback.toml", "")
    project.git("add", "--all")
    gate(project, "--gate-staged")
    assert not is_reused(project)


def test_a_verdict_that_was_withdrawn_or_blocked_is_not_stood_on(
    project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor one that was reached only after a rerun."""
    gate(project, "--gate-staged")
    monkeypatch.chdir(project.path)
    assert main(["invalidate", "last", "--reason", "the clock was wrong"]) == 0
    assert not is_reused(project)
    assert is_reused(project)
    capsys.readouterr()
    project.write("test_it.py", GOLDEN.replace("pass", "assert 0"))
    project.git("add", "--all")
    for _ in range(2):
        status, report, _ = gate(project, "--gate-staged")
        assert (status, report["stands_on"]) == (80, None)
