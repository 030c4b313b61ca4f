"""`pytest-rollback baselines`: which numbers are accepted, how they came about, and which of them may move."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

from msgspec import structs

from pytest_rollback.cli import OK, CommandError, baselines_history, record
from pytest_rollback.cli.baselines_record import (
    ALL,
    Act,
    Place,
    carry_out,
    damaged_of,
    find_place,
    held_by,
    hold_to_sound,
    meant,
    take,
    tell,
)
from pytest_rollback.cli.record import cut, say, say_fact
from pytest_rollback.cli.status import when
from pytest_rollback.events import BaselineChanged
from pytest_rollback.judge.accept import in_unit
from pytest_rollback.judge.text import readable
from pytest_rollback.policy.baselines import ACCEPT, CONTRACT, FOLDER, Baseline, Shelf, names
from pytest_rollback.policy.shelf import is_unfinished
from pytest_rollback.repo.wording import moment_of

WIDEST = 40
CUT_SHORT = "cut short: a change of the baselines was begun here; it counts, and the next change completes it"
EXAMPLES = """\
  pytest-rollback baselines [list] [--environment KEY] [--json]
  pytest-rollback baselines history NAME [--environment KEY] [-n N] [--json]
  pytest-rollback baselines pin NAME... --reason TEXT [--checkpoint NAME] [--environment KEY|all] [--json]
  pytest-rollback baselines unpin NAME... [--reason TEXT] [--environment KEY|all] [--json]
  pytest-rollback baselines invalidate NAME... --reason TEXT [--environment KEY|all] [--json]

They are accepted by a gate: pytest --safety-gate --accept-baselines {new,better,all} --baseline-reason TEXT
"""

# --- what can be asked ---


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand, and the acts below it."""
    parser = subcommands.add_parser(
        "baselines",
        help="tell which numbers are accepted; pin, unpin or withdraw them",
        description="Tell which numbers are accepted, and change which of them may move. They lie in the nearest "
        f"folder from here up that has {FOLDER}.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--environment", metavar="KEY", type=record.worded, help="only those of a kind of machine")
    parser.add_argument("--json", action="store_true", help="print the facts for machines")
    parser.set_defaults(run=run_list)
    acts = parser.add_subparsers(title="acts", metavar="ACT")
    _declare(acts, "list", run_list, "tell which numbers are accepted (the default)", names=None)
    history = _declare(
        acts, "history", baselines_history.run, "tell what was measured and accepted, newest first", names="one"
    )
    history.add_argument(
        "-n",
        "--limit",
        metavar="N",
        type=record.number,
        default=baselines_history.PAGE,
        help=f"so many ({baselines_history.PAGE})",
    )
    pin = _declare(acts, "pin", run_pin, "keep a baseline where it is, whatever is accepted", reason=True)
    pin.add_argument("--checkpoint", metavar="CP", type=record.worded, help="at the value that held in a checkpoint")
    _declare(acts, "unpin", run_unpin, "let a baseline move again", reason=False)
    _declare(
        acts,
        "invalidate",
        run_invalidate,
        "withdraw a baseline; what the trusted base holds is for pytest-rollback approve",
        reason=True,
    )


def _declare(
    acts: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    says: str,
    *,
    names: str | None = "some",
    reason: bool | None = None,
) -> argparse.ArgumentParser:
    """Declare an act. What stands before its name must not be undone by what is left open behind it."""
    act = acts.add_parser(name, help=says, description=f"{says[:1].upper()}{says[1:]}.", allow_abbrev=False)
    if names is not None:
        act.add_argument("name", metavar="NAME", type=record.worded, nargs="+" if names == "some" else None)
    if reason is not None:
        act.add_argument("--reason", metavar="TEXT", type=record.worded, required=reason, help="why")
    every = f", or {ALL}" if names == "some" else ""
    about = {"metavar": "KEY", "type": record.worded, "default": argparse.SUPPRESS}
    act.add_argument("--environment", help=f"only those of a kind of machine{every}", **about)  # type: ignore[arg-type]
    act.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the facts for machines")
    act.set_defaults(run=run)
    return act


# --- list ---


def run_list(options: argparse.Namespace) -> int:
    """Tell which numbers are accepted, and which files can't be read."""
    with record.answering():
        place = find_place()
        shelf = take(place)
        found = sorted(shelf.baselines.values(), key=lambda each: (each.name, each.environment or ""))
        if options.environment not in (None, ALL):
            found = [each for each in found if each.environment == options.environment]
        cut_short = is_unfinished(place.root)
        if options.json:
            damaged = [{"file": file, "trouble": told} for file, told in sorted(shelf.troubles.items())]
            documents = [_document(each) for each in found]
            facts = {"root": place.project, "folder": FOLDER, "unfinished": cut_short}
            record.say_json({**facts, "baselines": documents, "damaged": damaged})
            return OK
        for row in _aligned(found):
            say(row)
        for file, told in sorted(shelf.troubles.items()):
            say_fact("damaged", f"{file} {told}")
        if cut_short:
            say_fact("note", CUT_SHORT)
        if not found and not shelf.troubles:
            on = f" on {options.environment}" if options.environment not in (None, ALL) else ""
            say(f"no baseline is accepted{on} in {place.root / FOLDER}; accept what a gate measures: {ACCEPT}")
    return OK


