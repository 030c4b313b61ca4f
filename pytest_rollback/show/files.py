"""Reports as files: the ending says the format; a file is written whole or not at all, and only over its like."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

from pytest_rollback.model import Report

FORMATS = {".json": "json", ".md": "markdown", ".xml": "junit"}


def format_of(path: Path) -> ModuleType:
    """Load the format that a path's ending names; most gates write no file, and load none."""
    return importlib.import_module(f"pytest_rollback.show.{FORMATS[path.suffix]}")


def problem(path: Path) -> str | None:
    """Say why a report can't go to a path."""
    if path.suffix not in FORMATS:
        return f"{path}: the ending says the format; known: {', '.join(FORMATS)}"
    if not path.parent.is_dir():
        return f"{path}: there is no folder {path.parent}"
    if path.is_dir():
        return f"{path}: is a folder"
    if not os.access(path.parent, os.W_OK):
        return f"{path}: the folder {path.parent} can't be written to"
    try:
        text = path.read_text("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError):
        text = "?"
    if text.strip() and not format_of(path).is_report(text):
        return f"{path}: stands there already and is no gate report; name another file, or remove it"
    return None


def write(path: Path, report: Report) -> str | None:
    """Write a report so that a reader sees all of it or nothing; gives why it could not be."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(format_of(path).render(report), "utf-8")
        beside.replace(path)
    except (OSError, ValueError) as error:
        beside.unlink(missing_ok=True)
        return f"{path}: could not be written: {getattr(error, 'strerror', None) or error}"
    return None
