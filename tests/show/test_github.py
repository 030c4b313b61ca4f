"""What GitHub shows: annotations that obey nobody but us, a summary that fits, and the session that sends them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from conftest import RunGate
from pytest_rollback.model import (
    Action,
    Environment,
    Finding,
    NotPassed,
    Obstacle,
    Outcome,
    PolicyUsed,
    Reason,
    Report,
    Severity,
    Subject,
    Tests,
    Verdict,
)
from pytest_rollback.show.github import CUT, annotate, fitted, harmless
from pytest_rollback.show.markdown import MARK

TEST = "tests/test_chat.py::test_five_events"
GOLDEN = Finding(
    trigger="golden-path",
    severity=Severity.CRITICAL,
    action=Action.ROLL_BACK,
    level=None,
    deadline_s=None,
    reason="1 of 3 golden-path tests failed",
    tests=(TEST,),
)
WATCHED = structs.replace(GOLDEN, trigger="slip", action=Action.WATCH, tests=(), reason="slipped")
OBSTACLE = Obstacle(reason=Reason.NOT_RUN, detail="2 of 3 gate tests never started", tests=("a.py::x", "b.py::x"))
BLOCKED = Report(
    verdict=Verdict.BLOCKED,
    reason=Reason.FINDINGS,
    steady=False,
    mode="enforce",
    subject=Subject(),
    policy=PolicyUsed(digest="d", source="pyproject.toml"),
    environment=Environment(digest="e", python="3.11.7", platform="linux-x86_64"),
    started="2026-11-21T14:00:00Z",
    finished="2026-11-21T14:02:00Z",
    duration_s=4.2,
    tests=Tests(),
    findings=(GOLDEN, WATCHED),
    obstacles=(OBSTACLE,),
    not_passed=(
        NotPassed(test=TEST, groups=("golden_path",), outcome=Outcome.FAILED, message="4, not 5", duration_s=0.1),
    ),
    measurements=(),
)
HOSTILE = (
    "\n::set-output name=x::y",
    "::add-mask::e",
    "##[add-mask]e",
    "###[command]rm",
    "\r\n::error::x\u2028::stop-commands::x\x85",
    "%0A::warning::,file=x,title=y:z%",
    "\x1b[2J\x00\ud800",
)
HOLDS = "@pytest.mark.golden_path\ndef test_holds(): pass\n"
FAILS = "@pytest.mark.golden_path\ndef test_fails(): raise ValueError('::add-mask::e')\n"


class Command(NamedTuple):
    """A line of output, as GitHub's runner reads it."""

    name: str
    properties: dict[str, str]
    data: str


def obeyed(line: str) -> Command | None:
    """Read a line by the runner's rules: its new form at the start, else its old form anywhere."""
    trimmed = line.lstrip()
    if trimmed.startswith("::") and "::" in trimmed[2:]:
        head, _, data = trimmed[2:].partition("::")
        name, _, rest = head.partition(" ")
        pairs = [part.partition("=") for part in rest.strip().split(",") if part]
        return Command(name, {key: unescaped(value, property=True) for key, _, value in pairs}, unescaped(data))
    if "##[" in line and "]" in line.partition("##[")[2]:
        name, _, data = line.partition("##[")[2].partition("]")
        return Command(name, {}, data)
    return None


def unescaped(text: str, *, property: bool = False) -> str:  # noqa: A002 (the runner's own word)
    """Undo an escape as the runner does, which takes the percent sign last."""
    codes = {"%0D": "\r", "%0A": "\n", **({"%3A": ":", "%2C": ","} if property else {}), "%25": "%"}
    for code, character in codes.items():
        text = text.replace(code, character)
    return text


def commands(report: Report, folder: str = "") -> list[Command]:
    """Write the annotations of a report; gives what the runner makes of them."""
    read = [obeyed(line) for line in annotate(report, folder)]
    assert all(read)
    return [command for command in read if command]


def test_what_blocks_is_an_error_at_its_file() -> None:
    """In the diff of a pull request stands what broke and what to do."""
    error = commands(BLOCKED)[0]
    assert error.name == "error"
    assert error.properties == {"file": "tests/test_chat.py", "title": "safety gate: golden-path, critical"}
    assert error.data == f"1 of 3 golden-path tests failed\nroll back\n{TEST}: 4, not 5"


