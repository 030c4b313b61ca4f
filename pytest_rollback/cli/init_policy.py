"""The policy that `init` writes: short, mostly comments, put as text into `pyproject.toml`, else a file of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from pytest_rollback.cli.init_files import Change
from pytest_rollback.cli.init_survey import BOM, parse_toml, read_file, read_toml
from pytest_rollback.policy.check import PREFIX
from pytest_rollback.policy.load import OWN_FILE, SHARED_FILE
from pytest_rollback.repo.look import Head

# What is suggested for a group: how long a test of it may take, how long all of it, and where it runs.
QUICK = ("10 s", "1 min", "commit")
LONG = ("30 s", "5 min", "ci")
SUGGESTED = {"smoke": QUICK, "contract": QUICK}
USUAL = ("integration",)
INTRODUCTION = """\
# What the safety gate of pytest-rollback goes by. All of it may be left out: the matrix that is shipped judges the
# tests marked golden_path, isolation or mission_critical. What is commented out shows what can be set, and
# `pytest-rollback schema policy` lists every key.
"""


class Draft(Struct, frozen=True, kw_only=True):
    """A policy about to be written, and why it goes where it goes."""

    change: Change
    why_there: str


def draft_policy(root: Path, head: Head | None, declared: Sequence[str]) -> Draft:
    """Decide where the policy goes and what it says."""
    shared = root / SHARED_FILE
    own = Change(path=root / OWN_FILE, before=None, after=render_policy(head, declared, shared=False).encode())
    if not shared.is_file():
        return Draft(change=own, why_there=f"there is no {SHARED_FILE} that could hold it")
    read_toml(shared)  # refuses what is no TOML, with the line that is wrong
    before = read_file(shared)
    after = before + _appendix(before, render_policy(head, declared, shared=True))
    if before.decode().startswith(BOM):
        return Draft(change=own, why_there=f"{SHARED_FILE} starts with a byte order mark, which TOML readers refuse")
    if not _adds_only_ours(before, after):
        return Draft(change=own, why_there=f"{SHARED_FILE} writes its tool table in a way that takes no more tables")
    change = Change(path=shared, before=before, after=after)
    return Draft(change=change, why_there=f"its new last table is [{PREFIX}]")


def render_policy(head: Head | None, declared: Sequence[str], *, shared: bool) -> str:
    """Write the policy, for `pyproject.toml` or for a file of its own."""
    table = f"{PREFIX}." if shared else ""
    groups = "#\n".join(_group(table, name) for name in declared or USUAL)
    return (
        f"{INTRODUCTION}{f'[{PREFIX}]' if shared else ''}\n"
        f"{_branches(head)}"
        '# mode = "shadow"  # judge and say everything, and block nothing\n'
        "\n"
        "# One more marker that the gate runs and judges. From then on a gate that finds no test with it can't pass.\n"
        f"{groups}"
        "\n"
        "# A row of the decision matrix by its name. What is not said here stays as it is shipped.\n"
        f"# [{table}triggers.golden-path]\n"
        '# deadline = "2 min"\n'
        "\n"
        "# A limit on a number that tests measure.\n"
        f"# [{table}metrics.compliance]\n"
        '# floor = "95 %"\n'
        "\n"
        "# Who is called.\n"
        f"# [{table}tiers.1]\n"
        '# contacts = ["#team-chat"]\n'
    )


def _branches(head: Head | None) -> str:
    """Write the lines on branches: what the remote says is set, what only the work tree says is offered."""
    known = head.default_branch if head else None
    here = head.branch if head else None
    branch = next((name for name in (known, here) if name and name.isprintable()), "main")
    off = "" if branch == known else "# "
    return (
        f"{off}trusted = {_quote(f'origin/{branch}')}  # the branch whose demands a change may not loosen\n"
        f"{off}live = [{_quote(branch)}]  # the branches on which deadlines run\n"
    )


def _group(table: str, name: str) -> str:
    each, whole, at = SUGGESTED.get(name, LONG)
    where = "with every gate" if at == "commit" else "kept out of the gate before a commit"
    return (
        f"# [{table}groups.{name}]\n"
        f'# each = "{each}"  # time limit of a test that has none of its own\n'
        f'# whole = "{whole}"\n'
        f'# at = "{at}"  # {where}\n'
    )


def _appendix(before: bytes, text: str) -> bytes:
    """Give what is to be added at a file's end, with the file's own line ends and an empty line before it."""
    crlf = before.count(b"\r\n")
    end = "\r\n" if crlf * 2 > before.count(b"\n") else "\n"
    gap = "" if not before.strip() else end if before.endswith(b"\n") else end * 2
    return (gap + text.replace("\n", end)).encode()


def _adds_only_ours(before: bytes, after: bytes) -> bool:
    """Whether a TOML file with our text at its end says what it said, and our table."""
    said, was = parse_toml(after), parse_toml(before)
    if said is None or was is None:
        return False
    said["tool"].pop(PREFIX.removeprefix("tool."))
    return said == {"tool": {}, **was}


def _quote(text: str) -> str:
    """Write a string as TOML does, which for these is as JSON does."""
    return json.dumps(text, ensure_ascii=False)
