"""`pytest-rollback approve`: what it records a gate heeds, and it records nothing that no gate would heed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from conftest import Gated, Repository, RunGate
from pytest_rollback.cli import main
from pytest_rollback.events import Approval
from pytest_rollback.model import Loss, LossKind
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.ledger import Draft, Ledger
from tests.recording import at, judgment

TESTS = "import pytest\npytestmark = pytest.mark.golden_path\n"
A, B, C = (f"def test_{name}(): pass\n" for name in "abc")
WHY = ("--reason", "it was told twice")
GONE_B = "gone:test_it.py::test_b"
Approve = Callable[..., tuple[int, str, str]]


@pytest.fixture
def approve(repository: Repository, capsys: pytest.CaptureFixture[str]) -> Approve:
    """Run the subcommand; gives its status, what it printed, and its error."""
    assert repository.path.exists()

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["approve", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def eroded(repository: Repository, gate: RunGate) -> Gated:
    """Have a gate pass over three tests, and another one find two of them gone."""
    repository.commit(test_it_py=TESTS + A + B + C)
    assert gate().status == 0
    repository.write("test_it.py", TESTS + A)
    return gate()


def open_losses(gated: Gated) -> list[str]:
    """Name what a gate found lost and nobody let pass."""
    return [loss["name"] for loss in gated.report["losses"] if loss["approved"] is None]


def approvals(repository: Repository) -> list[Approval]:
    """Read all approvals on record."""
    ledger = Ledger(repository.path)
    with Catalogue(ledger) as catalogue:
        read = [ledger.read(each.id).event for each in catalogue.approvals()]
    return [event for event in read if isinstance(event, Approval)]


def judged(repository: Repository, *losses: Loss, **about: Any) -> None:
    """Put a verdict on record that found something lost."""
    about.setdefault("complete", True)
    Ledger(repository.path).append([Draft(event=judgment(verdict="blocked", losses=losses, **about))])


def lost(what: str, kind: LossKind = LossKind.GONE, was: str = "golden_path", now: str = "gone") -> Loss:
    """Make a loss."""
    return Loss(name=f"{kind.value}:{what}", kind=kind, what=what, was=was, now=now)


def test_a_gate_heeds_what_was_approved_and_nothing_else(
    approve: Approve, eroded: Gated, gate: RunGate, repository: Repository
) -> None:
    """One of two that are gone; the other is still demanded."""
    assert (eroded.status, open_losses(eroded)) == (80, [GONE_B, "gone:test_it.py::test_c"])
    status, told, _ = approve(GONE_B, *WHY)
    assert status == 0
    assert told.splitlines()[0] == f"approved   {GONE_B}: golden_path -> gone"
    assert re.fullmatch(r"by         Ada <ada@example.org>, event [0-9a-f]{8}", told.splitlines()[1])
    again = gate()
    assert (again.status, open_losses(again)) == (80, ["gone:test_it.py::test_c"])
    assert re.fullmatch(r"Ada <ada@example.org>: it was told twice \(event .*\)", again.report["losses"][0]["approved"])
    assert approve("*", *WHY)[0] == 0
    assert gate().status == 0
    (first, second) = sorted(approvals(repository), key=lambda event: event.at)
    assert [loss.name for loss in (*first.losses, *second.losses)] == [GONE_B, "gone:test_it.py::test_c"]


def test_what_is_committed_then_is_approved_too(
    approve: Approve, eroded: Gated, gate: RunGate, repository: Repository
) -> None:
    """An approval holds for the change, whether it is committed by now or not."""
    assert eroded.status == 80
    approve("*", *WHY)
    repository.commit("fewer tests")
    assert gate().status == 0


def test_an_approval_does_not_cover_what_comes_after_it(
    approve: Approve, gate: RunGate, repository: Repository
) -> None:
    """The same key of the policy, loosened further, is another loss."""
    policy = '[triggers.golden-path]\naction = "{}"\nlevel = "commit"\n'
    repository.write("pytest-rollback.toml", policy.format("roll back"))
    repository.commit(test_it_py=TESTS + A)
    assert gate().status == 0
    repository.write("pytest-rollback.toml", policy.format("watch"))
    before = open_losses(gate())
    assert before
    assert approve(*before, *WHY)[0] == 0
    assert gate().status == 0
    repository.write("pytest-rollback.toml", policy.format("note"))
    gated = gate()
    assert gated.status == 80
    assert "policy:triggers.golden-path.action" in open_losses(gated)


def test_a_protected_file_is_approved_as_it_is_now(approve: Approve, gate: RunGate, repository: Repository) -> None:
    """One more edit of it was seen by nobody."""
    repository.write("pytest-rollback.toml", 'protected = ["schema/**"]\n')
    path = repository.write("schema/a b.json", "{}\n")
    repository.commit(test_it_py=TESTS + A)
    assert gate().status == 0
    path.write_text('{"x": 1}\n')
    assert open_losses(gate()) == ["protected:schema/a b.json"]
    assert approve("protected:schema/*", *WHY)[0] == 0
    assert gate().status == 0
    path.write_text('{"x": 2}\n')
    assert gate().status == 80


@pytest.mark.parametrize("last", [0, 30])
def test_until_is_the_last_day_on_which_it_holds(
    approve: Approve, eroded: Gated, gate: RunGate, repository: Repository, last: int
) -> None:
    """By the clock of whoever says it; the record has it in UTC."""
    day = date.today() + timedelta(days=last)  # noqa: DTZ011 (the local clock is what is asked for)
    assert eroded.status == 80
    assert approve("*", "--until", str(day), *WHY)[0] == 0
    (event,) = approvals(repository)
    assert event.until
    assert gate().status == 0


@pytest.mark.parametrize("day", ["2020-01-01", "tomorrow", "", "2026-13-01", "9999-12-31T", "\x1b[2J"])
def test_a_day_that_is_over_or_none_is_a_usage_error(
    approve: Approve, repository: Repository, capsys: pytest.CaptureFixture[str], day: str
) -> None:
    """It would never hold, and nobody would notice."""
    assert repository.path.exists()
    with pytest.raises(SystemExit, match="2"):
        approve("a", "--until", day, *WHY)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(("is over already", "is no date; write it as 2026-12-31"))


def test_without_a_finding_it_lists_what_there_is(approve: Approve, repository: Repository) -> None:
    """Each quoted so that it can be copied, and a name of odd signs is taken as it was printed."""
    repository.commit(a_py="")
    names = ["t.py::test_x[a b]", "t.py::test_x['\"$HOME*]", "t.py::test_x[grün]", "s/\\n.json"]
    judged(repository, *map(lost, names))
    status, out, error = approve()
    assert (status, out) == (1, "")
    title, *listed = error.splitlines()
    assert title == "pytest-rollback approve: name what to approve; the last verdict found lost:"
    words = [shlex.split(line.removesuffix("(golden_path -> gone)")) for line in listed]
    assert words == [[f"gone:{name}"] for name in names]
    for (word,) in words[::-1]:
        assert approve(word, *WHY)[0] == 0
    assert sorted(loss.name for event in approvals(repository) for loss in event.losses) == sorted(
        f"gone:{name}" for name in names
    )


def test_what_is_long_is_cut(approve: Approve, repository: Repository) -> None:
    """A test file that is gone may have had hundreds; those that are near to the name come first."""
    repository.commit(a_py="")
    judged(repository, *(lost(f"t.py::test_{number}") for number in range(50)))
    assert approve()[2].splitlines()[-1] == "    and 40 more"
    _, _, error = approve("test_49", *WHY)
    assert error.splitlines() == [
        "pytest-rollback approve: the last verdict found nothing lost that is named 'test_49'; it found:",
        "    gone:t.py::test_49  (golden_path -> gone)",
    ]


def test_brackets_stand_for_themselves_and_a_star_for_anything(approve: Approve, repository: Repository) -> None:
    """Node ids are full of them."""
    repository.commit(a_py="")
    judged(repository, lost("t.py::test_x[1]"), lost("t.py::test_x1"), lost("u.py::test_y"))
    assert approve("gone:t.py::test_x[1]", *WHY)[0] == 0
    assert [loss.name for loss in approvals(repository)[0].losses] == ["gone:t.py::test_x[1]"]
    assert approve("gone:t.py*", "gone:u.py::test_?", *WHY)[0] == 0
    assert [loss.name for loss in approvals(repository)[0].losses] == ["gone:t.py::test_x1", "gone:u.py::test_y"]


@pytest.mark.parametrize("names", [["nothing"], [""], [GONE_B, "-x"], ["gone"], ["gone:\ud800"], ["\x1b[31m"]])
def test_every_name_must_stand_for_something(
    approve: Approve, eroded: Gated, repository: Repository, names: list[str]
) -> None:
    """A slip of the hand must not look like an approval, and records nothing of the others either."""
    assert eroded.status == 80
    status, out, error = approve(*WHY, "--", *names)
    assert (status, out) == (1, "")
    assert "found nothing lost that is named" in error
    assert error.replace("\n", "").isprintable()
    assert approvals(repository) == []


@pytest.mark.parametrize("reason", [[], ["--reason", ""], ["--reason", " \n\t "]])
def test_there_is_no_approval_without_a_reason(
    approve: Approve, eroded: Gated, repository: Repository, reason: list[str]
) -> None:
    """No gate would heed it, and nobody would know later."""
    assert eroded.status == 80
    assert approve(GONE_B, *reason)[2] == (
        "pytest-rollback approve: say why with --reason TEXT; it goes on record beside your name\n"
    )
    assert approvals(repository) == []


def test_a_reason_stands_on_one_line(approve: Approve, eroded: Gated, repository: Repository) -> None:
    """It is shown in lists."""
    assert eroded.status == 80
    approve(GONE_B, "--reason", " told\n twice: größer \udcff")
    assert approvals(repository)[0].reason == "told twice: größer \\udcff"


def test_machines_get_every_key(approve: Approve, eroded: Gated, repository: Repository, git_identity: Path) -> None:
    """Null where nothing is known."""
    assert eroded.status == 80
    git_identity.write_text("")
    status, out, _ = approve(GONE_B, "--json", *WHY)
    assert status == 0
    document = json.loads(out)
    commit = repository.git("rev-parse", "HEAD").strip()
    assert re.fullmatch("[0-9a-f]{40}", document.pop("id"))
    assert document == {
        "schema": 1,
        "by": None,
        "reason": "it was told twice",
        "until": None,
        "commit": commit,
        "approved": [{"name": GONE_B, "was": "golden_path", "now": "gone"}],
    }


# --- which verdict ---


def test_the_last_verdict_of_this_branch_counts(approve: Approve, repository: Repository) -> None:
    """Another branch was judged since, in a linked work tree perhaps; on a new branch the newest of all does."""
    repository.commit(a_py="")
    judged(repository, lost("mine"), when=0, branch="main")
    judged(repository, lost("theirs"), when=1, branch="other")
    assert "gone:mine" in approve()[2]
    assert "gone:theirs" not in approve()[2]
    repository.git("switch", "--quiet", "--create", "new")
    assert "gone:theirs" in approve()[2]


def test_where_no_branch_is_checked_out_the_commit_counts(approve: Approve, repository: Repository) -> None:
    """As in CI, and in the middle of a rebase."""
    commit = repository.commit(a_py="")
    judged(repository, lost("mine"), when=0, commit=commit)
    judged(repository, lost("theirs"), when=1, commit="1" * 40)
    repository.git("switch", "--quiet", "--detach")
    assert "gone:mine" in approve()[2]


def test_the_last_verdict_of_this_project_counts(
    approve: Approve, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several share one repository, and one ledger."""
    for name in ("services/api/tests", "services/web", "docs"):
        repository.write(f"{name}/x.txt", "x\n")
    repository.commit()
    judged(repository, lost("api"), when=0, root="services/api")
    judged(repository, lost("web"), when=1, root="services/web")
    for folder, named in (("services/api/tests", "api"), ("services/web", "web")):
        monkeypatch.chdir(repository.path / folder)
        assert re.findall(r"gone:\w+", approve()[2]) == [f"gone:{named}"]
    monkeypatch.chdir(repository.path / "docs")
    assert approve()[2].endswith(
        "no verdict on the project in . is on record; go to the folder of one that is: services/api, services/web\n"
    )
    judged(repository, lost("top"), when=2)
    assert "gone:top" in approve()[2]
    repository.write("docs/pytest-rollback.toml", 'mode = "shadow"\n')
    assert "no verdict on the project in docs" in approve()[2]


