"""Times calls of a function: in samples of some calls each, beside a known piece of work, undisturbed.

Undisturbed means: no garbage collection, and no tracer or profiler of this thread. The first call is made before that,
so that a tracer such as coverage sees it.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import math
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from pytest_rollback.judge.pace import Sample
from pytest_rollback.session.measures import MeasurementError

SHORTEST = 0.001  # a sample, in seconds: long against the clocks, short against the time that a system gives in one go
ROUGHLY = 0.7
MOST_CALLS = 10_000_000
WARM_UP = 0.02  # seconds; the interpreter adapts to what it runs
MOST_WARM_UPS = 50
OF_A_SAMPLE = 0.05  # how much of it is calibrated beside
MOST_UNITS = 20
DELAYS = "/proc/thread-self/schedstat"
SIZE = 400


class Took(NamedTuple):
    """What some calls took together."""

    wall: float
    cpu: float
    delay: float


class _Thing:
    __slots__ = ("key", "parts")

    def __init__(self, key: int) -> None:
        self.key = key
        self.parts = [key]

    def weight(self) -> int:
        return self.key + len(self.parts)


def calibration_work() -> int:
    """Do a known piece of work: integers, strings, dictionaries and objects, in about as many parts.

    Whoever changes it changes `judge.pace.WORK`: no baseline from before is comparable then.
    """
    total = 0
    for number in range(3 * SIZE):
        total += number * number % 7
    names: dict[int, str] = {}
    for number in range(SIZE):
        names[number * 7919 % 1009] = str(number)
    total += len(",".join(sorted(names.values())))
    things = [_Thing(number) for number in range(SIZE)]
    return total + sum(thing.weight() for thing in things)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the garbage collector and what traces this thread away, and give them back in any case."""
    collected, tracer, profiler = gc.isenabled(), sys.gettrace(), sys.getprofile()
    gc.disable()
    if tracer is not None:
        sys.settrace(None)
    if profiler is not None:
        sys.setprofile(None)
    try:
        yield
    finally:
        if profiler is not None:
            sys.setprofile(profiler)
        if tracer is not None:
            sys.settrace(tracer)
        if collected:
            gc.enable()


