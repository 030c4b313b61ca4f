"""The verdict in a terminal: every line at 80 columns, aligned, with its denominator."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from pytest_rollback.model import (
    Action,
    Contact,
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
from pytest_rollback.show import json, markdown
from pytest_rollback.show.terminal import render
from pytest_rollback.show.words import cut, order, span

TEST = "tests/test_chat.py::test_five_events"
GOLDEN = Finding(
    trigger="golden-path",
    severity=Severity.CRITICAL,
    action=Action.ROLL_BACK,
    level=Level.COMMIT,
    deadline_s=300.0,
    reason="1 of 3 golden-path tests failed",
    tests=(TEST,),
)
SLIP = Finding(
    trigger="compliance-slip",
    severity=Severity.MEDIUM,
    action=Action.WATCH,
    level=None,
    deadline_s=None,
    reason="compliance 98.1 %, baseline 98.9 % (-0.8)",
    measurements=("compliance",),
    hold_s=3600.0,
)


def report(**changes: Any) -> Report:
    """Make a report of a blocked gate; some of it as the test wants it."""
    blocked = Report(
        verdict=Verdict.BLOCKED,
        reason=Reason.FINDINGS,
        steady=False,
        mode="enforce",
        subject=Subject(commit="9be31d0" * 5, branch="main", live=True),
        policy=PolicyUsed(digest="d" * 64, source="pyproject.toml"),
        environment=Environment(digest="e" * 64, python="3.11.7", platform="linux-x86_64"),
        started="2026-11-21T14:00:00Z",
        finished="2026-11-21T14:02:00Z",
        duration_s=4.2,
        tests=Tests(collected=40, selected=33, passed=30, failed=1, skipped=2),
        findings=(GOLDEN, SLIP),
        obstacles=(),
        not_passed=(
            NotPassed(
                test=TEST,
                groups=("golden_path",),
                outcome=Outcome.FAILED,
                message="AssertionError: 4 events, expected 5",
                duration_s=0.1,
            ),
        ),
        measurements=(),
        recommendation=Recommendation(
            action=Action.ROLL_BACK, level=Level.COMMIT, status="suspected", reason="by the matrix alone"
        ),
        call=Contact(tier=1, name="technical lead", contacts=("ada@example.org",), respond_s=900.0),
        next=f"pytest {TEST}",
    )
    return structs.replace(blocked, **changes)


def lines(found: Report, width: int = 80) -> list[str]:
    """Write a report; gives its lines."""
    return [line.text for line in render(found, width)]


def test_the_block_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person sees, to the letter."""
    monkeypatch.setattr("pytest_rollback.show.words.clock", lambda *_: "14:07")
    assert lines(report()) == [
        "============================= safety gate: BLOCKED =============================",
        "critical  golden-path      1 of 3 golden-path tests failed",
        "                           roll back within 5 min, by 14:07",
        "          tests/test_chat.py::test_five_events",
        "            AssertionError: 4 events, expected 5",
        "medium    compliance-slip  compliance 98.1 %, baseline 98.9 % (-0.8)",
        "                           watch 1 h, then assess",
        "",
        "ran       31 of 33 gate tests in 4.2 s; 2 skipped",
        "way back  roll back, level commit: suspected, by the matrix alone",
        "call      tier 1, technical lead: ada@example.org; answers within 15 min",
        f"next      pytest {TEST}",
    ]


def test_a_wide_terminal_gets_one_line_a_finding() -> None:
    """With room, the order stands beside the reason, and the message beside the test."""
    block = lines(report(), width=120)
    assert block[1].index("roll back within") == block[3].index("watch 1 h")
    assert block[2] == f"          {TEST}   AssertionError: 4 events, expected 5"


def test_a_pass_takes_one_line() -> None:
    """And what is watched takes a row each below it."""
    counts = Tests(collected=40, selected=33, passed=31, skipped=2)
    passed = report(verdict=Verdict.PASSED, findings=(), next=None, recommendation=None, tests=counts)
    assert lines(passed) == ["safety gate: PASSED  31 of 33 gate tests in 4.2 s; 2 skipped"]
    watched = lines(structs.replace(passed, findings=(SLIP,)))
    assert watched[0].startswith("safety gate: PASSED")
    assert watched[1].startswith("medium    compliance-slip")


