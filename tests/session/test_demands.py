"""The trusted base: what it demands stays demanded, and taking it away is a finding."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from conftest import Repository, RunGate
from pytest_rollback.cli import main

HEAD = "import pytest\n"
ONE = "@pytest.mark.golden_path('chat')\ndef test_one(): pass\n"
TWO = "@pytest.mark.golden_path\ndef test_two():\n    total = sum(range(4))\n    assert total == 6\n"


@pytest.fixture
def project(repository: Repository) -> Repository:
    """Commit a project on main, and go on to a branch."""
    repository.commit("one", test_it_py=HEAD + ONE + TWO)
    repository.git("switch", "--quiet", "--create", "feature")
    return repository


def names(gated: object) -> list[str]:
    """List what was lost and nobody approved."""
    return [loss["name"] for loss in gated.report["losses"] if loss["approved"] is None]  # type: ignore[attr-defined]


@pytest.mark.parametrize("known", [True, False], ids=["on record", "asked in a scratch tree"])
@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (HEAD + ONE, ["gone:test_it.py::test_two"]),
        (HEAD + ONE + TWO.replace("@pytest.mark.golden_path\n", ""), ["unmarked:test_it.py::test_two"]),
        (HEAD + ONE.replace("'chat'", "") + TWO, ["unmarked:test_it.py::test_one"]),
        (HEAD + ONE + "@pytest.mark.skip\n" + TWO, ["skipped:test_it.py::test_two"]),
        (
            HEAD + ONE + TWO.replace("    total", "    pytest.skip('later')\n    total"),
            ["skipped:test_it.py::test_two"],
        ),
        (HEAD + ONE + "@pytest.mark.xfail\n" + TWO.replace("6", "7"), ["xfailed:test_it.py::test_two"]),
        (HEAD + ONE + TWO.replace("test_two", "test_second"), []),
        (HEAD + TWO + ONE, []),
        (HEAD + ONE + TWO + "@pytest.mark.golden_path\ndef test_three(): pass\n", []),
    ],
)
def test_what_is_taken_away_blocks(
    gate: RunGate, project: Repository, change: str, lost: list[str], *, known: bool
) -> None:
    """Whether the base was judged before or has to be asked now; moves and renames take nothing away."""
    if known:
        assert gate("").status == 0
    project.write("test_it.py", change)
    gated = gate("")
    assert names(gated) == lost
    assert gated.status == (80 if lost else 0)
    assert gated.triggers == (["erosion"] if lost else [])
    assert gated.report["base"]["commit"] == project.git("rev-parse", "main").strip()
    assert all(name in gated.text for name in lost)


def test_a_test_that_moves_to_another_file_is_followed(gate: RunGate, project: Repository) -> None:
    """A refactoring that keeps the tests loses nothing."""
    gate("")
    project.write("test_it.py", HEAD + ONE)
    project.write("deep/test_other.py", HEAD + TWO)
    project.git("add", "--all")
    assert names(gate("")) == []


def test_the_stricter_of_both_policies_judges(gate: RunGate, project: Repository) -> None:
    """A row that the change switches off still fires, beside the finding that it was switched off."""
    gate("")
    project.write("pytest-rollback.toml", "[triggers.golden-path]\nenabled = false\n[triggers.chat]\nenabled = false\n")
    project.write("test_it.py", HEAD + ONE.replace("pass", "assert 0") + TWO)
    gated = gate("")
    assert gated.status == 80
    assert {"golden-path", "chat", "erosion"} <= set(gated.triggers)
    assert "policy:triggers.golden-path.enabled" in names(gated)


def test_on_the_trusted_branch_itself_the_newest_known_good_is_the_base(gate: RunGate, repository: Repository) -> None:
    """Not one that is older: what was added since is demanded too, of what is committed and of what is not yet."""
    repository.commit("one", test_it_py=HEAD + ONE)
    assert gate("").status == 0
    second = repository.commit("two", test_it_py=HEAD + ONE + TWO)
    assert gate("").status == 0
    repository.write("test_it.py", HEAD + ONE)
    for _ in range(2):
        gated = gate("")
        assert (gated.status, names(gated)) == (80, ["gone:test_it.py::test_two"])
        assert gated.report["base"]["commit"] == second
        repository.commit("three")


def test_a_first_policy_of_a_project_without_a_gate_takes_nothing_away(gate: RunGate, repository: Repository) -> None:
    """There was nothing that it could loosen."""
    repository.commit("one", readme_py="")
    repository.write("test_it.py", HEAD + ONE)
    repository.write("pytest-rollback.toml", "mode = 'shadow'\n")
    repository.git("add", "--all")
    gated = gate("")
    assert (gated.status, names(gated), gated.report["mode"]) == (0, [], "shadow")


def test_a_change_does_not_choose_its_own_base(gate: RunGate, project: Repository) -> None:
    """It would choose itself, and have nothing to hold against it."""
    project.write("pytest-rollback.toml", "trusted = 'feature'\nlive = ['nothing']\n")
    project.commit("two", test_it_py=HEAD + ONE)
    gated = gate("")
    assert "gone:test_it.py::test_two" in names(gated)
    assert gated.report["base"]["commit"] == project.git("rev-parse", "main").strip()


def test_what_a_person_approved_is_let_pass_and_no_more(
    gate: RunGate, project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For that name, from that to that."""
    gate("")
    project.write("test_it.py", HEAD + ONE)
    assert gate("").status == 80
    monkeypatch.chdir(project.path)
    assert main(["approve", "gone:test_it.py::test_two", "--reason", "it was the same as test_one"]) == 0
    gated = gate("")
    assert gated.status == 0
    assert "it was the same as test_one" in gated.report["losses"][0]["approved"]
    project.write("test_it.py", HEAD + "def test_none(): pass\n")
    assert names(gate("")) == ["gone:test_it.py::test_one"]
    capsys.readouterr()


