"""What tests measure, on its way to the verdict: through workers, reruns and shards, and past the trusted base."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from conftest import LEFT_OUT, SLOW, Repository, RunGate
from pytest_rollback.policy.baselines import FOLDER, Accepted, Baseline, file_of, write

SCORE = """
@pytest.mark.golden_path
def test_score(compliance):
    compliance.check("architecture", {value})
"""


def accept(folder: Path, name: str, value: float, **more: Any) -> Path:
    """Put a baseline on the shelf."""
    given: dict[str, Any] = {"metric": "compliance", "unit": "%"} | more
    baseline = Baseline(name=name, value=value, accepted=Accepted(at="2026-11-21T10:00:00Z"), **given)
    path = folder / FOLDER / file_of(name, baseline.environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write(baseline))
    return path


def measured(report: dict[str, Any]) -> dict[str, tuple[float | None, float | None, str]]:
    """Give each measurement's value, baseline and status by its name."""
    return {each["name"]: (each["value"], each["baseline"], each["status"]) for each in report["measurements"]}


@pytest.mark.parametrize(
    ("value", "status", "said"),
    [
        (98.9, 0, ("held", [])),
        (99.9, 0, ("held", [])),
        (98.2, 0, ("watched", ["compliance-slip"])),
        (96.0, 80, ("regressed", ["golden-path", "compliance-drop"])),
    ],
)
def test_a_score_is_held_against_its_baseline(
    gate: RunGate, pytester: pytest.Pytester, value: float, status: int, said: tuple[str, list[str]]
) -> None:
    """What blocks fails the test as well, so that a plain run shows it too; what is watched does not."""
    accept(pytester.path, "architecture", 98.9)
    ran = gate(SCORE.format(value=value))
    assert (ran.status, measured(ran.report)["architecture"], ran.triggers) == (
        status,
        (value, 98.9, said[0]),
        said[1],
    )


def test_a_number_without_a_baseline_is_inconclusive_and_says_how_to_accept_it(gate: RunGate) -> None:
    """A metric of its own has no assumed one: nobody knows whether 7 is good."""
    ran = gate(
        dedent("""
            @pytest.mark.golden_path
            def test_depth(compliance):
                compliance.contract("api", {"get": "int"})
            """)
    )
    assert (ran.status, ran.report["reason"]) == (81, "no baseline")
    assert ran.report["next"].startswith("pytest --safety-gate --accept-baselines new")


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "workers"])
def test_numbers_travel_from_workers(gate: RunGate, pytester: pytest.Pytester, workers: list[str]) -> None:
    """The controller runs no test, and judges all of them."""
    accept(pytester.path, "one", 90)
    ran = gate(
        dedent("""
        @pytest.mark.golden_path
        @pytest.mark.parametrize("name", ["one", "two", "three"])
        def test_scores(compliance, name):
            compliance.check(name, 99.5)
        """),
        *workers,
        process=bool(workers),
    )
    assert ran.status == 0, ran.text
    assert measured(ran.report) == {"one": (99.5, 90, "held"), "two": (99.5, 98, "held"), "three": (99.5, 98, "held")}


@pytest.mark.parametrize("workers", [[], ["-n2", "--dist=loadfile"]], ids=["alone", "workers"])
def test_a_metric_that_two_tests_measure_is_nobodys(
    gate: RunGate, pytester: pytest.Pytester, workers: list[str]
) -> None:
    """In one process the second is refused; in two, neither hears of the other, and the verdict says it."""
    for name in "ab":
        pytester.makepyfile(**{f"test_{name}": "import pytest\n" + SCORE.format(value=99)})
    ran = gate("", *workers, process=bool(workers))
    assert ran.status == (81 if workers else 80), ran.text
    assert "a metric is measured once" in ran.words


def test_a_test_that_is_run_again_measures_again(gate: RunGate) -> None:
    """What the first attempt measured counts no more than that it failed."""
    ran = gate(
        dedent("""
        tries = []

        @pytest.mark.golden_path
        def test_score(compliance):
            tries.append(1)
            compliance.check("architecture", 90.0 + 3 * len(tries))
        """),
        "--reruns=2",
    )
    assert measured(ran.report)["architecture"][0] == 96.0
    assert (ran.status, ran.report["steady"]) == (0, False)


