"""Contracts: what changed since one was accepted, and which of it breaks those who rely on it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_rollback.judge.canonical import as_text
from pytest_rollback.judge.contracts import Change, ChangeKind, breaking, canonical, compare, render, summary

REMOVED, TYPE, VALUE, ADDED, ORDER = ChangeKind
KEYS = st.sampled_from(["a", "b c", "name", "id", "required", "enum", "properties", "title", "is", "members"])
PLAIN = st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2) | st.sampled_from(["", "a", "b", "class"])
JSON: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
USER = {
    "type": "object",
    "title": "User",
    "description": "who logs in",
    "properties": {
        "id": {"type": "integer"},
        "role": {"enum": ["admin", "guest"]},
        "title": {"type": "string", "description": "Dr."},
        "description": True,
    },
    "required": ["id"],
}


def told(was: Any, now: Any) -> list[tuple[str, ChangeKind, bool]]:
    """Compare, and leave the values out."""
    return [(change.path, change.kind, change.breaks) for change in compare(canonical(was), canonical(now))]


def user(**changes: Any) -> dict[str, Any]:
    """Make a schema that is changed at its top."""
    return {**copy.deepcopy(USER), **changes}


def properties(**changes: Any) -> dict[str, Any]:
    """Make a schema with other properties."""
    return user(properties={**USER["properties"], **changes})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("was", "now", "path", "kind", "breaks"),
    [
        ({"a": 1}, {}, "a", REMOVED, True),
        ({}, {"a": 1}, "a", ADDED, False),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b", VALUE, True),
        ({"a": 1}, {"a": "1"}, "a", TYPE, True),
        ({"a": 1}, {"a": True}, "a", TYPE, True),
        ({"a": None}, {"a": 0}, "a", TYPE, True),
        ({"a": []}, {"a": {}}, "a", TYPE, True),
        ({"a": int}, {"a": str}, "a", VALUE, True),
        ({"a": [1, 2]}, {"a": [1]}, "a[]", REMOVED, True),
        ({"a": [1]}, {"a": [1, 2]}, "a[]", ADDED, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, "a", ORDER, False),
        ({"a": [1, 1]}, {"a": [1]}, "a[]", REMOVED, True),
        ({"a": {1, 2}}, {"a": {2}}, "a[]", REMOVED, True),
        ({"a": [[1], [2]]}, {"a": [[2], [1]]}, "a", ORDER, False),
        ({"a": [[1], [2]]}, {"a": [[1]]}, "a[1]", REMOVED, True),
        ({"a": [[1]]}, {"a": [[1], [2]]}, "a[1]", ADDED, False),
        ({"a": [[1]]}, {"a": [[2], [1]]}, "a[0]", ADDED, False),
        ({"a": [{"x": 1}]}, {"a": [{"x": 2}]}, "a[0].x", VALUE, True),
        ({"a": [{"name": "b"}]}, {"a": [{"name": "c"}, {"name": "b"}]}, "a.c", ADDED, False),
        ({"a": [{"name": "b"}, {"name": "c"}]}, {"a": [{"name": "c"}]}, "a.b", REMOVED, True),
        ({"a": [{"id": "b", "x": 1}]}, {"a": [{"id": "b", "x": 2}]}, "a.b.x", VALUE, True),
        ({"a": [{"id": "b"}, {"id": "c"}]}, {"a": [{"id": "c"}, {"id": "b"}]}, "a", ORDER, False),
        ({"/users/{id}": {"get": 1}}, {"/users/{id}": {}}, '["/users/{id}"].get', REMOVED, True),
        ({"a": {"b c": 1}}, {"a": {}}, 'a["b c"]', REMOVED, True),
        (1, 2, "", VALUE, True),
        ([1], {"a": 1}, "", TYPE, True),
    ],
)
def test_each_difference_has_its_kind(was: Any, now: Any, path: str, kind: ChangeKind, *, breaks: bool) -> None:
    """What is taken away or changed breaks; what is new, or only stands elsewhere, does not."""
    assert told(was, now) == [(path, kind, breaks)]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        ({1: "a"}, {"1": "a"}),
        ({"a": [1, {"b": 2.0}]}, {"a": [1.0, {"b": 2}]}),
        (USER, USER),
    ],
)
def test_what_means_the_same_is_no_change(was: Any, now: Any) -> None:
    """Order of keys, and how a number is stored, are nobody's business."""
    assert told(was, now) == []
    assert summary([]) == "unchanged"
    assert render([]) == []


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (user(required=["id", "role"]), [("required[]", ADDED, True)]),
        (user(required=[]), [("required[]", REMOVED, True)]),
        (properties(role={"enum": ["admin"]}), [("properties.role.enum[]", REMOVED, True)]),
        (properties(role={"enum": ["guest", "admin", "bot"]}), [("properties.role.enum[]", ADDED, False)]),
        (properties(id={"type": "integer", "enum": [1]}), [("properties.id.enum", ADDED, True)]),
        (properties(age={"type": "integer"}), [("properties.age", ADDED, False)]),
        (properties(age={"type": "integer", "required": True}), [("properties.age", ADDED, True)]),
        (properties(required={"type": "string"}), [("properties.required", ADDED, False)]),
        (properties(id={"type": "string"}), [("properties.id.type", VALUE, True)]),
        (properties(id={"type": ["integer", "null"]}), [("properties.id.type", TYPE, True)]),
        (user(title="Person"), [("title", VALUE, False)]),
        (user(description=["who", "logs in"]), [("description", VALUE, False)]),
        (properties(title={"type": "integer", "description": "Dr."}), [("properties.title.type", VALUE, True)]),
        (properties(title={"type": "string"}), [("properties.title.description", REMOVED, False)]),
        (properties(description=False), [("properties.description", VALUE, True)]),
    ],
)
def test_a_schema_is_read_as_one(now: Any, expected: list[tuple[str, ChangeKind, bool]]) -> None:
    """More that is required, and fewer values that are let through, break; words for people do not."""
    assert told(USER, now) == expected


