"""Where a verdict goes: the header, the terminal, the report files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from conftest import Repository, RunGate

HOLDS = "@pytest.mark.golden_path\ndef test_holds(): pass\n"
GUIDE = "# Safety gate: how our team works\n"
FAILS = "@pytest.mark.golden_path\ndef test_fails(): assert 0, 'why'\n"


def test_a_pass_takes_one_line_at_the_very_end(gate: RunGate) -> None:
    """A gate that is quiet when all is well is not bypassed."""
    lines = gate(HOLDS).text.rstrip().splitlines()
    assert lines[-1].startswith("safety gate: PASSED  1 of 1 gate tests in ")
    assert not any("safety gate: PASSED" in line for line in lines[:-1])


@pytest.mark.parametrize(
    "option", ["-q", "-qq", "-v", "-vv", "--no-summary", "--no-header", "-p no:terminal", "--tb=no"]
)
def test_the_verdict_shows_whatever_else_is_silenced(gate: RunGate, option: str) -> None:
    """Whoever asked for a gate wants its verdict, and the command to run next."""
    gated = gate(FAILS, *option.split())
    assert gated.status == 80
    lines = gated.text.rstrip().splitlines()
    assert any("safety gate: BLOCKED" in line for line in lines)
    assert lines[-1] == "next      pytest test_it.py::test_fails"


def test_one_header_line_says_what_stands_before_the_change(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Groups, policy, and the phase with its risk."""
    pytester.makepyprojecttoml(
        "[tool.pytest-rollback]\nphase = 'move'\n[tool.pytest-rollback.phases.move]\nrisk = 'high'\n"
    )
    lines = [line for line in gate(HOLDS).text.splitlines() if line.startswith("safety gate: golden")]
    assert lines == [
        "safety gate: golden_path, isolation, mission_critical; policy: pyproject.toml; phase: move (risk high); "
        "outside git: nothing is recorded"
    ]


def test_colours_are_for_terminals_only(gate: RunGate) -> None:
    """A log file with escapes in it is hard to read."""
    assert "\x1b" not in gate(FAILS).text
    assert "\x1b[31m" in gate(FAILS, "--color=yes").text


def test_a_test_can_not_write_escapes_into_the_verdict(gate: RunGate) -> None:
    """Messages are hostile input: no escape, no carriage return, no line of its own."""
    code = "@pytest.mark.golden_path\ndef test_it(): raise ValueError('\\x1b[2J\\rsafety gate: PASSED\\x07')\n"
    block = gate(code).text.partition("safety gate: BLOCKED")[2]
    assert "\x1b" not in block
    assert "\x07" not in block
    assert "ValueError: \\x1b[2J\\rsafety gate: PASSED\\x07" in block


def test_reports_of_all_kinds_are_written(gate: RunGate, pytester: pytest.Pytester) -> None:
    """--gate-report repeats; the ending says the format; paths are those of the caller."""
    gate(FAILS, "--gate-report=verdict.md", "--gate-report=x.xml", f"--gate-report={pytester.path / 'second.json'}")
    assert (pytester.path / "verdict.md").read_text().splitlines()[2] == "# Safety gate: blocked"
    assert '<property name="verdict" value="blocked" />' in (pytester.path / "x.xml").read_text()
    assert json.loads((pytester.path / "second.json").read_text())["verdict"] == "blocked"
    assert not list(pytester.path.glob(".*.json.*"))
    assert gate(HOLDS, "--gate-report=x.xml").status == 0


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("verdict.txt", "known: .json, .md, .xml"),
        ("verdict", "known: .json, .md, .xml"),
        ("no/such/folder/x.json", "there is no folder"),
        ("folder.json", "is a folder"),
        ("README.md", "is no gate report"),
        ("data.json", "is no gate report"),
        ("binary.json", "is no gate report"),
        ("junit.xml", "is no gate report"),
        ("guide.md", "is no gate report"),
        ("likeness.json", "is no gate report"),
        ("pipe.json", "is no regular file"),
        ("link.md", "is no regular file"),
        ("to_guide.md", "is no gate report"),
    ],
)
def test_a_report_that_can_not_be_written_is_refused_at_once(
    gate: RunGate, pytester: pytest.Pytester, path: str, complaint: str
) -> None:
    """Nobody should wait for a gate to hear of a mistyped path, and no other file is ever overwritten."""
    (pytester.path / "folder.json").mkdir()
    (pytester.path / "README.md").write_text("# Mine\n")
    (pytester.path / "data.json").write_text("[1]")
    (pytester.path / "junit.xml").write_text('<?xml version="1.0" encoding="utf-8"?>\n<testsuites/>')
    (pytester.path / "binary.json").write_bytes(b"\xff\xfe")
    (pytester.path / "guide.md").write_text(GUIDE)
    (pytester.path / "likeness.json").write_text('{"schema": 1, "kind": "gate", "verdict": "passed"}')
    os.mkfifo(pytester.path / "pipe.json")
    links = {"link.md": "pipe.json", "to_guide.md": "guide.md"}
    for name, target in links.items():
        (pytester.path / name).symlink_to(target)
    gated = gate(HOLDS, f"--gate-report={path}")
    assert gated.status == 4
    assert complaint in gated.text
    assert (pytester.path / "README.md").read_text() == "# Mine\n"
    assert (pytester.path / "data.json").read_text() == "[1]"
    assert (pytester.path / "guide.md").read_text() == GUIDE