def test_what_is_watched_or_could_not_be_told_is_a_warning() -> None:
    """And stands at no file where it belongs to none, or to several."""
    watched, obstacle = commands(BLOCKED)[1:]
    assert (watched.name, watched.properties) == ("warning", {"title": "safety gate: slip, critical"})
    assert watched.data == "slipped\nwatch, then assess"
    assert (obstacle.name, obstacle.properties) == ("warning", {"title": "safety gate: not run"})
    assert obstacle.data == "2 of 3 gate tests never started\na.py::x\nb.py::x"
    single = structs.replace(OBSTACLE, tests=("a.py::x", "a.py::y"))
    assert commands(structs.replace(BLOCKED, obstacles=(single,)))[-1].properties["file"] == "a.py"


def test_shadow_mode_warns_at_most() -> None:
    """Where nothing is blocked, nothing is red; and the title says why."""
    shadow = commands(structs.replace(BLOCKED, mode="shadow"))
    assert {command.name for command in shadow} == {"warning"}
    assert shadow[0].properties["title"] == "safety gate: golden-path, critical (shadow: nothing is blocked)"


def test_a_pass_and_what_is_merely_noted_are_silent() -> None:
    """A gate that is quiet when all is well is not turned off."""
    noted = structs.replace(WATCHED, action=Action.NOTE)
    assert annotate(structs.replace(BLOCKED, verdict=Verdict.PASSED, findings=(noted,), obstacles=())) == []


def test_no_more_than_ten_of_a_kind_and_the_last_counts_the_rest() -> None:
    """GitHub drops the eleventh without a word; and a row of many files hides no other row."""
    spread = structs.replace(GOLDEN, tests=("", *(f"test_{number}.py::test_it" for number in range(24))))
    report = structs.replace(BLOCKED, findings=(spread, GOLDEN, *(WATCHED,) * 9))
    found = commands(report)
    errors = [command for command in found if command.name == "error"]
    assert len(errors) == 10
    assert errors[1].properties["file"] == "tests/test_chat.py"
    assert errors[-1].data == "and 17 more of 26; --gate-report FILE.md lists all"
    assert len(found) - len(errors) == 10
    assert found[-1].properties["title"] == "safety gate: not run"


def test_many_tests_in_one_file_make_one_annotation() -> None:
    """With the first of them listed, and cut to what the runner passes on."""
    many = structs.replace(GOLDEN, tests=tuple(f"test_it.py::test_{'x' * 9999}{number}" for number in range(30)))
    (error,) = commands(structs.replace(BLOCKED, findings=(many,), obstacles=()))
    assert len(error.data) <= 4096
    some = structs.replace(GOLDEN, tests=tuple(f"test_it.py::test_{number}" for number in range(30)))
    (error,) = commands(structs.replace(BLOCKED, findings=(some,), obstacles=()))
    assert error.data.endswith("test_it.py::test_9\nand 20 more of 30")


@pytest.mark.parametrize(("folder", "begins"), [("", ""), (".", ""), ("services/chat", "services/chat/")])
def test_paths_are_those_of_the_repository(folder: str, begins: str) -> None:
    """Node ids begin at pytest's root, annotations at the repository's."""
    assert commands(BLOCKED, folder)[0].properties["file"] == f"{begins}tests/test_chat.py"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_obeyed(text: str) -> None:
    """A test's name or message must not set an output, hide the log or stop our own commands."""
    hold(text)


@settings(max_examples=80, deadline=None)
@given(text=st.text(st.sampled_from("%0AD3C25:,=#[]:: \r\n\u2028x\x00\ud800"), max_size=30))
def test_no_mixture_is_obeyed(text: str) -> None:
    """Whatever the escapes are made of."""
    hold(text)


