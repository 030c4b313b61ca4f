"""What a change no longer demands of its tests is named; what merely moved, was renamed or rewritten is followed."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent
from typing import Any

import pytest

from pytest_rollback.events import ListedTest, TestList
from pytest_rollback.judge.erosion import Sources, in_doubt, losses, policy_losses, protected_losses
from pytest_rollback.model import LossKind, Mark, Outcome
from pytest_rollback.policy.load import load_policy

GOLDEN = (Mark("golden_path"),)
CHAT = (Mark("golden_path", ("chat",)),)
NOTHING = Sources(before=lambda _: None, now=lambda _: None)
SEND = """
def test_send(server):
    client = connect(server, name="ada")
    client.send("hello")
    assert client.receive(timeout=2) == "hello"
    assert server.log == ["ada: hello"]
"""
LOGIN = """
def test_login(server):
    with pytest.raises(Refused, match="password"):
        server.login("ada", password="wrong")
    assert server.sessions == []
    assert server.failures["ada"] == 1
"""


def listed(
    *names: str, marks: tuple[Mark, ...] = GOLDEN, outcome: Outcome | None = Outcome.PASSED, **more: object
) -> tuple[ListedTest, ...]:
    """List some tests that have all the same to say."""
    return tuple(ListedTest(name, outcome, marks, **more) for name in names)  # type: ignore[arg-type]


def lost(
    base: tuple[ListedTest, ...],
    now: tuple[ListedTest, ...],
    before: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
    renames: Mapping[str, str] | None = None,
) -> list[str]:
    """Name what is lost between two lists of tests, with the files that they stand in."""
    old, new = ({name: dedent(text) for name, text in (texts or {}).items()} for texts in (before, after))
    sources = Sources(before=old.get, now=new.get, renames=renames or {})
    return [loss.name for loss in losses(TestList(tests=base), TestList(tests=now), sources=sources)]


def test_the_same_tests_lose_nothing() -> None:
    """And no file is read for them."""

    def refuse(file: str) -> str:
        raise AssertionError(file)

    tests = TestList(tests=listed("t.py::test_a", "t.py::TestB::test_b[1-x::y]"))
    assert losses(tests, tests, sources=Sources(before=refuse, now=refuse)) == []


def test_a_test_that_is_gone_is_named_with_what_it_was() -> None:
    """An approval names it, so the name has to say all."""
    (loss,) = losses(TestList(tests=listed("t.py::test_a", marks=CHAT)), TestList(), sources=NOTHING)
    assert (loss.name, loss.kind, loss.what) == ("gone:t.py::test_a", LossKind.GONE, "t.py::test_a")
    assert (loss.was, loss.now, loss.approved) == ("golden_path(chat)", "gone", None)


def test_a_marker_that_was_taken_away_is_told_from_a_test_that_was() -> None:
    """The list of gate tests lacks both; the file tells them apart."""
    base = listed("t.py::test_send", marks=CHAT)
    before, without = {"t.py": f"@pytest.mark.golden_path('chat'){SEND}"}, {"t.py": SEND}
    assert lost(base, (), before, without) == ["unmarked:t.py::test_send"]
    assert lost(base, (), before, {"t.py": LOGIN}) == ["gone:t.py::test_send"]
    assert lost(base, (), before, {}) == ["gone:t.py::test_send"]
    assert lost(base, (), before, {"u.py": SEND}, {"t.py": "u.py"}) == ["unmarked:t.py::test_send"]


@pytest.mark.parametrize(
    "text",
    [
        f"@pytest.mark.golden_path('chat'){SEND}",
        f"pytestmark = [pytest.mark.golden_path]\npytest.skip('later', allow_module_level=True){SEND}",
    ],
)
def test_a_marked_test_that_is_not_collected_is_gone(text: str) -> None:
    """A module that skips itself still has its markers, and none of its tests."""
    sources = Sources(before={"t.py": SEND}.get, now={"t.py": text}.get)
    (loss,) = losses(TestList(tests=listed("t.py::test_send")), TestList(), sources=sources)
    assert (loss.kind, loss.now) == (LossKind.GONE, "not collected")


@pytest.mark.parametrize(
    ("marks", "names"),
    [
        ((), ["unmarked:t.py::test_a"]),
        ((Mark("isolation"),), ["unmarked:t.py::test_a"]),
        ((Mark("golden_path"),), ["unmarked:t.py::test_a"]),
        ((Mark("golden_path", ("login",)),), ["unmarked:t.py::test_a"]),
        ((Mark("isolation"), Mark("golden_path", ("login", "chat"))), []),
    ],
)
def test_a_group_or_a_label_that_is_lost_is_named(marks: tuple[Mark, ...], names: list[str]) -> None:
    """Rows of the matrix go by both."""
    assert lost(listed("t.py::test_a", marks=CHAT), listed("t.py::test_a", marks=marks)) == names


@pytest.mark.parametrize(
    ("was", "now", "names"),
    [
        (Outcome.PASSED, Outcome.SKIPPED, ["skipped:t.py::test_a"]),
        (Outcome.PASSED, Outcome.XFAILED, ["xfailed:t.py::test_a"]),
        (Outcome.FAILED, Outcome.XFAILED, ["xfailed:t.py::test_a"]),
        (Outcome.FLAKY, Outcome.SKIPPED, ["skipped:t.py::test_a"]),
        (Outcome.SKIPPED, Outcome.SKIPPED, []),
        (Outcome.XFAILED, Outcome.SKIPPED, []),
        (Outcome.SKIPPED, Outcome.PASSED, []),
        (Outcome.PASSED, Outcome.FAILED, []),
        (Outcome.PASSED, Outcome.LEFT_OUT, []),
        (Outcome.PASSED, Outcome.NOT_STARTED, []),
        (Outcome.PASSED, None, []),
    ],
)
def test_a_test_that_newly_steps_aside_is_named(was: Outcome, now: Outcome | None, names: list[str]) -> None:
    """A skipped test proves nothing, and did before; one that was not run says nothing about that."""
    assert lost(listed("t.py::test_a", outcome=was), listed("t.py::test_a", outcome=now)) == names


@pytest.mark.parametrize(
    ("aside_was", "aside_now", "names", "doubtful"),
    [
        (False, True, ["skipped:t.py::test_a"], []),
        (True, True, [], ["t.py::test_a"]),
        (False, False, [], ["t.py::test_a"]),
        (True, False, [], ["t.py::test_a"]),
    ],
)
@pytest.mark.parametrize("unknown", [None, Outcome.LEFT_TO_CI, Outcome.UNFINISHED])
def test_what_was_only_collected_on_the_base_is_in_doubt(
    *, unknown: Outcome | None, aside_was: bool, aside_now: bool, names: list[str], doubtful: list[str]
) -> None:
    """A new marker is sure to be new; a condition, or a skip in the middle of a test, has to be tried out there."""
    base = TestList(tests=listed("t.py::test_a", outcome=unknown, steps_aside=aside_was))
    now = TestList(tests=listed("t.py::test_a", outcome=Outcome.SKIPPED, steps_aside=aside_now))
    assert [loss.name for loss in losses(base, now, sources=NOTHING)] == names
    assert in_doubt(base, now, sources=NOTHING) == doubtful


def test_no_test_that_holds_is_in_doubt() -> None:
    """Only what steps aside now can have begun to."""
    base = TestList(tests=listed("t.py::test_a", "t.py::test_gone", outcome=None, steps_aside=True))
    assert in_doubt(base, TestList(tests=listed("t.py::test_a")), sources=NOTHING) == []


def test_a_doubtful_test_is_named_as_the_base_knows_it() -> None:
    """That is where it is run."""
    base, now = (
        TestList(tests=listed("t.py::test_send", outcome=None)),
        listed("u.py::test_send", outcome=Outcome.SKIPPED),
    )
    sources = Sources(before={"t.py": SEND}.get, now={"u.py": SEND}.get)
    assert in_doubt(base, TestList(tests=now), sources=sources) == ["t.py::test_send"]


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        (5.0, 10.0, ("5 s", "10 s")),
        (5.0, None, ("5 s", "30 s")),
        (5.0, 0.0, ("5 s", "none")),
        (None, 60.0, ("30 s", "1 min")),
        (None, 0.0, ("30 s", "none")),
        (60.0, None, None),
        (10.0, 5.0, None),
        (0.0, 600.0, None),
        (None, None, None),
        (None, 5.0, None),
    ],
)
def test_a_longer_time_limit_is_named(was: float | None, now: float | None, words: tuple[str, str] | None) -> None:
    """A limit of its own also replaces that of its group, and to pytest-timeout no time at all is no limit."""
    base, change = (TestList(tests=listed("t.py::test_a", limit_s=limit)) for limit in (was, now))
    found = losses(base, change, sources=NOTHING, each={"golden_path": 30.0, "isolation": None})
    assert [(loss.name, loss.was, loss.now) for loss in found] == ([("limit:t.py::test_a", *words)] if words else [])


def test_a_limit_that_is_taken_away_without_another_is_none() -> None:
    """Without the groups' times only the test's own are compared."""
    base, change = (TestList(tests=listed("t.py::test_a", limit_s=limit)) for limit in (5.0, None))
    assert [loss.now for loss in losses(base, change, sources=NOTHING)] == ["none"]
    assert losses(change, base, sources=NOTHING) == []


@pytest.mark.parametrize(
    ("was", "now", "found"),
    [
        ({"timeouts": "on"}, {"timeouts": "off"}, [("setting:timeouts", "on", "off")]),
        ({"timeouts": "on"}, {}, [("setting:timeouts", "on", "none")]),
        ({"strict-xfail": "on"}, {"strict-xfail": "off"}, [("setting:strict-xfail", "on", "off")]),
        ({"timeouts": "off"}, {"timeouts": "off"}, []),
        ({}, {"timeouts": "off", "blocked": "timeout"}, []),
        (
            {"blocked": ""},
            {"blocked": "timeout, rerunfailures"},
            [("setting:blocked", "none", "rerunfailures, timeout")],
        ),
        ({"blocked": "timeout,x"}, {"blocked": "x"}, []),
    ],
)
def test_a_setting_that_backs_the_gate_no_longer_is_named(
    was: dict[str, str], now: dict[str, str], found: list[tuple[str, str, str]]
) -> None:
    """A plugin that configuration turns off takes its limits with it, and no test changes."""
    said = losses(TestList(settings=was), TestList(settings=now), sources=NOTHING)
    assert [(loss.name, loss.was, loss.now) for loss in said] == found


def test_losses_of_the_policy_say_what_was_and_what_is() -> None:
    """An approval holds for one value, not for whatever comes after it."""
    base = load_policy(
        None,
        extra={
            "groups": {"smoke": {"each": "30 s"}},
            "triggers": {"queue": {"label": "q", "severity": "low", "action": "watch"}},
            "protected": ["schema/**"],
        },
    )
    change = load_policy(
        None,
        extra={
            "groups": {"smoke": {"each": "1 h"}},
            "triggers": {"chat": {"action": "watch"}, "memory": {"rise": "> 30 %"}, "golden-path": {"enabled": False}},
        },
    )
    found = {loss.name: (loss.kind, loss.was, loss.now) for loss in policy_losses(base, change)}
    gone = found.pop("policy:triggers.queue")
    assert gone[1].startswith("queue: watch (")
    assert gone[2] == "gone"
    assert found == {
        "policy:groups.smoke.each": (LossKind.POLICY, "30 s", "1 h"),
        "policy:triggers.chat.action": (LossKind.POLICY, "roll back", "watch"),
        "policy:triggers.memory.rise": (LossKind.POLICY, "> 20 %", "> 30 %"),
        "policy:triggers.golden-path.enabled": (LossKind.POLICY, "true", "false"),
        "policy:protected": (LossKind.POLICY, "schema/**", "none"),
    }


def test_a_group_that_is_left_to_a_softer_row_says_so() -> None:
    """The group itself is as it was, so the row that took it has to be part of the loss."""
    group: dict[str, Any] = {"groups": {"smoke": {}}}
    rows = [{"sly": {"group": "smoke", "severity": "low", "action": "note", "failures": n}} for n in (1, 2)]
    base = load_policy(None, extra=group)
    one, two = (policy_losses(base, load_policy(None, extra={**group, "triggers": row}))[0] for row in rows)
    assert one.name == two.name == "policy:groups.smoke"
    assert one.was == two.was
    assert "gate-test: investigate (" in one.was
    assert "sly: note (" in one.now
    assert one.now != two.now


def test_protected_files_are_losses_by_their_path() -> None:
    """From which blob to which, so that approving one change approves no other."""
    found = protected_losses([("schema/user.json", "1" * 40, "2" * 40), ("schema/b", "3" * 40, None)])
    assert [(loss.name, loss.now) for loss in found] == [
        ("protected:schema/user.json", "2" * 40),
        ("protected:schema/b", "missing"),
    ]
