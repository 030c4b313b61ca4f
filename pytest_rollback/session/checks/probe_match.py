"""Finds a pattern in some texts, and tells what it found. Run by its path, as a script, under a limit of time."""

from __future__ import annotations

import json
import re
import sys

MOST = 1000


def find(pattern: str, pieces: list[str], is_score: bool) -> dict[str, list[str]]:  # noqa: FBT001
    """List what it finds, each text once: its first group where it has one. An empty match is none.

    `^` and `$` are the ends of lines. Where no score is looked for, the first match is enough.
    """
    try:
        wanted = re.compile(pattern, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        return {"wrong": [f"is no regular expression: {error}"]}
    group = min(wanted.groups, 1)
    found: dict[str, None] = {}
    for piece in pieces:
        for match in wanted.finditer(piece):
            text = match[group] or ""
            if match[0] or text:
                found[text] = None
                if not is_score:
                    return {"found": [text]}
            if len(found) > MOST:
                return {"wrong": [f"matches more than {MOST:,} texts that differ"]}
    return {"found": list(found)}


if __name__ == "__main__":
    json.dump(find(*json.load(sys.stdin)), sys.stdout)
