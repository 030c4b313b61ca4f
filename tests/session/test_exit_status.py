"""The exit status: only 0 lets a change through, and no other plugin can make it 0."""

from __future__ import annotations

import json
import time

import pytest
from msgspec import convert, structs

from conftest import RunGate
from pytest_rollback.model import Report, Verdict
from pytest_rollback.session.status import exit_status

HOLDS = "@pytest.mark.golden_path\ndef test_holds(): pass\n"
FAILS = "@pytest.mark.golden_path\ndef test_fails(): assert 0\n"


def test_no_gate_test_at_all_is_5_and_says_how_to_mark_one(gate: RunGate) -> None:
    """The first thing that a newcomer sees must be the next thing to do."""
    gated = gate("def test_it(): pass\n")
    assert gated.status == 5
    assert gated.report["verdict"] == "inconclusive"
    assert "mark one test with @pytest.mark.golden_path" in gated.words


def test_an_empty_project_is_5(gate: RunGate) -> None:
    """A gate over nothing is no pass."""
    assert gate().status == 5


def test_an_interrupt_is_2(gate: RunGate) -> None:
    """Ctrl-C is not a verdict."""
    gated = gate(HOLDS + "@pytest.mark.golden_path\ndef test_stop(): raise KeyboardInterrupt\n")
    assert gated.status == 2
    assert "interrupted" in gated.obstacles


def test_a_failure_before_an_interrupt_blocks(gate: RunGate) -> None:
    """Failing beats inconclusive, whoever pressed Ctrl-C afterwards."""
    gated = gate(FAILS + "@pytest.mark.golden_path\ndef test_stop(): raise KeyboardInterrupt\n")
    assert gated.status == 80


@pytest.mark.parametrize("end", ["pytest.exit('bye')", "pytest.exit('bye', returncode=0)"])
def test_an_exit_out_of_a_test_does_not_pass(gate: RunGate, end: str) -> None:
    """pytest.exit takes any status, 0 included."""
    gated = gate(HOLDS + f"@pytest.mark.golden_path\ndef test_stop(): {end}\n")
    assert gated.status == (81 if "0" in end else 2)
    assert gated.report["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    "hook",
    [
        "def pytest_sessionfinish(session): session.exitstatus = 0",
        "@pytest.hookimpl(trylast=True)\ndef pytest_sessionfinish(session): session.exitstatus = 0",
        "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"
        "def pytest_sessionfinish(session):\n    yield\n    session.exitstatus = 0",
        "def pytest_sessionfinish(session): pytest.exit('done', returncode=0)",
    ],
    ids=["sets it", "sets it last", "wraps all", "exits"],
)
def test_another_plugin_cannot_undo_the_status(gate: RunGate, pytester: pytest.Pytester, hook: str) -> None:
    """The last writer wins, so the gate writes last."""
    pytester.makeconftest(f"import pytest\n{hook}\n")
    assert gate(FAILS).status == 80


def test_testmon_cannot_undo_the_status(gate: RunGate) -> None:
    """Testmon turns 5 into 0 and leaves out what it takes for unaffected; that is a narrowed gate."""
    arguments = ("-p", "testmon", "--testmon")
    assert gate(HOLDS, *arguments, process=True).status == 0
    again = gate("", *arguments, process=True)
    assert again.status == 81
    assert "narrowed" in again.obstacles
    assert gate("def test_it(): pass\n", *arguments, process=True).status == 5


