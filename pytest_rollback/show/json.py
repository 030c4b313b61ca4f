"""The report for machines. `schema` in it counts up when a key changes its meaning."""

from __future__ import annotations

import msgspec

from pytest_rollback.model import Report


def render(report: Report) -> str:
    """Write a report as JSON, readable by people too."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def is_report(text: str) -> bool:
    """Whether a text is a report of ours, of whatever version."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return isinstance(document, dict) and {"schema", "kind", "verdict"} <= document.keys()
