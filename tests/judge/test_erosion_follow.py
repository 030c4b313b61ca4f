"""Tests are followed through refactorings: what keeps them raises nothing, what loses one names that one."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent, indent

import pytest

from pytest_rollback.events import ListedTest, TestList
from pytest_rollback.judge.erosion import losses
from pytest_rollback.judge.follow import FEW, follow
from pytest_rollback.judge.spots import Sources, spot_of
from pytest_rollback.model import Mark, Outcome

GOLDEN = (Mark("golden_path"),)
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
STORE = """
def test_store(tmp_path):
    store = Store(tmp_path / "db")
    store.put("key", b"value")
    store.close()
    assert Store(tmp_path / "db").get("key") == b"value"
"""
CLASS = "class TestChat:\n" + indent(SEND.replace("(server)", "(self, server)"), "    ")
Texts = Mapping[str, str]


def lost(base: list[str], now: list[str], before: Texts, after: Texts, renames: Texts | None = None) -> list[str]:
    """Name what is lost between two lists of tests that all bear one marker."""
    old, new = (
        TestList(tests=tuple(ListedTest(name, Outcome.PASSED, GOLDEN) for name in each)) for each in (base, now)
    )
    texts = [{name: dedent(text) for name, text in each.items()} for each in (before, after)]
    sources = Sources(before=texts[0].get, now=texts[1].get, renames=renames or {})
    return [loss.name for loss in losses(old, new, sources=sources)]


KEPT = {
    "moved to another file": (["a.py::test_send"], ["b.py::test_send"], {"a.py": SEND}, {"b.py": SEND}),
    "moved and edited": (
        ["a.py::test_send"],
        ["b.py::test_send"],
        {"a.py": SEND},
        {"b.py": SEND.replace('assert server.log == ["ada: hello"]', "assert server.closed")},
    ),
    "renamed": (
        ["a.py::test_send"],
        ["a.py::test_it_is_sent"],
        {"a.py": SEND},
        {"a.py": SEND.replace("_send", "_it_is_sent")},
    ),
    "renamed, retyped, documented, made async": (
        ["a.py::test_send"],
        ["a.py::test_five"],
        {"a.py": SEND},
        {
            "a.py": SEND.replace(
                "def test_send(server):", 'async def test_five(server: Server) -> None:\n    """Why."""'
            )
        },
    ),
    "renamed and edited": (
        ["a.py::test_send"],
        ["a.py::test_five"],
        {"a.py": SEND},
        {"a.py": SEND.replace("test_send", "test_five").replace("timeout=2", "timeout=5")},
    ),
    "renamed a little and edited much": (
        ["a.py::test_send_message"],
        ["a.py::test_send_a_message"],
        {"a.py": SEND.replace("_send", "_send_message")},
        {
            "a.py": SEND.replace("_send", "_send_a_message").replace(
                "    assert server.log", "    assert client.ok and client.log"
            )
        },
    ),
    "moved into a class": (["a.py::test_send"], ["a.py::TestChat::test_send"], {"a.py": SEND}, {"a.py": CLASS}),
    "moved out of a class": (["a.py::TestChat::test_send"], ["a.py::test_send"], {"a.py": CLASS}, {"a.py": SEND}),
    "moved into a class under a new name": (
        ["a.py::test_send"],
        ["b.py::TestChat::test_five"],
        {"a.py": SEND},
        {"b.py": CLASS.replace("test_send", "test_five")},
    ),
    "class renamed": (
        ["a.py::TestChat::test_send"],
        ["a.py::TestTalk::test_send"],
        {"a.py": CLASS},
        {"a.py": CLASS.replace("TestChat", "TestTalk")},
    ),
    "class renamed, its tests inherited": (
        ["a.py::TestChat::test_x", "a.py::TestChat::test_y"],
        ["a.py::TestTalk::test_x", "a.py::TestTalk::test_y"],
        {"a.py": "from base import Base\nclass TestChat(Base):\n    pass"},
        {"a.py": "from base import Base\nclass TestTalk(Base):\n    pass"},
    ),
    "moved into a class that it is inherited by": (
        ["a.py::test_send"],
        ["b.py::TestOne::test_send"],
        {"a.py": SEND},
        {"b.py": CLASS.replace("TestChat", "Base") + "\nclass TestOne(Base):\n    pass\n"},
    ),
    "module split in two": (
        ["a.py::test_send", "a.py::test_login", "a.py::test_store"],
        ["chat.py::test_send", "rest.py::test_login", "rest.py::test_store"],
        {"a.py": SEND + LOGIN + STORE},
        {"chat.py": SEND, "rest.py": STORE + LOGIN},
    ),
    "two modules made one, with one name for both": (
        ["a.py::test_it", "b.py::test_it"],
        ["c.py::test_send", "c.py::test_login"],
        {"a.py": SEND.replace("_send", "_it"), "b.py": LOGIN.replace("_login", "_it")},
        {"c.py": LOGIN + SEND},
    ),
    "names swapped round": (
        ["a.py::test_one", "a.py::test_two"],
        ["b.py::test_one", "b.py::test_two"],
        {"a.py": SEND.replace("_send", "_one") + LOGIN.replace("_login", "_two")},
        {"b.py": SEND.replace("_send", "_two") + LOGIN.replace("_login", "_one")},
    ),
    "parametrised": (
        ["a.py::test_send"],
        ["a.py::test_send[a]", "a.py::test_send[b]"],
        {},
        {},
    ),
    "no longer parametrised, once": (["a.py::test_send[a]"], ["a.py::test_send"], {}, {}),
    "other ids": (["a.py::test_send[0]", "a.py::test_send[1]"], ["a.py::test_send[x-1]", "a.py::test_send[y]"], {}, {}),
    "more cases under other ids": (["a.py::test_send[0]"], ["a.py::test_send[a]", "a.py::test_send[b]"], {}, {}),
    "two tests made cases of one": (
        ["a.py::test_get", "a.py::test_put"],
        ["a.py::test_methods[get]", "a.py::test_methods[put]"],
        {
            "a.py": "def test_get(app):\n    response = app.request('GET', '/x')\n    assert response.code == 200\n"
            "def test_put(app):\n    response = app.request('PUT', '/x')\n    assert response.code == 201\n"
        },
        {
            "a.py": "def test_methods(app, method, code):\n    response = app.request(method, '/x')\n"
            "    assert response.code == code\n"
        },
    ),
    "cases made tests of their own": (
        ["a.py::test_methods[get]", "a.py::test_methods[put]"],
        ["a.py::test_get", "a.py::test_put"],
        {
            "a.py": "def test_methods(app, method, code):\n    response = app.request(method, '/x')\n"
            "    assert response.code == code\n"
        },
        {
            "a.py": "def test_get(app):\n    response = app.request('GET', '/x')\n    assert response.code == 200\n"
            "def test_put(app):\n    response = app.request('PUT', '/x')\n    assert response.code == 201\n"
        },
    ),
    "moved under a condition": (
        ["a.py::test_send"],
        ["b.py::test_send"],
        {"a.py": f"try:\n    import x\nexcept ImportError:\n    pass\nelse:\n{indent(SEND, '    ')}"},
        {"b.py": f"if x:\n{indent(SEND, '    ')}"},
    ),
    "no Python, moved": (["a.yaml::case 1"], ["b.yaml::case 1"], {}, {}),
}


@pytest.mark.parametrize(("base", "now", "before", "after"), KEPT.values(), ids=KEPT)
def test_a_refactoring_that_keeps_the_tests_raises_nothing(
    base: list[str], now: list[str], before: Texts, after: Texts
) -> None:
    """A gate that cries wolf is switched off within a week."""
    assert lost(base, now, before, after) == []


@pytest.mark.parametrize(("base", "now", "before", "after"), KEPT.values(), ids=KEPT)
def test_what_is_followed_must_still_bear_its_marks(
    base: list[str], now: list[str], before: Texts, after: Texts
) -> None:
    """A move is the best moment to drop one."""
    old = TestList(tests=tuple(ListedTest(name, Outcome.PASSED, GOLDEN) for name in base))
    new = TestList(tests=tuple(ListedTest(name, Outcome.SKIPPED, (Mark("isolation"),)) for name in now))
    texts = [{name: dedent(text) for name, text in each.items()} for each in (before, after)]
    found = losses(old, new, sources=Sources(before=texts[0].get, now=texts[1].get))
    assert len(found) == 2 * len(base)
    assert {loss.name.partition(":")[0] for loss in found} == {"unmarked", "skipped"}
    assert {loss.what for loss in found} <= set(now)


SEVERAL = SEND + LOGIN + STORE
GONE = {
    "removed": (
        ["a.py::test_send", "a.py::test_login"],
        ["a.py::test_login"],
        {"a.py": SEVERAL},
        {"a.py": LOGIN},
        ["a.py::test_send"],
    ),
    "another test in its place": (
        ["a.py::test_send"],
        ["a.py::test_login"],
        {"a.py": SEND},
        {"a.py": LOGIN},
        ["a.py::test_send"],
    ),
    "another test under its name elsewhere": (
        ["a.py::test_basic"],
        ["b.py::test_basic"],
        {"a.py": SEND.replace("_send", "_basic")},
        {"b.py": LOGIN.replace("_login", "_basic")},
        ["a.py::test_basic"],
    ),
    "one of two that were alike": (
        ["a.py::test_one", "a.py::test_two"],
        ["a.py::test_both"],
        {"a.py": SEND.replace("_send", "_one") + SEND.replace("_send", "_two")},
        {"a.py": SEND.replace("_send", "_both")},
        ["a.py::test_two"],
    ),
    "fewer cases": (
        ["a.py::test_send[1]", "a.py::test_send[2]", "a.py::test_send[3]"],
        ["a.py::test_send[1]", "a.py::test_send[3]"],
        {},
        {},
        ["a.py::test_send[2]"],
    ),
    "fewer cases under other ids": (
        ["a.py::test_send[x]", "a.py::test_send[yy]", "a.py::test_send[zz]"],
        ["a.py::test_send[y-1]", "a.py::test_send[z-1]"],
        {},
        {},
        ["a.py::test_send[x]"],
    ),
    "cases made one test": (
        ["a.py::test_send[1]", "a.py::test_send[2]"],
        ["a.py::test_send"],
        {},
        {},
        ["a.py::test_send[2]"],
    ),
    "a short one for another short one": (
        ["a.py::test_add"],
        ["a.py::test_mul"],
        {"a.py": "def test_add():\n    assert add(1, 2) == 3\n"},
        {"a.py": "def test_mul():\n    assert mul(1, 2) == 2\n"},
        ["a.py::test_add"],
    ),
    "no Python, renamed": (["a.yaml::case 1"], ["a.yaml::case 2"], {}, {}, ["a.yaml::case 1"]),
    "no Python, two to choose from": (
        ["a.yaml::case"],
        ["b.yaml::case", "c.yaml::case"],
        {},
        {},
        ["a.yaml::case"],
    ),
    "text that is no Python": (["a.py::test_x"], ["b.py::test_y"], {"a.py": "def ("}, {"b.py": "\0"}, ["a.py::test_x"]),
}


@pytest.mark.parametrize(("base", "now", "before", "after", "names"), GONE.values(), ids=GONE)
def test_what_is_really_gone_is_named(
    base: list[str], now: list[str], before: Texts, after: Texts, names: list[str]
) -> None:
    """Each new test stands in for one old one, and only where it does what that did."""
    assert lost(base, now, before, after) == [f"gone:{name}" for name in names]


def test_a_file_that_git_calls_renamed_takes_its_tests_along() -> None:
    """Without a look into it, whatever else was changed in it."""

    def refuse(file: str) -> str:
        raise AssertionError(file)

    base, now = (TestList(tests=(ListedTest(f"{file}::test_x[1]", None, GOLDEN),)) for file in ("a.py", "b/c.py"))
    assert losses(base, now, sources=Sources(before=refuse, now=refuse, renames={"a.py": "b/c.py"})) == []


def test_a_class_that_was_renamed_and_rewritten_keeps_its_tests() -> None:
    """Most of its tests are there by their names, so the one that was rewritten is too."""
    methods = [f"test_{name}" for name in ("a", "b", "c")]
    calls = "".join(f"    def {name}(self):\n        assert self.{name} == call(1, 2, 3)\n" for name in methods)
    later = calls.replace("== call(1, 2, 3)", "in (result for result in self.results if result)", 1)
    base, now = ([f"a.py::{cls}::{name}" for name in methods] for cls in ("TestOld", "TestNew"))
    assert lost(base, now, {"a.py": f"class TestOld:\n{calls}"}, {"a.py": f"class TestNew:\n{later}"}) == []


def test_a_root_that_was_moved_moves_no_test() -> None:
    """Node ids are seen from pytest's root, and a new pytest.ini is enough to move that."""
    base = TestList(root="pkg", tests=(ListedTest("tests/t.py::test_a", None, GOLDEN),))
    now = TestList(tests=(ListedTest("pkg/tests/t.py::test_a", None, GOLDEN),))
    nothing = Sources(before=lambda _: None, now=lambda _: None)
    assert losses(base, now, sources=nothing) == []
    back = TestList(root="pkg", tests=base.tests)
    assert losses(now, back, sources=nothing) == []


