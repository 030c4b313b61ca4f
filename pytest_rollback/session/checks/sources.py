"""Finds the Python files that a check looks at: those of the judged tree, or outside git those below the root."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from pytest_rollback.policy.patterns import matches
from pytest_rollback.repo.blobs import read_files
from pytest_rollback.repo.plumbing import call
from pytest_rollback.session.checks.outcome import Place

ENDINGS = (".py", ".pyi", ".pyw")
FILE, EXECUTABLE, LINK = "100644", "100755", "120000"
LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages"})


class Source(Struct, frozen=True, kw_only=True):
    """A file: its path from the root, where it lies, and its name in git; `given`, where a sparse checkout lacks it."""

    path: str
    file: str
    blob: str = ""
    given: bytes | None = None

    def read(self, most: int) -> bytes | None:
        """Read it, and at least a byte more than the most there may be; None where it is not there."""
        if self.given is not None:
            return self.given
        place = Path(self.file)
        if not place.is_file():
            return None
        with place.open("rb") as file:
            return file.read(most + 1)


def find_sources(place: Place, exclude: Sequence[str]) -> list[Source]:
    """List them, without those that a pattern excludes."""
    found = _tracked(place) if place.tree is not None else _below(place.root)
    return [source for source in found if not is_excluded(source.path, exclude)]


def is_excluded(path: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern names a file, or a folder that it lies in; `**/` at its start is the root as well."""
    forms = [form for pattern in patterns for form in (pattern, pattern.removeprefix("**/"))]
    return any(matches(form, path) or matches(f"{form.rstrip('/')}/*", path) for form in forms if form)


def _tracked(place: Place) -> list[Source]:
    top = (place.top or place.root).resolve()
    root = place.root.resolve()
    prefix = os.path.relpath(root, top).replace(os.sep, "/")
    start = "" if prefix == "." else f"{prefix}/"
    options = ["-r", "-z", "--full-tree", "--end-of-options", place.tree or ""]
    said = call("ls-tree", *options, cwd=top)
    found: list[Source] = []
    absent: list[Source] = []
    for line in said.split(b"\0")[:-1]:
        about, _, path = os.fsdecode(line).partition("\t")
        mode, _, blob = about.split(" ")
        if not path.startswith(start) or not path.endswith(ENDINGS) or mode not in (FILE, EXECUTABLE, LINK):
            continue
        file = f"{top}/{path}"
        if mode == LINK and not Path(file).resolve().is_relative_to(top):
            continue
        source = Source(path=path[len(start) :], file=file, blob="" if mode == LINK else blob)
        (found if os.path.isfile(file) else absent).append(source)  # noqa: PTH113 (a path for each of thousands costs more than the look)
    return sorted([*found, *_given(top, place.tree or "", absent)], key=lambda source: source.path)


def _given(top: Path, tree: str, absent: list[Source]) -> list[Source]:
    """Read from the tree what a sparse checkout keeps off the disk. The rest is missing, however well it is known."""
    if not absent:
        return []
    sparse = {
        os.fsdecode(line[2:]) for line in call("ls-files", "-t", "-z", cwd=top).split(b"\0") if line.startswith(b"S ")
    }
    paths = {os.path.relpath(source.file, top): source for source in absent}
    texts = read_files(top, tree, [path for path in paths if path in sparse])
    return [
        Source(path=source.path, file=source.file, blob=source.blob if path in texts else "", given=texts.get(path))
        for path, source in paths.items()
    ]


def _below(root: Path) -> Iterator[Source]:
    """List what lies below a folder, without what is hidden, installed or generated."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if _is_own(Path(folder) / name))
        for name in sorted(files):
            file = Path(folder) / name
            if name.endswith(ENDINGS) and not name.startswith(".") and not file.is_symlink():
                yield Source(path=file.relative_to(root).as_posix(), file=str(file))


def _is_own(folder: Path) -> bool:
    name = folder.name
    return not name.startswith(".") and name not in LEFT_OUT and not (folder / "pyvenv.cfg").exists()
