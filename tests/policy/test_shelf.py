"""The folder of baselines: several files change at once or none, however a process ends, and reading harms nobody."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from pytest_rollback.policy import shelf as shelves
from pytest_rollback.policy.baselines import FOLDER, LARGEST, Accepted, Baseline, Shelf, write
from pytest_rollback.policy.shelf import LOG, ShelfError, UnfinishedError, is_unfinished, put, take_shelf

PLAIN = Baseline(name="a", value=1.0, accepted=Accepted(at="2026-11-21T12:00:00Z"))
ONE, TWO, THREE = ({name: float(number) for name in names} for number, names in ((1, "abc"), (2, "abd"), (3, "e")))


def files(values: dict[str, float | None]) -> dict[str, bytes | None]:
    """Write baselines of some values; null removes one."""
    return {
        f"{n}.json": None if v is None else write(structs.replace(PLAIN, name=n, value=v)) for n, v in values.items()
    }


def values(root: Path) -> dict[str, float]:
    """Read the values of all baselines, none of which is damaged."""
    shelf = take_shelf(root)
    assert shelf.troubles == {}
    return {baseline.name: baseline.value for baseline in shelf.baselines.values()}


def there(root: Path) -> list[str]:
    """List all that lies in the folder."""
    return sorted(path.name for path in (root / FOLDER).iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of a project with three baselines."""
    put(tmp_path, files(dict(ONE)))
    return tmp_path / FOLDER


def test_what_was_put_is_there_and_nothing_else(tmp_path: Path) -> None:
    """Some are written, some replaced, some removed, and no file of ours is left beside them."""
    assert take_shelf(tmp_path) == Shelf()
    put(tmp_path, files(dict(ONE)))
    put(tmp_path, files({"a": 2.0, "b": None, "c": None, "d": 4.0}))
    assert values(tmp_path) == {"a": 2.0, "d": 4.0}
    assert there(tmp_path) == ["a.json", "d.json"]
    put(tmp_path, {})
    put(tmp_path, files({"a": None, "d": None, "never": None}))
    assert values(tmp_path) == {}
    assert there(tmp_path) == []


@pytest.mark.parametrize("name", ["../a.json", ".a.json", "a", "a.json/", "", "x/a.json"])
def test_only_files_of_baselines_can_be_put(tmp_path: Path, name: str) -> None:
    """Whatever is asked for, nothing outside the folder changes."""
    with pytest.raises(ValueError, match="is no file of a baseline"):
        put(tmp_path, {name: b""})
    assert list(tmp_path.iterdir()) == []


# --- what lies in the way of reading ---


def test_what_cannot_be_read_is_a_trouble_of_its_own(folder: Path) -> None:
    """Folders, pipes, links into nothing and files that are too large; all others are read."""
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    (folder / "lost.json").symlink_to("nowhere.json")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "device.json").symlink_to("/dev/zero")
    with (folder / "large.json").open("wb") as file:
        file.truncate(50 * LARGEST)
    (folder / "empty.json").touch()
    shelf = take_shelf(folder.parent.parent)
    assert sorted(shelf.baselines) == ["a", "b", "c"]
    said = {file: told.split(";")[0] for file, told in shelf.troubles.items()}
    assert said.pop("empty.json").startswith("is no baseline")
    assert said == {
        "folder.json": "can't be read: it is a folder",
        "pipe.json": "can't be read: it is no file",
        "device.json": "can't be read: it is no file",
        "lost.json": "is a link that leads nowhere",
        "loop.json": "can't be read: Too many levels of symbolic links",
        "large.json": "is larger than 4 MB, which no baseline is",
    }


def test_a_linked_file_is_read(folder: Path) -> None:
    """Where it leads somewhere."""
    (folder / "a.json").rename(folder.parent / "elsewhere")
    (folder / "a.json").symlink_to("../elsewhere")
    assert values(folder.parent.parent) == ONE


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads whatever it likes")
def test_what_may_not_be_read_is_named(folder: Path) -> None:
    """A file alone, or the whole folder."""
    (folder / "a.json").chmod(0)
    assert take_shelf(folder.parent.parent).troubles == {"a.json": "can't be read: Permission denied"}
    folder.chmod(0)
    assert take_shelf(folder.parent.parent).troubles == {"": "can't be read: Permission denied"}
    folder.chmod(0o755)


