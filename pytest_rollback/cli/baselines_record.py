"""What the acts on baselines share: where those lie, which are meant, and how a change of them comes on record."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from pytest_rollback.cli import CommandError, record
from pytest_rollback.cli.record import SHORT, say_fact
from pytest_rollback.events import BaselineChange, BaselineChanged, Checkpoint, Judgment
from pytest_rollback.judge.accept import in_unit
from pytest_rollback.judge.text import readable
from pytest_rollback.model import Judged, Status
from pytest_rollback.policy.baselines import (
    CONTRACT,
    ENDING,
    FOLDER,
    Accepted,
    Baseline,
    BaselineError,
    Shelf,
    file_of,
    is_file_name,
    key_of,
    shelve,
    write,
)
from pytest_rollback.policy.load import find_policy
from pytest_rollback.policy.problems import PolicyError, nearest
from pytest_rollback.policy.shelf import ShelfError, UnfinishedError, put, take_shelf
from pytest_rollback.repo.blobs import read_files
from pytest_rollback.repo.catalogue import Catalogue, Wanted
from pytest_rollback.repo.identity import identity
from pytest_rollback.repo.ledger import Draft, Ledger, LedgerError
from pytest_rollback.repo.plumbing import GitError, call, find_top
from pytest_rollback.repo.wording import now

ALL = "all"
STOOD = frozenset({Status.HELD, Status.WATCHED})
Key = tuple[str, str | None]


class Place(Struct, frozen=True, kw_only=True):
    """Where the baselines lie: the project's root, seen from here and from the top of the work tree, and its record.

    Outside git there is no ledger, and `alone` says why.
    """

    root: Path
    project: str
    ledger: Ledger | None
    alone: str = ""

    def who(self) -> str | None:
        """Give `Name <mail>` of whoever works here."""
        return identity(self.root, self.ledger.surroundings if self.ledger is not None else None)


def find_place() -> Place:
    """Find the project: the nearest folder from here up that has baselines, else the one with the policy."""
    try:
        here = Path.cwd().resolve()
    except OSError as error:
        msg = f"the current folder is gone: {error.strerror}"
        raise CommandError(msg) from error
    ledger, top, alone = None, None, ""
    try:
        ledger = record.find_ledger()
        top = find_top(ledger.folder, ledger.surroundings)
    except CommandError:
        alone = "here is no git repository"
    except GitError as error:
        alone = str(error)
    root = _root(here, top.resolve() if top is not None else None)
    is_below = top is not None and root.is_relative_to(top.resolve())
    project = root.relative_to(top.resolve()).as_posix() if top is not None and is_below else "."
    return Place(root=root, project=project, ledger=ledger, alone=alone)


def _root(here: Path, top: Path | None) -> Path:
    for folder in (here, *here.parents):
        if os.path.lexists(folder / FOLDER):
            return folder
        if folder == top:
            break
    with suppress(PolicyError):  # whoever goes by the policy says what is wrong with it
        policy = find_policy(here, top)
        if policy is not None:
            return policy.parent
    return top or here


def take(place: Place) -> Shelf:
    """Read the baselines; a folder that can't be read is an error."""
    shelf = take_shelf(place.root)
    if "" in shelf.troubles:
        msg = f"{FOLDER} {shelf.troubles['']}"
        raise CommandError(msg)
    return shelf


def meant(names: Iterable[str], environment: str | None, known: Sequence[Key]) -> list[Key]:
    """Say which baselines are meant by names, each of which may have one for several environments."""
    found: list[Key] = []
    for name in dict.fromkeys(names):
        places = [place for one, place in known if one == name]
        if not places:
            msg = f"there is no baseline of '{name}'{nearest(name, {one for one, _ in known})}"
            raise CommandError(readable(msg))
        chosen = [
            place for place in places if environment in (ALL, place) or (environment is None and len(places) == 1)
        ]
        if not chosen:
            said = f"{len(places)} environments" if environment is None else f"other environments than {environment}"
            listed = ", ".join(place or "everywhere" for place in places)
            msg = f"{name} has baselines for {said}: {listed}; name one by --environment KEY, or all"
            raise CommandError(readable(msg))
        found += [(name, place) for place in chosen]
    return found