def test_an_exit_of_another_plugin_at_the_end_is_said(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Pytest would take the status of such an exit; the gate keeps its own and tells."""
    pytester.makeconftest("import pytest\ndef pytest_sessionfinish(): pytest.exit('done', returncode=0)\n")
    gated = gate(HOLDS)
    assert gated.status == 81
    assert "ended by pytest.exit: done" in gated.words


def test_a_plugin_that_breaks_at_the_end_does_not_pass(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Pytest would let such an error through to the interpreter, as a 1 that looks like failing tests."""
    pytester.makeconftest("def pytest_sessionfinish(): raise OSError('disk')\n")
    gated = gate(HOLDS, process=True)
    assert gated.status == 81
    assert "OSError: disk" in gated.text
    assert gated.report["reason"] == "internal error"


def test_an_internal_error_is_3(gate: RunGate, pytester: pytest.Pytester) -> None:
    """When pytest itself breaks, nothing was judged."""
    pytester.makeconftest("def pytest_runtest_logstart(): raise OSError('disk')\n")
    gated = gate(HOLDS)
    assert gated.status == 3
    assert gated.report["reason"] == "internal error"


@pytest.mark.parametrize("option", ["--help", "--markers", "--fixtures", "--version --version", "--cache-show"])
def test_what_only_shows_something_does_not_pass(gate: RunGate, option: str) -> None:
    """An option that ends pytest early, in addopts for instance, must not look like a pass."""
    assert gate(HOLDS, *option.split()).status not in (0, 1)


def test_a_main_that_another_plugin_took_over_does_not_pass(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Nothing was judged, so nothing passes."""
    pytester.makeconftest("import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_cmdline_main(): return 0\n")
    assert gate(HOLDS).status == 81


def test_a_loop_that_another_plugin_took_over_does_not_pass(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A plugin that runs the tests in its own way and tells nobody leaves them undecided."""
    pytester.makeconftest("import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtestloop(): return True\n")
    gated = gate(HOLDS)
    assert gated.status == 81
    assert gated.obstacles == {"not run": ["test_it.py::test_holds"]}


def test_a_usage_error_is_4(gate: RunGate) -> None:
    """A mistyped path is nobody's verdict."""
    assert gate(HOLDS, "no_such_file.py").status == 4


def test_collect_only_shows_the_gate_and_is_81(gate: RunGate) -> None:
    """Looking at the list of tests is not running them."""
    gated = gate(HOLDS + FAILS, "--collect-only")
    assert gated.status == 81
    assert gated.report["reason"] == "collect only"
    assert "test_holds" in gated.text


def test_a_failure_outside_the_gate_keeps_pytests_status(gate: RunGate) -> None:
    """With the whole suite run, a failing test that no row judges still is a failing test."""
    gated = gate(HOLDS + "def test_it(): assert 0\n", mode="--gate-all")
    assert gated.report["verdict"] == "passed"
    assert gated.status == 1


def test_the_whole_suite_counts_as_a_whole(gate: RunGate) -> None:
    """--gate-all runs and counts every test, and judges those of the gate by the same policy."""
    gated = gate(HOLDS + "def test_it(): pass\n", mode="--gate-all")
    assert gated.status == 0
    assert gated.counts == {"passed": 2}
    assert "2 of 2 tests" in gated.text


def test_too_many_warnings_keep_pytests_status(gate: RunGate) -> None:
    """The gate adds to what pytest was told to refuse, and takes nothing away."""
    code = "import warnings\n@pytest.mark.golden_path\ndef test_it(): warnings.warn('old')\n"
    assert gate(code, "-Wdefault").status == 0
    assert gate(code, "-Wdefault", "--max-warnings=0").status not in (0, 80, 81)


def test_in_shadow_mode_all_is_said_and_the_status_is_0(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A team that tries the gate sees what it would have done."""
    pytester.makepyprojecttoml("[tool.pytest-rollback]\nmode = 'shadow'\n")
    gated = gate(FAILS)
    assert gated.status == 0
    assert gated.report["verdict"] == "blocked"
    assert "BLOCKED (shadow)" in gated.text


def test_shadow_mode_does_not_hide_an_interrupt(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Shadow is about verdicts; a session that was interrupted says so."""
    pytester.makepyprojecttoml("[tool.pytest-rollback]\nmode = 'shadow'\n")
    assert gate("@pytest.mark.golden_path\ndef test_it(): raise KeyboardInterrupt\n").status == 2


def test_a_pass_that_nobody_could_hear_is_no_pass(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Who asked for a report and finds none must not take the status for it."""
    code = "import pathlib\n@pytest.mark.golden_path\ndef test_it(): pathlib.Path('gone').rmdir()\n"
    (pytester.path / "gone").mkdir()
    gated = gate(code, "--gate-report=gone/x.json")
    assert gated.report["reason"] == "not told"
    assert gated.status == 81
    assert "could not be written" in gated.text


@pytest.mark.parametrize("pytest_status", range(7))
@pytest.mark.parametrize("verdict", ["passed", "blocked", "inconclusive"])
def test_0_needs_a_passed_verdict(gate: RunGate, pytest_status: int, verdict: str) -> None:
    """Whatever pytest ended with: a verdict other than passed is never 0, and a passed one never 80 or 81."""
    report = structs.replace(convert(gate(HOLDS).report, Report), verdict=Verdict(verdict))
    status = exit_status(report, pytest_status)
    assert (status == 0) <= (verdict == "passed")
    assert (status in (80, 81)) <= (verdict != "passed")


@pytest.mark.parametrize(
    "hook",
    [
        "pytest_configure",
        "pytest_sessionstart",
        "pytest_collection_finish",
        "pytest_runtestloop",
        "pytest_terminal_summary",
        "pytest_sessionfinish",
        "pytest_unconfigure",
        "pytest_rollback_evidence",
        "pytest_rollback_verdict",
    ],
)
@pytest.mark.parametrize("end", ["sys.exit(0)", "os._exit(0)"])
def test_no_hook_ends_a_gate_with_0(gate: RunGate, pytester: pytest.Pytester, hook: str, end: str) -> None:
    """A plugin that ends the process has no say in the verdict."""
    pytester.makeconftest(f"import os, sys\ndef {hook}(): {end}\n")
    gated = gate(FAILS, process=True)
    assert gated.status != 0
    assert gated.report.get("verdict") != "passed"


@pytest.mark.parametrize("end", ["sys.exit(0)", "raise SystemExit"])
def test_a_conftest_that_ends_the_process_does_not_pass(gate: RunGate, pytester: pytest.Pytester, end: str) -> None:
    """It runs before anything of ours is asked, and still is no pass."""
    pytester.makeconftest(f"import sys\n{end}\n")
    gated = gate(HOLDS, process=True)
    assert gated.status == 4
    assert "conftest.py: ended the process" in gated.words


def test_an_exit_of_the_process_in_a_test_is_not_0(gate: RunGate) -> None:
    """`os._exit(0)` looks like a pass to whoever reads the status."""
    assert gate("import os\n@pytest.mark.golden_path\ndef test_it(): os._exit(0)\n", process=True).status == 81
    assert gate("import os\n@pytest.mark.golden_path\ndef test_it(): os._exit(7)\n", process=True).status == 7


def test_a_forked_child_that_goes_on_does_not_write_over_the_verdict(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A test that forks and forgets has two processes that run to the end of the session."""
    code = (
        "import os, pathlib, time\n@pytest.mark.golden_path\ndef test_it():\n    if os.fork() == 0:\n"
        "        time.sleep(1)\n        return\n    assert 0\n"
    )
    gated = gate(code + HOLDS, process=True)
    assert gated.status == 80
    time.sleep(2.5)
    assert json.loads((pytester.path / "gate.json").read_text())["verdict"] == "blocked"


def test_a_status_of_another_plugin_stands_behind_a_pass(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A 1 without a failing test is somebody's demand, and the report says that a pass ended so."""
    pytester.makeconftest("def pytest_sessionfinish(session): session.exitstatus = 1\n")
    gated = gate(HOLDS)
    assert gated.status == 1
    assert gated.report["failed_outside"]


def test_an_old_pass_is_gone_before_anything_of_the_project_runs(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A gate that could not even start must not leave the last one's report."""
    assert gate(HOLDS).report["verdict"] == "passed"
    pytester.makeconftest("import no_such_module\n")
    gated = gate(HOLDS)
    assert gated.status == 4
    assert gated.report == {}


def test_the_true_cause_of_a_broken_collection_is_named(gate: RunGate, pytester: pytest.Pytester) -> None:
    """An error of ours on top of another's would hide it."""
    pytester.makeconftest("def pytest_collection_modifyitems(): raise OSError('the real cause')\n")
    gated = gate(HOLDS)
    assert gated.status == 3
    assert "the real cause" in gated.report["obstacles"][0]["detail"]


def test_an_error_of_the_gate_itself_is_no_pass(gate: RunGate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own mistake must not cost anybody a broken production."""

    def broken(*_: object, **__: object) -> None:
        msg = "ours"
        raise RuntimeError(msg)

    monkeypatch.setattr("pytest_rollback.session.gate.report_on", broken)
    gated = gate(HOLDS)
    assert gated.status == 81
    assert "an error of the gate itself: RuntimeError: ours" in gated.words
