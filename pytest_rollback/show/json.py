"""The report for machines. `schema` in it counts up when a key changes its meaning."""

from __future__ import annotations

import msgspec

from pytest_rollback.model import SCHEMA, Report, Verdict

KINDS = frozenset({"gate", "recovery", "proof"})
VERDICTS = frozenset(verdict.value for verdict in Verdict)
KEYS = frozenset({"schema", "kind", "verdict", "subject", "policy", "tests"})


def render(report: Report) -> str:
    """Write a report as JSON, readable by people too."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def is_report(text: str) -> bool:
    """Whether a text is a report of ours, of whatever version."""
    try:
        document = msgspec.json.decode(text)
        if not _is_like_ours(document):
            return False
        if document["schema"] == SCHEMA:
            msgspec.convert(document, Report)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _is_like_ours(document: object) -> bool:
    """Whether a document has what reports of all versions have."""
    return (
        isinstance(document, dict)
        and document.keys() >= KEYS
        and type(document["schema"]) is int
        and document["kind"] in tuple(KINDS)
        and document["verdict"] in tuple(VERDICTS)
    )