def test_a_narrowed_gate_does_not_hide_what_the_whole_one_found(approve: Approve, repository: Repository) -> None:
    """It could not know which tests are gone; of what it did see, its word is the newer one."""
    repository.commit(a_py="")
    judged(repository, lost("t.py::test_x"), lost("a", LossKind.POLICY, now="2 %"), when=0)
    judged(repository, lost("a", LossKind.POLICY, now="3 %"), when=1, complete=False)
    assert approve("*", *WHY)[0] == 0
    assert [(loss.name, loss.now) for loss in approvals(repository)[0].losses] == [
        ("gone:t.py::test_x", "gone"),
        ("policy:a", "3 %"),
    ]


def test_what_is_approved_already_is_not_approved_again(approve: Approve, eroded: Gated) -> None:
    """Also before a gate has heeded it."""
    assert eroded.status == 80
    assert approve("*", *WHY)[0] == 0
    assert "found nothing lost that is not approved" in approve("*", *WHY)[2]


def test_after_a_pass_there_is_nothing_to_approve(approve: Approve, repository: Repository, gate: RunGate) -> None:
    """And before the first gate there is nothing at all."""
    repository.commit(test_it_py=TESTS + A)
    assert "nothing is on record here yet" in approve("a", *WHY)[2]
    assert gate().status == 0
    assert "found nothing lost that is not approved" in approve("a", *WHY)[2]


