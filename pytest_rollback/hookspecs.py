"""What a project's conftest or another plugin may implement. They are called in a gate only, never in a plain run.

A worked example stands in `examples/evidence/conftest.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_rollback.model import Measurement, Report, Signal


@pytest.hookspec
def pytest_rollback_triggers(config: pytest.Config) -> Mapping[str, Mapping[str, Any]] | None:
    """Add rows to the decision matrix, before the project's policy is laid over them.

    Give rows by name, written as they would stand in the policy:
    `{"queue-depth": {"metric": "queue-depth", "above": "1000", "severity": "high", "action": "investigate"}}`.
    A metric that only such a row names must then be measured, or the gate is inconclusive. A row may also override
    a shipped one key by key; what the project's policy says of it wins over both.
    """


@pytest.hookspec
def pytest_rollback_evidence(config: pytest.Config) -> Measurement | Signal | Sequence[Measurement | Signal] | None:
    """Add evidence after the last test and before the verdict: numbers, and named facts such as `deployment-failed`."""


@pytest.hookspec
def pytest_rollback_verdict(config: pytest.Config, report: Report) -> None:
    """See the verdict with all that is known, once it stands. It can't be changed any more."""
