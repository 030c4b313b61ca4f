"""Watches over protected files: which were altered, which tree they make, and which copies are no longer like them."""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from pytest_rollback.policy.load import POLICY_FILES
from pytest_rollback.policy.rules import Drift
from pytest_rollback.repo.plumbing import call, git

# Git knows the tree without a file in it, though nobody ever wrote it; its name depends on the kind of hash.
EMPTY = {
    len(name): name
    for name in (
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    )
}
GONE = "D"
NEW = "A"
FOLDER = "040000"


class Entry(Struct, frozen=True, kw_only=True):
    """One path on both sides of a comparison; `modes` and `blobs` are those before and now."""

    path: str
    status: str
    modes: tuple[str, str]
    blobs: tuple[str, str]


class Drifted(Struct, frozen=True, kw_only=True):
    """A copy that is not like its source. `path` is seen from the repository's top, or a pattern that names nothing."""

    name: str
    path: str
    what: str


def altered(
    folder: Path, base_tree: str, tree: str, patterns: Sequence[str], root: str = "."
) -> list[tuple[str, str, str | None]]:
    """List the protected files that a change altered or lost: path, blob before, blob now. New ones are no finding."""
    if not patterns or base_tree == tree:
        return []
    found = _differences(folder, base_tree, tree, pathspecs(patterns, root))
    return [(entry.path, entry.blobs[0], _is_now(entry)) for entry in found if entry.status != NEW]


def changed_policies(folder: Path, base_tree: str, tree: str) -> list[str]:
    """List the files that may hold a policy of ours, wherever they lie, and that two trees don't have alike."""
    names = [f":(glob)**/{name}" for name in POLICY_FILES]
    return [entry.path for entry in _differences(folder, base_tree, tree, names)]


def snapshot(folder: Path, tree: str, patterns: Sequence[str], root: str = ".") -> str | None:
    """Write a tree of the protected files alone, each at its place, and give its name; none where there are none."""
    if not patterns:
        return None
    found = _differences(folder, EMPTY[len(tree)], tree, pathspecs(patterns, root))
    if not found:
        return None
    listed = b"".join(os.fsencode(f"{entry.modes[1]} {entry.blobs[1]}\t{entry.path}\0") for entry in found)
    with tempfile.TemporaryDirectory(prefix="pytest-rollback-") as name:
        own = {"GIT_INDEX_FILE": str(Path(name).resolve() / "index")}
        call("update-index", "-z", "--add", "--index-info", cwd=folder, extra=own, feed=listed)
        return git("write-tree", cwd=folder, extra=own).strip()


def drifted(folder: Path, tree: str, drifts: Sequence[Drift], root: str = ".") -> list[Drifted]:
    """List the copies that are not like their source. A source or a pattern that names nothing is drift as well."""
    if not drifts:
        return []
    held = _listing(folder, tree)
    return [found for drift in drifts for found in _drifted(held, drift, root)]


def pathspecs(patterns: Iterable[str], root: str = ".") -> list[str]:
    """Write patterns for git: seen from the repository's top, a root's own brackets and stars meaning themselves."""
    prefix = re.sub(r"([*?\[\\])", r"\\\1", posixpath.normpath(root))
    return [f":(top,glob){_tidy(pattern) if prefix == '.' else f'{prefix}/{_tidy(pattern)}'}" for pattern in patterns]


def _tidy(pattern: str) -> str:
    """Take out `./` and doubled slashes, which git would look for as they are."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    return "/".join([*parts, ""] if pattern.endswith("/") else parts)


def _is_now(entry: Entry) -> str | None:
    """Name what a protected file is now; a change of its mode alone must not look like none."""
    if entry.status == GONE:
        return None
    return entry.blobs[1] if entry.modes[0] == entry.modes[1] else f"{entry.blobs[1]} (mode {entry.modes[1]})"


def _differences(folder: Path, base_tree: str, tree: str, specs: list[str]) -> list[Entry]:
    arguments = ["-r", "-z", "--no-renames", "--end-of-options", base_tree, tree, "--", *specs]
    said = [os.fsdecode(field) for field in call("diff-tree", *arguments, cwd=folder).split(b"\0")[:-1]]
    return [_entry(said[at], said[at + 1]) for at in range(0, len(said), 2)]


def _entry(line: str, path: str) -> Entry:
    was_mode, mode, was, now, status = line.removeprefix(":").split(" ")
    return Entry(path=path, status=status, modes=(was_mode, mode), blobs=(was, now))


def _listing(folder: Path, tree: str) -> dict[str, tuple[bool, str]]:
    """List all of a tree, folders too: whether it is a folder, and the name of its content."""
    said = call("ls-tree", "-r", "-t", "-z", "--full-tree", "--end-of-options", tree, cwd=folder)
    held = {}
    for line in said.split(b"\0")[:-1]:
        about, _, path = os.fsdecode(line).partition("\t")
        mode, _, name = about.split(" ")
        held[path] = (mode == FOLDER, name)
    return held


def _drifted(held: Mapping[str, tuple[bool, str]], drift: Drift, root: str) -> Iterator[Drifted]:
    source = posixpath.normpath(posixpath.join(root, drift.source))
    own = held.get(source)
    if own is None:
        yield Drifted(name=drift.name, path=source, what="the source is not there")
        return
    for pattern in drift.copies:
        named = _pattern_of(pattern, root)
        # A pattern may name its source as well, and a file is no copy of a folder.
        copies = [path for path in held if path != source and held[path][0] == own[0] and named.fullmatch(path)]
        if not copies:
            yield Drifted(name=drift.name, path=pattern, what="names no copy")
        for path in sorted(copies):
            if held[path] != own:
                yield Drifted(name=drift.name, path=path, what=f"is not like {source}")


def _pattern_of(pattern: str, root: str) -> re.Pattern[str]:
    """Read a pattern as git does: `*` and `?` stay inside a folder, `**` between slashes is any number of folders."""
    prefix = "" if posixpath.normpath(root) == "." else f"{re.escape(posixpath.normpath(root))}/"
    wild = {"**/": "(?:.*/)?", "/**": "/.+", "*": "[^/]*", "?": "[^/]"}
    parts = re.findall(r"(?:(?<=/)|^)\*\*/|/\*\*$|\[[!^]?\]?[^\]]*\]|\\.|.", _tidy(pattern).rstrip("/"), re.DOTALL)
    try:
        return re.compile(prefix + "".join(wild.get(part) or _literal(part) for part in parts), re.DOTALL)
    except re.error:  # such as `[z-a]`, which names nothing
        return re.compile(re.escape(pattern))


def _literal(part: str) -> str:
    if len(part) > 1 and part.startswith("["):
        inside = part[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        return f"[^{inside[1:]}]" if inside[0] in "!^" else f"[{inside}]"
    return re.escape(part[1:] if len(part) > 1 else part)
