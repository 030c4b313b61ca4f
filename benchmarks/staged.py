"""What judging the index costs: a scratch tree of 2,000 files, first and later times, and the gate that runs in it."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from paired import compare, row, run

from pytest_rollback.repo.child import GUARD, child_environment
from pytest_rollback.repo.replica import Origin
from pytest_rollback.repo.slots import take_slot

FILES, TESTS, MARKED = 2000, 10, 20
GATE = range(2)
ROUNDS = 10
STARTS = 41
QUIET = ("-q", "-p", "no:cacheprovider", "--gate-no-record")


def main() -> None:
    """Measure, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=11)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "project")
        os.environ |= {"XDG_CACHE_HOME": str(Path(name, "cache")), "GIT_CONFIG_GLOBAL": os.devnull}
        make_project(folder)
        trees(folder)
        starts(folder)
        gates(folder, pairs)


def make_project(folder: Path) -> None:
    """Make a repository with a suite in it, of which a few tests are the gate."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = golden_path\n")
    for number in range(FILES):
        head = "import pytest\n" if number < MARKED else ""
        mark = "@pytest.mark.golden_path\n" if number < MARKED else ""
        tests = "".join(
            f"{mark if test in GATE else ''}def test_{test}():\n    assert True\n\n\n" for test in range(TESTS)
        )
        path = folder / f"tests_{number % 50}" / f"test_{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(head + tests)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", "one")


def git(folder: Path, *arguments: str) -> str:
    """Run git."""
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def trees(folder: Path) -> None:
    """Prepare the scratch tree again and again, after edits of a few files each."""
    origin = Origin(top=folder, common=folder / ".git")
    commit = git(folder, "rev-parse", "HEAD")
    walls, cpus = [], []
    for number in range(ROUNDS):
        for other in range(5):
            (folder / f"tests_{other}" / f"test_{other + 1000}.py").write_text(f"VALUE = {number}\n")
        git(folder, "add", "--all")
        tree = git(folder, "write-tree")
        before, start = sum(os.times()[:4]), time.perf_counter()
        with take_slot(origin) as slot:
            slot.prepare(tree=tree, commit=commit, branch="main")
        walls.append(time.perf_counter() - start)
        cpus.append(sum(os.times()[:4]) - before)
    git(folder, "reset", "--quiet", "--hard")
    for number, goal in ((1, "under 1 s"), (2, "under 150 ms"), (ROUNDS, "under 150 ms")):
        value = f"{walls[number - 1] * 1000:.0f} ms, CPU {cpus[number - 1] * 1000:.0f} ms"
        row(f"a scratch tree of {FILES} files, time {number}: wall and CPU", value, goal)


def starts(folder: Path) -> None:
    """Start Python with the guard and without, in turn."""
    with take_slot(Origin(top=folder, common=folder / ".git")) as slot:
        scratch = slot.prepare(tree=git(folder, "write-tree"), commit=None, branch="main")
        guarded = child_environment(scratch, folder)
        given = {name: guarded[name] for name in ("PYTHONPATH", GUARD, "PYTHONDONTWRITEBYTECODE") if name in guarded}
        start = [sys.executable, "-c", ""]
        pairs = [
            run(start, scratch.top, given, 0).cpu - run(start, scratch.top, {**given, "PYTHONPATH": ""}, 0).cpu
            for _ in range(STARTS)
        ]
    row("the guard, at each start of a Python: CPU, median", f"{statistics.median(pairs) * 1000:.1f} ms", "under 3 ms")


def gates(folder: Path, pairs: int) -> None:
    """Compare the gate of the index with that of the work tree, which are the same here."""
    plain = [sys.executable, "-m", "pytest", "--safety-gate", *QUIET]
    found = compare([*plain, "--gate-staged"], plain, folder, pairs=pairs)
    for field in ("wall", "cpu"):
        low, high = found.spread(field)
        more = statistics.median(getattr(a, field) - getattr(b, field) for a, b in zip(*found, strict=True))
        what = f"a staged gate of {MARKED * len(GATE)} tests against a plain one: {field}, median of {pairs} pairs"
        row(what, f"{found.ratio(field):.2f} ({low:.2f} to {high:.2f})", f"{more * 1000:.0f} ms more")


if __name__ == "__main__":
    main()
