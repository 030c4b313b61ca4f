"""A gate that was made to look at less than all of it may block, but can't pass."""

from __future__ import annotations

import pytest

from conftest import RunGate

TWO = "@pytest.mark.golden_path\ndef test_a(): pass\n@pytest.mark.golden_path\ndef test_b(): pass\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "test_a"],
        ["-m", "not golden_path"],
        ["--deselect", "test_it.py::test_b"],
        ["test_it.py::test_a"],
        ["test_it.py"],
        ["--ignore=other"],
        ["--ignore-glob=*other*"],
        ["--lf"],
        ["-o", "python_functions=test_a"],
        ["-o", "testpaths=nowhere"],
        ["--noconftest"],
    ],
    ids=" ".join,
)
def test_narrowed_is_never_a_pass(gate: RunGate, arguments: list[str]) -> None:
    """Each of these hides gate tests, or could."""
    gated = gate(TWO, *arguments)
    assert gated.report["reason"] == "narrowed", gated.text
    assert gated.status == 81


def test_narrowed_may_block(gate: RunGate) -> None:
    """What was seen to fail fails, however little was looked at."""
    assert gate(TWO + "@pytest.mark.golden_path\ndef test_c(): assert 0\n", "-k", "test_c").status == 80


def test_a_keyword_that_leaves_no_gate_test_out_narrows_nothing(gate: RunGate) -> None:
    """A project may deselect its slow tests for ever; only a gate test that is left out counts."""
    assert gate(TWO + "def test_slow(): pass\n", "-k", "not slow").status == 0


@pytest.mark.parametrize("path", [".", "../{}", "{}/.."])
def test_a_path_that_covers_the_project_narrows_nothing(gate: RunGate, pytester: pytest.Pytester, path: str) -> None:
    """Naming the root is the same as naming nothing."""
    pytester.makeini("[pytest]\n")
    (pytester.path / pytester.path.name).mkdir()
    assert gate(TWO, path.format(pytester.path.name)).status == 0


def test_paths_that_cover_the_configured_ones_narrow_nothing(gate: RunGate, pytester: pytest.Pytester) -> None:
    """`pytest tests` is all there is where `testpaths` says `tests`."""
    pytester.makeini("[pytest]\ntestpaths = tests\n")
    tests = pytester.mkdir("tests")
    (tests / "test_it.py").write_text("import pytest\n" + TWO)
    assert gate("", "tests").status == 0
    assert gate("", "tests/test_it.py").status == 81


def test_a_start_below_the_root_is_narrowed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a sub folder pytest collects that folder alone."""
    pytester.makeini("[pytest]\n")
    below = pytester.mkdir("below")
    (below / "test_it.py").write_text("import pytest\n" + TWO)
    monkeypatch.chdir(below)
    result = pytester.runpytest_inprocess("--safety-gate", "-pno:randomly", "-pno:asyncio")
    assert int(result.ret) == 81
    result.stdout.fnmatch_lines(["*a start below the root (below)*"])


def test_what_the_projects_own_configuration_leaves_out_narrows_nothing(
    gate: RunGate, pytester: pytest.Pytester
) -> None:
    """`addopts`, `collect_ignore` and a conftest's hook are how a project defines its suite, and are committed."""
    pytester.makeini("[pytest]\naddopts = --ignore=vendor --ignore-glob=*.bak -o python_functions=test_*\n")
    pytester.makeconftest(
        "collect_ignore = ['test_old.py']\ndef pytest_ignore_collect(collection_path):\n"
        "    return True if collection_path.name == 'test_older.py' else None\n"
    )
    pytester.makepyfile(test_old="import no_such", test_older="import no_such")
    assert gate(TWO).status == 0


