"""The report as JUnit XML: well-formed whatever tests wrote, and red exactly where nothing may pass."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pytest_rollback.model import (
    Action,
    Environment,
    Finding,
    Level,
    NotPassed,
    Obstacle,
    Outcome,
    PolicyUsed,
    Reason,
    Recommendation,
    Report,
    Severity,
    Subject,
    Tests,
    Verdict,
)
from pytest_rollback.show import junit

TEST = "tests/v1.2/test_chat.py::test_five_events[a.b]"
MESSAGE = "AssertionError: 4 events, expected 5"
GOLDEN = Finding(
    trigger="golden-path",
    severity=Severity.CRITICAL,
    action=Action.ROLL_BACK,
    level=Level.COMMIT,
    deadline_s=None,
    reason="1 of 3 golden-path tests failed",
    tests=(TEST,),
)
SLIP = structs.replace(
    GOLDEN,
    trigger="compliance-slip",
    severity=Severity.MEDIUM,
    action=Action.WATCH,
    reason="compliance 98.1 %, baseline 98.9 % (-0.8)",
    tests=(),
    measurements=("compliance",),
    hold_s=3600.0,
)
FAILED = NotPassed(test=TEST, groups=("golden_path",), outcome=Outcome.FAILED, message=MESSAGE, duration_s=0.1)
NARROWED = Obstacle(reason=Reason.NARROWED, detail="narrowed by -k", tests=(TEST,))
BLOCKED = Report(
    verdict=Verdict.BLOCKED,
    reason=Reason.FINDINGS,
    steady=False,
    mode="enforce",
    subject=Subject(commit="9be31d0" * 5, branch="main"),
    policy=PolicyUsed(digest="d" * 64, source="pyproject.toml"),
    environment=Environment(digest="e" * 64, python="3.11.7", platform="linux-x86_64"),
    started="2026-11-21T14:00:00Z",
    finished="2026-11-21T14:02:00Z",
    duration_s=4.2,
    tests=Tests(collected=40, selected=33, passed=30, failed=1, skipped=2),
    findings=(GOLDEN, SLIP),
    obstacles=(NARROWED,),
    not_passed=(FAILED,),
    measurements=(),
    recommendation=Recommendation(
        action=Action.ROLL_BACK, level=Level.COMMIT, status="suspected", reason="by the matrix alone"
    ),
    notes=("git is away",),
    next=f"pytest {TEST}",
)
PASSED = structs.replace(
    BLOCKED, verdict=Verdict.PASSED, reason=Reason.HELD, findings=(), obstacles=(), not_passed=(), next=None
)
RED = ("failure", "error")
HOSTILE = ("]]></failure><x/>\" & ' <!DOCTYPE x>", "\x00\x1b[2J\ufffe\uffff", "\ud800 and \udfff", "a\rb\u2028c\u202e")


def read(report: Report) -> ET.Element:
    """Write a report and read it as a forge does; gives its suite."""
    suites = ET.fromstring(junit.render(report).encode("utf-8"))  # noqa: S314 (our own output)
    (suite,) = suites
    assert all(suites.get(name) == suite.get(name) for name in ("tests", "failures", "errors", "time"))
    return suite


def entry(report: Report, family: str) -> ET.Element:
    """Give how the first entry of a family ended."""
    found = read(report).find(f"testcase[@classname='safety-gate.{family}']")
    assert found is not None
    (ended,) = found
    return ended


def red(report: Report) -> int:
    """Count what a reader shows as red, and hold the counts of the suite to it."""
    suite = read(report)
    found = {name: len(suite.findall(f"testcase/{name}")) for name in (*RED, "skipped")}
    assert suite.get("tests") == str(len(suite.findall("testcase")))
    assert [suite.get(name) for name in ("failures", "errors", "skipped")] == [str(number) for number in found.values()]
    return found["failure"] + found["error"]


def test_a_finding_that_blocks_is_a_failure_with_its_order_and_its_tests() -> None:
    """Whoever reads it in a merge request sees what to do without opening a log."""
    failure = entry(BLOCKED, "golden-path")
    assert failure.tag == "failure"
    assert failure.get("type") == "critical"
    assert failure.get("message") == "critical: 1 of 3 golden-path tests failed: roll back"
    assert failure.text == f"{failure.get('message')}\n{TEST}: {MESSAGE}"


def test_what_is_watched_passes_and_is_said() -> None:
    """A watched number is no reason for a red merge request, and none to be silent."""
    said = entry(BLOCKED, "compliance-slip")
    assert said.tag == "system-out"
    assert said.text == (
        "medium: compliance 98.1 %, baseline 98.9 % (-0.8): watch 1 h, then assess\nmeasurement: compliance"
    )


def test_what_could_not_be_told_is_an_error() -> None:
    """Absence is never green, in no reader."""
    error = entry(BLOCKED, "narrowed")
    assert (error.tag, error.get("type")) == ("error", "narrowed")
    assert error.text == f"narrowed: narrowed by -k\n{TEST}: {MESSAGE}"


@pytest.mark.parametrize(
    ("outcome", "tag"),
    [
        (Outcome.FAILED, "failure"),
        (Outcome.ERROR, "error"),
        (Outcome.CRASHED, "error"),
        (Outcome.TIMED_OUT, "error"),
        (Outcome.UNFINISHED, "error"),
        (Outcome.NOT_STARTED, "error"),
        (Outcome.WITHHELD, "error"),
        (Outcome.LEFT_OUT, "error"),
        (Outcome.SKIPPED, "skipped"),
        (Outcome.XFAILED, "skipped"),
        (Outcome.FLAKY, "system-out"),
        (Outcome.XPASSED, "system-out"),
    ],
)
def test_each_outcome_has_its_element(outcome: Outcome, tag: str) -> None:
    """A reader's own words for what a test did."""
    ended = entry(
        structs.replace(BLOCKED, not_passed=(structs.replace(FAILED, outcome=outcome),)), "tests in golden_path"
    )
    assert ended.tag == tag
    assert ended.text == f"{outcome.value}: {MESSAGE}"


