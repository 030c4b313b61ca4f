"""The entry for users of the `pre-commit` framework, put into `.pre-commit-config.yaml` as text.

YAML is not read here, only looked at: a file of the one shape that everybody uses is added to, and any other is left
to its owner. So no comment is lost, and nothing is ever changed that was not understood.
"""

from __future__ import annotations

import json
import re
import shlex

CONFIG = ".pre-commit-config.yaml"
CALL = "python -m pytest_rollback.precommit -q"
CALLING = re.compile(r"^[^#\n]*(--safety-gate|pytest_rollback\.precommit)\b", re.MULTILINE)
BOM = "\ufeff"

KEY = re.compile(r"""[A-Za-z_"'][^\s:]*:(\s|$)""")
REPOS = re.compile(r"repos:\s*(#.*)?$")
ITEM = re.compile(r"( *)-(\s|$)")
COMMENT = re.compile(r"\s*(#.*)?$")
LINE = re.compile(r"[^\n]*\n|[^\n]+")
# A block of text; at the end of a file without a last line end it would gain one.
BLOCK = re.compile(r"[|>][-\d]*\s*(#.*)?$")
# A tab before text, a line end within a line, a block of text that keeps the empty lines after it.
UNUSUAL = re.compile(r"^ *\t|\r|[|>]\d?\+\d?\s*(#.*)?$")


def calls_gate(text: str, root: str) -> bool:
    """Whether a configuration runs the gate already: by our entry, or for the work tree's top in any way."""
    live = [line for line in text.splitlines() if not COMMENT.match(line)]
    return any(_call(root) in line for line in live) or (root == "." and CALLING.search(text) is not None)


def entry_lines(root: str, indent: str = "  ") -> list[str]:
    """Write the entry of a project whose folder is given relative to the work tree's top."""
    lines = (
        "- repo: local",
        "  hooks:",
        "    - id: safety-gate",
        "      name: safety gate",
        f"      entry: {_call(root)}",
        "      language: system",
        "      pass_filenames: false",
        "      always_run: true",
        "      stages: [pre-commit]",
    )
    return [f"{indent}{line}" for line in lines]


def new_config(root: str) -> str:
    """Write a configuration that has nothing but the gate."""
    return "\n".join(["repos:", *entry_lines(root), ""])


def with_entry(text: str, root: str) -> str | None:
    """Add the entry at the end of the list `repos`; None where the text has any other shape than the usual one."""
    lines = LINE.findall(text)
    bare = [line.removeprefix(BOM).removesuffix("\n").removesuffix("\r") for line in lines]
    found = _end_of_repos(bare)
    if found is None or (not text.endswith("\n") and any(BLOCK.search(line) for line in bare)):
        return None
    at, indent = found
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    gap = "" if lines[at - 1].endswith("\n") else end
    added = "".join(line + end for line in entry_lines(root, indent))
    return "".join([*lines[:at], gap, added, *lines[at:]])


def _call(root: str) -> str:
    """Write the command; pre-commit starts it at the work tree's top, and without a shell."""
    if root == ".":
        return CALL
    inner = f"cd {shlex.quote(root)} && exec {CALL}"
    return json.dumps(f"sh -c {shlex.quote(inner)}", ensure_ascii=False)


def _end_of_repos(lines: list[str]) -> tuple[int, str] | None:
    """Find the line after the last entry of `repos`, and how its entries are indented."""
    starts = [place for place, line in enumerate(lines) if REPOS.match(line)]
    if len(starts) != 1 or not _is_plain(lines):
        return None
    start = starts[0] + 1
    first = next((line for line in lines[start:] if not COMMENT.match(line)), "")
    item = ITEM.match(first)
    if item is None:
        return None
    end = start
    for place, line in enumerate(lines[start:], start):
        if _is_inside(line, item[1]):
            end = place + 1
        elif not COMMENT.match(line):
            return (end, item[1]) if KEY.match(line) else None
    return end, item[1]


def _is_plain(lines: list[str]) -> bool:
    """Whether all that stands at the left edge is keys, entries, comments, and a `---` before them."""
    content = [line for line in lines if not COMMENT.match(line)]
    if content and content[0].rstrip() == "---":
        content = content[1:]
    if any(UNUSUAL.search(line) for line in content):
        return False
    return all(line.startswith(" ") or KEY.match(line) or ITEM.match(line) for line in content)


def _is_inside(line: str, indent: str) -> bool:
    """Whether a line belongs to a list whose entries are indented like this. Less indented text can't, nor comments."""
    item = ITEM.match(line)
    return (line.startswith(f"{indent} ") and bool(line.strip())) or (item is not None and item[1] == indent)