def test_what_is_merely_noted_shows_when_asked_for_more() -> None:
    """Warnings are no reason to make a pass longer than a line."""
    noted = structs.replace(SLIP, action=Action.NOTE, severity=Severity.LOW)
    passed = report(verdict=Verdict.PASSED, findings=(noted,))
    assert len(render(passed, 80)) == 1
    assert render(passed, 80, verbose=True)[1].text.endswith("noted")


def test_every_verdict_but_a_pass_ends_in_the_next_command() -> None:
    """Somebody under pressure types what stands last."""
    for verdict in (Verdict.BLOCKED, Verdict.INCONCLUSIVE):
        assert lines(report(verdict=verdict))[-1] == f"next      pytest {TEST}"


def test_a_test_is_listed_once_and_many_are_counted() -> None:
    """Two rows on the same tests list them once; twenty failures don't scroll the verdict away."""
    many = tuple(f"test_it.py::test_{number}" for number in range(20))
    twice = structs.replace(GOLDEN, trigger="chat", tests=many)
    block = lines(report(findings=(structs.replace(GOLDEN, tests=many), twice)))
    assert sum("::test_3" in line for line in block) == 1
    assert "          and 10 more of 20; --gate-report FILE.json lists all" in block
    assert sum("more of" in line for line in block) == 1


def test_a_tests_name_is_never_cut_and_its_message_is() -> None:
    """A name is there to be copied; of a message the start is enough."""
    name = "tests/" + "deep/" * 20 + "test_it.py::test_it"
    told = NotPassed(test=name, groups=(), outcome=Outcome.FAILED, message="x" * 200, duration_s=0.0)
    block = lines(report(findings=(structs.replace(GOLDEN, tests=(name,)),), not_passed=(told,)))
    assert f"          {name}" in block
    assert all(len(line) <= 80 for line in block if name not in line)
    assert cut("abcdefgh", 6) == "abc..."


def test_what_could_not_be_told_has_a_row() -> None:
    """An obstacle names its reason and its tests like a finding."""
    obstacle = Obstacle(reason=Reason.NOT_RUN, detail="1 of 3 gate tests never started", tests=("a",))
    block = lines(report(verdict=Verdict.INCONCLUSIVE, findings=(), obstacles=(obstacle,)))
    assert block[:3] == [
        " safety gate: INCONCLUSIVE ".center(80, "="),
        "unclear   not run  1 of 3 gate tests never started",
        "          a",
    ]


def test_shadow_mode_shows_in_title_and_facts() -> None:
    """Nobody should take a shadow's block for one that held."""
    block = lines(report(mode="shadow"))
    assert "BLOCKED (shadow)" in block[0]
    assert any(line.startswith("shadow    ") for line in block)


def test_whom_to_call_shows_where_it_helps() -> None:
    """A tier without contacts is only worth a line where a clock is running."""
    nameless = Contact(tier=1, name="technical lead")
    assert any(line.startswith("call") for line in lines(report(call=nameless)))
    assert not any(line.startswith("call") for line in lines(report(call=nameless, subject=Subject())))


def test_notes_are_shown() -> None:
    """What is said of the session is said to the person too."""
    assert "note      git is away" in lines(report(notes=("git is away",)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "roll back"),
        ({"level": Level.CHANGE}, "take the change back"),
        ({"action": Action.LOCK_DOWN}, "lock down, roll back"),
        ({"action": Action.RESTORE}, "restore"),
        ({"action": Action.INVESTIGATE, "hold_s": 600.0}, "investigate 10 min, then roll back"),
        ({"action": Action.INVESTIGATE, "hold_s": 600.0, "level": None}, "investigate 10 min"),
        ({"action": Action.WATCH, "hold_s": 7200.0}, "watch 2 h, then assess"),
        ({"action": Action.WATCH}, "watch, then assess"),
        ({"action": Action.NOTE}, "noted"),
    ],
)
def test_each_action_has_its_order(changes: dict[str, Any], said: str) -> None:
    """What to do, in words that fit it."""
    finding = structs.replace(GOLDEN, deadline_s=None, **changes)
    assert order(finding, report()) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (4.23, "4.2 s"),
        (30, "30 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (5400, "1 h 30 min"),
        (86400, "1 d"),
    ],
)
def test_spans_of_time_read_as_people_say_them(seconds: float, said: str) -> None:
    """No report makes anybody divide by 60."""
    assert span(seconds) == said


