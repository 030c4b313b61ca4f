"""The ways in which Python finds a module, each turned from the user's tree into the scratch tree.

Path entries go through a path hook of ours, finders that `.pth` files have installed are wrapped, and a finder at the
end of all says why a module was not found.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, FileFinder, ModuleSpec, PathFinder

from . import carry, notes
from .installs import Wrapped, WrappedEntry, hint_of, is_foreign, linked_packages, mapped_path, wrapped
from .slot import find_at, finders_of_others, make_finder, missing, own_hooks
from .trees import Tree, find_real_user, find_slot, find_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType
    from typing import Any


def install(on_subprocess: Callable[[ModuleType], None]) -> None:
    """Turn all ways that lead into the user's trees; all or none. `subprocess` is handed over once it is loaded."""
    others = [Wrapped(each) if is_foreign(each) else each for each in sys.meta_path]
    mapped = mapped_path(sys.path)
    sys.meta_path[:] = [Watch(linked_packages(), on_subprocess), *others, Last()]
    own_hooks.append(hook)
    sys.path_hooks.insert(0, hook)
    sys.path[:] = mapped
    for module in list(sys.modules.values()):
        path = getattr(module, "__path__", None)
        if isinstance(path, list):
            path[:] = mapped_path(path)
    if "subprocess" in sys.modules:
        on_subprocess(sys.modules["subprocess"])
    for entry, cached in list(sys.path_importer_cache.items()):
        if not isinstance(cached, FileFinder) or find_slot(entry) or find_real_user(entry):
            del sys.path_importer_cache[entry]


def hook(entry: str) -> Any:
    """Find modules of a path entry in the scratch tree, where it lies in that or in the user's; else it is not ours."""
    if not os.path.exists(entry):
        # A mere word, by which an editable install has its own hook called.
        for finder in finders_of_others(entry):
            return WrappedEntry(finder)
    found = find_slot(entry) or find_real_user(entry)
    if found is None or (os.path.isfile(entry) and next(finders_of_others(entry), None) is None):
        raise ImportError(entry)  # so `runpy` learns that a file is a script
    return make_finder(*found)


class Watch:
    """The first finder. It finds packages that are links in an environment, and keeps our hook before all others."""

    def __init__(self, links: dict[str, tuple[Tree, str]], on_subprocess: Callable[[ModuleType], None]) -> None:
        self._links = links
        self._on_subprocess = on_subprocess

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a linked package in the scratch tree."""
        if sys.path_hooks and sys.path_hooks[0] is not hook and hook in sys.path_hooks:
            sys.path_hooks.remove(hook)
            sys.path_hooks.insert(0, hook)
        if path is None and fullname in self._links:
            return find_at(*self._links[fullname], fullname)
        if fullname == "subprocess":
            return self._find_subprocess(fullname)
        return None

    def _find_subprocess(self, fullname: str) -> ModuleSpec | None:
        """Find it as ever, and see it once it has run."""
        spec = PathFinder.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_show(module: ModuleType) -> None:
                run(module)
                self._on_subprocess(module)

            spec.loader.exec_module = run_and_show  # type: ignore[method-assign]
        return spec


class Last:
    """The last finder. Whoever comes here has found nothing: a hint may help, else it is said what is missing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find what an install knows of and the user's tree no longer has; or say what only that has."""
        if path is None:
            for finder in wrapped:
                hint = hint_of(finder, fullname)
                place = hint and find_user(hint)
                spec = place and find_at(*place, fullname)
                if spec:
                    return spec
        there = missing.pop(fullname, None)
        if there is None:
            return None
        if os.path.isdir(os.path.join(there[0].real, there[1])):
            return _namespace(*there, fullname)
        notes.tell_refused(there[0], fullname, there[1])
        return None

    def find_distributions(self, context: Any = None) -> Iterable[Any]:
        """Find what an old kind of editable install keeps beside the sources: it tells of the install, not of them."""
        from importlib.metadata import DistributionFinder, MetadataPathFinder

        context = context or DistributionFinder.Context()
        places = [find_slot(entry) for entry in context.path if isinstance(entry, str) and entry]
        theirs = [os.path.join(tree.real, place) for tree, place in filter(None, places)]
        if not theirs:
            return ()
        return MetadataPathFinder.find_distributions(DistributionFinder.Context(name=context.name, path=theirs))


def _namespace(tree: Tree, place: str, fullname: str) -> ModuleSpec | None:
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