def test_the_first_required_entries_break_too() -> None:
    """And an empty list of them asks for nothing."""
    bare = {key: value for key, value in USER.items() if key != "required"}
    assert told(bare, USER) == [("required", ADDED, True)]
    assert told(bare, user(required=[])) == [("required", ADDED, False)]


def test_a_mapping_of_fields_is_no_schema() -> None:
    """A field called title is no heading: its type is the contract."""
    event = {"title": "text", "description": "text"}
    assert breaking(compare(event, {**event, "title": "number"})) == 1
    assert breaking(compare(event, {"title": "text"})) == 1


def test_parameters_of_openapi_go_by_name_and_place() -> None:
    """`id` of the path is not `id` of the query; a new one that must be given breaks."""
    path, query = {"name": "id", "in": "path", "required": True}, {"name": "id", "in": "query"}
    was = {"openapi": "3.1.0", "parameters": [path, query]}
    assert told(was, {**was, "parameters": [query, path]}) == [("parameters", ORDER, False)]
    assert told(was, {**was, "parameters": [path]}) == [('parameters["id query"]', REMOVED, True)]
    more = {"name": "token", "in": "header"}
    assert told(was, {**was, "parameters": [path, query, more]}) == [('parameters["token header"]', ADDED, False)]
    needed = {**more, "required": True}
    assert told(was, {**was, "parameters": [path, query, needed]}) == [('parameters["token header"]', ADDED, True)]
    asks = {"name": "id", "in": "query", "required": True}
    assert told(was, {**was, "parameters": [path, asks]}) == [('parameters["id query"].required', ADDED, True)]


def test_entries_of_one_name_are_compared_by_their_place() -> None:
    """Nobody knows which of two is meant, so what is the same on both sides is left out first."""
    was = [{"name": "a", "x": 1}, {"name": "a", "x": 2}]
    assert told(was, [{"name": "a", "x": 2}, {"name": "a", "x": 3}]) == [("[0].x", VALUE, True)]


