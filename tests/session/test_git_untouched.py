"""What the gate reads from git, and that it leaves all of it as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import Repository, RunGate

FAILS = "import pytest\n@pytest.mark.golden_path\ndef test_it(): assert 0\n"
HOLDS = FAILS.replace("assert 0", "pass")


def state(repository: Repository) -> dict[str, object]:
    """Take down all that a person may have in a repository."""
    inside = repository.path / ".git"
    return {
        "status": repository.git("status", "--porcelain", "--untracked-files=all"),
        "refs": repository.git("for-each-ref", "refs/heads", "refs/tags", "refs/remotes", "refs/stash"),
        "head": (inside / "HEAD").read_text(),
        "stash": repository.git("stash", "list"),
        "config": (inside / "config").read_text(),
        "index": (inside / "index").read_bytes() if (inside / "index").exists() else None,
        "files": {path: path.read_bytes() for path in repository.path.glob("*.py")},
    }


def test_a_gate_leaves_the_repository_as_it_was(gate: RunGate, repository: Repository) -> None:
    """No stash, no checkout, no reset, not even a refreshed index."""
    repository.commit(test_it_py=FAILS)
    repository.write("test_it.py", FAILS + "# edited\n")
    repository.write("staged.py", "# staged\n")
    repository.git("add", "staged.py")
    os.utime(repository.path / "staged.py", (1, 1))
    before = state(repository)
    assert gate().status == 80
    assert state(repository) == before


def test_on_a_live_branch_deadlines_run(gate: RunGate, repository: Repository) -> None:
    """What is committed on main is live: it has a level, a deadline, and somebody to call."""
    commit = repository.commit(test_it_py=FAILS)
    gated = gate()
    finding = gated.report["findings"][0]
    assert (finding["level"], finding["deadline_s"]) == ("commit", 300.0)
    assert gated.report["subject"] | {"commit": commit, "branch": "main", "live": True} == gated.report["subject"]
    assert gated.report["recommendation"]["respond_by"] is not None
    assert "roll back within 5 min, by " in gated.words
    assert "call tier 1, technical lead; answers within 15 min" in gated.words


def test_elsewhere_no_deadline_runs(gate: RunGate, repository: Repository) -> None:
    """Nobody is hurt by a branch that is not live."""
    repository.commit(test_it_py=FAILS)
    repository.git("switch", "--quiet", "--create", "feature")
    gated = gate()
    assert gated.report["findings"][0]["deadline_s"] is None
    assert gated.report["findings"][0]["level"] == "commit"
    assert not gated.report["subject"]["live"]


@pytest.mark.parametrize("staged", [True, False])
def test_uncommitted_work_is_taken_back_not_rolled_back(gate: RunGate, repository: Repository, *, staged: bool) -> None:
    """What is not committed has hurt nobody yet; the level is the change."""
    repository.commit(test_it_py=HOLDS)
    repository.write("test_it.py", FAILS)
    if staged:
        repository.git("add", "test_it.py")
    gated = gate()
    finding = gated.report["findings"][0]
    assert (finding["level"], finding["deadline_s"]) == ("change", None)
    assert "take the change back" in gated.text


def test_before_the_first_commit_all_is_uncommitted(gate: RunGate, repository: Repository) -> None:
    """An unborn branch has no commit to name."""
    repository.write("test_it.py", FAILS)
    gated = gate()
    assert gated.report["subject"]["commit"] is None
    assert gated.report["findings"][0]["level"] == "change"


def test_the_policy_says_which_branches_are_live(gate: RunGate, repository: Repository) -> None:
    """A pattern covers release branches; main then is not live unless it is named."""
    repository.write("pytest-rollback.toml", "live = ['release/*']\n")
    repository.commit(test_it_py=FAILS)
    assert not gate().report["subject"]["live"]
    repository.git("switch", "--quiet", "--create", "release/1.0")
    assert gate().report["subject"]["live"]


def test_the_remotes_default_branch_is_live(gate: RunGate, repository: Repository) -> None:
    """A project whose trunk has another name needs no configuration."""
    repository.commit(test_it_py=FAILS)
    repository.git("switch", "--quiet", "--create", "trunk")
    assert not gate().report["subject"]["live"]
    repository.git("update-ref", "refs/remotes/origin/trunk", "HEAD")
    repository.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert gate().report["subject"]["live"]


def test_a_detached_head_takes_its_branch_from_the_ci(
    gate: RunGate, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CI systems check a commit out and say in a variable which branch it stands for."""
    repository.commit(test_it_py=FAILS)
    repository.git("switch", "--quiet", "--detach")
    assert gate().report["subject"]["branch"] is None
    monkeypatch.setenv("BRANCH_NAME", "main")
    assert gate().report["subject"]["live"]


def test_tests_do_not_inherit_a_hooks_git_variables(
    gate: RunGate, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that runs git under a commit hook would otherwise work on the repository that is committed to."""
    repository.commit(
        test_it_py="import os, pytest\n@pytest.mark.golden_path\n"
        "def test_it(): assert not {'GIT_DIR', 'GIT_INDEX_FILE'} & set(os.environ)\n"
    )
    monkeypatch.setenv("GIT_DIR", str(repository.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    gated = gate()
    assert gated.status == 0
    assert gated.report["subject"]["branch"] == "main"
    assert os.environ["GIT_INDEX_FILE"] == ".git/index"


def test_the_index_that_is_about_to_be_committed_is_read(
    gate: RunGate, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`git commit PATH` works with an index of its own, which the hook is told of."""
    repository.commit(test_it_py=FAILS)
    other = tmp_path / "other-index"
    other.write_bytes((repository.path / ".git" / "index").read_bytes())
    repository.write("more.py", "# more\n")
    monkeypatch.setenv("GIT_INDEX_FILE", str(other))
    repository.git("add", "more.py")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert not gate().report["subject"]["uncommitted"]
    monkeypatch.setenv("GIT_INDEX_FILE", str(other))
    assert gate().report["subject"]["uncommitted"]


def test_outside_git_the_gate_judges_all_the_same(gate: RunGate) -> None:
    """Git makes the way back; the verdict needs none."""
    gated = gate(FAILS)
    assert gated.status == 80
    assert gated.report["subject"]["commit"] is None


def test_without_git_the_gate_says_so(gate: RunGate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without git still has tests that must not break."""
    monkeypatch.setenv("PATH", "/nowhere")
    gated = gate(FAILS)
    assert gated.status == 80
    assert "git is not installed" in gated.text


def test_the_policy_is_found_above_the_root(gate: RunGate, repository: Repository) -> None:
    """A project whose pytest.ini lies in a folder of its own keeps its policy at the repository's top."""
    repository.write("pytest-rollback.toml", "mode = 'shadow'\n")
    repository.write("sub/pytest.ini", "[pytest]\n")
    repository.commit(**{"sub/test_it_py": FAILS})
    gated = gate("", "-c", "sub/pytest.ini", "--rootdir=sub", "sub")
    assert gated.report["mode"] == "shadow"


def test_a_start_in_a_folder_that_nothing_calls_a_root_is_narrowed(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester
) -> None:
    """Without any configuration pytest takes the folder for the root; the repository knows better."""
    repository.commit(**{"sub/test_it_py": HOLDS, "test_other_py": FAILS})
    monkeypatch.chdir(repository.path / "sub")
    result = pytester.runpytest_inprocess("--safety-gate", "-pno:randomly", "-pno:asyncio")
    assert int(result.ret) == 81
    result.stdout.fnmatch_lines(["*its repository starts further up*"])
