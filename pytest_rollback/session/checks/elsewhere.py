"""Finds modules that are imported from elsewhere than the judged tree though that holds them, and otherwise.

A copy that was installed once and has grown old imports whatever became of the tree since. A copy that is just like
the tree is as good as the tree.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_rollback.session.checks.imported import Imported
from pytest_rollback.session.checks.wording import counted

INSTALLED = frozenset({"site-packages", "dist-packages"})


def elsewhere(seen: Imported, root: Path, tree: Path) -> list[str]:
    """Say of each package that it is not the tree's."""
    bases = _bases(root, tree)
    found = []
    for package, modules in seen.modules.items():
        others = [name for name in modules if _is_elsewhere(seen.files.get(name, ""), tree)]
        differ = [name for name in others if _differs(name, seen.files[name], bases)]
        if differ:
            first = differ[0]
            found.append(
                f"{package}: {counted(len(differ), 'module')} imported from elsewhere than the judged tree, and not as "
                f"there ({first} is {seen.files[first]}); {_remedy(package)}"
            )
    return found


def _remedy(package: str) -> str:
    if package.partition(".")[0] in sys.stdlib_module_names:
        return "Python has a module of that name, which is found first; rename yours"
    return "install the project anew, or once and for all: pip install -e ."


def _bases(root: Path, tree: Path) -> list[Path]:
    """List where the tree's own modules may lie."""
    offered = [Path(entry).resolve() for entry in map(str, sys.path)]
    inside = [path for path in offered if path.is_relative_to(tree) and not INSTALLED & {*path.parts}]
    return list(dict.fromkeys((root, root / "src", root / "lib", *inside)))


def _is_elsewhere(file: str, tree: Path) -> bool:
    """Whether a module's file is none of the tree; one that is built into Python has none."""
    if not file:
        return False
    path = Path(file).resolve()
    return not path.is_relative_to(tree) or bool(INSTALLED & {*path.relative_to(tree).parts})


def _differs(name: str, file: str, bases: list[Path]) -> bool:
    """Whether the tree holds a module of that name, and another text."""
    stem = name.replace(".", "/")
    for base in bases:
        for own in (base / f"{stem}.py", base / stem / "__init__.py"):
            if own.is_file() and not INSTALLED & {*own.parts}:
                return _read(own) != _read(Path(file))
    return False


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
