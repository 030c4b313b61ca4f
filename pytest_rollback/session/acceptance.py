"""Whether this session may accept what it measures, and as what."""

from __future__ import annotations

import pytest

from pytest_rollback.session.ground import Ground


def asked_to_accept(config: pytest.Config, ground: Ground) -> str:
    """Say which numbers are to be accepted: `new`, `better`, `all`, or none; refuse what can't be meant."""
    how: str = config.option.rollback_accept or ""
    reason = config.option.rollback_reason
    if reason is not None and not how:
        msg = "--baseline-reason needs --accept-baselines new, better or all"
        raise pytest.UsageError(msg)
    if not how:
        return ""
    if not (reason or "").strip():
        msg = '--accept-baselines needs a reason, for those who come after: --baseline-reason "..."'
        raise pytest.UsageError(msg)
    refused = (
        (ground.is_staged, "--gate-staged judges a copy, in which nothing can be accepted"),
        (config.option.rollback_shard, "--gate-shard measures a part of the gate only"),
        (config.option.collectonly, "--collect-only measures nothing"),
    )
    for given, why in refused:
        if given:
            msg = f"--accept-baselines: {why}"
            raise pytest.UsageError(msg)
    return how
