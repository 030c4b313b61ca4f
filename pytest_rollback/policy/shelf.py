"""The baselines as they lie in the work tree: reads all of a folder, and changes several files at once or none.

A change is first written down whole, under one name, and then carried out. Whoever finds that file of a process that
died reads it as done, and the next change completes it.
"""

from __future__ import annotations

import base64
import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_rollback.policy.baselines import ENDING, FOLDER, Shelf, shelve

try:
    import fcntl
except ImportError:  # pragma: no cover (without locks, whoever comes completes what is there)
    fcntl = None  # type: ignore[assignment]

LOG = ".accepting"


class ShelfError(Exception):
    """The baselines can't be changed; says why, and what to do."""


def take_shelf(root: Path) -> Shelf:
    """Read the baselines of a project. What can't be read is a trouble of its own file, and of none other."""
    folder = root / FOLDER
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except FileNotFoundError:
        return Shelf()
    except OSError as error:
        return Shelf(troubles={"": f"can't be read: {error.strerror}"})
    contents: dict[str, bytes] = {}
    troubles: dict[str, str] = {}
    for name in names:
        if name.endswith(ENDING) and not name.startswith("."):
            try:
                contents[name] = (folder / name).read_bytes()
            except OSError as error:
                troubles[name] = f"can't be read: {error.strerror}"
    for name, content in _begun(folder / LOG).items():
        contents.pop(name, None)
        if content is not None:
            contents[name] = content
    shelf = shelve(contents)
    return Shelf(shelf.baselines, {**shelf.troubles, **troubles})


def put(root: Path, files: Mapping[str, bytes | None]) -> None:
    """Write some baselines' files and remove others (null), all of them or none, however this process ends."""
    folder = root / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _logged(folder, files):
            _carry_out(folder, files)
    except OSError as error:
        msg = f"{FOLDER}: {error.strerror or error}; nothing was accepted"
        raise ShelfError(msg) from error


def _carry_out(folder: Path, files: Mapping[str, bytes | None]) -> None:
    for name, content in files.items():
        if content is None:
            (folder / name).unlink(missing_ok=True)
        else:
            beside = folder / f".{name}.{os.getpid()}"
            beside.write_bytes(content)
            beside.replace(folder / name)


@contextmanager
def _logged(folder: Path, files: Mapping[str, bytes | None]) -> Iterator[None]:
    """Write down what is to be done, whole and locked before anybody sees it, and take it away once it is done."""
    log, fresh = folder / LOG, folder / f"{LOG}.{os.getpid()}"
    file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        _lock(file)
        plan = {
            name: None if content is None else base64.b64encode(content).decode() for name, content in files.items()
        }
        os.write(file, json.dumps(plan).encode())
        os.fsync(file)
        _take_place(fresh, log, folder)
        try:
            yield
        except OSError:
            log.unlink(missing_ok=True)  # it is this process that tells of it, and what it began stays a mix of both
            raise
        log.unlink(missing_ok=True)
    finally:
        fresh.unlink(missing_ok=True)
        os.close(file)


def _take_place(fresh: Path, log: Path, folder: Path) -> None:
    """Put the plan where others see it; one of a process that died is carried out first."""
    for _ in range(2):
        try:
            os.link(fresh, log)
        except FileExistsError:
            _complete(log, folder)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
            fresh.replace(log)  # a file system without links: two at once are told apart by the lock no longer
            return
        else:
            return
    msg = f"{FOLDER}/{LOG} is in the way; if nothing accepts baselines here, remove it"
    raise ShelfError(msg)


def _complete(log: Path, folder: Path) -> None:
    with suppress(FileNotFoundError):
        file = os.open(log, os.O_RDWR)
        try:
            if not _lock(file):
                msg = "another process accepts baselines here just now; nothing was accepted, try again"
                raise ShelfError(msg)
            _carry_out(folder, _begun(log))
            log.unlink(missing_ok=True)
        finally:
            os.close(file)


def _begun(log: Path) -> dict[str, bytes | None]:
    """Read what somebody began; a plan that is not whole was never begun."""
    try:
        plan = json.loads(log.read_bytes())
        return {
            str(name): None if content is None else base64.b64decode(content, validate=True)
            for name, content in plan.items()
            if Path(name).name == name
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _lock(file: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True
