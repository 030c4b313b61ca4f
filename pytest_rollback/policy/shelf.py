"""The baselines as they lie in the work tree: reads all of a folder, and changes several files at once or none.

A change is first written whole beside the files, then as a plan under one name, and only then carried out. With that
name it is made: a plan that a process left behind is read as done, and the next change completes it.

    .search.json.4711.part      written first: what does not fit on the disk shows here
    .accepting                  the plan: what each file was, and what it is to be
    search.json                 replaced one by one; then the plan goes
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from pytest_rollback.policy.baselines import ENDING, FOLDER, LARGEST, Baseline, Shelf, is_file_name, shelve

try:
    import fcntl
except ImportError:  # pragma: no cover (without locks, whoever comes completes what is there)
    fcntl = None  # type: ignore[assignment]

LOG = ".accepting"
PART = ".part"
PATIENCE_S, PAUSE_S = 10.0, 0.02
READS = 50
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
UNCHANGED = "nothing was changed"


class ShelfError(Exception):
    """The baselines can't be changed; says why, and what to do."""


class UnfinishedError(ShelfError):
    """The baselines are changed, and some of their files are not yet written; whoever reads them here sees it done."""


class _Step(Struct, frozen=True):
    """What becomes of one file: the sum of what it was, and what it is to be; null where it is not there."""

    was: str | None
    now: bytes | None


Plan = Mapping[str, _Step]
Sight = dict[str, tuple[int, ...] | None]


# --- reading ---


def take_shelf(root: Path) -> Shelf:
    """Read the baselines of a project. What can't be read is a trouble of its own file, and of none other."""
    folder = root / FOLDER
    try:
        contents, troubles = _contents(folder)
    except FileNotFoundError:
        lost = next((place for place in (folder.parent, folder) if os.path.lexists(place) and not place.exists()), None)
        return Shelf(troubles={"": f"can't be read: {lost.name} is a link that leads nowhere"} if lost else {})
    except OSError as error:
        return Shelf(troubles={"": f"can't be read: {error.strerror}"})
    shelf = shelve(contents)
    return Shelf(shelf.baselines, {**shelf.troubles, **troubles})


def is_unfinished(root: Path) -> bool:
    """Whether a change was cut short, which the next one completes."""
    return bool(_planned(root / FOLDER / LOG))


