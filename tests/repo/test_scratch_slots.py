"""A slot is used by one session at a time, and the next one finds it right, whatever became of the last."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo.slots import DAY, DAYS_UNUSED, key_of, pool_folder, take_slot
from pytest_rollback.repo.sweep import remove
from pytest_rollback.repo.troubles import ScratchError

from .scratches import files_in, git, origin_of, prepare

# Takes a slot, prepares it, says so, and stays until it is told to go on, or is killed.
HOLD = """\
import subprocess, sys
from pathlib import Path
from pytest_rollback.repo.replica import Origin
from pytest_rollback.repo.slots import take_slot
top = Path(sys.argv[1])
with take_slot(Origin(top=top, common=top / ".git")) as slot:
    print("taken", flush=True)
    scratch = slot.prepare(tree=sys.argv[2], commit=None, branch="main")
    child = subprocess.Popen(["sleep", "60"], pass_fds=scratch.keep) if "child" in sys.argv else None
    print(scratch.top, scratch.temporary, child and child.pid, sep="\\n", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def pool(git_identity: Path) -> Path:
    """Say where the pools lie: never where those of whoever runs the tests do."""
    assert git_identity.exists()
    return Path(os.environ["XDG_CACHE_HOME"], "pytest-rollback")


@pytest.fixture
def tree(repository: Repository) -> str:
    """Have something to check out."""
    for number in range(200):
        repository.write(f"pkg{number % 7}/mod{number}.py", f"x = {number}\n")
    repository.commit()
    return repository.git("rev-parse", "HEAD^{tree}").strip()


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    """End what a test has started."""
    with ExitStack() as stack:
        yield stack


def hold(processes: ExitStack, repository: Repository, tree: str, *words: str) -> subprocess.Popen[str]:
    """Start a process that takes a slot and keeps it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(repository.path), tree, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    processes.callback(process.__exit__, None, None, None)
    processes.callback(process.kill)
    return process


def told(process: subprocess.Popen[str]) -> list[str]:
    """Wait until a process has its scratch tree; gives its place, its temporary folder and its child."""
    assert process.stdout
    return [process.stdout.readline().removesuffix("\n") for _ in range(4)][1:]


def test_the_pool_lies_where_caches_lie(
    repository: Repository, tree: str, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short, since sockets have to find room below; closed to others; and known to backup programs as a cache."""
    origin = origin_of(repository)
    with take_slot(origin) as slot:
        prepare(slot, repository)
        assert slot.top == pool / key_of(origin.common) / "1" / repository.path.name
        assert len(key_of(origin.common)) == 12
        assert stat.S_IMODE((pool / key_of(origin.common)).stat().st_mode) == 0o700
        assert (pool / "CACHEDIR.TAG").read_text("ascii").startswith("Signature: 8a477f597d28d172789f06886806bc55")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/ada")
    assert pool_folder() == Path("/home/ada/.cache/pytest-rollback")
    assert tree


def test_two_never_share_one(repository: Repository, tree: str, processes: ExitStack) -> None:
    """Each session finds a free one, and none is made that need not be."""
    started = [hold(processes, repository, tree) for _ in range(4)]
    places = {told(process)[0] for process in started}
    assert {Path(place).parent.name for place in places} == {"1", "2", "3", "4"}
    for process in started:
        process.communicate("\n")
    with take_slot(origin_of(repository)) as slot:
        assert slot.folder.name == "1"


def test_work_trees_of_one_repository_keep_their_names(repository: Repository, tree: str, tmp_path: Path) -> None:
    """The name of the top folder may be part of how tests import; what is checked out for one stays."""
    linked = tmp_path / "linked"
    repository.git("worktree", "add", "--quiet", str(linked), "HEAD")
    tops = []
    for top in (repository.path, linked, repository.path):
        with take_slot(origin_of(Repository(top))) as slot:
            tops.append(prepare(slot, Repository(top)).top)
    assert [top.name for top in tops] == [repository.path.name, "linked", repository.path.name]
    assert len({top.parent for top in tops}) == 1
    assert tree


def test_a_child_keeps_the_slot_of_a_parent_that_was_killed(
    repository: Repository, tree: str, processes: ExitStack
) -> None:
    """Its tests still run there; another session under them would judge a mixture of two trees."""
    process = hold(processes, repository, tree, "child")
    place, _, child = told(process)
    process.kill()
    process.wait()
    with take_slot(origin_of(repository)) as slot:
        assert slot.folder != Path(place).parent
    os.kill(int(child), signal.SIGKILL)
    for _ in range(500):
        with take_slot(origin_of(repository)) as slot:
            if slot.folder == Path(place).parent:
                break
        time.sleep(0.01)
    else:
        pytest.fail("the slot never became free")


def test_a_kill_at_any_moment_leaves_nothing_that_the_next_one_trips_over(
    repository: Repository, tree: str, processes: ExitStack
) -> None:
    """Before, while and after git writes; what git may still be at is left to it."""
    expected = set(files_in(repository.path))
    for moment in range(12):
        process = hold(processes, repository, tree)
        assert process.stdout
        assert process.stdout.readline() == "taken\n"
        time.sleep(moment * 0.008)
        process.kill()
        process.wait()
        with take_slot(origin_of(repository)) as slot:
            scratch = prepare(slot, repository)
            assert set(files_in(scratch.top)) == expected
            assert git(scratch.top, "status", "--porcelain") == ""


def test_temporary_files_of_a_killed_session_go_with_the_next(
    repository: Repository, tree: str, processes: ExitStack
) -> None:
    """Nobody else would ever remove them."""
    process = hold(processes, repository, tree)
    _, temporary, _ = told(process)
    Path(temporary, "left").write_text("x", "utf-8")
    process.kill()
    process.wait()
    with take_slot(origin_of(repository)) as slot:
        assert not Path(temporary).exists()
        assert slot.temporary.is_dir()
    assert not slot.temporary.exists()
    assert not slot.control.exists()


def test_a_slot_that_was_being_moved_is_let_settle(repository: Repository, tree: str, pool: Path) -> None:
    """A git that lost its parent goes on for a while, and would rename our index away under us."""
    with take_slot(origin_of(repository)) as slot:
        prepare(slot, repository)
    [lock] = pool.glob("*/1.lock")
    lock.write_bytes(b"moving\0/nowhere")
    with take_slot(origin_of(repository)) as slot:
        assert slot.folder.name == "2"
    os.utime(lock, (0, time.time() - 90))
    with take_slot(origin_of(repository)) as slot:
        assert slot.folder.name == "1"
    assert tree


def test_what_was_not_used_for_long_is_removed(repository: Repository, tree: str, pool: Path, tmp_path: Path) -> None:
    """Of any repository, since one that is gone will never come to tidy up; what is in use stays."""
    other = Repository(tmp_path / "other")
    other.path.mkdir()
    other.git("init", "--quiet")
    other.write("a.py", "")
    other.git("add", "--all")
    with take_slot(origin_of(other)) as slot:
        slot.prepare(tree=other.git("write-tree").strip(), commit=None, branch=None)
        (slot.top / "locked").mkdir(mode=0)
        old = time.time() - DAY * DAYS_UNUSED - 60
        os.utime(slot.folder.with_name("1.lock"), (old, old))
        with take_slot(origin_of(repository)):
            assert slot.top.is_dir()
    with take_slot(origin_of(repository)):
        assert slot.top.is_dir()
    os.utime(slot.folder.with_name("1.lock"), (old, old))
    with take_slot(origin_of(repository)):
        assert not slot.folder.parent.exists()
        assert [path.name for path in pool.glob("*/*.lock")] == ["1.lock"]
    assert tree


@pytest.mark.parametrize("cache", ["file", "read-only", "none"])
def test_without_a_cache_folder_there_is_one_for_once(
    repository: Repository, tree: str, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    """Containers have read-only homes, and service accounts have none."""
    match cache:
        case "file":
            monkeypatch.setenv("XDG_CACHE_HOME", str(repository.write("file", "")))
        case "read-only":
            monkeypatch.setenv("XDG_CACHE_HOME", "/proc/self")
        case "none":
            monkeypatch.delenv("XDG_CACHE_HOME")
            monkeypatch.setenv("HOME", "/proc/nowhere")
    with take_slot(origin_of(repository)) as slot:
        scratch = prepare(slot, repository)
        assert set(files_in(scratch.top)) == set(files_in(repository.path)) - {"file"}
        assert scratch.top.name == repository.path.name
        assert scratch.keep == ()
        assert scratch.control.is_dir()
    assert not slot.folder.parent.exists()
    assert tree


def test_a_disk_that_takes_nothing_is_told_of(
    repository: Repository, tree: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason and the remedy, and no traceback; the slot is free again."""
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", "/proc/self")
        with pytest.raises(ScratchError, match=r"/proc/self/prb-.* can't be written: .*; make room, or set"):
            take_slot(origin_of(repository)).__enter__()
    with take_slot(origin_of(repository)) as slot:
        assert slot.folder.name == "1"
        remove(slot.temporary)
        assert prepare(slot, repository).temporary.is_dir()
    assert tree


def test_temporary_paths_are_short(
    repository: Repository, tree: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's path has 108 characters, and tests put theirs far below."""
    far = tmp_path / ("x" * 60)
    far.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(far))
    with take_slot(origin_of(repository)) as slot:
        assert len(str(slot.temporary)) < 24
    assert tree
