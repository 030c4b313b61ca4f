"""Whether `performance` tells a slower function from a busy machine: false alarms, and slow-downs that were caught.

Functions of 0.1 to 10 ms are timed in fresh processes, as they are and with 10, 20 and 50 % more work, against a
baseline that another process has taken: on the machine as it is, and beside twice as many busy processes as it has
processors (the baseline is of the machine as it was before). Beside it a naive comparison of the very same samples: one
median by the clock stored, one now. Each is held against three pairs of rows: the shipped ones (blocks over 50 %,
watched over 20 %) and stricter ones.

Caught: a row fires whose bound is under the true slow-down. False: a row fires whose bound is not.
Inconclusive: not comparable, or the two ends of the interval disagree about blocking. Silent: the rest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

SLOWER = (0, 10, 20, 50)
ROWS = ((50, 20), (20, 10), (10, 5))  # over how many per cent it is blocked, and watched
BLOCKS = 5
BUSY = """
import os
parent = os.getppid()
while os.getppid() == parent:
    sum(number * number for number in range(100_000))
"""
OUTCOMES = ("blocked", "watched", "inconclusive", "silent")
RECORDS = [{"name": str(number), "tags": [str(number)] * 3, "sub": {"x": number * 1.5}} for number in range(20)]
ORDER = random.Random(1).sample(range(100_000), 100_000)  # noqa: S311 (no secret)


class Point:
    """An object among many."""

    def __init__(self, x: int) -> None:
        self.x = x
        self.others = [x]


def arithmetic(rounds: int) -> int:
    """Loop over integers."""
    return sum(number * number % 7 for number in range(200 * rounds))


def text(rounds: int) -> int:
    """Make strings, join them and sort them."""
    return sum(len(",".join(sorted(str(part * 7919 % 100) for part in range(50)))) for _ in range(rounds))


def objects(rounds: int) -> int:
    """Make objects and ask them."""
    return sum(point.x + len(point.others) for _ in range(rounds) for point in [Point(part) for part in range(50)])


def parsing(rounds: int) -> int:
    """Write and read JSON, which is done in C."""
    return sum(len(json.loads(json.dumps(RECORDS))) for _ in range(rounds))


def lookups(rounds: int) -> int:
    """Walk through memory without an order."""
    return sum(ORDER[ORDER[number * 7919 % 100_000]] for number in range(200 * rounds))


def hashing(rounds: int) -> str:
    """Hash, which hardly minds what else the processor does."""
    found = hashlib.sha256()
    for _ in range(rounds):
        found.update(bytes(10_000))
    return found.hexdigest()


WORK: dict[str, tuple[Callable[[int], Any], int]] = {
    "arithmetic": (arithmetic, 100),
    "text": (text, 20),
    "objects": (objects, 500),
    "parsing": (parsing, 30),
    "lookups": (lookups, 50),
    "hashing": (hashing, 200),
}


def measure(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Time one function at several amounts of work, in this process; what a child of ours does."""
    from msgspec import structs

    from pytest_rollback.model import Measurement
    from pytest_rollback.policy.baselines import Accepted, Baseline, Shelf
    from pytest_rollback.policy.load import find_policy, load_policy
    from pytest_rollback.session.fixtures.performance import KIND, UNIT, Stopwatch
    from pytest_rollback.session.timing import Timed
    from pytest_rollback.session.yardstick import Yardstick

    func, rounds = WORK[job["work"]]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pytest-rollback.toml").write_text(
            f'[triggers.performance]\nrise = "> {ROWS[-1][0]} %"\n[triggers.performance-slower]\nrise = "> 5 %"\n',
            "utf-8",
        )
        policy = load_policy(find_policy(Path(folder), None))
    known = job["baseline"]
    accepted = Accepted(at="2026-01-01T00:00:00Z")
    stored = (
        {}
        if known is None
        else {"x": Baseline(name="x", value=known["value"], unit="s", basis=known["basis"], accepted=accepted)}
    )
    yardstick = Yardstick(policy=policy, shelf=Shelf(stored), machine="here")
    rules = structs.replace(yardstick.rules("x", KIND), per_environment=False)
    found = []
    for slower in job["slower"]:
        work = rounds * (100 + slower) // 100
        timed = Timed(func, partial(func, work), None)
        wanted = Measurement(name="x", value=0.0, metric=KIND, unit=UNIT)
        taken = Stopwatch(yardstick, rules, wanted).measure(timed, 5, job["budget"])
        timed.close()
        row = {key: getattr(taken, key) for key in ("value", "basis", "baseline", "low", "high", "samples", "detail")}
        found.append({**row, "doubt": taken.doubt is not None, "slower": slower})
    return found


