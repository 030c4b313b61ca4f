"""What a conftest or another plugin may add: rows, evidence; and what it may see: the verdict."""

from __future__ import annotations

import pytest

from conftest import RunGate

HOLDS = "@pytest.mark.golden_path\ndef test_holds(): pass\n"
MEASURES = """
from pytest_rollback.model import Measurement, Signal
def pytest_rollback_evidence():
    return [{facts}]
"""


@pytest.mark.parametrize(
    ("facts", "status", "triggers"),
    [
        ("Measurement(name='compliance', value=98.7, baseline=98.9)", 0, []),
        ("Measurement(name='compliance', value=98.1, baseline=98.9)", 0, ["compliance-slip"]),
        ("Measurement(name='compliance', value=96.8, baseline=98.9)", 80, ["compliance-drop"]),
        ("Measurement(name='compliance', value=95.9)", 80, ["compliance-drop"]),
        ("Measurement(name='production-compliance', value=99.9)", 80, ["production-compliance"]),
        ("Measurement(name='search', metric='performance', value=1.6, baseline=1.0)", 80, ["performance"]),
        ("Measurement(name='search', metric='performance', value=1.0)", 81, []),
        ("Measurement(name='tool-execution', value=2100, unit='ms')", 80, ["limit"]),
        ("Measurement(name='compliance', value=float('nan'))", 81, []),
        ("Measurement(name='compliance', value='high')", 81, []),
        ("Measurement(name='compliance', value=99.0), Measurement(name='compliance', value=100.0)", 81, []),
        ("Signal(name='deployment-failed', detail='staging is down')", 80, ["deployment"]),
        ("Signal(name='imports-broken')", 80, ["imports"]),
        ("'a word'", 81, []),
        ("1 / 0", 81, []),
    ],
)
def test_evidence_of_others_is_judged(
    gate: RunGate, pytester: pytest.Pytester, facts: str, status: int, triggers: list[str]
) -> None:
    """A number or a fact from a conftest counts as our own would, and garbage is never taken for none."""
    pytester.makeconftest(MEASURES.format(facts=facts))
    gated = gate(HOLDS)
    assert gated.triggers == triggers, gated.text
    assert gated.status == status


def test_a_single_fact_needs_no_list(gate: RunGate, pytester: pytest.Pytester) -> None:
    """One number is the usual case."""
    pytester.makeconftest(MEASURES.format(facts="").replace("[]", "Measurement(name='error-rate', value=6.0)"))
    assert gate(HOLDS).triggers == ["error-rate"]


def test_rows_of_others_join_the_matrix(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A plugin that knows a metric brings the row that judges it; the project's policy has the last word."""
    pytester.makeconftest(
        "from pytest_rollback.model import Measurement\n"
        "def pytest_rollback_triggers():\n"
        "    return {'errors': {'metric': 'error-rate', 'above': '2 %', 'severity': 'high', 'action': 'investigate'}}\n"
        "def pytest_rollback_evidence(): return [Measurement(name='error-rate', value=3.0)]\n"
    )
    assert gate(HOLDS).triggers == ["errors"]
    pytester.makepyprojecttoml("[tool.pytest-rollback.triggers.errors]\nabove = '4 %'\n")
    assert gate(HOLDS).triggers == ["error-rate-raised"]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("{'x': {'severty': 'high'}}", 'did you mean "severity"?'),
        ("{'x': 3}", "expected a table"),
        ("[3]", "give rows by name"),
    ],
)
def test_a_wrong_row_of_others_is_a_usage_error(
    gate: RunGate, pytester: pytest.Pytester, given: str, complaint: str
) -> None:
    """A row that can't be read would be a row that never fires."""
    pytester.makeconftest(f"def pytest_rollback_triggers(): return {given}\n")
    gated = gate(HOLDS)
    assert gated.status == 4
    assert "pytest_rollback_triggers: " in gated.words
    assert complaint in gated.text


def test_a_metric_that_only_a_row_of_others_names_must_be_measured(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A plugin brings its own numbers; one that is mistyped or forgotten must not look like one that held."""
    conftest = (
        "from pytest_rollback.model import Measurement\n"
        "def pytest_rollback_triggers():\n"
        "    return {'deep': {'metric': 'depth', 'above': 9, 'severity': 'high', 'action': 'investigate'}}\n"
    )
    pytester.makeconftest(conftest)
    assert gate(HOLDS).report["reason"] == "not measured"
    pytester.makeconftest(conftest + "def pytest_rollback_evidence(): return Measurement(name='depth', value=10)\n")
    assert gate(HOLDS).triggers == ["deep"]


def test_others_see_the_verdict(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A plugin may send it on; it gets all that the report holds."""
    pytester.makeconftest(
        "def pytest_rollback_verdict(report):\n"
        "    print('seen', report.verdict.value, report.findings[0].trigger, report.findings[0].tests[0])\n"
    )
    assert (
        "seen blocked golden-path test_it.py::test_it"
        in gate("@pytest.mark.golden_path\ndef test_it(): assert 0\n").text
    )


def test_a_listener_that_breaks_is_said_and_lets_nothing_through(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Its failure changes no verdict; but whoever should have heard of a pass has not."""
    pytester.makeconftest("def pytest_rollback_verdict(): raise OSError('no network')\n")
    gated = gate(HOLDS)
    assert gated.report["reason"] == "not told"
    assert "pytest_rollback_verdict failed: OSError: no network" in gated.words
    assert gated.status == 81


def test_a_conftest_with_our_hooks_is_no_error_in_a_plain_run(pytester: pytest.Pytester) -> None:
    """They are called in a gate only."""
    pytester.makeconftest("def pytest_rollback_verdict(report): raise OSError\n")
    pytester.makepyfile("def test_it(): pass\n")
    pytester.runpytest_inprocess("-pno:asyncio").assert_outcomes(passed=1)