def test_tests_outside_the_gate_are_left_to_pytests_own_report() -> None:
    """The gate's file is red for the gate alone."""
    outside = structs.replace(BLOCKED, not_passed=(structs.replace(FAILED, groups=()),))
    assert not [case for case in read(outside).iter("testcase") if case.get("name") == TEST]


@pytest.mark.parametrize("verdict", [Verdict.BLOCKED, Verdict.INCONCLUSIVE])
def test_every_verdict_but_a_pass_is_red(verdict: Verdict) -> None:
    """Even where nothing else is known."""
    assert red(BLOCKED) == 4
    assert red(structs.replace(PASSED, verdict=verdict)) == 1


def test_a_pass_is_green_and_never_empty() -> None:
    """A file without any entry looks like a gate that did not run; a failure that the matrix lets through is no red."""
    assert red(PASSED) == 0
    said = entry(PASSED, "verdict")
    assert said.tag == "system-out"
    assert (said.text or "").startswith("passed: held\n31 of 33 gate tests in 4.2 s; ")
    watched = structs.replace(PASSED, findings=(SLIP,), not_passed=(FAILED,))
    assert red(watched) == 0
    assert entry(watched, "tests in golden_path").text == f"failed: {MESSAGE}"


def test_shadow_mode_is_green_and_says_all() -> None:
    """Nothing is blocked, so no forge may turn red; a skip is still a skip."""
    skipped = structs.replace(FAILED, outcome=Outcome.SKIPPED)
    shadow = structs.replace(BLOCKED, mode="shadow", not_passed=(FAILED, skipped))
    assert red(shadow) == 0
    assert read(shadow).get("skipped") == "1"
    assert entry(shadow, "golden-path").tag == "system-out"
    assert "nothing is blocked" in (entry(shadow, "verdict").text or "")
    assert read(shadow).find("properties/property[@name='mode'][@value='shadow']") is not None


def test_the_verdict_comes_with_what_to_do_next() -> None:
    """And the facts that a machine looks for are properties; what is absent is empty, never left out."""
    assert entry(BLOCKED, "verdict").text == (
        "blocked: findings\n31 of 33 gate tests in 4.2 s; 2 skipped\n"
        f"way back: roll back, level commit: suspected, by the matrix alone\nnote: git is away\nnext: pytest {TEST}"
    )
    facts = {fact.get("name"): fact.get("value") for fact in read(structs.replace(BLOCKED, next=None)).iter("property")}
    assert facts == {
        "verdict": "blocked",
        "reason": "findings",
        "mode": "enforce",
        "policy": "d" * 64,
        "commit": "9be31d0" * 5,
        "branch": "main",
        "next": "",
    }


