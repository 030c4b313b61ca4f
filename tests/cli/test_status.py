"""`pytest-rollback status`: what it tells, and that nothing that becomes of a journal makes it tell of a pass."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.model import Outcome, Reason, Subject, Verdict
from pytest_rollback.repo import journal as journals
from pytest_rollback.repo.crashes import acknowledge, find_interrupted, find_last
from pytest_rollback.repo.journal import Journal, Place, find_place

SUBJECT = Subject(commit="4f1c2a9" * 5, branch="main", uncommitted=True)
RECENTLY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d, \d s ago")
Tell = Callable[[], list[str]]
Facts = Callable[[], dict[str, Any]]


@pytest.fixture
def place(repository: Repository) -> Place:
    """Give the place of the journals in a repository without a commit."""
    found = find_place(repository.path)
    assert found
    return found


@pytest.fixture
def tell(place: Place, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Run the subcommand for people; gives its lines, without the times and without where HEAD stands."""
    assert place.worktree == "."

    def run() -> list[str]:
        assert main(["status"]) == 0
        here, *lines = RECENTLY.sub("RECENTLY", capsys.readouterr().out).splitlines()
        assert here.startswith("here       ")
        return lines

    return run


@pytest.fixture
def facts(place: Place, capsys: pytest.CaptureFixture[str]) -> Facts:
    """Run the subcommand for machines."""
    assert place.worktree == "."

    def run() -> dict[str, Any]:
        assert main(["status", "--json"]) == 0
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    return run


def opened(place: Place, *tests: str, root: str = ".") -> Journal:
    """Begin a session that is to decide some tests."""
    journal = Journal.open(place, SUBJECT, policy="0123456789abcdef", root=root)
    journal.expect(tests)
    return journal


def crash(place: Place) -> None:
    """Have a session decide one of its three tests, and die in the next."""
    journal = opened(place, "a", "b", "c")
    journal.start("a")
    journal.finish("a", Outcome.FAILED)
    journal.start("b")
    journal.leave()


def passed(place: Place) -> None:
    """Have a session pass."""
    opened(place).close(Verdict.PASSED, Reason.HELD, passed=3, selected=3)


def test_before_the_first_gate_it_says_how_to_run_one(tell: Tell) -> None:
    """No verdict is not a pass."""
    assert tell() == ["last       no verdict in this work tree, by its journal", "next       pytest --safety-gate"]


def test_after_a_pass_there_is_nothing_to_do(tell: Tell, place: Place) -> None:
    """The last verdict, and exactly what it was a verdict on."""
    passed(place)
    assert tell() == [
        "last       passed (held): 3 of 3 gate tests passed",
        "           RECENTLY, by policy 0123456789ab",
        "           4f1c2a9 on main, with uncommitted work",
    ]


def test_a_crash_after_a_pass_is_what_counts(tell: Tell, place: Place) -> None:
    """The pass before it says nothing of what was being judged; that it was told of changes nothing in that."""
    passed(place)
    crash(place)
    crashed = [
        "crash      interrupted: 1 of 3 gate tests decided, 1 failed",
        "           RECENTLY, by policy 0123456789ab",
        "           4f1c2a9 on main, with uncommitted work",
        "in flight  b",
        "failed     a",
        "next       pytest --safety-gate",
    ]
    assert tell()[3:] == crashed
    acknowledge(place, *find_interrupted(place))
    assert tell()[3:] == crashed


def test_a_verdict_after_a_crash_settles_it(tell: Tell, place: Place) -> None:
    """The last thing was a block, of a project of its own in the repository; the crash is history."""
    crash(place)
    acknowledge(place, *find_interrupted(place))
    opened(place, root="services/api").close(Verdict.BLOCKED, Reason.FINDINGS, passed=2, selected=3)
    assert tell() == [
        "last       blocked (findings): 2 of 3 gate tests passed",
        "           RECENTLY, by policy 0123456789ab",
        "           4f1c2a9 on main, with uncommitted work",
        "           project in services/api",
        "earlier    1 interrupted, and told of by the gate that came next; --json lists them",
        "next       pytest --safety-gate",
    ]


