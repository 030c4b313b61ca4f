"""A gate cut into parts, and the parts folded into one verdict again."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from conftest import RunGate
from pytest_rollback.cli import main

TESTS = "".join(f"@pytest.mark.golden_path\ndef test_{number}(): pass\n" for number in range(7))
SUITE = TESTS + "@pytest.mark.isolation\ndef test_other(): {}\ndef test_plain(): pass\n"


def parts_of(gate: RunGate, code: str, of: int, *arguments: str) -> list[Path]:
    """Judge a gate in parts; gives their reports."""
    paths = []
    for number in range(1, of + 1):
        path = Path(f"part-{number}.json").absolute()
        gate(code, f"--gate-shard={number}/{of}", f"--gate-report={path}", *arguments)
        paths.append(path)
    return paths


def merged(capsys: pytest.CaptureFixture[str], *paths: Path) -> tuple[int, dict[str, Any]]:
    """Merge some reports; gives status and report."""
    capsys.readouterr()
    status = main(["merge", "--json", *map(str, paths)])
    return status, json.loads(capsys.readouterr().out or "{}")


def essence(report: dict[str, Any]) -> dict[str, Any]:
    """Take from a report what must not depend on how the gate was cut."""
    keys = ("verdict", "reason", "steady", "tests", "findings", "obstacles", "policy", "subject")
    tests = sorted((test["test"], test["outcome"]) for test in report["not_passed"])
    return {**{key: report[key] for key in keys}, "not_passed": tests}


@pytest.mark.parametrize("body", ["pass", "assert 0", "pytest.skip('x')"])
def test_the_parts_together_are_the_whole(gate: RunGate, capsys: pytest.CaptureFixture[str], body: str) -> None:
    """Whatever the verdict: cut in three and folded, in any order, it is that of the gate in one piece."""
    code = SUITE.format(body)
    whole = gate(code)
    paths = parts_of(gate, code, 3)
    for order in itertools.permutations(paths):
        status, report = merged(capsys, *order)
        assert status == whole.status
        assert essence(report) == essence(whole.report)


def test_each_test_is_in_one_part(gate: RunGate) -> None:
    """Nothing is run twice, nothing is left to nobody."""
    counts = [json.loads(path.read_text())["tests"]["selected"] for path in parts_of(gate, SUITE.format("pass"), 3)]
    assert sum(counts) == 8
    assert max(counts) - min(counts) <= 1


def test_a_part_says_that_it_is_one(gate: RunGate) -> None:
    """Its pass is its own; a reader must not take it for the whole."""
    gated = gate(SUITE.format("pass"), "--gate-shard=1/2")
    assert gated.status == 0
    assert "part 1 of 2, which says nothing of the others" in gated.text


def test_a_part_that_fails_blocks_by_itself(gate: RunGate) -> None:
    """Nobody needs the other parts to know that."""
    statuses = [gate(SUITE.format("assert 0"), f"--gate-shard={number}/2").status for number in (1, 2)]
    assert sorted(statuses) == [0, 80]


def test_a_part_without_a_test_is_no_pass(gate: RunGate) -> None:
    """More parts than tests: somebody looked at nothing."""
    gated = gate("@pytest.mark.golden_path\ndef test_it(): pass\n", "--gate-shard=2/2")
    assert gated.status == 5
    assert "no gate test fell into this part" in gated.text


def test_parts_work_under_workers_and_for_whole_suites(gate: RunGate, capsys: pytest.CaptureFixture[str]) -> None:
    """Machines and processes multiply."""
    status, report = merged(capsys, *parts_of(gate, SUITE.format("pass"), 2, "-n2"))
    assert (status, report["tests"]["passed"]) == (0, 8)
    status, report = merged(capsys, *parts_of(gate, SUITE.format("pass"), 2, "--gate-all"))
    assert (status, report["tests"]["passed"]) == (0, 9)


def test_a_missing_part_is_named(gate: RunGate, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of three passed is no pass."""
    paths = parts_of(gate, SUITE.format("pass"), 3)
    status, report = merged(capsys, paths[0], paths[2])
    assert status == 81
    assert report["obstacles"][0]["detail"] == "1 of 3 parts are missing: 2/3"


def test_a_part_given_twice_is_named(gate: RunGate, capsys: pytest.CaptureFixture[str]) -> None:
    """A job that ran again may have seen something else; nobody should choose in silence."""
    paths = parts_of(gate, SUITE.format("pass"), 2)
    copy = paths[0].with_name("again.json")
    copy.write_bytes(paths[0].read_bytes())
    status, report = merged(capsys, *paths, copy)
    assert status == 81
    assert "given more than once: 1/2" in report["obstacles"][0]["detail"]
    assert merged(capsys, *paths, paths[0])[0] == 0  # the same file named twice is one file