@pytest.mark.parametrize("place", [FOLDER, FOLDER.partition("/")[0]])
def test_a_folder_that_is_none_is_everyones_trouble(tmp_path: Path, place: str) -> None:
    """Neither a file nor a link into nothing is a project without baselines."""
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("nowhere")
    told = f"can't be read: {path.name} is a link that leads nowhere"
    assert take_shelf(tmp_path).troubles == {"": told}
    with pytest.raises(ShelfError, match=r"is no folder; remove it, then try again; nothing was changed"):
        put(tmp_path, files(dict(ONE)))
    path.unlink()
    path.write_text("x", "utf-8")
    assert take_shelf(tmp_path).troubles == {"": "can't be read: Not a directory"}
    with pytest.raises(ShelfError, match=r"is no folder; remove it, then try again; nothing was changed"):
        put(tmp_path, files(dict(ONE)))


# --- what lies in the way of writing ---


def test_a_folder_in_a_files_place_stops_all_of_the_change(folder: Path) -> None:
    """Nothing is half done because of it."""
    root = folder.parent.parent
    (folder / "d.json").mkdir()
    with pytest.raises(ShelfError, match=r"baselines/d\.json: it is a folder; nothing was changed"):
        put(root, files(dict(TWO)))
    (folder / "d.json").rmdir()
    assert values(root) == ONE
    assert there(root) == ["a.json", "b.json", "c.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes wherever it likes")
def test_a_folder_that_may_not_be_written_changes_in_nothing(folder: Path) -> None:
    """As on a disk that can only be read."""
    folder.chmod(0o555)
    with pytest.raises(ShelfError, match="Permission denied; nothing was changed"):
        put(folder.parent.parent, files(dict(TWO)))
    folder.chmod(0o755)
    assert values(folder.parent.parent) == ONE


READ_ONLY = """
import sys
from pathlib import Path
from pytest_rollback.policy.shelf import ShelfError, put
from pytest_rollback.policy.shelf import take_shelf
try:
    put(Path(sys.argv[1]), {"a.json": b"{}"})
except ShelfError as error:
    print(error)
print(*take_shelf(Path(sys.argv[1])).baselines)
"""


def test_a_disk_that_can_only_be_read_changes_in_nothing(folder: Path) -> None:
    """A real one, where this system lets us mount it."""
    root = folder.parent.parent
    command = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -c "$3" "$1"'
    unshared = [
        "unshare",
        "--mount",
        "--map-root-user",
        "sh",
        "-c",
        command,
        "sh",
        str(root),
        sys.executable,
        READ_ONLY,
    ]
    try:
        done = subprocess.run(unshared, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    told, read = done.stdout.splitlines()
    assert told.endswith(": Read-only file system; nothing was changed")
    assert read == "a b c"


FULL = """
import resource, sys
from pathlib import Path
from pytest_rollback.policy.shelf import ShelfError, put
root, largest = Path(sys.argv[1]), int(sys.argv[2])
new = {path.name: path.read_bytes() for path in Path(sys.argv[3]).iterdir()}
resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
try:
    put(root, {**new, "c.json": None})
except ShelfError as error:
    print(error)
"""


@pytest.mark.parametrize("largest", [0, 1, 100, 300, 400, 3000])
def test_a_disk_that_takes_no_more_changes_all_or_nothing(folder: Path, tmp_path: Path, largest: int) -> None:
    """The files fit and the plan does not, or not even those: nothing of it is done."""
    assert folder.is_dir()
    new = tmp_path / "new"
    new.mkdir()
    for name, content in files(dict(TWO)).items():
        (new / name).write_bytes(content or b"")
    assert all(200 < path.stat().st_size < 300 for path in new.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(largest), str(new)], capture_output=True, text=True, check=True
    )
    if largest == 3000:
        assert (done.stdout, values(tmp_path)) == ("", TWO)
    else:
        assert done.stdout.endswith("File too large; nothing was changed\n")
        assert values(tmp_path) == ONE
        assert there(tmp_path) == ["a.json", "b.json", "c.json"]


# --- what somebody else does meanwhile ---


def test_what_changed_since_it_was_looked_at_is_not_written_over(folder: Path) -> None:
    """It may have been pinned in between; what else changed is none of our business."""
    root = folder.parent.parent
    seen = take_shelf(root)
    put(root, files(dict(THREE)))
    put(root, files({"a": 1.5}), seen=seen)
    with pytest.raises(ShelfError, match=r"baselines/a\.json was changed by somebody else meanwhile; nothing was"):
        put(root, files({"a": 2.0, "b": 2.0}), seen=seen)
    with pytest.raises(ShelfError, match=r"baselines/e\.json was changed by somebody else"):
        put(root, files({"e": None}), seen=seen)
    assert values(root) == {"a": 1.5, "b": 1.0, "c": 1.0, "e": 3.0}


