"""`pytest-rollback checkpoint`: a name for a state that is known to be good, as a tag and on record, or neither."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from conftest import Repository, RunGate
from pytest_rollback.cli import main
from pytest_rollback.events import Checkpoint
from pytest_rollback.model import Counts, Tests
from pytest_rollback.repo.catalogue import Catalogue, Wanted
from pytest_rollback.repo.ledger import REF, Draft, Ledger, LedgerError
from tests.recording import judgment, withdrawal

HOLDS = "import pytest\n@pytest.mark.golden_path\ndef test_it(): pass\n"
PHASES = (
    '[phases.wave-1]\nrequires = ["golden_path", "integration"]\n[groups.integration]\nat = "ci"\n[phases."Über 2.0"]\n'
)
Make = Callable[..., tuple[int, str, str]]


@pytest.fixture
def make(repository: Repository, capsys: pytest.CaptureFixture[str]) -> Make:
    """Run the subcommand; gives its status, what it printed, and its error."""
    assert repository.path.exists()

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["checkpoint", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def judged(repository: Repository, **about: Any) -> str:
    """Put a verdict on the state that is checked out on record."""
    tree = repository.git("rev-parse", "HEAD^{tree}").strip()
    return Ledger(repository.path).append([Draft(event=judgment(tree, **about))])[0]


@pytest.fixture
def good(repository: Repository) -> str:
    """Have a state that is known to be good; gives the verdict."""
    repository.commit(a_py="")
    return judged(repository)


def checkpoints(repository: Repository) -> list[Checkpoint]:
    """Read all checkpoints on record."""
    ledger = Ledger(repository.path)
    with Catalogue(ledger) as catalogue:
        read = [ledger.read(each.id).event for each in catalogue.entries(Wanted(kinds=("checkpoint",)))]
    return [event for event in read if isinstance(event, Checkpoint)]


def tags(repository: Repository) -> list[str]:
    """List all tags."""
    return repository.git("tag", "--list").splitlines()


def test_what_passed_its_gate_gets_a_name(make: Make, gate: RunGate, repository: Repository) -> None:
    """An annotated tag of what is checked out, and an event that says which verdict it stands on."""
    commit = repository.commit(test_it_py=HOLDS)
    assert gate().status == 0
    before = repository.git("status", "--porcelain"), (repository.path / ".git/index").read_bytes()
    status, out, _ = make("good/one")
    assert status == 0
    (event,) = checkpoints(repository)
    assert re.sub(r"[0-9a-f]{8}\b", "ID", out).splitlines() == [
        f"checkpoint good/one at {commit[:7]}, event ID",
        "stands on  the verdict ID: 1 of 1 gate tests passed",
    ]
    told = repository.git("for-each-ref", "--format=%(objecttype) %(*objectname) %(taggeremail) %(contents)", event.tag)
    assert told == f"tag {commit} <ada@example.org> checkpoint good/one\n\nstands on the verdict {event.verdict}\n\n"
    tree = repository.git("rev-parse", "HEAD^{tree}").strip()
    assert (event.name, event.phase, event.commit, event.tree) == ("good/one", None, commit, tree)
    assert (event.tag, event.by) == ("refs/tags/good/one", "Ada <ada@example.org>")
    assert (repository.git("status", "--porcelain"), (repository.path / ".git/index").read_bytes()) == before


def test_machines_get_every_key(make: Make, repository: Repository, good: str) -> None:
    """Null where nothing is known."""
    document = json.loads(make("one", "--json")[1])
    (event,) = checkpoints(repository)
    assert re.fullmatch("[0-9a-f]{40}", document.pop("id"))
    assert document == {
        "schema": 1,
        "name": "one",
        "phase": None,
        "commit": event.commit,
        "tree": event.tree,
        "tag": "refs/tags/one",
        "verdict": good,
    }


def test_how_to_share_it_is_said_where_there_is_somebody(make: Make, repository: Repository, good: str) -> None:
    """A push by its full name, which no branch of that name confuses, and quoted."""
    assert good
    repository.git("remote", "add", "up", "nowhere")
    assert make("a'b")[1].splitlines()[-1] == "share it   git push up tag 'a'\"'\"'b' && pytest-rollback sync up"


# --- what is refused ---


def test_what_nobody_judged_is_refused(make: Make, repository: Repository) -> None:
    """And what was judged since, elsewhere, is another state."""
    repository.commit(a_py="")
    assert "no verdict on this state is on record; judge it first: pytest --safety-gate" in make("one")[2]
    judged(repository)
    repository.commit(a_py="x = 1\n")
    assert "no verdict on this state is on record" in make("one")[2]
    assert tags(repository) == []


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"verdict": "blocked"}, "is blocked (findings)"),
        ({"verdict": "inconclusive"}, "is inconclusive (findings)"),
        ({"steady": False}, "is passed (held), and held only after a rerun"),
        ({"keyed": False}, "is passed (held), and judged files that are in no commit as well"),
        ({"part": "1/2"}, "is passed (held), and judged a part of the gate only"),
    ],
)
def test_a_verdict_that_makes_nothing_good_is_refused(
    make: Make, repository: Repository, about: dict[str, Any], why: str
) -> None:
    """With the reason for which it makes none."""
    repository.commit(a_py="")
    verdict = judged(repository, **about)
    status, out, error = make("one")
    assert (status, out) == (1, "")
    assert f"the last verdict on this state, {verdict[:8]}, {why}; a checkpoint needs one that passed" in error
    assert (tags(repository), checkpoints(repository)) == ([], [])


def test_a_verdict_that_was_withdrawn_is_refused(make: Make, repository: Repository, good: str) -> None:
    """It says who is not to be relied on, and why."""
    Ledger(repository.path).append([Draft(event=withdrawal(good, None, when=1))])
    assert "said passed (held) and was withdrawn: the clock was wrong" in make("one")[2]


def test_what_was_said_last_counts(make: Make, repository: Repository, good: str) -> None:
    """A gate that could not tell takes nothing back; one that blocked does, until another passes."""
    judged(repository, verdict="inconclusive", when=1)
    assert make("one")[0] == 0
    blocked = judged(repository, verdict="blocked", when=2)
    assert f"{blocked[:8]}, is blocked (findings)" in make("two")[2]
    again = judged(repository, when=3)
    assert make("two")[0] == 0
    assert {event.name: event.verdict for event in checkpoints(repository)} == {"one": good, "two": again}


def test_a_gate_that_was_narrowed_is_not_enough(make: Make, gate: RunGate, repository: Repository) -> None:
    """By a real one."""
    repository.commit(test_it_py=f"{HOLDS}@pytest.mark.golden_path\ndef test_two(): pass\n")
    assert gate("", "-k", "test_two").status == 81
    assert "is inconclusive (narrowed)" in make("one")[2]


def test_uncommitted_work_is_refused_by_name(make: Make, repository: Repository, good: str) -> None:
    """What is tagged would not be what is there; whether it is staged, gone or a conflict."""
    assert good
    for number in range(7):
        repository.write(f"new {number}.py", "")
    repository.git("add", "--all")
    assert "there is uncommitted work (new 0.py, new 1.py, new 2.py, new 3.py, new 4.py and 2 more)" in make("one")[2]
    repository.git("rm", "-rf", "--quiet", "--", "*new*", "a.py")
    assert "there is uncommitted work (a.py); commit it, judge that" in make("one")[2]
    repository.git("reset", "--quiet", "--hard")
    repository.write("a.py", "staged\n")
    repository.git("add", "a.py")
    repository.write("a.py", "")
    assert "there is uncommitted work; commit it" in make("one")[2]
    assert tags(repository) == []


def test_what_no_commit_holds_is_refused_by_name(make: Make, repository: Repository, good: str) -> None:
    """Untracked files, and those that git was told not to look at; a gate's own report is neither."""
    assert good
    repository.write("a\nb.py", "")
    assert "the work tree holds what no commit does (untracked: a\\nb.py); commit, ignore or remove it" in make("1")[2]
    (repository.path / "a\nb.py").unlink()
    repository.git("update-index", "--assume-unchanged", "a.py")
    assert "(marked as not to be looked at (assume-unchanged or skip-worktree): a.py)" in make("one")[2]
    repository.git("update-index", "--no-assume-unchanged", "a.py")
    assert make("one")[0] == 0


