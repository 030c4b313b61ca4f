"""The check `junit`: results of a suite in another language are believed where they are whole, and of this tree."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import Repository
from pytest_rollback.policy.rules import Check
from pytest_rollback.session.checks import junit
from pytest_rollback.session.checks.outcome import CheckResult, Place

GOOD = (
    '<testsuites><testsuite name="web" tests="2"><testcase classname="Login" name="works"/>'
    '<testcase name="b"/></testsuite></testsuites>'
)
BAD = (
    '<testsuite name="web" tests="1" failures="1"><testcase classname="Login" name="works">'
    '<failure message="401&#10;not 200"/></testcase></testsuite>'
)


def check(root: Path, results: str = "out.xml", *command: str, place: Place | None = None, **more: Any) -> CheckResult:
    """Read results."""
    wanted = Check(name="web", kind="junit", results=results, command=command, **more)
    return junit.run(wanted, place or Place(root=root))


def read(root: Path, text: str | bytes) -> CheckResult:
    """Read results with a certain text."""
    (root / "out.xml").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return check(root)


def test_results_that_hold(tmp_path: Path) -> None:
    """What did not run is counted apart, in whichever way it is written; what held after a rerun is said."""
    assert read(tmp_path, GOOD).says == "2 of 2 tests passed"
    text = (
        '<testsuite tests="5"><testcase name="a"/><testcase name="b"><skipped/></testcase>'
        '<testcase name="c" status="notrun"/>'
        '<testcase name="d" result="suppressed"/><testcase name="e"><flakyFailure message="x"/></testcase></testsuite>'
    )
    assert read(tmp_path, text) == CheckResult(says="2 of 5 tests passed, 3 skipped, 1 only after a rerun")


def test_failing_cases_are_named(tmp_path: Path) -> None:
    """With the first line of what they said."""
    assert read(tmp_path, BAD).failures == ("1 of 1 test failed:", "Login.works: 401")
    text = '<testsuite name="s"><testcase name="a"><error type="Boom">\n  first\n second</error></testcase></testsuite>'
    assert read(tmp_path, text).failures[1] == "s.a: Boom"
    text = '<testsuite name="s"><testcase name="a"><failure>\n  first\n second</failure></testcase></testsuite>'
    assert read(tmp_path, text).failures[1] == "s.a: first"


def test_of_many_failing_cases_the_first_are_named(tmp_path: Path) -> None:
    """And the others counted."""
    cases = "".join(f'<testcase name="t{number}"><failure message="m"/></testcase>' for number in range(30))
    failures = read(tmp_path, f'<testsuite name="s">{cases}</testsuite>').failures
    assert (failures[0], failures[1], failures[-1]) == ("30 of 30 tests failed:", "s.t0: m", "and 12 more")
    assert len(failures) == 20


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is broken XML"),
        ("<testsuite>\n<testcase", "line 2: is broken XML"),
        ("<html/>", "begins with <html>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><testsuite/>', "has a DOCTYPE"),
        ('<?xml version="1.0" encoding="no-such"?><testsuite/>', "line 1"),
        (b"<testsuite name='\xff\xfe'/>", "line 1: is broken XML"),
        ("<testsuite>" * 300, "nested deeper"),
        ("<testsuite/>", "holds no test"),
        ("<testsuites/>", "holds no test"),
        ('<testsuite tests="3"><testcase name="a"/></testsuite>', "has 3 tests, and holds 1, so it was cut short"),
        ('<testsuite tests="0"><testcase name="a"/></testsuite>', "has 0 tests, and holds 1"),
        ('<testsuite tests="many"><testcase name="a"/></testsuite>', 'tests="many", which is no number'),
        ('<testsuite tests="-1"><testcase name="a"/></testsuite>', 'tests="-1", which is no number'),
        ('<testsuite tests="1" errors="1"><testcase name="a"/></testsuite>', "1 of its tests failed, and names none"),
        ('<testsuite name="s"><error message="no set-up"/><testcase name="a"/></testsuite>', "1 of 1 test failed:"),
    ],
)
def test_what_is_no_whole_result_fails(tmp_path: Path, text: str | bytes, says: str) -> None:
    """A file that was cut short, or says less than it knows, is no pass."""
    assert says in read(tmp_path, text).failures[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '<testcase name="a"><testcase name="b"/><failure message="x"/></testcase>',
            ("1 of 2 tests failed:", "s.a: x"),
        ),
        (
            '<testcase name="a"><failure message="x"/><testcase name="b"/></testcase>',
            ("1 of 2 tests failed:", "s.a: x"),
        ),
        (
            '<testcase name="a"><testcase name="b"><error message="x"/></testcase></testcase>',
            ("1 of 2 tests failed:", "s.b: x"),
        ),
        (
            '<testcase name="a"><failure>first<failure>second</failure></failure></testcase>',
            ("1 of 1 test failed:", "s.a: firstsecond"),
        ),
        (
            '<testcase name="a"><failure message="x"><testcase name="b"><failure message="y"/></testcase></failure>'
            "</testcase>",
            ("2 of 2 tests failed:", "s.b: y", "s.a: x"),
        ),
    ],
)
def test_a_case_in_a_case_hides_no_failure(tmp_path: Path, text: str, says: tuple[str, ...]) -> None:
    """Each is one of its own; what the outer one says after the inner one is still the outer one's."""
    assert read(tmp_path, f'<testsuite name="s">{text}</testsuite>').failures == says


