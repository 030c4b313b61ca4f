"""Who the user is, as git knows it; never git's guess from the name of the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pytest_rollback.repo.plumbing import GitError, git

NOBODY = ("pytest-rollback", "pytest-rollback@invalid")
_WITH_DATE = re.compile(r"(?P<who>.* <.*>) \d+ [+-]\d{4}\n?", re.DOTALL)
_PERSON = re.compile(r"(?P<name>.*) <(?P<mail>.*)>", re.DOTALL)


def identity(folder: Path, extra: Mapping[str, str] | None = None) -> str | None:
    """Give `Name <mail>` of whoever works here; None where neither the environment nor git's configuration says it."""
    try:
        said = git("-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT", cwd=folder, extra=extra)
    except GitError:
        return None
    found = _WITH_DATE.fullmatch(said)
    return found["who"] if found else None


def signature(who: str | None, authored: int, committed: int | None = None) -> dict[str, str]:
    """Make the variables with which git writes a commit in somebody's name, at moments in seconds."""
    person = _PERSON.fullmatch(who or "")
    name, mail = (person["name"], person["mail"]) if person else NOBODY
    dates = {"AUTHOR": authored, "COMMITTER": authored if committed is None else committed}
    said = {f"GIT_{role}_DATE": f"@{max(0, date)} +0000" for role, date in dates.items()}
    return said | {f"GIT_{role}_{what}": value for role in dates for what, value in (("NAME", name), ("EMAIL", mail))}