def _contents(folder: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Read all files as they stood together: what was changed meanwhile is read again."""
    before = _sight(folder)
    for _ in range(READS):
        contents: dict[str, bytes] = {}
        troubles: dict[str, str] = {}
        for name in sorted(filter(is_file_name, before)):
            try:
                contents[name] = _content(folder / name)
            except OSError as error:
                troubles[name] = _told(error)
        plan = _planned(folder / LOG)
        now = _sight(folder)
        if now == before:
            break
        before = now
        time.sleep(PAUSE_S)
    for name, step in plan.items():
        if name not in troubles and _sum(contents.get(name)) == step.was:
            contents.pop(name, None)
            if step.now is not None:
                contents[name] = step.now
    return contents, troubles


def _sight(folder: Path) -> Sight:
    """Say which files are there, and by what one tells that they were replaced."""
    seen: Sight = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_file_name(entry.name) or entry.name == LOG:
                try:
                    found = entry.stat()
                except OSError:
                    seen[entry.name] = None
                else:
                    seen[entry.name] = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return seen


def _content(path: Path) -> bytes:
    """Read a file, if it is one: a pipe would keep us waiting, and a device would never end."""
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(opened).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is no file", str(path))
        with open(opened, "rb", closefd=False) as file:
            return file.read(LARGEST + 1)
    finally:
        os.close(opened)


def _told(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "is a link that leads nowhere; remove it, or bring back what it leads to"
    return f"can't be read: {error.strerror}"


def _sum(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _planned(log: Path) -> Plan:
    """Read what somebody began. A plan that is not whole was never begun."""
    try:
        document = json.loads(log.read_bytes())
        plan = {name: _step(name, *step) for name, step in document.items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return {}
    return plan


def _written(plan: Plan) -> bytes:
    spelt = {name: None if step.now is None else base64.b64encode(step.now).decode() for name, step in plan.items()}
    return json.dumps({name: (step.was, spelt[name]) for name, step in plan.items()}).encode()


def _step(name: str, was: str | None, now: str | None) -> _Step:
    if not is_file_name(name):
        raise ValueError(name)
    return _Step(was, None if now is None else base64.b64decode(now, validate=True))


# --- changing ---


def put(root: Path, files: Mapping[str, bytes | None], *, seen: Shelf | None = None) -> None:
    """Write some baselines' files and remove others (null), all of them or none, however this process ends.

    `seen` is what the change was decided on: where one of the files says something else by now, nothing is changed.
    """
    if odd := [name for name in files if not is_file_name(name)]:
        msg = f"{odd[0]!r} is no file of a baseline; it ends in {ENDING}, and begins with no dot"
        raise ValueError(msg)
    if not files:
        return
    folder = root / FOLDER
    try:
        _make(folder)
        with _alone(folder) as is_locked:
            _complete(folder)
            if is_locked:
                _tidy(folder)
            if seen is not None:
                _hold_to(seen, take_shelf(root), files)
            _change(folder, files)
    except OSError as error:
        named = Path(error.filename).name if isinstance(error.filename, (str, os.PathLike)) else folder.name
        what = FOLDER if named == folder.name else f"{FOLDER}/{named}"
        msg = f"{what}: {error.strerror or error}; {UNCHANGED}"
        raise ShelfError(msg) from error


def _make(folder: Path) -> None:
    for place in (folder.parent, folder):
        if os.path.lexists(place) and not place.is_dir():
            msg = f"{place.relative_to(folder.parent.parent)} is no folder; remove it, then try again; {UNCHANGED}"
            raise ShelfError(msg)
    folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Keep others from changing the folder; they wait a moment. Gives whether the file system could promise that."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _lock(opened)
    finally:
        os.close(opened)


def _lock(opened: int) -> bool:
    end = time.monotonic() + PATIENCE_S
    while fcntl is not None:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > end:
                msg = f"another process changes the baselines here just now; {UNCHANGED}, try again"
                raise ShelfError(msg) from error
            time.sleep(PAUSE_S)
        except OSError:
            break  # a file system without locks
        else:
            return True
    return False


def _hold_to(seen: Shelf, now: Shelf, files: Mapping[str, bytes | None]) -> None:
    """Refuse to write over what somebody else has written since it was looked at."""
    before, after = (_by_file(shelf) for shelf in (seen, now))
    for name in files:
        if before.get(name) != after.get(name):
            msg = f"{FOLDER}/{name} was changed by somebody else meanwhile; {UNCHANGED}, try again"
            raise ShelfError(msg)


def _by_file(shelf: Shelf) -> dict[str, Baseline | str]:
    return {**{baseline.file: baseline for baseline in shelf.baselines.values()}, **shelf.troubles}


def _change(folder: Path, files: Mapping[str, bytes | None]) -> None:
    plan = {name: _Step(_sum(_present(folder / name)), now) for name, now in files.items()}
    parts: dict[str, Path] = {}
    try:
        for name, step in plan.items():
            if step.now is not None:
                parts[name] = _write_part(folder, name, step.now)
        parts[LOG] = _write_part(folder, LOG, _written(plan))
        _take_place(parts[LOG], folder / LOG)
    except BaseException:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise
    try:
        _carry_out(folder, plan, parts)
    except OSError as error:
        msg = f"{FOLDER}: changed, but not yet written in full ({error.strerror}); the next change completes it"
        raise UnfinishedError(msg) from error


def _present(path: Path) -> bytes | None:
    try:
        return _content(path)
    except FileNotFoundError:
        return None


def _part_of(folder: Path, name: str) -> Path:
    return folder / f".{name.removeprefix('.')}.{os.getpid()}{PART}"


def _write_part(folder: Path, name: str, content: bytes) -> Path:
    """Write a file beside its place; half of one leaves nothing behind."""
    part = _part_of(folder, name)
    part.unlink(missing_ok=True)
    opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(opened, "wb") as file:  # noqa: PTH123 (it is open already)
            file.write(content)
            file.flush()
            os.fsync(opened)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    return part


def _take_place(part: Path, log: Path) -> None:
    """Put the plan where others see it. From here on the change is made."""
    try:
        os.link(part, log)
    except FileExistsError as error:
        msg = f"{FOLDER}/{LOG} is in the way; if nothing else changes baselines here, remove it; {UNCHANGED}"
        raise ShelfError(msg) from error
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        part.replace(log)  # a file system without links, where two at once are told apart by the lock alone
    _sync(log.parent)


def _carry_out(folder: Path, plan: Plan, parts: Mapping[str, Path]) -> None:
    """Bring each file to what it is to be. One that has become something else since is its owner's."""
    for name, step in plan.items():
        if _sum(_present(folder / name)) != step.was or _sum(step.now) == step.was:
            continue
        if step.now is None:
            (folder / name).unlink()
        else:
            (parts.get(name) or _write_part(folder, name, step.now)).replace(folder / name)
    _sync(folder)
    (folder / LOG).unlink(missing_ok=True)
    for part in parts.values():
        part.unlink(missing_ok=True)
    _sync(folder)


def _complete(folder: Path) -> None:
    """Carry out what a process that died has begun."""
    log = folder / LOG
    if os.path.lexists(log):
        _carry_out(folder, _planned(log), {})


def _tidy(folder: Path) -> None:
    """Remove what processes that died had written beside the files; nobody else is at it, so none of it is in use."""
    for path in folder.glob(f".*{PART}"):
        with suppress(OSError):
            path.unlink()


def _sync(folder: Path) -> None:
    """Have the disk know which files are there."""
    with suppress(OSError):  # some file systems can't do that for a folder
        opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