def test_a_session_that_runs_here_is_waited_for(tell: Tell, place: Place) -> None:
    """To start a second gate beside it would tell nothing new."""
    journal = opened(place, *map(str, range(20)))
    for number in range(12):
        journal.start(str(number))
    lines = tell()
    journal.leave()
    assert lines[1] == "running    0 of 20 gate tests decided"
    assert lines[4:6] == ["in flight  0", "           1"]
    assert lines[-1] == "           and 2 more of 12; --json lists all"


def test_work_trees_share_crashes_and_not_verdicts(
    repository: Repository, place: Place, tell: Tell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A crash is told wherever the next session runs; a pass elsewhere is none here."""
    repository.commit(a_py="")
    passed(place)
    crash(place)
    repository.git("worktree", "add", "--quiet", str(tmp_path / "other"))
    (tmp_path / "other" / "below").mkdir()
    monkeypatch.chdir(tmp_path / "other" / "below")
    assert find_place(Path.cwd()) == Place(place.folder, "worktrees/other")
    assert tell()[0] == "last       no verdict in this work tree, by its journal"
    assert "           main work tree" in tell()
    passed(Place(place.folder, "worktrees/other"))
    assert tell()[-1] == "failed     a"
    monkeypatch.chdir(repository.path)
    crash(Place(place.folder, "worktrees/other"))
    assert "           work tree other" in tell()


def test_every_key_is_there_and_null_where_nothing_is_known(facts: Facts, place: Place) -> None:
    """A script may rely on the keys, and on the types."""
    empty = facts()
    assert (empty["last"], empty["running"], empty["interrupted"]) == (None, [], [])
    assert empty["here"] == {"commit": None, "branch": "main", "uncommitted": True}
    assert empty["next"] == "pytest --safety-gate"
    passed(place)
    crash(place)
    known = facts()
    (place.folder / f"2098{place.tag}.journal").touch()
    (place.folder / "closed" / f"2099{place.tag}.journal").touch()
    unknown = facts()
    assert known["last"].keys() == unknown["last"].keys()
    assert known["last"]["verdict"] == "passed"
    assert unknown["last"]["verdict"] is None
    (crashed,), (_, torn) = known["interrupted"], unknown["interrupted"]
    assert crashed.keys() == torn.keys()
    assert {key for key, value in crashed.items() if value is None} == {"tree"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", crashed["started"])
    assert (crashed["expected"], crashed["decided"], crashed["failed"], crashed["told"]) == (3, 1, ["a"], False)
    assert (torn["commit"], torn["expected"], torn["notes"]) == (None, None, ["its journal is empty"])


@pytest.mark.parametrize("name", ["t[a\nb]", "t[\ud800]", "t[\0\r\x1b]", 't[é\u2028"\\]', "t[\U0001f40d]", ""])
def test_any_name_of_a_test_comes_back_as_it_was(facts: Facts, tell: Tell, place: Place, name: str) -> None:
    """Names hold what parameters hold: line ends, halves of surrogate pairs, what a terminal would act on."""
    journal = opened(place, name)
    journal.start(name)
    journal.leave()
    (session,) = facts()["interrupted"]
    assert session["in_flight"] == [name]
    assert session["notes"] == []
    assert tell()[4].startswith(f"in flight  {name[:2]}")
    assert all(line.isprintable() for line in tell())


def test_a_test_that_runs_again_is_in_flight_again(facts: Facts, place: Place) -> None:
    """A rerun that crashes must not be hidden by the run before it."""
    journal = opened(place, "a", "b")
    journal.start("a")
    journal.finish("a", Outcome.PASSED)
    journal.finish("outside the gate", Outcome.FAILED)
    journal.start("a")
    journal.leave()
    (session,) = facts()["interrupted"]
    assert (session["in_flight"], session["decided"], session["failed"]) == (["a"], 0, ["outside the gate"])


def test_outside_git_it_can_not_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    """There no gate leaves anything to tell of; silence would look like all is well."""
    place.folder.parent.mkdir()
    place.folder.touch()
    assert main(["status"]) == 1
    assert capsys.readouterr().err == f"pytest-rollback status: {place.folder} can't be read; ask whoever owns it\n"
    monkeypatch.chdir("/")
    assert main(["status", "--json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("pytest-rollback status: / is in no git repository, ")


def test_it_answers_without_pytest(place: Place) -> None:
    """It is asked in shells and prompts, which must not wait for a test framework."""
    passed(place)
    code = (
        "import sys; from pytest_rollback.cli import main; main(['status']);"
        "sys.exit(bool({'pytest', '_pytest', 'git'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


BAD_LINES = [b"", b"\n", b"\0" * 4096, b"\xff\xfe{}", b"[" * 100_000, b'{"type":"start","test":"a"}\n']
ODD_LINES = ["[" * 100_000, "1", "{}", '{"type":"moon"}', '{"type":"start","test":1}', '{"type":"close"}']


@pytest.mark.parametrize("text", [*BAD_LINES, *map(journals.line_of, ODD_LINES)], ids=range(12))
def test_what_can_not_be_read_is_said(tell: Tell, place: Place, text: bytes) -> None:
    """A journal may be what a full disk or a power cut left of it; that is no reason to say nothing, nor to break."""
    (place.folder / "closed").mkdir(parents=True)
    for part in ("", "closed"):
        (place.folder / part / f"2099{part}{place.tag}.journal").write_bytes(text)
    why = "note       " + ("1 of 1 lines of its journal can't be read" if text else "its journal is empty")
    assert tell() == [
        "last       a session ended here, and its verdict is not in the journal",
        why,
        "crash      interrupted: 0 gate tests decided; how many there were is not known",
        why,
        "next       pytest --safety-gate",
    ]


def test_a_journal_of_a_newer_version_is_not_guessed_at(tell: Tell, place: Place) -> None:
    """Its words may mean something else by then."""
    place.folder.mkdir(parents=True)
    text = journals.line_of('{"type":"open","schema":2,"moon":1}') + journals.line_of('{"type":"start","test":"a"}')
    (place.folder / f"2099{place.tag}.journal").write_bytes(text)
    assert tell()[2] == "note       its journal is of a newer pytest-rollback (schema 2); upgrade this one to read it"
    assert not any(line.startswith("in flight") for line in tell())


def forged(place: Place, *records: str) -> str:
    """Write a journal whose every line is whole, whatever it says; gives the name of its session."""
    place.folder.mkdir(parents=True, exist_ok=True)
    name = f"2099-{len(list(place.folder.iterdir())):02}{place.tag}"
    (place.folder / f"{name}.journal").write_bytes(b"".join(map(journals.line_of, records)))
    return name


ENDS_OF_TIME = [
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
]


@pytest.mark.parametrize("moment", ENDS_OF_TIME)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Adak"])
def test_a_moment_that_no_clock_shows_is_damage(
    tell: Tell, facts: Facts, place: Place, monkeypatch: pytest.MonkeyPatch, moment: str, zone: str
) -> None:
    """It can't be told in another time zone, and is no reason to tell nothing."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    journal = opened(place)
    journal.leave()
    (path,) = place.folder.glob("*.journal")
    opening = json.loads(path.read_bytes().splitlines()[0][9:])
    path.unlink()
    forged(place, json.dumps({**opening, "started": moment}))
    assert tell()[2] == "note       1 of 1 lines of its journal can't be read"
    assert facts()["interrupted"][0]["started"] is None
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "record",
    [
        f'{{"type":"open","schema":{"9" * 400}}}',
        f'{{"type":"close","finished":"2026-01-01T00:00:00Z","verdict":"passed","reason":"held","passed":{"9" * 400},'
        f'"selected":{"9" * 400}}}',
    ],
)
def test_numbers_that_nobody_wrote_are_damage(tell: Tell, place: Place, record: str) -> None:
    """They would fill the screen that is there for what is known."""
    forged(place, record)
    assert tell()[2] == "note       1 of 1 lines of its journal can't be read"