def test_whoever_comes_second_waits_and_then_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change takes no longer than a moment; one that does not end is not waited for for ever."""
    root = folder.parent.parent
    monkeypatch.setattr(shelves, "PATIENCE_S", 0.05)
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(ShelfError, match="another process changes the baselines here just now; nothing was changed"):
        put(root, files(dict(TWO)))
    assert values(root) == ONE
    os.close(other)
    put(root, files({**TWO, "c": None}))
    assert values(root) == TWO


CROWD = """
import sys
from pathlib import Path
from msgspec import structs
from pytest_rollback.policy.baselines import Accepted, Baseline, write
from pytest_rollback.policy.shelf import put, take_shelf
root, own = Path(sys.argv[1]), sys.argv[2]
plain = Baseline(name="a", value=1.0, accepted=Accepted(at="2026-11-21T12:00:00Z"))
for number in range(12):
    names = (f"{own}-{number}", "left", "right")
    put(root, {f"{n}.json": write(structs.replace(plain, name=n, value=float(number), unit=own)) for n in names})
    shelf = take_shelf(root)
    assert not shelf.troubles, shelf.troubles
    pair = [shelf.baselines[name] for name in ("left", "right")]
    assert pair[0].value == pair[1].value and pair[0].unit == pair[1].unit, pair
"""


def test_many_at_once_lose_nothing_and_see_no_mix(tmp_path: Path) -> None:
    """Each of them changes a pair that belongs together, and files of its own."""
    crowd = [
        subprocess.Popen([sys.executable, "-c", CROWD, str(tmp_path), own], stderr=subprocess.PIPE) for own in "xyz"
    ]
    said = [process.communicate()[1].decode() for process in crowd]
    assert said == ["", "", ""]
    assert [name for name in there(tmp_path) if name.startswith(".")] == []
    assert sorted(values(tmp_path)) == sorted(["left", "right", *(f"{own}-{n}" for own in "xyz" for n in range(12))])


# --- a process that is killed ---

KILLED = """
import json, os, signal, sys
from pathlib import Path
from pytest_rollback.policy import shelf

os.fsync = lambda _: None  # what a process that is killed has written is the kernel's; the disk is for power cuts

def put_and_die(root, change, at):
    # Ends this process at the given line that it runs there; gives whether it came to its end before.
    done = 0
    def trace(frame, event, argument):
        nonlocal done
        if frame.f_code.co_filename != shelf.__file__:
            return None
        done += event in ("line", "return")
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    shelf.put(root, change)
    sys.settrace(None)

jobs = json.loads(sys.stdin.read())
for root, change, ats in jobs:
    change = {name: None if text is None else text.encode() for name, text in change.items()}
    for at in ats:
        pid = os.fork()
        if not pid:
            put_and_die(Path(root), change, at)
            os._exit(7)
        status = os.waitpid(pid, 0)[1]
        print(os.WIFSIGNALED(status), flush=True)
"""


def killed_at(jobs: list[tuple[Path, dict[str, float | None], list[int]]]) -> list[bool]:
    """Change a folder in real processes that are killed after so many steps; gives which of them were."""
    told = []
    for root, change, ats in jobs:
        spelt = {name: None if text is None else text.decode() for name, text in files(change).items()}
        told.append((str(root), spelt, ats))
    script, feed = [sys.executable, "-c", KILLED], json.dumps(told)
    done = subprocess.run(script, input=feed, capture_output=True, text=True, check=True)
    return [line == "True" for line in done.stdout.split()]


CHANGE: dict[str, float | None] = {**TWO, "c": None}


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Give a project for each step of a change at which its process was killed."""
    roots: list[Path] = []
    for first in range(1, 1000, 100):
        fresh = [tmp_path_factory.mktemp("killed") for _ in range(100)]
        for root in fresh:
            (root / FOLDER).mkdir(parents=True)
            for name, content in files(dict(ONE)).items():
                (root / FOLDER / name).write_bytes(content or b"")
        killed = killed_at([(root, CHANGE, [first + number]) for number, root in enumerate(fresh)])
        roots += [root for root, was_killed in zip(fresh, killed, strict=True) if was_killed]
        if not all(killed):
            return roots
    pytest.fail("a change of four files takes more than a thousand steps")


