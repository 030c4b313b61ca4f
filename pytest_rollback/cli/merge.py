"""`pytest-rollback merge`: folds the parts of a gate that was judged in shards into one verdict."""

from __future__ import annotations

import argparse
import json as plain_json
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

import msgspec

from pytest_rollback.cli import CommandError
from pytest_rollback.events import Digests
from pytest_rollback.judge.fold import PartError, Piece, fold, unpack
from pytest_rollback.judge.onrecord import judgment_of
from pytest_rollback.judge.report import report_on
from pytest_rollback.judge.status import status_of
from pytest_rollback.model import SCHEMA, Report
from pytest_rollback.repo.hooks import root_below
from pytest_rollback.repo.identity import identity
from pytest_rollback.repo.ledger import Draft, Ledger, LedgerError
from pytest_rollback.repo.plumbing import GitError, find_top
from pytest_rollback.repo.wording import now
from pytest_rollback.session.forge import Forge
from pytest_rollback.show import files, json, terminal

COLOURS = {"red": "\x1b[31m", "green": "\x1b[32m", "yellow": "\x1b[33m", "": ""}
WIDTH = 80


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "merge",
        help="fold the reports of --gate-shard into one verdict",
        description="Fold the JSON reports of all parts into one verdict; the status is that of a gate: 0, 80, 81, 5.",
        allow_abbrev=False,
    )
    parser.add_argument("parts", nargs="+", metavar="PART.json", type=Path, help="a report of --gate-shard K/N")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--report", metavar="PATH", type=Path, action="append", default=[], help="write it, as --gate-report does"
    )
    parser.add_argument("--no-record", action="store_true", help="judge, and add nothing to the ledger")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read the parts, judge them as one gate, and tell. Nothing is deleted before all of them are read."""
    forge = Forge(os.environ, Path.cwd())
    if problems := [f"--report {text}" for path in options.report if (text := _problem(path, options.parts))]:
        raise CommandError(_lines(problems, forge))
    pieces, unreadable = _read(options.parts)
    if not pieces:
        raise CommandError(_lines(unreadable, forge))
    for path in options.report:
        path.unlink(missing_ok=True)
    facts, policy = fold(pieces, unreadable)
    report = report_on(facts, policy, datetime.now(timezone.utc))
    problems = [f"--report {text}" for path in options.report if (text := files.write(path, report))]
    unheard = bool(problems)
    if not options.no_record:
        report = _recorded(report, sign=policy.sign)
    problems += forge.summarise(report)  # a summary is a courtesy: without it, the verdict stands
    _tell(report, forge, as_json=options.json)
    _write((forge.harmless(_shown(problem)) for problem in problems), sys.stderr)
    return status_of(report, unheard=unheard)


def _recorded(report: Report, *, sign: bool) -> Report:
    """Put the verdict of the whole on record, where it was about a tree of this repository; say where that failed."""
    folder = Path.cwd()
    try:
        top = find_top(folder)
        if top is None or report.subject.tree is None:
            return report
        # What each part was asked is not known here, so no commit can stand on this verdict; it can be a known good.
        digests = Digests(policy=report.policy.digest, selection="merged", environment=report.environment.digest)
        root, by = root_below(top, folder), identity(top)
        event = judgment_of(report, digests, at=now(), by=by, root=root, complete=False)
        Ledger(top).append([Draft(event=event)], sign=sign)
    except (GitError, LedgerError, ValueError) as error:
        said = str(error).removeprefix("nothing was recorded: ")
        return msgspec.structs.replace(report, notes=(*report.notes, f"nothing was recorded: {said}"))
    return report


def _problem(path: Path, parts: list[Path]) -> str | None:
    """Say why the merged report can't go to a path; a part is never written over."""
    if any(_is_same(path, part) for part in parts):
        return f"{path}: is one of the parts; name another file"
    return files.problem(path)


def _is_same(path: Path, part: Path) -> bool:
    """Whether two paths lead to one file, through links too."""
    with suppress(OSError):
        return path.samefile(part)
    return os.path.realpath(path) == os.path.realpath(part)


def _read(paths: list[Path]) -> tuple[list[Piece], list[str]]:
    """Read every part that can be read; the others are named."""
    pieces, unreadable = [], []
    for path in dict.fromkeys(paths):
        try:
            pieces.append(unpack(str(path), _report(path.read_bytes())))
        except OSError as error:
            unreadable.append(f"{path} can't be read: {error.strerror or error}")
        except (PartError, UnicodeDecodeError) as error:
            unreadable.append(f"{path} {error}")
    return pieces, unreadable


def _report(data: bytes) -> Report:
    """Read a report; one of a newer version is refused, since it may mean something else."""
    try:
        if msgspec.json.decode(data, type=_Header).schema != SCHEMA:
            msg = f"is of another version than {SCHEMA}"
            raise PartError(msg)
        return msgspec.json.decode(data, type=Report)
    except msgspec.MsgspecError as error:
        msg = f"is no report of --gate-report FILE.json: {error}"
        raise PartError(msg) from error


class _Header(msgspec.Struct):
    schema: int


def _tell(report: Report, forge: Forge, *, as_json: bool) -> None:
    """Print the verdict. A forge reads its commands off either stream, so with JSON they leave that one clean."""
    _write(forge.annotate(report), sys.stderr if as_json else sys.stdout)
    if as_json:
        _write([_as_ascii(json.render(report).removesuffix("\n"), forge)], sys.stdout)
        return
    colours = sys.stdout is not None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if colours else WIDTH
    lines = []
    for line in terminal.render(report, width):
        on, off = (COLOURS[line.colour], "\x1b[0m") if colours and line.colour else ("", "")
        lines.append(f"{on}{forge.harmless(_shown(line.text))}{off}")
    _write(lines, sys.stdout)


def _write(lines: Iterable[str], stream: TextIO | None) -> None:
    """Write what can be written: a sign that the stream can't take is spelt out, and a reader may stop listening."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        for line in lines:
            stream.write(f"{line}\n".encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        with suppress(OSError):  # what is still in the buffer must not complain at the end of the process
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _shown(text: str) -> str:
    """Spell out what a terminal would act on, and what would begin a line of its own."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _lines(problems: list[str], forge: Forge) -> str:
    """Put problems below each other, as one error."""
    return "\n".join(forge.harmless(_shown(problem)) for problem in problems)


def _as_ascii(document: str, forge: Forge) -> str:
    """Escape in JSON's own way, so that it says the same whatever the stream takes and the forge obeys."""
    spelt = "".join(c if c.isascii() else plain_json.dumps(c)[1:-1] for c in document)
    return spelt.replace("##[", "##\\u005b") if forge.is_github else spelt