def test_the_report_of_a_gate_is_in_nobodys_way(make: Make, gate: RunGate, repository: Repository) -> None:
    """The gate itself does not count it, so a checkpoint must not either."""
    repository.write(".gitignore", "__pycache__/\n.pytest_cache/\n")
    repository.commit(test_it_py=HOLDS)
    assert gate().status == 0
    assert (repository.path / "gate.json").exists()
    assert make("one")[0] == 0


def test_where_there_is_nothing_to_tag_it_says_so(
    make: Make, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unborn branch, a bare repository, and no repository."""
    assert "nothing is committed yet" in make("one")[2]
    repository.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    monkeypatch.chdir(tmp_path / "bare.git")
    assert "there is no work tree here" in make("one")[2]
    monkeypatch.chdir("/")
    assert "/ is in no git repository" in make("one")[2]


# --- names and phases ---


@pytest.mark.parametrize("name", ["", "a b", "a..b", "HEAD", "a\nb", "\udcff", "a.lock"])
def test_what_can_be_no_name_is_refused(make: Make, repository: Repository, good: str, name: str) -> None:
    """Before anything is done."""
    assert good
    status, _, error = make(name)
    assert status == 1
    assert "can't be a tag's name; use letters" in error
    assert tags(repository) == []


def test_a_name_may_look_like_an_option_to_nobody(make: Make, good: str) -> None:
    """Git would take it for one."""
    assert good
    assert "'-d' can't be a tag's name" in make("--", "-d")[2]


def test_a_name_or_a_phase_must_be_given(make: Make, good: str) -> None:
    """A name that is made up says nothing."""
    assert good
    assert "give the checkpoint a name, or name the --phase" in make()[2]


@pytest.mark.parametrize(("own", "kind"), [(["-am", "mine"], "tag"), ([], "commit")])
def test_a_tag_that_is_there_stays(make: Make, repository: Repository, good: str, own: list[str], kind: str) -> None:
    """It is somebody's, also where it names the same commit."""
    assert good
    repository.git("tag", *own, "one")
    assert "there is a tag one already; choose another name, or see: git show refs/tags/one" in make("one")[2]
    assert repository.git("cat-file", "-t", "refs/tags/one").strip() == kind
    assert checkpoints(repository) == []


def test_a_checkpoint_is_made_once(make: Make, repository: Repository, good: str) -> None:
    """The second of one name is refused."""
    assert good
    assert make("one")[0] == 0
    assert "there is a tag one already of this very state" in make("one")[2]
    assert len(checkpoints(repository)) == 1


def test_before_a_phase_the_name_says_which_and_when(make: Make, repository: Repository) -> None:
    """As the manuals ask for it; what can't stand in a tag's name is left out."""
    repository.write("pytest-rollback.toml", PHASES)
    repository.commit()
    judged(repository)
    day = f"{datetime.now(timezone.utc):%Y%m%d}"
    assert make("--phase", "Über 2.0")[0] == 0
    (event,) = checkpoints(repository)
    assert (event.name, event.phase) == (f"pre-Über-2.0-{day}", "Über 2.0")
    subject = repository.git("for-each-ref", "--format=%(contents:subject)", "refs/tags").strip()
    assert subject == f"checkpoint pre-Über-2.0-{day}, before Über 2.0"


def test_a_phase_that_the_policy_does_not_know_is_refused(make: Make, repository: Repository, good: str) -> None:
    """With the nearest that it knows."""
    assert good
    assert "the policy knows no phase 'wave-1'; it names none: add [phases.NAME]" in make("--phase", "wave-1")[2]
    repository.write("pytest-rollback.toml", PHASES)
    assert "the policy knows no phase 'wave1'; did you mean \"wave-1\"?" in make("--phase", "wave1")[2]


@pytest.mark.parametrize(
    ("integration", "why"),
    [
        (None, "nothing was judged; judge all of it first: pytest --safety-gate"),
        (Counts(collected=3, selected=3, passed=2, failed=1), "2 of 3 passed; judge all of it first"),
        (Counts(collected=3, selected=3, skipped=3), "0 of 3 passed; judge all of it first"),
        (Counts(collected=3, left_to_ci=3), "0 of 3 passed and 3 were left to CI; the verdict of CI comes by: "),
    ],
)
def test_a_phase_begins_only_where_all_that_it_requires_held(
    make: Make, repository: Repository, integration: Counts | None, why: str
) -> None:
    """A verdict that judged all of it counts, though a staged gate has passed since."""
    repository.write("pytest-rollback.toml", PHASES)
    repository.commit()
    held = Counts(collected=2, selected=2, passed=2)
    groups = {"golden_path": held} | ({"integration": integration} if integration else {})
    judged(repository, tests=Tests(groups=groups))
    assert f"the phase wave-1 requires integration, and of that {why}" in make("--phase", "wave-1")[2]
    some = Counts(collected=3, selected=3, passed=2, skipped=1)
    whole = judged(repository, when=-1, tests=Tests(groups={"golden_path": held, "integration": some}))
    assert make("--phase", "wave-1")[0] == 0
    assert checkpoints(repository)[0].verdict == whole


def test_the_verdict_is_that_of_this_project(
    make: Make, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another project in the repository may have passed its own gate."""
    for name in ("api", "web"):
        repository.write(f"{name}/x.txt", "x\n")
    repository.commit()
    judged(repository, root="web")
    assert "no verdict on this state is on record (judged were: web; go there for one of those)" in make("one")[2]
    judged(repository, root="api", verdict="blocked")
    monkeypatch.chdir(repository.path / "api")
    assert "is blocked" in make("one")[2]
    monkeypatch.chdir(repository.path / "web")
    assert make("one")[0] == 0


# --- both or neither ---


def test_a_tag_that_can_not_be_signed_leaves_nothing(make: Make, repository: Repository, good: str) -> None:
    """Neither a tag nor an event; the remedy is named."""
    assert good
    repository.git("config", "tag.gpgSign", "true")
    repository.git("config", "gpg.program", "false")
    tip = Ledger(repository.path).tip()
    assert "told to sign tags and could not" in make("one")[2]
    assert (tags(repository), Ledger(repository.path).tip()) == ([], tip)


def test_an_event_that_can_not_be_recorded_leaves_no_tag(make: Make, repository: Repository, good: str) -> None:
    """The policy wants it signed, and there is no key."""
    assert good
    repository.write("pytest-rollback.toml", "sign = true\n")
    repository.commit("policy")
    judged(repository)
    repository.git("config", "gpg.program", "false")
    status, _, error = make("one")
    assert (status, "nothing was recorded" in error) == (1, True)
    assert (tags(repository), checkpoints(repository)) == ([], [])


def test_where_nothing_can_be_written_nothing_is_said_to_be(make: Make, repository: Repository, good: str) -> None:
    """Somebody holds the lock of the tag."""
    assert good
    repository.write(".git/refs/tags/one.lock", "")
    status, out, error = make("one")
    assert (status, out) == (1, "")
    assert "git tag: " in error
    assert checkpoints(repository) == []


def test_cut_short_between_tag_and_event_it_is_completed(
    make: Make, repository: Repository, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed there, it leaves a tag that is true, and that the same command puts on record."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", killed)
        assert make("one")[0] == 130
    assert (tags(repository), checkpoints(repository)) == (["one"], [])
    tag = repository.git("rev-parse", "refs/tags/one")
    assert make("one")[0] == 0
    assert repository.git("rev-parse", "refs/tags/one") == tag
    assert [(event.name, event.verdict) for event in checkpoints(repository)] == [("one", good)]
    assert "there is a tag one already of this very state" in make("one")[2]


def test_what_was_left_is_not_completed_elsewhere(
    make: Make, repository: Repository, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tag names another state by now."""
    assert good

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", killed)
        assert make("one")[0] == 130
    repository.commit(a_py="x = 1\n")
    judged(repository)
    assert "there is a tag one already; choose another" in make("one")[2]


def test_a_tag_that_was_completed_is_not_taken_away_again(
    make: Make, repository: Repository, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there before; that the record could not be written is no reason to lose it."""
    assert good

    def fail(error: type[BaseException]) -> Callable[..., None]:
        def append(*_: object, **__: object) -> None:
            raise error

        return append

    for error, status in ((KeyboardInterrupt, 130), (LedgerError, 1)):
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "append", fail(error))
            assert make("one")[0] == status
        assert tags(repository) == ["one"]


def test_of_two_at_once_one_tags(repository: Repository, good: str) -> None:
    """The tag is there once, and what is on record is true of it."""
    assert good
    code = "import sys; from pytest_rollback.cli import main; sys.exit(main(['checkpoint', 'one']))"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=repository.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    assert 0 in [each.wait() for each in started]
    assert tags(repository) == ["one"]
    events = checkpoints(repository)
    assert {(event.name, event.commit) for event in events} == {("one", repository.git("rev-parse", "HEAD").strip())}


# --- where ---


def test_a_linked_work_tree_tags_its_own_state(
    make: Make, repository: Repository, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And git's variables of a hook that calls it don't lead it elsewhere."""
    assert good
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    repository.commit(a_py="x = 1\n")
    monkeypatch.chdir(tmp_path / "linked")
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert make("one")[0] == 0
    monkeypatch.delenv("GIT_DIR")
    assert repository.git("rev-parse", "one^{commit}", "HEAD~1").split()[0] == checkpoints(repository)[0].commit


def test_nobody_needs_a_name(make: Make, repository: Repository, good: str, git_identity: Path) -> None:
    """Git itself would refuse to tag."""
    assert good
    git_identity.write_text("")
    assert make("one")[0] == 0
    assert checkpoints(repository)[0].by is None


def test_a_shallow_clone_can_be_tagged(
    make: Make, repository: Repository, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked for is the state that is checked out; the record came by a sync."""
    assert good
    repository.commit(a_py="x = 1\n")
    judged(repository)
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.path}", str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    clone.git("fetch", "--quiet", "origin", f"{REF}:{REF}")
    monkeypatch.chdir(clone.path)
    assert make("one")[0] == 0
    assert tags(clone) == ["one"]


def test_a_policy_that_can_not_be_used_is_said(make: Make, repository: Repository, good: str) -> None:
    """Which phases there are is not known then."""
    assert good
    repository.write("pytest-rollback.toml", "fases = 1\n")
    assert "pytest-rollback.toml: fases" in make("one")[2]
    assert tags(repository) == []
