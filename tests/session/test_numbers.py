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


MEASURING = """
@pytest.mark.golden_path
def test_score(compliance):
    {code}

@pytest.mark.golden_path
def test_other(): ...
"""


@pytest.mark.parametrize(
    "code",
    [
        "pass",
        "compliance.check('Architecture', 99)",
        "import threading; threading.Thread(target=lambda: None).start()",
    ],
)
def test_a_number_that_has_a_baseline_must_be_measured(gate: RunGate, pytester: pytest.Pytester, code: str) -> None:
    """Whoever stops measuring has not become good."""
    accept(pytester.path, "architecture", 98.9)
    ran = gate(MEASURING.format(code=code))
    assert (ran.status, ran.report["reason"]) == (81, "not measured"), ran.text
    assert "architecture: it has a baseline, and nothing measured it" in ran.words


def test_numbers_of_tests_outside_the_gate_are_not_the_gates(gate: RunGate, pytester: pytest.Pytester) -> None:
    """The whole suite may run; a baseline that only it could hold would make each gate miss a number."""
    works = "@pytest.mark.golden_path\ndef test_it(): ...\n"
    code = f"def test_score(compliance): compliance.check('architecture', 99)\n{works}"
    ran = gate(code, "--accept-baselines=new", "--baseline-reason=x", mode="--gate-all")
    assert (ran.status, ran.report["measurements"]) == (0, [])
    assert not (pytester.path / FOLDER).exists()