def test_what_the_tests_wrote_at_a_reports_path_is_kept(gate: RunGate, pytester: pytest.Pytester) -> None:
    """It came to stand there after the path was asked about, and nobody could get it back."""
    code = f"""
import os, pathlib
@pytest.mark.golden_path
def test_it():
    pathlib.Path("guide.md").write_text({GUIDE!r})
    os.mkfifo("pipe.json")
"""
    gated = gate(code, "--gate-report=guide.md", "--gate-report=pipe.json")
    assert gated.status != 0
    assert "error     --gate-report " in gated.text
    assert "guide.md: stands there already and is no gate report" in gated.words
    assert "pipe.json: is no regular file" in gated.words
    assert (pytester.path / "guide.md").read_text() == GUIDE
    assert (pytester.path / "pipe.json").is_fifo()
    assert not list(pytester.path.glob(".*.[0-9]*"))


def test_a_branch_of_any_name_is_told_of(gate: RunGate, repository: Repository, pytester: pytest.Pytester) -> None:
    """Git takes any bytes but a few; the report must be one that every reader can decode, and show."""
    repository.commit(a_py="")
    branch = b"br\xff\xc2\x9b2J\xe2\x80\xae"
    subprocess.run([b"git", b"checkout", b"--quiet", b"-b", branch], cwd=repository.path, check=True)
    gated = gate(HOLDS, "--gate-report=x.md", "--gate-report=x.xml")
    assert gated.status == 0
    assert gated.report["subject"]["branch"] == "br\\udcff\\x9b2J\\u202e"
    for name in ("x.md", "x.xml"):
        lines = (pytester.path / name).read_text("utf-8").splitlines()
        assert any("udcff" in line for line in lines)
        assert all(line.isprintable() for line in lines)


def test_what_a_conftest_says_acts_on_nobody(gate: RunGate, pytester: pytest.Pytester) -> None:
    """What signals say comes from services and logs: no command for a runner, no escape, nothing that can't be sent."""
    pytester.makeconftest(
        """
        from pytest_rollback.model import Signal

        def pytest_rollback_evidence(config):
            return [Signal(name="deployment-failed", detail="down \\x1b[2J\\n::error::pwn\\udcff\\u202e")]
        """
    )
    gated = gate(HOLDS, "--gate-report=x.md")
    assert gated.status not in (0, 3)
    told = json.dumps(gated.report, ensure_ascii=False) + (pytester.path / "x.md").read_text("utf-8")
    assert "::error::pwn" in told
    for text in (told, gated.text):
        assert not any(line.startswith("::error") for line in text.splitlines())
        assert not set("\x1b\udcff\u202e") & set(text)


def test_the_last_pass_does_not_outlive_the_start_of_the_next_gate(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A session that is killed must not leave an old pass where a machine looks for its verdict."""
    assert gate(HOLDS).report["verdict"] == "passed"
    gate("import os\n@pytest.mark.golden_path\ndef test_it(): os._exit(0)\n", process=True)
    assert not (pytester.path / "gate.json").exists()


@pytest.mark.parametrize("option", ["--gate-report=x.json", "--gate-policy=x.toml"])
def test_the_gates_options_do_nothing_silently_without_it(pytester: pytest.Pytester, option: str) -> None:
    """Somebody who forgot --safety-gate would believe in a gate that never ran."""
    pytester.makepyfile("def test_it(): pass\n")
    result = pytester.runpytest_inprocess(option)
    assert int(result.ret) == 4
    result.stderr.fnmatch_lines(["*needs --safety-gate*"])


def test_a_stricter_policy_may_be_laid_over(gate: RunGate, pytester: pytest.Pytester) -> None:
    """A nightly run may demand more than a commit does; never less."""
    stricter = Path(pytester.path, "night.toml")
    stricter.write_text("[triggers.warnings]\naction = 'roll back'\nlevel = 'commit'\n")
    code = "import warnings\n@pytest.mark.golden_path\ndef test_it(): warnings.warn('old')\n"
    assert gate(code, "-Wdefault").status == 0
    assert gate(code, "-Wdefault", "--gate-policy=night.toml").triggers == ["warnings"]
    stricter.write_text("[triggers.golden-path]\nenabled = false\n")
    gated = gate(code, "--gate-policy=night.toml")
    assert gated.status == 4
    assert (
        "night.toml: triggers.golden-path.enabled: false is looser than true; this file may only tighten" in gated.text
    )


def test_a_wrong_policy_is_refused_with_all_that_is_wrong(gate: RunGate, pytester: pytest.Pytester) -> None:
    """One run shows every mistake, each with file and key."""
    pytester.makepyprojecttoml("[tool.pytest-rollback]\nmod = 1\nlive = 'x'\n[tool.pytest-rollback.triggers.x]\n")
    gated = gate(HOLDS)
    assert gated.status == 4
    for key in ("mod: unknown key", "live: expected array", "triggers.x: no row of this name"):
        assert f"pyproject.toml: tool.pytest-rollback.{key}" in gated.text
