"""Patterns of names, in which `*` and `?` stand for anything and all else for itself.

`fnmatch` would read the brackets of `dependabot[bot]`, and those of every parametrised test, as a choice of letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

WILD = ("*", "?")


def matches(pattern: str, text: str) -> bool:
    """Whether a name is as the pattern says."""
    return pattern == text or _compiled(pattern, ".").fullmatch(text) is not None


def matches_mail(pattern: str, mail: str) -> bool:
    """Whether a name or a mail is as the pattern says, in whatever case it was written."""
    return matches(pattern.casefold(), mail.casefold())


def any_matches(patterns: Iterable[str], texts: Iterable[str]) -> bool:
    """Whether any of some names or mails is as one of the patterns says, in whatever case."""
    listed = [text for text in texts if text]
    return any(matches_mail(pattern, text) for pattern in patterns for text in listed)


def covers(pattern: str, other: str) -> bool:
    """Whether all that the other pattern names is named by this one too.

    A question mark here must not swallow a star there, and what is no wildcard here must stand there as well.
    """
    return pattern == other or _compiled(pattern, "[^*]").fullmatch(other) is not None


def covers_name(pattern: str, other: str) -> bool:
    """Whether all the authors that the other pattern names are named by this one too."""
    return covers(pattern.casefold(), other.casefold())


def covers_path(pattern: str, other: str) -> bool:
    """Whether a pattern of files names all that the other one does; told for sure only of `**` and `folder/**`."""
    if pattern in (other, "**", "**/*"):
        return True
    folder = pattern.removesuffix("/**")
    return folder != pattern and not any(sign in folder for sign in "*?[\\") and other.startswith(f"{folder}/")


@lru_cache(maxsize=512)
def _compiled(pattern: str, one: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": one}
    # Stars that stand side by side would make the search take exponential time.
    parts = re.sub(r"\*+", "*", pattern)
    return re.compile("".join(wild.get(sign) or re.escape(sign) for sign in parts), re.DOTALL)
