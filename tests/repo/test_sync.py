"""The ledger between machines: through a real remote, from every kind of clone, and what is said when it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo import sync as syncs
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.evidence import FOLDER, share
from pytest_rollback.repo.ledger import REF, Draft, Ledger, LedgerError
from pytest_rollback.repo.sync import find_remote, sync, tracking
from tests.recording import foreign, judgment

Clone = Callable[..., Ledger]


@pytest.fixture
def remote(repository: Repository, tmp_path: Path) -> Repository:
    """Make a bare remote with some commits."""
    for number in range(3):
        repository.commit(f"change {number}", a_py=f"x = {number}\n")
    repository.git("tag", "v1")
    path = tmp_path / "remote grün.git"
    repository.git("clone", "--quiet", "--bare", ".", str(path))
    return Repository(path)


@pytest.fixture
def clone(remote: Repository, tmp_path: Path) -> Clone:
    """Make clones of the remote."""

    def make(name: str, *options: str) -> Ledger:
        url = f"file://{remote.path}"
        subprocess.run(["git", "clone", "--quiet", *options, url, tmp_path / name], check=True, capture_output=True)
        return Ledger(tmp_path / name)

    return make


def append(ledger: Ledger, branch: str, when: float = 0) -> str:
    """Record an event that can be told from others by its branch."""
    return ledger.append([Draft(event=judgment(branch=branch, when=when))])[0]


def told(ledger: Ledger) -> list[str]:
    """List the events by their branches, newest first."""
    with Catalogue(ledger) as catalogue:
        return [each.entry.branch or "" for each in catalogue.entries()]


def refs(folder: Path) -> str:
    """List all refs but those of the ledger, and what else a fetch leaves behind."""
    listed = subprocess.run(["git", "for-each-ref"], cwd=folder, check=True, capture_output=True, text=True).stdout
    ours = [line for line in listed.splitlines() if "refs/rollback/" not in line]
    return "\n".join([*ours, str(sorted(each.name for each in folder.glob(".git/*HEAD*")))])


def test_the_first_one_makes_the_ledger_of_the_remote(clone: Clone, remote: Repository) -> None:
    """Nobody has to prepare anything there."""
    ledger = clone("a")
    assert sync(ledger, "origin").tip is None
    kept = append(ledger, "a")
    done = sync(ledger, "origin")
    assert (done.came, done.went, done.total, done.tip) == (0, 1, 1, kept)
    assert remote.git("rev-parse", REF).strip() == kept
    again = sync(ledger, "origin")
    assert (again.came, again.went, again.total) == (0, 0, 1)


def test_two_clones_that_judged_apart_agree(clone: Clone) -> None:
    """Each brings what the other lacks, and neither touches a branch, a tag or FETCH_HEAD."""
    one, two = clone("a"), clone("b", "--no-tags")
    append(one, "one", 1)
    append(two, "two", 2)
    before = refs(two.folder)
    sync(one, "origin")
    done = sync(two, "origin")
    assert (done.came, done.went, done.total) == (1, 1, 2)
    back = sync(one, "origin")
    assert (back.came, back.went) == (1, 0)
    assert one.tip() == two.tip()
    assert told(one) == told(two) == ["two", "one"]
    assert refs(two.folder) == before


def test_a_shallow_clone_gets_the_whole_ledger_and_no_more_history(clone: Clone) -> None:
    """As CI has it: one commit deep. What it records goes back."""
    full, shallow = clone("a"), clone("s", "--depth=1")
    for number in range(5):
        append(full, f"b{number}", number)
    sync(full, "origin")
    append(shallow, "ci", 9)
    done = sync(shallow, "origin")
    assert (done.came, done.went, done.total) == (5, 1, 6)
    assert shallow.git("rev-list", "--count", "HEAD") == "1"
    assert shallow.git("rev-parse", "--is-shallow-repository") == "true"
    assert sync(full, "origin").came == 1
    assert len(told(shallow)) == 6


@pytest.mark.parametrize("options", [["--mirror"], ["--bare"], ["--filter=blob:none", "--no-checkout"]])
def test_every_kind_of_clone_keeps_what_it_recorded(clone: Clone, remote: Repository, options: list[str]) -> None:
    """A mirror would fetch the remote's ledger over its own, and push by deleting; a partial one lacks files."""
    remote.git("config", "uploadpack.allowFilter", "true")
    first = clone("a")
    append(first, "there", 1)
    sync(first, "origin")
    ledger = clone("m", *options)
    append(ledger, "here", 2)
    done = sync(ledger, "origin")
    assert done.total == 2
    assert done.went == 1
    assert told(ledger) == ["here", "there"]
    assert remote.git("rev-parse", REF).strip() == ledger.tip()
    assert remote.git("rev-parse", "v1", "main")
    with Catalogue(ledger) as catalogue:
        assert all(each.event for each in ledger.read_all([found.id for found in catalogue.entries()]))