def test_many_crashes_are_counted_and_the_newest_told(tell: Tell, facts: Facts, place: Place) -> None:
    """A folder full of garbage must not push the last verdict off the screen."""
    passed(place)
    for number in range(20):
        forged(place, f'{{"type":"start","test":"t{number}"}}')
    lines = tell()
    assert [line for line in lines if line.startswith("in flight")] == [f"in flight  t{n}" for n in range(15, 20)]
    assert lines[-2] == "           and 15 more of 20 before that; --json lists all"
    assert lines[-1] == "next       pytest --safety-gate"
    assert len(facts()["interrupted"]) == 20


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_it_answers_where_only_ascii_can_be_shown(place: Place, options: list[str]) -> None:
    """A cron job has no locale, and the name of a test may be in any script."""
    journal = opened(place, "é\udcff\x1b")
    journal.start("é\udcff\x1b")
    journal.leave()
    done = ask(*options, stdout=subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"\\u00e9\\udcff\\u001b" if options else b"\\xe9\\udcff\\x1b") in done.stdout


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_has_seen_enough_is_no_error(place: Place, options: list[str]) -> None:
    """`pytest-rollback status | head -1` is a way to ask."""
    passed(place)
    reads, writes = os.pipe()
    os.close(reads)
    done = ask(*options, stdout=writes)
    os.close(writes)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="nothing is always full here")