def hold_to_sound(shelf: Shelf, names: Iterable[str], environment: str | None) -> None:
    """Refuse a name whose file can't be read: what it says is not known."""
    for name in names:
        for file in damaged_of(shelf, name, environment):
            msg = f"{FOLDER}/{file} {shelf.troubles[file]}"
            raise CommandError(readable(msg))


def damaged_of(shelf: Shelf, name: str, environment: str | None) -> list[str]:
    """List the files that can't be read of those that are meant by a name, which may be a file's own."""
    files = _damaged(shelf, name)
    if name in files:
        return [name]
    if environment not in (None, ALL):
        return [file for file in files if file == file_of(name, environment)]
    others = [each.file for each in shelf.baselines.values() if each.name == name]
    if environment is None and files and len(files) + len(others) > 1:
        listed = ", ".join(sorted([*files, *others]))
        msg = f"{name} has several files: {listed}; name one by --environment KEY, or all"
        raise CommandError(readable(msg))
    return files


def _damaged(shelf: Shelf, name: str) -> list[str]:
    """List the files that can't be read and may be of a name: whatever they say, they are named after it."""
    stem = file_of(name, None).removesuffix(ENDING)
    return [file for file in shelf.troubles if file in (name, f"{stem}{ENDING}") or file.startswith(f"{stem}@")]


# --- what a checkpoint holds ---


class Held(Struct, frozen=True, kw_only=True):
    """What a checkpoint says of baselines: those of its tree, and what the verdict measured that it stands on."""

    name: str
    shelf: Shelf
    verdict: str
    measured: tuple[Judged, ...]

    @property
    def keys(self) -> list[Key]:
        """List what it can give a value for."""
        kept = [(each.name, each.environment) for each in self.shelf.baselines.values()]
        return list(dict.fromkeys([*kept, *((each.name, each.environment) for each in self.measured)]))

    def get(self, name: str, environment: str | None, by: str | None, reason: str) -> Baseline:
        """Give the baseline that held there, else what was measured there."""
        file = file_of(name, environment)
        if file in self.shelf.troubles:
            msg = f"in the checkpoint {self.name}, {FOLDER}/{file} {self.shelf.troubles[file]}"
            raise CommandError(readable(msg))
        if (known := self.shelf.get(name, environment)) is not None:
            return known
        same = (each for each in self.measured if (each.name, each.environment) == (name, environment))
        found = next(same, None)
        if found is None or found.value is None or found.status not in STOOD or found.metric == CONTRACT:
            why = (
                "measured nothing that could be pinned"
                if found is None
                else f"could say no more than {found.status.value}"
            )
            why = "kept no copy of the contract" if found is not None and found.metric == CONTRACT else why
            msg = f"the checkpoint {self.name} has no baseline of {name}, and the verdict that it stands on {why}"
            raise CommandError(readable(msg))
        told = f"measured at the checkpoint {self.name}; {reason}"
        return Baseline(
            name=name,
            metric=found.metric,
            unit=found.unit,
            value=found.value,
            environment=environment,
            accepted=Accepted(at=now(), by=by, reason=told),
        )


def held_by(place: Place, name: str) -> Held:
    """Read what a checkpoint holds."""
    if place.ledger is None:
        msg = f"{place.alone}, and elsewhere there are no checkpoints"
        raise CommandError(msg)
    with Catalogue(place.ledger) as catalogue:
        known = catalogue.entries(Wanted(kinds=("checkpoint",)))
    found = next((each for each in known if each.entry.says == name), None)
    if found is None:
        names = nearest(name, [each.entry.says for each in known]) or "; there is none yet"
        msg = f"no checkpoint is called '{name}'{names}"
        raise CommandError(readable(msg))
    point = place.ledger.read(found.id).event
    if not isinstance(point, Checkpoint):
        msg = f"the checkpoint {name} can't be read; run: pytest-rollback show {found.id[:SHORT]}"
        raise CommandError(readable(msg))
    verdict = place.ledger.read(point.verdict).event
    measured = verdict.measurements if isinstance(verdict, Judgment) and verdict.root == place.project else ()
    return Held(name=name, shelf=_shelf_at(place, point.tree), verdict=point.verdict, measured=measured)


