"""`--gate-staged`: what is judged is what `git commit` would commit, and nothing of the user's is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conftest import Repository
from pytest_rollback.cli import main

GOLDEN = "import pytest\n@pytest.mark.golden_path\ndef test_it():\n    import lib\n    assert lib.answer() == 42\n"
RIGHT = "def answer(): return 42\n"
WRONG = "def answer(): return 41\n"
QUIET = ("-pno:asyncio", "-pno:randomly", "-pno:testmon", "-pno:benchmark", "-pno:django", "-pno:flask")


class Staged(NamedTuple):
    """What a staged gate gave."""

    status: int
    report: dict[str, Any]
    text: str

    @property
    def words(self) -> str:
        """Give the text without its line ends."""
        return " ".join(self.text.split())


RunStaged = Callable[..., Staged]


@pytest.fixture
def staged(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunStaged:
    """Run a staged gate in a process of its own, with a pool of scratch trees that no other test uses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("PYTEST_ADDOPTS", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, folder: Path = repository.path, report: str = "gate.json", **environment: str) -> Staged:
        command = [sys.executable, "-m", "pytest", "--safety-gate", "--gate-staged", f"--gate-report={report}", *QUIET]
        done = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        path = folder / report
        found = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return Staged(done.returncode, found, done.stdout + done.stderr)

    return run


@pytest.fixture
def project(repository: Repository) -> Repository:
    """Commit a project whose gate holds."""
    repository.commit("one", lib_py=RIGHT, test_it_py=GOLDEN, conftest_py="")
    return repository


def state(repository: Repository) -> dict[str, object]:
    """Take down all that a person may have in a repository."""
    inside = repository.path / ".git"
    kept = ("*.py", "*.txt", "*.toml", "sub/*")
    return {
        "status": repository.git("status", "--porcelain", "--untracked-files=all"),
        "refs": repository.git("for-each-ref", "refs/heads", "refs/tags", "refs/remotes", "refs/stash"),
        "head": (inside / "HEAD").read_text(),
        "stash": repository.git("stash", "list"),
        "config": (inside / "config").read_text(),
        "index": (inside / "index").read_bytes(),
        "files": {path: path.read_bytes() for kind in kept for path in repository.path.glob(kind) if path.is_file()},
    }


def test_the_index_is_judged_and_not_the_work_tree(staged: RunStaged, project: Repository) -> None:
    """Both ways: an edit that is not staged neither saves a bad commit nor stops a good one."""
    project.write("lib.py", WRONG)
    project.git("add", "lib.py")
    project.write("lib.py", RIGHT)
    gated = staged()
    assert (gated.status, gated.report["subject"]["what"]) == (80, "staged")
    assert "assert 41 == 42" in gated.text
    project.git("add", "lib.py")
    project.write("lib.py", WRONG)
    before = state(project)
    assert staged().status == 0
    assert state(project) == before


def test_what_is_broken_in_the_work_tree_does_not_matter(staged: RunStaged, project: Repository) -> None:
    """It takes over before any conftest of the work tree is loaded, and before its configuration counts."""
    project.write("conftest.py", "raise RuntimeError('half-way through an edit')\n")
    project.write("test_it.py", "import nothing_of_the_kind\n")
    assert staged().status == 0
    project.git("add", "conftest.py")
    assert staged().status != 0


def test_a_forgotten_file_is_named(staged: RunStaged, project: Repository) -> None:
    """The commonest lie of a work tree: it runs here, since the new module was never added."""
    project.write("helper.py", "answer = 42\n")
    project.write("lib.py", "import helper\ndef answer(): return helper.answer\n")
    project.git("add", "lib.py")
    gated = staged()
    assert gated.status == 80
    assert "No module named 'helper'" in gated.text
    project.git("add", "helper.py")
    assert staged().status == 0


