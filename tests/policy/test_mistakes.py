"""A wrong policy: all its errors at once, each with its file, its key and the nearest valid name; never a traceback."""

from __future__ import annotations

import contextlib
import re
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_rollback.policy.load import find_policy, load_policy
from pytest_rollback.policy.problems import PolicyError, nearest
from pytest_rollback.policy.rules import Policy
from pytest_rollback.policy.tables import TABLES, PolicyTable

OWN, SHARED = "pytest-rollback.toml", "pyproject.toml"
HUGE = "9" * 400

# Every line that is wrong, with what is said about it.
SO_WRONG = """
mode = "Enforce"  # mode: 'Enforce' is not one of them; did you mean "enforce"?
live = "main"  # live: expected array, got str
labels = ["chat"]
phase = "mov"  # phase: nothing is named "mov"; did you mean "move"?
trigger = 3  # trigger: unknown key; did you mean "triggers"?
[groups."my group"]  # groups."my group": a group is a marker, so its name is letters, digits and underscores
[groups.smoke]
oder = 3  # groups.smoke.oder: unknown key; did you mean "order"?
whole = "0 s"  # groups.smoke.whole: no time at all; write "none" for no limit
[triggers.golden-pth]  # triggers.golden-pth: no row of this name is shipped, and a new one needs a condition; did you mean "golden-path"?
deadlin = "5 min"  # triggers.golden-pth.deadlin: unknown key; did you mean "deadline"?
[triggers.golden-path]
severity = "hihg"  # triggers.golden-path.severity: 'hihg' is not one of them; did you mean "high"?
group = "golden-path"  # triggers.golden-path.group: nothing is named "golden-path"; did you mean "golden_path"?
[triggers.both]  # triggers.both: a row watches tests, a metric or a signal, and this one tests (group) and a metric (metric); make it two rows
group = "isolation"  # triggers.both.action: missing
metric = "complianc"  # triggers.both.metric: nothing is named "complianc"; did you mean "compliance"?
severity = "low"
[triggers.memory]
rise = "> 3 s"  # triggers.memory.rise: '> 3 s' can't be compared with memory, which is in MB
[triggers.chat]
label = "chatt"  # triggers.chat.label: nothing is named "chatt"; did you mean "chat"?
[metrics.a]
tolerance = -1  # metrics.a.tolerance: expected float >= 0.0
[phases.move]
stop = ["memry"]  # phases.move.stop: nothing is named "memry"; did you mean "memory"?
way-back = "soon"  # phases.move.way-back: cannot read the duration 'soon'; write "30 s", "5 min" or "1 h 30 min"
[tiers.1]
levels = ["comit"]  # tiers.1.levels: 'comit' is not one of them; did you mean "commit"?
[tiers.7]  # tiers.7.name: missing; say who it is
"""  # noqa: E501 (a line is a mistake with its message)
# A mistake that stands alone, and the whole of what is said about it.
MISTAKES = [
    ("groups = 3", 'groups: expected tables, such as "[tool.pytest-rollback.groups.NAME]"'),
    ("groups.smoke = 3", "groups.smoke: expected a table"),
    ('tiers.first.name = "x"', 'tiers.first: a tier is a number; write "[tiers.1]"'),
    ("tiers.1.levels = 'commit'", "tiers.1.levels: expected array, got str"),
    (
        "tiers.1.respond = 5",
        'tiers.1.respond: expected a duration with its unit, such as "30 s" or "5 min", not a number',
    ),
    (
        "metrics.import.ceiling = '2 MB'",
        "metrics.import.ceiling: '2 MB' can't be compared with the metric, which is in s",
    ),
    ("metrics.leak.unit = 's'", "triggers.memory-leak.above: '50 MB' can't be compared with leak, which is in s"),
    ("metrics.memory.assumed = nan", "metrics.memory.assumed: expected a number, not nan"),
    ("metrics.memory.tolerance = inf", "metrics.memory.tolerance: expected a number, not inf"),
    ("triggers.chat.label = []", "triggers.chat.label: names nothing; leave the key out"),
    ("triggers.isolation.group = ' '", "triggers.isolation.group: names nothing; leave the key out"),
    ("triggers.imports.signal = ['']", "triggers.imports.signal: names nothing; leave the key out"),
    ("triggers.imports.label = 'x'", "triggers.imports.label: a signal bears no labels"),
    (
        "triggers.limit.limit = false",
        'triggers.limit.limit: without it the row has no condition; to switch it off write "enabled = false"',
    ),
    (
        "triggers.chat.watch = '1 h'",
        'triggers.chat.watch: goes with action = "watch", and this row\'s is "roll back"',
    ),
    ("triggers.chat.failures = '> 1 %'", "triggers.chat.failures: '> 1 %' has a unit that makes no sense here"),
    ("triggers.chat.failures = '< 1'", "triggers.chat.failures: '< 1' can never be, so the row would never fire"),
    (
        "triggers.chat.failures = '1.2 to 1.8'",
        "triggers.chat.failures: '1.2 to 1.8' can never be, so the row would never fire",
    ),
    ("triggers.chat.rate = '> 100 %'", "triggers.chat.rate: '> 100 %' can never be, so the row would never fire"),
    ("triggers.chat.rate = '<= 0'", "triggers.chat.rate: '<= 0' can never be, so the row would never fire"),
    (
        "triggers.x = {metric = 'memory', severity = 'low', action = 'note'}",
        "triggers.x: says no number at which it fires; known: drop, rise, above, below, limit",
    ),
    (
        "triggers.x = {drop = '> 1', severity = 'low', action = 'note'}",
        'triggers.x.drop: needs "metric", the number that it watches',
    ),
    ("triggers.x = {failures = 'some', severity = 'hi', action = 'note'}", "triggers.x.failures: cannot read 'some'"),
    ('triggers."a b".severity = "low"', 'triggers."a b": no row of this name is shipped'),
    ("phases.p.requires = ['isolaton']", 'phases.p.requires: nothing is named "isolaton"; did you mean "isolation"?'),
    ("triggers.memory.enabled = false\nphases.p.stop = ['memory']", 'phases.p.stop: "memory" is switched off'),
    ("phase = 'p'", 'phase: nothing is named "p"'),
    ("protected = ['']", "protected: names nothing; leave it out"),
    ("protected = ['/etc/**']", "protected: '/etc/**' is no place in the project; write it as seen from its root"),
    ("carry = ['a/../../b']", "carry: 'a/../../b' is no place in the project"),
    ('protected = ["a\\u0000b"]', "protected: 'a\\x00b' is no place in the project"),
    ("approvers = ['ada']", 'approvers: \'ada\' is no mail; write "ada@example.org", or "*@example.org" for all'),
    ("approvers = [' ']", "approvers: names nothing; leave it out"),
    ("machines = ['']", "machines: names nothing; leave it out"),
    ("machines = []\nmachine-approval = true", 'machine-approval: needs "machines", the authors who are meant by it'),
    ("drift.user.copies = ['a']", "drift.user.source: missing; name the file or folder that counts"),
    ("drift.user.source = 'a'", "drift.user.copies: missing; name patterns of its copies"),
    ("drift.user = {source = 'a', copies = []}", "drift.user.copies: missing; name patterns of its copies"),
    ("drift.user = {source = '*', copies = ['a']}", 'drift.user.source: "*" is a pattern; name the one file'),
    ("drift.user = {source = '../a', copies = ['a']}", "drift.user.source: '../a' is no place in the project"),
    ("drift.user = {source = 'a', copies = ['~/b']}", "drift.user.copies: '~/b' is no place in the project"),
    ("x-y = 1", "x-y: unknown key; known: approvers, carry, checks, drift, groups, health, "),
]


