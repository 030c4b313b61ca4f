"""What a project may add to its gate: rows of the matrix, a number of its own, and an ear for the verdict."""

import ast
from pathlib import Path
from typing import Any

from pytest_rollback.model import Measurement, Report

HERE = Path(__file__).parent


def pytest_rollback_triggers() -> dict[str, dict[str, Any]]:
    """Add two rows: an undocumented public function is watched; where most of them are, the gate blocks."""
    watch = {"severity": "medium", "action": "watch", "watch": "1 h"}
    block = {"severity": "high", "action": "investigate", "level": "commit"}
    return {
        "undocumented": {"metric": "documented", "below": "100 %", **watch},
        "hardly-documented": {"metric": "documented", "below": "50 %", **block},
    }


def pytest_rollback_evidence() -> Measurement:
    """Measure which share of the public functions says what it does."""
    module = ast.parse((HERE / "greeting.py").read_text("utf-8"))
    public = [node for node in module.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    share = 100.0 * sum(ast.get_docstring(node) is not None for node in public) / len(public)
    return Measurement(name="documented", value=share, unit="%")


def pytest_rollback_verdict(report: Report) -> None:
    """Keep a line for each verdict; a real project might tell a chat room."""
    with (HERE / "verdicts.log").open("a", encoding="utf-8") as log:
        log.write(f"{report.finished} {report.verdict.value}: {report.reason.value}\n")
