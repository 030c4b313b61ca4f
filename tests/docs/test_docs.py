"""The docs keep up with the code."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_rollback.cli import demo, main
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.tables import TABLES, PolicyTable

ROOT = demo.HERE.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TOLD = [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "examples").glob("*/README.md"))]
CODE = re.compile(r"^(?: {4}|\t)(.*)$|```\w*\n(.*?)```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?<![\w./\[-])pytest-rollback ([a-z]+)\b([^;#`]*)")
OPTION = re.compile(r"--[a-z][a-z-]*")
OURS = re.compile(r"--(?:safety|gate|post|rollback|accept|baseline)[a-z-]*")


def ids(page: Path) -> str:
    """Name a page by where it lies."""
    return page.relative_to(ROOT).as_posix()


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


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    """A reader who follows a link finds the page."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", TOLD, ids=ids)
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    """A renamed heading must not send a reader to the top of a long page."""
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8")):
        there = (page.parent / target if target else page).read_text("utf-8")
        assert anchor in map(slug, re.findall(r"^#+ (.*)$", there, re.MULTILINE)), f"{target}#{anchor}"


def test_every_option_is_documented(pytester: pytest.Pytester) -> None:
    """What --help shows, the reference explains."""
    options = options_of_the_gate(pytester)
    assert options
    page = (ROOT / "docs" / "gate.md").read_text("utf-8")
    assert [option for option in options if f"`{option}" not in page] == []


def test_no_option_of_the_gate_is_told_of_that_is_not_there(pytester: pytest.Pytester) -> None:
    """What is planned, or was renamed, is no help to whoever tries it."""
    options = options_of_the_gate(pytester)
    for page in TOLD:
        assert [option for option in OURS.findall(page.read_text("utf-8")) if option not in options] == [], page.name


def test_every_subcommand_is_documented(subcommands: dict[str, set[str]]) -> None:
    """Each has its place in the reference."""
    pages = "".join(page.read_text("utf-8") for page in PAGES)
    assert subcommands
    assert [name for name in subcommands if f"pytest-rollback {name}" not in pages] == []
    table = (ROOT / "docs" / "gate.md").read_text("utf-8").partition("## The command beside it")[2]
    assert [name for name in subcommands if f"{name}`" not in table] == []


def test_every_option_of_a_subcommand_is_documented(subcommands: dict[str, set[str]]) -> None:
    """`--json` is on every one that prints facts, and is said once."""
    pages = "".join(page.read_text("utf-8") for page in PAGES)
    options = {option for options in subcommands.values() for option in options} - {"--help"}
    assert sorted(option for option in options if option not in pages) == []


@pytest.mark.parametrize("page", TOLD, ids=ids)
def test_commands_in_the_docs_exist(page: Path, subcommands: dict[str, set[str]]) -> None:
    """Whoever copies a command out of a page must not be told that there is no such thing."""
    for name, rest in commands_in(page.read_text("utf-8")):
        assert name in subcommands, name
        assert [option for option in OPTION.findall(rest) if option not in subcommands[name]] == [], name


def test_commands_are_found_in_code_of_each_kind() -> None:
    """A page that is read wrongly could name anything; prose and an install are no commands."""
    text = "pytest-rollback is told\n    $ pytest-rollback fly --fast  # now\n```sh\npytest-rollback log\n```\n"
    text += "`pytest-rollback sing` and\n    pip install pytest-rollback websockets\n"
    assert list(commands_in(text)) == [("fly", " --fast  "), ("log", "\n"), ("sing", "")]


@pytest.fixture(scope="module")
def subcommands() -> dict[str, set[str]]:
    """Ask the command itself which subcommands and options it has."""
    names = re.findall(r"^    ([a-z]+)", said_by("--help").partition("subcommands:")[2], re.MULTILINE)
    return {name: set(OPTION.findall(said_by(name, "--help"))) for name in names}


def said_by(*arguments: str) -> str:
    """Give what a command prints that ends by printing it."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit):
        main(arguments)
    return said.getvalue()


def options_of_the_gate(pytester: pytest.Pytester) -> list[str]:
    """Ask pytest which options we have."""
    shown = pytester.runpytest_inprocess("--help", "-pno:asyncio").stdout.str()
    section = shown.partition("safety gate (pytest-rollback)")[2].partition("\n\n")[0]
    return re.findall(r"^  (--[a-z-]+)", section, re.MULTILINE)


def commands_in(text: str) -> Iterator[tuple[str, str]]:
    """Find our commands in a page's code, with what follows each up to the next one."""
    for parts in CODE.findall(text):
        for line in "".join(parts).splitlines(keepends=True):
            if "pip install" not in line:
                yield from COMMAND.findall(line)


def slug(heading: str) -> str:
    """Name a heading as forges do in links."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
