"""The guard of a process that runs in a scratch tree: what a test session can ask it.

An editable install leads every import to the user's work tree, where files may lie that nobody has committed. Here
each way there is turned into the scratch tree; what that lacks is refused, or carried along where git ignores it.
"""

from __future__ import annotations

import atexit
import os
import sys

from . import children, finders, notes, trees

VARIABLE = "PYTEST_ROLLBACK_GUARD"
FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

active = False
top = slot = ""


def begin() -> None:
    """Guard this process; where there is nothing to guard, or no way to, all stays as it was."""
    global active, top, slot
    if active:
        return
    try:
        found = trees.read_trees(os.environ.get(VARIABLE, ""), FOLDER)
        if not found:
            return
        kept = {VARIABLE: os.environ[VARIABLE], "PYTHONPATH": FOLDER}
        finders.install(lambda module: children.watch(module, kept))
        atexit.register(_tell_strays)
    except Exception as error:  # noqa: BLE001
        notes.tell_failure(os.environ.get(VARIABLE, ""), error)
        return
    active, top, slot = True, found[0].real, found[0].slot


def caught() -> list[tuple[str, str, str]]:
    """List what was turned away from the user's tree: `mapped`, `carried` or `refused`, with name and place."""
    return list(notes.caught)


def strays() -> list[tuple[str, str]]:
    """List the loaded modules that came from the user's tree after all, with their places."""
    return [(name, place) for name, place, _ in _strays()]


def go_on_to_the_next() -> None:
    """Import the `sitecustomize` that would have been imported without us. What it raises is its own affair."""
    from importlib.machinery import PathFinder

    elsewhere = [entry for entry in sys.path if not children.is_guard(entry)]
    spec = PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is None or spec.loader is None:
        return
    from importlib.util import module_from_spec

    sys.modules["sitecustomize"] = module = module_from_spec(spec)
    spec.loader.exec_module(module)


def _places_of(module: object) -> list[str]:
    """Say where a module came from, without waking one that loads itself when it is looked at."""
    try:
        facts = object.__getattribute__(module, "__dict__")
        spec = facts.get("__spec__")
        found = [facts.get("__file__"), getattr(spec, "origin", None), *(facts.get("__path__") or ())]
    except Exception:  # noqa: BLE001
        return []
    return [place for place in found if isinstance(place, str)]


def _strays() -> list[tuple[str, str, trees.Tree]]:
    found = []
    for name, module in list(sys.modules.items()):
        for place in _places_of(module):
            tree = trees.find_stray(place)
            if tree is not None:
                found.append((name, place, tree))
                break
    return found


def _tell_strays() -> None:
    for name, place, tree in _strays():
        notes.tell_stray(tree, name, place)
