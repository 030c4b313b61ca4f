"""`pytest-rollback show`: everything that an event holds, for people and for machines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.events import (
    PROTECTED,
    TESTS,
    Approval,
    Approved,
    Checkpoint,
    Interrupted,
    ListedTest,
    Restoration,
    Restored,
    TestList,
)
from pytest_rollback.model import (
    Action,
    Base,
    Counts,
    Finding,
    Judged,
    Level,
    Loss,
    LossKind,
    Mark,
    Obstacle,
    Outcome,
    Reason,
    Severity,
    Status,
    Subject,
    Tests,
)
from pytest_rollback.repo.ledger import Draft, Ledger
from tests.recording import at, foreign, judgment, withdrawal

Show = Callable[..., list[str]]
TREE, COMMIT = "1" * 40, "9be31d0" + "0" * 33
LISTED = TestList(
    tests=(
        ListedTest(test="test_a.py::test_a", outcome=Outcome.PASSED, marks=(Mark("golden_path", ("chat", "login")),)),
        ListedTest(test="test_a.py::test_b", outcome=None, marks=(Mark("isolation"),), limit_s=1.5),
    )
)


@pytest.fixture
def ledger(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Give an empty ledger, in a place where clocks show UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    return Ledger(repository.path)


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Run the subcommand; gives its lines."""

    def run(*options: str) -> list[str]:
        assert main(["show", *options]) == 0
        return capsys.readouterr().out.splitlines()

    return run


def blocked(ledger: Ledger, repository: Repository) -> str:
    """Record a verdict that has everything."""
    finding = Finding(
        trigger="golden-path",
        severity=Severity.CRITICAL,
        action=Action.ROLL_BACK,
        level=Level.COMMIT,
        deadline_s=300,
        reason="1 of 3 golden-path tests failed",
        tests=("test_a.py::test_a",),
    )
    loss = Loss(name="gone:test_c", kind=LossKind.GONE, what="test_c", was="golden_path", now="gone")
    measured = Judged(
        name="compliance", value=98.1, unit="%", baseline=98.9, limit=95.0, change=-0.8, status=Status.WATCHED
    )
    event = judgment(
        TREE,
        verdict="blocked",
        commit=COMMIT,
        live=True,
        keyed=False,
        unkeyed=("notes.txt",),
        uncommitted=True,
        root="services/api",
        part="1/2",
        base=Base(commit="4f1c2a9" + "0" * 33, how="merge base with origin/main"),
        tests=Tests(collected=40, selected=3, passed=1, failed=1, errors=1, groups={"isolation": Counts(selected=1)}),
        findings=(finding,),
        obstacles=(Obstacle(reason=Reason.NOT_RUN, detail="2 tests were never started", tests=("test_a.py::test_b",)),),
        losses=(
            loss,
            msgspec.structs.replace(loss, name="gone:test_d", approved="Grace: it moved"),
        ),
        measurements=(measured, msgspec.structs.replace(measured, name="memory", value=None, unit="", limit=None)),
    )
    repository.commit("first", **{"schema/user.json": "{}"})
    tree = repository.git("rev-parse", "HEAD:schema").strip()
    blobs = {TESTS: msgspec.json.encode(LISTED)}
    return ledger.append([Draft(event=event, blobs=blobs, trees={PROTECTED: tree})])[0]


