"""What an idle pytest-rollback costs: a plain pytest run with it, against an empty plugin in its place."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from paired import compare, row

FILES, TESTS = 20, 10


def main() -> None:
    """Measure, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=41)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\nmarkers = golden_path\n")
        (folder / "nothing_at_all.py").write_text('"""An empty plugin."""\n')
        for number in range(FILES):
            tests = "".join(f"def test_{test}():\n    assert True\n\n\n" for test in range(TESTS))
            (folder / f"test_{number}.py").write_text(tests)
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        found = compare(
            [*pytest, "-p", "pytest_rollback.plugin"],
            [*pytest, "-p", "nothing_at_all"],
            folder,
            pairs=pairs,
            extra={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": name},
        )
    low, high = found.spread()
    what = f"idle, {FILES * TESTS} tests, against an empty plugin: CPU, median of {pairs} pairs"
    row(what, f"{found.ratio():.3f} ({low:.2f} to {high:.2f})", "at most 1.02")


if __name__ == "__main__":
    main()