def test_without_a_push_the_remote_stays_as_it_is(clone: Clone, remote: Repository) -> None:
    """For who may only read there."""
    one, two = clone("a"), clone("b")
    append(one, "one", 1)
    sync(one, "origin")
    append(two, "two", 2)
    done = sync(two, "origin", push=False)
    assert (done.came, done.went, done.ahead, done.total) == (1, None, 1, 2)
    assert remote.git("rev-parse", REF).strip() == one.tip()


def test_whoever_is_overtaken_merges_again(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two jobs end at once; the second finds the remote moved when it pushes."""
    one, two = clone("a"), clone("b")
    append(one, "one", 1)
    append(two, "two", 2)
    send, times = syncs.send, iter(range(9))

    def late(*arguments: object) -> bool:
        if next(times) == 0:
            append(one, "one again", 3)
            assert sync(one, "origin").went == 2
        return send(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(syncs, "send", late)
    monkeypatch.setattr(syncs, "PAUSE_S", 0)
    done = sync(two, "origin")
    assert (done.came, done.went, done.total) == (2, 1, 3)


def test_whoever_is_overtaken_all_the_time_gives_up_and_keeps_all(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came is merged, what did not go can go later."""
    one, two = clone("a"), clone("b")
    append(two, "two", 2)
    send = syncs.send

    def late(ledger: Ledger, *arguments: object) -> bool:
        if ledger is two:
            append(one, "one")
            sync(one, "origin")
        return send(ledger, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(syncs, "send", late)
    monkeypatch.setattr(syncs, "PAUSE_S", 0)
    with pytest.raises(LedgerError, match="others were faster 8 times; all of it is kept here"):
        sync(two, "origin")
    assert "two" in told(two)


def test_a_remote_that_refuses_is_quoted(clone: Clone, remote: Repository) -> None:
    """With its own words, what to do, and that nothing is lost."""
    hook = remote.write("hooks/pre-receive", "#!/bin/sh\necho no records here >&2\nexit 1\n")
    hook.chmod(0o755)
    ledger = clone("a")
    kept = append(ledger, "a")
    with pytest.raises(LedgerError) as refused:
        sync(ledger, "origin")
    said = str(refused.value)
    assert "origin: nothing was pushed, and all of it is kept here: " in said
    assert "no records here" in said
    assert "pre-receive hook declined" in said
    assert said.endswith("ask whoever runs the remote to let you push refs/rollback/ledger, or use --no-push")
    assert ledger.tip() == kept


def test_the_users_own_push_hook_is_not_asked(clone: Clone, remote: Repository) -> None:
    """It is there for code, and may run the very gate whose record is pushed."""
    ledger = clone("a")
    hook = ledger.folder / ".git/hooks/pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    append(ledger, "a")
    assert sync(ledger, "origin").went == 1
    assert remote.git("rev-parse", REF)


def test_a_remote_that_is_not_there_is_said(clone: Clone, tmp_path: Path) -> None:
    """The name is right, the place is gone."""
    ledger = clone("a")
    ledger.git("remote", "set-url", "origin", str(tmp_path / "gone.git"))
    append(ledger, "a")
    with pytest.raises(
        LedgerError, match=r"origin: nothing was fetched: .*gone\.git.*; see whether the remote is right"
    ):
        sync(ledger, "origin")
    assert told(ledger) == ["a"]


def test_what_is_no_ledger_on_the_remote_is_left_alone(clone: Clone, remote: Repository) -> None:
    """Somebody pushed a branch there; we neither take it in nor push over it."""
    remote.git("update-ref", REF, "main")
    ledger = clone("a")
    kept = append(ledger, "a")
    with pytest.raises(LedgerError, match="is no ledger, and was not taken in"):
        sync(ledger, "origin")
    assert ledger.tip() == kept
    assert remote.git("rev-parse", REF) == remote.git("rev-parse", "main")


def test_a_remote_whose_ledger_was_cut_back_gets_it_again(clone: Clone, remote: Repository) -> None:
    """Ours only grows: what was deleted there is pushed anew."""
    ledger = clone("a")
    append(ledger, "a", 1)
    append(ledger, "b", 2)
    sync(ledger, "origin")
    remote.git("update-ref", REF, f"{REF}~1")
    assert sync(ledger, "origin").went == 1
    remote.git("update-ref", "-d", REF)
    assert sync(ledger, "origin").went == 2


def test_what_a_newer_version_wrote_travels_too(clone: Clone) -> None:
    """Whoever knows it will find it."""
    one, two = clone("a"), clone("b")
    newer = foreign(one.folder, '{"schema": 2, "kind": "quarantine", "at": "later"}')
    sync(one, "origin")
    sync(two, "origin")
    assert two.tip() == newer


@pytest.mark.parametrize(
    ("remotes", "named", "branch", "expected"),
    [
        (["origin"], None, None, "origin"),
        (["origin", "fork"], None, None, "origin"),
        (["origin", "fork"], "fork", None, "fork"),
        (["origin", "fork"], None, "fork", "fork"),
        (["team/fork"], None, None, "team/fork"),
        (["origin", "fork"], None, ".", "origin"),
        (["one", "two"], None, None, "there are several remotes, and none is the branch's own; name one of one, two"),
        (["one"], "two", None, "there is no remote 'two'; there is one"),
        (["one"], "--upload-pack=x", None, "there is no remote '--upload-pack=x'"),
        ([], None, None, "this repository has no remote; add one: git remote add origin URL"),
    ],
)
def test_the_remote_is_that_of_the_branch_or_origin_or_the_only_one(
    repository: Repository, remotes: list[str], named: str | None, branch: str | None, expected: str
) -> None:
    """Anything else has to be named."""
    for name in remotes:
        repository.git("remote", "add", name, "/nowhere")
    if branch:
        repository.git("config", "branch.main.remote", branch)
    try:
        found = find_remote(Ledger(repository.path), named)
    except LedgerError as error:
        found = str(error)
    assert found.startswith(expected)


def test_a_remote_with_an_odd_name_has_its_own_place(clone: Clone) -> None:
    """Its name may hold a slash, which makes a folder of refs."""
    ledger = clone("a", "--origin=team/fork")
    kept = append(ledger, "a")
    sync(ledger, "team/fork")
    assert ledger.tip(tracking("team/fork")) == kept


def evidence(ledger: Ledger, event: str, text: str) -> Path:
    """Keep evidence of an event."""
    file = ledger.home / FOLDER / f"{event}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_evidence_travels_only_when_it_is_asked_for(clone: Clone, remote: Repository) -> None:
    """It holds tracebacks and outputs; the record does not."""
    one, two = clone("a"), clone("b")
    for ledger, name in ((one, "1" * 40), (two, "2" * 40)):
        append(ledger, name)
        evidence(ledger, name, f"of {name}")
        (ledger.home / FOLDER / "notes.txt").write_text("mine")
        sync(ledger, "origin")
    assert "evidence" not in remote.git("for-each-ref")
    first = share(one, "origin")
    assert (first.came, first.went) == (0, 1)
    second = share(two, "origin")
    assert (second.came, second.went) == (1, 1)
    third = share(one, "origin")
    assert (third.came, third.went) == (1, 0)
    for ledger in (one, two):
        names = sorted(each.name for each in (ledger.home / FOLDER).iterdir())
        assert names == [f"{'1' * 40}.json", f"{'2' * 40}.json", "notes.txt"]
        assert (ledger.home / FOLDER / f"{'2' * 40}.json").read_text() == f"of {'2' * 40}"
    assert one.tip("refs/rollback/evidence") == two.tip("refs/rollback/evidence")
    assert share(two, "origin").came == 0


def test_evidence_that_is_here_is_never_written_over(clone: Clone) -> None:
    """Two files of one name: each machine keeps its own."""
    one, two = clone("a"), clone("b")
    mine = evidence(one, "1" * 40, "mine")
    evidence(two, "1" * 40, "theirs")
    share(two, "origin")
    share(one, "origin")
    assert mine.read_text() == "mine"


def test_evidence_of_nobody_is_no_trouble(clone: Clone, remote: Repository) -> None:
    """Nothing here, nothing there; and without a push, nothing goes."""
    ledger = clone("a")
    assert share(ledger, "origin").came == 0
    evidence(ledger, "1" * 40, "mine")
    assert share(ledger, "origin", push=False).went is None
    assert "evidence" not in remote.git("for-each-ref")


def test_a_name_on_the_remote_that_leads_elsewhere_is_not_written(clone: Clone, remote: Repository) -> None:
    """Whoever may push there must not write files here."""
    blob = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], cwd=remote.path, input="x", check=True, capture_output=True, text=True
    ).stdout.strip()
    feed = f"100644 blob {blob}\tbad.json\n100644 blob {blob}\t{'1' * 40}.json\n"
    tree = subprocess.run(
        ["git", "mktree"], cwd=remote.path, input=feed, check=True, capture_output=True, text=True
    ).stdout.strip()
    remote.git("update-ref", "refs/rollback/evidence", remote.git("commit-tree", "-m", "x", tree).strip())
    ledger = clone("a")
    assert share(ledger, "origin").came == 1
    assert [each.name for each in (ledger.home / FOLDER).iterdir()] == [f"{'1' * 40}.json"]


