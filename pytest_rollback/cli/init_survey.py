"""What `init` finds in a project: its root, its tests, pytest's settings, git. It reads, and imports no pytest."""

from __future__ import annotations

import configparser
import fnmatch
import os
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from pytest_rollback.cli import CommandError
from pytest_rollback.repo.look import Head, look
from pytest_rollback.repo.plumbing import GitError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = dict[str, Any]

# Where pytest looks for its settings, in its order, and the table or section that must be there for a file to count.
SETTINGS: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("pytest.toml", ("pytest",), False),
    (".pytest.toml", ("pytest",), False),
    ("pytest.ini", ("pytest",), False),
    (".pytest.ini", ("pytest",), False),
    ("pyproject.toml", ("tool", "pytest"), True),
    ("tox.ini", ("pytest",), True),
    ("setup.cfg", ("tool:pytest",), True),
)
BEYOND_TESTS = ("integration", "e2e", "end_to_end", "smoke", "slow", "contract", "acceptance", "system")
NOT_WALKED = (".*", "*.egg", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}", "__pycache__")
TEST_FILES = ("test_*.py", "*_test.py")
BOM = "\ufeff"


class Project(Struct, frozen=True, kw_only=True):
    """Where the project is: its root, the top of the work tree around it, and pytest's settings."""

    root: Path
    top: Path | None
    head: Head | None
    git_trouble: str
    settings: Table | None


class Tests(Struct, frozen=True, kw_only=True):
    """The project's tests, as far as their text tells."""

    __test__ = False

    files: int
    markers: tuple[str, ...]


def find_project(named: Path | None) -> Project:
    """Look around for the project: where pytest would, or in the folder that a person named."""
    start = (named or Path.cwd()).resolve()
    if not start.is_dir():
        msg = f"{start} is no folder; give --root the folder that holds the project"
        raise CommandError(msg)
    head, trouble = None, ""
    try:
        head = look(start)
    except GitError as error:
        trouble = str(error)
    top = head.top.resolve() if head else None
    if top is not None and not start.is_relative_to(top):
        top = None  # core.worktree points elsewhere
    root = start if named else find_root(start, top)
    return Project(root=root, top=top, head=head, git_trouble=trouble, settings=read_settings(root))


def find_root(start: Path, top: Path | None) -> Path:
    """Find the folder that pytest, started here or by a hook, takes for the project's root.

    A policy anywhere else would be read by nobody. Without settings of any kind it is the work tree's top.
    """
    folders = [start, *(folder for folder in start.parents if top is None or folder.is_relative_to(top))]
    for folder in folders:
        if read_settings(folder) is not None:
            return folder
    for name in ("pyproject.toml", "setup.py"):
        for folder in folders:
            if (folder / name).is_file():
                return folder
    return top or start


def read_settings(folder: Path) -> Table | None:
    """Read pytest's settings in a folder; None where there are none."""
    for name, keys, must_be_there in SETTINGS:
        path = folder / name
        if path.is_file():
            found = _read_toml_settings(path, keys) if path.suffix == ".toml" else _read_ini(path, keys[0])
            if found is not None or not must_be_there:
                return found or {}
    return None


def declared_beyond(settings: Table | None) -> list[str]:
    """List the declared markers that projects put on tests beyond the quick ones, such as `integration`."""
    declared = {found[0] for line in _listed(settings, "markers", "\n") if (found := re.match(r"\w+", line))}
    return [name for name in BEYOND_TESTS if name in declared]


def survey_tests(root: Path, settings: Table | None, markers: Collection[str]) -> Tests:
    """Count the test files, and find out which of the markers their text uses."""
    using = re.compile(rb"\bmark\s*\.\s*(" + "|".join(markers).encode() + rb")\b")
    files = 0
    used: set[str] = set()
    for path in set(_python_files(_test_folders(root, settings))):
        files += any(fnmatch.fnmatch(path.name, pattern) for pattern in TEST_FILES)
        try:
            used.update(found.decode() for found in using.findall(path.read_bytes()))
        except OSError:
            continue  # a file that can't be read is pytest's to complain about
    return Tests(files=files, markers=tuple(marker for marker in markers if marker in used))


def read_toml(path: Path) -> Table:
    """Read a TOML file of the project's; what is wrong with it is said with its name and line."""
    content = read_file(path)
    try:
        return tomllib.loads(content.decode().removeprefix(BOM))
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 (byte {error.start}); nothing was written, save it as UTF-8 and run this again"
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not TOML: {error}; nothing was written, mend it and run this again"
    raise CommandError(msg)


def read_file(path: Path) -> bytes:
    """Read a file of the project's."""
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path} can't be read: {error.strerror or error}"
        raise CommandError(msg) from error


def parse_toml(content: bytes) -> Table | None:
    """Read TOML; None where it is none."""
    try:
        return tomllib.loads(content.decode())
    except ValueError:
        return None


def _read_toml_settings(path: Path, keys: tuple[str, ...]) -> Table | None:
    table: object = read_toml(path)
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return None
    in_ini_style = table.get("ini_options")
    return in_ini_style if isinstance(in_ini_style, dict) else table or None


def _read_ini(path: Path, section: str) -> Table | None:
    """Read a section of an ini file; one that can't be read is pytest's to complain about."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return None
    return dict(parser[section]) if parser.has_section(section) else None


def _listed(settings: Table | None, name: str, separator: str | None) -> list[str]:
    """Read a setting that is a list, or a text with a separator in it (None: any blank)."""
    written = (settings or {}).get(name)
    values = written.split(separator) if isinstance(written, str) else written
    return [str(value).strip() for value in values] if isinstance(values, list) else []


def _test_folders(root: Path, settings: Table | None) -> list[Path]:
    """List the folders that pytest collects from."""
    folders: list[Path] = []
    for pattern in _listed(settings, "testpaths", None):
        try:
            folders += root.glob(pattern)
        except (ValueError, NotImplementedError):  # an absolute pattern, or an empty one
            folders.append(root / pattern)
    return [folder for folder in folders if folder.is_dir()] or [root]


def _python_files(folders: list[Path]) -> Iterator[Path]:
    for top in folders:
        for folder, inner, files in os.walk(top):
            inner[:] = [name for name in inner if _is_walked(Path(folder, name))]
            yield from (Path(folder, name) for name in files if name.endswith(".py"))


def _is_walked(folder: Path) -> bool:
    """Whether pytest would look into a folder: none of other people's packages, none that are made."""
    if any(fnmatch.fnmatch(folder.name, pattern) for pattern in NOT_WALKED):
        return False
    return not (folder / "pyvenv.cfg").is_file()
