"""Other plugins and other projects' habits around the gate: the verdict stays right, and theirs stays whole."""

from __future__ import annotations

import pytest

from conftest import RunGate

HOLDS = "@pytest.mark.golden_path\ndef test_holds(): pass\n"
FAILS = "@pytest.mark.golden_path\ndef test_fails(): assert 0\n"
QUIET = "-Wignore"


@pytest.mark.parametrize(
    "arguments",
    [
        "-p randomly -p no:cacheprovider",
        "-p no:cacheprovider",
        "-p no:terminal",
        "-p no:logging",
        "-p no:capture",
        "-p no:timeout",
        "--import-mode=importlib",
        "--import-mode=append",
        "-W error",
        "-o strict=true",
        "--strict-markers --strict-config",
        "-p html -p metadata --html=page.html",
        "-p metadata -p pytest_jsonreport --json-report",
        "--junit-xml=other.xml",
        "-p pytest_cov --cov=. --cov-report=",
        "-p benchmark --benchmark-disable",
        "-s",
        "--durations=3",
        "--ff",
        "--nf",
    ],
)
def test_a_neighbour_changes_no_verdict(gate: RunGate, arguments: str) -> None:
    """Each of these is somebody's everyday; what holds passes, what fails blocks."""
    options = arguments.split()
    assert gate(HOLDS, *options, process=True).status == 0
    blocked = gate(HOLDS + FAILS, *options, process=True)
    assert blocked.status == 80
    assert blocked.counts == {"passed": 1, "failed": 1}


def test_plugins_may_be_turned_off_and_named_one_by_one(gate: RunGate, monkeypatch: pytest.MonkeyPatch) -> None:
    """With autoload off, the gate needs its own name only; time limits are then judged afterwards, and that is said."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    gated = gate(HOLDS + FAILS, "-p", "pytest_rollback.plugin", process=True)
    assert gated.status == 80
    assert "pytest-timeout is turned off" in gated.words


def test_a_demand_of_coverage_keeps_its_status(gate: RunGate) -> None:
    """A pass of the gate does not hide that another plugin was told to refuse."""
    code = "def unused():\n    print(1)\n    print(2)\n" + HOLDS
    gated = gate(code, "-ppytest_cov", "--cov=.", "--cov-report=", "--cov-fail-under=100", process=True)
    assert gated.report["verdict"] == "passed"
    assert gated.status == 1


@pytest.mark.parametrize("mode", ["asyncio", "anyio"])
def test_coroutines_are_tests_like_others(gate: RunGate, pytester: pytest.Pytester, mode: str) -> None:
    """A coroutine that fails must not count as passed for want of being awaited."""
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n")
    code = f"@pytest.mark.golden_path\n@pytest.mark.{mode}\nasync def test_it(): assert 0\n"
    gated = gate(HOLDS + code, QUIET, "-p", mode, process=True)
    assert gated.status == 80
    assert gated.counts == {"passed": 1, "failed": 1}


def test_a_coroutine_that_nobody_runs_is_not_passed(gate: RunGate) -> None:
    """Pytest fails a coroutine without a plugin; earlier versions skipped it. Neither is a pass."""
    code = "@pytest.mark.golden_path\nasync def test_it(): pass\n"
    assert gate(code, process=True).status in (80, 81)


def test_a_benchmark_is_a_gate_test_too(gate: RunGate) -> None:
    """What it measured is a number like any other; where benchmarks are skipped, the group has shown nothing."""
    code = "@pytest.mark.golden_path\ndef test_it(benchmark): benchmark(lambda: None)\n"
    gated = gate(code, "-pbenchmark", process=True)
    assert (gated.status, gated.counts) == (81, {"passed": 1})
    assert [each["name"] for each in gated.report["measurements"]] == ["test_it"]
    assert gate(code, "-pbenchmark", "--benchmark-skip", process=True).status == 81


def test_a_property_that_fails_blocks(gate: RunGate) -> None:
    """Hypothesis reports its example in the failure; the message of the block is the error."""
    code = (
        "from hypothesis import given, strategies as st\n@pytest.mark.golden_path\n"
        "@given(st.integers())\ndef test_it(n): assert n < 5\n"
    )
    gated = gate(code, "-p", "hypothesispytest", process=True)
    assert gated.status == 80
    assert "assert 5 < 5" in gated.report["not_passed"][0]["message"]


def test_a_django_project_has_a_gate(gate: RunGate, pytester: pytest.Pytester) -> None:
    """The usual set-up: settings by the ini file, a test with the database, one that fails."""
    pytester.makeini("[pytest]\nDJANGO_SETTINGS_MODULE = settings\npythonpath = .\n")
    pytester.makepyfile(
        settings="SECRET_KEY = 'x'\nINSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth']\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\nUSE_TZ = True\n"
    )
    code = (
        "@pytest.mark.golden_path('authentication')\n@pytest.mark.django_db\ndef test_it(django_user_model):\n"
        "    django_user_model.objects.create_user('ada')\n    assert django_user_model.objects.count() == {count}\n"
    )
    assert gate(code.format(count=1), "-pdjango", process=True).status == 0
    assert gate(code.format(count=2), "-pdjango", process=True).triggers == ["golden-path", "authentication"]


def test_a_flask_project_has_a_gate(gate: RunGate, pytester: pytest.Pytester) -> None:
    """The usual set-up: an `app` fixture in the conftest, and pytest-flask's client."""
    pytester.makeconftest(
        "import flask, pytest\n@pytest.fixture\ndef app():\n    app = flask.Flask('chat')\n"
        "    app.add_url_rule('/', view_func=lambda: 'five events')\n    return app\n"
    )
    code = "@pytest.mark.golden_path\ndef test_it(client): assert client.get('/').text == {text!r}\n"
    assert gate(code.format(text="five events"), "-pflask", process=True).status == 0
    assert gate(code.format(text="four events"), "-pflask", process=True).status == 80


@pytest.mark.parametrize("option", ["--safety-gate", "--gate-report"])
def test_a_conftest_with_an_option_of_ours_is_told_so(pytester: pytest.Pytester, option: str) -> None:
    """Both parties are named, and there is no traceback."""
    pytester.makeconftest(f"def pytest_addoption(parser): parser.addoption('{option}')\n")
    result = pytester.runpytest_subprocess()
    assert int(result.ret) == 4
    text = result.stderr.str()
    assert f"conftest.py: {option} is an option of pytest-rollback" in text
    assert "Traceback" not in text


def test_a_conftest_with_a_conflict_of_its_own_is_left_alone(pytester: pytest.Pytester) -> None:
    """What is none of our business keeps pytest's own words."""
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--verbose')\n")
    assert "pytest-rollback" not in pytester.runpytest_subprocess().stderr.str().splitlines()[-1]


def test_a_conftest_may_have_markers_and_fixtures_of_our_names(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A project that had `golden_path` first declares it, and goes on."""
    pytester.makeconftest(
        "import pytest\ndef pytest_configure(config): config.addinivalue_line('markers', 'golden_path: ours')\n"
        "@pytest.fixture\ndef compliance(): return 1\n"
    )
    assert gate("@pytest.mark.golden_path\ndef test_it(compliance): assert compliance == 1\n").status == 0


def test_a_marker_of_our_name_with_other_arguments_is_told_so(gate: RunGate) -> None:
    """A project's own `isolation(level=...)` must not silently be read as labels."""
    gated = gate(HOLDS + "@pytest.mark.isolation(level='db')\ndef test_it(): pass\n")
    assert gated.status == 4
    assert "takes labels only, not level='db'" in gated.words