def test_a_foreign_part_is_named(gate: RunGate, capsys: pytest.CaptureFixture[str], pytester: pytest.Pytester) -> None:
    """A part of other tests, or under another policy, is no part of this gate."""
    ours = parts_of(gate, SUITE.format("pass"), 3)
    first = ours[0].rename("ours-1.json").absolute()
    pytester.makepyprojecttoml("[tool.pytest-rollback.triggers.chat]\ndeadline = '1 min'\n")
    other = parts_of(gate, SUITE.format("pass"), 1)[0]
    status, report = merged(capsys, first, ours[1], ours[2], other)
    assert status == 81
    assert f"{other} is a part of another gate" in report["obstacles"][0]["detail"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is no report of --gate-report FILE.json"),
        ("[]", "is no report"),
        ('{"schema": 2}', "is of another version"),
        ('{"schema": 1}', "is no report"),
        (None, "can't be read"),
    ],
)
def test_a_part_that_can_not_be_read_is_named(
    gate: RunGate, capsys: pytest.CaptureFixture[str], text: str | None, complaint: str
) -> None:
    """An unreadable record is never a pass, and the readable ones are still judged."""
    paths = parts_of(gate, SUITE.format("pass"), 2)
    odd = paths[0].with_name("odd.json")
    if text is not None:
        odd.write_text(text)
    status, report = merged(capsys, *paths, odd)
    assert status == 81
    assert complaint in report["obstacles"][0]["detail"]
    assert main(["merge", str(odd)]) == 1


def test_a_report_of_a_whole_gate_is_no_part(gate: RunGate, capsys: pytest.CaptureFixture[str]) -> None:
    """Merging it would count its tests twice."""
    paths = parts_of(gate, SUITE.format("pass"), 1)
    gate(SUITE.format("pass"))
    status, report = merged(capsys, *paths, Path("gate.json"))
    assert status == 81
    assert "is the report of a whole gate, not of a part" in report["obstacles"][0]["detail"]


def test_a_tampered_part_is_named(gate: RunGate, capsys: pytest.CaptureFixture[str]) -> None:
    """What a part carries for the whole is read with care."""
    (path,) = parts_of(gate, SUITE.format("pass"), 1)
    report = json.loads(path.read_text())
    report["part"]["packed"] = report["part"]["packed"][:-5]
    odd = path.with_name("odd.json")
    odd.write_text(json.dumps(report))
    status, report = merged(capsys, path, odd)
    assert status == 81
    assert "is damaged" in report["obstacles"][0]["detail"]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "1/99999", "-1/2", "1/2/3", ""])
def test_a_wrong_part_is_a_usage_error(gate: RunGate, text: str) -> None:
    """`--gate-shard` reads K/N and nothing else."""
    gated = gate(SUITE.format("pass"), f"--gate-shard={text}")
    assert gated.status == 4
    assert "write K/N" in gated.text


def test_evidence_that_parts_disagree_about_is_named(
    gate: RunGate, capsys: pytest.CaptureFixture[str], pytester: pytest.Pytester
) -> None:
    """The same number from every part counts once; two different ones can't both be true."""
    conftest = (
        "from pytest_rollback.model import Measurement\n"
        "def pytest_rollback_evidence(config):\n"
        "    return Measurement(name='compliance', value={}, baseline=99.0)\n"
    )
    pytester.makeconftest(conftest.format("99.0"))
    assert merged(capsys, *parts_of(gate, SUITE.format("pass"), 2))[0] == 0
    pytester.makeconftest(conftest.format("99.0 + float(config.option.rollback_shard[0])"))
    status, report = merged(capsys, *parts_of(gate, SUITE.format("pass"), 2))
    assert status == 81
    assert "measured in several parts, with different results" in report["obstacles"][0]["detail"]


def test_a_merged_verdict_is_shown_and_written_like_any_other(
    gate: RunGate, capsys: pytest.CaptureFixture[str], pytester: pytest.Pytester
) -> None:
    """The block, the reports, the refusal to write over anything else."""
    paths = [str(path) for path in parts_of(gate, SUITE.format("assert 0"), 2)]
    capsys.readouterr()
    assert main(["merge", *paths, "--report", "all.json", "--report", "all.md", "--report", "all.xml"]) == 80
    assert "safety gate: BLOCKED" in capsys.readouterr().out
    assert json.loads(Path("all.json").read_text())["verdict"] == "blocked"
    pytester.makefile(".md", notes="# Mine")
    assert main(["merge", *paths, "--report", "notes.md"]) == 1
    assert Path("notes.md").read_text() == "# Mine"
    assert main(["merge", *paths, "--report", "x.txt"]) == 1
