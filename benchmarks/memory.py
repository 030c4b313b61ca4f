"""The smallest leak that the `memory` fixture finds reliably, and how often it cries wolf where nothing leaks.

    python memory.py [--trials 20] [--jobs 1] [--cycles 1000] [--only NAME]

A cycle of the noisy workload builds 0.1 to 5 MB of mixed objects in random sizes, fills caches up to a bound and
replaces what they hold, and lets a thread allocate beside it. Into that a leak of so many bytes a cycle is planted:
Python objects, or memory that C code takes of malloc and writes to. Each trial is seeded and has a process of its own.
`found` is the share of trials that report a leak; `size` what they say it to be, in the median.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import importlib
import io
import json
import logging
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from pytest_rollback.session.fixtures.memory import leak_of
from pytest_rollback.session.footprint import measure

SIZES = (1, 16, 100, 1_000, 10_000, 100_000)
LAZY = ("cmd", "calendar", "mailbox", "wave", "plistlib", "ftplib", "poplib", "smtplib", "turtle", "pstats", "tabnanny")
CACHED, QUEUED, REPEATED = 64, 20, 200

Cycle = Callable[[], object]


def main() -> None:
    """Run all trials, and print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=1, help="trials at once; more than there are processors is noise")
    parser.add_argument("--cycles", type=int, default=None, help="so many, not as many as it takes")
    parser.add_argument("--only", default="", help="the cases whose name contains this")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(trial(options.one[0], int(options.one[1]), options.cycles)))
        return
    print(f"{'case':<44}{'found':>8}{'size':>12}{'cycles':>8}{'seconds':>9}")
    with ThreadPoolExecutor(options.jobs) as pool:
        for case in (case for case in cases() if options.only in case):
            run = functools.partial(in_own_process, case, options.cycles)
            report(case, list(pool.map(run, range(options.trials))))


def report(case: str, trials: list[dict[str, float]]) -> None:
    """Print the row of one case."""
    found = [each["leak"] for each in trials if each["leak"] > 0]
    size = f"{statistics.median(found):,.0f} B" if found else ""
    cycles, seconds = (statistics.median(each[key] for each in trials) for key in ("cycles", "seconds"))
    share = f"{100 * len(found) / len(trials):.0f} %"
    print(f"{case:<44}{share:>8}{size:>12}{cycles:>8.0f}{seconds:>9.2f}", flush=True)


