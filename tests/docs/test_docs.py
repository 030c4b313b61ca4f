"""The docs keep up with the code."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from pytest_rollback.cli import demo
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.tables import TABLES, PolicyTable

ROOT = demo.HERE.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def policy_page() -> str:
    """Read the reference of the policy."""
    return (ROOT / "docs" / "policy.md").read_text("utf-8")


def test_every_key_of_the_policy_is_documented() -> None:
    """A key that nobody can find is a key that nobody uses."""
    page = policy_page()
    shapes: list[type[msgspec.Struct]] = [PolicyTable, *TABLES.values()]
    for shape in shapes:
        for field in msgspec.structs.fields(shape):
            assert f"`{field.encode_name}`" in page or f"`[{field.encode_name}." in page, field.encode_name


def test_every_row_and_metric_that_is_shipped_is_documented() -> None:
    """People look their row up before they override it."""
    page = policy_page()
    policy = load_policy(None)
    for name in (*(trigger.name for trigger in policy.triggers), *policy.metrics):
        assert f"`{name}`" in page, name


def test_the_policy_in_the_docs_is_one(tmp_path: Path) -> None:
    """An example that does not load teaches nothing."""
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", policy_page(), re.DOTALL)):
        path = tmp_path / str(number) / "pyproject.toml"
        path.parent.mkdir()
        path.write_text(text, "utf-8")
        assert load_policy(path).digest != load_policy(None).digest


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A reader who follows a link finds the page."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_option_is_documented(pytester: pytest.Pytester) -> None:
    """What --help shows, the reference explains."""
    shown = pytester.runpytest_inprocess("--help", "-pno:asyncio").stdout.str()
    section = shown.partition("safety gate (pytest-rollback)")[2].partition("\n\n")[0]
    options = re.findall(r"^  (--[a-z-]+)", section, re.MULTILINE)
    assert options
    page = (ROOT / "docs" / "gate.md").read_text("utf-8")
    assert [option for option in options if f"`{option}" not in page] == []
