"""`pytest-rollback log`: one line an event, newest first, and nothing that anybody wrote acts on a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.events import Approval, Approved, Checkpoint, Interrupted, Known, Restoration, Restored
from pytest_rollback.repo.ledger import REF, Draft, Ledger
from tests.recording import at, foreign, judgment, withdrawal

Tell = Callable[..., list[str]]
HELD = "31 of 33 gate tests passed"
SAYS = f"{HELD}; withdrawn"
TREE, COMMIT = "1" * 40, "9be31d0" + "0" * 33


@pytest.fixture
def ledger(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Give an empty ledger, in a place where clocks show UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    return Ledger(repository.path)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Run the subcommand; gives its lines, with `ID` in place of ids."""

    def run(*options: str) -> list[str]:
        assert main(["log", *options]) == 0
        return re.sub(r"  [0-9a-f]{8}  ", "  ID  ", capsys.readouterr().out).splitlines()

    return run


def story(ledger: Ledger) -> list[str]:
    """Record one event of each kind."""
    events: list[Known] = [
        judgment(TREE, when=0, commit=COMMIT),
        judgment(TREE, when=60, verdict="blocked", branch="fix/slow start", commit="4f1c2a9" + "0" * 33, live=True),
        Interrupted(at=at(120), session="s", started=None, subject=None, expected=33, decided=3),
        Approval(at=at(180), losses=(Approved(name="gone:test_a", was="passed", now="gone"),), reason="moved"),
        Checkpoint(at=at(240), name="v1", commit=COMMIT, tree=TREE, tag="v1", verdict="0" * 40),
        Restoration(at=at(300), files=(Restored(path="a", blob="1"),), source=COMMIT, verdict="0" * 40),
    ]
    ids = ledger.append([Draft(event=event) for event in events])
    return [*ids, *ledger.append([Draft(event=withdrawal(ids[0], TREE, when=360))])]


def test_each_event_is_one_aligned_line(ledger: Ledger, tell: Tell) -> None:
    """When, which, what, on which commit and branch, and what it says."""
    story(ledger)
    assert tell() == [
        "2026-11-21 12:06:00  ID  invalidation                                    the clock was wrong",
        "2026-11-21 12:05:00  ID  restoration            9be31d0                  a",
        "2026-11-21 12:04:00  ID  checkpoint             9be31d0                  v1",
        "2026-11-21 12:03:00  ID  approval                                        gone:test_a",
        "2026-11-21 12:02:00  ID  interrupted                                     3 of 33 gate tests decided",
        f"2026-11-21 12:01:00  ID  verdict       blocked  4f1c2a9  fix/slow start  {HELD}",
        f"2026-11-21 12:00:00  ID  verdict       passed   9be31d0  main            {SAYS}",
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--kind=approval"], ["gone:test_a"]),
        (["--kind=approval", "--kind=checkpoint"], ["v1", "gone:test_a"]),
        (["--verdict=blocked"], [HELD]),
        (["--branch=main"], [SAYS]),
        (["--commit=9be31d0", "--kind=restoration"], ["a"]),
        (["--since=2026-11-21 12:04:30"], ["the clock was wrong", "a"]),
        (["--since=2026-11-21T12:04:30Z", "--until=2026-11-21T12:05:30Z"], ["a"]),
        (["--until=2026-11-21"], ["none of 7 events is such a one"]),
        (["--since=2 h", "--kind=approval"], ["none of 7 events is such a one"]),
        (["--commit=dead"], ["none of 7 events is such a one"]),
    ],
)
def test_what_is_asked_for_is_told(ledger: Ledger, tell: Tell, options: list[str], says: list[str]) -> None:
    """Filters hold all together; a commit that is gone from the repository may still be on record."""
    story(ledger)
    assert [re.split(" {2,}", line)[-1] for line in tell(*options)] == says


def test_a_page_ends_in_a_count_of_the_rest(ledger: Ledger, tell: Tell) -> None:
    """Twenty lines are enough to begin with."""
    ledger.append([Draft(event=judgment(when=each)) for each in range(23)])
    assert (len(tell()), tell()[-1]) == (21, "and 3 more of 23; --all lists every one")
    assert tell("-n2")[2:] == ["and 21 more of 23; --all lists every one"]
    assert len(tell("--all")) == len(tell("--limit=99")) == 23
    assert tell("-n1", "--kind=approval") == ["none of 23 events is such a one"]


def test_a_branch_or_a_tag_names_a_commit(ledger: Ledger, tell: Tell, repository: Repository) -> None:
    """As everywhere in git."""
    commit = repository.commit("first")
    repository.git("tag", "-m", "x", "v1")
    ledger.append([Draft(event=judgment(commit=commit)), Draft(event=judgment())])
    for name in ("main", "v1", "HEAD", commit[:9]):
        assert len(tell(f"--commit={name}")) == 1


def test_before_the_first_event_it_says_how_one_comes_about(ledger: Ledger, tell: Tell) -> None:
    """Nothing on record is no error."""
    assert ledger.tip() is None
    assert tell() == ["nothing is on record here yet; a gate records itself: pytest --safety-gate"]
    assert json.loads("\n".join(tell("--json"))) == {"schema": 1, "total": 0, "events": []}


def test_why_a_pass_is_nobodys_known_good_is_said(ledger: Ledger, tell: Tell) -> None:
    """A pass that can't be relied on looks like any other else."""
    ledger.append([Draft(event=judgment(steady=False, part="1/2"))])
    assert tell()[0].endswith("31 of 33 gate tests passed; not keyed; not steady; a part")


