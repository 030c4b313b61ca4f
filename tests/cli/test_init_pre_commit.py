"""`pytest-rollback init` and the `pre-commit` framework: the entry, where it goes, and what is left alone."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.cli.init_precommit import calls_gate, entry_lines, new_config, with_entry

USUAL = """\
# what we check
default_stages: [pre-commit]
exclude: |
  (?x)^(
  repos:
  )$
repos:
# formatting
- repo: https://github.com/astral-sh/ruff-pre-commit
  rev: v0.14.0  # kept
  hooks:
  - id: ruff
    args: [--fix, '#']

# our own
- repo: local
  hooks:
    - id: words
      entry: |
        words
        # not a comment

# the service
ci:
  skip: [words]
"""
INDENTED = "repos:\n    # first\n    -   repo: meta\n        hooks: [{id: identity}]\n    # last\n"


def entry(root: str = ".", indent: str = "") -> str:
    """Give the entry as it stands in a file."""
    return "".join(f"{line}\n" for line in entry_lines(root, indent))


def test_the_entry_comes_last_in_the_list_and_nothing_else_changes() -> None:
    """Comments, order and style are their owner's; the entry goes before what belongs to the next key."""
    after = with_entry(USUAL, ".")
    assert after is not None
    assert after.replace(entry(), "", 1) == USUAL
    assert after.index("safety-gate") > after.index("# not a comment")
    assert after.index("safety-gate") < after.index("# the service")


def test_the_entry_takes_the_indentation_of_its_list() -> None:
    """YAML reads indentation, so it has to be the same."""
    assert with_entry(INDENTED, ".") == INDENTED.replace("    # last\n", "") + entry(indent="    ") + "    # last\n"


@pytest.mark.parametrize("text", [USUAL, INDENTED, INDENTED.replace("    # last\n", "").rstrip()])
def test_the_line_ends_of_the_file_are_kept(text: str) -> None:
    """A file of two kinds of line ends is a diff over the whole file."""
    lf, crlf = with_entry(text, "."), with_entry("\ufeff---\n".replace("\n", "\r\n") + text.replace("\n", "\r\n"), ".")
    assert lf is not None
    assert crlf is not None
    assert lf.endswith("\n")
    assert crlf == "\ufeff---\r\n" + lf.replace("\n", "\r\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "repos:\n",
        "repos: []\n",
        "repos:\n  [{repo: meta}]\n",
        "repos: &all\n- repo: meta\n",
        "repos:\n- repo: meta\nrepos:\n- repo: meta\n",
        "repos:\n- repo: meta\n...\n",
        "repos:\n- repo: meta\n---\nrepos_of: others\n",
        "repos:\n- repo: meta\n  hooks: [\n{id: identity}\n]\n",
        "repos:\n  - repo: meta\n - id: odd\n",
        "repos:\n- repo: local\n  hooks:\n\t- id: tab\n",
        "repos:\n- repo: local\n  hooks:\n  - entry: |+\n      words\n\n",
        "repos:\n- repo: local\n  hooks:\n  - entry: |\n      words",
        "repos:\n- repo: meta\r  hooks: []\n",
        "%YAML 1.2\n---\nrepos:\n- repo: meta\n",
    ],
)
def test_any_other_shape_is_left_to_its_owner(text: str) -> None:
    """YAML has too many ways; what was not understood is not touched."""
    assert with_entry(text, ".") is None


@pytest.mark.parametrize("root", ["sub", "a b", 'it\'s "so"', "grün: #1", "-x"])
def test_the_gate_of_a_sub_folder_runs_there(root: str) -> None:
    """pre-commit starts everything at the top and without a shell; a gate started there would count as narrowed."""
    line = next(line for line in entry_lines(root) if "entry:" in line)
    written = line.partition("entry: ")[2]
    words = shlex.split(written.replace('\\"', "\0").strip('"').replace("\0", '"'))
    assert words[:2] == ["sh", "-c"]
    assert shlex.split(words[2])[:2] == ["cd", root]
    assert words[2].endswith("&& exec python -m pytest_rollback.precommit -q")


def test_an_entry_in_any_words_is_found_again() -> None:
    """A second one would judge each commit twice; a line that is commented out judges nothing."""
    assert calls_gate(new_config("."), ".")
    assert calls_gate("    entry: pytest --safety-gate\n", ".")
    assert not calls_gate("    # entry: pytest --safety-gate\n", ".")
    assert not calls_gate(new_config(".").replace("      entry", "      # entry"), ".")
    assert calls_gate(new_config("a b"), "a b")
    assert not calls_gate(new_config("a b"), "other")


def test_init_adds_the_entry_once(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for twice, there once; git's own hook is pre-commit's to install."""
    path = repository.write(".pre-commit-config.yaml", USUAL)
    assert main(["init", "--pre-commit"]) == 0
    written = path.read_text("utf-8")
    assert written == with_entry(USUAL, ".")
    assert "pre-commit install" in capsys.readouterr().out
    assert main(["init", "--pre-commit"]) == 0
    assert path.read_text("utf-8") == written
    assert "all is in place" in capsys.readouterr().out
    assert main(["init"]) == 0
    assert "runs the gate" in capsys.readouterr().out


def test_init_writes_a_configuration_where_there_is_none(repository: Repository) -> None:
    """The project may be a sub folder; pre-commit reads its file at the top."""
    repository.write("sub/pytest.ini", "[pytest]\n")
    assert main(["init", "--root", "sub", "--pre-commit"]) == 0
    assert (repository.path / ".pre-commit-config.yaml").read_text("utf-8") == new_config("sub")


def test_init_prints_what_to_paste_into_any_other_shape(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was asked for and not done, so this is an error, with the remedy."""
    path = repository.write(".pre-commit-config.yaml", "repos: []\n")
    assert main(["init", "--pre-commit"]) == 1
    assert entry(indent="  ") in capsys.readouterr().err
    assert path.read_text("utf-8") == "repos: []\n"


@pytest.mark.parametrize("arguments", [["--hook"], []])
def test_the_hook_is_left_to_pre_commit_where_that_is_used(
    repository: Repository, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """`pre-commit install` would push another hook aside."""
    repository.write(".pre-commit-config.yaml", USUAL)
    assert main(["init", *arguments]) == len(arguments)
    said = "".join(capsys.readouterr())
    assert "pre-commit owns" in said
    assert "pytest-rollback init --pre-commit" in said
    assert not os.path.lexists(repository.path / ".git/hooks/pre-commit")


def test_a_configuration_that_is_no_text_is_left_alone(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither read nor written by guesswork."""
    path = repository.path / ".pre-commit-config.yaml"
    path.write_bytes(b"# \xff\nrepos:\n- repo: meta\n")
    assert main(["init", "--pre-commit"]) == 1
    assert "is not UTF-8 (byte 2)" in capsys.readouterr().err
    assert path.read_bytes() == b"# \xff\nrepos:\n- repo: meta\n"


def test_a_configuration_that_is_a_folder_is_a_clear_error(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is, it is not ours to replace."""
    Path(repository.path, ".pre-commit-config.yaml").mkdir()
    assert main(["init", "--pre-commit"]) == 1
    assert ".pre-commit-config.yaml can't be read" in capsys.readouterr().err
