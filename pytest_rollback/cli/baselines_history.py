"""`pytest-rollback baselines history`: what was measured of a metric, and what became of its baseline."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from msgspec import Struct, structs

from pytest_rollback.cli import OK, CommandError, record
from pytest_rollback.cli.baselines_record import ALL, Place, find_place, take
from pytest_rollback.cli.record import SHORT, cut, local, say
from pytest_rollback.events import BaselineChange, Judgment
from pytest_rollback.judge.accept import in_unit
from pytest_rollback.judge.text import readable
from pytest_rollback.policy.baselines import names
from pytest_rollback.policy.problems import nearest
from pytest_rollback.repo.catalogue import Catalogue, Wanted
from pytest_rollback.repo.ledger import Ledger, Stored

PAGE = 20
BATCH = 100


class Past(Struct, frozen=True, kw_only=True):
    """One thing that happened to a metric: it was measured, or its baseline was changed."""

    id: str
    at: str
    by: str | None
    what: str
    was: float | None = None
    value: float | None
    unit: str
    environment: str | None
    status: str | None = None
    commit: str | None = None
    reason: str | None = None


def run(options: argparse.Namespace) -> int:
    """Tell what was measured and accepted of a metric, newest first."""
    with record.answering():
        place = find_place()
        if place.ledger is None:
            msg = f"{place.alone}, and elsewhere nothing is recorded"
            raise CommandError(msg)
        wanted = None if options.environment == ALL else options.environment
        seen: set[str] = set()
        found: list[Past] = []
        for past in _history(place, place.ledger, options.name, seen):
            if wanted is None or past.environment == wanted:
                found.append(past)
            if len(found) > options.limit:
                break
        if not found:
            raise CommandError(_nothing(options.name, wanted, seen | set(names(take(place)))))
        shown = found[: options.limit]
        if options.json:
            facts = {"name": options.name, "root": place.project, "more": len(found) > len(shown)}
            record.say_json({**facts, "history": [structs.asdict(past) for past in shown]})
            return OK
        _tell_history(shown)
        if len(found) > len(shown):
            say(f"and more before that; -n {2 * options.limit} tells more of it")
    return OK


def _history(place: Place, ledger: Ledger, name: str, seen: set[str]) -> Iterator[Past]:
    """Read what the record says of a metric, batch by batch; `seen` takes all metrics that come by."""
    with Catalogue(ledger) as catalogue:
        listed = [each.id for each in catalogue.entries(Wanted(kinds=("verdict", "baselines"), root=place.project))]
    for start in range(0, len(listed), BATCH):
        for stored in ledger.read_all(listed[start : start + BATCH]):
            for one, past in _told_by(stored):
                seen.add(one)
                if one == name:
                    yield past


def _told_by(stored: Stored) -> Iterator[tuple[str, Past]]:
    event, told = stored.event, {"id": stored.id, "at": stored.entry.at, "by": stored.entry.by}
    if isinstance(event, Judgment):
        for each in event.measurements:
            yield (
                each.name,
                Past(
                    what="measured",
                    value=each.value,
                    unit=each.unit,
                    environment=each.environment,
                    status=each.status.value,
                    commit=event.subject.commit,
                    **told,  # type: ignore[arg-type]  # three texts
                ),
            )
    if isinstance(event, BaselineChange):
        for change in event.changes:
            yield (
                change.name,
                Past(
                    what=change.act,
                    was=change.was,
                    value=change.now,
                    unit=change.unit,
                    environment=change.environment,
                    reason=event.reason,
                    **told,  # type: ignore[arg-type]  # three texts
                ),
            )


def _nothing(name: str, environment: str | None, known: set[str]) -> str:
    if name in known:
        on = f" on {environment}" if environment else ""
        return readable(f"{name} has a baseline or was measured, but nothing of that{on} is on record")
    return readable(f"nothing on record is called '{name}'{nearest(name, known)}")


def _tell_history(shown: list[Past]) -> None:
    rows = [tuple(readable(cell) for cell in _cells(past)) for past in shown]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True) if width).rstrip())


def _cells(past: Past) -> tuple[str, ...]:
    value = in_unit(past.value, past.unit)
    if past.what == "measured":
        said = f"{value if past.value is not None else 'no number'}, {past.status}"
    else:
        said = " -> ".join(dict.fromkeys((in_unit(past.was, past.unit), value)))
    more = past.reason or (past.commit or "")[: record.SHORT_COMMIT]
    return local(past.at), past.id[:SHORT], past.what, said, past.environment or "", cut(more)
