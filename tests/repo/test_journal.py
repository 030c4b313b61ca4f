"""The journal of a session: what is known of one that died, however it died, and whatever became of its file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_rollback.model import Reason, Subject, Verdict
from pytest_rollback.repo import crashes
from pytest_rollback.repo import journal as journals
from pytest_rollback.repo.crashes import acknowledge, find_interrupted, find_last, find_running, find_told
from pytest_rollback.repo.journal import Journal, Place

SUBJECT = Subject(commit="4f1c2a9", branch="main")
BEGIN = """
import ctypes, multiprocessing, os, resource, signal, subprocess, sys, time
from pathlib import Path
from pytest_rollback.model import Outcome, Reason, Subject, Verdict
from pytest_rollback.repo.journal import Journal, Place
journal = Journal.open(Place(Path(sys.argv[1]), "."), Subject(commit="4f1c2a9", branch="main"), policy="d1", root=".")
journal.expect(["a", "b", "c"])
journal.start("a"); journal.finish("a", Outcome.PASSED); journal.start("b")
def tell(word): print(word, flush=True)
"""
DIE = "os.kill(os.getpid(), signal.SIGKILL)\n"
LIVE_ON = "tell(os.getpid()); time.sleep(60); os._exit(0)"
Child = subprocess.Popen[str]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give the main work tree's place in a folder that is not there yet."""
    return Place(tmp_path / "pytest-rollback" / "journal", ".")


