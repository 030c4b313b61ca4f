"""Says what in a check can be read and still can't be meant: keys of another kind, patterns that find nothing."""

from __future__ import annotations

import re

from pytest_rollback.policy.check import Checker, Tables
from pytest_rollback.policy.problems import nearest
from pytest_rollback.policy.rules import names_in

COMMON = ("kind", "group", "label", "at", "limit")
KEYS = {
    "imports": ("packages", "exclude"),
    "syntax": ("exclude",),
    "command": ("command", "pattern", "metric", "status"),
    "protected": (),
    "junit": ("results", "command", "max-age", "status"),
}
NEEDED = {
    "imports": {"packages": 'the packages that must import: packages = ["myapp"]'},
    "command": {"command": 'what to run, a word each: command = ["python", "scripts/check.py"]'},
    "junit": {"results": 'the file with the results: results = "build/junit.xml"'},
}
LONGEST_STATUS = 255


def sense_of_check(checker: Checker, at: str, check: Tables, merged: Tables, labels: list[str]) -> None:
    """Say what is missing in a check, and what can't stand beside its kind."""
    kind = check.get("kind")
    if kind is None:
        if not checker.said(f"{at}.kind"):
            checker.say(f"{at}.kind", f"missing; known: {', '.join(KEYS)}")
        return
    _sense_of_keys(checker, at, check, kind)
    _sense_of_names(checker, at, check, merged, labels)
    _sense_of_score(checker, at, check)


def _sense_of_keys(checker: Checker, at: str, check: Tables, kind: str) -> None:
    for key in check:
        if key not in (*COMMON, *KEYS[kind]):
            checker.say(f"{at}.{key}", f'does not go with kind = "{kind}"; known: {", ".join((*COMMON, *KEYS[kind]))}')
    for key, what in NEEDED.get(kind, {}).items():
        if not check.get(key) and not checker.said(f"{at}.{key}"):
            checker.say(f"{at}.{key}", f"missing; name {what}")
    for key, words in (
        ("packages", check.get("packages", ())),
        ("exclude", check.get("exclude", ())),
        ("command", check.get("command", ())[:1]),  # an argument may be empty, a program may not
    ):
        if not all(word.strip() for word in words):
            checker.say(f"{at}.{key}", "one of its words is empty; leave it out")
    if check.get("limit") == 0:
        checker.say(f"{at}.limit", "no time at all; write how long it may take, or leave the key out")


def _sense_of_names(checker: Checker, at: str, check: Tables, merged: Tables, labels: list[str]) -> None:
    bearers = {"group": [*merged["groups"]], "metric": [*merged["metrics"]], "label": labels}
    for key, known in bearers.items():
        for name in names_in(check.get(key)):
            if not name.strip():
                checker.say(f"{at}.{key}", "names nothing; leave the key out")
            elif known and name not in known:
                checker.say(f"{at}.{key}", f'nothing is named "{name}"{nearest(name, known)}')


def _sense_of_score(checker: Checker, at: str, check: Tables) -> None:
    """Say where a score could never be read, or nobody would judge it."""
    pattern = check.get("pattern")
    if pattern is not None:
        try:
            wanted = re.compile(pattern, re.MULTILINE)
        except (re.error, RecursionError, OverflowError) as error:
            checker.say(f"{at}.pattern", f"is no regular expression: {error}")
        else:
            if wanted.groups > 1:
                checker.say(
                    f"{at}.pattern", f"has {wanted.groups} groups; one of them is the score, write (?:...) for the rest"
                )
            elif wanted.search(""):
                checker.say(f"{at}.pattern", "matches the empty text, so a program that prints nothing would pass")
    elif "metric" in check:
        checker.say(f"{at}.pattern", r"missing; say where the score stands in the output: pattern = 'Score: ([\d.]+)'")
    for status in check["status"] if isinstance(check.get("status"), list) else [check.get("status", 0)]:
        if not 0 <= status <= LONGEST_STATUS:
            checker.say(f"{at}.status", f"{status} is no exit status; those are 0 to {LONGEST_STATUS}")
    if check.get("status") == []:
        checker.say(f"{at}.status", "names nothing; leave the key out")