def _shelf_at(place: Place, tree: str) -> Shelf:
    """Read the baselines of a tree."""
    ledger = place.ledger
    if ledger is None:
        return Shelf()
    folder = FOLDER if place.project == "." else f"{place.project}/{FOLDER}"
    listed = call("ls-tree", "-z", "--name-only", "--full-tree", tree, f"{folder}/", cwd=place.root, extra=ledger.extra)
    paths = [os.fsdecode(path) for path in listed.split(b"\0") if path]
    wanted = {path: Path(path).name for path in paths if is_file_name(Path(path).name)}
    return shelve({wanted[path]: content for path, content in read_files(place.root, tree, wanted).items()})


# --- the change, and its record ---


class Act(Struct, frozen=True, kw_only=True):
    """What is done to some baselines, and why."""

    changes: tuple[BaselineChanged, ...]
    files: Mapping[str, Baseline | None]
    reason: str = ""
    checkpoint: str | None = None


def carry_out(place: Place, shelf: Shelf, act: Act) -> dict[str, Any]:
    """Change the files and put that on record; gives the facts."""
    sign = record.wants_signatures(place.ledger) if place.ledger is not None else False
    note = None
    try:
        files = {file: None if kept is None else write(kept) for file, kept in act.files.items()}
        put(place.root, files, seen=shelf)
    except UnfinishedError as error:
        note = str(error)
    except (ShelfError, BaselineError) as error:
        raise CommandError(readable(str(error))) from error
    event = BaselineChange(
        at=now(),
        by=place.who(),
        changes=act.changes,
        reason=act.reason,
        root=place.project,
        checkpoint=act.checkpoint,
    )
    kept = None
    if place.ledger is not None:
        try:
            (kept,) = place.ledger.append([Draft(event=event)], sign=sign)
        except (LedgerError, GitError) as error:
            msg = f"the files are changed, but that is not on record: {error}"
            raise CommandError(readable(msg)) from error
    changes = [{name: getattr(change, name) for name in change.__struct_fields__} for change in act.changes]
    facts = {"reason": act.reason, "checkpoint": act.checkpoint, "files": list(act.files), "note": note}
    return {"id": kept, "root": place.project, "changes": changes, **facts}


def tell(place: Place, act: Act, facts: Mapping[str, Any]) -> None:
    """Say what was done, where it is on record, and what makes it hold for others."""
    for change in act.changes:
        where = f" on {change.environment}" if change.environment else ""
        values = dict.fromkeys(in_unit(value, change.unit) for value in (change.was, change.now))
        point = f", as in the checkpoint {act.checkpoint}" if act.checkpoint else ""
        say_fact(change.act, f"{change.name}{where}: {' -> '.join(values)}{point}")
    if facts["note"]:
        say_fact("note", facts["note"])
    if place.ledger is None:
        say_fact("note", f"{place.alone}, so nothing was recorded")
        return
    say_fact("on record", str(facts["id"])[:SHORT])
    withdrawn = [change for change in act.changes if change.act == "withdrawn"]
    if withdrawn:
        names = " ".join(shlex.quote(f"baseline:{key_of(each.name, each.environment)}") for each in withdrawn)
        say_fact("note", "where the trusted base has it, its number holds until somebody lets that pass:")
        say_fact("", f"pytest-rollback approve {names} --reason TEXT")
    say_fact("next", f"git add --all {shlex.quote(os.path.relpath(place.root / FOLDER))} && git commit")
