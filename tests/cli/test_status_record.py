"""What `status` tells of the record: by project, past withdrawals, and whatever others have written there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.repo.ledger import REF, Draft, Ledger
from tests.recording import foreign, judgment, withdrawal

Tell = Callable[[], dict[str, str]]
BLOCKED: dict[str, Any] = {"verdict": "blocked", "live": True}


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], repository: Repository) -> Tell:
    """Run the subcommand; gives what it says by its labels."""
    repository.commit("first", a_py="x = 1\n")

    def run() -> dict[str, str]:
        capsys.readouterr()
        assert main(["status"]) == 0
        return {line[:11].strip(): line[11:] for line in capsys.readouterr().out.splitlines()}

    return run


@pytest.fixture
def ledger(repository: Repository) -> Ledger:
    """Give an empty ledger."""
    return Ledger(repository.path)


def tree(repository: Repository) -> str:
    """Give the tree that is checked out."""
    return repository.git("rev-parse", "HEAD^{tree}").strip()


def test_it_tells_of_the_project_it_is_run_in(tell: Tell, ledger: Ledger, repository: Repository) -> None:
    """Another project's gate judged the same tree, and says nothing of this one."""
    here = tree(repository)
    ledger.append([Draft(event=judgment(here, root="api")), Draft(event=judgment(when=1, root="api", **BLOCKED))])
    told = tell()
    assert told["this tree"] == "has no verdict on record"
    assert told["known good"].startswith("none in ")
    assert "open" not in told
    ledger.append([Draft(event=judgment(here, when=2))])
    assert tell()["this tree"].startswith("passed: ")


def test_a_withdrawn_pass_opens_what_it_had_closed(tell: Tell, ledger: Ledger, repository: Repository) -> None:
    """The block before it was right after all, and a gate is what comes next."""
    here = tree(repository)
    _, wrong = ledger.append([Draft(event=judgment(here, **BLOCKED)), Draft(event=judgment(here, when=1, live=True))])
    told = tell()
    assert "open" not in told
    assert "next" not in told
    ledger.append([Draft(event=withdrawal(wrong, here, when=2))])
    told = tell()
    assert told["open"].startswith("blocked on main since ")
    assert ", and withdrawn: " in told["this tree"]
    assert told["next"] == "pytest --safety-gate"
    ledger.append([Draft(event=judgment(here, when=-9))])  # by a clock that is behind
    assert tell()["this tree"].startswith("passed: ")


def test_an_unkeyed_pass_closes_nothing(tell: Tell, ledger: Ledger, repository: Repository) -> None:
    """What was judged is in no commit of that branch."""
    here = tree(repository)
    unkeyed = judgment(here, when=1, live=True, keyed=False)
    ledger.append([Draft(event=judgment(here, **BLOCKED)), Draft(event=unkeyed)])
    assert tell()["open"].startswith("blocked on main since ")


@pytest.mark.parametrize("at", ["tomorrow", "", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"])
def test_a_moment_that_is_none_is_no_crash(tell: Tell, ledger: Ledger, repository: Repository, at: str) -> None:
    """Anybody who can push can write one."""
    entry = {"kind": "verdict", "at": at, "verdict": "blocked", "live": True, "whole": True, "root": ".", "says": "x"}
    passed = {**entry, "verdict": "passed", "steady": True, "keyed": True, "tree": tree(repository), "live": False}
    assert ledger.tip() is None
    for each in (entry, passed):
        foreign(repository.path, json.dumps(each))
    told = tell()
    assert told["this tree"].startswith("passed: x")
    assert told["known good"]


def test_what_a_fetch_has_thrown_out_is_said(tell: Tell, ledger: Ledger, repository: Repository) -> None:
    """Else a verdict seems never to have been recorded."""
    first, _ = ledger.append([Draft(event=judgment()), Draft(event=judgment(when=1))])
    repository.git("update-ref", REF, first)
    assert tell()["lost"].startswith("1 event recorded here is not in refs/rollback/ledger any more")
    repository.git("update-ref", "-d", REF)
    assert tell()["lost"].startswith("2 events recorded here are not in ")


def test_a_ledger_that_is_none_is_said_to_be_damaged(tell: Tell, ledger: Ledger, repository: Repository) -> None:
    """It is not a ledger in which nothing is on record."""
    repository.git("update-ref", REF, "HEAD")
    assert tell()["record"].startswith("can't be read: refs/rollback/ledger is damaged: ")
    assert ledger.folder == repository.path
