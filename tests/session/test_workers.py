"""The gate under pytest-xdist: the same verdict in every mode, whatever happens to the workers."""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Gated, RunGate
from pytest_rollback.session.workers import dealer, stretches

MODES = ("load", "loadscope", "loadfile", "loadgroup", "worksteal")
HOLDS = "@pytest.mark.golden_path\ndef test_holds(): pass\n"
ROWS: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("test_verdict_table.py")))["ROWS"]


def every_row(pytester: pytest.Pytester) -> None:
    """Write every row of the verdict table as a module of its own, and what hides in modules besides."""
    for number, (code, *_) in enumerate(ROWS.values()):
        pytester.makepyfile(**{f"test_row_{number:02}": f"import pytest\n{HOLDS}{code}"})
    pytester.makepyfile(
        test_broken="import no_such_module",
        test_away="import pytest\npytest.skip('x', allow_module_level=True)\n# isolation\n",
        test_group="import pytest\n@pytest.mark.xdist_group('one')\n@pytest.mark.golden_path\ndef test_it(): pass\n",
    )


def essence(gated: Gated) -> dict[str, Any]:
    """Take from a report all that must not depend on who ran the tests."""
    tests = {test["test"].partition("@")[0]: (test["outcome"], test["message"]) for test in gated.report["not_passed"]}
    findings = {finding["trigger"]: sorted(finding["tests"]) for finding in gated.report["findings"]}
    obstacles = {obstacle["reason"]: sorted(obstacle["tests"]) for obstacle in gated.report["obstacles"]}
    return {
        "status": gated.status,
        "verdict": gated.report["verdict"],
        "tests": tests,
        "counts": gated.report["tests"],
        "findings": findings,
        "obstacles": obstacles,
    }


@pytest.mark.parametrize("mode", MODES)
def test_every_row_of_the_table_means_the_same_in_every_mode(
    gate: RunGate, pytester: pytest.Pytester, mode: str
) -> None:
    """Markers come from the manifest and outcomes from the reports, so workers change nothing."""
    every_row(pytester)
    alone = essence(gate())
    assert alone["status"] == 80
    assert len(alone["tests"]) > 20
    assert essence(gate("", "-n2", f"--dist={mode}", process=True)) == alone


@pytest.mark.parametrize("mode", MODES)
def test_a_pass_is_a_pass_in_every_mode(gate: RunGate, mode: str) -> None:
    """One line, status 0, and every gate test counted once."""
    gated = gate(
        HOLDS + "@pytest.mark.isolation\ndef test_other(): pass\ndef test_plain(): assert 0\n", "-n2", f"--dist={mode}"
    )
    assert gated.status == 0
    assert gated.counts == {"passed": 2}
    assert gated.report["tests"]["collected"] == 3


def test_a_worker_that_crashes_fails_its_test_and_speaks_of_the_infrastructure(gate: RunGate) -> None:
    """The report of a crash has no markers and no phase; the manifest knows whose test it was."""
    code = "import os\n@pytest.mark.isolation\ndef test_crash(): os._exit(0)\n"
    gated = gate(HOLDS + code, "-n2")
    assert gated.status == 80
    assert gated.triggers == ["isolation", "infrastructure"]
    assert gated.report["not_passed"][0]["outcome"] == "crashed"
    assert "died" in gated.text


def test_without_restarts_what_nobody_ran_is_named(gate: RunGate) -> None:
    """With every worker gone, the tests behind them have no report at all."""
    code = "import os\n" + "".join(
        f"@pytest.mark.golden_path\ndef test_{number}(): os._exit(1)\n" for number in range(6)
    )
    gated = gate(code, "-n2", "--max-worker-restart=0")
    assert gated.status == 80
    assert gated.counts == {"failed": 2, "not_run": 4}
    assert len(gated.obstacles["not run"]) == 4


def test_a_thread_timeout_ends_the_worker_and_fails_the_test(gate: RunGate) -> None:
    """pytest-timeout's thread method ends the process; under workers that is one crash."""
    code = "import time\n@pytest.mark.golden_path\n@pytest.mark.timeout(0.2, method='thread')\n"
    code += "def test_it(): time.sleep(9)\n"
    gated = gate(HOLDS + code, "-n2")
    assert gated.status == 80
    assert gated.counts == {"passed": 1, "failed": 1}


