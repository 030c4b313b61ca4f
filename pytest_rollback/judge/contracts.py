"""Compares a contract with the one that was accepted, and says which changes break those who rely on it.

What was removed, changed its type or its value breaks them; what was added does not, but where it asks for more:

- a new entry of a list `required`, or `required: true`, as in JSON Schema and OpenAPI;
- a new `enum`, which leaves fewer values than none did;
- a new parameter without a default.

A list of plain values is read as a set: entries come and go, and another order alone breaks nobody. Entries of a list
of mappings are known by their name, id or key where each has one of its own. In a schema (what has `properties`,
`$schema`, `openapi` or `swagger`, and all below it) titles, descriptions and examples are for people and break nothing.
What JSON Schema narrows by other words (`pattern`, `maximum`, `additionalProperties`) counts where it changes or goes,
and not where it is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any

from msgspec import Struct

from pytest_rollback.judge.canonical import ContractError, as_text, below, canonical
from pytest_rollback.judge.interface import CALLED, IS, MARKS
from pytest_rollback.judge.text import readable

REQUIRED, ENUM, MEMBERS, PARAMETERS, DEFAULT = "required", "enum", "members", "parameters", "default"
SCHEMAS = ("$schema", "openapi", "swagger")
OF_NAMES = ("properties", "patternProperties", "$defs", "definitions")  # what stands in these is named by its users
PROSE = frozenset({"title", "description", "summary", "$comment", "example", "examples"})
IDENTITIES = (("name", "in"), ("name",), ("id",), ("key",), ("operationId",))
LONGEST_VALUE, LONGEST_PATH, NAMED = 60, 120, 3


class ChangeKind(str, Enum):
    """In which way two contracts differ, in the order in which they are told."""

    REMOVED = "removed"
    TYPE = "type changed"
    VALUE = "value changed"
    ADDED = "added"
    ORDER = "order changed"


SIGNS = dict(zip(ChangeKind, "-!~+ ", strict=True))
KINDS = tuple(ChangeKind)


class Change(Struct, frozen=True):
    """One difference of a contract from the accepted one."""

    path: str
    kind: ChangeKind
    was: Any = None
    now: Any = None
    breaks: bool = True


class _Place(Struct, frozen=True):
    """Where a comparison is: the path, the key that it ends in, and how what is below is to be read."""

    path: str = ""
    key: str = ""
    in_schema: bool = False
    of_parameters: bool = False

    def below(self, key: str, *, in_schema: bool, marked: bool) -> _Place:
        """Go one key down. The inner parts of a function or class have no name of their own."""
        if marked and key in (MEMBERS, PARAMETERS, CALLED):
            return _Place(self.path, key, in_schema, key == PARAMETERS)
        path = f"{self.path}({key})" if self.of_parameters else below(self.path, key)
        return _Place(path, key, in_schema)

    def at(self, path: str) -> _Place:
        """Go to an entry of a list."""
        return _Place(path, "", self.in_schema)


def compare(was: Any, now: Any) -> list[Change]:
    """List what changed between two contracts in canonical form, what breaks first."""
    found = _differ(was, now, _Place())
    return sorted(found, key=lambda change: (not change.breaks, KINDS.index(change.kind)))


def breaking(changes: Iterable[Change]) -> int:
    """Count the changes that break somebody."""
    return sum(change.breaks for change in changes)


def summary(changes: Sequence[Change]) -> str:
    """Say in one line what changed: `2 breaking changes: removed users.get, type changed users.name; 1 other`."""
    broken = [change for change in changes if change.breaks]
    shown = broken or list(changes)
    if not shown:
        return "unchanged"
    said = ", ".join(f"{change.kind.value} {_cut(_named(change), LONGEST_PATH)}" for change in shown[:NAMED])
    more = f", and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    others = f"; {len(changes) - len(shown)} that break nobody" if len(changes) > len(shown) else ""
    what = "breaking change" if broken else "change"
    nobody = "" if broken else " that break nobody" if len(shown) > 1 else " that breaks nobody"
    return readable(f"{len(shown)} {what}{'s' * (len(shown) > 1)}{nobody}: {said}{more}{others}")


def render(changes: Sequence[Change]) -> list[str]:
    """Say each change in a line, the kinds below each other, those that break first; long values are cut."""
    width = max((len(change.kind.value) for change in changes), default=0)
    return [readable(f"{SIGNS[change.kind]} {change.kind.value:<{width}}  {_in_words(change)}") for change in changes]


def _in_words(change: Change) -> str:
    path = _cut(change.path or "(all of it)", LONGEST_PATH)
    if change.kind is ChangeKind.TYPE:
        return f"{path}: {_shown(change.was)} -> {_shown(change.now)}"
    if change.kind is ChangeKind.VALUE:
        return f"{path}: {_shown(change.was)} -> {_shown(change.now)}{'' if change.breaks else ' (for people)'}"
    if change.kind is ChangeKind.ORDER:
        return path
    value = change.was if change.kind is ChangeKind.REMOVED else change.now
    tail = " (asks for more)" if change.breaks and change.kind is ChangeKind.ADDED else ""
    return f"{path}{tail}" if isinstance(value, (dict, list)) else f"{path}: {_shown(value)}{tail}"


def _named(change: Change) -> str:
    """Name what changed; of a list of plain values that is the entry."""
    value = change.was if change.kind is ChangeKind.REMOVED else change.now
    return f"{change.path} {as_text(value)}" if change.path.endswith("[]") else change.path or "all of it"


def _shown(value: Any) -> str:
    return _kind(value) if isinstance(value, (dict, list)) else _cut(as_text(value), LONGEST_VALUE)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _kind(value: Any) -> str:
    """Name what a value is, in the words of JSON; what stands for a function is no other mapping."""
    if isinstance(value, dict):
        return value[IS] if _is_marked(value) else "mapping"
    names = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "text", list: "list"}
    return names.get(type(value), type(value).__name__)


def _is_marked(value: dict[str, Any]) -> bool:
    return isinstance(value.get(IS), str) and value[IS] in MARKS


def _differ(was: Any, now: Any, place: _Place) -> Iterator[Change]:
    if _kind(was) != _kind(now):
        yield Change(place.path, ChangeKind.TYPE, was, now)
    elif isinstance(was, dict):
        yield from _in_mappings(was, now, place)
    elif isinstance(was, list):
        plain = not any(isinstance(each, (dict, list)) for each in (*was, *now))
        yield from (_in_values if plain else _in_entries)(was, now, place)
    elif was != now:
        yield Change(place.path, ChangeKind.VALUE, was, now)


def _in_mappings(was: dict[str, Any], now: dict[str, Any], place: _Place) -> Iterator[Change]:
    in_schema = place.in_schema or any(_is_schema(each) for each in (was, now))
    for key in (*was, *(key for key in now if key not in was)):
        at = place.below(key, in_schema=in_schema, marked=_is_marked(was))
        values = [each[key] for each in (was, now) if key in each]
        is_prose = in_schema and _is_prose(key, values, place)
        if key not in now:
            yield Change(at.path, ChangeKind.REMOVED, was[key], breaks=not is_prose)
        elif key not in was:
            yield Change(at.path, ChangeKind.ADDED, now=now[key], breaks=_asks_for_more(at, now[key], place))
        elif is_prose:
            if was[key] != now[key]:
                yield Change(at.path, ChangeKind.VALUE, was[key], now[key], breaks=False)
        else:
            yield from _differ(was[key], now[key], at)


def _is_prose(key: str, values: list[Any], place: _Place) -> bool:
    return key in PROSE and place.key not in OF_NAMES and not any(isinstance(each, dict) for each in values)


def _is_schema(value: dict[str, Any]) -> bool:
    return isinstance(value.get("properties"), dict) or any(isinstance(value.get(key), str) for key in SCHEMAS)


def _asks_for_more(at: _Place, value: Any, parent: _Place) -> bool:
    """Whether something new is one that its users must know of."""
    if parent.of_parameters and isinstance(value, dict):
        return DEFAULT not in value and not str(value.get("kind")).startswith("any ")
    if isinstance(value, dict):
        return value.get(REQUIRED) is True
    if at.key == REQUIRED:
        return value is True or _is_list_of_text(value)
    return at.key == ENUM and isinstance(value, list) and bool(value)


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _in_values(was: list[Any], now: list[Any], place: _Place) -> Iterator[Change]:
    """Compare lists of plain values as what is in them; only where that is the same, by the order."""
    before, after = (Counter((_kind(each), each) for each in values) for values in (was, now))
    path = f"{place.path}[]"
    gone, fresh = before - after, after - before
    yield from (Change(path, ChangeKind.REMOVED, value) for _, value in gone.elements())
    asks = place.key == REQUIRED
    yield from (Change(path, ChangeKind.ADDED, now=value, breaks=asks) for _, value in fresh.elements())
    if not gone and not fresh and was != now:
        yield Change(place.path, ChangeKind.ORDER, was, now, breaks=False)


def _in_entries(was: list[Any], now: list[Any], place: _Place) -> Iterator[Change]:
    """Compare lists of mappings and of lists: by the entries' own names, or else the changed ones one by one."""
    for keys in IDENTITIES:
        before, after = _by_name(was, keys), _by_name(now, keys)
        if before is not None and after is not None:
            yield from _of_named(before, after, place)
            return
    texts = [[as_text(each) for each in values] for values in (was, now)]
    same = Counter(texts[0]) & Counter(texts[1])
    gone, fresh = _without(texts[0], same), _without(texts[1], same)
    for old, new in zip(gone, fresh, strict=False):
        yield from _differ(was[old], now[new], place.at(f"{place.path}[{old}]"))
    for old in gone[len(fresh) :]:
        yield Change(f"{place.path}[{old}]", ChangeKind.REMOVED, was[old])
    for new in fresh[len(gone) :]:
        yield _added(f"{place.path}[{new}]", now[new], place)
    if not gone and not fresh and texts[0] != texts[1]:
        yield Change(place.path, ChangeKind.ORDER, was, now, breaks=False)


