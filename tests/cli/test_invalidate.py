"""`pytest-rollback invalidate`: a verdict is withdrawn, and what that takes away is said."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.events import Invalidation
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.ledger import Draft, Ledger
from tests.recording import judgment

Say = Callable[..., list[str]]


@pytest.fixture
def ledger(repository: Repository) -> Ledger:
    """Give a ledger in a repository with two commits, both of them good."""
    ledger = Ledger(repository.path)
    for number in (1, 2):
        repository.commit(f"change {number}", a_py=f"x = {number}\n")
        ledger.append([Draft(event=judgment(tree(repository), when=number))])
    return ledger


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run the subcommand; gives its lines."""

    def run(*options: str, status: int = 0) -> list[str]:
        capsys.readouterr()
        assert main(["invalidate", *options]) == status
        said = capsys.readouterr()
        return (said.out + said.err).splitlines()

    return run


def tree(repository: Repository, revision: str = "HEAD") -> str:
    """Give the tree of a commit."""
    return repository.git("rev-parse", f"{revision}^{{tree}}").strip()


def short(repository: Repository, revision: str) -> str:
    """Give a commit as it is written for people."""
    return repository.git("rev-parse", revision).strip()[:7]


def test_what_it_takes_away_is_said(ledger: Ledger, say: Say, repository: Repository) -> None:
    """Which commits lose their known good, and which one is left."""
    with Catalogue(ledger) as catalogue:
        older, newer = reversed([each.id for each in catalogue.entries()])
    first, *rest = say(newer[:8], "--reason", "the test\n  looked at nothing")
    assert first.startswith(f"withdrawn: {newer[:8]}, passed on 2026-11-21 ")
    assert rest == [
        f"no known good any more: {short(repository, 'HEAD')} (1 commit of this branch)",
        f"known good now: {short(repository, 'HEAD~1')}, by {older[:8]}",
    ]
    event = ledger.read(ledger.tip() or "").event
    assert isinstance(event, Invalidation)
    assert (event.target, event.tree, event.by) == (newer, tree(repository), "Ada <ada@example.org>")
    assert event.reason == "the test looked at nothing"
    assert say(older, "--reason=x")[-1] == "known good now: none; run: pytest --safety-gate"


def test_every_commit_with_that_tree_loses_it(ledger: Ledger, say: Say, repository: Repository) -> None:
    """A revert brings a tree back; the commits are named, the first ten."""
    for number in range(24):
        repository.commit(f"and back {number}", a_py=f"x = {1 + number % 2}\n")
    with Catalogue(ledger) as catalogue:
        newest = catalogue.entries()[0].id
    assert say(newest, "--reason=x")[1].endswith(" and 3 more (13 commits of this branch)")


def test_a_verdict_that_held_nothing_up_takes_nothing_away(ledger: Ledger, say: Say, repository: Repository) -> None:
    """A later one on the same tree stands, or it was on no commit of this branch."""
    (other,) = ledger.append([Draft(event=judgment("1" * 40, when=9))])
    (blocked,) = ledger.append([Draft(event=judgment(verdict="blocked", when=9))])
    for event in (other, blocked):
        assert say(event, "--reason=x")[1:] == [
            "no commit of this branch loses its known good by that",
            f"known good now: {short(repository, 'HEAD')}, by {_newest(ledger, tree(repository))[:8]}, as before",
        ]


def _newest(ledger: Ledger, of: str) -> str:
    with Catalogue(ledger) as catalogue:
        return catalogue.verdicts_of(of)[0].id


def test_a_clock_that_was_ahead_is_no_matter(ledger: Ledger, say: Say, repository: Repository) -> None:
    """It makes no verdict that nobody can withdraw, and no withdrawal that takes what is judged after it."""
    ahead = judgment(tree(repository), when=9_000_000_000)
    first, second = ledger.append([Draft(event=ahead), Draft(event=ahead)])
    say(first, "--reason=x")
    with Catalogue(ledger) as catalogue:
        assert catalogue.good(tree(repository)) is None
        assert catalogue.withdrawals(second)
    (honest,) = ledger.append([Draft(event=judgment(tree(repository), when=1))])
    with Catalogue(ledger) as catalogue:
        good = catalogue.good(tree(repository))
        assert good
        assert good.id == honest


