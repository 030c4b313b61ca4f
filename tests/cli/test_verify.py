"""`pytest-rollback verify`: one line when all is well, and the first bad event when it is not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.repo.ledger import REF, Draft, Ledger
from tests.recording import at, foreign, judgment

Say = Callable[..., list[str]]

NEWER = "1 written by a newer version, which this one can't judge"


@pytest.fixture
def ledger(repository: Repository) -> Ledger:
    """Give an empty ledger."""
    return Ledger(repository.path)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run the subcommand; gives its lines."""

    def run(*options: str, status: int = 0) -> list[str]:
        assert main(["verify", *options]) == status
        return capsys.readouterr().out.splitlines()

    return run


def test_a_whole_ledger_is_one_line(ledger: Ledger, say: Say, repository: Repository) -> None:
    """With its count, and what a newer version wrote apart."""
    assert say() == ["nothing is on record here yet; a gate records itself: pytest --safety-gate"]
    ledger.append([Draft(event=judgment())])
    assert say() == ["1 event, chain whole, everything readable"]
    foreign(repository.path, json.dumps({"schema": 2, "kind": "verdict", "at": at(1)}))
    assert say() == [f"2 events, chain whole, everything readable; {NEWER}"]


def test_the_first_bad_event_is_named_and_the_others_are_counted(
    ledger: Ledger, say: Say, repository: Repository
) -> None:
    """Where it began is where to look."""
    ledger.append([Draft(event=judgment())])
    bad = [foreign(repository.path, "noise") for _ in range(14)]
    foreign(repository.path, json.dumps({"schema": 2, "kind": "verdict", "at": at(1)}))
    flaw = "it bears no entry, and is no merge of two chains"
    first, *others, more, total = say(status=1)
    assert first == f"the first bad event is {bad[0]}: {flaw}"
    assert others == [f"then {event[:8]}: {flaw}" for event in bad[1:11]]
    assert (more, total) == ("and 3 more; --json lists all", f"14 of 16 events bad; {NEWER}")
    document = json.loads("\n".join(say("--json", status=1)))
    assert [each["event"] for each in document.pop("flaws")] == bad
    assert document == {
        "schema": 1,
        "events": 16,
        "merges": 0,
        "newer": 1,
        "bad": 14,
        "vanished": 0,
        "signatures": False,
    }


def test_signatures_are_checked_when_asked_for_or_when_the_policy_wants_them(
    ledger: Ledger, say: Say, repository: Repository
) -> None:
    """A project that signs wants to know of what is not."""
    ledger.append([Draft(event=judgment())])
    assert say()
    assert say("--signed", status=1)[0].endswith(": it is not signed")
    repository.write("pytest-rollback.toml", "sign = true\n")
    assert say(status=1)[1] == "1 of 1 event bad"


def test_what_a_fetch_has_thrown_out_is_said(ledger: Ledger, say: Say, repository: Repository) -> None:
    """The chain is whole, and what was recorded here is not in it."""
    first, *_ = ledger.append([Draft(event=judgment(when=each)) for each in range(3)])
    repository.git("update-ref", REF, first)
    assert say(status=1) == [
        "1 event, chain whole, everything readable",
        "2 events recorded here are not in refs/rollback/ledger any more (a fetch of refs/rollback/* does that); "
        "the next gate takes them back, or: pytest-rollback sync",
    ]
    ledger.append([Draft(event=judgment(when=9))])
    assert say() == ["4 events, chain whole, everything readable"]


def test_a_ledger_of_a_merge_alone_has_flaws(ledger: Ledger, say: Say, repository: Repository) -> None:
    """It is not a ledger in which nothing is on record yet."""
    empty = repository.git("hash-object", "-t", "tree", "-w", "/dev/null").strip()
    commit = repository.git("commit-tree", "-m", "merge of two chains", empty).strip()
    repository.git("update-ref", REF, commit)
    assert ledger.tip() == commit
    assert say(status=1)[0] == f"the first bad event is {commit}: it bears no entry, and is no merge of two chains"
