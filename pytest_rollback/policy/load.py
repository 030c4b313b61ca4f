"""Finds and loads the policy: the shipped matrix, the project's table over it, and a stricter file over both."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath

from msgspec import Struct

from pytest_rollback.policy.check import PREFIX, Checker, Tables
from pytest_rollback.policy.problems import PolicyError, Problem
from pytest_rollback.policy.resolve import NAMES_METRICS, overlay, resolve
from pytest_rollback.policy.rules import Policy
from pytest_rollback.policy.sense import hold_to_sense
from pytest_rollback.policy.tables import TABLES
from pytest_rollback.policy.tighten import loosened

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OWN_FILE = "pytest-rollback.toml"
SHARED_FILE = "pyproject.toml"
POLICY_FILES = (OWN_FILE, SHARED_FILE)  # in the order in which they are looked for
NAMED = re.compile(rb"pytest[-_]rollback")
SHIPPED = "the shipped matrix"


class Written(Struct, frozen=True):
    """A policy file that need not lie on disk, such as the trusted base's. `of` says whose it is, for messages."""

    name: str  # seen from the repository's top
    content: bytes
    of: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.of})" if self.of else self.name


def find_policy(root: Path, top: Path | None = None) -> Path | None:
    """Find the project's policy file: in its root, else in the nearest folder above it up to the repository's top."""
    folders = [root]
    if top is not None:  # git gives the real path, and a root may have been reached through a link
        real, top = root.resolve(), top.resolve()
        folders += [folder for folder in real.parents if folder == top or top in folder.parents]
    for folder in folders:
        own, shared = folder / OWN_FILE, folder / SHARED_FILE
        if os.path.lexists(own):  # even a folder or a dangling link: reading it says what is wrong
            return own
        if shared.is_file() and _is_ours(shared):
            return shared
    return None


def places_of_policy(root: str = ".") -> list[str]:
    """Say where `find_policy` looks, in its order; the root, like the answer, is seen from the repository's top."""
    here = PurePosixPath(root)
    return [str(folder / name) for folder in (here, *here.parents) for name in POLICY_FILES]


def choose_policy(contents: Mapping[str, bytes], of: str = "") -> Written | None:
    """Choose among the files that are there, of `places_of_policy`, the one that `find_policy` would find."""
    by_place = {PurePosixPath(name): content for name, content in contents.items()}
    for place in sorted(by_place, key=lambda place: (-len(place.parts), place.name == SHARED_FILE)):
        written = Written(str(place), by_place[place], of)
        if place.name == OWN_FILE or _is_ours(written):
            return written
    return None


def load_policy(
    path: Path | Written | None, tighter: Path | Written | None = None, extra: Tables | None = None
) -> Policy:
    """Load the policy of a file (none: the shipped one). All that is wrong is raised at once.

    `tighter` may only demand more. `extra` are rows that other plugins add; they stand under the project's.
    """
    tables, source = _shipped(), SHIPPED
    if extra:
        tables = _laid_over(_with_metrics_of(tables, extra), extra, Checker("pytest_rollback_triggers", ""))
    if path is not None:
        tables, source = _with_file(tables, path), _place(path).name
    policy = resolve(tables, source)
    if tighter is None:
        return policy
    tightened = resolve(_with_file(tables, tighter), f"{source} + {_place(tighter).name}")
    prefix = f"{PREFIX}." if _place(tighter).name == SHARED_FILE else ""
    if looser := [
        Problem(str(tighter), f"{prefix}{key}", f"{text}; this file may only tighten")
        for key, text in loosened(policy, tightened)
    ]:
        raise PolicyError(looser)
    return tightened


def load_what_holds(written: Written) -> Policy:
    """Load of a policy that can't be used what can be, on the shipped matrix: who is trusted, and what is watched over.

    A base that says something that nobody understands any more must not be taken for one that says nothing.
    """
    kept: Tables = {}
    try:
        document: object = _read(written)
        table = document if _place(written).name != SHARED_FILE else _our_table(document)
        over = Checker(str(written), "").policy(table)
        kept = {key: value for key, value in over.items() if key not in TABLES and key != "phase"}
    except PolicyError:
        pass
    return resolve({**_shipped(), **kept}, _place(written).name)


