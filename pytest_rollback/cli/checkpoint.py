"""`pytest-rollback checkpoint`: gives a state that is known to be good a name, as a tag and on record."""

from __future__ import annotations

import argparse
import re
import shlex
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from msgspec import Struct, structs

from pytest_rollback.cli import OK, CommandError, record
from pytest_rollback.cli.project import find_root, other_roots
from pytest_rollback.cli.record import say_fact
from pytest_rollback.events import Checkpoint, Entry, Judgment
from pytest_rollback.judge.text import readable
from pytest_rollback.model import Counts, Verdict
from pytest_rollback.policy.problems import nearest
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.catalogue import Catalogue, Recorded, Wanted
from pytest_rollback.repo.ledger import Draft, Ledger, LedgerError
from pytest_rollback.repo.look import Head, look, moved_between, tree_of
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.sync import find_remote
from pytest_rollback.repo.tags import TAGS, Tag, add_tag, drop_tag, find_tag, is_name
from pytest_rollback.repo.wording import now
from pytest_rollback.show import files

GATE = "pytest --safety-gate"
ODD = re.compile(r"[^\w.-]+|\.\.+")
UNTRACKED = "untracked: "
NAMED = 5


class Plan(Struct, frozen=True, kw_only=True):
    """The checkpoint that is asked for."""

    name: str
    phase: str | None
    commit: str
    tree: str

    @property
    def title(self) -> str:
        """What the tag says first; one that says otherwise is not ours."""
        return f"checkpoint {self.name}{f', before {readable(self.phase)}' if self.phase is not None else ''}"


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "checkpoint",
        help="give the state that is checked out a name, if its gate passed",
        description="Tag the commit that is checked out and put that on record: only where nothing is uncommitted, "
        "and where its gate passed.",
        allow_abbrev=False,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the tag's name (default: pre-PHASE-DATE)")
    parser.add_argument("--phase", metavar="PHASE", type=record.worded, help="the phase of the policy that begins here")
    parser.add_argument("--json", action="store_true", help="print the facts for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make a checkpoint, or say why there is none."""
    with record.answering():
        ledger = record.find_ledger()
        policy = record.policy_of(ledger)
        _hold_to_phases(policy, options.phase)
        name = _name(options.name, options.phase, ledger.folder)
        head = look(ledger.folder, ledger.surroundings)
        if head is None:
            msg = "there is no work tree here; a checkpoint is made of what is checked out"
            raise CommandError(msg)
        commit, tree = _clean(head, ledger)
        plan = Plan(name=name, phase=options.phase, commit=commit, tree=tree)
        with Catalogue(ledger) as catalogue:
            good = _good(ledger, catalogue, find_root(catalogue, head), plan, policy)
            tag = _tag_in_place(ledger, catalogue, plan)
        kept = _keep(ledger, plan, good, tag, sign=policy.sign)
        if options.json:
            facts = {"name": name, "phase": plan.phase, "commit": commit, "tree": tree}
            record.say_json({"id": kept, **facts, "tag": f"{TAGS}{name}", "verdict": good.id})
        else:
            _tell(ledger, plan, good, kept)
    return OK


def _tell(ledger: Ledger, plan: Plan, good: Recorded, kept: str) -> None:
    say_fact("checkpoint", f"{plan.name} at {plan.commit[: record.SHORT_COMMIT]}, event {kept[: record.SHORT]}")
    say_fact("stands on", f"the verdict {good.id[: record.SHORT]}: {good.entry.says}")
    try:
        remote = shlex.quote(find_remote(ledger))
    except LedgerError:
        return  # there is nobody to share it with, or nobody knows with whom
    say_fact("share it", f"git push {remote} tag {shlex.quote(plan.name)} && pytest-rollback sync {remote}")


# --- what may bear a name ---


def _hold_to_phases(policy: Policy, phase: str | None) -> None:
    if phase is not None and phase not in policy.phases:
        known = nearest(phase, policy.phases) or "; it names none: add [phases.NAME] to it, or leave --phase out"
        msg = f"the policy knows no phase {phase!r}{known}"
        raise CommandError(readable(msg))


def _name(name: str | None, phase: str | None, folder: Path) -> str:
    """Give the name that the tag is to bear."""
    if name is None:
        if phase is None:
            msg = "give the checkpoint a name, or name the --phase that it comes before"
            raise CommandError(msg)
        name = f"pre-{ODD.sub('-', phase).strip('-.') or 'phase'}-{datetime.now(timezone.utc):%Y%m%d}"
    if not is_name(name, folder):
        msg = f"{name!r} can't be a tag's name; use letters, digits, '-', '_', '.' and '/', and begin with a letter"
        raise CommandError(msg)
    return name


def _clean(head: Head, ledger: Ledger) -> tuple[str, str]:
    """Give the commit that is checked out, and its tree, if nothing else is there."""
    if head.commit is None:
        msg = "nothing is committed yet, so there is no state that could bear a name"
        raise CommandError(msg)
    tree = tree_of(structs.replace(head, uncommitted=False), ledger.surroundings)
    if head.uncommitted:
        changed: list[str] = []
        with suppress(GitError):
            changed = moved_between(head.top, tree, tree_of(head, ledger.surroundings))
        what = f" ({_some(changed)})" if changed else ""
        msg = f"there is uncommitted work{what}; commit it, judge that ({GATE}), and make the checkpoint then"
        raise CommandError(msg)
    odd = [name for name in head.unkeyed if not files.is_report(head.top / name.removeprefix(UNTRACKED))]
    if odd:
        msg = f"the work tree holds what no commit does ({_some(odd)}); commit, ignore or remove it first"
        raise CommandError(msg)
    return head.commit, tree


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(map(readable, names[:NAMED]))}{more}"