@pytest.mark.parametrize(
    ("test", "file", "names", "case"),
    [
        ("a/t.py::test_x", "a/t.py", ("test_x",), None),
        ("t.py::TestA::test_x[a::b[c]-d]", "t.py", ("TestA", "test_x"), "a::b[c]-d"),
        ("t.py::test_x[]", "t.py", ("test_x",), ""),
        ("README.md", "README.md", (), None),
        ("a[1]/t.py::test_x", "a[1]/t.py", ("test_x",), None),
    ],
)
def test_a_node_id_is_taken_apart(test: str, file: str, names: tuple[str, ...], case: str | None) -> None:
    """The id of a case may hold whatever separates the rest."""
    spot, found = spot_of(test)
    assert (spot.file, spot.names, found) == (file, names, case)


def test_many_cases_are_followed_in_time() -> None:
    """Comparing each with each would take longer than the gate."""
    many = FEW // 2
    base, now = (
        TestList(tests=tuple(ListedTest(f"t.py::test_x[{prefix}{n}]", None, GOLDEN) for n in range(many)))
        for prefix in ("a", "b")
    )
    pairs = follow(base, now, sources=Sources(before=lambda _: None, now=lambda _: None))
    assert len({found.test for _, found in pairs if found}) == many


def test_a_thousand_tests_that_move_without_gits_word_are_followed() -> None:
    """A new folder for all tests is the largest refactoring that there is."""
    body = "def test_{n}(app):\n    reply = app.call({n}, 'x{n}')\n    assert reply == ({n}, 'y')\n"
    files = {f"t{f}.py": "".join(body.format(n=f * 50 + n) for n in range(50)) for f in range(20)}
    base = [f"t{f}.py::test_{f * 50 + n}" for f in range(20) for n in range(50)]
    now = [f"new/{name}" for name in base]
    assert lost(base, now, files, {f"new/{name}": text for name, text in files.items()}) == []
