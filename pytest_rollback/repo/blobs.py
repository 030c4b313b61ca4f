"""Reads files out of trees, many at once, and says which were renamed from one tree to another."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from pytest_rollback.judge.spots import Sources
from pytest_rollback.repo.plumbing import GitError, call

MOST_RENAMES = "2000"  # pairs of files that git compares for likeness; identical ones are always found
ANSWERED = ("symlink ", "dangling ", "loop ", "notdir ")


def read_files(folder: Path, tree: str, paths: Iterable[str]) -> dict[str, bytes]:
    """Read files of a tree, by their paths from its top; what is not there, or is no file, is left out.

    A link is followed inside the tree. One that leads out of it, or nowhere, can't be; its own text stands for it, so
    that whoever reads it stumbles, and doesn't take it for missing.
    """
    asked = list(dict.fromkeys(path for path in paths if path and "\0" not in path))
    found: dict[str, bytes] = {}
    for lines, end in ((True, b"\n"), (False, b"\0")):
        # Before git 2.38 a name can only end with its line, so only the odd one that holds a line's end asks for more.
        some = [path for path in asked if ("\n" not in path) is lines]
        if some:
            names = [os.fsencode(f"{tree}:{path}") for path in some]
            options = ["--batch", "--follow-symlinks", *([] if lines else ["-z"])]
            asking = [os.fsencode(tree), *names]  # files of a tree that is not here must not look like none
            said = call("cat-file", *options, cwd=folder, feed=b"".join(name + end for name in asking))
            found |= dict(_answers(said, ["", *some], asking))
    return {path: found[path] for path in asked if path in found}


def read_folder(folder: Path, tree: str, path: str) -> dict[str, bytes]:
    """Read the files that lie in one folder of a tree, by their names; none where there is no such folder."""
    place = posixpath.normpath(path)
    listed = _fields(call("ls-tree", "-z", "--name-only", "--full-tree", tree, "--", f"{place}/", cwd=folder))
    return {posixpath.basename(name): content for name, content in read_files(folder, tree, listed).items()}


def _answers(said: bytes, paths: list[str], names: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """Take git's answers apart. They come in the order of the questions, each with its length."""
    at = 0
    for path, name in zip(paths, names, strict=True):
        missing = name + b" missing\n"
        if not path and said.startswith(missing):
            msg = f"the tree {os.fsdecode(name)} is not in this repository"
            raise GitError(msg)
        if said.startswith(missing, at) or said.startswith(name + b" ambiguous\n", at):
            at = said.index(b"\n", at + len(name)) + 1
            continue
        head, _, _ = said[at : at + 200].partition(b"\n")
        words = os.fsdecode(head).split(" ")
        start = at + len(head) + 1
        size = int(words[1] if f"{words[0]} " in ANSWERED else words[2])
        at = start + size + 1
        if f"{words[0]} " in ANSWERED or words[1] == "blob":
            yield path, said[start : start + size]


def renames(folder: Path, base_tree: str, tree: str) -> dict[str, str]:
    """Name the files that were moved between two trees, from the old path to the new one."""
    arguments = ["-r", "-z", "-M", f"-l{MOST_RENAMES}", "--diff-filter=R", "--name-status", "--end-of-options"]
    said = _fields(call("diff-tree", *arguments, base_tree, tree, cwd=folder))
    return {said[at + 1]: said[at + 2] for at in range(0, len(said) - 2, 3)}


def changed_files(folder: Path, base_tree: str, tree: str) -> list[str]:
    """Name the files that two trees don't have alike."""
    said = call("diff-tree", "-r", "-z", "--no-renames", "--name-only", "--end-of-options", base_tree, tree, cwd=folder)
    return _fields(said)


def sources_between(folder: Path, base_tree: str, tree: str, root: str = ".") -> Sources:
    """Let the texts of two trees be read, by the paths of node ids; nothing is read before it is asked for."""
    both = _Both(folder, base_tree, tree, root)
    return Sources(before=both.before, now=both.now, renames=_Renames(both))


class _Both:
    """The texts of what changed between two trees, each side read by one process at the first question."""

    def __init__(self, folder: Path, base_tree: str, tree: str, root: str) -> None:
        self.folder, self.trees, self.root = folder, (base_tree, tree), root
        self.read: dict[tuple[str, str], str | None] = {}

    def before(self, file: str) -> str | None:
        return self._text(self.trees[0], file)

    def now(self, file: str) -> str | None:
        return self._text(self.trees[1], file)

    @cached_property
    def changed(self) -> list[str]:
        return [path for path in changed_files(self.folder, *self.trees) if path.endswith(".py")]

    def _text(self, tree: str, file: str) -> str | None:
        path = posixpath.normpath(posixpath.join(self.root, file))
        if (tree, path) not in self.read:
            wanted = [path, *(other for other in self.changed if (tree, other) not in self.read)]
            texts = read_files(self.folder, tree, wanted)
            for name in wanted:
                content = texts.get(name)
                self.read[tree, name] = None if content is None else content.decode("utf-8", "replace")
        return self.read[tree, path]


class _Renames(Mapping[str, str]):
    """What git says was renamed, asked when somebody wants to know."""

    def __init__(self, both: _Both) -> None:
        self.both = both

    @cached_property
    def pairs(self) -> dict[str, str]:
        both = self.both
        found = renames(both.folder, *both.trees)
        return {posixpath.relpath(old, both.root): posixpath.relpath(new, both.root) for old, new in found.items()}

    def __getitem__(self, file: str) -> str:
        return self.pairs[file]

    def __iter__(self) -> Iterator[str]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)


def _fields(said: bytes) -> list[str]:
    """Take apart what git ends by NUL."""
    return [os.fsdecode(field) for field in said.split(b"\0")[:-1]]