def begin(place: Place, code: str) -> Child:
    """Have a process begin a session and decide 1 of 3 tests, and go on with some code while `b` is in flight."""
    command = [sys.executable, "-c", BEGIN + code, str(place.folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def end(child: Child) -> str:
    """Wait for a process; gives the first line that it said."""
    assert child.stdout
    said = child.stdout.readline().strip()
    child.communicate(timeout=30)
    return said


def opened(place: Place) -> Journal:
    """Begin a session in this process."""
    return Journal.open(place, SUBJECT, policy="d1", root=".")


def passed(place: Place) -> None:
    """Have a session pass in this process."""
    opened(place).close(Verdict.PASSED, Reason.HELD, passed=3, selected=3)


def test_sessions_of_one_process_leave_nothing_to_its_forks(place: Place) -> None:
    """What is registered for a fork stays for ever, and a test suite may run sessions in one process by the hundred."""
    for _ in range(3):
        passed(place)
    first, second = opened(place), opened(place)
    assert {first, second} <= journals._OPEN
    first.leave()
    assert first not in journals._OPEN
    child = os.fork()
    if not child:
        os._exit(len(journals._OPEN))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert second in journals._OPEN
    second.leave()
    assert not journals._OPEN


def files(folder: Path) -> list[Path]:
    """List the journals in a folder."""
    return sorted(folder.glob("*.journal"))


@pytest.mark.parametrize("ending", ["os._exit(0)", DIE, "os.kill(os.getpid(), signal.SIGTERM)", "raise SystemExit"])
def test_a_session_that_dies_tells_what_was_in_flight(place: Place, ending: str) -> None:
    """A time-out ends by os._exit, a CI job by SIGTERM, a full memory by SIGKILL: none of them says goodbye."""
    end(begin(place, ending))
    (session,) = find_interrupted(place)
    assert session.in_flight == ("b",)
    assert session.progress == "1 of 3 gate tests decided"
    assert session.opening
    assert session.opening.subject == SUBJECT
    assert session.closing is None
    assert session.notes == ()
    assert find_running(place) == []
    assert find_last(place) is None


def test_two_sessions_run_at_once_and_one_dies(place: Place) -> None:
    """Work trees and terminals share the folder, and nobody's crash is taken for another's."""
    first, second = (begin(place, "tell('ready'); sys.stdin.read()") for _ in range(2))
    for child in (first, second):
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    assert len(find_running(place)) == 2
    assert find_interrupted(place) == []
    first.kill()
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)  # dead, though its parent has not asked for it yet
    assert [session.opening and session.opening.pid for session in find_interrupted(place)] == [first.pid]
    assert [session.opening and session.opening.pid for session in find_running(place)] == [second.pid]
    for child in (first, second):
        child.communicate()


@pytest.mark.parametrize(
    ("fork", "holds_lock"),
    [
        (f"if not os.fork(): {LIVE_ON}\n", False),
        (f"multiprocessing.get_context('fork').Process(target=lambda: exec({LIVE_ON!r})).start()\n", False),
        ("p = subprocess.Popen(['sleep', '60'], close_fds=False, stdout=2); tell(p.pid)\n", False),
        (f"if not ctypes.PyDLL(None).fork(): {LIVE_ON}\n", True),
    ],
    ids=["os.fork", "multiprocessing", "exec", "behind Python's back"],
)
def test_a_child_that_lives_on_does_not_keep_its_session_alive(place: Place, fork: str, *, holds_lock: bool) -> None:
    """A test's server often outlives a killed run; the session would look alive for as long as that server."""
    child = begin(place, fork + DIE)
    assert child.stdout
    orphan = int(child.stdout.readline())
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        os.kill(orphan, 0)
        with files(place.folder)[0].open("rb") as file:
            assert crashes._is_locked(file.fileno()) is holds_lock
        assert [session.in_flight for session in find_interrupted(place)] == [("b",)]
        assert find_running(place) == []
    finally:
        os.kill(orphan, signal.SIGKILL)
        child.communicate()


@pytest.mark.parametrize("fork", ["os.fork()", "ctypes.PyDLL(None).fork()"])
def test_a_forked_child_has_no_journal(place: Place, fork: str) -> None:
    """A child that runs on through pytest to its end must put no verdict on record in its parent's name."""
    code = f"""
if not {fork}:
    journal.start("x"); journal.finish("b", Outcome.PASSED)
    journal.close(Verdict.PASSED, Reason.HELD, passed=3, selected=3)
    os._exit(0)
os.wait()
"""
    end(begin(place, code))
    assert find_last(place) is None
    assert [(session.in_flight, session.decided) for session in find_interrupted(place)] == [(("b",), 1)]


def test_a_verdict_stays_on_record_for_its_work_tree_alone(place: Place) -> None:
    """What another work tree's gate said is no verdict on this one."""
    journal = opened(place)
    journal.expect(["a"])
    journal.close(Verdict.BLOCKED, Reason.FINDINGS, passed=0, selected=1)
    passed(Place(place.folder, "worktrees/other"))
    last = find_last(place)
    assert last
    assert last.closing
    assert (last.closing.verdict, last.closing.reason, last.closing.selected) == (Verdict.BLOCKED, "findings", 1)
    assert files(place.folder) == []
    assert find_interrupted(place) == []
    assert journal.trouble == ""


def test_a_session_that_ends_is_never_seen_as_dead(place: Place) -> None:
    """Between its verdict and its end there must be no moment at which another session would call it interrupted."""
    code = """
for number in range(100):
    journal.close(Verdict.PASSED, Reason.HELD, passed=3, selected=3)
    journal = Journal.open(Place(Path(sys.argv[1]), "."), Subject(), policy="d1", root=".")
journal.close(Verdict.PASSED, Reason.HELD, passed=3, selected=3)
"""
    quiet = Place(place.folder, "worktrees/quiet")
    passed(quiet)
    child = begin(place, code)
    while child.poll() is None:
        assert find_interrupted(place) == []
    end(child)
    assert len(files(place.folder / "closed")) == journals.KEPT + 1  # old verdicts go, but for a work tree's last
    assert find_last(quiet)


def test_a_crash_is_told_once_and_kept(place: Place) -> None:
    """Two sessions that start at once must not make two incidents of one crash; unread ones are never thrown away."""
    for _ in range(journals.KEPT + 5):
        opened(place).leave()
    crashes = find_interrupted(place)
    assert len(crashes) == journals.KEPT + 5
    assert [acknowledge(place, crash) for crash in crashes for _ in range(2)] == [True, False] * len(crashes)
    assert find_interrupted(place) == []
    assert [told.id for told in find_told(place)] == [crash.id for crash in crashes[5:]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of four pages."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_fills_up_ends_the_journal_and_not_the_session(small_disk: Path) -> None:
    """The tests themselves may fill the disk. The gate goes on, and an older pass must not stand for its verdict."""
    place = Place(small_disk / "journal", ".")
    passed(place)
    journal = opened(place)
    for number in range(1000):
        journal.start(f"test_{number}")
    assert journal.trouble == "the journal of this session ends early: No space left on device"
    assert len(find_running(place)) == 1
    journal.close(Verdict.PASSED, Reason.HELD, passed=3, selected=3)
    assert journal.trouble == "the verdict may not be on record: No space left on device"
    assert find_interrupted(place) == []
    last = find_last(place)
    assert last
    assert last.closing is None


def test_a_write_that_fails_anywhere_else_ends_the_journal_too(place: Place) -> None:
    """A limit on the size of files stands for all that can go wrong with a write."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))\n"
    child = begin(place, limit + "for n in range(50): journal.start(str(n))\ntell(journal.trouble); os._exit(0)")
    assert end(child) == "the journal of this session ends early: File too large"
    (session,) = find_interrupted(place)
    assert session.in_flight[:2] == ("b", "0")
    assert session.notes == (f"1 of {len(session.in_flight) + 5} lines of its journal can't be read",)


def test_without_a_folder_to_write_to_there_is_no_journal(small_disk: Path, tmp_path: Path) -> None:
    """A read-only disk is no reason not to judge; it is said, and nothing is recorded."""
    (tmp_path / "file").touch()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for place, why in (
        (Place(tmp_path / "file" / "journal", "."), "no journal is kept of this session: Not a directory"),
        (Place(small_disk, "."), "no journal is kept of this session: Read-only file system"),
        (None, ""),  # outside git
    ):
        journal = Journal.open(place, SUBJECT, policy="d1", root=".")
        journal.expect(["a"])
        journal.start("a")
        journal.close(Verdict.PASSED, Reason.HELD, passed=1, selected=1)
        assert journal.trouble == why
        assert (find_running(place), find_interrupted(place), find_told(place), find_last(place)) == ([], [], [], None)


def test_a_descriptor_that_a_test_took_away_is_let_go(place: Place, tmp_path: Path) -> None:
    """A test that closes all descriptors gives our number to the next file; that is somebody's work."""
    journal = opened(place)
    assert journal._file is not None
    victim = os.open(tmp_path / "work", os.O_WRONLY | os.O_CREAT)
    os.dup2(victim, journal._file)
    number = journal._file
    journal.start("a")
    journal.leave()
    assert journal.trouble == "the journal of this session ends early: a test closed its file"
    assert (tmp_path / "work").read_bytes() == b""
    for each in (victim, number):
        os.close(each)


def test_without_locks_the_process_tells_who_lives(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems and platforms have none."""
    monkeypatch.setattr(crashes, "fcntl", None)
    journal = opened(place)
    end(begin(place, DIE))
    assert [session.opening and session.opening.pid for session in find_running(place)] == [os.getpid()]
    assert [session.in_flight for session in find_interrupted(place)] == [("b",)]
    monkeypatch.setattr(crashes, "birth_of", lambda _: None)  # nor is there a /proc
    assert len(find_running(place)) == len(find_interrupted(place)) == 1
    journal.leave()


def test_a_lock_from_another_container_is_believed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Process numbers mean nothing there: ours of the same number may be long gone, and that session be well."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(journals, "this_machine", lambda: "another")
        elsewhere.setattr(journals, "birth_of", lambda _: "then")
        journal = opened(place)
    assert len(find_running(place)) == 1
    journal.leave()
    assert len(find_interrupted(place)) == 1


def test_nothing_of_the_machine_is_written_down(place: Place, tmp_path: Path) -> None:
    """A journal may be sent around with a bug report."""
    journal = opened(place)
    (path,) = files(place.folder)
    written = path.read_bytes()
    journal.leave()
    for private in (str(tmp_path), str(Path.cwd()), str(Path.home()), socket.gethostname(), os.environ["PATH"]):
        assert private.encode() not in written
        assert private not in path.name
