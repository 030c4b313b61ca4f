"""What the guard has to say, to this process and to the one that started the session."""

from __future__ import annotations

import os

from .trees import Tree

caught: list[tuple[str, str, str]] = []
_told: set[tuple[str, str, str]] = set()


def catch(kind: str, name: str, place: str) -> bool:
    """Remember what was done about a name; False where it was remembered already."""
    fact = (kind, name, place)
    if fact in _told:
        return False
    _told.add(fact)
    caught.append(fact)
    return True


def tell_refused(tree: Tree, name: str, place: str) -> None:
    """Say that a module is in the work tree alone."""
    if catch("refused", name, place):
        says = f"{place} is in the work tree and not in what is judged; git add it"
        _append(tree.control, "refused", module=name, path=place, says=says)


def tell_carried(tree: Tree, name: str, place: str) -> None:
    """Say that an ignored file was carried into the scratch tree."""
    if catch("carried", name, place):
        says = f"{place} is ignored by git and was carried along from the work tree"
        _append(tree.control, "carried", module=name, path=place, says=says)


def tell_unbuilt(tree: Tree, name: str, place: str) -> None:
    """Say that an install which builds the work tree whenever it is imported could not do so."""
    if catch("refused", name, place):
        says = f"{name} can't be imported: its editable install builds the work tree in {place}, and that failed"
        _append(tree.control, "refused", module=name, path=place, says=says)


def tell_stray(tree: Tree, name: str, path: str) -> None:
    """Say that a module was loaded from the user's tree."""
    says = f"{name} was loaded from the work tree: {path}"
    _append(tree.control, "strays", module=name, path=path, says=says)


def tell_failure(trees: str, error: Exception) -> None:
    """Say that the guard itself failed, so that nobody takes this process for a guarded one."""
    if trees:
        _append(os.path.dirname(trees), "failed", says=f"{type(error).__name__}: {error}")


def _append(folder: str, name: str, **facts: str) -> None:
    """Add a line in one write, which other processes can't come between."""
    import json

    line = json.dumps({**facts, "process": str(os.getpid())}) + "\n"
    try:
        file = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:
        return
    try:
        os.write(file, line.encode("ascii"))
    except OSError:
        return
    finally:
        os.close(file)