def test_the_tree_of_the_commit_that_follows_has_its_verdict(
    staged: RunStaged, project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So a staged pass makes the commit a known good."""
    project.write("lib.py", RIGHT + "# more\n")
    project.git("add", "lib.py")
    tree = staged().report["subject"]["tree"]
    project.git("commit", "--quiet", "--no-verify", "-m", "two")
    assert project.git("rev-parse", "HEAD^{tree}").strip() == tree
    monkeypatch.chdir(project.path)
    assert main(["log", "--json"]) == 0
    newest = json.loads(capsys.readouterr().out)["events"][0]
    assert (newest["tree"], newest["verdict"], newest["keyed"], newest["steady"]) == (tree, "passed", True, True)


def test_paths_mean_the_scratch_tree_and_reports_go_to_the_caller(
    staged: RunStaged, project: Repository, tmp_path: Path
) -> None:
    """Whoever reads the report looks for it where it was asked for."""
    project.commit(
        "two",
        **{
            "sub/pytest.ini": "",
            "sub/test_sub.py": GOLDEN.replace("import lib", "lib = pytest").replace("lib.answer()", "42"),
        },
    )
    folder = project.path / "sub"
    gated = staged("--junitxml=unit.xml", folder=folder, report="own.json")
    assert gated.status == 0
    assert (folder / "own.json").is_file()
    assert (folder / "unit.xml").is_file()
    assert staged(str(project.path / "test_it.py"), report=str(tmp_path / "far.json")).report["tests"]["selected"] == 1
    assert staged(str(project.path / "sub"), "../" + project.path.name).status in (0, 80, 81)


@pytest.mark.parametrize(
    ("arrange", "status", "says"),
    [
        (["rm", "-r", "--cached", "."], 80, "gone:test_it.py::test_it"),
        (["init-other"], 4, "there is no git work tree here"),
        (["conflict"], 81, "unmerged"),
    ],
)
def test_where_it_can_not_judge_it_says_so(
    staged: RunStaged, project: Repository, tmp_path: Path, arrange: list[str], status: int, says: str
) -> None:
    """An index with conflicts makes no tree; outside git nothing is staged."""
    folder = project.path
    if arrange == ["init-other"]:
        folder = tmp_path / "outside"
        folder.mkdir()
    elif arrange == ["conflict"]:
        project.git("switch", "--quiet", "--create", "other")
        project.commit("theirs", lib_py=RIGHT + "# theirs\n")
        project.git("switch", "--quiet", "main")
        project.commit("ours", lib_py=RIGHT + "# ours\n")
        subprocess.run(["git", "merge", "other"], cwd=project.path, check=False, capture_output=True)
    else:
        project.git(*arrange)
    gated = staged(folder=folder)
    assert (gated.status, says in gated.text) == (status, True), gated.text


def test_the_first_commit_of_a_repository(staged: RunStaged, repository: Repository) -> None:
    """There is no HEAD yet, and so no base."""
    repository.write("lib.py", RIGHT)
    repository.write("test_it.py", GOLDEN)
    repository.git("add", "--all")
    gated = staged()
    assert gated.status == 0
    assert gated.report["base"]["how"] == "the first commit"
    assert gated.report["subject"]["commit"] is None


def test_groups_for_ci_are_left_to_it(staged: RunStaged, project: Repository) -> None:
    """They are counted, so that a pass does not claim them."""
    project.commit(
        "two",
        test_slow_py="import pytest\n@pytest.mark.slow\ndef test_slow(): assert 0\n",
        pytest_rollback_toml="",
    )
    project.write("pytest-rollback.toml", "[groups.slow]\nat = 'ci'\n")
    project.git("add", "--all")
    gated = staged()
    assert (gated.status, gated.report["tests"]["left_to_ci"], gated.report["tests"]["selected"]) == (0, 1, 1)
    assert "1 left to CI" in gated.words


def test_ignored_files_that_the_policy_names_are_carried_along(staged: RunStaged, project: Repository) -> None:
    """A local setting that no commit holds, and that the tests can't do without; what was forgotten is not."""
    project.write(".gitignore", "__pycache__/\ngate.json\nlocal/\n")
    project.write("pytest-rollback.toml", "carry = ['local/*.ini']\n")
    code = GOLDEN + "    import pathlib\n    assert pathlib.Path('local/a b.ini').read_text() == 'here'\n"
    project.write("test_it.py", code)
    project.write("local/a b.ini", "here")
    project.git("add", "--all")
    assert staged().status == 0
    project.write("pytest-rollback.toml", "")
    project.git("add", "--all")
    assert staged().status == 80


def test_it_stops_after_the_first_group_that_blocks(staged: RunStaged, project: Repository) -> None:
    """Who waits for a commit need not wait for more, once the verdict can't change."""
    project.write("test_it.py", GOLDEN + "@pytest.mark.mission_critical\ndef test_later(): pass\n")
    project.write("lib.py", WRONG)
    project.git("add", "--all")
    gated = staged()
    assert (gated.status, gated.report["tests"]["not_run"]) == (80, 1)
    assert {test["test"]: test["outcome"] for test in gated.report["not_passed"]}[
        "test_it.py::test_later"
    ] == "withheld"


def test_workers_judge_the_same(staged: RunStaged, project: Repository) -> None:
    """They inherit what leads their imports into the scratch tree."""
    project.write("lib.py", WRONG)
    project.git("add", "lib.py")
    project.write("lib.py", RIGHT)
    assert staged("-n2").status == 80


def test_what_is_loaded_from_the_work_tree_by_its_place_is_no_pass(staged: RunStaged, project: Repository) -> None:
    """No guard of imports sees a file that is read by its absolute path, so it is looked for at the end."""
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('sly', {str(project.path / 'lib.py')!r})\n"
        "module = importlib.util.module_from_spec(spec)\nsys.modules['sly'] = module\nspec.loader.exec_module(module)\n"
    )
    project.write("conftest.py", code)
    project.git("add", "conftest.py")
    gated = staged()
    assert gated.status == 81
    assert gated.report["reason"] == "wrong tree"
    assert "sly was loaded from the work tree" in gated.words


