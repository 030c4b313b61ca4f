"""Finds all modules of a package as an import would, by asking the finders of this Python, and imports none."""
# ruff: noqa: PTH112

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import Any

NO_PACKAGES = ("__pycache__", "node_modules", "site-packages", "dist-packages")


def find(package: str, tree: str, exclude: list[str]) -> list[str]:
    """Tell the names and files of all modules of a package, by turns."""
    try:
        finder = Finder(tree, exclude)
        found = finder.modules_of(package)
    except BaseException as error:  # noqa: BLE001
        return ["broken", f"{type(error).__name__}: {error}"]
    if found is None:
        return ["missing"]
    return ["found", *found] if found or finder.left_out else ["bare"]


class Finder:
    """Walks through packages by what the finders of this Python know of them."""

    def __init__(self, tree: str, exclude: list[str]) -> None:
        from fnmatch import fnmatchcase
        from pkgutil import iter_modules

        self.iterate: Any = iter_modules
        self.module: Any = type(sys)
        self.tree = tree
        self.fits, self.exclude = fnmatchcase, exclude
        self.seen: set[str] = set()
        self.found: dict[str, str] = {}
        self.left_out = False

    def modules_of(self, package: str) -> list[str] | None:
        """List names and files by turns; None where there is no such package."""
        path: list[str] | None = None
        parts = package.split(".")
        for at in range(len(parts)):
            spec = self.spec_of(".".join(parts[: at + 1]), path) if at == 0 or path is not None else None
            if spec is None:
                return None
            path = self.locations(spec)
        self.take(package, spec)
        return [word for pair in self.found.items() for word in pair]

    def spec_of(self, name: str, path: list[str] | None) -> ModuleSpec | None:
        """Ask the finders for a module."""
        for finder in sys.meta_path:
            ask = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = ask(name, path, None) if ask else None
            if spec is not None:
                return spec
        return None

    def locations(self, spec: ModuleSpec) -> list[str] | None:
        """List the folders of a package. Of one that many projects share (a namespace), those of this tree."""
        if spec.submodule_search_locations is None:
            return None
        found = list(spec.submodule_search_locations)
        own = [place for place in found if _is_inside(os.path.realpath(place), self.tree)]
        module = self.module(spec.name)
        module.__path__ = found
        sys.modules[spec.name] = module  # a namespace in a namespace is found by its parent's path
        return own if own and spec.origin is None else found

    def take(self, name: str, spec: ModuleSpec | None) -> None:
        """Note a module, and go on into it. A folder without `__init__` is none: it imports with nothing in it."""
        if spec is None:
            return
        if any(self.fits(name, pattern) for pattern in self.exclude):
            self.left_out = True
            return
        if spec.origin is not None or spec.submodule_search_locations is None:
            self.found[name] = spec.origin or ""
        for place in self.locations(spec) or ():
            real = os.path.realpath(place)
            if real in self.seen:
                continue
            self.seen.add(real)
            for inner in sorted({*(one.name for one in self.iterate([place])), *_bare_folders(place)}):
                if inner != "__main__" and f"_{inner}".isidentifier():
                    self.take(f"{name}.{inner}", self.spec_of(f"{name}.{inner}", [place]))


def _bare_folders(place: str) -> list[str]:
    """List the folders with modules that have no `__init__`; they are packages too."""
    if not os.path.isdir(place):
        return []
    with os.scandir(place) as entries:
        names = [one.name for one in entries if one.name.isidentifier() and one.is_dir()]
    return [name for name in names if name not in NO_PACKAGES and _has_modules(f"{place}/{name}")]


def _has_modules(folder: str) -> bool:
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name.isidentifier() and name not in NO_PACKAGES]
        if any(name.endswith(".py") for name in files):
            return True
    return False


def _is_inside(place: str, tree: str) -> bool:
    return f"{place}/".startswith(f"{tree}/") and not any(f"/{name}/" in f"{place}/" for name in NO_PACKAGES)
