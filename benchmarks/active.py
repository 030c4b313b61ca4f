"""What a gate costs while it runs: 10,000 trivial gate tests, against bare pytest on the same; and memory per test."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from paired import compare, row

FEW, MANY, IN_A_FILE = 1_000, 10_000, 100


def write_suite(folder: Path, tests: int) -> None:
    """Write a suite of trivial tests, all of them of the gate."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = golden_path\n")
    for number in range(tests // IN_A_FILE):
        body = "".join(f"def test_{test}():\n    assert True\n\n\n" for test in range(IN_A_FILE))
        (folder / f"test_{number}.py").write_text(f"import pytest\n\npytestmark = pytest.mark.golden_path\n\n\n{body}")


def main() -> None:
    """Measure, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    pairs = parser.parse_args().pairs
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    gate = [*pytest, "-p", "pytest_rollback.plugin", "--safety-gate"]
    extra = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with tempfile.TemporaryDirectory() as name:
        few, many = Path(name, "few"), Path(name, "many")
        write_suite(few, FEW)
        write_suite(many, MANY)
        small = compare(gate, pytest, few, pairs=pairs, extra=extra)
        large = compare(gate, pytest, many, pairs=pairs, extra=extra)
    low, high = large.spread()
    what = f"a gate over {MANY:,} trivial tests, against bare pytest: CPU, median of {pairs} pairs"
    row(what, f"{large.ratio():.3f} ({low:.2f} to {high:.2f})", "at most 1.05")
    grown = [b.memory_mb - a.memory_mb for a, b in zip(small.ours, large.ours, strict=True)]
    bare = [b.memory_mb - a.memory_mb for a, b in zip(small.theirs, large.theirs, strict=True)]
    middle = pairs // 2
    each = (sorted(grown)[middle] - sorted(bare)[middle]) * 1024 / (MANY - FEW)
    row("the same: memory for each test beyond what pytest itself takes", f"{each:.2f} KB", "flat")


if __name__ == "__main__":
    main()