def in_a_process(job: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Have a fresh process measure."""
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, __file__, "--job", json.dumps(job)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return list(json.loads(done.stdout))


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep some processes busy beside us."""
    started = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def ours(row: dict[str, Any], blocks: int, watched: int) -> str:
    """Judge what was measured by both ends of its interval."""
    if row["doubt"]:
        return "inconclusive"
    low, high = (100 * (row[end] / row["baseline"] - 1) for end in ("low", "high"))
    if low > blocks:
        return "blocked"
    if high > blocks:
        return "inconclusive"
    return "watched" if low > watched else "silent"


def naive(row: dict[str, Any], stored: float, blocks: int, watched: int) -> str:
    """Judge one median by another."""
    slower = 100 * (row["value"] / stored - 1)
    return "blocked" if slower > blocks else "watched" if slower > watched else "silent"


Found = list[tuple[str, dict[str, Any], float]]


def trials(number: int, budget: float, seed: int, busy: int) -> Found:
    """Take baselines on the machine as it is, and hold functions against them; gives each with its stored median."""
    chance = random.Random(seed)  # noqa: S311 (as above)
    found: Found = []
    for block in range(BLOCKS):
        job: dict[str, Any] = {"baseline": None, "slower": [0], "budget": 4 * budget}
        baselines = {work: in_a_process({**job, "work": work}, chance.randrange(2**32))[0] for work in WORK}
        with load(busy):
            for _ in range(number * block // BLOCKS, number * (block + 1) // BLOCKS):
                work = chance.choice(list(WORK))
                order = chance.sample(SLOWER, len(SLOWER))
                job = {"work": work, "baseline": baselines[work], "slower": order, "budget": budget}
                rows = in_a_process(job, chance.randrange(2**32))
                found += [(work, row, baselines[work]["value"]) for row in rows]
        print(f"  {len(found) // len(SLOWER)} of {number} trials", end="\r", file=sys.stderr, flush=True)
    return found


def table(condition: str, found: Found) -> None:
    """Print what came of the trials, a line for each slow-down and pair of rows."""
    for blocks, watched in ROWS:
        print(f"\n{condition}, blocked over {blocks} %, watched over {watched} %")
        head = "".join(f"{outcome:>13}" for outcome in OUTCOMES)
        print(f"  {'slower by':<12}{'':<8}{head}{'caught':>10}{'false':>8}")
        for slower in SLOWER:
            rows = [(row, stored) for _, row, stored in found if row["slower"] == slower]
            said = {
                "ours": Counter(ours(row, blocks, watched) for row, _ in rows),
                "naive": Counter(naive(row, stored, blocks, watched) for row, stored in rows),
            }
            for who, counts in said.items():
                shares = [100 * counts[outcome] / len(rows) for outcome in OUTCOMES]
                false = shares[0] * (blocks >= slower) + shares[1] * (watched >= slower)
                caught = shares[0] * (blocks < slower) + shares[1] * (watched < slower)
                caught += shares[0] * (watched < slower <= blocks)  # it is slower, if not by as much as that
                cells = "".join(f"{share:>11.1f} %" for share in shares)
                of_caught = f"{caught:>8.1f} %" if watched < slower else f"{'-':>10}"
                print(f"  {f'{slower} %' if who == 'ours' else '':<12}{who:<8}{cells}{of_caught}{false:>6.1f} %")


def widths(found: Found) -> None:
    """Print how wide the intervals are, and where the middle lies, function by function."""
    print(f"\n  {'function':<14}{'median':>12}{'interval':>14}{'samples':>9}{'error of ours':>16}{'of naive':>10}")
    for work in WORK:
        rows = [(row, stored) for name, row, stored in found if name == work and not row["doubt"]]
        if not rows:
            continue

        def middle(values: list[float]) -> float:
            return sorted(values)[len(values) // 2]

        true = [1 + row["slower"] / 100 for row, _ in rows]
        wide = middle([(row["high"] - row["low"]) / row["baseline"] / 2 for row, _ in rows])
        off = middle([abs(row["value"] / row["baseline"] / by - 1) for (row, _), by in zip(rows, true, strict=True)])
        naively = middle([abs(row["value"] / stored / by - 1) for (row, stored), by in zip(rows, true, strict=True)])
        time = 1000 * middle([stored for _, stored in rows])
        count = middle([row["samples"] for row, _ in rows])
        print(
            f"  {work:<14}{time:>9.2f} ms{100 * wide:>10.1f} +- %{count:>9}{100 * off:>14.1f} %{100 * naively:>8.1f} %"
        )


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--budget", type=float, default=0.15, help="seconds of sampling for each number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("quiet", "loaded"))
    parser.add_argument("--dump", type=Path, help="write what was measured there, as JSON")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.job:
        print(json.dumps(measure(json.loads(asked.job))))
        return
    for condition, busy in (("quiet", 0), ("loaded", 2 * (os.cpu_count() or 1))):
        if asked.only in (None, condition):
            found = trials(asked.trials, asked.budget, asked.seed, busy)
            if asked.dump:
                asked.dump.with_suffix(f".{condition}.json").write_text(json.dumps(found), "utf-8")
            table(f"{condition} ({asked.trials} trials each, {busy} busy processes beside)", found)
            widths(found)


if __name__ == "__main__":
    main()
