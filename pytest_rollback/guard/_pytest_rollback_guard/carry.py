"""What git ignores in the user's tree, and how it comes into the scratch tree when a test needs it.

A generated `_version.py` or an extension that was built in place belongs to no tree, and without it nothing runs.
"""

from __future__ import annotations

import os

from . import notes
from .trees import Tree

EPOCH, BITS = 978307200, 0x1FFFFFFF
SKIPPED = ("__pycache__", ".git")
MOST = 2000  # files of one ignored package; in a larger one the rest comes module by module
KEPT = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")

_asked: dict[str, bool] = {}


def is_ignored(tree: Tree, place: str) -> bool:
    """Whether git ignores a file of the user's tree, and doesn't track it; False where git can't say.

    A folder that the scratch tree lacks may be ignored as a whole: then git is asked once, and not for each file.
    """
    folder = os.path.dirname(place)
    if folder and not os.path.isdir(os.path.join(tree.slot, folder)) and _is_ignored(tree, folder):
        return True
    return _is_ignored(tree, place)


def _is_ignored(tree: Tree, place: str) -> bool:
    path = os.path.join(tree.real, place)
    if path not in _asked:
        _asked[path] = _ask(os.path.dirname(path), os.path.basename(path))
    return _asked[path]


def carry(tree: Tree, name: str, place: str) -> bool:
    """Copy an ignored module into the scratch tree; an ignored package whole, for the sake of its data files."""
    folder = os.path.dirname(place)
    is_package = os.path.basename(place).startswith("__init__.") and folder != ""
    whole = is_package and is_ignored(tree, folder)
    try:
        for part in _files_of(tree, folder) if whole else [place]:
            _copy(os.path.join(tree.real, part), os.path.join(tree.slot, part), tree.slot)
        if whole and not os.path.exists(os.path.join(tree.slot, place)):
            _copy(os.path.join(tree.real, place), os.path.join(tree.slot, place), tree.slot)
    except OSError:
        return False
    notes.tell_carried(tree, name, folder if whole else place)
    return True


def _ask(folder: str, name: str) -> bool:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key in KEPT}
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    # Spawned without `subprocess`, which costs more to import than git to run, and which tests like to replace.
    command = ["git", "-C", folder, "check-ignore", "-q", "--", f"./{name}"]
    try:
        process = os.posix_spawnp("git", command, environment, file_actions=nothing)
        _, status = os.waitpid(process, 0)
    except (OSError, AttributeError):
        return False
    return status == 0


def _files_of(tree: Tree, folder: str) -> list[str]:
    found: list[str] = []
    for path, below, names in os.walk(os.path.join(tree.real, folder)):
        below[:] = [name for name in below if name not in SKIPPED]
        found += [os.path.relpath(os.path.join(path, name), tree.real) for name in names]
        if len(found) > MOST:
            return found[:MOST]
    return found


def _copy(source: str, target: str, slot: str) -> None:
    """Copy a file at one go: several processes may carry the same. A link in its way may lead to anybody's files."""
    folder = os.path.dirname(target)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not (os.path.realpath(folder) + os.sep).startswith(os.path.realpath(slot) + os.sep):
        msg = f"{folder} leads out of the scratch tree"
        raise OSError(msg)
    with open(source, "rb") as file:
        content = file.read()
    mode = os.stat(source).st_mode & 0o777
    os.makedirs(os.path.dirname(target), exist_ok=True)
    fresh = f"{target}.{os.getpid()}"
    with open(fresh, "wb") as file:
        file.write(content)
    os.chmod(fresh, mode | 0o600)
    if source.endswith(".py"):
        # As with all files of a scratch tree: the same time for the same content, or old byte code would run.
        import zlib

        moment = EPOCH + (zlib.crc32(content) & BITS)
        os.utime(fresh, (moment, moment))
    os.replace(fresh, target)
