"""`pytest-rollback sync`: carries the record between this clone and a remote; `git clone` and `git pull` don't."""

from __future__ import annotations

import argparse

from pytest_rollback.cli import OK, record
from pytest_rollback.cli.record import count, say
from pytest_rollback.repo.evidence import Shared, share
from pytest_rollback.repo.sync import Exchange, find_remote, sync


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "sync",
        help="fetch, merge and push the record",
        description="Fetch the record of a remote, merge it with ours, and push what the remote lacks. Nothing is ever "
        "lost on either side. Without a name: the remote of the branch, else origin, else the only one.",
        allow_abbrev=False,
    )
    parser.add_argument("remote", nargs="?", metavar="REMOTE", help="a remote of this repository, by name")
    parser.add_argument("--no-push", dest="push", action="store_false", help="only fetch and merge")
    parser.add_argument("--evidence", action="store_true", help="carry tracebacks, diffs and outputs too")
    parser.add_argument("--json", action="store_true", help="print the facts for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exchange what either side lacks, and say what came and went."""
    with record.answering():
        ledger = record.find_ledger()
        remote = find_remote(ledger, options.remote)
        done = sync(ledger, remote, push=options.push)
        shared = share(ledger, remote, push=options.push) if options.evidence else None
        if options.json:
            facts = {"remote": remote, "came": done.came, "went": done.went, "total": done.total, "tip": done.tip}
            record.say_json({**facts, "evidence": shared and {"came": shared.came, "went": shared.went}})
        else:
            say(_told(done))
            if done.is_cut_off:
                say("a shallow clone cuts the record off, so older events are not here; run: git fetch --unshallow")
            if shared is not None:
                say(_told_of(shared, remote))
    return OK


def _told(done: Exchange) -> str:
    if done.tip is None:
        return f"{done.remote}: nothing is on record here or there; a gate records itself: pytest --safety-gate"
    total = f"{count(done.total, 'event')} in all"
    if done.went is None:
        kept = f"{done.ahead:,} not pushed" if done.ahead else "none of ours is missing there"
        return f"{done.remote}: {count(done.came, 'event')} came, {kept}; {total}"
    if not done.came and not done.went:
        return f"{done.remote}: nothing new on either side; {total}"
    return f"{done.remote}: {count(done.came, 'event')} came, {done.went:,} went; {total}"


def _told_of(shared: Shared, remote: str) -> str:
    went = "" if shared.went is None else f", {shared.went:,} went"
    return f"{remote}: evidence of {count(shared.came, 'event')} came{went}"