def test_a_verdict_of_a_newer_version_is_not_guessed_at(approve: Approve, repository: Repository) -> None:
    """Its losses may mean something else."""
    repository.commit(a_py="")
    judged(repository, lost("a"), schema=2)
    assert "newer pytest-rollback" in approve("gone:a", *WHY)[2]


# --- who may ---

APPROVERS = 'approvers = ["grace@*", "Ada@example.org"]\n'


def approved_by(name: str, mail: str, git_identity: Path) -> None:
    """Be somebody else from now on."""
    git_identity.write_text(f"[user]\n\tname = {name}\n\temail = {mail}\n")


@pytest.mark.parametrize(
    ("name", "mail", "error"),
    [
        ("Linus", "linus@example.org", "lets grace@*, Ada@example.org approve, and you are Linus <linus@example.org>"),
        ("ada@example.org", "linus@example.org", "and you are ada@example.org <linus@example.org>; ask one of them"),
        ("Ada", "ADA@example.org", "Ada <ADA@example.org> wrote a part of this change"),
        ("dependabot[bot]", "grace@bots.example.org", "is a machine by the policy, and a machine never approves"),
    ],
)
def test_who_may_not_approve_is_told_so(
    approve: Approve, gate: RunGate, repository: Repository, git_identity: Path, name: str, mail: str, error: str
) -> None:
    """A gate would not heed it, and who was told nothing would wait for it."""
    repository.write("pytest-rollback.toml", APPROVERS)
    repository.commit(test_it_py=TESTS + A + B)
    assert gate().status == 0
    repository.commit("less", test_it_py=TESTS + A)
    assert gate().status == 80
    approved_by(name, mail, git_identity)
    status, out, said = approve("*", *WHY)
    assert (status, out) == (1, "")
    assert error in said
    assert approvals(repository) == []