def complaints(path: Path) -> list[str]:
    """Load a policy that can't be used; gives all that is said."""
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return [str(problem) for problem in caught.value.problems]


def write(folder: Path, text: str | bytes, name: str = OWN) -> Path:
    """Write a policy file."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_all_errors_are_said_at_once(tmp_path: Path) -> None:
    """Whoever mends one error a run gives up before the last."""
    expected = re.findall(r"  # (.*)", SO_WRONG)
    assert sorted(complaints(write(tmp_path, SO_WRONG))) == sorted(f"{OWN}: {text}" for text in expected)


@pytest.mark.parametrize(("text", "complaint"), MISTAKES)
def test_a_mistake_is_said_once_with_its_key(tmp_path: Path, text: str, complaint: str) -> None:
    """One mistake that is said twice looks like two."""
    (said, *more) = complaints(write(tmp_path, text))
    assert said.startswith(f"{OWN}: {complaint}")
    assert [line for line in more if line.split(": ")[1] == said.split(": ")[1]] == []


@pytest.mark.parametrize(
    "row",
    [
        'failures = "1"',
        'failures = "< 2"',
        'failures = "> 0.5"',
        'rate = "100 %"',
        'rate = "0.2 to 0.5 %"',
        'rate = "> 99"',
    ],
)
def test_a_threshold_that_can_be_reached_is_taken(tmp_path: Path, row: str) -> None:
    """Only what can never be is refused."""
    assert load_policy(write(tmp_path, f"[triggers.chat]\n{row}\n")).digest != load_policy(None).digest


def test_in_the_shared_file_a_key_has_its_whole_path(tmp_path: Path) -> None:
    """It is searched for there."""
    path = write(tmp_path, "[tool.pytest-rollback.triggers.chat]\ndeadlin = 1\n", SHARED)
    assert complaints(path) == [
        'pyproject.toml: tool.pytest-rollback.triggers.chat.deadlin: unknown key; did you mean "deadline"?'
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"mode = ", "is not TOML: "),
        (b"mode = 'shadow'\nmode = 'shadow'", "is not TOML: "),
        (b'mode = "\xff"', "is not UTF-8 (byte 8)"),
        (f"x = {'9' * 5000}".encode(), "can't be read as TOML: "),
        (b"x = " + b"[" * 5000, "can't be read as TOML: "),
    ],
)
def test_what_is_no_toml_is_said_with_its_file(tmp_path: Path, text: bytes, complaint: str) -> None:
    """A traceback out of a parser names everything but the file."""
    path = write(tmp_path, text)
    (said,) = complaints(path)
    assert said.startswith(f"{path}: {complaint}")


@pytest.mark.parametrize("table", ['"shadow"', "3", "[1, 2]", "[[1]]"])
def test_a_table_of_the_wrong_type_is_no_missing_one(tmp_path: Path, table: str) -> None:
    """Somebody meant to decide something here."""
    path = write(tmp_path, f"[tool]\npytest-rollback = {table}\n", SHARED)
    assert find_policy(tmp_path) == path
    assert complaints(path) == ["pyproject.toml: tool.pytest-rollback: expected a table"]


@pytest.mark.parametrize("text", ["", "tool = 3\n", "[tool]\n", "[project]\nname = 'pytest-rollback'\n"])
def test_a_shared_file_that_was_named_must_have_our_table(tmp_path: Path, text: str) -> None:
    """Whoever names a file expects it to count."""
    path = write(tmp_path, text, SHARED)
    assert complaints(path) == [f"{path}: tool.pytest-rollback: is not there"]


def test_our_table_with_an_underscore_is_not_passed_by(tmp_path: Path) -> None:
    """The package is imported by that name, so it is the likeliest slip, and the shipped matrix would hold, unsaid."""
    path = write(tmp_path, "[tool.pytest_rollback]\nmode = 'shadow'\n", SHARED)
    with pytest.raises(PolicyError, match=re.escape(f"{path}: tool.pytest_rollback: unknown; did you mean [tool.p")):
        find_policy(tmp_path)


def test_a_policy_that_cannot_be_opened_is_not_passed_by(tmp_path: Path) -> None:
    """A folder, a link to nowhere or to itself: each was meant to be a policy."""
    places = [tmp_path / name for name in ("folder", "dangling", "loop")]
    for place in places:
        place.mkdir()
    (places[0] / OWN).mkdir()
    (places[1] / OWN).symlink_to("nowhere")
    (places[2] / OWN).symlink_to(OWN)
    for place in places:
        found = find_policy(place)
        assert found == place / OWN
        assert complaints(found)[0].startswith(f"{found}: cannot be read: ")


def test_a_shared_file_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what stands in it."""
    path = write(tmp_path, "", SHARED)

    def refused(*_: object, **__: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(PolicyError, match=re.escape(f"{path}: cannot be read: Permission denied")):
        find_policy(tmp_path)


KEYS = [("", field.encode_name) for field in msgspec.structs.fields(PolicyTable) if field.encode_name not in TABLES]
KEYS += [(name, field.encode_name) for name, shape in TABLES.items() for field in msgspec.structs.fields(shape)]
ROWS = {
    "": "",
    "groups": "smoke",
    "triggers": "chat",
    "metrics": "memory",
    "checks": "imports",
    "phases": "move",
    "tiers": "1",
    "drift": "user",
}


@pytest.mark.parametrize(("family", "key"), KEYS)
def test_no_key_takes_garbage(tmp_path: Path, family: str, key: str) -> None:
    """A value that can't be meant is named by its key, whatever it is."""
    at = ".".join(part for part in (family, ROWS[family], key) if part)
    numbers = "['x']" if key == "status" else "[3]"
    for garbage in ("nan", "{ a = 1 }", "07:32:00", "[[]]", numbers, "''" if family == "triggers" else "[1.5]"):
        said = complaints(write(tmp_path, f"{at} = {garbage}\n"))
        assert any(line.startswith(f"{OWN}: {at}: ") for line in said), (garbage, said)


SCALARS = st.one_of(
    st.text(max_size=3), st.integers(), st.just(int(HUGE)), st.floats(), st.booleans(), st.just(date(2026, 1, 1))
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.sampled_from(["> 1 %", "1 to 2 points", "5 min", "none", "*"])
NAMES = st.sampled_from(["chat", "memory", "limit", "isolation", "1", "new"]) | st.text(max_size=3)


def families() -> st.SearchStrategy[dict[str, Any]]:
    """Make policies with the right keys and any values."""
    tables = {}
    for name, shape in TABLES.items():
        keys = st.sampled_from([field.encode_name for field in msgspec.structs.fields(shape)])
        tables[name] = st.dictionaries(NAMES, st.dictionaries(keys, VALUES, max_size=4), max_size=3)
    top = {key: VALUES for family, key in KEYS if not family}
    return st.fixed_dictionaries({}, optional={**tables, **top})


@settings(max_examples=80, deadline=None)
@given(families())
def test_a_policy_is_read_or_refused_and_nothing_else(tables: dict[str, Any]) -> None:
    """Whatever stands in it, the answer is a policy or its errors; never a traceback."""
    with contextlib.suppress(PolicyError):
        assert isinstance(load_policy(None, extra=tables), Policy)


@pytest.mark.parametrize("rows", [{3: {}}, {"x": {3: 4}}, {None: 3}])
def test_rows_of_other_plugins_are_read_as_strictly(rows: dict[Any, Any]) -> None:
    """Python lets a name be what TOML never would."""
    with pytest.raises(PolicyError, match=r"^pytest_rollback_triggers: triggers"):
        load_policy(None, extra={"triggers": rows})


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("deadlin", ["deadline", "level"], '; did you mean "deadline"?'),
        ("ID", ["id"], '; did you mean "id"?'),
        ("a_b", ["a-b"], '; did you mean "a-b"?'),
        ("zzz", ["b", "a"], "; known: a, b"),
        ("zzz", [], ""),
    ],
)
def test_the_nearest_name_is_offered(word: str, known: list[str], said: str) -> None:
    """Where none is near, all of them are shown; where there is none at all, nothing is."""
    assert nearest(word, known) == said
