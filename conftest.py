"""What our own tests share: gates run for real, real git repositories, and the marks of our own gate."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

# Loaded here once, for the same reason as SLOW.
import pytest_rollback.cli.merge
import pytest_rollback.session.gate  # noqa: F401

pytest_plugins = ["pytester"]

# What must never break here: a gate that passes when it has not looked, and a repository that we touch.
OWN_GATE = {
    "tests/judge/test_decide.py": pytest.mark.golden_path("judgement"),
    "tests/judge/test_absence.py": pytest.mark.golden_path("judgement"),
    "tests/judge/test_laws.py": pytest.mark.mission_critical("judgement"),
    "tests/session/test_verdict_table.py": pytest.mark.golden_path("verdict"),
    "tests/session/test_exit_status.py": pytest.mark.golden_path("status"),
    "tests/session/test_narrowed.py": pytest.mark.golden_path("status"),
    "tests/session/test_git_untouched.py": pytest.mark.isolation("git"),
    "tests/policy/test_matrix.py": pytest.mark.mission_critical("policy"),
    "tests/policy/test_load.py": pytest.mark.mission_critical("policy"),
    "tests/policy/test_mistakes.py": pytest.mark.mission_critical("policy"),
    "tests/policy/test_tighten.py": pytest.mark.mission_critical("policy"),
    "tests/policy/test_stricter.py": pytest.mark.mission_critical("policy"),
    "tests/judge/test_erosion.py": pytest.mark.mission_critical("erosion"),
    "tests/judge/test_approvals.py": pytest.mark.mission_critical("erosion"),
    "tests/repo/test_base.py": pytest.mark.mission_critical("erosion"),
    "tests/repo/test_ledger.py": pytest.mark.mission_critical("record"),
    "tests/repo/test_scratch.py": pytest.mark.isolation("scratch"),
    "tests/judge/test_bars.py": pytest.mark.mission_critical("baselines"),
    "tests/judge/test_intervals.py": pytest.mark.mission_critical("baselines"),
    "tests/policy/test_baselines.py": pytest.mark.mission_critical("baselines"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark our own gate in one place, where it can be read as a list."""
    for item in items:
        mark = OWN_GATE.get(item.nodeid.partition("::")[0])
        if mark is not None:
            item.add_marker(mark)


# These change what is tested; a test that wants one names it.
LEFT_OUT = ("randomly", "hypothesispytest", "testmon", "asyncio")
# And these cost their import at each run, since pytester forgets what it imports.
SLOW = ("anyio", "benchmark", "django", "flask", "html", "metadata", "pytest_cov", "pytest_jsonreport")


class Gated(NamedTuple):
    """What one run of a gate gave."""

    status: int
    report: dict[str, Any]
    text: str

    @property
    def triggers(self) -> list[str]:
        """Name the rows that fired, worst first."""
        return [finding["trigger"] for finding in self.report["findings"]]

    @property
    def obstacles(self) -> dict[str, list[str]]:
        """List the tests of each obstacle by its reason."""
        return {obstacle["reason"]: obstacle["tests"] for obstacle in self.report["obstacles"]}

    @property
    def words(self) -> str:
        """Give the text without its line ends: long lines are folded wherever they are too long."""
        return " ".join(self.text.split())

    @property
    def counts(self) -> dict[str, int]:
        """Give the counts that are not zero, of all gate tests together."""
        skip = ("groups", "collected", "selected")
        return {name: number for name, number in self.report["tests"].items() if name not in skip and number}


RunGate = Callable[..., Gated]


@pytest.fixture
def gate(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> RunGate:
    """Run a gate over test code, in this process unless asked otherwise; gives its status, report and text."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    foreign = ("GIT_", "CI_", "GITHUB_", "PYTEST_XDIST")
    for name in list(os.environ):
        if name.startswith(foreign) and name not in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
            monkeypatch.delenv(name)

    def run(code: str = "", *arguments: str, mode: str = "--safety-gate", process: bool = False) -> Gated:
        if code:
            pytester.makepyfile(test_it="import pytest\n" + code)
        plugins = [f"-pno:{name}" for name in (*LEFT_OUT, *SLOW)]
        options = [mode, "--gate-report=gate.json", *plugins, *arguments]
        result = (
            pytester.runpytest_subprocess(*options)
            if process
            else pytester.runpytest_inprocess(*options, no_reraise_ctrlc=True)
        )
        path = pytester.path / "gate.json"
        report = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return Gated(int(result.ret), report, result.stdout.str() + result.stderr.str())

    return run


class Repository:
    """A real git repository."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str) -> str:
        """Run git in it."""
        done = subprocess.run(["git", *arguments], cwd=self.path, check=True, capture_output=True, text=True)
        return done.stdout

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def commit(self, message: str = "change", **files: str) -> str:
        """Commit all that is there, after writing some files (`a_py` is `a.py`); gives the commit."""
        for name, text in files.items():
            self.write(name.replace("_py", ".py"), text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture
def git_identity(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep git away from the configuration of whoever runs the tests."""
    path = tmp_path_factory.mktemp("git") / "config"
    path.write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n", "utf-8")
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(path))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))  # where scratch trees are pooled
    return path


@pytest.fixture
def repository(git_identity: Path, pytester: pytest.Pytester) -> Repository:
    """Make a repository on `main` in the folder where the gate runs."""
    assert git_identity.exists()
    found = Repository(pytester.path)
    found.git("init", "--quiet", "--initial-branch=main")
    found.write(".gitignore", "__pycache__/\n.pytest_cache/\ngate.json\n")
    return found