def hold(text: str) -> None:
    """Put a text wherever somebody else's may stand; each annotation is one line, and means what was meant."""
    test = NotPassed(test=text, groups=("g",), outcome=Outcome.FAILED, message=text, duration_s=0.0)
    found = structs.replace(GOLDEN, trigger=text, reason=text, tests=(text, f"{text}.py::x"))
    obstacle = structs.replace(OBSTACLE, detail=text, tests=(text,))
    report = structs.replace(BLOCKED, findings=(found,), obstacles=(obstacle,), not_passed=(test,))
    for line in annotate(report, "folder"):
        assert line.splitlines() == [line]
        assert line.isprintable()
        assert "##[" not in line
        command = obeyed(line)
        assert command is not None
        assert command.name in {"error", "warning"}
        assert set(command.properties) <= {"file", "title"}
        assert command.properties["title"].startswith("safety gate: ")
    for line in text.splitlines():
        assert obeyed(harmless(line)) is None


def test_what_is_harmless_stays_as_it_is() -> None:
    """A test's name is there to be copied."""
    for line in (f"          {TEST}   4, not 5", "", "# [x] ::", "next      pytest 'a::b'"):
        assert harmless(line) == line


def test_a_summary_is_cut_at_a_line_and_says_so() -> None:
    """GitHub throws away a summary that is too long, all of it."""
    text = "# Safety gate\n" + "| ü |\n" * 1000
    assert fitted(text, 10_000) == text.encode()
    for room in range(len(CUT) + 21, len(CUT) + 40):
        cut = fitted(text, room)
        assert room - 7 < len(cut) <= room
        assert cut.startswith(b"# Safety gate\n| ")
        assert cut.endswith(b" |\n" + CUT)
    for room in (-5, 0, 5, len(CUT), len(CUT) + 10):
        assert fitted(f"\n\n{text}", room) == b""
    assert fitted("\ud800", 10) == b"?"


@pytest.fixture
def summary(gate: RunGate, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this GitHub, which has checked out the folder above pytest's; gives the step's summary."""
    assert callable(gate)  # it takes GitHub's variables away, so it comes first
    path = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path.parent))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


def test_a_block_on_github(gate: RunGate, summary: Path, pytester: pytest.Pytester) -> None:
    """Annotations before the verdict, which still ends in the next command; the summary behind what others wrote."""
    summary.write_text("<details>\nthe step's own")
    gated = gate(FAILS)
    assert gated.status == 80
    lines = gated.text.rstrip().splitlines()
    (command,) = [line for line in lines if line.startswith("::")]
    assert command.startswith(f"::error file={pytester.path.name}/test_it.py,title=safety gate%3A golden-path%2C ")
    assert command.endswith("test_it.py::test_fails: ValueError: ::add-mask::e")
    assert lines[-1] == "next      pytest test_it.py::test_fails"
    assert summary.read_text().startswith(f"<details>\nthe step's own\n\n{MARK}\n\n# Safety gate: blocked\n")


def test_a_message_in_the_verdict_is_no_command_either(gate: RunGate, summary: Path) -> None:
    """The verdict puts messages on lines of their own, where the runner looks for commands."""
    message = f"::add-mask::e ##[add-mask]{80 * 'e'}"
    gated = gate(f"@pytest.mark.golden_path\ndef test_it(): pytest.fail({message!r}, pytrace=False)\n")
    after = gated.text.partition("safety gate: BLOCKED")[2]
    assert after.count("add-mask") == 2
    assert not [line for line in after.splitlines() if obeyed(line)]
    assert summary.exists()


def test_a_pass_on_github_says_so_in_the_summary_alone(gate: RunGate, summary: Path) -> None:
    """And two gates of one step follow each other."""
    assert not any(line.startswith("::") for line in gate(HOLDS).text.splitlines())
    gate(HOLDS)
    assert summary.read_text().count("# Safety gate: passed\n") == 2


@pytest.mark.parametrize("where", ["no folder/x.md", "full.md"])
def test_a_summary_that_can_not_be_written_is_said_and_changes_nothing(
    gate: RunGate, summary: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It is a courtesy of the forge, not the verdict's record."""
    full = summary.with_name("full.md")
    full.write_bytes(b"x" * 1024 * 1024)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary.parent / where))
    gated = gate(HOLDS)
    assert gated.status == 0
    assert "error     GITHUB_STEP_SUMMARY " in gated.text
    assert full.stat().st_size == 1024 * 1024


def test_elsewhere_nothing_of_this_is_written(gate: RunGate, summary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop that has the variables left over is no forge."""
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    assert "::error" not in gate(FAILS).text
    assert not summary.exists()
