"""The verdict table, row by row: what happened to a gate test, and what the gate makes of it."""

from __future__ import annotations

import pytest

from conftest import RunGate

HOLDS = "@pytest.mark.golden_path\ndef test_holds(): pass\n"

# name: (code beside one test that holds, status, rows that fire, counts, reasons of obstacles)
ROWS: dict[str, tuple[str, int, list[str], dict[str, int], list[str]]] = {
    "passed": ("", 0, [], {"passed": 1}, []),
    "failed": (
        "@pytest.mark.golden_path\ndef test_it(): assert 0\n",
        80,
        ["golden-path"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "error at set-up": (
        "@pytest.fixture\ndef broken(): raise OSError\n@pytest.mark.golden_path\ndef test_it(broken): pass\n",
        80,
        ["golden-path"],
        {"passed": 1, "errors": 1},
        [],
    ),
    "error at tear-down": (
        "@pytest.fixture\ndef broken():\n    yield\n    raise OSError\n"
        "@pytest.mark.golden_path\ndef test_it(broken): pass\n",
        80,
        ["golden-path"],
        {"passed": 1, "errors": 1},
        [],
    ),
    "failed, and an error at tear-down": (
        "@pytest.fixture\ndef broken():\n    yield\n    raise OSError\n"
        "@pytest.mark.golden_path\ndef test_it(broken): assert 0\n",
        80,
        ["golden-path"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "a subtest of the fixture failed": (
        "@pytest.mark.golden_path\ndef test_it(subtests):\n    with subtests.test('a'):\n        assert 0\n",
        80,
        ["golden-path"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "a subtest of unittest failed": (
        "import unittest\n@pytest.mark.golden_path\nclass TestIt(unittest.TestCase):\n"
        "    def test_it(self):\n        with self.subTest(n=1):\n            self.fail()\n",
        80,
        ["golden-path"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "all subtests passed": (
        "@pytest.mark.golden_path\ndef test_it(subtests):\n    with subtests.test('a'):\n        pass\n",
        0,
        [],
        {"passed": 2},
        [],
    ),
    "a subtest was skipped": (
        "@pytest.mark.golden_path\ndef test_it(subtests):\n    with subtests.test('a'):\n        pytest.skip('x')\n",
        0,
        [],
        {"passed": 1, "skipped": 1},
        [],
    ),
    "strict xpass": (
        "@pytest.mark.golden_path\n@pytest.mark.xfail(strict=True)\ndef test_it(): pass\n",
        80,
        ["golden-path"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "xpass": ("@pytest.mark.golden_path\n@pytest.mark.xfail\ndef test_it(): pass\n", 0, [], {"passed": 2}, []),
    "xfailed": (
        "@pytest.mark.golden_path\n@pytest.mark.xfail\ndef test_it(): assert 0\n",
        0,
        [],
        {"passed": 1, "skipped": 1},
        [],
    ),
    "xfailed in its body": (
        "@pytest.mark.golden_path\ndef test_it(): pytest.xfail('later')\n",
        0,
        [],
        {"passed": 1, "skipped": 1},
        [],
    ),
    "xfailed without a run": (
        "@pytest.mark.golden_path\n@pytest.mark.xfail(run=False)\ndef test_it(): assert 0\n",
        0,
        [],
        {"passed": 1, "skipped": 1},
        [],
    ),
    "xfail that raises something else": (
        "@pytest.mark.golden_path\n@pytest.mark.xfail(raises=KeyError)\ndef test_it(): raise ValueError\n",
        80,
        ["golden-path"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "skipped by a marker": (
        "@pytest.mark.golden_path\n@pytest.mark.skip(reason='x')\ndef test_it(): pass\n",
        0,
        [],
        {"passed": 1, "skipped": 1},
        [],
    ),
    "skipped on a condition": (
        "@pytest.mark.golden_path\n@pytest.mark.skipif(True, reason='x')\ndef test_it(): pass\n",
        0,
        [],
        {"passed": 1, "skipped": 1},
        [],
    ),
    "skipped in its body": (
        "@pytest.mark.golden_path\ndef test_it(): pytest.importorskip('no_such_module')\n",
        0,
        [],
        {"passed": 1, "skipped": 1},
        [],
    ),
    "skipped by a fixture": (
        "@pytest.fixture\ndef away(): pytest.skip('x')\n@pytest.mark.golden_path\ndef test_it(away): pass\n",
        0,
        [],
        {"passed": 1, "skipped": 1},
        [],
    ),
    "skipped at tear-down": (
        "@pytest.fixture\ndef away():\n    yield\n    pytest.skip('x')\n"
        "@pytest.mark.golden_path\ndef test_it(away): pass\n",
        0,
        [],
        {"passed": 1, "skipped": 1},
        [],
    ),
    "skipped by unittest": (
        "import unittest\n@pytest.mark.golden_path\nclass TestIt(unittest.TestCase):\n"
        "    @unittest.skip('x')\n    def test_it(self): pass\n",
        0,
        [],
        {"passed": 1, "skipped": 1},
        [],
    ),
    "a group of which nothing passed": (
        "@pytest.mark.isolation\n@pytest.mark.skip(reason='x')\ndef test_it(): pass\n",
        81,
        [],
        {"passed": 1, "skipped": 1},
        ["nothing passed"],
    ),
    "ran out of time": (
        "import time\n@pytest.mark.golden_path\n@pytest.mark.timeout(0.05, method='signal')\n"
        "def test_it(): time.sleep(5)\n",
        80,
        ["golden-path", "infrastructure"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "ran out of time in a fixture": (
        "import time\n@pytest.fixture\ndef slow(): time.sleep(5)\n@pytest.mark.golden_path\n"
        "@pytest.mark.timeout(0.05, method='signal')\ndef test_it(slow): pass\n",
        80,
        ["golden-path", "infrastructure"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "a given exception": (
        "@pytest.mark.golden_path\ndef test_it(): None.x\n",
        80,
        ["golden-path", "exception"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "a given exception in a group": (
        "import sys\n@pytest.mark.golden_path\n"
        "@pytest.mark.skipif(sys.version_info < (3, 11), reason='no exception groups')\n"
        "def test_it(): raise ExceptionGroup('many', [AttributeError()])\n"
        "if sys.version_info < (3, 11):\n"
        "    @pytest.mark.golden_path\n    def test_it(): raise AttributeError\n",
        80,
        ["golden-path", "exception"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "an isolation test failed": (
        "@pytest.mark.isolation\ndef test_it(): assert 0\n",
        80,
        ["isolation"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "a test outside the gate failed": ("def test_it(): assert 0\n", 0, [], {"passed": 1}, []),
    "passed only after a rerun": (
        "runs = []\n@pytest.mark.golden_path\n@pytest.mark.flaky(reruns=2)\n"
        "def test_it():\n    runs.append(1)\n    assert len(runs) > 1\n",
        0,
        ["flaky"],
        {"passed": 2},
        [],
    ),
    "failed after every rerun": (
        "@pytest.mark.golden_path\n@pytest.mark.flaky(reruns=2)\ndef test_it(): assert 0\n",
        80,
        ["golden-path"],
        {"passed": 1, "failed": 1},
        [],
    ),
    "a rerun whose first attempt failed in a subtest": (
        "runs = []\n@pytest.mark.golden_path\n@pytest.mark.flaky(reruns=1)\ndef test_it(subtests):\n"
        "    runs.append(1)\n    with subtests.test('a'):\n        assert len(runs) > 1\n    assert len(runs) > 1\n",
        0,
        ["flaky"],
        {"passed": 2},
        [],
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_table(gate: RunGate, row: str) -> None:
    """Each thing that can happen to a gate test has one meaning, and none but the harmless ones passes."""
    code, status, triggers, counts, reasons = ROWS[row]
    gated = gate(HOLDS + code)
    assert gated.triggers == triggers, gated.text
    assert gated.counts == counts
    assert list(gated.obstacles) == reasons
    assert gated.status == status
    verdict = {0: "passed", 80: "blocked", 81: "inconclusive"}[status]
    assert gated.report["verdict"] == verdict


def test_a_verdict_that_needed_a_rerun_is_not_steady(gate: RunGate) -> None:
    """What passed only after a rerun can be nobody's known good."""
    gated = gate(HOLDS + ROWS["passed only after a rerun"][0])
    assert (gated.report["verdict"], gated.report["steady"]) == ("passed", False)
    assert gate(HOLDS).report["steady"]


def test_a_collection_error_fails(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A module that can't be imported may hold any gate test; the others still run, for the evidence."""
    pytester.makepyfile(test_broken="import no_such_module")
    gated = gate(HOLDS)
    assert gated.status == 80
    assert gated.triggers == ["collection"]
    assert gated.counts == {"passed": 1}
    assert gated.report["findings"][0]["tests"] == ["test_broken.py"]
    assert "no_such_module" in gated.report["findings"][0]["reason"]


def test_a_collection_error_where_there_is_no_gate_test_fails_too(gate: RunGate) -> None:
    """Nobody knows what the broken module would have held."""
    assert gate("import no_such_module").status == 80


def test_a_module_that_skips_itself_counts_as_skipped_in_the_groups_that_it_names(
    gate: RunGate, pytester: pytest.Pytester
) -> None:
    """Its gate tests are invisible, so the module stands for them; a group that is nothing else is inconclusive."""
    pytester.makepyfile(test_away="import pytest\npytest.skip('x', allow_module_level=True)\n# isolation\n")
    gated = gate(HOLDS)
    assert gated.counts == {"passed": 1, "skipped": 1}
    assert gated.obstacles == {"nothing passed": ["test_away.py"]}
    assert gated.status == 81


def test_a_module_that_skips_itself_and_names_no_group_is_none_of_the_gates_business(
    gate: RunGate, pytester: pytest.Pytester
) -> None:
    """An optional dependency of an ordinary test file must not hold up every commit."""
    pytester.makepyfile(test_away="import pytest\npytest.importorskip('no_such_module')\n")
    assert gate(HOLDS).counts == {"passed": 1}


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_what_a_stop_leaves_unrun_is_named(gate: RunGate, option: str) -> None:
    """Tests behind a stop have no report at all; expected minus decided finds them."""
    gated = gate("@pytest.mark.golden_path\ndef test_a(): assert 0\n" + HOLDS, option)
    assert gated.status == 80
    assert gated.counts == {"failed": 1, "not_run": 1}
    assert gated.obstacles == {"not run": ["test_it.py::test_holds"]}


def test_a_test_that_never_finished_is_not_passed(gate: RunGate) -> None:
    """An interrupt in the tear-down leaves a passed call without its end."""
    code = "@pytest.fixture\ndef stop():\n    yield\n    raise KeyboardInterrupt\n"
    gated = gate(code + "@pytest.mark.golden_path\ndef test_it(stop): pass\n" + HOLDS)
    assert gated.status == 2
    assert gated.report["verdict"] == "inconclusive"
    assert [test["outcome"] for test in gated.report["not_passed"]] == ["unfinished", "not started"]


@pytest.mark.parametrize("option", ["--setup-only", "--setup-plan"])
def test_a_set_up_without_a_call_is_not_passed(gate: RunGate, option: str) -> None:
    """Pytest reports such tests as passed, and has not called them."""
    gated = gate(HOLDS, option)
    assert gated.status == 81
    assert gated.counts == {"not_run": 1}


def test_a_group_that_only_watches_lets_through(gate: RunGate, pytester: pytest.Pytester) -> None:
    """An integration test that fails is watched, and the status is the gate's, not pytest's 1."""
    pytester.makepyprojecttoml("[tool.pytest-rollback.groups.integration]\n")
    gated = gate(HOLDS + "@pytest.mark.integration\ndef test_it(): assert 0\n")
    assert gated.triggers == ["integration"]
    assert gated.report["reason"] == "watching"
    assert gated.status == 0


def test_a_group_of_the_projects_own_blocks_without_a_row_of_its_own(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A group that nobody wrote a row for is judged by the row for all such groups."""
    pytester.makepyprojecttoml("[tool.pytest-rollback.groups.smoke]\n")
    gated = gate(HOLDS + "@pytest.mark.smoke\ndef test_it(): assert 0\n")
    assert gated.triggers == ["gate-test"]
    assert gated.status == 80


def test_a_group_of_the_policy_without_a_test_is_inconclusive(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Somebody who names a group means it to be looked at."""
    pytester.makepyprojecttoml("[tool.pytest-rollback.groups.smoke]\n")
    gated = gate(HOLDS)
    assert gated.report["reason"] == "nothing passed"
    assert gated.status == 81


def test_a_failure_that_no_row_judges_is_inconclusive(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Switching a row off does not turn failures into a pass."""
    pytester.makepyprojecttoml("[tool.pytest-rollback.triggers.golden-path]\nenabled = false\n")
    gated = gate(HOLDS + "@pytest.mark.golden_path\ndef test_it(): assert 0\n")
    assert gated.report["reason"] == "not judged"
    assert gated.status == 81
