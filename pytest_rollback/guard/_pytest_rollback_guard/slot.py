"""Finds modules in the scratch tree, for whatever way leads to a folder of it or of the user's tree."""

from __future__ import annotations

import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)

from . import carry, notes
from .trees import Tree, find_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

# Byte code without a source is what git ignores and people forget: nobody means to run it.
THEIRS = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, SOURCE_SUFFIXES))
OURS = (*THEIRS, (SourcelessFileLoader, BYTECODE_SUFFIXES))

own_hooks: list[Callable[[str], Any]] = []
missing: dict[str, tuple[Tree, str]] = {}  # what only the user's tree has; said when an import comes to nothing
_finders: dict[tuple[str, str], FileFinder] = {}


def make_finder(tree: Tree, place: str) -> Any:
    """Make the finder of a folder of the scratch tree; other hooks may have loaders of their own for what is there."""
    path = os.path.join(tree.slot, place) if place else tree.slot
    other = next(finders_of_others(path), None)
    if os.path.isfile(path):
        if other is None:
            raise ImportError(path)
        return other  # a zip, for one
    finder = _finders[tree.slot, place] = SlotFinder(tree, place, path, other)
    return finder


def finders_of_others(entry: str) -> Iterator[Any]:
    """Give what the other path hooks make of an entry."""
    for other in sys.path_hooks:
        if other not in own_hooks:
            try:
                yield other(entry)
            except ImportError:
                continue


class SlotFinder(FileFinder):
    """Finds modules in a folder of the scratch tree. What only the same folder of the user's tree has, it weighs."""

    def __init__(self, tree: Tree, place: str, path: str, other: Any) -> None:
        super().__init__(path, *OURS)
        self._tree = tree
        self._place = place
        self._other = other
        self._theirs = FileFinder(os.path.join(tree.real, place) if place else tree.real, *THEIRS)

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module here; one that is generated, and lies there, is carried here first."""
        found = self._find(fullname, target)
        there = self._theirs.find_spec(fullname)
        if there is None:
            return found
        if there.origin is None or there.loader is None:
            if found is None:
                missing[fullname] = (self._tree, os.path.join(self._place, fullname.rpartition(".")[2]))
            return found
        name = there.origin[len(self._theirs.path) + 1 :]
        if os.path.lexists(os.path.join(self.path, name)):
            return found
        return self._weigh(fullname, os.path.join(self._place, name), found, target)

    def invalidate_caches(self) -> None:
        """Look again at both folders."""
        super().invalidate_caches()
        self._theirs.invalidate_caches()
        if self._other is not None:
            self._other.invalidate_caches()

    def _find(self, fullname: str, target: ModuleType | None) -> ModuleSpec | None:
        if self._other is not None:
            spec: ModuleSpec | None = self._other.find_spec(fullname, target)
            return spec
        return super().find_spec(fullname, target)

    def _weigh(
        self, fullname: str, place: str, found: ModuleSpec | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        """Decide about a file that only the user's tree has."""
        if not carry.is_ignored(self._tree, place):
            missing[fullname] = (self._tree, place)
            return found
        behind = find_user(os.path.realpath(os.path.join(self._tree.real, place)))
        if behind is not None and behind != (self._tree, place):
            # A tree of links, such as setuptools makes in its strict mode, stands for what it links to.
            return find_at(*behind, fullname) or found
        if not carry.carry(self._tree, fullname, place):
            return found
        self.invalidate_caches()
        return self._find(fullname, target)


def find_at(tree: Tree, place: str, fullname: str) -> ModuleSpec | None:
    """Find in the scratch tree what stands at a place: a file, or a module's path without its ending."""
    folder, file = os.path.split(place)
    stem = file.partition(".")[0]
    if stem == "__init__" and folder:
        folder, stem = os.path.split(folder)
    finder = _finders.get((tree.slot, folder)) or make_finder(tree, folder)
    if stem == fullname.rpartition(".")[2]:
        spec: ModuleSpec | None = finder.find_spec(fullname)
    else:
        spec = _renamed(finder.find_spec(stem), fullname)
    if spec is None or spec.loader is None:
        return None
    notes.catch("mapped", fullname, place)
    return spec


def _renamed(spec: ModuleSpec | None, fullname: str) -> ModuleSpec | None:
    """Give a module another name than its file has; a repository's top may itself be a package."""
    if spec is None or spec.origin is None:
        return None
    from importlib.util import spec_from_file_location

    locations = spec.submodule_search_locations
    if spec.name == "__init__":
        locations = [os.path.dirname(spec.origin)]
    return spec_from_file_location(fullname, spec.origin, submodule_search_locations=locations)
