"""What the probe of imports has told, line by line; it may have been ended before it had told all."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from msgspec import Struct, field

PLANNED, AGAIN = "plan", "again"


class Broken(Struct, frozen=True, kw_only=True):
    """Why a module does not import. `where` is the innermost place, `inside` the innermost one of the tree."""

    module: str
    kind: str = ""
    message: str = ""
    where: str = ""
    inside: str = ""
    cause: str = ""
    cycle: tuple[str, ...] = ()
    trace: str = ""
    is_import: bool = False
    status: int | None = None
    output: str = ""


class Imported(Struct, kw_only=True):
    """What came of each module."""

    modules: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    unfindable: dict[str, str] = field(default_factory=dict)
    started: dict[str, None] = field(default_factory=dict)
    fine: dict[str, float] = field(default_factory=dict)
    blame: dict[str, tuple[str, float]] = field(default_factory=dict)
    broken: dict[str, Broken] = field(default_factory=dict)
    planned: bool = False

    @property
    def names(self) -> list[str]:
        """List all modules, in the order in which they were found."""
        return list(dict.fromkeys(name for package in sorted(self.modules) for name in self.modules[package]))

    @property
    def waiting(self) -> list[str]:
        """List the modules of which nothing is known."""
        return [name for name in self.names if name not in self.fine and name not in self.broken]


def read_lines(text: str) -> Imported:
    """Read what the probe told; a last line that was cut short tells nothing."""
    seen = Imported()
    for line in text.split("\n")[:-1]:
        kind, *fields = (_text(part) for part in line.split("\t"))
        if kind == PLANNED:
            seen.planned = True
            seen.started.clear()
        elif kind == "start":
            seen.started[fields[0]] = None
        elif kind == "done":
            seen.started.pop(fields[0], None)
            (_take if seen.planned else _take_plan)(seen, *fields)
    return seen


def _take_plan(seen: Imported, package: str, status: str, _output: str, kind: str = "", *rest: str) -> None:
    """Take the modules of a package."""
    if kind == "found":
        seen.modules[package] = list(rest[::2])
        seen.files.update(zip(rest[::2], rest[1::2], strict=True))
    elif kind == "missing":
        seen.missing.append(package)
    elif kind == "bare":
        seen.bare.append(package)
    else:
        seen.unfindable[package] = rest[0] if rest else f"the process ended with status {status}"


def _take(seen: Imported, module: str, status: str, output: str, kind: str = "", *rest: str) -> None:
    """Take how an import went. Of two that went differently the worse counts, of two times the shorter."""
    if kind == "fine":
        took = float(rest[0])
        seen.fine[module] = min(took, seen.fine.get(module, took))
        if len(rest) > 1:
            seen.blame[module] = (rest[1], float(rest[2]))
    elif kind == "broken":
        name, message, where, inside, cause, cycle, trace, is_import = rest[1:]
        seen.broken[module] = Broken(
            module=module,
            kind=name,
            message=message,
            where=where,
            inside=inside,
            cause=cause,
            cycle=tuple(cycle.split()),
            trace=trace,
            is_import=bool(is_import),
            output=output,
        )
    else:
        seen.broken[module] = Broken(module=module, status=int(status), output=output)
    if module in seen.broken:
        seen.fine.pop(module, None)


def _text(escaped: str) -> str:
    decode: Callable[[bytes, str], tuple[str, int]] = codecs.getdecoder("unicode_escape")
    return decode(escaped.encode("ascii", "replace"), "replace")[0]
