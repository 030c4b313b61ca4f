"""`pytest-rollback approve`: a person lets pass what a change no longer demands, and says why."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, time, timezone

from msgspec import Struct, structs

from pytest_rollback.cli import OK, CommandError, record
from pytest_rollback.cli.project import find_root, other_roots, policy_at
from pytest_rollback.cli.record import LISTED, say_fact
from pytest_rollback.events import Approval, Approved, Judgment
from pytest_rollback.judge.approvals import approve, is_machine, name_and_mail
from pytest_rollback.judge.text import readable
from pytest_rollback.model import Loss
from pytest_rollback.policy.patterns import matches, matches_mail
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.base import changes_between
from pytest_rollback.repo.catalogue import Catalogue, Recorded, Wanted
from pytest_rollback.repo.ledger import Draft, Ledger
from pytest_rollback.repo.look import Head, look
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.wording import now
from pytest_rollback.show.words import changed

LATELY = 100  # verdicts: among so many it is looked for one that saw the whole gate


class Hearing(Struct, frozen=True, kw_only=True):
    """What the next gate will go by when it hears who approved: all of it is the trusted base's to say."""

    approvers: tuple[str, ...]
    machines: tuple[str, ...]
    authors: frozenset[str]


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "approve",
        help="let pass what a change no longer demands, and say why",
        description="Let pass what the last verdict found lost: a gate test that is gone, a looser policy, an altered "
        "protected file. Who, why, from what and to what goes on record, and holds for exactly that. Without a "
        "FINDING it says what there is.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "finding",
        nargs="*",
        metavar="FINDING",
        help="as the verdict names it, such as gone:tests/test_a.py::test_x; * stands for anything",
    )
    parser.add_argument("--reason", metavar="TEXT", help="why that is right; it goes on record")
    parser.add_argument(
        "--until", metavar="DATE", type=_day, help="the last day on which it holds, such as 2026-12-31 (default: none)"
    )
    parser.add_argument("--json", action="store_true", help="print the facts for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Put an approval on record."""
    with record.answering():
        ledger = record.find_ledger()
        policy = record.policy_of(ledger)
        head = look(ledger.folder, ledger.surroundings)
        if head is None:
            msg = "there is no work tree here; approve in the one in which the gate ran"
            raise CommandError(msg)
        with Catalogue(ledger) as catalogue:
            judged = _judged(ledger, catalogue, head)
            by = ledger.who()
            hearing = _hearing(head, judged[0], policy, by)
            wanted = _wanted(_open_losses(ledger, catalogue, judged, hearing), options.finding)
        _hold_to_hearing(hearing, by)
        event = Approval(
            at=now(),
            by=by,
            losses=tuple(Approved(name=loss.name, was=loss.was, now=loss.now) for loss in wanted),
            reason=_reason(options.reason),
            until=options.until,
            commit=head.commit,
        )
        kept = ledger.append([Draft(event=event)], sign=policy.sign)[0]
        if options.json:
            about = {"by": by, "reason": event.reason, "until": event.until, "commit": event.commit}
            record.say_json({"id": kept, **about, "approved": list(map(structs.asdict, event.losses))})
        else:
            _tell(event, wanted, kept)
    return OK


def _tell(event: Approval, wanted: Sequence[Loss], kept: str) -> None:
    for number, loss in enumerate(wanted):
        say_fact("" if number else "approved", f"{loss.name}: {changed(loss)}")
    until = f", until {record.local(event.until)}" if event.until else ""
    say_fact("by", f"{event.by or 'somebody whose name git does not know'}, event {kept[: record.SHORT]}{until}")
    say_fact("next", "pytest --safety-gate")


def _reason(text: str | None) -> str:
    reason = " ".join((text or "").split())
    if not reason:
        msg = "say why with --reason TEXT; it goes on record beside your name"
        raise CommandError(msg)
    return reason


def _day(text: str) -> str:
    """Read the last day on which an approval holds, as the local clock has it."""
    try:
        day = date.fromisoformat(text.strip())
        end = datetime.combine(day, time.max).astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        msg = f"{text!r} is no date; write it as 2026-12-31"
        raise argparse.ArgumentTypeError(msg) from error
    if end < datetime.now(timezone.utc):
        msg = f"{text} is over already"
        raise argparse.ArgumentTypeError(msg)
    return f"{end:%Y-%m-%dT%H:%M:%SZ}"


# --- what there is to approve ---


def _judged(ledger: Ledger, catalogue: Catalogue, head: Head) -> list[Judgment]:
    """Read the last verdict on this project, of this branch where there is one; and the last that saw all of the gate.

    A gate that was narrowed, or could not collect everything, says nothing of tests that are gone.
    """
    root = find_root(catalogue, head)
    found = _lately(catalogue, head, root)
    if not found:
        others = other_roots(catalogue, root)
        if not others:
            raise CommandError(record.NOTHING_YET)
        msg = f"no verdict on the project in {root} is on record; go to the folder of one that is: {', '.join(others)}"
        raise CommandError(readable(msg))
    whole = next((each for each in found if each.entry.complete), found[0])
    chosen = list(dict.fromkeys((found[0].id, whole.id)))
    read = [(stored.id, stored.event) for stored in ledger.read_all(chosen)]
    for event, what in read:
        if not isinstance(what, Judgment):
            short = event[: record.SHORT]
            msg = f"the last verdict {short} was written by a newer pytest-rollback, or is damaged; upgrade this one"
            raise CommandError(msg)
    return [what for _, what in read if isinstance(what, Judgment)]


def _lately(catalogue: Catalogue, head: Head, root: str) -> list[Recorded]:
    """List the last verdicts on a project, newest first: those of the branch, else of the commit, else any."""
    of_project = Wanted(kinds=("verdict",), root=root)
    tries = [structs.replace(of_project, commit=head.commit), of_project]
    if head.branch is not None:
        tries[0] = structs.replace(of_project, branch=head.branch)
    return next((found for wanted in tries if (found := catalogue.entries(wanted, limit=LATELY))), [])


def _open_losses(ledger: Ledger, catalogue: Catalogue, judged: Sequence[Judgment], hearing: Hearing) -> list[Loss]:
    """Give what was found lost, the newest word about each, and nobody has let pass up to now."""
    found = {loss.name: loss for judgment in reversed(judged) for loss in judgment.losses}
    stored = ledger.read_all([recorded.id for recorded in catalogue.approvals()])
    given = [(each.id, each.event) for each in stored if isinstance(each.event, Approval)]
    heard = approve(
        list(found.values()),
        given,
        [],
        now=now(),
        approvers=hearing.approvers,
        machines=hearing.machines,
        authors=hearing.authors,
    )
    return [loss for loss in heard if loss.approved is None]


def _wanted(losses: Sequence[Loss], named: Sequence[str]) -> list[Loss]:
    """Find the losses that a person names; every name must stand for one."""
    if not losses:
        msg = "the last verdict found nothing lost that is not approved; pytest --safety-gate says what there is now"
        raise CommandError(msg)
    if not named:
        msg = f"name what to approve; the last verdict found lost:{_listed(losses)}"
        raise CommandError(msg)
    for name in named:
        if not any(_is_named(loss, name) for loss in losses):
            near = [loss for loss in losses if name and name in loss.name]
            msg = f"the last verdict found nothing lost that is named {name!r}; it found:{_listed(near or losses)}"
            raise CommandError(msg)
    return [loss for loss in losses if any(_is_named(loss, name) for name in named)]


def _is_named(loss: Loss, name: str) -> bool:
    """Whether a name stands for a loss, as it is or as it was printed."""
    return matches(name, loss.name) or name == readable(loss.name)


def _listed(losses: Sequence[Loss]) -> str:
    """List losses so that their names can be copied into a shell."""
    lines = [f"{shlex.quote(readable(loss.name))}  ({readable(changed(loss))})" for loss in losses[:LISTED]]
    more = [f"and {len(losses) - LISTED:,} more"] if len(losses) > LISTED else []
    return "".join(f"\n    {line}" for line in [*lines, *more])


# --- who may ---


def _hearing(head: Head, judgment: Judgment, own: Policy, by: str | None) -> Hearing:
    """Find out what a gate will go by: the base's policy where there is one, and whose change it is."""
    base = judgment.base
    policy = policy_at(head, base.tree, judgment.root) if base and base.tree else None
    policy = policy or own
    mails = {name_and_mail(by or "")[1].casefold()} if head.uncommitted else set()
    with suppress(GitError):  # the verdict came from elsewhere, and what it judged is not here
        changes = changes_between(head.top, base.commit if base else None, head.commit)
        people = [person for change in changes for person in (change.author, *change.co_authors)]
        mails |= {name_and_mail(person)[1].casefold() for person in people}
    return Hearing(approvers=policy.approvers, machines=policy.machines, authors=frozenset(mails - {""}))


def _hold_to_hearing(hearing: Hearing, by: str | None) -> None:
    """Refuse what no gate would heed, rather than let a person believe that it is settled."""
    who = readable(by) if by else "nobody that git knows; set user.name and user.email"
    if by and is_machine(by, hearing.machines):
        msg = f"{who} is a machine by the policy, and a machine never approves"
        raise CommandError(msg)
    if not hearing.approvers:
        return
    _, mail = name_and_mail(by or "")
    if not any(matches_mail(pattern, mail) for pattern in hearing.approvers):
        msg = f"the policy lets {', '.join(hearing.approvers)} approve, and you are {who}; ask one of them"
        raise CommandError(readable(msg))
    if mail.casefold() in hearing.authors:
        msg = f"{who} wrote a part of this change, and by the policy nobody approves their own; ask another of "
        raise CommandError(readable(f"{msg}{', '.join(hearing.approvers)}"))
