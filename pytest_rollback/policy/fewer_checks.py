"""Compares the checks of two policies: which of them look at less than they did?"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_rollback.policy.criteria import duration
from pytest_rollback.policy.rules import Check, Policy

Found = Iterator[tuple[str, str]]
# What holds where a check says nothing.
LIMITS_S = {"imports": 60.0}
LIMIT_S = 300.0
MAX_AGE_S = 3600.0
# What nobody can order: where it is not the same, it is something else that is checked.
SAME = ("kind", "group", "command", "pattern", "metric", "results")


def fewer_checks(before: Policy, after: Policy) -> Found:
    """Name each key of a check that now looks at less, or at something else."""
    known = {check.name: check for check in after.checks}
    for old in before.checks:
        new = known.get(old.name)
        if new is None:
            yield f"checks.{old.name}", "is gone"
        else:
            yield from ((f"checks.{old.name}.{key}", text) for key, text in less_of(old, new))


def less_of(old: Check, new: Check) -> Found:
    """Name the keys at which one check looks at less than another, or at something else."""
    for key in SAME:
        if getattr(old, key) != getattr(new, key):
            yield key, f"is not what it was: {_in_words(getattr(new, key))}, not {_in_words(getattr(old, key))}"
    if old.at == "commit" and new.at != "commit":
        yield "at", '"ci" is looser than "commit"'
    for key, field in (("packages", "packages"), ("label", "labels")):
        if lost := set(getattr(old, field)) - set(getattr(new, field)):
            yield key, f"no longer names {', '.join(sorted(lost))}"
    if more := set(new.exclude) - set(old.exclude):
        yield "exclude", f"leaves out {', '.join(sorted(more))} as well"
    if statuses := set(new.status) - set(old.status):
        yield "status", f"lets {', '.join(map(str, sorted(statuses)))} hold as well"
    if limit_of(new) > limit_of(old):
        yield "limit", f'"{duration(limit_of(new))}" is looser than "{duration(limit_of(old))}"'
    yield from _older_results(old.max_age_s, new.max_age_s)


def limit_of(check: Check) -> float:
    """Give how long a check may take, in seconds; each kind has a limit where the policy gives none."""
    return LIMITS_S.get(check.kind, LIMIT_S) if check.limit_s is None else check.limit_s


def _older_results(was: float | None, now: float | None) -> Found:
    """Say where older results hold. Without an age they must be newer than every tracked file as well."""
    if was is None and now is not None:
        yield "max-age", f'"{duration(now)}" is looser than none, where results must be newer than every tracked file'
    elif was is not None and (MAX_AGE_S if now is None else now) > was:
        yield "max-age", f'"{duration(MAX_AGE_S if now is None else now)}" is looser than "{duration(was)}"'


def stricter_check(base: Check, change: Check) -> Check:
    """Give the change's check where it looks at as much; else the base's, which nobody could merge with it."""
    return base if next(less_of(base, change), None) is not None else change


def _in_words(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value) or "none"