def test_a_plugin_that_leaves_files_uncollected_narrows(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A plugin that refuses a file leaves no trace of the tests in it."""
    pytester.makepyfile(
        chooser="def pytest_ignore_collect(collection_path):\n"
        "    return True if collection_path.name == 'test_left.py' else None\n",
        test_left="import pytest\n" + TWO,
    )
    pytester.syspathinsert()
    gated = gate(TWO, "-p", "chooser")
    assert gated.status == 81
    assert "the plugin chooser" in gated.words


def test_a_hook_that_drops_tests_without_a_word_narrows(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Splitting plugins take tests out of the list and call no `pytest_deselected`."""
    pytester.makeconftest("def pytest_collection_modifyitems(items): del items[1:]\n")
    gated = gate(TWO)
    assert gated.status == 81
    assert gated.obstacles["narrowed"] == ["test_it.py::test_b"]


def test_a_hook_that_drops_tests_at_the_very_end_narrows(gate: RunGate, pytester: pytest.Pytester) -> None:
    """What is going to run is known only once collection is finished."""
    pytester.makeconftest("def pytest_collection_finish(session): del session.items[1:]\n")
    assert gate(TWO).status == 81


def test_markers_that_a_hook_adds_count(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Markers come from anywhere; a test that a hook marks and a keyword leaves out is missed all the same."""
    pytester.makeconftest(
        "import pytest\n@pytest.hookimpl(trylast=True)\ndef pytest_collection_modifyitems(items):\n"
        "    for item in items: item.add_marker(pytest.mark.isolation)\n"
    )
    gated = gate("def test_a(): pass\ndef test_b(): pass\n")
    assert gated.status == 0
    assert gated.report["tests"]["groups"]["isolation"]["passed"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "other.ini"],
        ["--rootdir=below"],
        ["--rootdir=below", "below"],
        ["--confcutdir=below"],
        ["-p", "no:unittest"],
        ["-o", "xfail_strict=false"],
    ],
    ids=" ".join,
)
def test_another_configuration_or_root_is_narrowed(
    gate: RunGate, pytester: pytest.Pytester, arguments: list[str]
) -> None:
    """What is typed in the place of the project's own configuration may hide any test."""
    pytester.makeini("[pytest]\n")
    pytester.makefile(".ini", other="[pytest]\npython_files = test_it.py\n")
    (pytester.mkdir("below") / "test_low.py").write_text("import pytest\n" + TWO)
    assert gate(TWO).status == 0
    gated = gate(TWO, *arguments)
    assert gated.status == 81
    assert gated.report["reason"] == "narrowed"


def test_the_configuration_that_pytest_finds_anyway_may_be_named(gate: RunGate, pytester: pytest.Pytester) -> None:
    """`-c pytest.ini` changes nothing where that is the one."""
    pytester.makeini("[pytest]\n")
    pytester.makefile(".ini", pytest="[pytest]\n")
    assert gate(TWO, "-c", "pytest.ini").status == 0


def test_paths_in_the_projects_own_options_narrow_nothing(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A project may say in addopts where its tests are."""
    pytester.makeini("[pytest]\naddopts = test_it.py --override-ini=python_functions=test_*\n")
    pytester.makepyfile(test_old="import no_such")
    assert gate(TWO).status == 0


def test_with_the_whole_suite_any_test_that_is_left_out_narrows(gate: RunGate) -> None:
    """Who asks for all of it and gets a part has not seen the rest."""
    gated = gate(TWO + "def test_plain(): assert 0\n", "-k", "not plain", mode="--gate-all")
    assert gated.status == 81
    assert gated.obstacles["narrowed"] == ["test_it.py::test_plain"]


def test_a_marked_class_that_is_not_collected_narrows(gate: RunGate) -> None:
    """Pytest passes over a class with a constructor, and only warns."""
    code = "@pytest.mark.isolation\nclass TestIt:\n    def __init__(self): pass\n    def test_it(self): assert 0\n"
    gated = gate(TWO + code, "-Wdefault")
    assert gated.status == 81
    assert "narrowed by a class that is not collected" in gated.words


def test_a_module_that_skips_itself_is_said_even_where_it_names_no_group(
    gate: RunGate, pytester: pytest.Pytester
) -> None:
    """Its markers may come by another name."""
    pytester.makepyfile(test_away="import pytest\npytest.importorskip('no_such_module')\n")
    gated = gate(TWO)
    assert gated.status == 0
    assert "note test_away.py skipped itself, so whether it holds gate tests is not known" in gated.words


def test_two_tests_of_one_name_are_no_pass(gate: RunGate, pytester: pytest.Pytester) -> None:
    """What one of them did can't be told from what the other did."""
    pytester.makeconftest(
        "import pytest\nclass Item(pytest.Item):\n    def runtest(self): assert not self.own_markers\n"
        "class File(pytest.File):\n    def collect(self):\n        yield Item.from_parent(self, name='t')\n"
        "        marked = Item.from_parent(self, name='t')\n"
        "        marked.add_marker('golden_path')\n        yield marked\n"
        "def pytest_collect_file(file_path, parent):\n"
        "    return File.from_parent(parent, path=file_path) if file_path.suffix == '.items' else None\n"
    )
    pytester.makefile(".items", it="")
    gated = gate(TWO)
    assert gated.status == 80
    assert "share their name" in gated.words


def test_asserts_that_do_not_assert_narrow(gate: RunGate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under PYTHONOPTIMIZE a plain assert is not even compiled."""
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    gated = gate("@pytest.mark.golden_path\ndef test_it(): assert 0\n", "--assert=plain", process=True)
    assert gated.status == 81
    assert "no assert asserts" in gated.words


def test_an_empty_policy_path_is_a_usage_error(gate: RunGate) -> None:
    """A CI variable that is not set must not silently mean no policy."""
    assert gate(TWO, "--gate-policy=").status == 4


def test_showing_the_gate_under_workers_shows_it(gate: RunGate) -> None:
    """Xdist runs no workers for --collect-only; neither do we ask them."""
    gated = gate(TWO, "-n2", "--collect-only")
    assert gated.report["reason"] == "collect only"
