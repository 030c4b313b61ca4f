"""Says what does not import, and why: each cause once, however many modules it breaks."""

from __future__ import annotations

import signal
from collections import defaultdict
from contextlib import suppress

from pytest_rollback.session.checks.imported import Broken, Imported
from pytest_rollback.session.checks.wording import counted

NAMED = 5
SHORT = 300


def breakages(seen: Imported) -> list[str]:
    """Say each cause once, by the module that is nearest to it."""
    return [
        f"{_words(group[0])}{f'; and {len(group) - 1} more for the same reason' if group[1:] else ''}"
        for group in groups_of(seen)
    ]


def groups_of(seen: Imported) -> list[list[Broken]]:
    """Gather what broke for one reason; first in each group stands the module whose own line it is."""
    groups = defaultdict(list)
    for name in seen.names:
        if name in seen.broken:
            groups[_reason(seen.broken[name])].append(seen.broken[name])
    return [sorted(group, key=lambda one: not _is_own(one, seen)) for group in groups.values()]


def _reason(broken: Broken) -> tuple[object, ...]:
    if broken.cycle:
        ring = broken.cycle[:-1]
        first = ring.index(min(ring))
        return "cycle", *ring[first:], *ring[:first]
    if broken.status is not None:
        return "ended", broken.module
    return broken.kind, broken.message, broken.where or broken.module


def _is_own(broken: Broken, seen: Imported) -> bool:
    """Whether the place where it broke is the module's own file."""
    file = broken.inside.rpartition(":")[0]
    return bool(file) and seen.files.get(broken.module, "").endswith(file)


def _words(broken: Broken) -> str:
    if broken.status is not None:
        return f"{broken.module}: {_end(broken.status)} while it was imported"
    if broken.cycle:
        missed = broken.message.partition(" from partially")[0].partition(" (most likely")[0][:SHORT]
        at = f" (at {broken.inside or broken.where})" if broken.where else ""
        return f"{broken.module}: import cycle {' -> '.join(broken.cycle)}: {missed}{at}"
    message = " ".join(broken.message.split())[:SHORT]
    said = f"{broken.kind}: {message}" if message else broken.kind
    if broken.kind == "SystemExit":
        said = f"it calls sys.exit({message}) when it is imported"
    cause = f", caused by {broken.cause}" if broken.cause and broken.cause != said else ""
    return f"{broken.module}: {said}{cause}{_place(broken)}"


def _place(broken: Broken) -> str:
    if not broken.where:
        return ""
    by = "imported by" if broken.is_import else "at"
    via = f", from {broken.inside}" if broken.inside not in ("", broken.where) else ""
    return f" ({by} {broken.where}{via})"


def _end(status: int) -> str:
    if status >= 0:
        return f"it ended its process with status {status}"
    with suppress(ValueError):
        return f"its process was ended by {signal.Signals(-status).name}"
    return f"its process was ended by signal {-status}"


def unfinished(seen: Imported, limit: str) -> list[str]:
    """Say which imports the time limit ended, and how many it left."""
    what = "importing" if seen.planned else "looking for its modules"
    hung = [f"{name}: still {what} when the check's time was up (limit {limit})" for name in seen.started]
    left = len([name for name in seen.waiting if name not in seen.started])
    return [*hung, *([f"{counted(left, 'module')} not tried: the limit of {limit} was used up"] if left else [])] or [
        f"nothing was imported within the limit of {limit}"
    ]


def printed(seen: Imported) -> str:
    """Give what the broken modules printed, and the way that led there."""
    parts = []
    for group in groups_of(seen):
        first = group[0]
        lines = [f"{first.module}: {first.kind or 'ended'}", *(f"  {line}" for line in first.trace.splitlines())]
        output = next((one.output for one in group if one.output.strip()), "")
        parts.append("\n".join([*lines, *(["printed:", output.rstrip()] if output else [])]))
    return "\n\n".join(parts)
