"""The entry for the `pre-commit` framework: a status of 0 is no pass without a verdict beside it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import Repository

GOLDEN = "import pytest\n@pytest.mark.golden_path\ndef test_it(): assert {}\n"
QUIET = ("-q", "-pno:asyncio", "-pno:randomly", "-pno:testmon", "-pno:benchmark", "-pno:django", "-pno:flask")


def called(repository: Repository) -> int:
    """Call it as the framework does."""
    command = [sys.executable, "-m", "pytest_rollback.precommit", *QUIET]
    return subprocess.run(command, cwd=repository.path, check=False, capture_output=True).returncode


@pytest.mark.parametrize(("holds", "status"), [("1", 0), ("0", 80)])
def test_it_passes_the_gates_status_on(repository: Repository, holds: str, status: int) -> None:
    """The framework stops a commit at anything but 0."""
    repository.write("test_it.py", GOLDEN.format(holds))
    repository.git("add", "--all")
    assert called(repository) == status


def test_a_plugin_that_ends_the_process_stops_the_commit(repository: Repository) -> None:
    """It is loaded before ours can answer for it."""
    repository.write("test_it.py", GOLDEN.format("1"))
    repository.write("leaver.py", "raise SystemExit(0)\n")
    repository.write("pytest.ini", "[pytest]\naddopts = -p leaver\n")
    repository.git("add", "--all")
    assert called(repository) == 81