def test_who_may_approve_is_heeded(approve: Approve, gate: RunGate, repository: Repository, git_identity: Path) -> None:
    """An approver who wrote none of the change."""
    repository.write("pytest-rollback.toml", APPROVERS)
    repository.commit(test_it_py=TESTS + A + B)
    assert gate().status == 0
    repository.commit("less", test_it_py=TESTS + A)
    assert gate().status == 80
    approved_by("Grace", "Grace@navy.example.org", git_identity)
    assert approve("*", *WHY)[0] == 0
    approved_by("Ada", "ada@example.org", git_identity)
    assert gate().status == 0


def test_nobody_approves_their_own_uncommitted_work(approve: Approve, gate: RunGate, repository: Repository) -> None:
    """Whose it is says who works here."""
    repository.write("pytest-rollback.toml", APPROVERS)
    repository.commit(test_it_py=TESTS + A + B)
    assert gate().status == 0
    repository.write("test_it.py", TESTS + A)
    assert gate().status == 80
    assert "wrote a part of this change" in approve("*", *WHY)[2]


def test_a_change_does_not_name_its_own_approvers(
    approve: Approve, gate: RunGate, repository: Repository, git_identity: Path
) -> None:
    """The policy of the trusted base says who they are."""
    repository.write("pytest-rollback.toml", 'approvers = ["grace@example.org"]\n')
    repository.commit(test_it_py=TESTS + A + B)
    assert gate().status == 0
    repository.write("pytest-rollback.toml", 'approvers = ["linus@example.org"]\n')
    repository.commit("less", test_it_py=TESTS + A)
    assert gate().status == 80
    approved_by("Linus", "linus@example.org", git_identity)
    assert "lets grace@example.org approve, and you are Linus" in approve("*", *WHY)[2]


