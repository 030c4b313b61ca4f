"""Remembers between two sessions which gate tests failed, so that they run first. Losing it costs nothing."""

from __future__ import annotations

import warnings
from collections.abc import Collection

import pytest

from pytest_rollback.judge.report import Facts
from pytest_rollback.judge.tally import FAILING

KEY = "rollback/failed"


def failed_last_time(config: pytest.Config) -> Collection[str]:
    """Give the gate tests that failed last time; what can't be read is as good as none."""
    cache: pytest.Cache | None = getattr(config, "cache", None)
    known = cache.get(KEY, []) if cache is not None else []
    return {test for test in known if isinstance(test, str)} if isinstance(known, list) else set()


def remember_failures(config: pytest.Config, facts: Facts) -> None:
    """Keep the gate tests that failed; nothing is written where nothing changed."""
    cache: pytest.Cache | None = getattr(config, "cache", None)
    failed = [result.test for result in facts.evidence.tests if result.marks and result.outcome in FAILING]
    if cache is not None and set(failed) != set(failed_last_time(config)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pytest.PytestCacheWarning)  # under -W error it would cost the verdict
            cache.set(KEY, failed)
