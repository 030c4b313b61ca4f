"""Takes the reports of earlier gates away before anything of the project runs.

A session that dies, or never starts, must not leave an old pass where a machine looks for its verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pytest_rollback.show import files


def report_paths(folder: Path, written: Iterable[str]) -> list[Path]:
    """Give the files that reports go to. A link stays a link: what it leads to is written."""
    return [_behind(Path(folder, name)) for name in written]


def forget_reports(folder: Path, written: Iterable[str]) -> None:
    """Remove old reports; what is no report of ours stays, and is refused later."""
    for path in report_paths(folder, written):
        with suppress(OSError):
            if files.problem(path) is None:
                path.unlink(missing_ok=True)


def _behind(path: Path) -> Path:
    """Follow a link to a file of the same ending; any other is left for the check to refuse."""
    with suppress(OSError, RuntimeError):
        target = path.resolve()
        if path.is_symlink() and target.suffix == path.suffix:
            return target
    return path
