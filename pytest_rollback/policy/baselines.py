"""Baselines: what a project accepted as right for a number, one small file each.

A file is named after its metric, so that two branches which accept different ones merge without a conflict; what it
says of itself counts, not its name. Nothing here touches a disk: `policy.shelf` does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from zlib import crc32

import msgspec
from msgspec import Meta, Struct

SCHEMA = 1
FOLDER = ".pytest-rollback/baselines"
ENDING = ".json"
LONGEST = 80
HARMLESS = re.compile(r"[a-z0-9][a-z0-9._-]*")
ODD = re.compile(r"[^a-z0-9._-]+")
ACCEPT = 'pytest --safety-gate --accept-baselines new --baseline-reason "..."'
LARGEST = 4_000_000


class Accepted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who accepted a baseline, when, and why."""

    at: str
    by: str | None = None
    reason: str = ""


class Baseline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An accepted number. `environment` names the kind of machine that it holds for; null: it holds everywhere."""

    schema: int = SCHEMA
    name: str
    metric: str = ""
    unit: str = ""
    value: float
    environment: str | None = None
    basis: Annotated[dict[str, Any], Meta(description="what a later measurement is held against beside it")] = {}
    pinned: Annotated[str | None, Meta(description="why it does not move; null where it may")] = None
    accepted: Accepted

    @property
    def key(self) -> str:
        """What it is known by."""
        return key_of(self.name, self.environment)


class BaselineError(Exception):
    """A baseline's file can't be used; says what is wrong with it, and what to do."""


class Shelf(Struct, frozen=True):
    """The baselines of one tree by their keys, and what is wrong with the files that can't be used, by file."""

    baselines: Mapping[str, Baseline] = {}
    troubles: Mapping[str, str] = {}

    def get(self, name: str, environment: str | None) -> Baseline | None:
        """Find the baseline of a metric."""
        return self.baselines.get(key_of(name, environment))

    def trouble(self, name: str, environment: str | None) -> str | None:
        """Say why a metric's baseline can't be used, where its file is there; none where it is not."""
        return self.troubles.get(file_of(name, environment)) or self.troubles.get("")


def key_of(name: str, environment: str | None) -> str:
    """Write by what a baseline is known."""
    return f"{name}@{environment}" if environment else name


def file_of(name: str, environment: str | None) -> str:
    """Name the file of a baseline. A name that some file system could not hold, or would confuse, bears its sum."""
    return f"{_slug(name)}{f'@{_slug(environment)}' if environment else ''}{ENDING}"


def _slug(text: str) -> str:
    if HARMLESS.fullmatch(text) and len(text) <= LONGEST and not text.endswith("."):
        return text
    sum_of = crc32(text.encode("utf-8", "backslashreplace"))
    return f"{ODD.sub('-', text.lower()).strip('-.')[:LONGEST] or 'metric'}-{sum_of:08x}"


def read(file: str, content: bytes) -> Baseline:
    """Read a baseline's file."""
    try:
        if len(content) > LARGEST:
            msg = f"is larger than {LARGEST // 1_000_000} MB, which no baseline is"
            raise BaselineError(msg)
        document = json.loads(content.decode("utf-8"), parse_constant=_no_number)
        if isinstance(document, dict) and isinstance(document.get("schema"), int) and document["schema"] > SCHEMA:
            msg = f"was written by a newer version (schema {document['schema']}, this one reads {SCHEMA}); upgrade"
            raise BaselineError(msg)
        baseline = msgspec.convert(document, Baseline)
    except (ValueError, RecursionError) as error:  # msgspec's errors and those of json are ValueErrors
        said = str(error).replace("`", "").split("\n", 1)[0]
        msg = f"is no baseline: {said}; bring it back with git, or remove it and accept a new one"
        raise BaselineError(msg) from error
    if not math.isfinite(baseline.value):
        msg = "value: expected a number; bring it back with git, or remove it and accept a new one"
        raise BaselineError(msg)
    expected = file_of(baseline.name, baseline.environment)
    if expected != file:
        msg = f"is the baseline of {baseline.key}, which belongs into {expected}; rename it, or remove it"
        raise BaselineError(msg)
    return baseline


def write(baseline: Baseline) -> bytes:
    """Write a baseline's file: the same bytes for the same baseline, a key on each line."""
    document = msgspec.to_builtins(baseline)
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "strict")


def shelve(files: Mapping[str, bytes]) -> Shelf:
    """Read all files of a folder; a damaged one keeps none of the others from being used."""
    baselines: dict[str, Baseline] = {}
    troubles: dict[str, str] = {}
    for file, content in sorted(files.items()):
        if not file.endswith(ENDING) or file.startswith("."):
            continue
        try:
            baseline = read(file, content)
        except BaselineError as error:
            troubles[file] = str(error)
        else:
            baselines[baseline.key] = baseline
    return Shelf(baselines, troubles)


def names(shelf: Shelf) -> Iterable[str]:
    """Name the metrics that have a baseline."""
    return dict.fromkeys(baseline.name for baseline in shelf.baselines.values())


def _no_number(text: str) -> float:
    msg = f"{text} is no number"
    raise ValueError(msg)
