"""What the record costs as it grows: an append, the known good, a page of the log; and sixteen who append at once."""

from __future__ import annotations

import argparse
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from paired import row

from pytest_rollback.events import Digests, Judgment, entry_of
from pytest_rollback.model import Environment, PolicyUsed, Reason, Subject, Tests, Verdict
from pytest_rollback.repo.cache import NAME
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.known_good import Search, known_good
from pytest_rollback.repo.ledger import REF, Draft, Ledger
from pytest_rollback.repo.wording import encode, message_of, second_of, stamp

SIZES = (1_000, 10_000, 100_000)
COMMITS, BEHIND = 500, 40  # of the project's own history, and how far back the known good is
AT_ONCE, EACH = 16, 4
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
WHO = "Ada <ada@example.org>"
GOALS = {"append": "under 50 ms", "good": "under 300 ms", "anew": "under 2 s", "log": ""}


def judgment(number: int, tree: str, *, steady: bool = True) -> Judgment:
    """Make a verdict like any other."""
    return Judgment(
        at=stamp(START + timedelta(minutes=number)),
        by=WHO,
        verdict=Verdict.PASSED,
        reason=Reason.HELD,
        steady=steady,
        mode="enforce",
        subject=Subject(tree=tree, commit=tree, branch="main", keyed=True),
        digests=Digests(policy="p" * 64, selection="s" * 64, environment="e" * 64),
        policy=PolicyUsed(digest="p" * 64, source="pyproject.toml"),
        environment=Environment(digest="e" * 64, python="3.11", platform="linux"),
        started=stamp(START),
        duration_s=4.2,
        tests=Tests(collected=400, selected=33, passed=33),
    )


def build(folder: Path, events: int) -> None:
    """Make a repository with some history and a long ledger, as `git gc` would leave it."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", folder], check=True)
    for name, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        subprocess.run(["git", "config", name, value], cwd=folder, check=True)
    with subprocess.Popen(["git", "fast-import", "--quiet"], cwd=folder, stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None  # noqa: S101 (for the types: it was asked for)
        importer.stdin.writelines(history())
        importer.stdin.writelines(chain(events))
    show = ["git", "rev-parse", f"main~{BEHIND}^{{tree}}"]
    tree = subprocess.run(show, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    Ledger(folder).append([Draft(event=judgment(events, tree))])


def history() -> Iterator[bytes]:
    """Write the project's own commits."""
    for number in range(COMMITS):
        text = b"change %d\n" % number
        yield b"commit refs/heads/main\ncommitter %s %d +0000\ndata %d\n%s\n" % (
            WHO.encode(),
            second_of(stamp(START)) + number,
            len(text),
            text,
        )
        yield b"M 100644 inline a.txt\ndata %d\n%s\n" % (len(text), text)


def chain(events: int) -> Iterator[bytes]:
    """Write the ledger; nobody's history has its trees."""
    for number in range(events):
        tree = hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()
        event, raw = encode(judgment(number, tree, steady=number % 20 > 0))
        message = message_of(entry_of(event))
        yield b"commit %s\ncommitter %s %d +0000\ndata %d\n%s\n" % (
            REF.encode(),
            WHO.encode(),
            second_of(event.at),
            len(message),
            message,
        )
        yield b"M 100644 inline event.json\ndata %d\n%s\n" % (len(raw), raw)


def median(times: int, work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Give the median of what a piece of work took, in milliseconds."""
    taken = []
    for _ in range(times):
        before()
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def find(folder: Path) -> Search:
    """Ask for the known good as a gate does."""
    with Catalogue(Ledger(folder)) as catalogue:
        found = known_good(catalogue, folder, inclusive=True)
    if found.searched != BEHIND + 1:
        sys.exit(f"the known good was found after {found.searched} commits, expected {BEHIND + 1}")
    return found


def measure(folder: Path, events: int, times: int) -> None:
    """Print the rows of one ledger."""
    cache = folder / ".git/pytest-rollback/cache" / NAME
    log = [sys.executable, "-c", "from pytest_rollback.cli import main; main(['log'])"]
    find(folder)
    append = median(times, lambda: Ledger(folder).append([Draft(event=judgment(events, "1" * 40))]))
    find(folder)
    good = median(times, lambda: find(folder))
    anew = median(max(3, times // 4), lambda: find(folder), before=lambda: cache.unlink(missing_ok=True))
    page = median(times, lambda: subprocess.run(log, cwd=folder, check=True, capture_output=True))
    row(f"{events:,} events: append one", f"{append:.1f} ms", GOALS["append"])
    row(f"{events:,} events: known good, {BEHIND} commits back, with the cache", f"{good:.1f} ms", GOALS["good"])
    row(f"{events:,} events: the same without the cache", f"{anew:.0f} ms", GOALS["anew"])
    row(f"{events:,} events: pytest-rollback log, the whole process", f"{page:.0f} ms", GOALS["log"])


def race(folder: Path) -> None:
    """Let many processes append at once, and count what is there afterwards."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path;"
        "from ledger import *; here = Ledger(Path.cwd()); sys.stdin.readline();"
        f"[here.append([Draft(event=judgment(each, '2' * 40))]) for each in range({EACH})]"
    )
    before = len(Ledger(folder).lines("rev-list", REF))
    started = [
        subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdin=subprocess.PIPE) for _ in range(AT_ONCE)
    ]
    time.sleep(1.5)  # until all of them wait
    start = time.perf_counter()
    for process in started:
        process.communicate(b"\n")
    taken = time.perf_counter() - start
    lost = before + AT_ONCE * EACH - len(Ledger(folder).lines("rev-list", REF))
    row(f"{AT_ONCE} processes append {EACH} events each, all at once", f"{lost} lost, {taken:.1f} s", "none lost")


def main() -> None:
    """Measure, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--times", type=int, default=15)
    options = parser.parse_args()
    for events in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            build(Path(name), events)
            measure(Path(name), events, options.times)
            if events == options.sizes[0]:
                race(Path(name))


if __name__ == "__main__":
    main()
