"""The pool of scratch trees: one is taken, is used by one session alone, and stays for the next.

    <cache>/pytest-rollback/<the repository>/1.lock      held while the slot is in use
                                             1.control   what its guarded processes had to say
                                             1/NAME      the scratch tree, named as the user's work tree

A slot may have been left by a process that was killed at any step; the next one that takes it makes it right.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_rollback.repo import scratch
from pytest_rollback.repo.replica import Origin
from pytest_rollback.repo.sweep import is_folder, remove

try:
    import fcntl
except ImportError:  # pragma: no cover (without locks no two processes can share a pool)
    fcntl = None  # type: ignore[assignment]

DAYS_UNUSED = 14
DAY = 86400
MOST = 1000
# A git that lost its parent may go on writing for a while; what it was about is left alone for so long.
SETTLING = 60
MOVING, STEADY = b"moving", b"steady"
SHORT = 24  # characters: a socket's path has 108 in all, and pytest's own folders take most of them
TEMPORARY = "prb-"


class Slot:
    """A place for a scratch tree, taken by this process."""

    def __init__(self, origin: Origin, folder: Path, lock: int | None) -> None:
        if not is_folder(folder):  # a link in its place would lead into somebody's work
            remove(folder)
            folder.mkdir()
        self.origin = origin
        self.folder = folder = folder.resolve()
        self.top = folder / (origin.top.name or "root")
        self.control = folder.with_name(f"{folder.name}.control")
        self.temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=_short_folder())).resolve()
        self.keep: tuple[int, ...] = () if lock is None else (lock,)
        self._note(STEADY)

    def prepare(self, *, tree: str, commit: str | None, branch: str | None) -> scratch.Scratch:
        """Make its scratch tree hold a tree, as checked out from a commit on a branch."""
        with _told_of_disks():
            self._empty()
            self._note(MOVING)
        try:
            notes = scratch.prepare(self.top, self.origin, tree=tree, commit=commit, branch=branch)
        finally:
            self._note(STEADY)
        return scratch.Scratch(
            top=self.top,
            tree=tree,
            notes=notes,
            control=self.control,
            temporary=self.temporary,
            keep=self.keep,
        )

    def _empty(self) -> None:
        """Have nothing of the last tree's processes left; a test may have removed its folders itself."""
        remove(self.control)
        self.control.mkdir()
        self.temporary.mkdir(mode=0o700, exist_ok=True)
        for left in self.temporary.iterdir():
            remove(left)

    def leave(self) -> None:
        """Give back what only this process needs. The tree stays as it is; the next one sweeps it.

        What something that still runs keeps on filling is left to the next one as well.
        """
        for folder in (self.temporary, self.control):
            with suppress(OSError):
                remove(folder)

    def _note(self, state: bytes) -> None:
        """Write down, for who comes after a kill, what was going on and where the temporary files are."""
        for lock in self.keep:
            content = state + b"\0" + os.fsencode(self.temporary)
            os.pwrite(lock, content, 0)
            os.ftruncate(lock, len(content))


@contextmanager
def take_slot(origin: Origin) -> Iterator[Slot]:
    """Take a free slot of the repository's pool, or a new one; without a cache folder one that is removed at the end.

    A child process that is given `keep` as `pass_fds` holds the slot too, so that nobody takes it from under a test
    run whose parent was killed.
    """
    taken = _take_pooled(origin)
    try:
        with _told_of_disks():
            slot = Slot(origin, *(taken or (_one_off(), None)))
        try:
            yield slot
        finally:
            slot.leave()
            if not taken:
                with suppress(OSError):
                    remove(slot.folder.parent)
    finally:
        if taken:
            os.utime(taken[1])
            os.close(taken[1])


@contextmanager
def _told_of_disks() -> Iterator[None]:
    """Turn what the system says of a full or read-only disk into what a gate says."""
    try:
        yield
    except OSError as error:
        raise scratch.disk_trouble(error) from error


def pool_folder() -> Path | None:
    """Give the folder of all pools; None where the user has no place for caches."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / "pytest-rollback"
    try:
        return Path.home() / ".cache" / "pytest-rollback"
    except RuntimeError:
        return None


def key_of(common: Path) -> str:
    """Name the pool of a repository."""
    return hashlib.sha256(os.fsencode(os.path.realpath(common))).hexdigest()[:12]


def _take_pooled(origin: Origin) -> tuple[Path, int] | None:
    root = pool_folder()
    if root is None or fcntl is None:
        return None
    pool = root / key_of(origin.common)
    try:
        _open_pool(root, pool, origin)
        taken = next(filter(None, (_take(pool / str(number)) for number in range(1, MOST))), None)
    except OSError:
        return None
    if taken:
        with suppress(OSError):
            _prune(root)
    return taken


def _open_pool(root: Path, pool: Path, origin: Origin) -> None:
    pool.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (root / "CACHEDIR.TAG").exists():
        (root / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n", "ascii")
    if root.resolve().is_relative_to(origin.top.resolve()) and not (root / ".gitignore").exists():
        # Some CI systems keep their caches in the work tree, where ours would look like work of the user's.
        (root / ".gitignore").write_text("*\n", "ascii")


def _take(folder: Path) -> tuple[Path, int] | None:
    """Lock a slot; None where somebody uses it, or where a killed one's git may still be at work."""
    lock = _lock(_lock_of(folder))
    if lock is None:
        return None
    if not _is_at(lock, _lock_of(folder)):
        os.close(lock)  # somebody removed it before we had it
        return _take(folder)
    state, temporary = _told(lock)
    if state == MOVING and time.time() - os.fstat(lock).st_mtime < SETTLING:
        os.close(lock)
        return None
    _clear_after(temporary)
    return folder, lock


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _lock(path: Path) -> int | None:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        os.close(lock)
        raise
    return lock


def _is_at(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except OSError:
        return False


def _told(lock: int) -> tuple[bytes, Path]:
    """Read what the last one who had a slot wrote down."""
    state, _, temporary = os.pread(lock, 4096, 0).partition(b"\0")
    return state, Path(os.fsdecode(temporary))


def _clear_after(temporary: Path) -> None:
    """Remove the temporary files of a session that was killed; nothing but a folder that we had made."""
    if temporary.name.startswith(TEMPORARY) and is_folder(temporary):
        with suppress(OSError):
            remove(temporary)


def _prune(root: Path) -> None:
    """Remove what no repository has used for long."""
    oldest = time.time() - DAYS_UNUSED * DAY
    for path in root.glob("*/*.lock"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                _remove_slot(path, oldest)
                path.parent.rmdir()


def _remove_slot(path: Path, oldest: float) -> None:
    lock = _lock(path)
    if lock is None:
        return
    try:
        if os.fstat(lock).st_mtime < oldest and _is_at(lock, path):
            _clear_after(_told(lock)[1])
            folder = path.with_suffix("")
            remove(folder)
            remove(folder.with_name(f"{folder.name}.control"))
            path.unlink()
    finally:
        os.close(lock)


def _one_off() -> Path:
    return Path(tempfile.mkdtemp(prefix=TEMPORARY)) / "1"


def _short_folder() -> str | None:
    """Prefer the system's own folder where the user's is far down: the tests' sockets must find room below."""
    given = tempfile.gettempdir()
    if len(given) > SHORT and os.name == "posix" and os.access("/tmp", os.W_OK | os.X_OK):  # noqa: S108
        return "/tmp"  # noqa: S108
    return given