def test_a_baseline_of_another_kind_of_machine_waits_for_that(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Times of CI say nothing here, and nobody here measures them."""
    accept(pytester.path, "search", 0.2, metric="performance", unit="s", environment="cpython3.9-beos-m68k-1-00000000")
    assert gate(MEASURING.format(code="pass")).status == 0


@pytest.mark.parametrize(
    "code",
    [
        "compliance.check('style', float('nan'))",
        "compliance.check('style', 'many')",
        "compliance.check('style', True)",
        "compliance.check('stile', 99)",
        "compliance.check('style', 99); compliance.check('style', 10)",
    ],
)
def test_an_error_of_measuring_that_a_test_swallows_is_heard(
    gate: RunGate, pytester: pytest.Pytester, code: str
) -> None:
    """A regression that is swallowed blocks, and what is no number at all must not do better."""
    pytester.path.joinpath("pytest-rollback.toml").write_text("[metrics.style]\nrequired = false\n", "utf-8")
    ran = gate(MEASURING.format(code=f"import contextlib\n    with contextlib.suppress(Exception):\n        {code}"))
    assert ran.status == 81, ran.text
    assert ran.report["reason"] in ("invalid measurement", "not comparable")


def test_a_regression_that_a_test_swallows_blocks(gate: RunGate) -> None:
    """The number stands, whatever the test makes of it."""
    ran = gate(MEASURING.format(code="with pytest.raises(AssertionError): compliance.check('architecture', 9)"))
    assert (ran.status, ran.triggers) == (80, ["compliance-drop"])


def test_a_plugin_can_not_bring_the_baseline_that_it_is_held_against(gate: RunGate, pytester: pytest.Pytester) -> None:
    """What somebody accepted counts; nor is anything left to CI that is judged here."""
    accept(pytester.path, "docs", 98.9)
    for given in ("baseline=10.0", "doubt=Status.LEFT_TO_CI"):
        pytester.makeconftest(
            f"""
            from pytest_rollback.model import Measurement, Status
            def pytest_rollback_evidence(config):
                return Measurement(name="docs", value=10.0, metric="compliance", {given})
            """
        )
        assert gate("@pytest.mark.golden_path\ndef test_works(): ...").status != 0


def test_a_score_of_which_less_is_better_is_judged_by_its_rise(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Findings of a linter: falling is good, and 300 in place of 3 is not."""
    accept(pytester.path, "findings", 3, metric="violations", unit="")
    pytester.path.joinpath("pytest-rollback.toml").write_text('[metrics.findings]\nbetter = "lower"\n', "utf-8")
    assert gate(MEASURING.format(code="compliance.check('findings', 2)")).status == 0
    ran = gate(MEASURING.format(code="compliance.check('findings', 300)"))
    assert (ran.status, ran.triggers) == (80, ["golden-path", "violations"])


def test_a_rate_is_not_held_against_a_baseline_of_another_kind(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Nor does it hold for want of a row that looks at it."""
    accept(pytester.path, "login-rate", 98.9)
    ran = gate(MEASURING.format(code="compliance.rate('login', 5000, 5000)"))
    assert (ran.status, ran.report["reason"]) == (81, "not comparable")


# --- the trusted base ---


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ('better = "lower"\nunit = "%"\n', 10.0),
        ("per-environment = true\nassumed = 10.0\n", 10.0),
        ("assumed = 10.0\n", 10.0),
        ("tolerance = 100.0\n", 95.0),
    ],
)
def test_a_table_of_its_own_takes_no_number_from_under_the_rules_of_its_kind(
    gate: RunGate, repository: Repository, table: str, value: float
) -> None:
    """Not where the base has judged it, by a baseline or by none."""
    repository.commit(test_it_py="import pytest\n" + SCORE.format(value=98.9))
    assert gate().status == 0
    repository.git("checkout", "-q", "-b", "topic")
    repository.write("pytest-rollback.toml", f"[metrics.architecture]\n{table}")
    repository.commit(test_it_py="import pytest\n" + SCORE.format(value=value))
    ran = gate()
    assert ran.status == 80, ran.text
    assert measured(ran.report)["architecture"][2] == "regressed"


def test_an_approved_baseline_below_what_is_assumed_goes_on_counting(gate: RunGate, repository: Repository) -> None:
    """Approved once, it is the base's own from then on."""
    accept(repository.path, "architecture", 91)
    repository.commit(
        "start\n\nGate-Approved: baseline:architecture it is 91", test_it_py="import pytest\n" + SCORE.format(value=91)
    )
    repository.commit("other", other_py="")
    ran = gate()
    assert (ran.status, measured(ran.report)["architecture"]) == (0, (91, 91, "held")), ran.text


@pytest.mark.parametrize("how", ["ignored", "untracked", "linked"])
def test_baselines_that_no_commit_holds_are_no_promise(gate: RunGate, repository: Repository, how: str) -> None:
    """They judge here, and the verdict is nobody's known good; taken out of git, they are gone."""
    path = accept(repository.path, "architecture", 98.9)
    repository.commit(test_it_py="import pytest\n" + SCORE.format(value=98.9))
    assert gate().status == 0
    repository.git("checkout", "-q", "-b", "topic")
    folder = path.parent
    if how == "linked":
        folder.rename(repository.path / "shared")
        folder.symlink_to("../shared")
    else:
        repository.git("rm", "-q", "--cached", "-r", ".pytest-rollback")
    if how == "ignored":
        repository.write(".gitignore", "__pycache__/\n.pytest_cache/\ngate.json\n.pytest-rollback/\n")
    if how != "untracked":
        repository.commit("take them out")
    ran = gate()
    assert (ran.status, [loss["name"] for loss in ran.report["losses"]]) == (80, ["baseline:architecture"]), ran.text
    assert not ran.report["subject"]["keyed"]


def test_labels_of_a_number_are_kept_with_its_baseline(gate: RunGate, repository: Repository) -> None:
    """A row that watches a label goes on watching, whether or not the test still says it."""
    row = '[triggers.strict]\nmetric = "compliance"\nlabel = "user-facing"\ndrop = "> 0.2 points"\n'
    repository.write("pytest-rollback.toml", row + 'severity = "high"\naction = "investigate"\n')
    accept(repository.path, "architecture", 98.9, labels=("user-facing",))
    repository.commit(test_it_py="import pytest\n" + SCORE.format(value=98.9))
    repository.commit(test_it_py="import pytest\n" + SCORE.format(value=98.5))
    ran = gate()
    assert (ran.status, ran.triggers) == (80, ["golden-path", "strict"])


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