@pytest.mark.parametrize("approvers", ["", APPROVERS])
def test_nobody_may_approve_only_where_nobody_is_named(
    approve: Approve, gate: RunGate, repository: Repository, git_identity: Path, approvers: str
) -> None:
    """Without an identity of git's; the gate heeds it as the command said."""
    repository.write("pytest-rollback.toml", approvers)
    repository.commit(test_it_py=TESTS + A + B)
    assert gate().status == 0
    repository.commit("less", test_it_py=TESTS + A)
    assert gate().status == 80
    git_identity.write_text("")
    status, out, error = approve("*", *WHY)
    if approvers:
        assert "you are nobody that git knows; set user.name and user.email" in error
    else:
        assert "somebody whose name git does not know" in out
    assert gate().status == (80 if approvers else 0)
    assert status == (1 if approvers else 0)


# --- where ---


def test_a_policy_that_can_not_be_used_is_said(approve: Approve, eroded: Gated, repository: Repository) -> None:
    """With its file and key; nothing is recorded meanwhile."""
    assert eroded.status == 80
    repository.write("pytest-rollback.toml", 'aprovers = "a"\n')
    status, _, error = approve("*", *WHY)
    assert status == 1
    assert "pytest-rollback.toml: aprovers" in error
    assert approvals(repository) == []


def test_outside_a_work_tree_it_says_so(
    approve: Approve, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Outside git, in a bare repository, and in git's own folder."""
    repository.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    for folder in (tmp_path / "bare.git", repository.path / ".git"):
        monkeypatch.chdir(folder)
        assert "there is no work tree here" in approve("a", *WHY)[2]
    monkeypatch.chdir("/")
    assert "/ is in no git repository" in approve("a", *WHY)[2]


def test_an_unborn_branch_has_nothing_to_approve(approve: Approve, gate: RunGate, repository: Repository) -> None:
    """There is no base that anything could be lost from."""
    repository.write("test_it.py", TESTS + A)
    gate()
    assert "found nothing lost" in approve("*", *WHY)[2]


def test_it_is_approved_from_a_linked_work_tree_too(
    approve: Approve, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All work trees have one record."""
    repository.commit(a_py="")
    repository.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "other")
    judged(repository, lost("mine"), branch="other", when=-1)
    judged(repository, lost("theirs"), branch="main")
    monkeypatch.chdir(tmp_path / "linked")
    assert approve("gone:mine", *WHY)[0] == 0
    assert [loss.name for loss in approvals(repository)[0].losses] == ["gone:mine"]
    assert approvals(repository)[0].at > at()
