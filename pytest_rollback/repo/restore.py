"""Brings files of the work tree back from a tree that is known to be good, and looks whether they are what they were.

Git writes them into a folder of their own first, as it would at a checkout. Only what differs is replaced, a file at a
time and each in one step, after what stands there was kept. The index, HEAD and branches have no part in it.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from pytest_rollback.events import Restored
from pytest_rollback.repo.backup import LINK, LONG, OWN_INDEX, back_up, hashes, index_of, mode_of, write_link
from pytest_rollback.repo.lfs import LONGEST, MARK
from pytest_rollback.repo.plumbing import GitError, call, git

SUBMODULE = "160000"
ATTRIBUTES = ".gitattributes"
HIDDEN = ".pytest-rollback-"


class RestoreError(Exception):
    """Files can't be brought back; says which, and why. `done` are those that are back all the same."""

    def __init__(self, text: str, done: Sequence[Restored] = (), backup: str | None = None) -> None:
        super().__init__(text)
        self.done = tuple(done)
        self.backup = backup


class Kept(Struct, frozen=True, kw_only=True):
    """A file as a tree holds it."""

    path: str
    mode: str
    blob: str


def files_in(folder: Path, tree: str, path: str = ".", extra: Mapping[str, str] | None = None) -> list[Kept]:
    """List what a tree holds at a path, a folder with all that is in it; the path is seen from the top."""
    only = () if path == "." else ("--", path)
    listed = call("--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", tree, *only, cwd=folder, extra=extra)
    return [_kept(line) for line in listed.split(b"\0")[:-1]]


@contextmanager
def laid_out(top: Path, files: Sequence[Kept], extra: Mapping[str, str] | None = None) -> Iterator[Layout]:
    """Have git write files out beside the work tree, as it would at a checkout there, its filters included."""
    try:
        with _laid_out(top, files, extra or {}) as layout:
            yield layout
    except OSError as error:
        msg = f"{error.filename or top}: {error.strerror}"
        raise RestoreError(msg) from error


@contextmanager
def _laid_out(top: Path, files: Sequence[Kept], extra: Mapping[str, str]) -> Iterator[Layout]:
    for kept in files:
        _hold_to_place(top, kept.path)
    with tempfile.TemporaryDirectory(prefix="pytest-rollback-") as folder:
        beside = Path(folder).resolve() / "files"
        rows = [(kept.mode, kept.blob, kept.path) for kept in files]
        own = index_of(beside.with_name("index"), rows, top, extra)
        write = (*OWN_INDEX, "checkout-index", "--all", "--force", f"--prefix={beside}/")
        try:
            call(*write, cwd=top, extra=own, seconds=LONG)
        except GitError as error:
            msg = f"git could not write out what was there ({error})"
            raise RestoreError(msg) from error
        yield Layout(top, beside, files, extra)


