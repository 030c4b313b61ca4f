"""`pytest-rollback restore`: brings files back from the known good, and looks whether they are what they were."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_rollback.cli import OK, CommandError, record
from pytest_rollback.cli.project import find_root, policy_at
from pytest_rollback.cli.record import LISTED, count, say_fact
from pytest_rollback.events import PROTECTED, Restoration, Restored
from pytest_rollback.judge.text import readable
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.known_good import KnownGood, known_good
from pytest_rollback.repo.ledger import Draft, Ledger, LedgerError
from pytest_rollback.repo.look import Head, look
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.restore import SUBMODULE, Kept, RestoreError, files_in, laid_out
from pytest_rollback.repo.wording import now

GATE = "pytest --safety-gate"


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "restore",
        help="bring files back from the known good",
        description="Bring files of the work tree back as the newest known good state holds them, and verify them. "
        "What stands in their place is kept under refs/rollback/backup; index and HEAD stay as they are.",
        allow_abbrev=False,
    )
    parser.add_argument("path", nargs="+", metavar="PATH", help="a file, or a folder with all that was in it")
    parser.add_argument("--dry-run", action="store_true", help="say what would be brought back, and touch nothing")
    parser.add_argument("--json", action="store_true", help="print the facts for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Bring files back."""
    with record.answering():
        ledger = record.find_ledger()
        head = look(ledger.folder, ledger.surroundings)
        if head is None:
            msg = "there is no work tree here into which a file could be brought back"
            raise CommandError(msg)
        if head.commit is None:
            msg = "nothing is committed yet, so there is nothing to bring back"
            raise CommandError(msg)
        paths = [_seen_from_top(head, path) for path in options.path]
        with Catalogue(ledger) as catalogue:
            good = _good(catalogue, head)
        files = _files(ledger, head, good, paths)
        try:
            with laid_out(head.top, files, ledger.surroundings) as layout:
                due, pointers = [kept.path for kept in layout.due], layout.pointers()
                done: list[Restored] = []
                backup = None
                if not options.dry_run:
                    done, backup = layout.bring_back()
                    due = [file.path for file in done]
        except RestoreError as error:
            _record(ledger, head, good, error.done, error.backup, f"{error}; ")
            raise CommandError(readable(str(error))) from error
        event = _record(ledger, head, good, done, backup)
        if options.json:
            about = {"commit": good.commit, "tree": good.tree, "verdict": good.event, "dry_run": options.dry_run}
            restored = [{"path": file.path, "blob": file.blob, "was": file.was} for file in done]
            found = [kept.path for kept in files]
            lists = {"found": found, "differ": due, "restored": restored, "pointers": pointers}
            record.say_json({"id": event, **about, "backup": backup, **lists})
        else:
            _tell(good, due, len(files), "would be" if options.dry_run else "restored")
            _tell_more(pointers, backup, has_done=bool(done))
    return OK


def _tell(good: KnownGood, due: Sequence[str], found: int, label: str) -> None:
    for number, path in enumerate(due[:LISTED]):
        say_fact("" if number else label, path)
    if len(due) > LISTED:
        say_fact("", f"and {len(due) - LISTED:,} more of {len(due):,}; --json lists all")
    known = f"the known good {good.commit[: record.SHORT_COMMIT]} (verdict {good.event[: record.SHORT]})"
    say_fact("from" if due else "nothing", known if due else f"of {count(found, 'file')} differs from {known}")
    if due and found > len(due):
        say_fact("", f"{found - len(due):,} of {found:,} were as they should be")


def _tell_more(pointers: Sequence[str], backup: str | None, *, has_done: bool) -> None:
    if pointers:
        say_fact("note", f"{pointers[0]} is only a pointer to a large file; for its content: git lfs pull")
    if backup:
        say_fact("before", f"what stood there is kept: git show {backup}:PATH")
    if has_done:
        say_fact("next", GATE)


# --- what is brought back ---


