"""Reports as files: the ending says the format; a file is written whole or not at all, and only over its like."""

from __future__ import annotations

import importlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from pytest_rollback.model import Report

FORMATS = {".json": "json", ".md": "markdown", ".xml": "junit"}


def format_of(path: Path) -> ModuleType:
    """Load the format that a path's ending names; most gates write no file, and load none."""
    return importlib.import_module(f"pytest_rollback.show.{FORMATS[path.suffix]}")


def is_report(path: Path) -> bool:
    """Whether a file is a gate's own report, which changes nothing of what is judged."""
    return path.suffix in FORMATS and path.is_file() and problem(path) is None


def problem(path: Path) -> str | None:
    """Say why a report can't go to a path."""
    if path.suffix not in FORMATS:
        return f"{path}: the ending says the format; known: {', '.join(FORMATS)}"
    if not path.parent.is_dir():
        return f"{path}: there is no folder {path.parent}"
    if not os.access(path.parent, os.W_OK):
        return f"{path}: the folder {path.parent} can't be written to"
    return _in_the_way(path)


def _in_the_way(path: Path) -> str | None:
    """Say what stands at a path and must stay; links count as what they lead to."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return f"{path}: is a folder"
        if not stat.S_ISREG(mode):  # to read a pipe or a device may take for ever
            return f"{path}: is no regular file"
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        text = "?"
    if text.strip() and not format_of(path).is_report(text):
        return f"{path}: stands there already and is no gate report; name another file, or remove it"
    return None


def write(path: Path, report: Report) -> str | None:
    """Write a report so that a reader sees all of it or nothing; gives why it could not be.

    What came to stand at the path since it was asked about is kept: the tests may write files too.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        text = format_of(path).render(report)
        beside.unlink(missing_ok=True)
        with beside.open("x", encoding="utf-8") as file:
            file.write(text)
        trouble = problem(path)
        if trouble is None:
            beside.replace(path)
            return None
    except (OSError, ValueError) as error:
        trouble = f"{path}: could not be written: {getattr(error, 'strerror', None) or error}"
    with suppress(OSError):
        beside.unlink(missing_ok=True)
    return trouble
