"""The command: its subcommands, its errors and its schemas."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_rollback import __version__
from pytest_rollback.cli import demo, main, schema

DOCS = Path(demo.HERE.parent, "docs")


@pytest.mark.parametrize("subject", ["policy", "report"])
def test_a_schema_is_printed_as_it_is_kept_in_the_docs(capsys: pytest.CaptureFixture[str], subject: str) -> None:
    """Others test against the published file, so it can't fall behind the code."""
    assert main(["schema", subject]) == 0
    printed = capsys.readouterr().out
    assert printed == (DOCS / f"{subject}.schema.json").read_text("utf-8")
    assert json.loads(printed)["$defs"]


def test_a_report_leaves_no_key_out() -> None:
    """Absent facts are null; a reader may rely on every key."""
    report = json.loads(schema.render("report"))["$defs"]["Report"]
    assert set(report["required"]) == set(report["properties"])


def test_an_unknown_key_of_a_policy_is_an_error_for_editors_too() -> None:
    """An editor that knows the schema underlines what the gate would refuse."""
    tables = json.loads(schema.render("policy"))["$defs"]
    assert all(table["additionalProperties"] is False for table in tables.values() if "properties" in table)


@pytest.mark.parametrize("arguments", [[], ["no-such"], ["schema", "no-such"], ["schema"]])
def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """A mistyped command is told apart from one that failed."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: pytest-rollback" in capsys.readouterr().err


def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a subcommand as a shell expects, without a traceback."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "run", interrupted)
    assert main(["schema", "policy"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_the_command_answers_without_pytest() -> None:
    """Help and version are asked for in shells and hooks; they must not wait for a test framework."""
    code = (
        "import sys; from pytest_rollback.cli import build_parser; build_parser().format_help();"
        "sys.exit(bool({'pytest', '_pytest', 'git'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug report starts with it."""
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"pytest-rollback {__version__}\n"