def test_another_project_and_what_did_not_pass_are_left_alone(ledger: Ledger, say: Say, repository: Repository) -> None:
    """The block before a wrong pass was right, and the other gate's verdict is none of its business."""
    here = tree(repository)
    older, newer = (judgment(here, when=each, root="api") for each in (20, 22))
    first, blocked, other, last = ledger.append(
        [
            Draft(event=each)
            for each in (
                older,
                judgment(here, when=21, verdict="blocked", root="api"),
                judgment(here, when=21, root="web"),
                newer,
            )
        ]
    )
    said = say(last, "--reason=x")
    assert said[1:] == [
        f"no known good any more: {short(repository, 'HEAD')} (1 commit of this branch)",
        "known good now: none; run: pytest --safety-gate",
    ]
    with Catalogue(ledger) as catalogue:
        assert catalogue.withdrawn() == {first, last}
        assert not catalogue.withdrawals(blocked)
        good = catalogue.good(here, root="web")
        assert good
        assert good.id == other


def test_the_facts_are_there_for_machines(ledger: Ledger, say: Say, repository: Repository) -> None:
    """Whole ids, before and after."""
    newest = _newest(ledger, tree(repository))
    document = json.loads("\n".join(say(newest, "--reason=x", "--json")))
    head, before = repository.git("rev-parse", "HEAD", "HEAD~1").split()
    assert document == {
        "schema": 1,
        "id": ledger.tip(),
        "target": newest,
        "commits": [head],
        "known_good_before": head,
        "known_good": before,
    }


def test_it_is_signed_where_the_policy_says_so(ledger: Ledger, say: Say, repository: Repository) -> None:
    """And not recorded where it can't be."""
    repository.write("pytest-rollback.toml", "sign = true\n")
    repository.git("config", "gpg.format", "ssh")
    repository.git("config", "user.signingKey", "/no/such/key")
    before = ledger.tip()
    (said,) = say(_newest(ledger, tree(repository)), "--reason=x", status=1)
    assert "nothing was recorded: git commit-tree: " in said
    assert ledger.tip() == before
    repository.write("pytest-rollback.toml", "sign = 3\n")
    assert "pytest-rollback.toml" in say(_newest(ledger, tree(repository)), "--reason=x", status=1)[0]


def test_what_cannot_be_withdrawn_is_an_error(ledger: Ledger, say: Say, repository: Repository) -> None:
    """What is no verdict, what is withdrawn already, what is not there, and what has no reason."""
    newest = _newest(ledger, tree(repository))
    say(newest, "--reason=too early")
    (said,) = say("last", "--reason=x", status=1)
    assert said.endswith(" is no verdict (invalidation); only verdicts can be withdrawn")
    (said,) = say(newest, "--reason=x", status=1)
    assert f"{newest[:8]} is withdrawn already by Ada <ada@example.org>, in " in said
    assert said.endswith(": too early")
    assert "no event begins with 'dead'" in say("dead", "--reason=x", status=1)[0]
    for options in (["--reason= \n"], []):
        with pytest.raises(SystemExit) as stop:
            main(["invalidate", newest, *options])
        assert stop.value.code == 2


def test_a_bare_repository_and_an_unborn_branch_are_no_trouble(
    ledger: Ledger, say: Say, repository: Repository
) -> None:
    """There is no policy and no history then."""
    newest = _newest(ledger, tree(repository))
    repository.git("checkout", "--quiet", "--orphan", "fresh")
    assert say(newest, "--reason=x")[1:] == [
        "no commit of this branch loses its known good by that",
        "known good now: none; run: pytest --safety-gate, as before",
    ]
