"""Patterns of names, in which `*` and `?` stand for anything and all else for itself.

`fnmatch` would read the brackets of `dependabot[bot]`, and those of every parametrised test, as a choice of letters.
"""

from __future__ import annotations

from collections.abc import Iterable


def matches(pattern: str, text: str) -> bool:
    """Whether a name is as the pattern says."""
    return pattern == text or _fits(pattern, text)


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
    return pattern == other or _fits(pattern, other, not_one="*")


def covers_name(pattern: str, other: str) -> bool:
    """Whether all the authors that the other pattern names are named by this one too."""
    return covers(pattern.casefold(), other.casefold())


def covers_path(pattern: str, other: str) -> bool:
    """Whether a pattern of files names all that the other one does; told for sure only of `**` and `folder/**`."""
    if pattern in (other, "**", "**/*"):
        return True
    folder = pattern.removesuffix("/**")
    return folder != pattern and not any(sign in folder for sign in "*?[\\") and other.startswith(f"{folder}/")


def _fits(pattern: str, text: str, *, not_one: str = "") -> bool:
    """Match by going back to the last star only: a regular expression would go back to each, for ever.

    `not_one` is the sign that a question mark does not stand for.
    """
    at = here = 0
    star, resume = -1, 0
    while here < len(text):
        sign = pattern[at] if at < len(pattern) else ""
        if sign == "*":
            star, resume = at, here
            at += 1
        elif sign and (sign == text[here] or (sign == "?" and text[here] != not_one)):
            at += 1
            here += 1
        elif star >= 0:
            at, resume = star + 1, resume + 1
            here = resume
        else:
            return False
    return not pattern[at:].strip("*")
