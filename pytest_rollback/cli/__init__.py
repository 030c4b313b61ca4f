"""The command `pytest-rollback`: parses, and hands over to one file a subcommand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pytest_rollback import __version__

OK = 0
ERROR = 1
USAGE = 2
INTERRUPTED = 130


class CommandError(Exception):
    """A subcommand can't do what it was asked to; says what, where, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; its errors, an interrupt and a surprise end in three different ways."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except CommandError as error:
        print(f"pytest-rollback {options.subcommand}: {error}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        print(f"pytest-rollback {options.subcommand}: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


def build_parser() -> argparse.ArgumentParser:
    """Declare every subcommand; each file adds its own options."""
    from pytest_rollback.cli import (
        approve,
        baselines,
        checkpoint,
        demo,
        init,
        invalidate,
        log,
        merge,
        restore,
        schema,
        show,
        status,
        sync,
        verify,
    )

    parser = argparse.ArgumentParser(
        prog="pytest-rollback",
        description="Companion of the pytest plugin: pytest --safety-gate judges, this prepares and explains.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pytest-rollback {__version__}")
    subcommands = parser.add_subparsers(title="subcommands", dest="subcommand", metavar="SUBCOMMAND", required=True)
    commands = (
        demo,
        init,
        status,
        log,
        show,
        approve,
        invalidate,
        checkpoint,
        baselines,
        restore,
        sync,
        verify,
        merge,
        schema,
    )
    for command in commands:
        command.add_to(subcommands)
    return parser