def test_a_path_that_leads_elsewhere_is_not_judged_for_this(
    staged: RunStaged, project: Repository, tmp_path: Path
) -> None:
    """Another project's pass is not this tree's, however it was named."""
    project.commit("bad", lib_py=WRONG)
    other = tmp_path / "other"
    other.mkdir()
    (other / "pytest.ini").write_text("[pytest]\n")
    (other / "test_ok.py").write_text("import pytest\n@pytest.mark.golden_path\ndef test_ok(): pass\n")
    gated = staged(str(other))
    assert gated.status != 0
    assert "wrong tree" in [obstacle["reason"] for obstacle in gated.report["obstacles"]]


def test_a_link_to_the_work_tree_means_the_scratch_tree(staged: RunStaged, project: Repository, tmp_path: Path) -> None:
    """Homes are links on many machines."""
    project.write("lib.py", WRONG)
    project.git("add", "lib.py")
    project.write("lib.py", RIGHT)
    (tmp_path / "link").symlink_to(project.path)
    assert staged(str(tmp_path / "link" / "test_it.py")).status == 80
    assert staged(str(tmp_path / "link")).status == 80


def test_a_tree_that_its_own_session_changes_is_no_known_good(staged: RunStaged, project: Repository) -> None:
    """What ran was not what the commit will hold."""
    project.write("lib.py", WRONG)
    project.write("conftest.py", f"import pathlib\npathlib.Path('lib.py').write_text({RIGHT!r})\n")
    project.git("add", "--all")
    gated = staged()
    assert (gated.status, gated.report["reason"]) == (81, "tree moved")
    assert gated.report["obstacles"][0]["tests"] == ["lib.py"]


def test_a_report_named_in_the_environment_goes_to_the_caller_too(staged: RunStaged, project: Repository) -> None:
    """Not into a scratch tree that nobody looks at."""
    assert staged(PYTEST_ADDOPTS="--gate-report=more.json").status == 0
    assert (project.path / "more.json").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whoever_ends_it_the_repository_is_as_it_was(
    staged: RunStaged, project: Repository, number: signal.Signals, tmp_path: Path
) -> None:
    """And the next one finds a scratch tree that works."""
    assert staged().status == 0
    mark = tmp_path / "up"
    project.write("lib.py", f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(60)\n{RIGHT}")
    project.git("add", "lib.py")
    before = state(project)
    command = [sys.executable, "-m", "pytest", "--gate-staged", *QUIET]
    session = subprocess.Popen(command, cwd=project.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < end:
        time.sleep(0.05)
    session.send_signal(number)
    assert session.wait(timeout=60) != 0
    assert state(project) == before
    project.write("lib.py", RIGHT)
    project.git("add", "lib.py")
    assert staged().status == 0


class TestByTheHook:
    """As git calls it: each way to commit has an index of its own."""

    @pytest.fixture(autouse=True)
    def hooked(self, project: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Install the hook with this interpreter."""
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.chdir(project.path)
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(QUIET))
        assert main(["init", "--hook"]) == 0
        project.git("add", "--all")
        project.git("commit", "--quiet", "--no-verify", "-m", "policy")

    @staticmethod
    def commit(project: Repository, *arguments: str) -> int:
        """Commit as a person does."""
        done = subprocess.run(
            ["git", "commit", "-m", "x", *arguments], cwd=project.path, check=False, capture_output=True
        )
        return done.returncode

    def test_commit_all(self, project: Repository) -> None:
        """Nothing is staged before; git makes an index for this commit."""
        project.write("lib.py", WRONG)
        assert self.commit(project, "-a") == 1
        project.write("lib.py", RIGHT + "# two\n")
        assert self.commit(project, "-a") == 0

    def test_commit_some_paths(self, project: Repository) -> None:
        """What else is staged is not part of that commit."""
        project.write("lib.py", WRONG)
        project.write("conftest.py", "# two\n")
        project.git("add", "--all")
        assert self.commit(project, "conftest.py") == 0
        assert self.commit(project, "lib.py") == 1
        assert project.git("diff", "--cached", "--name-only").split() == ["lib.py"]

    def test_amend_and_merge_and_pick(self, project: Repository) -> None:
        """The tree is what counts, whatever its parents are going to be."""
        project.write("lib.py", WRONG)
        assert self.commit(project, "--amend", "-a") == 1
        project.write("lib.py", RIGHT + "# amended\n")
        assert self.commit(project, "--amend", "-a") == 0
        project.git("switch", "--quiet", "--create", "other", "HEAD~1")
        project.git("commit", "--quiet", "--no-verify", "--allow-empty", "-m", "other")
        project.git("merge", "--quiet", "--no-edit", "main")
        assert project.git("log", "-1", "--format=%P").count(" ") == 1
        assert project.git("status", "--porcelain") == ""

    def test_a_linked_work_tree(self, project: Repository, tmp_path: Path) -> None:
        """It has an index of its own, and shares the record."""
        other = tmp_path / "other"
        project.git("worktree", "add", "--quiet", str(other), "-b", "other")
        linked = Repository(other)
        linked.write("lib.py", WRONG)
        assert self.commit(linked, "-a") == 1
        linked.write("lib.py", RIGHT + "# linked\n")
        assert self.commit(linked, "-a") == 0
