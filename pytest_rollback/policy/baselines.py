"""Baselines: what a project accepted as right for a number, one small file each.

A file is named after its metric, so that two branches which accept different ones merge without a conflict; what it
says of itself counts, not its name. Nothing here touches a disk: `policy.shelf` does.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from zlib import crc32

import msgspec
from msgspec import Meta, Struct

SCHEMA = 1
CONTRACT = "contract"  # the kind of a structure that is kept, and where it lies in the basis
FOLDER = ".pytest-rollback/baselines"
ENDING = ".json"
LONGEST = 80
HARMLESS = re.compile(r"[a-z0-9][a-z0-9._-]*")
SUMMED = re.compile(r".*-[0-9a-f]{8}")
ODD = re.compile(r"[^a-z0-9._-]+")
# Names that some systems keep for devices, whatever ending they bear.
RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in "0123456789")}
)
ACCEPT = 'pytest --safety-gate --accept-baselines new --baseline-reason "..."'
LARGEST = 4_000_000
CONFLICT = re.compile(rb"^(?:<{7}|>{7})(?: |\r?$)", re.MULTILINE)
NEWER = "was written by a newer version"
SHOWN, LONGEST_TOLD = 20, 200
REMEDY = "bring it back with git, or remove it and accept a new one"


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
    labels: Annotated[tuple[str, ...], Meta(description="those that it was measured with, and is judged by")] = ()
    basis: Annotated[dict[str, Any], Meta(description="what a later measurement is held against beside it")] = {}
    pinned: Annotated[str | None, Meta(description="why it does not move; null where it may")] = None
    accepted: Accepted

    @property
    def key(self) -> str:
        """What it is known by."""
        return key_of(self.name, self.environment)

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_of(self.name, self.environment)


class BaselineError(Exception):
    """A baseline's file can't be used; says what is wrong with it, and what to do."""


class Shelf(Struct, frozen=True):
    """The baselines of one tree by their keys, and what is wrong with the files that can't be used, by file.

    A trouble without a file, whose name is then empty, is one of the whole folder.
    """

    baselines: Mapping[str, Baseline] = {}
    troubles: Mapping[str, str] = {}

    def get(self, name: str, environment: str | None) -> Baseline | None:
        """Find the baseline of a metric."""
        return self.baselines.get(key_of(name, environment))

    def trouble(self, name: str, environment: str | None) -> str | None:
        """Say why a metric's baseline can't be used, where its file is there; none where it is not."""
        return self.troubles.get(file_of(name, environment)) or self.troubles.get("")


def is_contract(metric: str, basis: Mapping[str, Any]) -> bool:
    """Whether a number stands for a structure that is kept, and only counts what of it is broken."""
    return metric == CONTRACT or CONTRACT in basis


def key_of(name: str, environment: str | None) -> str:
    """Write by what a baseline is known. What stands behind the last `@`, if there is one, is the environment."""
    return f"{name}@{environment or ''}" if environment or "@" in name else name


def file_of(name: str, environment: str | None) -> str:
    """Name the file of a baseline. A name that some file system could not hold, or would confuse, bears its sum."""
    return f"{_slug(name)}{f'@{_slug(environment)}' if environment else ''}{ENDING}"


def _slug(text: str) -> str:
    if _is_harmless(text):
        return text
    sum_of = crc32(text.encode("utf-8", "backslashreplace"))
    plain = ODD.sub("-", text.lower()).strip("-.")[:LONGEST] or "metric"
    if plain.partition(".")[0] in RESERVED:
        plain = plain.replace(".", "-")
    return f"{plain}-{sum_of:08x}"


def _is_harmless(text: str) -> bool:
    """Whether a name can be a file's as it is. One that looks as if it bore a sum could be another's."""
    plain = HARMLESS.fullmatch(text) and len(text) <= LONGEST and not text.endswith(".")
    return bool(plain) and not SUMMED.fullmatch(text) and text.partition(".")[0] not in RESERVED


def read(file: str, content: bytes) -> Baseline:
    """Read a baseline's file."""
    if len(content) > LARGEST:
        msg = f"is larger than {LARGEST // 1_000_000} MB, which no baseline is; {REMEDY}"
        raise BaselineError(msg)
    if CONFLICT.search(content):
        msg = "has merge conflict markers; settle the merge (git checkout --ours or --theirs), then gate again"
        raise BaselineError(msg)
    try:
        document = json.loads(
            content.decode("utf-8"), parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_each_once
        )
        _hold_to_schema(document)
        baseline = msgspec.convert(document, Baseline)
    except UnicodeDecodeError as error:
        msg = f"is no baseline: it is no text (byte {error.start}); {REMEDY}"
        raise BaselineError(msg) from error
    except RecursionError as error:
        msg = f"is no baseline: it is nested too deeply; {REMEDY}"
        raise BaselineError(msg) from error
    except ValueError as error:  # msgspec's errors and those of json are ValueErrors
        msg = f"is no baseline: {_in_words(error)}; {REMEDY}"
        raise BaselineError(msg) from error
    _hold_to_place(file, baseline)
    return baseline