def test_an_answer_that_could_not_be_written_is_an_error(place: Place) -> None:
    """A script must not take an empty file for news."""
    passed(place)
    with Path("/dev/full").open("wb") as full:
        done = ask("--json", stdout=full.fileno())
    assert done.returncode == 1
    assert done.stderr == b"pytest-rollback status: the answer could not be written: No space left on device\n"


def ask(*options: str, stdout: int, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run the subcommand in a process of its own."""
    code = "import sys; from pytest_rollback.cli import main; sys.exit(main(['status', *sys.argv[1:]]))"
    command = [sys.executable, "-c", code, *options]
    return subprocess.run(
        command, check=False, stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **variables}, timeout=60
    )


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, bytes, bytes]:
    """Write a journal that is not closed, and one that passed."""
    place = Place(tmp_path_factory.mktemp("samples") / "journal", ".")
    crash(place)
    passed(place)
    (unclosed,), (closed,) = place.folder.glob("*.journal"), (place.folder / "closed").glob("*.journal")
    return place, unclosed.read_bytes(), closed.read_bytes()


@given(cut=st.integers(0, 900), flips=st.lists(st.tuples(st.integers(0, 899), st.integers(1, 255)), max_size=4))
@settings(max_examples=1000, deadline=None)
def test_no_damage_reads_as_a_pass(samples: tuple[Place, bytes, bytes], cut: int, flips: list[tuple[int, int]]) -> None:
    """A thousand torn and altered journals: none breaks the command, and none says more than was written."""
    place, *texts = samples
    for part, text in zip(("", "closed"), texts, strict=True):
        damaged = bytearray(text)
        for position, bits in flips:
            damaged[position % len(text)] ^= bits
        damaged = damaged[: cut % (len(text) + 1)] if cut < 600 else damaged
        (path,) = (place.folder / part).glob("*.journal")
        path.write_bytes(damaged)
        if part and damaged != text:
            last = find_last(place)
            assert last
            assert last.closing is None
    (session,) = find_interrupted(place)
    assert session.decided <= 1
    assert set(session.in_flight) <= {"a", "b"}
    assert set(session.failed) <= {"a"}
