"""What a test does, read off its text: everything that refactorings leave alone, and nothing that they change."""

from __future__ import annotations

from textwrap import dedent

import pytest

from pytest_rollback.judge.likeness import MOST_WORDS, Body, Module, alike, name_words, within

PLAIN = """
def test_x(server):
    reply: str = server.call(1, key="a")
    with server.open() as file:
        async_result = [line for line in file if line.ok]
    assert reply == "b" and not async_result
"""


def body_of(text: str, *names: str) -> Body | None:
    """Read what a test does."""
    return Module(dedent(text)).body(names or ("test_x",))


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("def test_x(server):", 'def test_x(server: Server) -> None:\n    """Say why."""'),
        PLAIN.replace("def test_x", "@pytest.mark.slow\nasync def test_x").replace("    with", "    async with"),
        PLAIN.replace("reply: str =", "reply =").replace('"a"', "'a'"),
        PLAIN.replace("    assert", "    # a comment\n\n    assert"),
        PLAIN.replace("call(1, key", "call(\n        1,\n        key"),
    ],
)
def test_what_refactorings_change_is_left_out(text: str) -> None:
    """Types, docstrings, decorators, line ends, async and comments."""
    assert body_of(text) == body_of(PLAIN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("== ", "!= "),
        ('"b"', '"c"'),
        ("key=", "word="),
        (" not ", " "),
        ("server.call", "server.ask"),
        (" and ", " or "),
    ],
)
def test_what_it_does_is_not(one: str, other: str) -> None:
    """Names, values, operators and words of arguments."""
    assert one in PLAIN
    assert body_of(PLAIN.replace(one, other)) != body_of(PLAIN)


def test_a_method_does_what_its_function_did() -> None:
    """Its `self` says nothing."""
    method = "class TestA:\n" + "".join(
        f"    {line}\n" for line in PLAIN.replace("(server)", "(self, server)").splitlines()
    )
    assert body_of(method, "TestA", "test_x") == body_of(PLAIN)


def test_the_shape_leaves_open_what_parameters_may_replace() -> None:
    """Then it does not matter whether a value stands there or the name of a parameter."""
    one = body_of("def test_x(app):\n    assert app.call('GET') == 200\n")
    other = body_of("def test_x(app, verb, code):\n    assert app.call(verb) == code\n")
    assert one is not None
    assert other is not None
    assert one.words != other.words
    assert one.shape == other.shape


NESTED = """
try:
    import x
except ImportError:
    def test_except(): pass
else:
    def test_else(): pass
finally:
    def test_finally(): pass
with x:
    for y in x:
        while y:
            def test_loop(): pass
match x:
    case 1:
        def test_case(): pass
if x:
    class TestA:
        if y:
            class TestB:
                def test_deep(self): pass
"""


@pytest.mark.parametrize(
    "path",
    [
        ("test_except",),
        ("test_else",),
        ("test_finally",),
        ("test_loop",),
        ("test_case",),
        ("TestA", "TestB", "test_deep"),
    ],
)
def test_tests_are_found_under_conditions(path: tuple[str, ...]) -> None:
    """Python lets them stand anywhere."""
    assert Module(NESTED).function(path) is not None
    assert Module(NESTED).function(("test_nowhere",)) is None


def test_an_inherited_test_is_found_in_the_same_file() -> None:
    """Also over two classes; and classes that inherit from each other in a circle lead nowhere."""
    text = """
    class Base:
        def test_x(self): assert one
    class Middle(other.Base, Base): pass
    class TestA(Middle): pass
    class Round(Trip): pass
    class Trip(Round): pass
    """
    assert body_of(text, "TestA", "test_x") == body_of(text, "Base", "test_x") is not None
    assert body_of(text, "Round", "test_x") is None
    assert body_of(text, "TestA", "test_y") is None


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("@pytest.mark.golden\ndef test_x(): pass", True),
        ("@golden('chat')\ndef test_x(): pass", True),
        ("pytestmark = [pytest.mark.golden]\ndef test_x(): pass", True),
        ("@pytest.mark.slow\ndef test_x(): golden", False),
        ("other = pytest.mark.golden\ndef test_x(): pass", False),
    ],
)
def test_a_marker_is_seen_where_it_is_written(text: str, mentioned: bool) -> None:  # noqa: FBT001
    """On the test, or for its whole file."""
    assert Module(text).mentions(("test_x",), "golden") is mentioned


@pytest.mark.parametrize(
    "line", ["@pytest.mark.golden\nclass TestA:", "class TestA:\n    pytestmark = pytest.mark.golden"]
)
def test_a_marker_is_seen_on_the_class_around(line: str) -> None:
    """It holds for all tests in it."""
    text = f"{line}\n    def test_x(self): pass\nclass TestB:\n    def test_x(self): pass\n"
    assert Module(text).mentions(("TestA", "test_x"), "golden")
    assert not Module(text).mentions(("TestB", "test_x"), "golden")


@pytest.mark.parametrize(
    "text",
    ["def (", "\0", "x = " + "(" * 5000, "", '"\\d"\n', "def test_y(): pass"],
)
def test_what_is_no_python_or_holds_no_test_has_no_body(text: str) -> None:
    """The judged tree may hold anything, and no warning about it is ours to give."""
    assert Module(text).body(("test_x",)) is None
    assert not Module(text).mentions(("test_x",), "golden")


def test_deep_and_long_code_is_read() -> None:
    """Generated tests are."""
    chain = "if a: pass\n" + "elif a: pass\n" * 3000 + "else:\n    def test_x(): pass\n"
    assert Module(chain).function(("test_x",)) is not None or Module(chain).marked is None
    long = "def test_x():\n" + "    call(1)\n" * MOST_WORDS
    body = body_of(long)
    assert body is not None
    assert len(body.words) == MOST_WORDS
    inner = "def test_x():\n    @outer\n    def helper(a, b=1):\n        return a\n    assert helper(2) == 2\n"
    words = body_of(inner)
    assert words is not None
    assert {"helper", "outer", "a"} <= set(words.words)


@pytest.mark.parametrize(
    ("one", "other", "at_least", "share"),
    [
        ("a b c d", "a b c d", 0.9, 1.0),
        ("a b c d", "a b c x", 0.7, 0.75),
        ("a b c d", "a b c x", 0.8, 0.0),
        ("a b c d", "d c b a", 0.5, 0.0),
        ("a", "a b c d e f", 0.5, 0.0),
        ("", "", 0.5, 1.0),
        ("", "a", 0.0, 0.0),
    ],
)
def test_likeness_is_the_share_of_what_is_the_same(one: str, other: str, at_least: float, share: float) -> None:
    """In its order, and nothing where it can't be as much as is asked for."""
    assert alike(tuple(one.split()), tuple(other.split()), at_least) == share


def test_what_lies_within_is_counted_once() -> None:
    """A case says once what the test before said for each of them; what a parameter stands for says nothing."""
    assert within(("a", "b", "?"), ("a", "a", "b", "c")) == 1.0
    assert within(("a", "b"), ("a",)) == 0.5
    assert within(("?",), ("a",)) == 0.0


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("TestSuperLen", "test_io_streams"), {"super", "len", "io", "streams"}),
        (("test_isIPv4_2",), {"is", "ipv4", "2"}),
        (("test",), set()),
        ((), set()),
    ],
)
def test_names_are_made_of_words(names: tuple[str, ...], words: set[str]) -> None:
    """Written in one way or another, in the class or in the function."""
    assert name_words(names) == words