def _hold_to_schema(document: Any) -> None:
    schema = document.get("schema") if isinstance(document, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        msg = f"{NEWER} (schema {schema}, this one reads {SCHEMA}); upgrade pytest-rollback"
        raise BaselineError(msg)
    if isinstance(schema, int) and schema < 1:
        msg = f"schema: there was never a version {schema:d}"
        raise ValueError(msg)


def _hold_to_place(file: str, baseline: Baseline) -> None:
    """Refuse what was renamed or copied by hand: it would be found under one name, and say another."""
    for key in ("name", "environment"):
        text = getattr(baseline, key)
        if text is not None and not is_name(text):
            msg = f"is no baseline: {key}: {text!r} is no name; {REMEDY}"
            raise BaselineError(msg)
    if baseline.environment is not None and "@" in baseline.environment:
        msg = f"is no baseline: environment: {baseline.environment!r} has an @ in it; {REMEDY}"
        raise BaselineError(msg)
    if baseline.file != file:
        msg = f"is the baseline of {baseline.key}, which belongs into {baseline.file}; rename it, or remove it"
        raise BaselineError(msg)


def is_name(text: str) -> bool:
    """Whether a text can be a metric's name: there is something in it, and nothing that nobody sees."""
    return bool(text) and text.isprintable() and text == text.strip()


def write(baseline: Baseline) -> bytes:
    """Write a baseline's file: the same bytes for the same baseline, a key on each line."""
    try:
        document = msgspec.to_builtins(baseline)
        document["basis"] = json.loads(json.dumps(document["basis"], sort_keys=True, allow_nan=False))
        try:
            text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
            content = f"{text}\n".encode()
        except UnicodeEncodeError:  # halves of surrogate pairs, which JSON can hold and UTF-8 can't
            content = f"{json.dumps(document, indent=2, allow_nan=False)}\n".encode()
        read(baseline.file, content)
    except BaselineError as error:
        msg = f"{baseline.name!r} can't be kept: its file {error}"
        raise BaselineError(msg) from error
    except (ValueError, TypeError, RecursionError) as error:
        msg = f"{baseline.name!r} can't be kept: {_in_words(error)}"
        raise BaselineError(msg) from error
    return content


def shelve(files: Mapping[str, bytes]) -> Shelf:
    """Read all files of a folder; a damaged one keeps none of the others from being used."""
    baselines: dict[str, Baseline] = {}
    troubles: dict[str, str] = {}
    for file, content in sorted(files.items()):
        if not is_file_name(file):
            continue
        try:
            baseline = read(file, content)
        except BaselineError as error:
            troubles[file] = str(error)
        else:
            baselines[baseline.key] = baseline
    return Shelf(baselines, troubles)


def is_file_name(name: str) -> bool:
    """Whether a file of the folder is a baseline's, by its name."""
    return name.endswith(ENDING) and not name.startswith(".") and "/" not in name


def names(shelf: Shelf) -> Iterable[str]:
    """Name the metrics that have a baseline."""
    return dict.fromkeys(baseline.name for baseline in shelf.baselines.values())


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands there twice, as a merge leaves it: nobody knows which of the two was meant."""
    document = dict(pairs)
    if len(document) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        msg = f"the key {twice!r} stands there twice"
        raise ValueError(msg)
    return document


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _no_number(text: str) -> float:
    msg = f"{text if len(text) < SHOWN else f'{text[:SHOWN]}...'} is no number"
    raise ValueError(msg)


def _in_words(error: BaseException) -> str:
    """Give the first line of what a library says, without its quotes; a text of the file may stand in it."""
    said = str(error).replace("`", "").split("\n", 1)[0]
    shown = said if said.isprintable() else ascii(said)[1:-1]
    return shown if len(shown) <= LONGEST_TOLD else f"{shown[:LONGEST_TOLD]}..."