def test_cases_in_cases_may_be_counted_or_not(tmp_path: Path) -> None:
    """Programs differ, and either is whole."""
    text = '<testcase name="a"><testcase name="b"><skipped/></testcase></testcase>'
    for tests in (1, 2):
        whole = f'<testsuite tests="{tests}">{text}</testsuite>'
        assert read(tmp_path, whole).says == "1 of 2 tests passed, 1 skipped"


@pytest.mark.parametrize("said", ['status="failed"', 'result="FAILED"', 'status="Error"', 'result=" broken "'])
def test_a_case_that_says_itself_that_it_failed_fails(tmp_path: Path, said: str) -> None:
    """Some programs write no element for it; where there is one, it says more."""
    (key, word) = said.lower().replace('"', "").split("=")
    text = f'<testsuite name="s" tests="1" failures="1"><testcase name="a" {said}/></testsuite>'
    assert read(tmp_path, text).failures == ("1 of 1 test failed:", f's.a: {key}="{word.strip()}"')
    text = text.replace("/></testsuite>", '><failure message="why"/><skipped/></testcase></testsuite>')
    assert read(tmp_path, text).failures == ("1 of 1 test failed:", "s.a: why")


def test_suites_in_suites_may_count_with_or_without_the_inner_ones(tmp_path: Path) -> None:
    """Programs differ, and either is whole."""
    inner = '<testsuite tests="1"><testcase name="b"/></testsuite>'
    for tests in (1, 2):
        text = f'<testsuites tests="2"><testsuite tests="{tests}"><testcase name="a"/>{inner}</testsuite></testsuites>'
        assert read(tmp_path, text).failures == ()
    assert read(tmp_path, f'<testsuite tests="3"><testcase name="a"/>{inner}</testsuite>').failures


def test_all_skipped_is_skipped(tmp_path: Path) -> None:
    """And so no pass."""
    result = read(tmp_path, '<testsuite><testcase name="a"><skipped/></testcase></testsuite>')
    assert result == CheckResult(skipped="all of its 1 test were skipped")


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    """It would take the memory of the session."""
    with (tmp_path / "out.xml").open("wb") as file:
        file.truncate(65_000_000)
    assert "is larger than 64 MB" in check(tmp_path).failures[0]


