"""Keeps the guard in the environment of the Pythons that a guarded process starts.

A test that gives a child an environment of its own, or takes `PYTHONPATH` out of this one, means to get rid of what
its user has set. It doesn't mean to run code that nobody judges.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

PYTHONS = ("python", "pypy", "pytest")
ENV = 11  # which argument of `Popen.__init__` the environment is, where somebody counts


def watch(module: ModuleType, kept: Mapping[str, str]) -> None:
    """Have `subprocess` start no Python without the guard. All that starts processes, asyncio too, goes through it."""
    begin = module.Popen.__init__

    def guarded(self: Any, args: Any, *more: Any, **named: Any) -> None:
        if len(more) < ENV - 1 and _is_python(named.get("executable") or args):
            named["env"] = with_guard(named.get("env"), kept)
        begin(self, args, *more, **named)

    guarded.__wrapped__ = begin  # type: ignore[attr-defined]
    guarded.__doc__ = begin.__doc__
    module.Popen.__init__ = guarded


def with_guard(given: Mapping[str, str] | None, kept: Mapping[str, str]) -> Mapping[str, str] | None:
    """Add what is missing to an environment. One that has a guard, ours or one of its own, is left as it is."""
    environment = os.environ if given is None else given
    missing = {name: value for name, value in kept.items() if name not in environment}
    path = os.fsdecode(environment.get("PYTHONPATH") or "")
    if "PYTHONPATH" not in missing and not any(map(is_guard, path.split(os.pathsep))):
        missing["PYTHONPATH"] = os.pathsep.join(filter(None, [kept["PYTHONPATH"], path]))
    return {**environment, **missing} if missing else given


def is_guard(folder: str) -> bool:
    """Whether a folder is a guard's: ours, or that of another copy."""
    return os.path.isdir(os.path.join(folder, __package__ or "")) if folder else False


def _is_python(args: Any) -> bool:
    """Whether a command is a Python, or a script of this environment."""
    first = args if isinstance(args, (str, bytes, os.PathLike)) else next(iter(args), "")
    try:
        word = os.fsdecode(first)
    except TypeError:
        return False
    if not os.path.exists(word):
        word = (word.split() or [""])[0]
    folder, name = os.path.split(word)
    own = os.path.dirname(sys.executable)
    return name.startswith(PYTHONS) or (folder in ("", own) and bool(name) and os.path.exists(os.path.join(own, name)))
