"""Reads how much memory is taken, in three ways, since each sees what the others don't.

`objects` is what tracemalloc traces, to the byte: all Python objects, and what extensions report to it, as numpy does.
`heap` is what malloc has handed out, to the byte, where the C library tells (glibc): it sees the leaks of C code.
`resident` are the pages that the process holds. They wander, and see what is mapped past malloc, or where malloc is
not glibc's. Nobody here sees what other processes hold, or a graphics card.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

OBJECTS, HEAP, RESIDENT = "objects", "heap", "resident"
PAGES = Path("/proc/self/statm")
BLOCK = 1 << 20
UNTOLD = 48  # bytes that a trace takes of malloc beyond what tracemalloc says; measured, from Python 3.10 to 3.13
TOLD = (
    "arena",
    "ordblks",
    "smblks",
    "hblks",
    "hblkhd",
    "usmblks",
    "fsmblks",
    "uordblks",
    "fordblks",
    "keepcost",
)

Gauge = Callable[[], int]


class _Told(ctypes.Structure):
    """The C library's `struct mallinfo2`."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in TOLD)


def gauges() -> dict[str, Gauge]:
    """Give the gauges that this machine has, by their names; tracemalloc must be on."""
    found = {OBJECTS: _objects, HEAP: _heap(), RESIDENT: _resident()}
    return {name: gauge for name, gauge in found.items() if gauge is not None}


def _objects() -> int:
    return tracemalloc.get_traced_memory()[0]


def _heap() -> Gauge | None:
    """Read malloc's own count, tracemalloc's tables aside; none where another malloc stands in its place."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return None
    ask.restype = _Told

    def level() -> int:
        told = ask()
        traces = tracemalloc.get_tracemalloc_memory() + UNTOLD * sys.getallocatedblocks()
        return int(told.uordblks + told.hblkhd) - traces

    before = level()
    block = bytes(BLOCK)
    moved = level() - before
    del block
    return level if moved >= BLOCK // 2 else None  # the trace of the block has taken its share


def _resident() -> Gauge | None:
    """Read the pages held now; where no system tells those, the most that were ever held, which a leak raises too."""
    with suppress(OSError):
        PAGES.read_bytes()
        page = os.sysconf("SC_PAGE_SIZE")
        return lambda: int(PAGES.read_bytes().split()[1]) * page
    with suppress(ImportError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return None
