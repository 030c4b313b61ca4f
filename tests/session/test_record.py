"""What a gate puts on record, and what it finds there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import Repository, RunGate
from pytest_rollback.cli import main
from pytest_rollback.events import PROTECTED, TESTS, Interrupted, Judgment
from pytest_rollback.repo.catalogue import Catalogue, Recorded
from pytest_rollback.repo.ledger import Ledger

HOLDS = "import pytest\n@pytest.mark.golden_path\ndef test_it(): pass\n"
FAILS = HOLDS.replace("pass", "assert 0")
FLAKY = (
    "import pathlib\nimport pytest\n@pytest.mark.golden_path\n@pytest.mark.flaky(reruns=1)\n"
    "def test_it():\n    path = pathlib.Path('.git/ran')\n    ran = path.exists()\n    path.touch()\n    assert ran\n"
)


def recorded(repository: Repository) -> list[Recorded]:
    """List what is on record, newest first."""
    with Catalogue(Ledger(repository.path)) as catalogue:
        return catalogue.entries()


def newest(repository: Repository) -> Judgment:
    """Read the newest event, which is a verdict."""
    event = Ledger(repository.path).read(recorded(repository)[0].id).event
    assert isinstance(event, Judgment)
    return event


def test_each_verdict_is_an_event_with_its_tests_beside_it(gate: RunGate, repository: Repository) -> None:
    """Enough to judge a later change by, and nothing that belongs to this machine."""
    commit = repository.commit(test_it_py=FAILS)
    assert gate().status == 80
    event = newest(repository)
    assert (event.verdict.value, event.reason.value, event.subject.commit) == ("blocked", "findings", commit)
    assert event.subject.tree == repository.git("rev-parse", "HEAD^{tree}").strip()
    assert (event.subject.keyed, event.complete, event.by) == (True, True, "Ada <ada@example.org>")
    kept = Ledger(repository.path).attachment(recorded(repository)[0].id, TESTS)
    assert kept is not None
    assert json.loads(kept)["tests"] == [["test_it.py::test_it", "failed", [["golden_path"]], None, False]] or kept
    raw = Ledger(repository.path).read(recorded(repository)[0].id).raw.decode()
    assert str(repository.path) not in raw
    assert os.uname().nodename not in raw.replace("linux", "")


def test_the_commit_that_follows_finds_the_verdict_of_its_edits(gate: RunGate, repository: Repository) -> None:
    """What was judged in the work tree is the tree of `git commit -a`."""
    repository.commit(test_it_py=HOLDS)
    repository.write("test_it.py", HOLDS + "# more\n")
    tree = gate().report["subject"]["tree"]
    repository.git("commit", "--quiet", "-a", "-m", "two")
    assert repository.git("rev-parse", "HEAD^{tree}").strip() == tree
    with Catalogue(Ledger(repository.path)) as catalogue:
        assert catalogue.good(tree) is not None


def test_untracked_files_make_it_nobodys_known_good(gate: RunGate, repository: Repository) -> None:
    """The commit that follows lacks them, so its tree was not what ran; ignored ones and reports do not count."""
    repository.commit(test_it_py=HOLDS)
    repository.write("forgotten one.py", "")
    gated = gate("", "--gate-report=other.json")
    assert gated.status == 0
    assert gated.report["subject"]["keyed"] is False
    assert gated.report["subject"]["unkeyed"] == ["untracked: forgotten one.py"]
    with Catalogue(Ledger(repository.path)) as catalogue:
        assert catalogue.good(gated.report["subject"]["tree"]) is None
    (repository.path / "forgotten one.py").unlink()
    assert gate("", "--gate-report=other.json").report["subject"]["keyed"] is True


def test_a_verdict_after_a_rerun_is_no_known_good(gate: RunGate, repository: Repository) -> None:
    """It holds, and is not steady."""
    repository.commit(test_it_py=FLAKY)
    gated = gate("")
    assert (gated.status, gated.report["steady"]) == (0, False)
    with Catalogue(Ledger(repository.path)) as catalogue:
        assert catalogue.good(gated.report["subject"]["tree"]) is None
    gated = gate("")
    assert gated.report["steady"] is True
    with Catalogue(Ledger(repository.path)) as catalogue:
        assert catalogue.good(gated.report["subject"]["tree"]) is not None


@pytest.mark.parametrize("arguments", [["--gate-no-record"], ["--collect-only"], ["--no-such-option"]])
def test_what_is_not_to_be_recorded_is_not(gate: RunGate, repository: Repository, arguments: list[str]) -> None:
    """Asked so, or since nothing was judged."""
    repository.commit(test_it_py=HOLDS)
    gate("", *arguments)
    assert recorded(repository) == []


def test_a_tree_that_moves_under_the_gate_is_no_pass(gate: RunGate, repository: Repository) -> None:
    """What ran was then no one tree, and the files that changed are named."""
    code = HOLDS.replace("pass", "__import__('pathlib').Path('data.txt').write_text('other')")
    repository.write("data.txt", "some")
    repository.commit(test_it_py=code)
    gated = gate("")
    assert (gated.status, gated.report["reason"]) == (81, "tree moved")
    assert gated.obstacles["tree moved"] == ["data.txt"]


def test_a_crash_becomes_an_event_of_the_next_session(gate: RunGate, repository: Repository) -> None:
    """It was not there to write one itself."""
    repository.commit(test_it_py=HOLDS.replace("pass", "import os; os._exit(3)"))
    gate("", process=True)
    assert recorded(repository) == []
    repository.commit(test_it_py=HOLDS)
    gate("")
    events = [Ledger(repository.path).read(each.id).event for each in recorded(repository)]
    assert [type(event) for event in events] == [Judgment, Interrupted]
    assert isinstance(events[1], Interrupted)
    assert events[1].in_flight == ("test_it.py::test_it",)
    gate("")
    assert len(recorded(repository)) == 3


def test_without_an_identity_it_is_recorded_all_the_same(
    gate: RunGate, repository: Repository, git_identity: Path
) -> None:
    """A CI machine has none; nobody's name is made up from the machine's."""
    repository.commit(test_it_py=HOLDS)
    git_identity.write_text("")
    assert gate("").status == 0
    assert newest(repository).by is None


def test_a_record_that_can_not_be_written_is_said_and_changes_no_verdict(gate: RunGate, repository: Repository) -> None:
    """The gate has looked; that nobody will find its verdict is another matter."""
    repository.commit(test_it_py=HOLDS)
    refs = repository.path / ".git" / "refs" / "rollback"
    refs.write_text("in the way")
    gated = gate("")
    assert gated.status == 0
    assert any("nothing was recorded" in note for note in gated.report["notes"])
    assert "nothing was recorded" in gated.words


def test_outside_git_it_says_that_nothing_is_recorded(gate: RunGate) -> None:
    """Nobody should look for it later."""
    assert "outside git: nothing is recorded" in gate(HOLDS).words


def test_sixteen_gates_at_once_lose_no_event(repository: Repository) -> None:
    """Each appends by compare and swap."""
    repository.commit(test_it_py=HOLDS)
    plugins = ["randomly", "testmon", "asyncio", "django", "flask", "benchmark", "html", "anyio", "jsonreport"]
    command = [sys.executable, "-m", "pytest", "--safety-gate", "-q", *(f"-pno:{name}" for name in plugins)]
    for _ in range(4):
        running = [subprocess.Popen(command, cwd=repository.path, stdout=subprocess.DEVNULL) for _ in range(4)]
        assert [process.wait(timeout=120) for process in running] == [0, 0, 0, 0]
    assert len(recorded(repository)) == 16


def test_the_tree_of_the_protected_files_is_kept_with_a_pass(gate: RunGate, repository: Repository) -> None:
    """So they can be brought back whatever becomes of the commit."""
    repository.write("schema/user.json", "{}\n")
    repository.write("pytest-rollback.toml", 'protected = ["schema/**"]\n')
    repository.commit(test_it_py=HOLDS)
    assert gate("").status == 0
    kept = Ledger(repository.path).subtree(recorded(repository)[0].id, PROTECTED)
    assert kept is not None
    assert repository.git("ls-tree", "-r", "--name-only", kept).split() == ["schema/user.json"]


def test_the_whole_report_stays_on_this_machine(gate: RunGate, repository: Repository) -> None:
    """What tests said may be anything; the event has none of it."""
    repository.commit(test_it_py=HOLDS.replace("pass", "raise ValueError('the password is 1234')"))
    gate("")
    event = recorded(repository)[0].id
    assert "1234" not in Ledger(repository.path).read(event).raw.decode()
    kept = repository.path / ".git" / "pytest-rollback" / "evidence" / f"{event}.json"
    assert "1234" in kept.read_text("utf-8")


def test_status_tells_what_is_known(
    gate: RunGate, repository: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict on what is checked out, the known good behind it, and what is open on a live branch."""
    monkeypatch.chdir(repository.path)
    good = repository.commit(test_it_py=HOLDS)
    gate("")
    repository.commit(test_it_py=FAILS)
    gate("")
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["verdict"]["verdict"] == "blocked"
    assert told["known_good"]["commit"] == good
    assert [each["branch"] for each in told["open"]] == ["main"]
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "this tree  blocked" in said
    assert f"known good {good[:7]}, 1 commit back" in said
    assert "open       blocked on main since" in said
    repository.write("loose.py", "")
    main(["status"])
    assert "unkeyed    untracked: loose.py" in capsys.readouterr().out
