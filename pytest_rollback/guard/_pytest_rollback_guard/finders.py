"""The ways in which Python finds a module, each turned from the user's tree into the scratch tree.

Path entries go through a path hook of ours, finders that `.pth` files have installed are wrapped, and a finder at the
end of all says why a module was not found.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    BuiltinImporter,
    ExtensionFileLoader,
    FileFinder,
    FrozenImporter,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)

from . import carry, notes
from .trees import Tree, find_real_user, find_slot, find_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType
    from typing import Any

PYTHONS_OWN = (BuiltinImporter, FrozenImporter, PathFinder)
# Byte code without a source is what git ignores and people forget: nobody means to run it.
THEIRS = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, SOURCE_SUFFIXES))
OURS = (*THEIRS, (SourcelessFileLoader, BYTECODE_SUFFIXES))
SITES = ("site-packages", "dist-packages")

_finders: dict[tuple[str, str], FileFinder] = {}
_missing: dict[str, tuple[Tree, str]] = {}
_wrapped: list[Any] = []


def install() -> None:
    """Turn all ways that lead into the user's trees; all or none."""
    others = [Wrapped(each) if _is_foreign(each) else each for each in sys.meta_path]
    mapped = _mapped_path(sys.path)
    sys.meta_path[:] = [Watch(_linked_packages()), *others, Last()]
    sys.path_hooks.insert(0, hook)
    sys.path[:] = mapped
    for module in list(sys.modules.values()):
        path = getattr(module, "__path__", None)
        if isinstance(path, list):
            path[:] = _mapped_path(path)
    for entry, cached in list(sys.path_importer_cache.items()):
        if not isinstance(cached, FileFinder) or find_slot(entry) or find_real_user(entry):
            del sys.path_importer_cache[entry]


def hook(entry: str) -> Any:
    """Find modules of a path entry in the scratch tree, where it lies in that or in the user's; else it is not ours."""
    if not os.path.exists(entry):
        # A mere word, by which an editable install has its own hook called.
        for other in sys.path_hooks:
            if other is not hook and (finder := _try(other, entry)):
                return WrappedEntry(finder)
    found = find_slot(entry) or find_real_user(entry)
    if found is None:
        raise ImportError(entry)
    return finder_for(*found)


def finder_for(tree: Tree, place: str) -> Any:
    """Give the finder of a folder of the scratch tree, or what other hooks make of a file there, such as a zip."""
    key = (tree.slot, place)
    if key not in _finders:
        path = os.path.join(tree.slot, place) if place else tree.slot
        others = (_try(other, path) for other in sys.path_hooks if other is not hook)
        other = next((finder for finder in others if finder is not None), None)
        if other is not None and os.path.isfile(path):
            return other
        _finders[key] = SlotFinder(tree, place, path, other)
    return _finders[key]


class SlotFinder(FileFinder):
    """Finds modules in a folder of the scratch tree. What only the same folder of the user's tree has, it weighs."""

    def __init__(self, tree: Tree, place: str, path: str, other: Any) -> None:
        super().__init__(path, *OURS)
        self._tree = tree
        self._place = place
        self._other = None if type(other) is FileFinder else other
        self._theirs = FileFinder(os.path.join(tree.real, place) if place else tree.real, *THEIRS)

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module here; one that is generated, and lies there, is carried here first."""
        found = self._find(fullname, target)
        there = self._theirs.find_spec(fullname)
        if there is None:
            return found
        if there.origin is None or there.loader is None:
            if found is None:
                _missing[fullname] = (self._tree, os.path.join(self._place, fullname.rpartition(".")[2]))
            return found
        name = there.origin[len(self._theirs.path) + 1 :]
        if os.path.lexists(os.path.join(self.path, name)):
            return found
        return self._weigh(fullname, os.path.join(self._place, name), found, target)

    def invalidate_caches(self) -> None:
        """Look again at both folders."""
        super().invalidate_caches()
        self._theirs.invalidate_caches()

    def _find(self, fullname: str, target: ModuleType | None) -> ModuleSpec | None:
        if self._other is not None:
            spec: ModuleSpec | None = self._other.find_spec(fullname, target)
            return spec
        return super().find_spec(fullname, target)

    def _weigh(
        self, fullname: str, place: str, found: ModuleSpec | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        """Decide about a file that only the user's tree has."""
        behind = find_user(os.path.realpath(os.path.join(self._tree.real, place)))
        if behind is not None and behind != (self._tree, place):
            # A tree of links, such as setuptools makes in its strict mode, stands for what it links to.
            return find_at(*behind, fullname) or found
        if not carry.is_ignored(self._tree, place):
            _missing[fullname] = (self._tree, place)
            return found
        if not carry.carry(self._tree, fullname, place):
            return found
        super().invalidate_caches()
        if self._other is not None:
            self._other.invalidate_caches()
        return self._find(fullname, target)


class Watch:
    """The first finder. It finds packages that are links in an environment, and keeps our hook before all others."""

    def __init__(self, links: dict[str, tuple[Tree, str]]) -> None:
        self._links = links

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a linked package in the scratch tree."""
        if sys.path_hooks and sys.path_hooks[0] is not hook and hook in sys.path_hooks:
            sys.path_hooks.remove(hook)
            sys.path_hooks.insert(0, hook)
        if path is None and fullname in self._links:
            return find_at(*self._links[fullname], fullname)
        return None


class Wrapped:
    """A finder that somebody's `.pth` file has installed: what it finds in the user's tree is found in ours."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder
        _wrapped.append(finder)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)

    def __eq__(self, other: object) -> bool:
        return other is self or bool(self._finder == other)

    def __hash__(self) -> int:
        return hash(self._finder)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Ask the finder, and turn its answer."""
        try:
            spec = self._finder.find_spec(fullname, path, target)
        except ImportError:
            # meson-python builds the user's tree when it is asked; that this fails says nothing about ours.
            build = getattr(self._finder, "_build_path", None)
            place = find_user(build) if isinstance(build, str) else None
            if place is None:
                raise
            notes.tell_unbuilt(place[0], fullname, place[1])
            return None
        return turn(spec, fullname)


class WrappedEntry:
    """As `Wrapped`, for the finder that a path hook made."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Ask the finder, and turn its answer."""
        return turn(self._finder.find_spec(fullname, target), fullname)