def get(key, default=None): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
def get_more(key, default=None, *, timeout=5): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
def get_all(key, default=None, *rest, **more): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN201, D103
def get_needed(key, default=None, *, timeout): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
def get_other(key, default=1): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
def get_strict(key, default): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
def get_less(key): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
def get_turned(default=None, key=None): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
def get_by_key(*, key, default=None): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
async def get_later(key, default=None): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
def get_typed(key: str, default: int | None = None) -> int: ...  # type: ignore[empty-body]  # noqa: D103


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (get_more, [("get(timeout)", ADDED, False)]),
        (get_all, [("get(*)", ADDED, False), ("get(**)", ADDED, False)]),
        (get_needed, [("get(timeout)", ADDED, True)]),
        (get_other, [("get(default).default", VALUE, True)]),
        (get_strict, [("get(default).default", REMOVED, True)]),
        (get_less, [("get(default)", REMOVED, True)]),
        (
            get_turned,
            [
                ("get(default).place", VALUE, True),
                ("get(key).place", VALUE, True),
                ("get(key).default", ADDED, False),
            ],
        ),
        (get_later, [("get", TYPE, True)]),
        (
            get_typed,
            [("get(default).type", ADDED, False), ("get(key).type", ADDED, False), ("get.returns", ADDED, False)],
        ),
        ("get", [("get", TYPE, True)]),
    ],
)
def test_callers_of_a_function_are_heard(now: Any, expected: list[tuple[str, ChangeKind, bool]]) -> None:
    """A call that worked must still work, with the same defaults."""
    assert told({"get": get}, {"get": now}) == expected


def test_a_parameter_that_may_no_longer_be_given_by_place_breaks() -> None:
    """`get("a")` was a call."""
    assert ("get(key).kind", VALUE, True) in told({"get": get}, {"get": get_by_key})


def test_what_breaks_stands_first_aligned_and_cut() -> None:
    """A person reads the first lines."""
    was = {"users": {"get": {"id": 1}, "name": "x" * 100, "limit": 10, "kinds": ["a", "b"]}, "order": [1, 2]}
    now = {"users": {"get": {}, "name": {}, "limit": 20, "kinds": ["a"], "put": 1}, "order": [2, 1], "required": True}
    changes = compare(was, now)
    assert render(changes) == [
        "- removed        users.get.id: 1",
        '- removed        users.kinds[]: "b"',
        f'! type changed   users.name: "{"x" * 56}... -> mapping',
        "~ value changed  users.limit: 10 -> 20",
        "+ added          required: true (asks for more)",
        "+ added          users.put: 1",
        "  order changed  order",
    ]
    assert summary(changes) == (
        '5 breaking changes: removed users.get.id, removed users.kinds[] "b", type changed users.name, and 2 more; '
        "2 that break nobody"
    )
    assert summary(changes[:1]) == "1 breaking change: removed users.get.id"
    assert summary(changes[-1:]) == "1 change that breaks nobody: order changed order"
    assert summary(changes[-2:]) == "2 changes that break nobody: added users.put, order changed order"


def test_a_line_stays_a_line_whatever_stands_in_a_contract() -> None:
    """Keys and values are anybody's text."""
    odd = "a\n\x1b[2J\u202eb"
    lines = render(compare({odd: odd, "k" * 500: 1}, {}))
    assert len(lines) == 2
    assert all(line.isprintable() and len(line) < 220 for line in lines)
    assert summary(compare({odd: 1}, {})).isprintable()


@settings(deadline=None)
@given(JSON)
def test_nothing_changed_is_no_change(value: Any) -> None:
    """Whatever the contract is, and read back from its file."""
    assert compare(canonical(value), canonical(copy.deepcopy(value))) == []


@settings(deadline=None, max_examples=200)
@given(JSON, JSON)
def test_a_change_is_never_missed(was: Any, now: Any) -> None:
    """Two contracts between which nothing is found mean the same; and the way back is a change too."""
    was, now = canonical(was), canonical(now)
    there, back = compare(was, now), compare(now, was)
    assert bool(there) == bool(back) == (as_text(was) != as_text(now))
    assert len(render(there)) == len(there)
    assert there == sorted(there, key=lambda change: not change.breaks)


@settings(deadline=None)
@given(st.dictionaries(st.text("ab", min_size=1), JSON, min_size=1))
def test_what_is_taken_away_always_breaks(was: dict[str, Any]) -> None:
    """Whichever key it is."""
    was = canonical(was)
    for key in was:
        left = {name: value for name, value in was.items() if name != key}
        assert compare(was, left) == [Change(key, REMOVED, was[key])]
