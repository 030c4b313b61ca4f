"""Makes the numbers of a session the baselines of its project: once, all or none, after its verdict was told.

The verdict stands as it was judged. Whoever changes what is accepted says why, and has to commit it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from msgspec import Struct

from pytest_rollback.events import BaselineChange, BaselineChanged
from pytest_rollback.judge.accept import Change, Kept, baseline_of, in_unit, plan
from pytest_rollback.judge.acceptable import why_not
from pytest_rollback.judge.bars import lowered
from pytest_rollback.judge.report import Facts
from pytest_rollback.judge.text import readable
from pytest_rollback.model import Report
from pytest_rollback.policy.baselines import FOLDER, Accepted, BaselineError, write
from pytest_rollback.policy.shelf import ShelfError, UnfinishedError, put, take_shelf
from pytest_rollback.repo.identity import identity
from pytest_rollback.repo.ledger import Draft, Ledger, LedgerError
from pytest_rollback.repo.plumbing import GitError, call, find_top
from pytest_rollback.repo.wording import now
from pytest_rollback.session.yardstick import Yardstick

LABEL = 10
NAMED = 5
IGNORED_FIELDS = 4  # of each path that git ignores: which file says so, in which line, by which pattern, and the path


class Measured(Struct, frozen=True, kw_only=True):
    """What a session measured, and how it ended. `verdict` is the event of its verdict, `root` the project's folder."""

    facts: Facts
    report: Report
    yardstick: Yardstick
    pytest_status: int = 0
    is_scratch: bool = False
    verdict: str | None = None
    root: str = "."


def accept(config: pytest.Config, session: Measured, how: str, reason: str, *, ledger: Ledger | None) -> list[str]:
    """Accept what may be accepted, and say in lines for people what became of each number.

    Without a ledger nothing is recorded.
    """
    if not reason.strip():
        msg = "--accept-baselines needs a reason, for those who come after"
        raise ValueError(msg)
    if hasattr(config, "workerinput"):
        return []  # whatever a worker measured, its controller accepts
    report, evidence, yardstick = session.report, session.facts.evidence, session.yardstick
    why = why_not(report, evidence, how, pytest_status=session.pytest_status, is_scratch=session.is_scratch)
    if why is not None:
        return [_line("accepted", f"nothing: {why}")]
    shelf = take_shelf(config.rootpath)
    planned = plan(report.measurements, evidence.measurements, shelf, yardstick.policy, how, machine=yardstick.machine)
    by = identity(config.rootpath, ledger.surroundings if ledger is not None else None)
    accepted = Accepted(at=now(), by=by, reason=readable(" ".join(reason.split())))
    changes, files, refused = _written(planned.changes, accepted)
    lines = [*_accepted(changes), *_kept([*planned.kept, *refused])]
    if not changes:
        return [_line("accepted", "nothing"), *lines]
    try:
        put(config.rootpath, files, seen=shelf)
    except UnfinishedError as error:
        lines.append(_line("note", str(error)))
    except ShelfError as error:
        return [_line("accepted", f"nothing: {error}")]
    if ledger is not None:
        lines += _recorded(ledger, _event(session, changes, accepted), sign=yardstick.policy.sign)
        lines += _to_be_approved(config.rootpath, yardstick)
    return [*lines, *_next(config, list(files), ledger)]


def _written(planned: Sequence[Change], accepted: Accepted) -> tuple[list[Change], dict[str, bytes | None], list[Kept]]:
    """Write the files down; what no file can hold is refused by itself."""
    changes: list[Change] = []
    files: dict[str, bytes | None] = {}
    refused: list[Kept] = []
    for change in planned:
        try:
            files[change.file] = write(baseline_of(change, accepted))
        except BaselineError as error:
            refused.append(Kept(change.name, str(error)))
        else:
            changes.append(change)
    return changes, files, refused