def test_what_a_fetch_has_thrown_out_is_taken_back(clone: Clone) -> None:
    """The refspec that would carry the record also replaces it."""
    one, two = clone("one"), clone("two")
    append(one, "a")
    sync(one, "origin")
    append(two, "b", 1)
    two.git("fetch", "--quiet", "origin", "+refs/rollback/*:refs/rollback/*")
    assert told(two) == ["a"]
    assert sync(two, "origin").went == 1
    assert told(two) == ["b", "a"]


def test_a_record_that_a_shallow_fetch_cut_off_is_said_to_be(clone: Clone) -> None:
    """Older events are not here, and nobody would see it."""
    one, two = clone("one"), clone("two")
    append(one, "a")
    append(one, "b", 1)
    assert not sync(one, "origin").is_cut_off
    two.git("fetch", "--quiet", "--depth=1", "origin", f"+{REF}:{REF}")
    assert sync(two, "origin").is_cut_off


def test_a_symbolic_ref_of_ours_moves_no_branch(clone: Clone) -> None:
    """Git follows it when it fetches, too."""
    one, two = clone("one"), clone("two")
    append(one, "a")
    sync(one, "origin")
    head = two.git("rev-parse", "main")
    two.git("symbolic-ref", tracking("origin"), "refs/heads/main")
    with pytest.raises(LedgerError, match="it is a symbolic ref to refs/heads/main"):
        sync(two, "origin")
    assert two.git("rev-parse", "main") == head