class Last:
    """The last finder. Whoever comes here has found nothing: a hint may help, else it is said what is missing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find what an install knows of and the user's tree no longer has; or say what only that has."""
        if path is None:
            for finder in _wrapped:
                hint = _hint(finder, fullname)
                place = hint and find_user(hint)
                spec = place and find_at(*place, fullname)
                if spec:
                    return spec
        missing = _missing.pop(fullname, None)
        if missing is None:
            return None
        tree, place_there = missing
        folder = os.path.join(tree.real, place_there)
        if not os.path.isdir(folder):
            notes.tell_refused(tree, fullname, place_there)
            return None
        return _namespace(tree, fullname, place_there)

    def find_distributions(self, context: Any = None) -> Iterable[Any]:
        """Find what an old kind of editable install keeps beside the sources: it tells of the install, not of them."""
        from importlib.metadata import DistributionFinder, MetadataPathFinder

        context = context or DistributionFinder.Context()
        places = [find_slot(entry) for entry in context.path if isinstance(entry, str) and entry]
        theirs = [os.path.join(tree.real, place) for tree, place in filter(None, places)]
        if not theirs:
            return ()
        return MetadataPathFinder.find_distributions(DistributionFinder.Context(name=context.name, path=theirs))


def _is_foreign(finder: Any) -> bool:
    return finder not in PYTHONS_OWN and hasattr(finder, "find_spec")


def turn(spec: ModuleSpec | None, fullname: str) -> ModuleSpec | None:
    """Turn what was found in the user's tree into what the scratch tree has in its place, or into nothing."""
    if spec is None:
        return None
    locations = spec.submodule_search_locations
    found = find_real_user(spec.origin) if spec.has_location and spec.origin else None
    if found is not None:
        turned = find_at(*found, fullname)
        if turned is not None and turned.submodule_search_locations is not None:
            own = list(turned.submodule_search_locations)
            more = [entry for entry in _mapped_path(locations or ()) if entry not in own]
            turned.submodule_search_locations = own + more
        return turned
    if isinstance(locations, list):
        locations[:] = _mapped_path(locations)
    return spec


def find_at(tree: Tree, place: str, fullname: str) -> ModuleSpec | None:
    """Find in the scratch tree what stands at a place: a file, or a module's path without its ending."""
    folder, file = os.path.split(place)
    stem = file.partition(".")[0]
    if stem == "__init__" and folder:
        folder, stem = os.path.split(folder)
    if stem == fullname.rpartition(".")[2]:
        spec: ModuleSpec | None = finder_for(tree, folder).find_spec(fullname)
    else:
        spec = _renamed(finder_for(tree, folder).find_spec(stem), fullname)
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


def _namespace(tree: Tree, fullname: str, place: str) -> ModuleSpec | None:
    """Let an ignored folder without `__init__.py` be a package here too; its modules come when they are asked for."""
    if not _has_modules(os.path.join(tree.real, place)):
        return None  # what a package leaves behind when it is removed: its byte code
    if not carry.is_ignored(tree, place):
        notes.tell_refused(tree, fullname, place)
        return None
    notes.tell_carried(tree, fullname, place)
    spec = ModuleSpec(fullname, None, is_package=True)
    spec.submodule_search_locations = [os.path.join(tree.slot, place)]
    return spec


def _has_modules(folder: str) -> bool:
    for _, below, names in os.walk(folder):
        below[:] = [name for name in below if name not in carry.SKIPPED]
        if any(name.endswith((".py", *EXTENSION_SUFFIXES)) for name in names):
            return True
    return False


def _mapped_path(path: Iterable[str]) -> list[str]:
    found = []
    for entry in path:
        place = None if find_slot(entry) or not os.path.isabs(entry) else find_real_user(entry)
        if place is None:
            found.append(entry)
        else:
            tree, below = place
            notes.catch("mapped", "sys.path", entry)
            found.append(os.path.join(tree.slot, below) if below else tree.slot)
    return found


def _linked_packages() -> dict[str, tuple[Tree, str]]:
    """Find the links in environments that lead into the user's tree, as `flit install --symlink` makes them."""
    found = {}
    for folder in sys.path:
        if os.path.basename(folder) in SITES and os.path.isdir(folder):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_symlink() and (place := find_user(os.path.realpath(entry.path))):
                        found[entry.name.partition(".")[0]] = place
    return found


def _hint(finder: Any, fullname: str) -> str | None:
    """Ask an editable install where it believes a module to be; setuptools', editables' and scikit-build-core's."""
    tables = (
        getattr(sys.modules.get(getattr(finder, "__module__", "")), "MAPPING", None),
        getattr(finder, "_redirections", None),
        getattr(finder, "known_source_files", None),
    )
    for table in tables:
        path = table.get(fullname) if isinstance(table, dict) else None
        if isinstance(path, str):
            return path
    return None


def _try(other: Any, entry: str) -> Any:
    try:
        return other(entry)
    except ImportError:
        return None