def test_one_bad_file_of_many_fails_and_is_named(tmp_path: Path) -> None:
    """The good ones don't make up for it."""
    for name, text in (("a", GOOD), ("b", "<x/>"), ("deep/c", GOOD)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.xml").write_text(text, "ascii")
    (failure,) = check(tmp_path, "**/*.xml").failures
    assert failure.startswith("b.xml: is no JUnit XML")
    assert check(tmp_path, "[ac]*/*.xml").failures != ()
    assert check(tmp_path, "*/c.xml").says == "2 of 2 tests passed"


@pytest.mark.parametrize("results", ["missing.xml", "*.json", "deep"])
def test_no_results_fail(tmp_path: Path, results: str) -> None:
    """Nothing ran, as far as anybody can tell."""
    (tmp_path / "deep").mkdir()
    assert f'results: "{results}" names no file' in check(tmp_path, results).failures[0]


@pytest.mark.parametrize("results", ["", "/etc/passwd", "../out.xml", "a/../../out.xml", "a\0b"])
def test_results_lie_in_the_tree_that_is_judged(tmp_path: Path, results: str) -> None:
    """Those of another tree prove nothing of this one."""
    (tmp_path / "root").mkdir()
    (tmp_path / "out.xml").write_text(GOOD, "ascii")
    assert check(tmp_path / "root", results).failures[0].startswith("results: ")


def test_a_name_with_brackets_is_meant_as_it_is(tmp_path: Path) -> None:
    """Where there is such a file."""
    (tmp_path / "out[1].xml").write_text(GOOD, "ascii")
    assert check(tmp_path, "out[1].xml").failures == ()


def test_results_that_are_too_old_fail(tmp_path: Path) -> None:
    """An hour, where nobody said otherwise; and none are from the future."""
    assert read(tmp_path, GOOD).failures == ()
    for ago, most, says in ((7200, None, "2 h ago, max-age is 1 h"), (90, 60.0, "max-age is 1 min")):
        os.utime(tmp_path / "out.xml", (time.time() - ago,) * 2)
        assert says in check(tmp_path, max_age_s=most).failures[0]
    os.utime(tmp_path / "out.xml", (time.time() + 7200,) * 2)
    assert "in the future" in check(tmp_path).failures[0]


def test_results_older_than_a_tracked_file_fail(repository: Repository) -> None:
    """Whoever edits the code has to run its suite again; an age of one's own says that it need not be so."""
    now = time.time()
    repository.commit(app_py="x = 1\n")
    (repository.path / "out.xml").write_text(GOOD, "ascii")
    tree = repository.git("rev-parse", "HEAD^{tree}").strip()
    place = Place(root=repository.path, top=repository.path, tree=tree)
    for name in ("app.py", ".gitignore", "out.xml"):
        os.utime(repository.path / name, (now - 30,) * 2)
    assert check(repository.path, place=place).failures == ()
    os.utime(repository.path / "app.py", (now - 20,) * 2)
    assert "out.xml: is older than app.py" in check(repository.path, place=place).failures[0]
    assert check(repository.path, place=place, max_age_s=60.0).failures == ()


def test_a_command_writes_the_results(tmp_path: Path) -> None:
    """A file that was there before is not its own."""
    (tmp_path / "good.xml").write_text(GOOD, "ascii")
    copy = ("python", "-c", "import shutil; shutil.copy('good.xml', 'out.xml'); print('ran')")
    result = check(tmp_path, "out.xml", *copy)
    assert result == CheckResult(says="2 of 2 tests passed", output="ran\n")
    assert "good.xml: was there before" in check(tmp_path, "*.xml", *copy).failures[0]
    assert "was not written by the command" in check(tmp_path, "out.xml", "true").failures[0]


def test_a_command_that_fails_is_heard(tmp_path: Path) -> None:
    """A runner says by its status that cases failed, and need not say so twice; without cases, its status counts."""
    for name, text in (("good", GOOD), ("bad", BAD)):
        (tmp_path / f"{name}.xml").write_text(text, "ascii")
        code = f"import shutil; shutil.copy('{name}.xml', 'out.xml'); raise SystemExit(1)"
        failures = check(tmp_path, "out.xml", "python", "-c", code).failures
        assert (
            failures[0]
            == {
                "good": "python: exit status 1, expected 0, though its results name no failure",
                "bad": "1 of 1 test failed:",
            }[name]
        )
        assert check(tmp_path, "out.xml", "python", "-c", code, status=(0, 1)).failures == (
            () if name == "good" else failures
        )
    assert "names no file" in check(tmp_path, "none.xml", "true").failures[0]
    assert "not installed" in check(tmp_path, "out.xml", "no-such-program").failures[0]
    assert "did not end" in check(tmp_path, "out.xml", "sleep", "300", limit_s=0.2).failures[0]