def in_own_process(case: str, cycles: int | None, seed: int) -> dict[str, float]:
    """Run one trial where no other has been."""
    command = [sys.executable, __file__, "--one", case, str(seed), *([f"--cycles={cycles}"] if cycles else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def trial(case: str, seed: int, cycles: int | None) -> dict[str, float]:
    """Measure one case; gives the leak in bytes a cycle."""
    draw = random.Random(seed)  # noqa: S311 (nothing here is secret)
    with cases()[case](draw) as cycle:
        begun = time.perf_counter()
        found = measure(cycle, root=Path(__file__).parent, cycles=cycles)
        seconds = time.perf_counter() - begun
    return {"leak": leak_of(found).value * 1e6, "cycles": found.cycles, "seconds": seconds}


def cases() -> dict[str, Callable[[random.Random], Any]]:
    """Name all workloads: those with a planted leak, and those without one."""
    found: dict[str, Callable[[random.Random], Any]] = {}
    for noise in (False, True):
        for plant, kind in ((objects, "objects"), (native, "malloc")):
            for size in SIZES:
                name = f"{'noise' if noise else 'quiet'} + {size:,} B a cycle of {kind}"
                found[name] = functools.partial(leaking, plant, size, noise=noise)
    found["clean: noise"] = noisy
    found |= {f"clean: {name}": functools.partial(plain, make) for name, make in CLEAN.items()}
    return found


@contextmanager
def leaking(plant: Callable[[int], Cycle], size: int, draw: random.Random, *, noise: bool = True) -> Iterator[Cycle]:
    """Plant a leak into a workload."""
    leak = plant(size)
    if not noise:
        yield leak
        return
    with noisy(draw) as cycle:

        def both() -> None:
            cycle()
            leak()

        yield both


def objects(size: int) -> Cycle:
    """Leak an int, or so many bytes in one object."""
    kept: list[object] = []
    start = 10**6
    return lambda: kept.append(start + len(kept) if size == 1 else bytes(max(size - sys.getsizeof(b""), 1)))


def native(size: int) -> Cycle:
    """Leak as a C extension would."""
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    return lambda: ctypes.memset(library.malloc(size), 1, size) and None


@contextmanager
def noisy(draw: random.Random) -> Iterator[Cycle]:
    """Do what services do: build, cache, replace, queue, and have a thread of their own."""
    cache: dict[int, bytes] = {}
    queue: deque[object] = deque(maxlen=QUEUED)

    def cycle() -> object:
        budget, made = 10 ** draw.uniform(5, 6.7), []
        while budget > 0:
            size = int(10 ** draw.uniform(1, 5))
            made.append(draw.choice((bytes, text, table))(size))
            budget -= size
        cache[draw.randrange(CACHED)] = bytes(draw.randrange(10, 20_000))
        queue.append(made[-1])
        return made

    with beside(random.Random(draw.random())):  # noqa: S311 (as above)
        yield cycle


def text(size: int) -> str:
    """Make a string."""
    return "".join(chr(97 + at % 26) for at in range(size // 20)) * 20


def table(size: int) -> dict[str, list[int]]:
    """Make a mapping of lists, which are garbage by reference counts alone."""
    return {str(at): [at] * 10 for at in range(size // 200)}


@contextmanager
def beside(draw: random.Random) -> Iterator[None]:
    """Have a thread that allocates and frees."""
    ends = threading.Event()

    def work() -> None:
        held: list[bytes] = []
        while not ends.wait(draw.uniform(0.0005, 0.01)):
            held = [bytes(draw.randrange(10, 50_000)) for _ in range(draw.randrange(10))] + held[:3]

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


@contextmanager
def plain(make: Callable[[random.Random], Cycle], draw: random.Random) -> Iterator[Cycle]:
    """Give a workload that needs nothing around it."""
    yield make(draw)


def filling(draw: random.Random) -> Cycle:
    """Fill an lru_cache of the usual size, one entry a cycle."""
    cached = functools.lru_cache(maxsize=128)(lambda at: [at] * draw.randrange(10, 50))
    seen = iter(range(10**9))
    return lambda: cached(next(seen))


def drawn(draw: random.Random) -> Cycle:
    """Fill a cache by keys that repeat: slower and slower."""
    cache: dict[int, bytes] = {}
    return lambda: cache.setdefault(draw.randrange(REPEATED), bytes(100))


def patterns(draw: random.Random) -> Cycle:
    """Fill the cache of re."""
    return lambda: re.compile(f"a{draw.random()}b")


def lazily(_: random.Random) -> Cycle:
    """Import a module more in each of the first cycles."""
    rest = iter(LAZY)

    def cycle() -> None:
        for name in rest:
            importlib.import_module(name)
            return

    return cycle


def handlers(draw: random.Random) -> Cycle:
    """Add a handler, log, and take it away."""

    def cycle() -> None:
        log, handler = logging.getLogger("benchmark"), logging.StreamHandler(io.StringIO())
        log.addHandler(handler)
        log.warning("seen %s", draw.random())
        log.removeHandler(handler)
        handler.close()

    return cycle


def interned(draw: random.Random) -> Cycle:
    """Intern strings that nobody holds."""
    return lambda: [sys.intern(f"word {draw.random()}") for _ in range(100)]


def database(draw: random.Random) -> Cycle:
    """Open a database, fill it, and close it: C code that takes its own memory."""

    def cycle() -> None:
        with sqlite3.connect(":memory:") as connection:
            connection.execute("create table t (a, b)")
            connection.executemany("insert into t values (?, ?)", [(at, "x" * at) for at in range(draw.randrange(200))])
        connection.close()

    return cycle


def documents(draw: random.Random) -> Cycle:
    """Write, pack, unpack and parse a document of random length."""

    def cycle() -> object:
        lines = "".join(f"<line n='{at}'>{draw.random()}</line>" for at in range(draw.randrange(300)))
        packed = zlib.compress(f"<all>{lines}</all>".encode())
        return ET.fromstring(zlib.decompress(packed))  # noqa: S314 (it is our own)

    return cycle


def threads(_: random.Random) -> Cycle:
    """Start threads and end them."""

    def cycle() -> None:
        started = [threading.Thread(target=sum, args=(range(100),)) for _ in range(4)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    return cycle


def rings(draw: random.Random) -> Cycle:
    """Make garbage that only the collector finds."""

    def cycle() -> None:
        for _ in range(draw.randrange(50)):
            ring: list[object] = [bytes(draw.randrange(1000))]
            ring.append(ring)

    return cycle


CLEAN: dict[str, Callable[[random.Random], Cycle]] = {
    "an lru_cache of 128 fills": filling,
    "a cache of 200 keys fills, keys drawn": drawn,
    "patterns of re": patterns,
    "modules imported late": lazily,
    "logging handlers": handlers,
    "strings interned": interned,
    "sqlite": database,
    "zlib and expat": documents,
    "threads": threads,
    "reference cycles": rings,
}


if __name__ == "__main__":
    main()