class Layout:
    """Files as they are to be, beside a work tree in which they may be something else."""

    def __init__(self, top: Path, beside: Path, files: Sequence[Kept], extra: Mapping[str, str] | None) -> None:
        self.top = top
        self.beside = beside
        self.files = files
        self.extra = extra
        self.heeds_modes = git("config", "--type=bool", "--default=true", "core.fileMode", cwd=top, extra=extra)
        self.due = self._differing()

    def bring_back(self) -> tuple[list[Restored], str | None]:
        """Replace what differs; gives what was done, and the ref that keeps what stood there."""
        # Once attributes are back, git may write out all others in another way.
        attributes = [kept for kept in self.due if _is_attributes(kept)]
        keep = self.files if attributes else self.due
        seen = {kept.path: _state(self.top / kept.path) for kept in keep}
        backup, rows = back_up(self.top, [kept.path for kept in keep], self.extra)
        due = list(attributes or self.due)
        done, trouble = self._replace_all(due, seen)
        if attributes and not trouble:
            rest, more, trouble = self._replace_rest(seen)
            due, done = [*due, *rest], [*done, *more]
        was = {path: blob for _, blob, path in rows}
        return self._checked(due, done, was, trouble, backup)

    def pointers(self) -> list[str]:
        """Name the files of which only a pointer to a large file is here."""
        return [kept.path for kept in self.due if kept.mode != LINK and _is_pointer(self.beside / kept.path)]

    def _differing(self) -> list[Kept]:
        """Find what is not as it is to be. Bytes that git takes for the same are the same: line ends, large files."""
        odd = [kept for kept in self.files if not self._is_like(kept)]
        if any(map(_is_attributes, odd)):
            return odd
        alike = [kept.path for kept in odd if self._is_mode(kept) and kept.mode != LINK]
        same = dict(zip(alike, hashes(self.top, alike, self.extra), strict=True))
        return [kept for kept in odd if same.get(kept.path) != kept.blob]

    def _is_like(self, kept: Kept) -> bool:
        here, there = self.top / kept.path, self.beside / kept.path
        if there.is_symlink():
            return here.is_symlink() and here.readlink() == there.readlink()
        return self._is_mode(kept) and filecmp.cmp(here, there, shallow=False)

    def _is_mode(self, kept: Kept) -> bool:
        """Whether a regular file stands there, and may be run or not as it is to be."""
        here = self.top / kept.path
        if here.is_symlink() or not here.is_file():
            return False
        return self.heeds_modes == "false\n" or mode_of(here) == mode_of(self.beside / kept.path)

    def _replace_rest(self, seen: Mapping[str, tuple[int, ...]]) -> tuple[list[Kept], list[Kept], str]:
        """Replace what differs besides attributes, now that those are back."""
        rest = [kept for kept in self.files if not _is_attributes(kept)]
        try:
            with _laid_out(self.top, rest, self.extra or {}) as again:
                return (again.due, *again._replace_all(again.due, seen))  # noqa: SLF001 (it is one of us)
        except RestoreError as error:
            return rest, [], str(error)

    def _replace_all(self, due: Sequence[Kept], seen: Mapping[str, tuple[int, ...]]) -> tuple[list[Kept], str]:
        """Replace files, one after another; gives those that were, and why not all of them."""
        for number, kept in enumerate(due):
            if trouble := self._replace(kept, seen[kept.path]):
                return list(due[:number]), trouble
        return list(due), ""

    def _replace(self, kept: Kept, seen: tuple[int, ...]) -> str:
        """Put one file in its place, whole or not at all; gives why that can't be."""
        here, there = self.top / kept.path, self.beside / kept.path
        try:
            here.parent.mkdir(parents=True, exist_ok=True)
            _hold_to_place(self.top, kept.path)
            with tempfile.TemporaryDirectory(prefix=HIDDEN, dir=here.parent) as folder:
                fresh = Path(folder) / "file"
                if there.is_symlink():
                    fresh.symlink_to(there.readlink())
                else:
                    shutil.copy(there, fresh)
                if _state(here) != seen:  # it was kept as it stood before somebody wrote it anew
                    return f"{kept.path} was changed just now; run this again"
                fresh.replace(here)
        except OSError as error:
            return f"{kept.path} can't be written: {error.strerror}"
        except RestoreError as error:
            return str(error)
        return ""

    def _checked(
        self, due: Sequence[Kept], done: Sequence[Kept], was: Mapping[str, str], trouble: str, backup: str | None
    ) -> tuple[list[Restored], str | None]:
        """Look whether what is in place now is what it was."""
        wrong = self._wrong(done)
        right = [
            Restored(path=kept.path, blob=kept.blob, was=was.get(kept.path)) for kept in done if kept.path not in wrong
        ]
        if wrong:
            trouble = (
                f"git's filters make something else of {', '.join(wrong)} than it was; see: git check-attr -a PATH"
            )
        if trouble:
            where = f"; what stood there is kept: {backup}" if backup else ""
            msg = f"{trouble}; {len(right)} of {len(due)} files are back{where}"
            raise RestoreError(msg, right, backup)
        return right, backup

    def _wrong(self, done: Sequence[Kept]) -> list[str]:
        """Name what is not what it was, now that it is in place: neither as git reads it, nor byte by byte."""
        links = [kept for kept in done if (self.top / kept.path).is_symlink()]
        wrong = [kept.path for kept in links if write_link(self.top, kept.path, self.extra) != kept.blob]
        plain = [kept for kept in done if kept not in links]
        for options in ((), ("--no-filters",)):
            blobs = hashes(self.top, [kept.path for kept in plain], self.extra, *options)
            plain = [kept for kept, blob in zip(plain, blobs, strict=True) if blob != kept.blob]
        return [*wrong, *(kept.path for kept in plain)]


def _kept(line: bytes) -> Kept:
    about, _, name = line.partition(b"\t")
    mode, _, blob = about.decode("ascii").split(" ")
    return Kept(path=os.fsdecode(name), mode=mode, blob=blob)


def _is_attributes(kept: Kept) -> bool:
    return Path(kept.path).name == ATTRIBUTES


def _hold_to_place(top: Path, path: str) -> None:
    """Refuse to write through a link, and in the place of what is neither file nor link."""
    for folder in list(Path(path).parents)[:-1]:
        if (top / folder).is_symlink():
            msg = f"{path} lies behind {folder}, which is a link by now; remove that first"
            raise RestoreError(msg)
        if os.path.lexists(top / folder) and not (top / folder).is_dir():
            msg = f"{path} lies in {folder}, which is a file by now; move that away first"
            raise RestoreError(msg)
    here = top / path
    if here.is_symlink() or here.is_file() or not os.path.lexists(here):
        return
    what = "a folder" if here.is_dir() else "neither file nor link"
    msg = f"{path} is {what} by now, and was a file; move that away first"
    raise RestoreError(msg)


def _state(path: Path) -> tuple[int, ...]:
    """Sum up what stands at a path, so that it is noticed when somebody writes there."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        return (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return ()


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(LONGEST).startswith(MARK)