def test_a_verdict_is_told_with_all_it_holds(ledger: Ledger, show: Show, repository: Repository) -> None:
    """What was judged, what speaks against it, by what, and what is kept beside it."""
    event = blocked(ledger, repository)
    assert show(event[:8]) == [
        f"event      {event}",
        "what       verdict blocked",
        "when       2026-11-21 12:00:00",
        "by         Ada <ada@example.org>",
        "reason     findings, not steady, in mode enforce",
        "judged     worktree, with uncommitted work on main, live",
        f"commit     {COMMIT}",
        f"tree       {TREE}",
        "not keyed  the commit that follows can't find this verdict",
        "           notes.txt",
        "project    services/api",
        "part       1/2, which says nothing of the others",
        "tests      1 of 3 gate tests passed; 1 failed; 1 in error in 4.2 s",
        "           isolation: 0 of 1 gate tests passed",
        "finding    critical golden-path: 1 of 3 golden-path tests failed (roll back)",
        "           test_a.py::test_a",
        "obstacle   not run: 2 tests were never started",
        "           test_a.py::test_b",
        "loss       gone:test_c: golden_path -> gone",
        "           approved by nobody",
        "loss       gone:test_d: golden_path -> gone",
        "           approved by Grace: it moved",
        "measured   compliance 98.1 %, baseline 98.9, limit 95, change -0.8: watched",
        "measured   memory no number, baseline 98.9, change -0.8: watched",
        f"base       {'4f1c2a9' + '0' * 33}, merge base with origin/main",
        "policy     0123456789ab from pyproject.toml",
        "ran on     3.11.2 on linux, environment fedcba987654",
        f"protected  the protected files are kept as tree {repository.git('rev-parse', 'HEAD:schema').strip()}",
        "listed     2 gate tests; --tests lists them",
    ]
    assert show("last", "--tests")[-2:] == [
        "test       test_a.py::test_a  passed; golden_path(chat, login)",
        "test       test_a.py::test_b  not run; isolation, limit 1.5 s",
    ]


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (
            Interrupted(
                at=at(0),
                session="s",
                started=at(-60),
                subject=Subject(what="staged"),
                expected=None,
                decided=3,
                in_flight=("test_a",),
                failed=("test_b",),
            ),
            [
                "by         nobody that git knows",
                "came to    3 of an unknown number gate tests decided",
                "started    2026-11-21 11:59:00",
                "judged     staged",
                "commit     none yet",
                "tree       none",
                "not keyed  the commit that follows can't find this verdict",
                "in flight  test_a",
                "failed     test_b",
            ],
        ),
        (
            Approval(
                at=at(0), losses=(Approved(name="gone:a", was="passed", now="gone"),), reason="moved", commit=COMMIT
            ),
            [
                "by         nobody that git knows",
                "reason     moved",
                "until      for good",
                f"commit     {COMMIT}",
                "lets pass  gone:a: passed -> gone",
            ],
        ),
        (
            withdrawal("2" * 40, TREE, "3" * 40, "4" * 40),
            [
                "by         nobody that git knows",
                "reason     the clock was wrong",
                f"withdraws  {'2' * 40}",
                f"tree       {TREE}",
                f"as well    {'3' * 40}",
                f"           {'4' * 40}",
            ],
        ),
        (
            Checkpoint(at=at(0), name="v1", phase="beta", commit=COMMIT, tree=TREE, tag="v1", verdict="2" * 40),
            [
                "by         nobody that git knows",
                "name       v1, phase beta, tag v1",
                f"commit     {COMMIT}",
                f"tree       {TREE}",
                f"verdict    {'2' * 40}",
            ],
        ),
        (
            Restoration(
                at=at(0),
                files=(Restored(path="a", blob="3" * 40), Restored(path="b", blob="3" * 40, was="4" * 40)),
                source=COMMIT,
                verdict="2" * 40,
                backup="stash",
            ),
            [
                "by         nobody that git knows",
                f"from       {COMMIT}",
                f"verdict    {'2' * 40}",
                "backup     stash",
                "file       a: missing -> 33333333",
                "file       b: 44444444 -> 33333333",
            ],
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_every_kind_of_event_is_told(ledger: Ledger, show: Show, event: Any, lines: list[str]) -> None:
    """What each of them is about."""
    ledger.append([Draft(event=event)])
    assert show("last")[3:] == lines


def test_a_withdrawn_verdict_says_who_withdrew_it(ledger: Ledger, show: Show) -> None:
    """It may look good by itself."""
    (event,) = ledger.append([Draft(event=judgment(TREE))])
    (gone,) = ledger.append([Draft(event=withdrawal(event, TREE, when=60))])
    assert show(event)[-1] == f"withdrawn  {gone[:8]}, 2026-11-21 12:01:00: the clock was wrong"
    assert json.loads("\n".join(show(event, "--json")))["withdrawn_by"] == [gone]


def test_the_facts_are_there_for_machines(ledger: Ledger, show: Show, repository: Repository) -> None:
    """The event as it was recorded, what it is found by, and its tests when they are asked for."""
    event = blocked(ledger, repository)
    document = json.loads("\n".join(show("last", "--json")))
    assert (document["schema"], document["id"], document["parents"], document["note"]) == (1, event, [], None)
    assert document["event"]["findings"][0]["trigger"] == "golden-path"
    assert document["entry"]["verdict"] == "blocked"
    assert "tests" not in document
    listed = json.loads("\n".join(show("last", "--json", "--tests")))["tests"]
    assert listed["tests"][0][0] == "test_a.py::test_a"


def test_what_a_newer_version_wrote_is_told_by_its_entry(ledger: Ledger, show: Show, repository: Repository) -> None:
    """Machines get it whole."""
    assert ledger.tip() is None
    entry = {"schema": 2, "kind": "quarantine", "at": at(0), "branch": "main", "says": "test_a", "odd": 1}
    event = foreign(repository.path, json.dumps(entry), event=json.dumps(entry))
    assert show("last")[1:] == [
        "what       quarantine",
        "when       2026-11-21 12:00:00",
        "by         nobody that git knows",
        "note       written by a newer version of pytest-rollback",
        "says       test_a",
        "branch     main",
    ]
    assert json.loads("\n".join(show(event, "--json")))["event"] == entry
    broken = foreign(repository.path, json.dumps(entry), event="{]")
    assert json.loads("\n".join(show(broken, "--json")))["event"] is None


def test_a_list_of_tests_that_cannot_be_read_is_left_out(ledger: Ledger, show: Show) -> None:
    """A newer version may have written it; `verify` says what is wrong with it."""
    ledger.append([Draft(event=judgment(TREE), blobs={TESTS: b'{"tests": 3}'})])
    assert not [line for line in show("last", "--tests") if line.startswith(("test ", "listed"))]


def test_an_unclear_name_lists_what_it_may_stand_for(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids are abbreviated, and two may begin alike."""
    ids: list[str] = []
    while len({event[:4] for event in ids}) == len(ids):
        ids += ledger.append([Draft(event=judgment(TREE, when=len(ids) + each)) for each in range(30)])
    starts = [event[:4] for event in ids]
    start = next(each for each in starts if starts.count(each) > 1)
    assert main(["show", start]) == 1
    first, *listed = capsys.readouterr().err.splitlines()
    assert first.endswith(f"events begin with {start}; name one of them by more of its id:")
    assert len(listed) == starts.count(start)
    assert all(line.startswith(f"  {start}") and line.endswith("verdict passed") for line in listed)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dead00", "no event begins with 'dead00'; pytest-rollback log lists them"),
        ("abc", "no event begins with 'abc'; an id has 4 signs at least; pytest-rollback log lists them"),
        ("HEAD", "no event begins with 'HEAD'; pytest-rollback log lists them"),
        ("\x1b[2J", r"no event begins with '\x1b[2J'; pytest-rollback log lists them"),
    ],
)
def test_a_name_of_nothing_is_an_error(
    ledger: Ledger, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    """And says where names are listed."""
    assert main(["show", name]) == 1
    assert "nothing is on record here yet" in capsys.readouterr().err
    ledger.append([Draft(event=judgment(TREE))])
    assert main(["show", name]) == 1
    assert capsys.readouterr().err == f"pytest-rollback show: {said}\n"