def _event(session: Measured, changes: Sequence[Change], accepted: Accepted) -> BaselineChange:
    changed = (
        BaselineChanged(
            name=change.name,
            environment=change.environment,
            act="accepted",
            was=change.was,
            now=change.now,
            unit=change.unit,
        )
        for change in changes
    )
    return BaselineChange(
        at=accepted.at,
        by=accepted.by,
        changes=tuple(changed),
        reason=accepted.reason,
        root=session.root,
        verdict=session.verdict,
    )


def _recorded(ledger: Ledger, event: BaselineChange, *, sign: bool) -> Iterator[str]:
    """Put it on record; where that can't be, what was accepted stands all the same."""
    try:
        ledger.append([Draft(event=event)], sign=sign)
    except (GitError, LedgerError) as error:
        yield _line("note", str(error))


def _to_be_approved(root: Path, yardstick: Yardstick) -> Iterator[str]:
    """Say what the next gate will ask about: to accept worse is to lower a bar, whoever does it."""
    lost = lowered(yardstick.shelf, take_shelf(root), yardstick.policy)
    if lost:
        names = " ".join(shlex.quote(loss.name) for loss in lost[:NAMED])
        yield _line(
            "note", f"less is demanded now, so it counts once somebody lets it pass: pytest-rollback approve {names}"
        )


# --- what people are told ---


def _line(label: str, text: str) -> str:
    return readable(f"{label:<{LABEL}}{text}")


def _accepted(changes: Sequence[Change]) -> Iterator[str]:
    for change in changes:
        where = f" on {change.environment}" if change.environment else ""
        more = f" ({change.remark})" if change.remark else ""
        if change.is_contract:
            yield _line(
                "accepted", f"{change.name}{where}: {'the contract' if change.was is None else 'changed'}{more}"
            )
            continue
        was = in_unit(change.was, change.was_unit)
        yield _line("accepted", f"{change.name}{where}: {was} -> {in_unit(change.now, change.unit)}{more}")


def _kept(kept: Sequence[Kept]) -> Iterator[str]:
    """Name each that somebody might have expected to change; of the others, how many there are."""
    for each in kept:
        if each.is_news:
            yield _line("kept", f"{each.name}: {each.why}")
    others = [each.name for each in kept if not each.is_news]
    if others:
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        yield _line("kept", f"{len(others)} as they are: {', '.join(others[:NAMED])}{more}")


def _next(config: pytest.Config, files: Sequence[str], ledger: Ledger | None) -> Iterator[str]:
    """Say what makes it hold for others."""
    folder, extra = config.rootpath, ledger.surroundings if ledger is not None else {}
    try:
        top = find_top(folder, extra)
        ignoring = _ignoring(folder, files, extra) if top is not None else ""
    except GitError as error:
        yield _line("note", str(error))
        return
    if top is None:
        yield _line("next", f"keep {FOLDER} with the project; here is no git repository, so nothing was recorded")
    elif ignoring:
        yield _line("note", f"git ignores {FOLDER} ({ignoring}), so no commit holds it, and no other clone")
        yield _line("next", "take that pattern away, or lay the baselines open behind it: !.pytest-rollback/")
    else:
        place = shlex.quote(os.path.relpath(folder / FOLDER, config.invocation_params.dir))
        yield _line("next", f"git add {place} && git commit")


def _ignoring(folder: Path, files: Sequence[str], extra: Mapping[str, str]) -> str:
    """Name what keeps git from seeing the files: `.gitignore:3: *.json`."""
    asked = b"".join(os.fsencode(f"{FOLDER}/{name}") + b"\0" for name in files)
    try:
        said = call("check-ignore", "--verbose", "-z", "--stdin", cwd=folder, extra=extra, feed=asked)
    except GitError as error:
        if error.status == 1:  # it ignores none of them
            return ""
        raise
    fields = [os.fsdecode(field) for field in said.split(b"\0")]
    found = zip(*(fields[start::IGNORED_FIELDS] for start in range(IGNORED_FIELDS)), strict=False)
    return next((f"{source}:{line}: {pattern}" for source, line, pattern, _ in found if pattern[:1] != "!"), "")
