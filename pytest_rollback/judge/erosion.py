"""Finds what a change no longer demands of what the trusted base does: erosion. Each loss has a name to approve it by.

A refactoring that keeps the tests loses nothing: tests are followed through moves, renames and new parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from pytest_rollback.events import ListedTest, TestList
from pytest_rollback.judge.follow import Pair, follow
from pytest_rollback.judge.spots import Sources, modules_of, spot_of
from pytest_rollback.model import Loss, LossKind, Mark, Outcome
from pytest_rollback.policy.criteria import duration
from pytest_rollback.policy.keys import word_of
from pytest_rollback.policy.rules import Policy
from pytest_rollback.policy.tighten import loosened

NONE = "none"
ASIDE = {Outcome.SKIPPED: LossKind.SKIPPED, Outcome.XFAILED: LossKind.XFAILED}
# It was not run, so it says nothing about what the test does when it is.
UNKNOWN = frozenset(
    {None, Outcome.UNFINISHED, Outcome.NOT_STARTED, Outcome.WITHHELD, Outcome.LEFT_OUT, Outcome.LEFT_TO_CI}
)
BLOCKED, TIMEOUT = "blocked", "timeout"
SWITCHES = ("timeouts", "strict-xfail")


def losses(
    base: TestList, now: TestList, *, sources: Sources, each: Mapping[str, float | None] | None = None
) -> list[Loss]:
    """Name each gate test that is demanded less of, by its name now; and each setting of pytest's that is weaker.

    `each` is the time that the base's policy gives each test of a group that has no limit of its own.
    """
    pairs = follow(base, now, sources=sources)
    found = [*_gone(pairs, base, now, sources)]
    for was, is_now in pairs:
        if is_now is not None:
            found += [*_unmarked(was, is_now), *_aside(was, is_now), *_limit(was, is_now, each or {})]
    found.sort(key=lambda loss: loss.name)
    return [*found, *_settings(base.settings, now.settings)]


def in_doubt(base: TestList, now: TestList, *, sources: Sources) -> list[str]:
    """Name the base's tests that step aside now, and of which nobody knows whether they did there: run them there."""
    return sorted(
        was.test
        for was, is_now in follow(base, now, sources=sources)
        if is_now is not None
        and is_now.outcome in ASIDE
        and was.outcome in UNKNOWN
        and not _bears_new_marker(was, is_now)
    )


def policy_losses(base: Policy, change: Policy) -> list[Loss]:
    """Name each key of the policy where the change demands less than the base."""
    return [
        Loss(
            name=f"policy:{key}",
            kind=LossKind.POLICY,
            what=key,
            was=word_of(base, key),
            now=word_of(change, key) if word_of(change, key) != word_of(base, key) else text,
        )
        for key, text in loosened(base, change)
    ]


def protected_losses(altered: Iterable[tuple[str, str, str | None]]) -> list[Loss]:
    """Name each protected file that is altered or missing, of what `repo.protected.altered` found."""
    return [
        Loss(name=f"protected:{path}", kind=LossKind.PROTECTED, what=path, was=was, now=now or "missing")
        for path, was, now in altered
    ]


def _gone(pairs: list[Pair], base: TestList, now: TestList, sources: Sources) -> Iterator[Loss]:
    """Name what is gone; where its function is still there and only bears no marker any more, say that."""
    missing = [was for was, is_now in pairs if is_now is None]
    if not missing:
        return
    spots = {was.test: spot_of(was.test, base.root, now.root)[0] for was in missing}
    files = {spot.file: sources.renames.get(spot.file, spot.file) for spot in spots.values()}
    modules = modules_of([*files, *files.values()], sources.now)
    kept = {spot_of(test.test)[0] for test in now.tests}
    for was in missing:
        spot = spots[was.test]
        module = modules.get(spot.file) or modules.get(files[spot.file])
        kind, is_now = LossKind.GONE, "gone"
        if spot not in kept and module is not None and module.function(spot.names) is not None:
            if any(module.mentions(spot.names, mark.group) for mark in was.marks):
                is_now = "not collected"
            else:
                kind, is_now = LossKind.UNMARKED, NONE
        yield _loss(kind, was.test, _marks_in_words(was.marks), is_now)


