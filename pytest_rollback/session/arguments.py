"""Translates a command line for a session in a scratch tree: what it reads lies there, what it writes here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

# Options of pytest and of well-known plugins that name a file to write.
WRITTEN = (
    "--gate-report",
    "--junitxml",
    "--junit-xml",
    "--report-log",
    "--html",
    "--json-report-file",
    "--log-file",
    "--basetemp",
)
READ = ("--gate-policy",)  # may be a file that is not part of what is judged


class Caller(Struct, frozen=True, kw_only=True):
    """Who started the gate: where, in which work tree, with which arguments."""

    folder: Path
    top: Path
    arguments: tuple[str, ...]


def program() -> list[str]:
    """Name the program again that started this session: `pytest` and `python -m pytest` differ in what they import."""
    started = Path(sys.argv[0])
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001 (as multiprocessing does)
    if started.name in ("pytest", "py.test") and started.is_file():
        return [sys.executable, *flags, str(started.absolute())]
    return [sys.executable, *flags, "-m", "pytest"]


def mapped(caller: Caller, scratch: Path) -> list[str]:
    """Translate the arguments."""
    return list(_mapped(caller, scratch))


def _mapped(caller: Caller, scratch: Path) -> Iterator[str]:
    rest = iter(caller.arguments)
    for argument in rest:
        option, equals, value = argument.partition("=")
        if not equals and argument in (*WRITTEN, *READ):
            yield argument
            option, value = argument, next(rest, "")
            yield _value(option, value, caller, scratch)
        elif equals and argument.startswith("-"):
            yield f"{option}={_value(option, value, caller, scratch)}"
        else:
            yield _place(argument, caller, scratch)


def _value(option: str, value: str, caller: Caller, scratch: Path) -> str:
    if option in WRITTEN:
        return str(caller.folder / value)
    if option in READ:
        inside = _place(value, caller, scratch)
        there = scratch / caller.folder.resolve().relative_to(caller.top.resolve()) / inside
        return inside if there.exists() else str(caller.folder / value)
    return _place(value, caller, scratch)


def _place(argument: str, caller: Caller, scratch: Path) -> str:
    """Translate a path: inside the work tree it means the scratch tree's, and further up it stays where it is."""
    path, colons, test = argument.partition("::")
    if Path(path).is_absolute():
        real = caller.top.resolve()
        for given, top in ((Path(path), caller.top), (Path(path), real), (Path(path).resolve(), real)):
            if given.is_relative_to(top):
                return f"{scratch / given.relative_to(top)}{colons}{test}"
    elif path.startswith("..") and (caller.folder / path).exists():
        real = (caller.folder / path).resolve()
        if not real.is_relative_to(caller.top.resolve()):
            return f"{real}{colons}{test}"
    return argument