class Delays:
    """Tells how long this thread was ready to run while others ran; always 0 where the system keeps no such account."""

    def __init__(self) -> None:
        self.file = -1
        with suppress(OSError):
            self.file = os.open(DELAYS, os.O_RDONLY)

    def read(self) -> float:
        """Read the seconds since the thread began."""
        if self.file < 0:
            return 0.0
        try:
            return int(os.pread(self.file, 128, 0).split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0

    def close(self) -> None:
        """Let the account go."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1


class Timed:
    """A function that is called again and again; `result` is what it returned last."""

    def __init__(self, func: Callable[..., Any], call: Callable[[], Any], setup: Callable[[], Any] | None) -> None:
        self.call = call
        self.setup = setup
        self.result: Any = None
        self.batch = 1
        self.units = 1
        self.calibrated: float | None = None
        self.delays = Delays()
        self.loop: asyncio.AbstractEventLoop | None = None
        try:
            if is_coroutine_function(func):
                self._open_loop()
            self._first()
        except BaseException:
            self.close()
            raise

    def warm_up(self) -> None:
        """Call until the interpreter has adapted, and choose how many calls make a sample."""
        self._prepare()
        took = [self._run(1).wall]
        while self.setup is None and took[-1] < ROUGHLY * SHORTEST and self.batch < MOST_CALLS:
            wanted = math.ceil(SHORTEST * self.batch / max(took[-1], SHORTEST / MOST_CALLS))
            self.batch = min(wanted, self.batch * 100, MOST_CALLS)
            took.append(self._run(self.batch).wall)
        while sum(took) < WARM_UP and len(took) < MOST_WARM_UPS:
            self._prepare()
            took.append(self._run(self.batch).wall)
        for _ in range(3):
            calibration_work()

    def sample(self) -> Sample:
        """Time as many calls as make a sample, between two calibrations."""
        self._prepare()
        before = self._calibrate() if self.setup is not None or self.calibrated is None else self.calibrated
        took = self._run(self.batch)
        self.units = max(1, min(MOST_UNITS, int(OF_A_SAMPLE * took.wall / max(before, 1e-6))))
        after = self.calibrated = self._calibrate()
        return Sample(took.wall, before, after, took.cpu, took.delay)

    def close(self) -> None:
        """End what was opened for the calls."""
        self.delays.close()
        if self.loop is not None:
            _close(self.loop)
            self.loop = None

    def _calibrate(self) -> float:
        """Time the known work, by this thread's time alone; what comes after one sample comes before the next."""
        began = time.thread_time()
        for _ in range(self.units):
            calibration_work()
        return (time.thread_time() - began) / self.units

    def _prepare(self) -> None:
        if self.setup is not None:
            made = self.setup()
            if inspect.isawaitable(made) or inspect.isgenerator(made):
                _let_go(made)
                msg = "setup returned something that would have to be run first; make it a plain function"
                raise MeasurementError(msg)

    def _first(self) -> None:
        """Call once, and look at what kind of function this is."""
        self._prepare()
        if self.loop is not None:
            self._run(1)
            return
        made = self.call()
        if inspect.isgenerator(made) or inspect.isasyncgen(made):
            _let_go(made)
            raise MeasurementError(NOTHING_RUNS)
        if inspect.iscoroutine(made):
            self._open_loop(made)
            made = self._in_loop(made)
        elif inspect.isawaitable(made):
            msg = f"the function returned a {type(made).__name__} that is not awaited; time a coroutine function"
            raise MeasurementError(msg)
        self.result = made

    def _run(self, count: int) -> Took:
        return self._in_loop(self._run_awaited(count)) if self.loop is not None else self._run_plain(count)

    def _run_plain(self, count: int) -> Took:
        call, result = self.call, None
        delay = self.delays.read()
        cpu = time.process_time()
        wall = time.perf_counter()
        for _ in range(count):
            result = call()
        wall = time.perf_counter() - wall
        cpu = time.process_time() - cpu
        self.result = result
        return Took(wall, cpu, self.delays.read() - delay)

    async def _run_awaited(self, count: int) -> Took:
        call, result = self.call, None
        delay = self.delays.read()
        cpu = time.process_time()
        wall = time.perf_counter()
        for _ in range(count):
            result = await call()
        wall = time.perf_counter() - wall
        cpu = time.process_time() - cpu
        self.result = result
        return Took(wall, cpu, self.delays.read() - delay)

    def _open_loop(self, made: Coroutine[Any, Any, Any] | None = None) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.loop = asyncio.new_event_loop()
            return
        if made is not None:
            made.close()
        msg = "a coroutine function is timed in an event loop of its own; call check from a test that is no coroutine"
        raise MeasurementError(msg)

    def _in_loop(self, made: Coroutine[Any, Any, Any]) -> Any:
        if self.loop is None:  # pragma: no cover (opened by whoever asks)
            raise RuntimeError
        return self.loop.run_until_complete(made)


NOTHING_RUNS = "a generator runs nothing when it is called; time a function that goes through it, such as a list of it"


def refuse_generators(func: Callable[..., Any]) -> None:
    """Refuse a function whose call alone runs nothing."""
    inner = _innermost(func)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise MeasurementError(NOTHING_RUNS)


def is_coroutine_function(func: Callable[..., Any]) -> bool:
    """Whether a call must be awaited: also of a partial one, and of an object that is called."""
    return inspect.iscoroutinefunction(_innermost(func))


def _innermost(func: Any) -> Any:
    while isinstance(func, partial):
        func = func.func
    if inspect.isroutine(func) or inspect.isclass(func):
        return func
    return getattr(type(func), "__call__", func)  # noqa: B004 (what is asked is what kind of function it is)


def _let_go(made: Any) -> None:
    """Close what will never run, so that Python does not complain about it."""
    close = getattr(made, "close", None)
    if callable(close):
        close()


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """End a loop as `asyncio.run` does."""
    try:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
