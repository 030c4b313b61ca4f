"""Runs a cycle over and over, and reads after each how much memory is taken still.

What the test session keeps of each cycle (log records, warnings, captured output) is no leak of the project's: that of
the first cycle stays, as if it had run once, and the rest is thrown away.
"""

from __future__ import annotations

import gc
import io
import logging
import sys
import time
import tracemalloc
import warnings
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from _pytest.logging import LogCaptureHandler
from msgspec import Struct

from pytest_rollback.judge.growth import Growth, growth
from pytest_rollback.session.gauges import HEAP, OBJECTS, RESIDENT, gauges
from pytest_rollback.session.leftovers import Leftovers, leftovers
from pytest_rollback.session.measures import MeasurementError

BUDGET_S = 2.0
PATIENCE = 3  # times the budget, where it takes that long to tell a leak from a cache that fills
FEWEST, LEAST, UNCLEAR, MOST = 6, 20, 400, 1000  # cycles
LOOKS = frozenset({20, 30, 40, 60, 80, 100, 130, 160, 200, 250, 320, 400, 500, 640, 800})
QUICK, QUICK_S = 100, 0.3  # so many are run where they take no longer: what leaks now and then shows late
AT_MOST = 256e6  # what is left behind by then is a leak or a very large cache, and others need the memory

# Bytes that a gauge can't tell from nothing: in all, what malloc keeps at hand for later; for each cycle, how far pages
# creep up where nothing leaks, alone and beside a gauge that is exact. And, for each cycle too, the upper ends that are
# low enough to stop at.
AT_HAND, CREEP, CREEP_BESIDE = 24_000.0, 4096.0, 32768.0
FINE = {OBJECTS: 0.0, HEAP: 1000.0, RESIDENT: 1e9}


class Footprint(Struct, frozen=True, kw_only=True):
    """What cycles left behind by each gauge, and the most that each held for itself meanwhile, in bytes.

    What is left over is looked at only where objects leak.
    """

    cycles: int
    growths: dict[str, Growth]
    peaks: tuple[float, ...]
    left: Leftovers = Leftovers()


def measure(
    cycle: Callable[[], object],
    *,
    root: Path,
    cycles: int | None = None,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] | None = None,
) -> Footprint:
    """Run a cycle once as it is, and then over and over: `cycles` times, or until the answer is clear.

    The budget is in seconds since the first of them, which `clock` tells. Growth is followed beyond it, up to 1,000
    cycles, since a cache that fills stops growing one day.
    """
    cycle()
    was_tracing = tracemalloc.is_tracing()
    with _traced() as is_traced, _frozen(), _unrecorded() as forget:
        readings = _Readings(cycle, forget, cycles or MOST)
        spent = clock or _stopwatch()
        while readings.done < (cycles or MOST):
            readings.take()
            if not is_traced():
                msg = "a cycle ended or cleared the tracing of tracemalloc, by which it is measured; leave that alone"
                raise MeasurementError(msg)
            if cycles is None and readings.is_enough(spent(), budget_s):
                break
        found, peaks = readings.growths(), tuple(readings.peaks[: readings.done])
        leaks = found[OBJECTS].reliable
        left = leftovers(readings.turn, root, may_restart=not was_tracing) if leaks else Leftovers()
        return Footprint(cycles=readings.done, growths=found, peaks=peaks, left=left)


def _stopwatch() -> Callable[[], float]:
    """Count the processor's time, so that a busy machine sees as many cycles; and of waiting, half."""
    wall, cpu = time.perf_counter(), time.process_time()
    return lambda: max((time.perf_counter() - wall) / 2, time.process_time() - cpu)


class _Readings:
    """The levels so far. They are written into room that is there already, or they would be growth themselves."""

    def __init__(self, cycle: Callable[[], object], forget: Callable[[], None], most: int) -> None:
        self.cycle, self.forget = cycle, forget
        self.done = 0
        self.gauges = gauges()
        self.peaks = array("d", bytes(8 * most))
        self.levels = {name: array("d", bytes(8 * (most + 1))) for name in self.gauges}
        gc.collect()
        self._read()

    def turn(self) -> int:
        """Run one cycle and let go of what it left; gives the most that was traced meanwhile."""
        tracemalloc.reset_peak()
        self.cycle()
        peak = tracemalloc.get_traced_memory()[1]
        self.forget()
        gc.collect()
        return peak

    def take(self) -> None:
        """Run one cycle, and read the gauges."""
        before = tracemalloc.get_traced_memory()[0]
        self.peaks[self.done] = max(self.turn() - before, 0)
        self.done += 1
        self._read()

    def _read(self) -> None:
        for name, gauge in self.gauges.items():
            self.levels[name][self.done] = gauge()

    def growths(self) -> dict[str, Growth]:
        """Judge each gauge."""
        least = {HEAP: AT_HAND / self.done, RESIDENT: CREEP_BESIDE if HEAP in self.levels else CREEP}
        return {name: growth(levels[: self.done + 1], least.get(name, 0.0)) for name, levels in self.levels.items()}

    def is_enough(self, spent: float, budget: float) -> bool:
        """Whether more cycles would tell no more, or cost too much."""
        if self.done >= FEWEST and any(each[self.done] - each[0] > AT_MOST for each in self.levels.values()):
            return True
        if self.done < LEAST or (self.done < QUICK and spent < QUICK_S):
            return False
        if spent < budget and self.done not in LOOKS:
            return False
        found = self.growths()
        if any(each.reliable for each in found.values()):
            return spent >= PATIENCE * budget
        if spent >= budget:
            return True
        may_leak = any(found[name].low > 0 for name in (OBJECTS, HEAP) if name in found)
        return not may_leak and (self.done >= UNCLEAR or _are_flat(found))


def _are_flat(found: Mapping[str, Growth]) -> bool:
    return all(each.high <= FINE[name] and each.net <= FINE[name] * each.cycles for name, each in found.items())


@contextmanager
def _traced() -> Iterator[Callable[[], bool]]:
    """Have allocations traced, and leave tracing as it was. Gives whether they have been, without a break."""
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    witness = bytearray(1)
    try:
        yield lambda: tracemalloc.get_object_traceback(witness) is not None
    finally:
        if not was_tracing:
            tracemalloc.stop()


@contextmanager
def _frozen() -> Iterator[None]:
    """Put what is there out of the collector's sight, which then has only the cycles' own objects to walk."""
    gc.collect()
    is_free = gc.get_freeze_count() == 0  # whoever froze some wants those to stay frozen, and unfreezing takes all
    if is_free:
        gc.freeze()
    try:
        yield
    finally:
        if is_free:
            gc.unfreeze()


@contextmanager
def _unrecorded() -> Iterator[Callable[[], None]]:
    """Give what throws away all that the test session recorded of a cycle."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, LogCaptureHandler)]
    kept = [(handler, handler.records, handler.stream) for handler in handlers]
    outputs = [
        (stream, stream.tell())
        for stream in (sys.stdout, sys.stderr)
        if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, io.BytesIO)
    ]
    with warnings.catch_warnings(record=True) as warned:

        def forget() -> None:
            warned.clear()
            for handler in handlers:
                handler.records, handler.stream = [], io.StringIO()
            for stream, end in outputs:
                stream.truncate(stream.seek(min(end, stream.tell())))

        forget()
        try:
            yield forget
        finally:
            forget()
            for handler, records, stream in kept:
                handler.records, handler.stream = records, stream