def _with_metrics_of(tables: Tables, extra: Tables) -> Tables:
    """Declare the metrics that other plugins' rows bring along; one that is then not measured is no pass."""
    rows = [row for row in extra.get("triggers", {}).values() if isinstance(row, dict)]
    named: list[object] = [name for row in rows if isinstance(row.get("metric"), list) for name in row["metric"]]
    named += [row.get("metric") for row in rows]
    fresh = {name: {"required": True} for name in named if isinstance(name, str) and name not in tables["metrics"]}
    return {**tables, "metrics": {**tables["metrics"], **fresh}}


def _with_file(tables: Tables, path: Path | Written) -> Tables:
    """Lay a policy file over the tables."""
    document: object = _read(path)
    file = str(path) if isinstance(path, Written) else path.name
    if _place(path).name != SHARED_FILE:
        return _laid_over(tables, document, Checker(file, ""))
    if (table := _our_table(document)) is None:
        raise PolicyError([Problem(str(path), PREFIX, "is not there")])
    return _laid_over(tables, table, Checker(file, PREFIX))


def _place(path: Path | Written) -> PurePosixPath | Path:
    return PurePosixPath(path.name) if isinstance(path, Written) else path


def _content(path: Path | Written) -> bytes:
    return path.content if isinstance(path, Written) else path.read_bytes()


def _laid_over(tables: Tables, document: object, checker: Checker) -> Tables:
    over = checker.policy(document)
    merged = _with_own_metrics(overlay(tables, over), over)
    hold_to_sense(checker, tables, over, merged)
    if checker.problems:
        raise PolicyError(checker.problems)
    return merged


def _with_own_metrics(merged: Tables, over: Tables) -> Tables:
    """Require the metrics that a project adds to be measured, as its groups are required to hold tests.

    Whoever lists metrics has said which there are, so that any other name is a mistake.
    """
    own = [name for name in over.get("metrics", {}) if name not in _shipped().get("metrics", {})]
    if not own:
        return merged
    metrics = {**merged["metrics"], **{name: {"required": True, **merged["metrics"][name]} for name in own}}
    return {**merged, "metrics": metrics, NAMES_METRICS: True}


def _is_ours(shared: Path | Written) -> bool:
    """Whether a `pyproject.toml` has a table of ours; most are told from their text, without reading the TOML."""
    try:
        if NAMED.search(_content(shared)) is None:
            return False
    except OSError:
        pass  # reading it as TOML says what is wrong, with the file's name
    document = _read(shared)
    tool = document.get("tool")
    if isinstance(tool, dict) and "pytest_rollback" in tool:
        raise PolicyError([Problem(str(shared), "tool.pytest_rollback", f"unknown; did you mean [{PREFIX}]?")])
    return _our_table(document) is not None


def _our_table(document: object) -> object | None:
    """Give `[tool.pytest-rollback]` of a `pyproject.toml`."""
    tool = document.get("tool") if isinstance(document, dict) else None
    table: object | None = tool.get("pytest-rollback") if isinstance(tool, dict) else None
    return table


def _read(path: Path | Written) -> Tables:
    """Read a TOML file; what is wrong with it is said with its name."""
    try:
        return tomllib.loads(_content(path).decode("utf-8"))
    except OSError as error:
        raise PolicyError([Problem(str(path), "", f"cannot be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise PolicyError([Problem(str(path), "", f"is not UTF-8 (byte {error.start})")]) from error
    except tomllib.TOMLDecodeError as error:
        raise PolicyError([Problem(str(path), "", f"is not TOML: {error}")]) from error
    except (ValueError, RecursionError) as error:  # thousands of digits, thousands of brackets
        raise PolicyError([Problem(str(path), "", f"can't be read as TOML: {error}")]) from error


@cache
def _shipped() -> Tables:
    """Read the shipped matrix, by the same code as any other."""
    text = Path(__file__).with_name("default.toml").read_text("utf-8")
    checker = Checker("default.toml", "")
    return overlay({}, checker.policy(tomllib.loads(text)))
