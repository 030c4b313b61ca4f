"""Many append at once, and any of them may be killed: nothing is lost, and nobody waits where nobody works."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo import ledger as ledgers
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.ledger import REF, Draft, Ledger, LedgerError
from tests.recording import judgment

APPEND = """
import sys
from pathlib import Path
from pytest_rollback.repo.ledger import Draft, Ledger
from tests.recording import judgment
ledger = Ledger(Path.cwd())
print("ready", flush=True)
sys.stdin.readline()
for number in range({each}):
    ledger.append([Draft(event=judgment(when=number, branch="{name}"))])
"""
HERE = Path(__file__).parents[2]


@pytest.fixture
def ledger(repository: Repository) -> Ledger:
    """Give an empty ledger."""
    return Ledger(repository.path)


def appending(folder: Path, name: str, each: int) -> subprocess.Popen[str]:
    """Start a process that appends as soon as it is told to."""
    code = APPEND.format(name=name, each=each)
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    pipe = subprocess.PIPE
    started = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    assert started.stdout
    assert started.stdout.readline() == "ready\n"
    return started


def test_processes_in_several_work_trees_that_append_at_once_lose_nothing(
    ledger: Ledger, repository: Repository, tmp_path: Path
) -> None:
    """Each loses the race now and then, and adds itself to what the winner recorded."""
    repository.commit()
    repository.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    folders = [repository.path, tmp_path / "linked"] * 4
    started = [appending(folder, f"b{number}", 4) for number, folder in enumerate(folders)]
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in started] == [""] * len(started)
    with Catalogue(ledger) as catalogue:
        branches = sorted(each.entry.branch or "" for each in catalogue.entries())
    assert branches == sorted(f"b{number}" for number in range(len(folders)) for _ in range(4))


def test_whoever_loses_a_race_is_added_to_what_the_winner_recorded(ledger: Ledger) -> None:
    """Only the commits are written anew; what they hold is there already."""
    winners: list[str] = []
    chain = ledger._chain

    def late(*arguments: object, **options: object) -> list[str]:
        ids = chain(*arguments, **options)  # type: ignore[arg-type]
        if not winners:
            winners.append("")
            winners[:] = Ledger(ledger.folder).append([Draft(event=judgment(branch="winner"))])
        return ids

    ledger._chain = late  # type: ignore[method-assign]
    (kept,) = ledger.append([Draft(event=judgment(branch="loser"))])
    assert ledger.read(kept).parents == tuple(winners)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up a little earlier than a user would."""
    monkeypatch.setattr(ledgers, "PATIENCE_S", 0.5)


def test_a_lock_that_goes_away_is_waited_for(ledger: Ledger, repository: Repository) -> None:
    """Another git process holds it for a moment."""
    lock = repository.write(".git/refs/rollback/ledger.lock", "")
    timer = threading.Timer(0.3, lock.unlink)
    timer.start()
    assert ledger.append([Draft(event=judgment())]) == [ledger.tip()]
    timer.join()


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_stays_is_named(ledger: Ledger, repository: Repository) -> None:
    """A git process that was killed leaves it; no git process takes it away, and neither do we."""
    lock = repository.write(".git/refs/rollback/ledger.lock", "")
    with pytest.raises(LedgerError, match=r"ledger\.lock is in the way; if no git process runs here, remove it"):
        ledger.append([Draft(event=judgment())])
    assert lock.exists()


def test_a_lock_that_is_old_is_not_waited_for(ledger: Ledger, repository: Repository) -> None:
    """Every gate would take so much longer until somebody sees to it."""
    lock = repository.write(".git/refs/rollback/ledger.lock", "")
    os.utime(lock, (time.time() - 3600,) * 2)
    start = time.monotonic()
    with pytest.raises(LedgerError, match="is in the way"):
        ledger.append([Draft(event=judgment())])
    assert time.monotonic() - start < ledgers.PATIENCE_S


@pytest.mark.usefixtures("impatient")
def test_whoever_loses_every_race_says_so_in_the_end(ledger: Ledger) -> None:
    """Somebody may move the ref all the time."""
    other = Ledger(ledger.folder)

    def late(tip: str | None) -> list[str]:
        other.append([Draft(event=judgment())])
        return [tip or other.tip() or "", other.append([Draft(event=judgment(when=1))])[0]]

    with pytest.raises(LedgerError, match="was moved by others"):
        ledger.advance(late)


def test_a_disk_that_takes_no_more_is_said(ledger: Ledger) -> None:
    """The kernel kills git at the first byte beyond a limit, as it refuses one on a full disk."""
    (first,) = ledger.append([Draft(event=judgment())])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(LedgerError, match="nothing was recorded: git hash-object: "):
            ledger.append([Draft(event=judgment(when=1))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ledger.tip() == first
    ledger.append([Draft(event=judgment(when=1))])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes wherever it likes")
def test_a_disk_that_is_read_only_is_said(ledger: Ledger, repository: Repository) -> None:
    """Such as a mounted checkout in a container."""
    ledger.append([Draft(event=judgment())])
    objects = repository.path / ".git/objects"
    folders = [objects, *(each for each in objects.rglob("*") if each.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        with pytest.raises(LedgerError, match="nothing was recorded: git hash-object: "):
            ledger.append([Draft(event=judgment(when=1))])
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_a_ref_that_cannot_be_made_is_said(ledger: Ledger, repository: Repository) -> None:
    """A ref with the name of our folder leaves no room for us."""
    repository.commit()
    repository.git("update-ref", "refs/rollback", "HEAD")
    with pytest.raises(LedgerError, match=r"nothing was recorded: git update-ref: .*'refs/rollback' exists"):
        ledger.append([Draft(event=judgment())])


def test_a_ref_that_a_power_cut_left_empty_is_no_empty_ledger(ledger: Ledger, repository: Repository) -> None:
    """Else all that was ever recorded would seem never to have been."""
    ledger.append([Draft(event=judgment())])
    repository.write(f".git/{REF}", "")
    for use in (ledger.tip, lambda: ledger.append([Draft(event=judgment())]), lambda: Catalogue(ledger)):
        with pytest.raises(LedgerError, match="refs/rollback/ledger is damaged; remove it, then run"):
            use()


def test_a_process_that_is_killed_while_it_appends_leaves_a_whole_ledger(
    ledger: Ledger, repository: Repository
) -> None:
    """Whatever it was doing, what is recorded is whole, and the next one can append."""
    for pause in (0.0, 0.01, 0.02, 0.03, 0.05):
        process = appending(repository.path, "killed", 100)
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    (kept,) = ledger.append([Draft(event=judgment())])
    assert ledger.tip() == kept
    repository.git("fsck", "--strict", "--connectivity-only")
