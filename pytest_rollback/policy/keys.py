"""Finds by its key what a policy says: to show it beside what another says, and to let one stand for the other.

Keys are those that `tighten` names: `mode`, `triggers.golden-path`, `triggers.golden-path.action`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec
from msgspec import Struct, structs

from pytest_rollback.policy.criteria import duration
from pytest_rollback.policy.rules import Policy

GONE = "gone"
NONE = "none"
FAMILIES = ("groups", "triggers", "metrics", "checks", "phases", "tiers", "drift")
# A key in TOML, and the field that holds it where that has another name.
FIELDS = {
    "each": "each_s",
    "whole": "whole_s",
    "respond": "respond_s",
    "way-back": "way_back_s",
    "deadline": "deadline_s",
    "investigate": "hold_s",
    "watch": "hold_s",
    "group": "groups",
    "label": "labels",
    "exception": "exceptions",
    "metric": "metrics",
    "signal": "signals",
}
OF_CHECKS = {"limit": "limit_s", "max-age": "max_age_s", "label": "labels"}


class Key(Struct, frozen=True):
    """A key taken apart: `triggers`, `golden-path`, `action`. A whole row has no field, a top-level key no row."""

    family: str
    name: str
    field: str

    @property
    def held_in(self) -> str:
        """Give the name of the field that holds it."""
        names = OF_CHECKS if self.family == "checks" else FIELDS
        return names.get(self.field, self.field.replace("-", "_"))


def rows_of(policy: Policy, family: str) -> dict[str, list[Struct]]:
    """Give a family's rows by their names; merged policies may have two of one name."""
    held: Any = getattr(policy, family)
    rows: Sequence[Any] = list(held.values()) if isinstance(held, Mapping) else held
    named: dict[str, list[Struct]] = {}
    for row in rows:
        named.setdefault(str(row.number) if family == "tiers" else row.name, []).append(row)
    return named


def parse_key(key: str, *policies: Policy) -> Key:
    """Take a key apart; a row's name may hold dots, so the names that there are decide."""
    family, dot, rest = key.partition(".")
    if not dot or family not in FAMILIES:
        return Key("", "", key)
    known = sorted({name for policy in policies for name in rows_of(policy, family)}, key=len, reverse=True)
    for name in known:
        if rest == name:
            return Key(family, name, "")
        if rest.startswith(f"{name}.") and "." not in rest[len(name) + 1 :]:
            return Key(family, name, rest[len(name) + 1 :])
    return Key(family, rest, "")


def word_of(policy: Policy, key: str, *beside: Policy) -> str:
    """Say in words what a policy has at a key; `gone` where it has nothing there."""
    at = parse_key(key, policy, *beside)
    if not at.family:
        return _in_words(getattr(policy, at.held_in, None), at.held_in)
    rows = rows_of(policy, at.family).get(at.name)
    if not rows:
        return GONE
    if at.field:
        return "; ".join(dict.fromkeys(_in_words(getattr(row, at.held_in, None), at.held_in) for row in rows))
    if at.family == "groups":  # as much as its own keys, the rows that judge it are what it is worth
        rows = [*rows, *(row for row in policy.triggers if row.enabled and at.name in policy.groups_of(row))]
    return "; ".join(map(_row_in_words, rows))


def let_stand(base: Policy, change: Policy, keys: Iterable[str]) -> Policy:
    """Put the change's word in place of the base's at some keys, as if the base had said so as well."""
    for key in keys:
        at = parse_key(key, base, change)
        if not at.family:
            base = structs.replace(base, **{at.held_in: getattr(change, at.held_in)})
        elif (rows := rows_of(change, at.family).get(at.name)) is None or at.field:
            base = _with_rows(base, at, rows)
    return base


def _with_rows(base: Policy, at: Key, rows: list[Struct] | None) -> Policy:
    """Take rows out of a family, or give them what others of their name have in one field."""
    held: Any = getattr(base, at.family)
    kept: list[Any] = []
    for row in held.values() if isinstance(held, Mapping) else held:
        if (str(row.number) if at.family == "tiers" else row.name) != at.name:
            kept.append(row)
        elif rows:
            kept.append(_with_field(row, rows[0], at))
    if at.family == "tiers":  # whoever else decided it as well must not keep what was given away
        given = {level for row in held if str(row.number) == at.name for level in row.levels}
        kept = [structs.replace(row, levels=tuple(level for level in row.levels if level not in given)) for row in held]
    named = {row.name: row for row in kept} if isinstance(held, Mapping) else tuple(kept)
    return structs.replace(base, **{at.family: named})


def _with_field(row: Any, other: Any, at: Key) -> Any:
    fields = [at.held_in, *(["hold_s"] if at.field == "action" else [])]  # how long to look belongs to what is done
    return structs.replace(row, **{name: getattr(other, name) for name in fields})


def _row_in_words(row: Struct) -> str:
    """Name a whole row by what it says, shortly; an approval of it must not hold for another that bears its name."""
    said = hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()[:8]
    action = getattr(row, "action", None)
    return f"{getattr(row, 'name', '')}{f': {action.value}' if action else ''} ({said})"


def _in_words(value: object, field: str) -> str:
    if value is None or value == ():
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float) and field.endswith("_s"):
        return duration(value)
    if isinstance(value, (tuple, list)):
        return ", ".join(_in_words(part, "") for part in value)
    name = getattr(value, "name", None)  # the running phase
    return str(name if isinstance(name, str) else value)
