"""What the `pre-commit` framework calls: the staged gate, and then a look at whether it reached a verdict.

A framework goes by the status alone, and a plugin that ends the process with 0 before ours is loaded has judged
nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

GATE = ("-m", "pytest", "--safety-gate", "--gate-staged")
NO_VERDICT = 81


def main(arguments: Sequence[str]) -> int:
    """Run the gate in this interpreter's environment, and give its status."""
    with tempfile.TemporaryDirectory(prefix="pytest-rollback-") as folder:
        report = Path(folder, "gate.json")
        command = [sys.executable, *GATE, f"--gate-report={report}", *arguments]
        status = subprocess.run(command, check=False).returncode
        if status == 0 and not _lets_through(report):
            sys.stderr.write("pytest-rollback: the safety gate ended without a verdict, so the commit was stopped\n")
            return NO_VERDICT
    return status


def _lets_through(report: Path) -> bool:
    try:
        said = json.loads(report.read_bytes())
        return bool(said["verdict"] == "passed" or said["mode"] == "shadow")
    except (OSError, ValueError, KeyError, TypeError):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