def _seen_from_top(head: Head, path: str) -> str:
    """Give a path as seen from the repository's top; links inside it are left alone, those above it are followed."""
    if not path or "\0" in path:
        msg = "a PATH is empty; name a file, or . for all that is here" if not path else f"{path!r} can't be a path"
        raise CommandError(msg)
    place = Path(os.path.normpath(Path.cwd() / path))
    for top in (head.top, *_spellings(head.top, place)):
        if place.is_relative_to(top):
            return place.relative_to(top).as_posix()
    msg = f"{readable(path)} lies outside the repository {head.top}"
    raise CommandError(msg)


def _spellings(top: Path, place: Path) -> Iterator[Path]:
    """Give the folders above a path that are the top by another name."""
    real = top.resolve()
    return (folder for folder in reversed((place, *place.parents)) if folder.resolve() == real)


def _good(catalogue: Catalogue, head: Head) -> KnownGood:
    """Find the state that files are brought back from."""
    root = find_root(catalogue, head)
    search = known_good(catalogue, head.top, head.commit or "HEAD", inclusive=True, root=root)
    if search.found is not None:
        return search.found
    cut = "; this clone is shallow, so it may lie further back: git fetch --unshallow" if search.cut_short else ""
    of = f" of the project in {root}" if root != "." else ""
    commits = count(search.searched, "commit")
    msg = f"none of {commits} from here back has a verdict{of} that passed, so nothing is known to be good{cut}"
    raise CommandError(readable(msg))


def _files(ledger: Ledger, head: Head, good: KnownGood, paths: Sequence[str]) -> list[Kept]:
    """Find the files in the known good. Of a protected one the verdict has kept what it was; that must be the same."""
    found: dict[str, Kept] = {}
    try:
        for path in paths:
            files = files_in(head.top, good.tree, path, ledger.surroundings)
            if not files and "\\" in path:  # as a gate prints the name of a file that is not printable
                every = files_in(head.top, good.tree, extra=ledger.surroundings)
                files = [file for file in every if readable(file.path) == path]
            _hold_to_files(files, path, good)
            found |= {file.path: file for file in files if file.mode != SUBMODULE}
        tree = ledger.subtree(good.event, PROTECTED)
        protected = files_in(head.top, tree, extra=ledger.surroundings) if tree else []
    except GitError as error:
        msg = f"the known good {good.commit[: record.SHORT_COMMIT]} can't be read: {error}"
        raise CommandError(readable(msg)) from error
    for kept in protected:
        if found.get(kept.path, kept) != kept:
            verdict = good.event[: record.SHORT]
            msg = f"{kept.path} is not what the verdict {verdict} has kept of it; run: pytest-rollback verify"
            raise CommandError(readable(msg))
    return list(found.values())


def _hold_to_files(files: Sequence[Kept], path: str, good: KnownGood) -> None:
    known = f"the known good {good.commit[: record.SHORT_COMMIT]}"
    if not files:
        msg = f"{readable(path)} was not there in {known}"
        raise CommandError(msg)
    if all(file.mode == SUBMODULE for file in files):
        msg = f"{readable(path)} is a submodule, in {known} at {files[0].blob}; move it there with git itself"
        raise CommandError(msg)


# --- what is recorded ---


def _record(
    ledger: Ledger, head: Head, good: KnownGood, done: Sequence[Restored], backup: str | None, trouble: str = ""
) -> str | None:
    """Put on record what was done. That it can't be is no reason to take it back, and is said."""
    if not done:
        return None
    event = Restoration(
        at=now(), by=ledger.who(), files=tuple(done), source=good.commit, verdict=good.event, backup=backup
    )
    try:
        return ledger.append([Draft(event=event)], sign=_signs(ledger, head, good))[0]
    except (GitError, LedgerError) as error:
        kept = f" (what stood there is kept: {backup})" if backup else ""
        msg = f"{trouble}{count(len(done), 'file')} restored{kept}, and that is not on record: {error}"
        raise CommandError(readable(msg)) from error


def _signs(ledger: Ledger, head: Head, good: KnownGood) -> bool:
    """Whether the record is signed; where the policy is what is broken, the one that was good says it."""
    try:
        return record.policy_of(ledger).sign
    except CommandError:
        policy = policy_at(head, good.tree, good.entry.root or ".")
        return policy is not None and policy.sign
