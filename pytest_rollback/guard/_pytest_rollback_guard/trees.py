"""Which paths belong to the user's tree, and where they lie in the scratch tree."""

from __future__ import annotations

import os
import sys

FIELDS = 5

known: list[Tree] = []


class Tree:
    """A work tree of the user's, and the scratch tree that stands in for it."""

    def __init__(self, part: list[str], guard: str) -> None:
        given, real, slot, temporary, control = part
        self.real = real
        self.slot = slot
        self.control = control
        self.starts = (given, real, slot)
        self._tops = (given, real)
        self._own = self._inside([slot, temporary, control, guard, *_installed_folders()])
        self._foreign: dict[str, bool] = {"": False}

    def within(self, path: str) -> str | None:
        """Give the place of a path in the user's tree, `` for its top; None for what is not part of that tree."""
        for top in self._tops:
            place = _below(path, top)
            if place is not None:
                return None if self._is_foreign(place) else place
        return None

    def within_slot(self, path: str) -> str | None:
        """Give the place of a path in the scratch tree."""
        return _below(path, self.slot)

    def _inside(self, paths: list[str]) -> set[str]:
        """Keep the paths that lie in the user's tree. One that holds it, such as /usr, says nothing about it."""
        found = set()
        for path in paths:
            for form in (path, os.path.realpath(path)):
                for top in self._tops:
                    found.add(_below(form, top) or "")
        return found - {""}

    def _is_foreign(self, place: str) -> bool:
        """Whether something in the user's tree is not of it: an environment, an install, another repository."""
        known = self._foreign.get(place)
        if known is None:
            known = self._is_foreign(os.path.dirname(place)) or place in self._own or self._holds_others(place)
            self._foreign[place] = known
        return known

    def _holds_others(self, place: str) -> bool:
        folder = os.path.join(self.real, place)
        if os.path.exists(os.path.join(folder, "pyvenv.cfg")):
            return True
        stand_in = os.path.join(self.slot, place)
        if os.path.exists(os.path.join(folder, ".git")) and not os.path.exists(os.path.join(stand_in, ".git")):
            return True
        if os.path.exists(stand_in):
            return False
        try:
            return any(name.endswith(".dist-info") for name in os.listdir(folder))
        except OSError:
            return False


def read_trees(path: str, guard: str) -> list[Tree]:
    """Read what is to be guarded; nothing, where one of the folders is gone."""
    try:
        with open(path, "rb") as file:
            fields = [os.fsdecode(field) for field in file.read().split(b"\0")[:-1]]
    except (OSError, ValueError):
        return []
    parts = [fields[start : start + FIELDS] for start in range(0, len(fields), FIELDS)]
    known[:] = [Tree(part, guard) for part in parts if len(part) == FIELDS and _is_whole(part)]
    return known


def find_user(path: str) -> tuple[Tree, str] | None:
    """Find a path in a user's tree."""
    path = os.path.abspath(path)
    for tree in known:
        place = tree.within(path)
        if place is not None:
            return tree, place
    return None


def find_real_user(path: str) -> tuple[Tree, str] | None:
    """Find a path in a user's tree, also one that leads there by links."""
    return find_user(path) or find_user(os.path.realpath(path))


def find_slot(path: str) -> tuple[Tree, str] | None:
    """Find a path in a scratch tree."""
    path = os.path.abspath(path)
    for tree in known:
        place = tree.within_slot(path)
        if place is not None:
            return tree, place
    return None


def find_stray(path: str) -> Tree | None:
    """Find the tree of a file that is the user's; also of one in the scratch tree that is a link to the user's."""
    if not path.startswith(tuple(start for tree in known for start in tree.starts)):
        return None
    found = find_real_user(path) if find_slot(path) else find_user(path)
    return found[0] if found else None


def _is_whole(part: list[str]) -> bool:
    _, real, slot, _, _ = part
    return os.path.isdir(real) and os.path.isdir(slot) and real != slot


def _below(path: str, top: str) -> str | None:
    if path == top:
        return ""
    start = top if top.endswith(os.sep) else top + os.sep
    return path[len(start) :] if path.startswith(start) else None


def _installed_folders() -> list[str]:
    """List where this Python keeps what is installed. The environment may be the repository's own folder."""
    site = sys.modules.get("site")
    sites = [*getattr(site, "getsitepackages", list)(), getattr(site, "USER_SITE", None) or ""]
    prefixes = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]
    return [path for path in (*prefixes, *sites, os.path.dirname(os.__file__)) if path]