def test_a_trailer_approves_too(gate: RunGate, project: Repository) -> None:
    """With the change itself, in its history."""
    gate("")
    project.commit("Drop it\n\nGate-Approved: gone:test_it.py::test_two it was a copy\n", test_it_py=HEAD + ONE)
    gated = gate("")
    assert (gated.status, names(gated)) == (0, [])
    assert "it was a copy" in gated.report["losses"][0]["approved"]


def test_a_protected_file_is_restored_and_not_altered(
    gate: RunGate, project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Altered or missing, it is a finding at level file until it is back."""
    project.git("switch", "--quiet", "main")
    project.write("pytest-rollback.toml", 'protected = ["schema/**"]\n')
    path = project.write("schema/user.json", '{"version": 1}\n')
    project.commit("two")
    assert gate("").status == 0
    path.write_text('{"version": 2}\n')
    gated = gate("")
    assert (gated.status, gated.triggers) == (80, ["protected-files"])
    assert gated.report["next"] == "pytest-rollback restore schema/user.json"
    path.unlink()
    assert names(gate("")) == ["protected:schema/user.json"]
    monkeypatch.chdir(project.path)
    capsys.readouterr()
    assert main(["restore", "schema/user.json"]) == 0
    assert path.read_text() == '{"version": 1}\n'
    assert gate("").status == 0
    project.write("schema/new.json", "{}\n")
    project.git("add", "--all")
    assert gate("").status == 0


def test_copies_that_drift_from_their_source_block(gate: RunGate, project: Repository) -> None:
    """A copy of a canonical file says what that says."""
    project.write(
        "pytest-rollback.toml", "[drift.user]\nsource = 'schema/user.json'\ncopies = ['services/*/user.json']\n"
    )
    project.write("schema/user.json", "{}\n")
    project.write("services/mail/user.json", "{}\n")
    project.commit("two")
    assert gate("").status == 0
    project.write("services/mail/user.json", '{"more": 1}\n')
    gated = gate("")
    assert (gated.status, gated.triggers) == (80, ["drift"])
    assert "services/mail/user.json" in gated.words


def test_a_machines_commit_needs_a_person_where_the_policy_says_so(
    gate: RunGate, project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its author, or by who wrote it together with them."""
    project.git("switch", "--quiet", "main")
    project.write("pytest-rollback.toml", "machine-approval = true\n")
    project.commit("two")
    gate("")
    project.git("switch", "--quiet", "--create", "by-machine")
    project.commit("three\n\nCo-Authored-By: robot <robot[bot]@example.org>\n", other_py="")
    gated = gate("")
    assert (gated.status, gated.triggers) == (80, ["machine-commit"])
    monkeypatch.chdir(project.path)
    assert main(["approve", "machine:*", "--reason", "read line by line"]) == 0
    assert gate("").status == 0
    capsys.readouterr()


def test_in_a_shallow_clone_erosion_is_unchecked_and_said(
    gate: RunGate, project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never fine: a row of its own watches it, and a team may let that row block."""
    project.commit("two", other_py="")
    clone = tmp_path / "clone"
    url = f"file://{project.path}"
    command = ["git", "clone", "--quiet", "--depth=1", "--branch=feature", url, str(clone)]
    subprocess.run(command, check=True)
    monkeypatch.chdir(clone)
    gated = gate("")
    report = json.loads((clone / "gate.json").read_text("utf-8"))
    assert report["base"]["how"].startswith("unchecked: ")
    assert "erosion-unchecked" in [finding["trigger"] for finding in report["findings"]]
    assert "git fetch --unshallow" in gated.words or "fetch-depth" in gated.words


def test_a_base_that_can_not_be_asked_leaves_it_unchecked(gate: RunGate, repository: Repository) -> None:
    """Its conftest needs what is not here any more."""
    repository.write("conftest.py", "import nothing_of_the_kind\n")
    repository.commit("one", test_it_py=HEAD + ONE)
    repository.write("conftest.py", "")
    repository.commit("two")
    repository.git("switch", "--quiet", "--create", "feature", "HEAD~1")
    repository.git("cherry-pick", "main")
    repository.git("branch", "--force", "main", "HEAD~1")
    gated = gate("")
    assert "erosion-unchecked" in gated.triggers
    assert gated.status == 0
    assert "could not be collected" in gated.words


def test_a_narrowed_gate_finds_nothing_gone(gate: RunGate, project: Repository) -> None:
    """What it did not look for may well be there."""
    gate("")
    project.write("deep/test_other.py", HEAD + ONE)
    project.git("add", "--all")
    gated = gate("", "deep")
    assert (gated.status, names(gated)) == (81, [])


# --- what a change might try, to get past what the base demands ---


def test_a_hook_of_the_change_loosens_no_row_of_the_base(gate: RunGate, project: Repository) -> None:
    """A conftest may add rows; what it says of a shipped one counts from the day on which it is trusted."""
    row = {"golden-path": {"action": "note", "severity": "low", "level": "none"}}
    project.write("conftest.py", f"def pytest_rollback_triggers(config): return {row!r}\n")
    project.write("test_it.py", HEAD + ONE + TWO.replace("== 6", "== 7"))
    project.git("add", "--all")
    for _ in range(2):
        gated = gate("")
        assert gated.status == 80
        assert "golden-path" in gated.triggers
        assert "policy:triggers.golden-path.action" in names(gated)


def test_a_base_that_can_not_be_asked_still_has_a_policy_and_files(gate: RunGate, repository: Repository) -> None:
    """What is not known of its tests keeps nobody from seeing the rest."""
    repository.write("conftest.py", "import nothing_of_the_kind\n")
    repository.write("pytest-rollback.toml", 'protected = ["schema/*"]\n')
    repository.write("schema/user.json", "1")
    repository.commit("one", test_it_py=HEAD + ONE)
    repository.git("switch", "--quiet", "--create", "feature")
    repository.write("conftest.py", "")
    repository.write("pytest-rollback.toml", "[triggers.golden-path]\nenabled = false\n")
    repository.write("schema/user.json", "2")
    repository.commit("two")
    gated = gate("")
    assert gated.status == 80
    assert {"policy:protected", "policy:triggers.golden-path.enabled", "protected:schema/user.json"} <= {*names(gated)}
    assert "erosion-unchecked" in gated.triggers


def test_a_root_that_moves_down_hides_nothing(gate: RunGate, repository: Repository) -> None:
    """Patterns begin where their policy stands, and another root is another suite."""
    repository.write(
        "pyproject.toml",
        "[tool.pytest.ini_options]\ntestpaths = ['tests']\n[tool.pytest-rollback]\nprotected = ['schema/*']\n",
    )
    repository.write("tests/test_it.py", HEAD + ONE)
    repository.write("schema/user.json", "1")
    repository.commit("one")
    repository.git("switch", "--quiet", "--create", "feature")
    repository.write("tests/pytest.ini", "[pytest]\n")
    repository.write("schema/user.json", "2")
    repository.git("add", "--all")
    gated = gate("", "tests")
    assert gated.status == 80
    assert {"setting:root", "protected:schema/user.json"} <= {*names(gated)}


def test_a_policy_that_is_taken_away_is_missed(gate: RunGate, repository: Repository) -> None:
    """Wherever it stood: pytest may by now take another folder for the root."""
    repository.write("backend/pytest-rollback.toml", "protected = ['schema/*']\n")
    repository.write("backend/pytest.ini", "[pytest]\n")
    repository.write("backend/test_it.py", HEAD + ONE)
    repository.commit("one")
    repository.git("switch", "--quiet", "--create", "feature")
    repository.git("rm", "--quiet", "backend/pytest-rollback.toml", "backend/pytest.ini")
    repository.write("pytest.ini", "[pytest]\n")
    repository.git("add", "--all")
    gated = gate("")
    assert gated.status == 80
    assert "policy:backend/pytest-rollback.toml" in names(gated)


def test_a_base_policy_that_nobody_can_read_any_more_still_protects(gate: RunGate, repository: Repository) -> None:
    """Of a key that is unknown by now nothing holds; all else does, and it is said."""
    repository.write("pytest-rollback.toml", 'protected = ["schema/*"]\nno-such-key = 1\n')
    repository.write("schema/user.json", "1")
    repository.commit("one", test_it_py=HEAD + ONE)
    repository.git("switch", "--quiet", "--create", "feature")
    repository.write("pytest-rollback.toml", "")
    repository.write("schema/user.json", "2")
    gated = gate("")
    assert "protected:schema/user.json" in names(gated)
    assert "no-such-key" in gated.report["base"]["how"]


def test_a_list_from_another_environment_is_not_taken_for_ours(
    gate: RunGate, project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, other tests are skipped; so the base is asked again, here."""
    there = HEAD + ONE + "import os\n@pytest.mark.skipif('ELSEWHERE' not in os.environ, reason='here')\n" + TWO
    project.git("switch", "--quiet", "main")
    project.commit("two", test_it_py=there)
    (tmp_path / "other-1.0.dist-info").mkdir()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("ELSEWHERE", "1")
        elsewhere.syspath_prepend(str(tmp_path))
        assert gate("").report["tests"]["skipped"] == 0
    project.commit("three", other_py="")
    assert names(gate("")) == []


def test_a_pass_without_a_base_is_no_base(gate: RunGate, repository: Repository) -> None:
    """Else a loss that nobody could see would be washed clean by the next gate."""
    repository.write("conftest.py", "import nothing_of_the_kind\n")
    first = repository.commit("one", test_it_py=HEAD + ONE + TWO)
    repository.write("conftest.py", "")
    second = repository.commit("two", test_it_py=HEAD + ONE)
    assert "erosion-unchecked" in gate("").triggers
    repository.commit("three", other_py="")
    assert gate("").report["base"]["commit"] == second
    assert first != second


@pytest.mark.parametrize("option", ["--gate-no-record", "--gate-shard=1/2", "--gate-policy=x.toml"])
def test_configuration_does_not_mute_the_gate(gate: RunGate, project: Repository, option: str) -> None:
    """What takes something from a gate is typed by whoever starts it."""
    project.write("pytest.ini", f"[pytest]\naddopts = {option}\n")
    gated = gate("")
    assert gated.status == 4
    assert "would mute every gate" in gated.text


def test_a_record_that_can_not_be_read_is_no_pass(gate: RunGate, project: Repository) -> None:
    """Nobody can tell what it would have held against the change."""
    gate("")
    (project.path / ".git" / "refs" / "rollback" / "ledger").write_text("garbage\n")
    project.write("test_it.py", HEAD + ONE)
    gated = gate("")
    assert gated.status == 80
    assert "gone:test_it.py::test_two" in names(gated)
    project.write("test_it.py", HEAD + ONE + TWO)
    gated = gate("")
    assert (gated.status, gated.report["reason"]) == (81, "unreadable record")