def test_a_process_killed_at_any_step_leaves_all_or_nothing(dead: list[Path]) -> None:
    """Both are seen, first the one and then the other, and never a mix."""
    seen = [values(root) for root in dead]
    assert [each for each in seen if each not in (ONE, TWO)] == []
    done = seen.index(TWO)
    assert 50 < done < len(seen) - 20
    assert seen == [ONE] * done + [TWO] * (len(seen) - done)
    unfinished = [is_unfinished(root) for root in dead]
    assert any(unfinished[done:])
    assert not any(unfinished[:done])


def copied(root: Path, to: Path) -> Path:
    """Copy a project that others look at too."""
    (to / FOLDER).mkdir(parents=True)
    for path in (root / FOLDER).iterdir():
        (to / FOLDER / path.name).write_bytes(path.read_bytes())
    return to


def test_the_next_change_completes_it_and_clears_up(dead: list[Path], tmp_path: Path) -> None:
    """In the files themselves, which is what git sees."""
    for number, root in enumerate(dead[::3]):
        before, copy = values(root), copied(root, tmp_path / str(number))
        put(copy, files(dict(THREE)))
        assert values(copy) == {**before, **THREE}
        assert there(copy) == sorted(f"{name}.json" for name in {**before, **THREE})
        assert not is_unfinished(copy)


def test_whoever_completes_it_may_be_killed_too(dead: list[Path], tmp_path: Path) -> None:
    """Over and over, a few steps further each time."""
    left = [root for root in dead if is_unfinished(root)][:: max(1, len(dead) // 20)]
    begun = [copied(root, tmp_path / str(number)) for number, root in enumerate(left)]
    assert begun
    killed_at([(root, dict(THREE), list(range(1, 400, 23))) for root in begun])
    for root in begun:
        assert values(root) in (TWO, {**TWO, **THREE})
        put(root, files(dict(THREE)))
        assert values(root) == {**TWO, **THREE}
        assert [name for name in there(root) if name.startswith(".")] == []


# --- a plan that was left behind ---


@pytest.fixture
def begun(dead: list[Path], tmp_path: Path) -> Path:
    """Give a project with a plan of which nothing is carried out yet."""
    for root in dead:
        folder = root / FOLDER
        if is_unfinished(root) and b"1.0" in (folder / "a.json").read_bytes():
            return copied(root, tmp_path / "begun")
    pytest.fail("no process was killed there")


def test_what_was_changed_by_hand_since_then_stands(begun: Path) -> None:
    """A merge or a checkout came after it, and is what somebody wanted."""
    (begun / FOLDER / "a.json").write_bytes(files({"a": 9.0})["a.json"] or b"")
    assert values(begun) == {**TWO, "a": 9.0}
    put(begun, files(dict(THREE)))
    assert values(begun) == {**TWO, **THREE, "a": 9.0}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"../x.json": [null, ""]}', b'{"a.json": ["", "?"]}', b"\xff"])
def test_a_damaged_plan_was_never_begun(begun: Path, content: bytes) -> None:
    """It is put in place whole, so a damaged one is not ours."""
    (begun / FOLDER / LOG).write_bytes(content)
    assert not is_unfinished(begun)
    assert values(begun) == ONE
    put(begun, files(dict(THREE)))
    assert values(begun) == {**ONE, **THREE}
    assert there(begun) == ["a.json", "b.json", "c.json", "e.json"]


def test_a_folder_in_the_place_of_the_plan_is_named(folder: Path) -> None:
    """It is not ours to remove."""
    (folder / LOG).mkdir()
    with pytest.raises(ShelfError, match=r"baselines/\.accepting: .*; nothing was changed"):
        put(folder.parent.parent, files(dict(TWO)))
    assert values(folder.parent.parent) == ONE


def test_what_fails_after_it_was_made_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk goes away half-way: whoever reads sees all of it, and the next change writes the rest."""
    root = folder.parent.parent
    replace = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if target.name == "b.json":
            raise OSError(5, "Input/output error", str(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(UnfinishedError, match="changed, but not yet written in full"):
        put(root, files(CHANGE))
    monkeypatch.undo()
    assert b"1.0" in (folder / "b.json").read_bytes()
    assert values(root) == TWO
    put(root, files(dict(THREE)))
    assert there(root) == ["a.json", "b.json", "d.json", "e.json"]
    assert values(root) == {**TWO, **THREE}


def test_it_works_without_locks_and_without_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network's file systems."""

    def refused(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.setattr(os, "link", refused)
    put(folder.parent.parent, files(CHANGE))
    assert values(folder.parent.parent) == TWO
    assert there(folder.parent.parent) == ["a.json", "b.json", "d.json"]
