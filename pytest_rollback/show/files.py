"""Reports as files: the ending says the format; a file is written whole or not at all, and only over its like."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pytest_rollback.model import Report
from pytest_rollback.show import json, junit, markdown

Format = tuple[Callable[[Report], str], Callable[[str], bool]]
FORMATS: dict[str, Format] = {
    ".json": (json.render, json.is_report),
    ".md": (markdown.render, markdown.is_report),
    ".xml": (junit.render, junit.is_report),
}


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
    if text.strip() and not FORMATS[path.suffix][1](text):
        return f"{path}: stands there already and is no gate report; name another file, or remove it"
    return None


def write(path: Path, report: Report) -> str | None:
    """Write a report so that a reader sees all of it or nothing; gives why it could not be."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(FORMATS[path.suffix][0](report), "utf-8")
        beside.replace(path)
    except (OSError, ValueError) as error:
        beside.unlink(missing_ok=True)
        return f"{path}: could not be written: {getattr(error, 'strerror', None) or error}"
    return None
