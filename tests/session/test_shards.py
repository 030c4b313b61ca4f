"""A gate cut into parts, and the parts folded into one verdict again."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conftest import Repository, RunGate
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


def change_packed(report: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a part carries for the whole."""
    packed = msgspec.msgpack.decode(base64.b85decode(report["part"]["packed"]))
    change(packed)
    report["part"]["packed"] = base64.b85encode(msgspec.msgpack.encode(packed)).decode()


def merge_process(*paths: Path, tail: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Merge some reports in a process of their own, with a shell's pipe behind it; its status goes to stderr."""
    command = f'("$@"; echo "status $?" >&2) {tail}'
    arguments = [sys.executable, "-c", "import sys; from pytest_rollback.cli import main; sys.exit(main())", "merge"]
    return subprocess.run(
        ["bash", "-c", command, "bash", *arguments, *map(str, paths)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        check=False,
    )


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
    assert "part 1 of 2, which says nothing of the others" in gated.words


def test_a_part_that_fails_blocks_by_itself(gate: RunGate) -> None:
    """Nobody needs the other parts to know that."""
    statuses = [gate(SUITE.format("assert 0"), f"--gate-shard={number}/2").status for number in (1, 2)]
    assert sorted(statuses) == [0, 80]


def test_a_part_without_a_test_is_no_pass(gate: RunGate) -> None:
    """More parts than tests: somebody looked at nothing."""
    gated = gate("@pytest.mark.golden_path\ndef test_it(): pass\n", "--gate-shard=2/2")
    assert gated.status == 5
    assert "no gate test fell into this part" in gated.words


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


def renumbered(report: dict[str, Any]) -> None:
    """Say that it is another part."""
    report["part"]["number"] = 2


def alone(report: dict[str, Any]) -> None:
    """Say that there is no other part."""
    report["part"]["of"] = 1


def blocked(report: dict[str, Any]) -> None:
    """Say another verdict than the evidence does."""
    report["verdict"] = "blocked"


def emptied(report: dict[str, Any]) -> None:
    """Forget what was seen, and keep that all is well."""
    change_packed(report, lambda packed: packed["evidence"].update(tests=[]))


def thinned(report: dict[str, Any]) -> None:
    """Forget one test."""
    change_packed(report, lambda packed: packed["evidence"]["tests"].pop())


def narrowed(report: dict[str, Any]) -> None:
    """Forget that there were other tests, so that the ones that are left are all."""
    change_packed(report, lambda packed: packed.update(dealt=[t["test"] for t in packed["evidence"]["tests"]]))


def impossible(report: dict[str, Any]) -> None:
    """Be part 0, whose share would be one test counted from the end."""
    report["part"]["number"] = 0
    change_packed(report, lambda packed: packed["shard"].update(number=0))


def lenient(report: dict[str, Any]) -> None:
    """Carry a policy that blocks nothing, behind a report of one that does."""
    change_packed(report, lambda packed: packed["policy"].update(mode="shadow"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (renumbered, "it says that it is part 2/2, and carries the evidence of part 1/2"),
        (alone, "it says that it is part 1/1, and carries the evidence of part 1/2"),
        (impossible, "it says that it is part 0/2"),
        (blocked, "it says blocked, and its own evidence says passed"),
        (emptied, "it lacks 4 of its tests, and holds 0 that are not its own"),
        (thinned, "it lacks 1 of its tests"),
        (narrowed, "the tests that it names are not those of its whole"),
        (lenient, "it carries another policy"),
    ],
)
def test_a_part_that_contradicts_itself_is_no_part(
    gate: RunGate, capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    """A file that was copied, edited or cut short must never stand for tests that nobody looked at."""
    first, second = parts_of(gate, SUITE.format("pass"), 2)
    report = json.loads(first.read_text())
    change(report)
    odd = first.with_name("odd.json")
    odd.write_text(json.dumps(report))
    for paths in ((odd, second), (first, odd), (first, second, odd)):
        status, merged_report = merged(capsys, *paths)
        assert status == 81
        details = [obstacle["detail"] for obstacle in merged_report["obstacles"] if obstacle["reason"] == "parts"]
        assert any(f"{odd} was changed, mixed up or cut short: {complaint}" in detail for detail in details)
    assert main(["merge", str(odd)]) == 1


def test_a_module_that_skips_itself_is_in_every_part(gate: RunGate, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no collected test and belongs to no share; it is counted once all the same."""
    Path("test_other.py").write_text("import pytest\n# golden_path\npytest.skip('x', allow_module_level=True)\n")
    whole = gate(SUITE.format("pass"))
    status, report = merged(capsys, *parts_of(gate, SUITE.format("pass"), 3))
    assert (status, whole.report["tests"]["skipped"]) == (0, 1)
    assert essence(report) == essence(whole.report)


def test_a_test_with_an_unprintable_name_is_found_in_its_share(
    gate: RunGate, capsys: pytest.CaptureFixture[str], pytester: pytest.Pytester
) -> None:
    """Names are spelt out in a report, and dealt as they are; the two orders differ."""
    for name in ("a\x7fb", "a~", "a\\y"):
        (pytester.path / f"test_{name}.py").write_text("import pytest\n@pytest.mark.isolation\ndef test_it(): pass\n")
    status, report = merged(capsys, *parts_of(gate, SUITE.format("pass"), 3))
    assert (status, report["tests"]["passed"]) == (0, 11)


def test_parts_of_untracked_work_are_no_pass(
    gate: RunGate, capsys: pytest.CaptureFixture[str], repository: Repository
) -> None:
    """Edits that are tracked have a tree that can be compared; what is in none may differ between machines."""
    code = SUITE.format("pass")
    gate(code)
    repository.commit(library_py="LIMIT = 1\n")
    status, report = merged(capsys, *parts_of(gate, code, 2))
    assert (status, report["notes"]) == (0, [])
    repository.write("library.py", "LIMIT = 2\n")
    status, report = merged(capsys, *parts_of(gate, code, 2))
    assert (status, report["notes"]) == (0, [])
    repository.write("forgotten.py", "LIMIT = 2\n")
    status, report = merged(capsys, *parts_of(gate, code, 2))
    assert (status, report["reason"]) == (81, "parts")
    assert "commit first" in report["obstacles"][0]["detail"]
    assert merged(capsys, *parts_of(gate, code, 1))[0] == 0


def test_parts_from_outside_git_pass_with_a_note(gate: RunGate, capsys: pytest.CaptureFixture[str]) -> None:
    """A gate works outside git, where no commit shows that the parts judged the same tree."""
    status, report = merged(capsys, *parts_of(gate, SUITE.format("pass"), 2))
    assert (status, len(report["notes"])) == (0, 1)
    assert "outside git" in report["notes"][0]
    assert merged(capsys, *parts_of(gate, SUITE.format("pass"), 1))[1]["notes"] == []


def test_a_failure_outside_the_gate_is_kept(gate: RunGate, capsys: pytest.CaptureFixture[str]) -> None:
    """With --gate-all a test without a marker fails the session behind a pass; so it must after a merge."""
    code = SUITE.format("pass").replace("test_plain(): pass", "test_plain(): assert 0")
    whole = gate(code, "--gate-all")
    paths = parts_of(gate, code, 3, "--gate-all")
    for order in itertools.permutations(paths):
        status, report = merged(capsys, *order)
        assert (status, report["verdict"], report["failed_outside"]) == (1, "passed", True)
    assert whole.status == 1


def test_different_environments_are_named(
    gate: RunGate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One verdict over two Pythons is neither's; whoever reads it must know."""
    (first,) = [parts_of(gate, SUITE.format("pass"), 2)[0].rename("first.json")]
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    second = parts_of(gate, SUITE.format("pass"), 2)[1]
    status, report = merged(capsys, second, first)
    assert status == 0
    (note,) = [note for note in report["notes"] if "environments" in note]
    assert f"Python {sys.version.split()[0]} on " in note
    assert "(1/2); Python 3.99.0 on " in note
    assert note.endswith("(2/2)")


@pytest.mark.parametrize("name", ["part-1.json", "./x/../part-1.json", "link.json", "hard.json"])
def test_a_report_is_never_written_over_a_part(gate: RunGate, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Whatever the path is called; and a refusal deletes nothing, other reports neither."""
    paths = parts_of(gate, SUITE.format("pass"), 2)
    Path("x").mkdir()
    Path("link.json").symlink_to(paths[0])
    Path("hard.json").hardlink_to(paths[0])
    assert main(["merge", *map(str, paths), "--report", "all.json"]) == 0
    before = paths[0].read_bytes(), Path("all.json").read_bytes()
    assert main(["merge", *map(str, paths), "--report", "all.json", "--report", name]) == 1
    assert "is one of the parts" in capsys.readouterr().err
    assert main(["merge", "gone.json", "--report", "all.json", "--report", "gone.json"]) == 1
    assert main(["merge", "gone.json", "--report", "all.json"]) == 1
    assert (paths[0].read_bytes(), Path("all.json").read_bytes()) == before


def test_a_merge_prints_on_any_stream(gate: RunGate) -> None:
    """A reader that goes away, or takes ASCII alone, changes neither the verdict nor the status."""
    code = SUITE.format("assert 0, '\u00e9\U0001f600'")
    paths = parts_of(gate, code, 2)
    done = merge_process(*paths, PYTHONIOENCODING="ascii")
    assert b"\\xe9\\U0001f600" in done.stdout
    assert done.stderr == b"status 80\n"
    done = merge_process(Path("--json"), *paths, PYTHONIOENCODING="ascii")
    assert "\u00e9\U0001f600" in json.loads(done.stdout)["not_passed"][0]["message"]
    for tail in ("| true", "| head -1"):
        assert merge_process(*paths, tail=tail).stderr == b"status 80\n"
    assert merge_process(*paths, tail=">&-").stderr == b"status 80\n"


def test_a_merge_tells_github_as_a_gate_does(
    gate: RunGate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the stage that lets a change through; and what tests wrote is no command."""
    paths = parts_of(gate, SUITE.format("raise ValueError('##[error]odd')"), 2)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    capsys.readouterr()
    assert main(["merge", *map(str, paths), "::error::gone.json"]) == 80
    out = capsys.readouterr().out
    assert "::error file=test_it.py,title=safety gate: isolation" in out.replace("%3A", ":").replace("%2C", ",")
    assert "##[" not in out
    assert "# Safety gate: blocked" in Path("summary.md").read_text()
    assert main(["merge", "--json", *map(str, paths)]) == 80
    told = capsys.readouterr()
    assert "##[error]odd" in json.loads(told.out)["not_passed"][0]["message"]
    assert "##[" not in told.out
    assert "::error file=test_it.py" in told.err
    assert main(["merge", "::error::gone.json"]) == 1
    assert "\n::" not in capsys.readouterr().err
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "no/such/folder.md")
    assert main(["merge", *map(str, paths)]) == 80
    assert "could not be written" in capsys.readouterr().err