def _of_named(before: dict[str, Any], after: dict[str, Any], place: _Place) -> Iterator[Change]:
    for name, old in before.items():
        path = below(place.path, name)
        if name in after:
            yield from _differ(old, after[name], place.at(path))
        else:
            yield Change(path, ChangeKind.REMOVED, old)
    yield from (_added(below(place.path, name), new, place) for name, new in after.items() if name not in before)
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield Change(place.path, ChangeKind.ORDER, list(before), list(after), breaks=False)


def _added(path: str, value: Any, place: _Place) -> Change:
    at = place.at(path)
    return Change(path, ChangeKind.ADDED, now=value, breaks=_asks_for_more(at, value, at))


def _by_name(values: list[Any], keys: tuple[str, ...]) -> dict[str, Any] | None:
    """Give the entries by their names; none where one has no such name, or two have the same."""
    found: dict[str, Any] = {}
    for each in values:
        parts = [each.get(key) for key in keys] if isinstance(each, dict) else [None]
        if not all(isinstance(part, str) for part in parts):
            return None
        found[" ".join(map(str, parts))] = each
    return found if len(found) == len(values) else None


def _without(texts: list[str], same: Counter[str]) -> list[int]:
    """Give the places of what is not the same on both sides."""
    left = same.copy()
    places = []
    for place, text in enumerate(texts):
        if left[text] > 0:
            left[text] -= 1
        else:
            places.append(place)
    return places


__all__ = ["Change", "ChangeKind", "ContractError", "breaking", "canonical", "compare", "render", "summary"]