def test_counts_set_apart_what_was_expected_to_fail() -> None:
    """An xfail is no skip, an xpass no plain pass, and a rerun no first try."""
    odd = [
        NotPassed(test=str(outcome), groups=(), outcome=outcome, message="", duration_s=0)
        for outcome in (Outcome.XFAILED, Outcome.FLAKY, Outcome.XPASSED)
    ]
    (line,) = lines(
        report(verdict=Verdict.PASSED, findings=(), not_passed=tuple(odd), tests=Tests(passed=5, skipped=2, not_run=0))
    )
    assert line.endswith(
        "5 of 7 gate tests in 4.2 s; 1 skipped; 1 expected to fail; "
        "1 passed only after a rerun; 1 passed though expected to fail"
    )


def test_json_knows_its_own() -> None:
    """A file that is no report of ours is never taken for one, and so never overwritten."""
    ours = json.render(report())
    assert json.is_report(ours)
    assert json.is_report(ours.replace('"schema": 1', '"schema": 7').replace('"findings"', '"found"'))
    short = '{"schema": 1, "kind": "gate", "verdict": "passed"}'
    keys = '{"schema": 7, "kind": "gate", "verdict": "passed", "subject": 1, "policy": 1, "tests": 1}'
    assert json.is_report(keys)
    theirs = [
        short,
        short.replace("1", "7"),
        keys.replace('schema": 7', 'schema": 1'),
        keys.replace('schema": 7', 'schema": true'),
        keys.replace("passed", "fine"),
        keys.replace('"gate"', '["gate"]'),
    ]
    for other in ("", "[]", "{", '{"schema": 1}', "\x00", "[" * 100_000, *theirs):
        assert not json.is_report(other)


def test_markdown_tells_all_and_escapes_what_tests_wrote() -> None:
    """A failure message must not become a link, a mention, a heading or a tag in a pull request."""
    evil = "<img src=x> [a](http://x) @everyone `x` | # *b* _c_\nnext"
    told = NotPassed(test="t", groups=(), outcome=Outcome.FAILED, message=evil, duration_s=0.0)
    obstacle = Obstacle(reason=Reason.NARROWED, detail="narrowed by -k")
    text = markdown.render(report(not_passed=(told,) * 60, obstacles=(obstacle,), notes=("n",)))
    assert markdown.is_report(text)
    assert markdown.is_report(text.replace("schema 1", "schema 2", 1))
    assert not markdown.is_report("# Safety gate: how our team works\n")
    assert not markdown.is_report(f"# Mine\n{text}")
    row = next(line for line in text.splitlines() if line.startswith("| t "))
    assert "<img" not in row
    assert "@everyone" not in row
    assert "\\[a\\](http://x)" in row
    assert "\\| \\# \\*b\\* \\_c\\_ next" in row
    assert "and 10 more of 60 tests" in text
    assert "- call: tier 1, technical lead, ada" in text


def test_markdown_of_a_pass_is_short() -> None:
    """No empty tables, no recommendation, no command to run."""
    text = markdown.render(
        report(
            verdict=Verdict.PASSED,
            findings=(),
            not_passed=(),
            recommendation=None,
            call=None,
            next=None,
            subject=Subject(uncommitted=True),
        )
    )
    assert "|" not in text
    assert "no commit on no branch with uncommitted changes" in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_long_texts_are_folded_at_any_width(width: int) -> None:
    """Only what is there to be copied may be longer than the line: a test's name, and the next command."""
    long = "word " * 40
    obstacle = Obstacle(reason=Reason.NARROWED, detail=long)
    found = structs.replace(GOLDEN, reason=long, tests=())
    shown = lines(report(findings=(found,), obstacles=(obstacle,), notes=(long,), not_passed=()), width)
    assert all(len(line) <= max(width, 51) for line in shown if not line.startswith("next"))


def test_a_pass_says_what_failed_and_was_let_through() -> None:
    """A row with a threshold lets some failures through; nobody should think that there were none."""
    passed = report(verdict=Verdict.PASSED, findings=(), tests=Tests(passed=2, failed=1))
    assert lines(passed)[0].endswith("; 1 failed, which the matrix lets through")
