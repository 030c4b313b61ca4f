"""What editable installs have installed into this Python, turned from the user's tree into the scratch tree."""

from __future__ import annotations

import os
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder

from . import notes
from .slot import find_at
from .trees import Tree, find_real_user, find_slot, find_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType
    from typing import Any

PYTHONS_OWN = (BuiltinImporter, FrozenImporter, PathFinder)
SITES = ("site-packages", "dist-packages")

wrapped: list[Any] = []


def is_foreign(finder: Any) -> bool:
    """Whether a finder is not one of Python's own."""
    return finder not in PYTHONS_OWN and hasattr(finder, "find_spec")


class Wrapped:
    """A finder that somebody's `.pth` file has installed: what it finds in the user's tree is found in ours."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder
        wrapped.append(finder)

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
            more = [entry for entry in mapped_path(locations or ()) if entry not in own]
            turned.submodule_search_locations = own + more
        return turned
    if isinstance(locations, list):
        locations[:] = mapped_path(locations)
    return spec


def mapped_path(path: Iterable[str]) -> list[str]:
    """Turn the entries of a path that lie in the user's tree."""
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


def linked_packages() -> dict[str, tuple[Tree, str]]:
    """Find the links in environments that lead into the user's tree, as `flit install --symlink` makes them."""
    found = {}
    for folder in sys.path:
        if os.path.basename(folder) in SITES and os.path.isdir(folder):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_symlink() and (place := find_user(os.path.realpath(entry.path))):
                        found[entry.name.partition(".")[0]] = place
    return found


def hint_of(finder: Any, fullname: str) -> str | None:
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
