"""Which tests are the gate's, in which order they run, and what a marker may say."""

from __future__ import annotations

import pytest

from conftest import RunGate

ORDERED = """
@pytest.mark.smoke
def test_smoke(): pass
@pytest.mark.mission_critical
def test_critical(): pass
def test_plain(): pass
@pytest.mark.isolation
def test_isolation(): pass
@pytest.mark.mission_critical
@pytest.mark.golden_path
def test_both(): pass
@pytest.mark.golden_path
def test_golden(): pass
"""


def ran(text: str) -> list[str]:
    """List the tests of a verbose run in the order in which they ran."""
    return [line.partition("::")[2].split()[0] for line in text.splitlines() if "::" in line and "PASSED" in line]


def test_the_gate_runs_group_by_group(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Golden path first, the project's own groups last; a test with two markers runs with the earlier one."""
    pytester.makepyprojecttoml("[tool.pytest-rollback.groups.smoke]\n")
    gated = gate(ORDERED, "-v")
    assert ran(gated.text) == ["test_both", "test_golden", "test_isolation", "test_critical", "test_smoke"]
    assert gated.report["tests"]["collected"] == 6


def test_a_group_runs_where_the_policy_orders_it(gate: RunGate, pytester: pytest.Pytester) -> None:
    """`order` puts a group of one's own between the shipped ones."""
    pytester.makepyprojecttoml("[tool.pytest-rollback.groups.smoke]\norder = 5\n")
    assert ran(gate(ORDERED, "-v").text)[0] == "test_smoke"


def test_within_a_group_a_shuffle_stays(gate: RunGate) -> None:
    """The sort is stable, so a plugin that shuffles has shuffled."""
    code = "".join(f"@pytest.mark.golden_path\ndef test_{number}(): pass\n" for number in range(8))
    order = ran(gate(code, "-v", "-p", "randomly", "-p", "no:randomly").text)
    assert order == [f"test_{number}" for number in range(8)]


def test_a_hook_that_reverses_is_heard_within_groups(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Another plugin's order holds inside a group, whenever its hook ran; the groups' order holds above it."""
    pytester.makeconftest("def pytest_collection_modifyitems(items): items.reverse()\n")
    pytester.makepyprojecttoml("[tool.pytest-rollback.groups.smoke]\n")
    assert ran(gate(ORDERED, "-v").text)[:2] == ["test_golden", "test_both"]


def test_what_failed_last_time_runs_first_in_its_group(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Who is mending something hears of it first."""
    code = "import pathlib\n" + "".join(
        f"@pytest.mark.golden_path\ndef test_{name}(): assert {name!r} != 'c' or pathlib.Path('mended').exists()\n"
        for name in "abcd"
    )
    assert gate(code).status == 80
    (pytester.path / "mended").touch()
    assert ran(gate(code, "-v").text) == ["test_c", "test_a", "test_b", "test_d"]
    assert ran(gate(code, "-v").text) == ["test_a", "test_b", "test_c", "test_d"]


def test_a_damaged_memory_of_failures_costs_nothing(gate: RunGate, pytester: pytest.Pytester) -> None:
    """The cache is pytest's and may hold anything."""
    cache = pytester.path / ".pytest_cache" / "v" / "rollback"
    cache.mkdir(parents=True)
    for text in ("{", '{"a": 1}', '[1, null, "x"]'):
        (cache / "failed").write_text(text)
        assert gate("@pytest.mark.golden_path\ndef test_it(): pass\n").status == 0


@pytest.mark.parametrize(
    "place",
    [
        "@pytest.mark.golden_path('chat')\ndef test_it(): assert 0\n",
        "@pytest.mark.golden_path('chat')\nclass TestIt:\n    def test_it(self): assert 0\n",
        "pytestmark = pytest.mark.golden_path('chat')\ndef test_it(): assert 0\n",
        "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.golden_path('chat'))])\n"
        "def test_it(x): assert 0\n",
        "golden = pytest.mark.golden_path\n@golden('chat')\ndef test_it(): assert 0\n",
        "@pytest.mark.golden_path('login')\nclass TestIt:\n"
        "    @pytest.mark.golden_path('chat')\n    def test_it(self): assert 0\n",
    ],
    ids=["function", "class", "module", "parameter", "alias", "class and function"],
)
def test_a_label_counts_wherever_its_marker_stands(gate: RunGate, place: str) -> None:
    """Markers come by decorator, class, module, parameter or alias, and add up."""
    assert gate(place).triggers == ["golden-path", "chat"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("3", "a label is a word"),
        ("''", "a label is a word"),
        ("'a\\nb'", "a label is a word"),
        ("None", "a label is a word"),
        ("['chat']", "a label is a word"),
        ("label='chat'", "takes labels only, not label='chat'"),
    ],
)
def test_a_wrong_marker_is_an_error_with_the_tests_name(gate: RunGate, arguments: str, complaint: str) -> None:
    """A label that says nothing would silently switch its trigger off."""
    code = f"@pytest.mark.golden_path({arguments})\ndef test_it(): pass\n"
    gated = gate(code + "@pytest.mark.isolation(1)\ndef test_other(): pass\n")
    assert gated.status == 4
    assert f"test_it.py::test_it: @pytest.mark.golden_path: {complaint}" in gated.text
    assert "test_it.py::test_other: @pytest.mark.isolation" in gated.text


def test_an_unknown_label_is_an_error_where_the_policy_lists_them(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A mistyped label would never fire its row."""
    pytester.makepyprojecttoml("[tool.pytest-rollback]\nlabels = ['billing']\n")
    gated = gate("@pytest.mark.golden_path('biling')\ndef test_it(): pass\n")
    assert gated.status == 4
    assert 'the policy knows no label "biling"; did you mean "billing"?' in gated.text
    assert gate("@pytest.mark.golden_path('billing', 'chat')\ndef test_it(): pass\n").status == 0


def test_the_markers_are_registered_without_the_gate(pytester: pytest.Pytester) -> None:
    """`--strict-markers` must not complain in a plain run, nor may anything else happen there."""
    pytester.makepyfile("import pytest\n@pytest.mark.golden_path(3)\ndef test_it(): pass\n")
    result = pytester.runpytest_inprocess("--strict-markers", "-pno:asyncio")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*safety gate*")


def test_a_groups_marker_is_registered_in_a_gate(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A group that the policy names needs no second declaration."""
    pytester.makepyprojecttoml("[tool.pytest-rollback.groups.smoke]\n")
    code = "@pytest.mark.golden_path\n@pytest.mark.smoke\ndef test_it(): pass\n"
    assert gate(code, "--strict-markers").status == 0


def test_doctests_and_other_items_are_left_alone(gate: RunGate, pytester: pytest.Pytester) -> None:
    """What bears no marker is no gate test, whatever kind of item it is."""
    pytester.makefile(".txt", test_doc=">>> 1 + 1\n3\n")
    gated = gate("@pytest.mark.golden_path\ndef test_it(): pass\n", "--doctest-glob=*.txt")
    assert gated.status == 0
    assert gated.report["tests"]["collected"] == 2


def test_nothing_of_ours_is_imported_by_an_idle_run(pytester: pytest.Pytester) -> None:
    """Everybody who has the plugin installed pays for what a plain run imports."""
    pytester.makepyfile(
        "import sys\ndef test_it():\n"
        "    ours = {name for name in sys.modules if name.startswith('pytest_rollback')}\n"
        "    assert ours == {'pytest_rollback', 'pytest_rollback.plugin', 'pytest_rollback.hookspecs'}\n"
        "    assert not {'git', 'msgspec'} & set(sys.modules)\n"
    )
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=1)