def test_workers_that_die_before_they_collect_pass_nothing(gate: RunGate, pytester: pytest.Pytester) -> None:
    """No manifest, no tests, no verdict; and no traceback of ours."""
    pytester.makeconftest("import os\nif 'PYTEST_XDIST_WORKER' in os.environ: os._exit(0)\n")
    gated = gate(HOLDS, "-n2", "--max-worker-restart=0", process=True)
    assert gated.status in (3, 81)
    assert gated.report["verdict"] == "inconclusive"
    assert "0 of 2 workers told what they collected" in gated.words


def test_collections_that_differ_pass_nothing(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Xdist runs nothing then, and says so in a collection error."""
    pytester.makepyfile(
        test_odd="import os, pytest\n@pytest.mark.golden_path\n"
        "@pytest.mark.parametrize('x', [os.environ.get('PYTEST_XDIST_WORKER')])\ndef test_it(x): pass\n"
    )
    gated = gate("", "-n2")
    assert gated.status == 80
    assert gated.triggers == ["collection"]
    assert gated.counts == {"not_run": 2}


def test_reruns_are_flaky_under_workers_too(gate: RunGate) -> None:
    """pytest-rerunfailures' own switch against flakiness does nothing under xdist; the attempts tell."""
    code = "runs = []\n@pytest.mark.golden_path\n@pytest.mark.flaky(reruns=2)\n"
    code += "def test_it():\n    runs.append(1)\n    assert len(runs) > 1\n"
    gated = gate(code, "-n2")
    assert gated.status == 0
    assert gated.triggers == ["flaky"]
    assert not gated.report["steady"]


@pytest.mark.parametrize("arguments", [["-x"], ["--maxfail=1"]])
def test_a_stop_leaves_the_rest_named(gate: RunGate, arguments: list[str]) -> None:
    """Which tests a stop leaves unrun depends on the workers; that they are named does not."""
    code = "import time\n@pytest.mark.golden_path\ndef test_a(): assert 0\n" + "".join(
        f"@pytest.mark.golden_path\ndef test_{number}(): time.sleep(0.05)\n" for number in range(30)
    )
    gated = gate(code, "-n2", *arguments)
    assert gated.status == 80
    assert gated.counts["not_run"] == len(gated.obstacles["not run"]) > 0
    assert sum(gated.counts.values()) == 31


@pytest.mark.parametrize("arguments", [["-k", "test_holds"], ["--deselect=test_it.py::test_other"], ["test_it.py"]])
def test_narrowed_is_never_a_pass_under_workers(gate: RunGate, arguments: list[str]) -> None:
    """Workers deselect in silence; their manifest says what they found."""
    gated = gate(HOLDS + "@pytest.mark.golden_path\ndef test_other(): pass\n", "-n2", *arguments)
    assert gated.status == 81
    assert gated.report["reason"] == "narrowed"


@pytest.mark.parametrize("arguments", [[], ["-n2"]], ids=["alone", "workers"])
def test_ctrl_c_is_2_and_passes_nothing(pytester: pytest.Pytester, arguments: list[str]) -> None:
    """A terminal sends the signal to every process of the gate at once."""
    code = "import pathlib, time\n@pytest.mark.golden_path\n"
    code += "def test_it():\n    pathlib.Path('up').touch()\n    time.sleep(60)\n"
    pytester.makepyfile(test_it="import pytest\n" + HOLDS + code)
    command = [sys.executable, "-m", "pytest", "--safety-gate", "--gate-report=gate.json", *arguments]
    process = subprocess.Popen(command, cwd=pytester.path, start_new_session=True, stdout=subprocess.DEVNULL)
    up = pytester.path / "up"
    while not up.exists() and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 2
    report = json.loads((pytester.path / "gate.json").read_text("utf-8"))
    assert report["verdict"] == "inconclusive"


def test_an_interrupt_that_a_test_raises_in_a_worker_is_a_crash(gate: RunGate) -> None:
    """Xdist takes it for the worker's end; either way it passes nothing."""
    gated = gate(HOLDS + "@pytest.mark.golden_path\ndef test_it(): raise KeyboardInterrupt\n", "-n2", process=True)
    assert gated.status == 80
    assert gated.triggers == ["golden-path", "infrastructure"]


def test_limits_hold_in_workers(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Each worker keeps the clock of its groups, and the controller knows the withheld from the skipped."""
    pytester.makepyprojecttoml(
        "[tool.pytest-rollback.groups.golden_path]\nwhole = '2 s'\n"
        "[tool.pytest-rollback.groups.isolation]\nfail-fast = true\n"
    )
    code = "import time\n" + "".join(
        f"@pytest.mark.golden_path\ndef test_{name}(): time.sleep(60)\n" for name in "abcd"
    )
    gated = gate(code, "-n2")
    assert gated.status == 80
    assert gated.counts == {"failed": 2, "not_run": 2}
    assert "golden_path used up its 2 s" in gated.words


def test_marker_errors_of_workers_are_usage_errors_here_too(gate: RunGate) -> None:
    """A wrong marker is nobody's pass, whichever process reads it."""
    gated = gate("@pytest.mark.golden_path(3)\ndef test_it(): pass\n", "-n2", process=True)
    assert gated.status == 4
    assert "a label is a word" in gated.text


def test_dist_each_is_refused(gate: RunGate) -> None:
    """Two environments have two verdicts."""
    gated = gate(HOLDS, "--dist=each", "--tx=2*popen")
    assert gated.status == 4
    assert "one environment at a time" in gated.words


@pytest.mark.parametrize("arguments", [["-p", "no:xdist"], ["-n0"], ["-n2", "--maxprocesses=1"]])
def test_without_workers_or_with_one_it_is_the_same_gate(gate: RunGate, arguments: list[str]) -> None:
    """Xdist may be there, turned off, or down to one process."""
    assert gate(HOLDS, *arguments).status == 0


@pytest.fixture
def remote_python(pytester: pytest.Pytester) -> Iterator[str]:
    """Start a server for a worker that is reached by a socket, as one on another machine would be."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "execnet.script.socketserver", f"127.0.0.1:{port}"],
        cwd=pytester.mkdir("elsewhere"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"socket=127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_a_worker_without_a_shared_disk_sends_its_manifest_on_its_first_report(
    gate: RunGate, pytester: pytest.Pytester, remote_python: str
) -> None:
    """A worker on another machine can't leave a file here; its first report carries what it collected."""
    code = HOLDS + "@pytest.mark.isolation\ndef test_it(): assert 0\n"
    pytester.makepyfile(test_it="import pytest\n" + code)
    gated = gate("", "--dist=load", f"--tx={remote_python}", f"--rsyncdir={pytester.path / 'test_it.py'}", process=True)
    assert gated.triggers[0] == "isolation", gated.text
    assert gated.status == 80


@pytest.mark.parametrize("mode", ["load", "worksteal"])
@pytest.mark.parametrize("workers", [2, 3, 8])
@pytest.mark.parametrize("tests", [1, 7, 16, 100, 101])
def test_dealing_gives_every_worker_the_most_critical_first(mode: str, workers: int, tests: int) -> None:
    """The first stretch of each worker starts with one of the first tests, and no test is lost or doubled."""
    deal = dealer(mode, workers)
    assert deal is not None
    dealt: list[Any] = deal(list(range(tests)))  # type: ignore[arg-type]  # what is dealt does not matter to the dealer
    assert sorted(dealt) == list(range(tests))
    sizes = [size for size in stretches(mode, tests, workers) if size]
    starts = [dealt[sum(sizes[:place])] for place in range(len(sizes))]
    assert all(start < workers for start in starts)


def test_critical_tests_start_first_on_every_worker(gate: RunGate) -> None:
    """Forty tests, of which two are golden: each worker begins with one of them."""
    code = "".join(f"@pytest.mark.mission_critical\ndef test_{number:02}(): pass\n" for number in range(38))
    code += "@pytest.mark.golden_path\ndef test_a(): pass\n@pytest.mark.golden_path\ndef test_b(): pass\n"
    for mode in ("load", "worksteal"):
        text = gate(code, "-n2", f"--dist={mode}", "-v").text
        first: dict[str, str] = {}
        for line in text.splitlines():
            if line.startswith("[gw") and "PASSED" in line:
                first.setdefault(line[1:4], line.split("::")[1].strip())
        assert set(first.values()) == {"test_a", "test_b"}, text


def test_scopes_run_in_the_order_of_their_groups(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Xdist would start with the largest file; the gate starts with the most critical one."""
    pytester.makepyfile(
        test_large="import pytest\npytestmark = pytest.mark.mission_critical\n"
        + "".join(f"def test_{number}(): pass\n" for number in range(9)),
        test_small="import pytest\n@pytest.mark.golden_path\ndef test_it(): pass\n",
    )
    text = gate("", "-n1", "--dist=loadfile", "-v").text
    ran = [line for line in text.splitlines() if "PASSED" in line and "::" in line]
    assert "test_small.py" in ran[0]