def test_a_plain_run_judges_likewise_and_records_nothing(pytester: pytest.Pytester, repository: Repository) -> None:
    """Whoever works on the code sees the same, without a gate."""
    accept(pytester.path, "architecture", 98.9)
    repository.write("test_score.py", "import pytest\n" + SCORE.format(value=96.0))
    plugins = [f"-pno:{name}" for name in (*LEFT_OUT, *SLOW)]
    plain = pytester.runpytest_inprocess(*plugins)
    plain.assert_outcomes(failed=1)
    plain.stdout.fnmatch_lines(["*architecture 96 %, baseline 98.9 % (-2.9) (compliance-drop: investigate)*"])
    repository.write("test_score.py", "import pytest\n" + SCORE.format(value=98.2))
    watched = pytester.runpytest_inprocess(*plugins, "-Werror")
    watched.assert_outcomes(passed=1, warnings=1)
    watched.stdout.fnmatch_lines(["*test_score.py:5: MeasurementWarning: architecture 98.2 %*"])
    assert "refs/rollback" not in repository.git("for-each-ref")


def test_tests_that_measure_without_a_marker_are_named_where_something_is_missing(
    gate: RunGate, pytester: pytest.Pytester
) -> None:
    """A metric of the policy that nothing measured, and a test that would have, if only the gate ran it."""
    pytester.path.joinpath("pytest-rollback.toml").write_text('[metrics.style]\nunit = "%"\n', "utf-8")
    ran = gate(
        dedent("""
        @pytest.mark.golden_path
        def test_works(): ...

        def test_style(compliance):
            compliance.check("style", 99)
        """)
    )
    assert (ran.status, ran.report["reason"]) == (81, "not measured")
    assert "style: the policy requires it, nothing measured it" in ran.words
    assert "bear no gate marker, so they were not run: test_it.py::test_style" in ran.words


