"""`pytest-rollback merge`: folds the parts of a gate that was judged in shards into one verdict."""

from __future__ import annotations

import argparse
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from pytest_rollback.cli import CommandError
from pytest_rollback.judge.fold import PartError, Piece, fold, unpack
from pytest_rollback.judge.report import report_on
from pytest_rollback.judge.status import status_of
from pytest_rollback.model import SCHEMA, Report
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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read the parts, judge them as one gate, and tell."""
    if problems := [f"--report {text}" for path in options.report if (text := files.problem(path))]:
        raise CommandError("\n".join(problems))
    for path in options.report:
        path.unlink(missing_ok=True)
    pieces, unreadable = _read(options.parts)
    if not pieces:
        raise CommandError("\n".join(unreadable))
    facts, policy = fold(pieces, unreadable)
    report = report_on(facts, policy, datetime.now(timezone.utc))
    problems = [f"--report {text}" for path in options.report if (text := files.write(path, report))]
    _tell(report, as_json=options.json)
    for problem in problems:
        print(problem, file=sys.stderr)
    return status_of(report, unheard=bool(problems))


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


def _tell(report: Report, *, as_json: bool) -> None:
    if as_json:
        print(json.render(report), end="")
        return
    colours = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if colours else WIDTH
    for line in terminal.render(report, width):
        on, off = (COLOURS[line.colour], "\x1b[0m") if colours and line.colour else ("", "")
        print(f"{on}{line.text}{off}")