def _aligned(found: list[Baseline]) -> Iterator[str]:
    now = datetime.now(timezone.utc)
    rows = [tuple(readable(cell) for cell in _row(each, now)) for each in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True) if width).rstrip()


def _row(each: Baseline, now: datetime) -> tuple[str, ...]:
    accepted = each.accepted
    at = _moment(accepted.at)
    by = f"by {accepted.by}" if accepted.by else ""
    why = "; ".join(filter(None, (f"pinned: {each.pinned}" if each.pinned is not None else "", accepted.reason)))
    return (
        cut(each.name, WIDEST),
        "a contract" if CONTRACT in each.basis else in_unit(each.value, each.unit),
        each.environment or "",
        when(at, now) if at is not None else cut(accepted.at, WIDEST),
        cut(by, WIDEST),
        cut(why),
    )


def _moment(at: str) -> datetime | None:
    moment = moment_of(at)
    if moment is None:
        return None
    try:
        return datetime.fromtimestamp(moment / 1_000_000, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None


def _document(each: Baseline) -> dict[str, Any]:
    """Write a baseline for machines: every key is always there."""
    at = _moment(each.accepted.at)
    age = None if at is None else max(0, int((datetime.now(timezone.utc) - at).total_seconds()))
    accepted = {"at": each.accepted.at, "by": each.accepted.by, "reason": each.accepted.reason, "age_s": age}
    return {
        "name": each.name,
        "metric": each.metric,
        "value": each.value,
        "unit": each.unit,
        "environment": each.environment,
        "accepted": accepted,
        "pinned": each.pinned,
        "file": each.file,
    }


# --- pin, unpin, invalidate ---


def run_pin(options: argparse.Namespace) -> int:
    """Keep baselines where they are, or where they were in a checkpoint."""
    reason = " ".join(options.reason.split())
    with record.answering():
        place = find_place()
        shelf = take(place)
        held = held_by(place, options.checkpoint) if options.checkpoint is not None else None
        if held is None:
            hold_to_sound(shelf, options.name, options.environment)
        known = held.keys if held is not None else _keys(shelf)
        changes, files = [], {}
        for name, environment in meant(options.name, options.environment, known):
            now = shelf.get(name, environment)
            then = held.get(name, environment, place.who(), reason) if held is not None else now
            if then is not None:
                kept = structs.replace(then, pinned=reason)
                files[kept.file] = kept
                changes.append(_changed("pinned", now, kept))
        act = Act(changes=tuple(changes), files=files, reason=reason, checkpoint=options.checkpoint)
        return _do(options, place, shelf, act)


def run_unpin(options: argparse.Namespace) -> int:
    """Let baselines move again."""
    with record.answering():
        place = find_place()
        shelf = take(place)
        hold_to_sound(shelf, options.name, options.environment)
        found = [shelf.get(*key) for key in meant(options.name, options.environment, _keys(shelf))]
        pinned = [each for each in found if each is not None and each.pinned is not None]
        if not pinned:
            msg = f"{' and '.join(dict.fromkeys(options.name))}: not pinned; pytest-rollback baselines tells which are"
            raise CommandError(readable(msg))
        free = {each.file: structs.replace(each, pinned=None) for each in pinned}
        changes = tuple(_changed("unpinned", each, each) for each in pinned)
        reason = " ".join((options.reason or "").split())
        return _do(options, place, shelf, Act(changes=changes, files=free, reason=reason))


def run_invalidate(options: argparse.Namespace) -> int:
    """Withdraw baselines, damaged ones too."""
    with record.answering():
        place = find_place()
        shelf = take(place)
        damaged = {name: damaged_of(shelf, name, options.environment) for name in dict.fromkeys(options.name)}
        changes: list[BaselineChanged] = []
        files: dict[str, Baseline | None] = {}
        every = set(names(shelf)) if options.environment == ALL else set()
        sound = [name for name, troubled in damaged.items() if not troubled or name in every]
        for key in meant(sound, options.environment, _keys(shelf)):
            known = shelf.get(*key)
            if known is not None and known.pinned is not None:
                msg = f"{known.key} is pinned ({known.pinned}); let it go first: pytest-rollback baselines unpin"
                raise CommandError(readable(msg))
            if known is not None:
                files[known.file] = None
                changes.append(_changed("withdrawn", known, None))
        for name, troubled in damaged.items():
            files.update(dict.fromkeys(troubled))
            changes += [BaselineChanged(name=name, act="withdrawn") for _ in troubled]
        act = Act(changes=tuple(changes), files=files, reason=" ".join(options.reason.split()))
        return _do(options, place, shelf, act)


def _keys(shelf: Shelf) -> list[tuple[str, str | None]]:
    return [(each.name, each.environment) for each in shelf.baselines.values()]


def _changed(act: str, was: Baseline | None, now: Baseline | None) -> BaselineChanged:
    """Describe a change. Where the unit changed too, what it was can't be told in the same breath."""
    of = now or was
    if of is None:
        msg = "a change is of something"
        raise ValueError(msg)
    comparable = was is not None and was.unit == of.unit
    return BaselineChanged(
        name=of.name,
        environment=of.environment,
        act=act,
        was=was.value if was is not None and comparable else None,
        now=now.value if now is not None else None,
        unit=of.unit,
    )


def _do(options: argparse.Namespace, place: Place, shelf: Shelf, act: Act) -> int:
    facts = carry_out(place, shelf, act)
    if options.json:
        record.say_json(facts)
    else:
        tell(place, act, facts)
    return OK
