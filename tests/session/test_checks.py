"""Checks of the policy as tests of the gate: collected, marked, judged and told of like any other."""

from __future__ import annotations

from textwrap import dedent

import pytest

from conftest import Repository, RunGate

WORKS = "@pytest.mark.golden_path\ndef test_works(): ...\n"
IMPORTS = '[checks.imports]\nkind = "imports"\npackages = ["app"]\n'
SCORE = """
[checks.score]
kind = "command"
command = ["python", "-c", "print('Score: {score}')"]
pattern = 'Score: ([\\d.]+)'
metric = "compliance"
label = "style"
"""


def policy(pytester: pytest.Pytester, text: str) -> None:
    """Write the project's policy."""
    pytester.path.joinpath("pytest-rollback.toml").write_text(dedent(text), "utf-8")


def package(pytester: pytest.Pytester, **modules: str) -> None:
    """Write a package `app`."""
    folder = pytester.mkpydir("app")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, "utf-8")


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "workers"])
def test_a_gate_may_consist_of_checks_alone(gate: RunGate, pytester: pytest.Pytester, workers: list[str]) -> None:
    """No test code at all: each check is a test of the group `checks`, in whichever process it runs."""
    package(pytester, one="import app.two\n", two="")
    policy(pytester, IMPORTS + SCORE.format(score=99.5))
    ran = gate("", *workers, process=bool(workers))
    assert (ran.status, ran.counts) == (0, {"passed": 2}), ran.text
    assert ran.report["tests"]["groups"]["checks"]["passed"] == 2
    assert {each["name"]: each["status"] for each in ran.report["measurements"]} == {
        "import-app": "held",
        "score": "held",
    }
    assert ran.report["outputs"] == [{"test": "checks::score", "lines": ["Score: 99.5"]}]
    assert ran.report["health"]["open"] == []


def test_broken_imports_are_critical_and_rolled_back_file_first(gate: RunGate, pytester: pytest.Pytester) -> None:
    """The manuals' row, with the cause; the check's own group speaks as well."""
    package(pytester, one="import nowhere_to_be_found\n")
    policy(pytester, IMPORTS)
    ran = gate(WORKS)
    assert (ran.status, ran.triggers) == (80, ["imports", "gate-test"])
    finding = ran.report["findings"][0]
    assert (finding["severity"], finding["tests"]) == ("critical", ["checks::imports"])
    assert "app.one: ModuleNotFoundError: No module named 'nowhere_to_be_found'" in finding["reason"]
    assert "Traceback" not in ran.text


def test_a_score_is_judged_as_a_measurement(gate: RunGate, pytester: pytest.Pytester) -> None:
    """By the rows of its kind, against the baseline that the policy assumes; the output is kept."""
    policy(pytester, SCORE.format(score=95.5))
    ran = gate(WORKS)
    assert (ran.status, ran.triggers) == (80, ["compliance-drop", "gate-test"])
    assert "score 95.5 %, assumed baseline 98 % (-2.5)" in ran.words


def test_a_check_in_a_group_of_its_choice(gate: RunGate, pytester: pytest.Pytester) -> None:
    """It is judged by that group's rows, and runs in its order."""
    policy(pytester, '[checks.front]\nkind = "command"\ncommand = ["python", "-c", "exit(3)"]\ngroup = "golden_path"\n')
    ran = gate(WORKS)
    assert (ran.status, ran.triggers) == (80, ["golden-path"])
    assert "python: exit status 3, expected 0" in ran.words
    assert ran.report["next"] == "pytest --safety-gate -k front"


def test_a_check_is_seen_by_options_and_reporters(gate: RunGate, pytester: pytest.Pytester) -> None:
    """`-k` narrows it away, `--collect-only` shows it, JUnit names it, and a plain run knows nothing of it."""
    policy(pytester, '[checks.fine]\nkind = "command"\ncommand = ["python", "-c", ""]\n')
    ran = gate(WORKS, "-k", "works")
    assert (ran.status, ran.obstacles) == (81, {"narrowed": ["checks::fine"]})
    shown = gate("", "--collect-only", "-q")
    assert (shown.status, "checks::fine" in shown.text) == (81, True)
    assert gate("", "--junitxml=junit.xml").status == 0
    assert 'name="fine"' in pytester.path.joinpath("junit.xml").read_text("utf-8")
    plain = pytester.runpytest_inprocess("-pno:randomly", "-pno:asyncio")
    plain.assert_outcomes(passed=1)


def test_a_staged_gate_leaves_to_ci_what_is_for_ci(gate: RunGate, repository: Repository) -> None:
    """It is counted; and what is not for CI runs on what is staged, not on what lies in the work tree."""
    repository.write(
        "pytest-rollback.toml",
        '[checks.slow]\nkind = "command"\ncommand = ["python", "-c", "exit(1)"]\nat = "ci"\n'
        '[checks.quick]\nkind = "command"\ncommand = ["python", "check.py"]\n',
    )
    repository.commit(check_py="", test_it_py="import pytest\n" + WORKS)
    repository.write("check.py", "raise SystemExit(1)")
    ran = gate("", mode="--gate-staged", process=True)
    assert (ran.status, ran.counts) == (0, {"passed": 2, "left_to_ci": 1}), ran.text


