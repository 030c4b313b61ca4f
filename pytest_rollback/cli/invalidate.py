"""`pytest-rollback invalidate`: a person withdraws a verdict, and sees what that takes away."""

from __future__ import annotations

import argparse
from contextlib import closing

from msgspec import Struct

from pytest_rollback.cli import OK, CommandError, record
from pytest_rollback.cli.record import LISTED, SHORT, SHORT_COMMIT, count, local, say
from pytest_rollback.events import Invalidation
from pytest_rollback.model import Verdict
from pytest_rollback.repo.catalogue import Catalogue, Recorded
from pytest_rollback.repo.known_good import Search, first_parents, known_good
from pytest_rollback.repo.ledger import Draft, Ledger
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.wording import now

PASSED = Verdict.PASSED.value


class Taken(Struct, frozen=True, kw_only=True):
    """What an invalidation took away."""

    event: str
    target: str
    commits: list[str]
    was: Search
    now: Search


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "invalidate",
        help="withdraw a verdict that was wrong",
        description="Withdraw a verdict, and with a pass every other one of the same tree that is on record: none of "
        "them makes a known good any more. They stay on record, and so does who withdrew them and why.",
        allow_abbrev=False,
    )
    parser.add_argument("event", metavar="EVENT", help="the beginning of the id of a verdict, or last")
    parser.add_argument("--reason", metavar="TEXT", type=record.worded, required=True, help="why it can't be relied on")
    parser.add_argument("--json", action="store_true", help="print the facts for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Withdraw a verdict, and say what that changes."""
    reason = " ".join(options.reason.split())
    with record.answering():
        ledger = record.find_ledger()
        with Catalogue(ledger) as catalogue:
            target = _verdict(catalogue, options.event)
            taken = _withdraw(ledger, catalogue, target, reason)
        if options.json:
            goods = {"known_good_before": _commit(taken.was), "known_good": _commit(taken.now)}
            record.say_json({"id": taken.event, "target": taken.target, "commits": taken.commits, **goods})
        else:
            _tell(taken, target)
    return OK


def _verdict(catalogue: Catalogue, named: str) -> Recorded:
    """Find the verdict that is named, which nobody has withdrawn yet."""
    target = record.find_event(catalogue, named)
    if target.entry.kind != "verdict":
        msg = f"{target.id[:SHORT]} is no verdict ({target.entry.kind}); only verdicts can be withdrawn"
        raise CommandError(msg)
    if earlier := catalogue.withdrawals(target.id):
        by = f" by {earlier[0].entry.by}" if earlier[0].entry.by else ""
        msg = f"{target.id[:SHORT]} is withdrawn already{by}, in {earlier[0].id[:SHORT]}: {earlier[0].entry.says}"
        raise CommandError(msg)
    return target


def _withdraw(ledger: Ledger, catalogue: Catalogue, target: Recorded, reason: str) -> Taken:
    sign = record.wants_signatures(ledger)
    tree, root = target.entry.tree, target.entry.root
    good = tree is not None and catalogue.good(tree, root=root) is not None
    was = known_good(catalogue, ledger.folder, inclusive=True, root=root)
    event = Invalidation(
        at=now(),
        by=ledger.who(),
        target=target.id,
        tree=tree,
        reason=reason,
        covers=_covered(catalogue, target),
    )
    (kept,) = ledger.append([Draft(event=event)], sign=sign)
    catalogue.refresh()
    lost = good and tree is not None and catalogue.good(tree, root=root) is None
    return Taken(
        event=kept,
        target=target.id,
        commits=_with_tree(ledger, tree) if lost and tree is not None else [],
        was=was,
        now=known_good(catalogue, ledger.folder, inclusive=True, root=root),
    )


def _covered(catalogue: Catalogue, target: Recorded) -> tuple[str, ...]:
    """List the passes that go with a pass: a block before it was no mistake, and what is judged later stands."""
    tree, gone = target.entry.tree, catalogue.withdrawn()
    if tree is None or target.entry.verdict != PASSED:
        return ()
    same = catalogue.verdicts_of(tree, root=target.entry.root)
    passes = (each.id for each in same if each.entry.verdict == PASSED and each.id not in gone)
    return tuple(event for event in passes if event != target.id)


def _with_tree(ledger: Ledger, tree: str) -> list[str]:
    """List the commits of HEAD's first parents that have a tree, newest first."""
    try:
        with closing(first_parents(ledger.folder, "HEAD", ledger.surroundings)) as history:
            return [commit for commit, its_tree in history if its_tree == tree]
    except GitError:
        return []  # an unborn branch


def _commit(search: Search) -> str | None:
    return search.found.commit if search.found is not None else None


def _tell(taken: Taken, target: Recorded) -> None:
    entry = target.entry
    say(f"withdrawn: {target.id[:SHORT]}, {entry.verdict} on {local(entry.at)}; on record as {taken.event[:SHORT]}")
    if not taken.commits:
        say("no commit of this branch loses its known good by that")
    else:
        listed = ", ".join(commit[:SHORT_COMMIT] for commit in taken.commits[:LISTED])
        more = f" and {len(taken.commits) - LISTED:,} more" if len(taken.commits) > LISTED else ""
        say(f"no known good any more: {listed}{more} ({count(len(taken.commits), 'commit')} of this branch)")
    same = ", as before" if _commit(taken.was) == _commit(taken.now) else ""
    say(f"known good now: {_known(taken.now)}{same}")


def _known(search: Search) -> str:
    if search.found is not None:
        return f"{search.found.commit[:SHORT_COMMIT]}, by {search.found.event[:SHORT]}"
    return "not to be found, since this clone is shallow" if search.cut_short else "none; run: pytest --safety-gate"