def test_no_attribute_is_one_that_strict_readers_refuse() -> None:
    """Jenkins' xunit step holds a file to a schema, and takes none that has more."""
    suite = read(BLOCKED)
    assert set(suite.attrib) == {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"}
    assert all(set(case.attrib) == {"classname", "name", "time"} for case in suite.iter("testcase"))
    odd = structs.replace(FAILED, duration_s=float("nan"))
    times = {case.get("time") for case in read(structs.replace(BLOCKED, not_passed=(odd,))).iter("testcase")}
    assert times == {"4.200", "0.000"}


def test_a_class_has_the_one_dot_that_is_ours() -> None:
    """Jenkins makes packages of a class's dots, and a path or a row may have any number."""
    dotted = structs.replace(GOLDEN, trigger="api.v1.chat")
    families = [str(case.get("classname")) for case in read(structs.replace(BLOCKED, findings=(dotted,)))[1:]]
    assert families == [
        "safety-gate.verdict",
        "safety-gate.api_v1_chat",
        "safety-gate.narrowed",
        "safety-gate.tests in golden_path",
    ]


def test_entries_that_look_alike_are_numbered() -> None:
    """GitLab drops a second entry of the same class and name, so one failure would hide another."""
    long = [structs.replace(FAILED, test=f"test_it.py::test_it[{'x' * 5000}{number}]") for number in range(3)]
    taken = structs.replace(FAILED, test=f"{long[0].test[:297]}... (2)")
    suite = read(structs.replace(BLOCKED, not_passed=(*long, taken), findings=(GOLDEN, GOLDEN)))
    keys = [(case.get("classname"), case.get("name")) for case in suite.iter("testcase")]
    assert len(set(keys)) == len(keys) == 8
    assert ("safety-gate.golden-path", f"{GOLDEN.reason} (2)") in keys


def test_many_tests_are_counted_and_long_texts_cut() -> None:
    """A forge refuses a file of many megabytes, and with it the verdict."""
    many = tuple(f"test_it.py::test_{number}" for number in range(80))
    huge = structs.replace(FAILED, message="x" * 5_000_000)
    report = structs.replace(BLOCKED, findings=(structs.replace(GOLDEN, tests=("", *many)),), not_passed=(huge,))
    assert len(junit.render(report)) < 20_000
    assert "and 31 more of 81; --gate-report FILE.json lists all" in (entry(report, "golden-path").text or "")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_breaks_the_file(text: str) -> None:
    """A file that a forge can't read is a verdict that nobody sees."""
    assert red(everywhere(text)) == 4


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_the_file_is_well_formed_whatever_the_texts(text: str) -> None:
    """Names and messages hold anything: control characters, markup, halves of characters."""
    assert red(everywhere(text)) == 4


def everywhere(text: str) -> Report:
    """Put a text wherever somebody else's text may stand."""
    told = structs.replace(FAILED, test=text, message=text, groups=(text,))
    found = structs.replace(GOLDEN, trigger=text, reason=text, tests=(text, TEST), measurements=(text,))
    return structs.replace(
        BLOCKED,
        findings=(found,),
        obstacles=(structs.replace(NARROWED, detail=text, tests=(text,)),),
        not_passed=(told,),
        subject=Subject(branch=text, commit=text),
        policy=PolicyUsed(digest=text, source=text),
        notes=(text,),
        next=text,
    )


def test_only_our_own_file_is_known() -> None:
    """Any other tool's JUnit file is somebody's record; and a stranger's entities are never expanded."""
    assert junit.is_report(junit.render(BLOCKED))
    assert junit.is_report(junit.render(everywhere("\x00")))
    body = junit.render(BLOCKED).partition("-->\n")[2]
    others = (
        "",
        "<testsuites/>",
        body,
        f'<?xml version="1.0" encoding="utf-8"?>\n{body}',
        f'<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"/><!-- {junit.HEAD} -->',
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuites name="&b;"/>',
    )
    assert not any(junit.is_report(other) for other in others)