def _unmarked(was: ListedTest, now: ListedTest) -> Iterator[Loss]:
    labels = {mark.group: set(mark.labels) for mark in now.marks}
    if any(mark.group not in labels or not set(mark.labels) <= labels[mark.group] for mark in was.marks):
        yield _loss(LossKind.UNMARKED, now.test, _marks_in_words(was.marks), _marks_in_words(now.marks))


def _aside(was: ListedTest, now: ListedTest) -> Iterator[Loss]:
    """A test that steps aside now. Where nobody knows what it did on the base, only a new marker is sure to be one."""
    if now.outcome is Outcome.XPASSED and was.outcome in (Outcome.PASSED, Outcome.FLAKY):
        yield _loss(LossKind.XFAILED, now.test, was.outcome.value, "may fail, and passed")
    if now.outcome not in ASIDE:
        return
    if was.outcome in UNKNOWN:
        if _bears_new_marker(was, now):
            yield _loss(ASIDE[now.outcome], now.test, "no marker", now.outcome.value)
    elif was.outcome not in ASIDE and was.outcome is not None:
        yield _loss(ASIDE[now.outcome], now.test, was.outcome.value, now.outcome.value)


def _bears_new_marker(was: ListedTest, now: ListedTest) -> bool:
    return now.steps_aside and not was.steps_aside


def _limit(was: ListedTest, now: ListedTest, each: Mapping[str, float | None]) -> Iterator[Loss]:
    """A limit of its own that is longer, or that a test has instead of a shorter one of its groups."""
    before, after = (_seconds(test, each) for test in (was, now))
    own = (was.limit_s, now.limit_s)
    if after > before and own != (None, None):
        yield _loss(LossKind.LIMIT, now.test, _time(before), _time(after))


def _seconds(test: ListedTest, each: Mapping[str, float | None]) -> float:
    """Give the time that a test has; to pytest-timeout, no time at all means no limit."""
    if test.limit_s is not None:
        return test.limit_s if test.limit_s > 0 else math.inf
    limits = [limit for mark in test.marks if (limit := each.get(mark.group)) is not None]
    return min(limits, default=math.inf)


def _settings(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Loss]:
    """Name what of pytest's configuration no longer backs the gate; what the base never told of is not compared."""
    for name in SWITCHES:
        if was.get(name) == "on" and now.get(name) != "on":
            yield _loss(LossKind.SETTING, name, "on", now.get(name, NONE))
    if TIMEOUT in was:
        limits = _session_limit(was), _session_limit(now)
        if limits[1] > limits[0]:
            yield _loss(LossKind.SETTING, TIMEOUT, *map(_time, limits))
    if BLOCKED in was:
        before, after = (_listed(settings.get(BLOCKED, "")) for settings in (was, now))
        if not after <= before:
            words = (", ".join(sorted(names)) or NONE for names in (before, after))
            yield _loss(LossKind.SETTING, BLOCKED, *words)


def _session_limit(settings: Mapping[str, str]) -> float:
    """Read the limit that pytest's configuration gives to each test."""
    try:
        return float(settings.get(TIMEOUT) or math.inf)
    except ValueError:
        return math.inf


def _listed(names: str) -> set[str]:
    return {name.strip() for name in names.split(",") if name.strip()}


def _loss(kind: LossKind, what: str, was: str, now: str) -> Loss:
    return Loss(name=f"{kind.value}:{what}", kind=kind, what=what, was=was, now=now)


def _marks_in_words(marks: Iterable[Mark]) -> str:
    return ", ".join(f"{mark.group}({', '.join(mark.labels)})" if mark.labels else mark.group for mark in marks) or NONE


def _time(seconds: float) -> str:
    return NONE if math.isinf(seconds) else duration(seconds)


__all__ = ["Sources", "in_doubt", "losses", "policy_losses", "protected_losses"]