def test_a_check_that_a_change_drops_still_runs(gate: RunGate, repository: Repository) -> None:
    """What the trusted base demands stays demanded; the loss is the policy's, and is named once."""
    text = '[checks.one]\nkind = "syntax"\n[checks.two]\nkind = "command"\ncommand = ["python", "-c", "exit(1)"]\n'
    repository.write("pytest-rollback.toml", text.replace("exit(1)", "exit(0)"))
    repository.commit(test_it_py="import pytest\n" + WORKS)
    assert gate().status == 0
    repository.write("pytest-rollback.toml", "")
    ran = gate()
    assert (ran.status, ran.counts) == (80, {"passed": 3})
    assert sorted(loss["name"] for loss in ran.report["losses"]) == ["policy:checks.one", "policy:checks.two"]


@pytest.mark.parametrize("mark", ["xfail", "skip"])
def test_a_check_that_is_made_to_step_aside_is_a_loss(gate: RunGate, repository: Repository, mark: str) -> None:
    """As with any gate test: what passed on the base may not be expected to fail."""
    repository.write("pytest-rollback.toml", '[checks.ok]\nkind = "command"\ncommand = ["python", "ok.py"]\n')
    repository.commit(test_it_py="import pytest\n" + WORKS, ok_py="")
    assert gate().status == 0
    repository.write(
        "conftest.py",
        "import pytest\ndef pytest_collection_modifyitems(items):\n    for item in items:\n"
        f"        if item.name == 'ok':\n            item.add_marker(pytest.mark.{mark})\n",
    )
    repository.commit(ok_py="raise SystemExit(3)")
    ran = gate()
    kind = {"xfail": "xfailed", "skip": "skipped"}[mark]
    assert (ran.status, [loss["name"] for loss in ran.report["losses"]]) == (80, [f"{kind}:checks::ok"]), ran.text


def test_a_check_behind_a_block_is_withheld(gate: RunGate, repository: Repository) -> None:
    """A staged gate stops after the first blocking group, and a check is as good a test as any."""
    repository.write("pytest-rollback.toml", '[checks.all]\nkind = "syntax"\n')
    repository.commit(test_it_py="import pytest\n@pytest.mark.golden_path\ndef test_works(): assert False\n")
    ran = gate("", mode="--gate-staged", process=True)
    assert (ran.status, ran.obstacles) == (80, {"not run": ["checks::all"]}), ran.text


@pytest.mark.parametrize(
    ("change", "status", "counts"),
    [("", 0, {"passed": 2}), ("altered", 80, {"passed": 1, "failed": 1})],
)
def test_protected_files_as_a_check(
    gate: RunGate, repository: Repository, change: str, status: int, counts: dict[str, int]
) -> None:
    """The gate finds it anyway; as a check it is a line for reporters and for the health score."""
    repository.write("pytest-rollback.toml", 'protected = ["schema/**"]\n[checks.canonical]\nkind = "protected"\n')
    repository.write("schema/user.json", "{}")
    repository.commit(test_it_py="import pytest\n" + WORKS)
    if change:
        repository.write("schema/user.json", '{"altered": true}')
    else:
        repository.write("other.txt", "x")
        repository.commit()
    ran = gate()
    assert (ran.status, ran.counts) == (status, counts), ran.text
    assert ("protected-files" in ran.triggers) is bool(change)


def test_wrong_checks_are_all_said_at_once(gate: RunGate, pytester: pytest.Pytester) -> None:
    """With their keys and the remedy."""
    policy(
        pytester,
        """
        [checks.a]
        kind = "import"
        [checks.b]
        kind = "imports"
        [checks.c]
        kind = "command"
        command = ["x"]
        pattern = "("
        packages = ["y"]
        metric = "complianc"
        group = "golden"
        status = 300
        [checks.d]
        [checks."e e"]
        kind = "syntax"
        """,
    )
    ran = gate(WORKS)
    assert ran.status == 4
    for text in (
        "checks.a.kind: 'import' is not one of them; did you mean \"imports\"?",
        "checks.b.packages: missing; name the packages that must import",
        "checks.c.pattern: is no regular expression",
        'checks.c.packages: does not go with kind = "command"',
        'checks.c.metric: nothing is named "complianc"; did you mean "compliance"?',
        'checks.c.group: nothing is named "golden"; did you mean "golden_path"?',
        "checks.c.status: 300 is no exit status",
        "checks.d.kind: missing",
        'checks."e e": a check\'s name is letters',
    ):
        assert text in ran.text, text
