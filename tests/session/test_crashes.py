"""A gate that dies: nothing reads as passed, and the next session and `status` name the test that was in flight."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Repository, RunGate
from pytest_rollback.cli import main

HOLDS = "@pytest.mark.golden_path\ndef test_holds(): pass\n"


@pytest.mark.parametrize(
    "end",
    [
        "os._exit(0)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "time.sleep(9)",
    ],
    ids=["exit", "sigkill", "sigterm", "thread time-out"],
)
def test_the_next_session_names_the_test_that_was_in_flight(
    gate: RunGate, repository: Repository, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    """However the process ended: its verdict is not there, and its successor tells."""
    code = "import os, signal, time\n@pytest.mark.golden_path\n@pytest.mark.timeout(0.5, method='thread')\n"
    code += f"def test_it(): {end}\n"
    crashed = gate(HOLDS + code, process=True)
    assert crashed.status != 0
    assert crashed.report == {}
    assert "safety gate: PASSED" not in crashed.text
    assert main(["status"]) == 0
    assert "test_it.py::test_it" in capsys.readouterr().out
    after = gate(HOLDS)
    assert after.status == 0
    assert (
        "note an earlier session never ended: 1 of 2 gate tests decided; in flight: test_it.py::test_it" in after.words
    )
    assert "never ended" not in gate(HOLDS).words
    assert main(["status"]) == 0
    assert repository.git("status", "--porcelain", "--untracked-files=no") == ""


def test_under_workers_the_controller_keeps_the_journal(gate: RunGate, repository: Repository) -> None:
    """The controller that is killed takes its workers along; what they had begun is known."""
    code = "import pathlib, time\n@pytest.mark.golden_path\n"
    code += "def test_it():\n    pathlib.Path('up').touch()\n    time.sleep(60)\n"
    repository.write("test_it.py", "import pytest\n" + HOLDS + code)
    command = [sys.executable, "-m", "pytest", "--safety-gate", "-n2", "-pno:asyncio"]
    process = subprocess.Popen(command, cwd=repository.path, start_new_session=True, stdout=subprocess.DEVNULL)
    while not (repository.path / "up").exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.5)  # the word of the worker is on its way to the controller
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    assert "in flight: test_it.py::test_it" in gate(HOLDS).words


def test_a_crash_is_told_where_it_happened(
    gate: RunGate, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A gate in a linked work tree has no use for it, and must not take it away from those who have."""
    repository.commit(test_it_py="import pytest\n" + HOLDS)
    repository.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    gate("import os\n@pytest.mark.golden_path\ndef test_it(): os._exit(1)\n", process=True)
    monkeypatch.chdir(tmp_path / "linked")
    command = [sys.executable, "-m", "pytest", "--safety-gate", "-pno:asyncio"]
    assert "never ended" not in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    monkeypatch.chdir(repository.path)
    assert "an earlier session never ended" in gate(HOLDS).words


def test_a_verdict_is_on_record(gate: RunGate, repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """`status` says what the last gate said here."""
    repository.commit(test_it_py="import pytest\n" + HOLDS)
    assert gate().status == 0
    assert main(["status"]) == 0
    assert "passed" in capsys.readouterr().out


def test_a_usage_error_is_no_crash(gate: RunGate, repository: Repository) -> None:
    """Somebody mistyped a path; nothing died."""
    assert repository.path.exists()
    assert gate(HOLDS, "no_such_file.py").status == 4
    assert gate(HOLDS, "--gate-shard=9").status == 4
    assert "never ended" not in gate(HOLDS).words


def test_a_journal_that_can_not_be_kept_is_said_and_blocks_nothing(gate: RunGate, repository: Repository) -> None:
    """A read-only repository still has tests that hold."""
    (repository.path / ".git" / "pytest-rollback").write_text("a file in the way")
    gated = gate(HOLDS)
    assert gated.status == 0
    assert "note no journal is kept of this session" in gated.words


@pytest.mark.parametrize("arguments", [[], ["-W", "error"]], ids=["as it is", "warnings are errors"])
def test_a_cache_that_can_not_be_written_costs_no_verdict(
    gate: RunGate, pytester: pytest.Pytester, arguments: list[str]
) -> None:
    """What failed last time is a help, not a need."""
    (pytester.path / ".pytest_cache").write_text("a file in the way")
    gated = gate("@pytest.mark.golden_path\ndef test_it(): assert 0\n", *arguments, "-pno:stepwise", process=True)
    assert gated.report["verdict"] == "blocked"
    assert "an error of the gate itself" not in gated.text


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of one page, and fill it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    (folder / "ballast").write_bytes(b"x" * 4096)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_where_the_report_goes_is_no_pass(gate: RunGate, full_disk: Path) -> None:
    """Nobody may take the status for a report that is not there; and none is left half written."""
    gated = gate(HOLDS, f"--gate-report={full_disk / 'x.json'}")
    assert gated.status == 81
    assert "could not be written: No space left on device" in gated.text
    assert [path.name for path in full_disk.iterdir()] == ["ballast"]


@pytest.mark.parametrize("second", range(8))
def test_a_kill_at_any_moment_leaves_no_pass_and_no_damage(gate: RunGate, repository: Repository, second: int) -> None:
    """From start-up to verdict: either the report of a pass is there with its status, or there is none."""
    repository.commit(test_it_py="import pytest\n" + HOLDS)
    command = [sys.executable, "-m", "pytest", "--safety-gate", "--gate-report=gate.json", "-pno:asyncio"]
    process = subprocess.Popen(command, cwd=repository.path, stdout=subprocess.DEVNULL)
    time.sleep(0.12 * (second + 1))
    process.kill()
    status = process.wait(timeout=60)
    assert status in (0, -signal.SIGKILL)
    report = repository.path / "gate.json"
    assert report.exists() or status != 0
    if report.exists():
        assert json.loads(report.read_text("utf-8"))["verdict"] == "passed"
    assert repository.git("status", "--porcelain") == ""
    assert gate().status == 0