# --- what it stands on ---


def _good(ledger: Ledger, catalogue: Catalogue, root: str, plan: Plan, policy: Policy) -> Recorded:
    """Find the verdict that says that the state is good, and that what the phase requires was judged."""
    verdicts = catalogue.entries(Wanted(kinds=("verdict",), tree=plan.tree, root=root))
    if not verdicts:
        of = f" of the project in {root}" if root != "." else ""
        others = other_roots(catalogue, root)
        where = f" (judged were: {_some(others)}; go there for one of those)" if others else ""
        msg = f"no verdict on this state{of} is on record{where}; judge it first: {GATE}"
        raise CommandError(msg)
    # It may have passed and failed by turns; what was said last counts, and a gate that could not tell said nothing.
    decided = next((each for each in verdicts if each.entry.verdict != Verdict.INCONCLUSIVE.value), verdicts[0])
    good = [each for each in verdicts if _is_good(each.entry) and not catalogue.withdrawals(each.id)]
    if not good or decided.entry.verdict == Verdict.BLOCKED.value:
        why = _why_not(catalogue, decided)
        last = f"the last verdict on this state, {decided.id[: record.SHORT]}, {readable(why)}"
        msg = f"{last}; a checkpoint needs one that passed: {GATE}"
        raise CommandError(msg)
    if plan.phase is None:
        return good[0]
    return _hold_to_required(ledger, good, plan.phase, policy.phases[plan.phase].requires)


def _is_good(entry: Entry) -> bool:
    return entry.verdict == Verdict.PASSED.value and entry.steady and entry.keyed and entry.whole


def _why_not(catalogue: Catalogue, last: Recorded) -> str:
    """Say what keeps a verdict from being one that a checkpoint can stand on."""
    entry = last.entry
    said = f"{entry.verdict} ({entry.reason})"
    if withdrawn := catalogue.withdrawals(last.id):
        return f"said {said} and was withdrawn: {withdrawn[0].entry.says}"
    if entry.verdict != Verdict.PASSED.value:
        return f"is {said}"
    if not entry.whole:
        return f"is {said}, and judged a part of the gate only"
    if not entry.keyed:
        return f"is {said}, and judged files that are in no commit as well"
    return f"is {said}, and held only after a rerun" if not entry.steady else f"is {said}"


def _hold_to_required(ledger: Ledger, good: list[Recorded], phase: str, required: tuple[str, ...]) -> Recorded:
    """Choose a verdict that judged all that a phase requires; a staged gate may have left some of it to CI."""
    missing: dict[str, Counts | None] = {}
    for verdict in good:
        event = ledger.read(verdict.id).event
        groups = event.tests.groups if isinstance(event, Judgment) else {}
        open_ones = {name: groups.get(name) for name in required if not _held(groups.get(name))}
        if not open_ones:
            return verdict
        missing = missing or open_ones
    name, counted = next(iter(missing.items()))
    done = f"{counted.passed} of {counted.collected} passed" if counted else "nothing was judged"
    left = f" and {counted.left_to_ci} were left to CI" if counted and counted.left_to_ci else ""
    how = "the verdict of CI comes by: pytest-rollback sync" if left else f"judge all of it first: {GATE}"
    msg = f"the phase {phase} requires {name}, and of that {done}{left}; {how}"
    raise CommandError(readable(msg))


def _held(counted: Counts | None) -> bool:
    """Whether a group was judged, and all of it that did not step aside passed."""
    return counted is not None and 0 < counted.passed == counted.collected - counted.skipped


# --- the tag and the event ---


def _tag_in_place(ledger: Ledger, catalogue: Catalogue, plan: Plan) -> Tag | None:
    """Find the tag of a checkpoint that was cut short before it came on record; any other is in the way."""
    tag = find_tag(ledger.folder, plan.name, ledger.surroundings)
    if tag is None:
        return None
    at_commit = catalogue.entries(Wanted(kinds=("checkpoint",), commit=plan.commit))
    is_known = any(recorded.entry.says == plan.name for recorded in at_commit)
    if is_known or (tag.commit, tag.title) != (plan.commit, plan.title):
        here = " of this very state" if is_known else ""
        msg = f"there is a tag {plan.name} already{here}; choose another name, or see: git show {TAGS}{plan.name}"
        raise CommandError(msg)
    return tag


def _keep(ledger: Ledger, plan: Plan, good: Recorded, tag: Tag | None, *, sign: bool) -> str:
    """Tag and record, neither without the other. Cut short in between, the same command completes it."""
    by = ledger.who()
    made = None
    if tag is None:
        about = f"{plan.title}\n\nstands on the verdict {good.id}\n"
        made = add_tag(ledger.folder, plan.name, plan.commit, about, by, ledger.surroundings)
    event = Checkpoint(
        at=now(),
        by=by,
        name=plan.name,
        phase=plan.phase,
        commit=plan.commit,
        tree=plan.tree,
        tag=f"{TAGS}{plan.name}",
        verdict=good.id,
    )
    try:
        return ledger.append([Draft(event=event)], sign=sign)[0]
    except (GitError, LedgerError):
        if made is not None:
            drop_tag(ledger.folder, plan.name, made, ledger.surroundings)
        raise
