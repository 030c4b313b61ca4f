"""Counts how many of the health lines hold, and names the band that this falls into.

A line is what the policy's `health` lists: a group, a label, a check, a metric or a kind of metric. One that nothing
showed to hold does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_rollback.judge.tally import FAILING, HOLDING, NOT_RUN
from pytest_rollback.model import CHECKS, Evidence, Health, Judged, Outcome, Status, TestResult
from pytest_rollback.policy.rules import Policy

UNDECIDED = NOT_RUN | {Outcome.LEFT_TO_CI}
FINE = frozenset({Status.HELD, Status.WATCHED})
HEALTHY, CRITICAL = "healthy", "critical"
BANDS = ((80, "degraded"), (60, "impaired"))  # from so many per cent


def health(evidence: Evidence, judged: Iterable[Judged], policy: Policy) -> Health | None:
    """Hold each line against what was seen; none where the policy lists nothing and there is nothing to list."""
    numbers = tuple(judged)
    lines = tuple(dict.fromkeys(policy.health or _all_there_is(evidence, numbers, policy)))
    if not lines:
        return None
    kinds = {measurement.name: measurement.metric for measurement in evidence.measurements}
    missing = tuple(line for line in lines if not _holds(line, evidence.tests, numbers, kinds))
    score = len(lines) - len(missing)
    return Health(score=score, of=len(lines), band=band(score, len(lines)), open=missing, listed=bool(policy.health))


def band(score: int, of: int) -> str:
    """Name the band: 100 % is healthy, from 80 % degraded, from 60 % impaired, and below that critical."""
    if of < 1 or not 0 <= score <= of:
        msg = f"expected 0 <= score <= of, and a line, not {score} of {of}"
        raise ValueError(msg)
    if score == of:
        return HEALTHY
    return next((name for share, name in BANDS if 100 * score >= share * of), CRITICAL)


def _all_there_is(evidence: Evidence, judged: tuple[Judged, ...], policy: Policy) -> Iterator[str]:
    """List what there is where the policy lists nothing: the groups with tests, the checks, the kinds of metric.

    A group of nothing but checks is left out: each of them is a line already.
    """
    used = {mark.group for result in evidence.tests if not result.test.startswith(CHECKS) for mark in result.marks}
    yield from (group.name for group in policy.groups if group.name in used)
    yield from sorted(used - {group.name for group in policy.groups})
    yield from (check.name for check in policy.checks)
    kinds = {measurement.name: measurement.metric for measurement in evidence.measurements}
    measured = (number for number in judged if number.status is not Status.LEFT_TO_CI)
    yield from (_kind(number, kinds) or number.name for number in measured)


def _holds(line: str, tests: tuple[TestResult, ...], judged: tuple[Judged, ...], kinds: dict[str, str]) -> bool:
    """Whether all that goes by a line's name holds, and something does."""
    outcomes = {result.outcome for result in tests if _is_of(line, result)}
    statuses = {number.status for number in judged if line in (number.name, _kind(number, kinds))}
    tests_hold = bool(outcomes & HOLDING) and not outcomes & (FAILING | UNDECIDED)
    numbers_hold = bool(statuses) and statuses <= FINE
    return (tests_hold or not outcomes) and (numbers_hold or not statuses) and bool(outcomes or statuses)


def _is_of(line: str, result: TestResult) -> bool:
    marked = any(line == mark.group or line in mark.labels for mark in result.marks)
    return marked or result.test == f"{CHECKS}{line}"


def _kind(number: Judged, kinds: dict[str, str]) -> str:
    return number.metric or kinds.get(number.name, "")