def test_a_metric_that_the_policy_does_not_list_is_a_mistake(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A typo must not make a new metric that nobody ever looks at."""
    pytester.path.joinpath("pytest-rollback.toml").write_text('[metrics.style]\nunit = "%"\n', "utf-8")
    ran = gate(
        dedent("""
        @pytest.mark.golden_path
        def test_style(compliance):
            compliance.check("stile", 99)
        """)
    )
    assert ran.status == 80
    assert 'knows no metric "stile"; did you mean "style"?' in ran.words


def test_a_damaged_baseline_harms_no_other(gate: RunGate, pytester: pytest.Pytester) -> None:
    """It is named with its file; what can be judged is judged."""
    accept(pytester.path, "one", 90)
    accept(pytester.path, "two", 90).write_text('{"schema": 1, "name": "two", "val', "utf-8")
    newer = accept(pytester.path, "three", 90)
    newer.write_text(newer.read_text("utf-8").replace('"schema": 1', '"schema": 7'), "utf-8")
    ran = gate(
        dedent("""
        @pytest.mark.golden_path
        @pytest.mark.parametrize("name", ["one", "two", "three"])
        def test_scores(compliance, name):
            compliance.check(name, 99.5)
        """)
    )
    assert (ran.status, ran.report["reason"]) == (81, "not comparable")
    assert measured(ran.report)["one"] == (99.5, 90, "held")
    assert f"{FOLDER}/two.json" in ran.words
    assert f"{FOLDER}/three.json" in ran.words
    assert "newer" in ran.words


def test_numbers_of_other_plugins_are_held_against_baselines_too(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A number is a number, whoever brings it."""
    accept(pytester.path, "docs", 98.9)
    pytester.makeconftest(
        """
        from pytest_rollback.model import Measurement
        def pytest_rollback_evidence(config):
            return Measurement(name="docs", value=96.0, metric="compliance")
        """
    )
    ran = gate("@pytest.mark.golden_path\ndef test_works(): ...")
    assert (ran.status, ran.triggers) == (80, ["compliance-drop"])


# --- the trusted base ---


def test_a_lowered_baseline_is_a_loss_and_does_not_count(gate: RunGate, repository: Repository) -> None:
    """Whoever breaks a score can't accept it in the same breath; until somebody approves, the base's number holds."""
    accept(repository.path, "architecture", 98.9)
    repository.commit(test_it_py="import pytest\n" + SCORE.format(value=98.9))
    accept(repository.path, "architecture", 96.0)
    repository.write("test_it.py", "import pytest\n" + SCORE.format(value=96.0))
    ran = gate()
    assert (ran.status, measured(ran.report)["architecture"]) == (80, (96.0, 98.9, "regressed"))
    assert [loss["name"] for loss in ran.report["losses"]] == ["baseline:architecture"]
    assert "baseline:architecture: 98.9 % -> 96 %" in ran.words
    repository.git("checkout", "-q", "-b", "topic")
    repository.commit("lower the bar\n\nGate-Approved: baseline:architecture the old score counted generated code")
    approved = gate()
    assert (approved.status, measured(approved.report)["architecture"]) == (0, (96.0, 96.0, "held")), approved.text


@pytest.mark.parametrize("change", ["gone", "damaged", "unit", "better"])
def test_what_became_of_a_baseline(gate: RunGate, repository: Repository, change: str) -> None:
    """Gone, damaged or in another unit it demands nothing any more; a better one demands more, and is no loss."""
    path = accept(repository.path, "architecture", 98.9)
    repository.commit(test_it_py="import pytest\n" + SCORE.format(value=99.5))
    if change == "gone":
        path.unlink()
    elif change == "damaged":
        path.write_text("<<<<<<< HEAD\n", "utf-8")
    else:
        accept(repository.path, "architecture", 99.4, unit="points" if change == "unit" else "%")
    ran = gate()
    lost = [(loss["kind"], loss["now"]) for loss in ran.report["losses"]]
    expected = {"gone": [("baseline", "gone")], "damaged": [("baseline", "damaged")], "better": []}
    assert lost == expected.get(change, [("baseline", "99.4 points")])
    baseline = 99.4 if change == "better" else 98.9
    assert measured(ran.report)["architecture"] == (99.5, baseline, "held")
    assert ran.status == (0 if change == "better" else 80)


def test_improvements_that_nobody_accepted_are_found_in_ci(
    gate: RunGate, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ratchet holds what was won. At a desk it is nobody's business yet."""
    accept(pytester.path, "architecture", 98.9)
    pytester.path.joinpath("pytest-rollback.toml").write_text("[metrics.compliance]\nratchet = true\n", "utf-8")
    monkeypatch.delenv("CI", raising=False)
    assert gate(SCORE.format(value=99.5)).status == 0
    monkeypatch.setenv("CI", "true")
    ran = gate(SCORE.format(value=99.5))
    assert (ran.status, ran.triggers) == (80, ["ratchet"])
    assert gate(SCORE.format(value=98.9)).status == 0


def test_a_score_that_slips_a_little_each_time_is_said(gate: RunGate, repository: Repository) -> None:
    """Each step is within bounds, and the sum of them soon is not."""
    accept(repository.path, "architecture", 99.0)
    for step in range(8):
        repository.commit(test_it_py="import pytest\n" + SCORE.format(value=99.0 - 0.05 * step))
        ran = gate()
        assert ran.status == 0, ran.text
    assert ran.triggers == ["trend"]
    assert "architecture slips: 99 to 98.65 % in 7 steps" in ran.words


def test_health_is_counted_over_what_the_policy_lists(gate: RunGate, pytester: pytest.Pytester) -> None:
    """What nothing showed to hold does not hold."""
    pytester.path.joinpath("pytest-rollback.toml").write_text(
        'health = ["golden_path", "isolation", "compliance"]\n', "utf-8"
    )
    ran = gate(SCORE.format(value=99))
    assert ran.report["health"] == {"score": 2, "of": 3, "band": "impaired", "open": ["isolation"], "listed": True}


def test_what_is_measured_is_on_record(gate: RunGate, repository: Repository) -> None:
    """History comes from the ledger, so that it outlives the rollback; what a number had to say stays here."""
    repository.commit(
        test_it_py="""
import pytest
@pytest.mark.golden_path
def test_rate(compliance):
    compliance.rate("login", 4999, 5000)
"""
    )
    assert gate().status == 0
    (judged,) = json.loads(repository.git("show", "refs/rollback/ledger:event.json"))["measurements"]
    assert (judged["name"], judged["samples"], judged["detail"]) == ("login-rate", 5000, "")