def test_what_a_newer_version_wrote_is_told_by_its_entry(ledger: Ledger, tell: Tell, repository: Repository) -> None:
    """And what is no event is told to be none."""
    assert ledger.tip() is None
    entry = {"schema": 2, "kind": "quarantine", "at": at(0), "branch": "main", "says": "test_a"}
    foreign(repository.path, json.dumps(entry))
    foreign(repository.path, "noise")
    foreign(repository.path, json.dumps({**entry, "kind": "verdict", "at": "soon", "says": ""}))
    *lines, last = sorted(tell())
    assert last.startswith("soon")
    assert last.endswith("  verdict     main  (written by a newer version of pytest-rollback)")
    assert lines[0].endswith("  quarantine  main  test_a (written by a newer version of pytest-rollback)")
    assert lines[1].endswith("a commit of the ledger without an entry; run: pytest-rollback verify")


def test_what_anybody_wrote_is_harmless(ledger: Ledger, tell: Tell, repository: Repository) -> None:
    """Branches, reasons and entries come from everywhere."""
    evil = "\x1b[2Jgone\nverdict passed\u202e"
    ledger.append([Draft(event=judgment(branch=evil))])
    foreign(repository.path, json.dumps({"kind": evil, "at": evil, "says": evil, "verdict": evil, "commit": evil}))
    lines = tell()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


def test_the_facts_are_there_for_machines(ledger: Ledger, tell: Tell) -> None:
    """Whole ids, every key, and whether an event was withdrawn."""
    ids = story(ledger)
    document = json.loads("\n".join(tell("--json", "--kind=verdict", "--branch=main")))
    assert document["total"] == 1
    (event,) = document["events"]
    assert event["id"] == ids[0]
    assert (event["verdict"], event["withdrawn"], event["newer"], event["live"]) == ("passed", True, False, False)
    assert event["target"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--since=yesterday"], "'yesterday' is no moment; write 2026-11-21, "),
        (["--until=99999 weeks"], "is no moment"),
        (["--until=999999999 d"], "is no moment"),
        (["-n0"], "'0' is no number of events"),
        (["-n", "-3"], "-n"),
        (["-n1", "--all"], "not allowed with"),
        (["--branch="], "argument --branch: it is empty"),
        (["--commit", " "], "argument --commit: it is empty"),
        (["--kind=verdikt"], "invalid choice: 'verdikt'"),
    ],
)
def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str], options: list[str], said: str) -> None:
    """What was meant is said."""
    with pytest.raises(SystemExit) as stop:
        main(["log", *options])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_a_commit_that_nobody_knows_is_an_error(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be misspelt, and an empty answer would hide that."""
    assert ledger.tip() is None
    for name in ("no-such", "--all", "a\x1bb"):
        assert main(["log", f"--commit={name}"]) == 1
        said = capsys.readouterr().err.rstrip("\n")
        assert "there is no commit " in said
        assert said.isprintable()


def test_outside_git_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says where it looked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for command in (["log"], ["show", "last"], ["verify"], ["sync"], ["invalidate", "last", "--reason=x"]):
        assert main(command) == 1
        assert "is in no git repository" in capsys.readouterr().err


def test_in_a_hook_git_says_where_the_repository_is(
    ledger: Ledger, tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder may be none of the repository's."""
    story(ledger)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("GIT_DIR", str(ledger.folder / ".git"))
    assert len(tell()) == 7


def test_a_reader_that_has_seen_enough_is_no_error(ledger: Ledger) -> None:
    """`| head -1` closes the pipe."""
    ledger.append([Draft(event=judgment(when=each, branch="b" * 24)) for each in range(300)])
    code = "import sys; from pytest_rollback.cli import main; sys.exit(main(['log', '--all', '--json']))"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], cwd=ledger.folder, stdout=pipe, stderr=pipe) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_full_disk_is_said(ledger: Ledger) -> None:
    """An answer that was cut off must not pass for a whole one."""
    story(ledger)
    code = "import sys; from pytest_rollback.cli import main; sys.exit(main(['log']))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ledger.folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "pytest-rollback log: the answer could not be written: No space left on device\n"


def test_a_terminal_that_knows_no_unicode_is_served_too(ledger: Ledger) -> None:
    """What it can't show is spelt out."""
    ledger.append([Draft(event=judgment(branch="grün"))])
    code = "import sys; from pytest_rollback.cli import main; sys.exit(main(['log']))"
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ledger.folder, env=env, capture_output=True, check=True)
    assert b"gr\\xfcn" in done.stdout


def test_it_does_not_wait_for_pytest(ledger: Ledger) -> None:
    """A question about the record loads no test framework, and not GitPython."""
    story(ledger)
    code = (
        "import sys; from pytest_rollback.cli import main; main(['log']); main(['show', 'last']); main(['verify']);"
        "sys.exit(bool({'pytest', '_pytest', 'git'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ledger.folder, check=True, capture_output=True)


def test_a_damaged_ledger_is_an_error_that_says_what_to_do(
    ledger: Ledger, repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what is there is not told as if it were all."""
    first = story(ledger)[0]
    (repository.path / ".git/objects" / first[:2] / first[2:]).unlink()
    assert main(["log"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "the ledger can't be read: git log: " in said.err
    assert said.err.endswith("run: pytest-rollback verify\n")
    assert repository.git("rev-parse", REF)


def test_a_branch_whose_name_is_no_text_is_found(ledger: Ledger, tell: Tell) -> None:
    """It was recorded as it can be written."""
    ledger.append([Draft(event=judgment(branch="fix\udcff")), Draft(event=judgment())])
    assert len(tell("--branch=fix\udcff")) == 1
