"""`pytest-rollback schema policy|report`: the JSON Schema of what is read and of what is written."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from pytest_rollback.model import Report
from pytest_rollback.policy.tables import PolicyTable

SUBJECTS: dict[str, tuple[type[msgspec.Struct], str]] = {
    "policy": (PolicyTable, "pytest-rollback policy: [tool.pytest-rollback], or the whole of pytest-rollback.toml"),
    "report": (Report, "pytest-rollback report, schema 1: what --gate-report FILE.json writes"),
}


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser("schema", help="print the JSON Schema of the policy or of the report")
    parser.add_argument("subject", choices=sorted(SUBJECTS))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    print(render(options.subject), end="")
    return 0


def render(subject: str) -> str:
    """Write a schema as it is kept in `docs/`."""
    kind, title = SUBJECTS[subject]
    schema: dict[str, Any] = msgspec.json.schema(kind)
    definitions = schema["$defs"]
    for definition in definitions.values():
        if definition.get("type") == "object":
            _close(definition, every_key=subject == "report")
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _close(definition: dict[str, Any], *, every_key: bool) -> None:
    """Say what msgspec leaves open: an unknown key is an error in a policy; in a report no key is ever left out."""
    if "properties" not in definition:
        return
    if every_key:
        definition["required"] = sorted(definition["properties"])
    else:
        definition["additionalProperties"] = False
