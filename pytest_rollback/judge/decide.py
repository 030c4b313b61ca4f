"""Decides: evidence and policy in, verdict out. The precedence is one table, written once, as data.

Whatever a session saw is first given a standing. The worst standing of all is the verdict, so the order in which
things were seen can't matter, and nothing that was not looked at can be outvoted by what was.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from pytest_rollback.judge.compare import UNREAD
from pytest_rollback.judge.match import is_compared, is_judged, is_limited, match, unreadable_by
from pytest_rollback.judge.tally import FAILING, HOLDING, UNPROVEN, by_group
from pytest_rollback.model import (
    Action,
    Evidence,
    Finding,
    Judged,
    Judgement,
    Measurement,
    Obstacle,
    Outcome,
    Reason,
    Status,
    Subject,
    Verdict,
)
from pytest_rollback.policy.problems import nearest
from pytest_rollback.policy.rules import Policy


class Standing(IntEnum):
    """How things stand, best first: `max` is the precedence."""

    HOLDS = 0
    WATCHING = 1
    INCONCLUSIVE = 2
    FAILS = 3


# Failing beats inconclusive, inconclusive beats watching, watching beats passed.
VERDICTS = {
    Standing.HOLDS: Verdict.PASSED,
    Standing.WATCHING: Verdict.PASSED,
    Standing.INCONCLUSIVE: Verdict.INCONCLUSIVE,
    Standing.FAILS: Verdict.BLOCKED,
}

OF_ACTION = {
    Action.LOCK_DOWN: Standing.FAILS,
    Action.ROLL_BACK: Standing.FAILS,
    Action.RESTORE: Standing.FAILS,
    Action.INVESTIGATE: Standing.FAILS,
    Action.WATCH: Standing.WATCHING,
    Action.NOTE: Standing.HOLDS,
}

# What a failing test means is for the rows of the matrix that watch it; without one, nobody has judged it.
UNJUDGED = Standing.INCONCLUSIVE
OF_OUTCOME = {
    **dict.fromkeys(FAILING, UNJUDGED),
    Outcome.UNFINISHED: Standing.INCONCLUSIVE,
    Outcome.NOT_STARTED: Standing.INCONCLUSIVE,
    Outcome.WITHHELD: Standing.INCONCLUSIVE,
    Outcome.LEFT_OUT: Standing.INCONCLUSIVE,
    Outcome.LEFT_TO_CI: Standing.HOLDS,
    Outcome.SKIPPED: Standing.HOLDS,
    Outcome.XFAILED: Standing.HOLDS,
    Outcome.FLAKY: Standing.HOLDS,
    Outcome.XPASSED: Standing.HOLDS,
    Outcome.PASSED: Standing.HOLDS,
}

OF_STATUS = {
    Status.HELD: Standing.HOLDS,
    Status.WATCHED: Standing.WATCHING,
    Status.REGRESSED: Standing.FAILS,
    Status.OVER_LIMIT: UNJUDGED,
    Status.NO_BASELINE: Standing.INCONCLUSIVE,
    Status.NOT_COMPARABLE: Standing.INCONCLUSIVE,
    Status.TOO_FEW: Standing.INCONCLUSIVE,
    Status.INVALID: Standing.INCONCLUSIVE,
    Status.LEFT_TO_CI: Standing.HOLDS,
}

REASON_OF_OUTCOME = {Outcome.LEFT_OUT: Reason.NARROWED, **dict.fromkeys(FAILING, Reason.UNJUDGED)}
REASON_OF_STATUS = {
    Status.OVER_LIMIT: Reason.UNJUDGED,
    Status.NO_BASELINE: Reason.NO_BASELINE,
    Status.NOT_COMPARABLE: Reason.NOT_COMPARABLE,
    Status.TOO_FEW: Reason.TOO_FEW,
    Status.INVALID: Reason.INVALID,
}
SAID = {
    Outcome.UNFINISHED: "started and never finished",
    Outcome.NOT_STARTED: "never started",
    Outcome.WITHHELD: "withheld after its group was stopped",
    Outcome.LEFT_OUT: "left out of the run",
}
WITHDRAW = "measure it, or withdraw that: pytest-rollback baselines invalidate"
NOBODY = 'failed, and no row of the matrix judges them (a row with action = "note" would let them through)'
REASONS = tuple(Reason)


def decide(evidence: Evidence, policy: Policy, subject: Subject, *, whole: bool = True) -> Judgement:
    """Judge the evidence of a session by the policy. A part of a gate is not asked what only all parts can show."""
    findings, measurements = match(evidence, policy, subject)
    obstacles = (
        *evidence.obstacles,
        *_undecided(evidence, policy),
        *(_nothing_passed(evidence, policy) if whole else ()),
        *_unreadable(evidence, policy, measurements),
        *_unheard(evidence, policy),
        *(_not_measured(measurements, evidence, policy) if whole else ()),
        *_no_tests(evidence, whole=whole),
    )
    standing = stand(findings, obstacles)
    steady = all(result.outcome is not Outcome.FLAKY for result in evidence.tests if result.marks)
    return Judgement(
        verdict=VERDICTS[standing],
        reason=_reason(standing, obstacles, steady=steady),
        steady=steady and VERDICTS[standing] is Verdict.PASSED,
        findings=findings,
        obstacles=obstacles,
        measurements=measurements,
    )


def stand(findings: Iterable[Finding], obstacles: Iterable[Obstacle]) -> Standing:
    """Merge all standings into one: the worst."""
    standings = [OF_ACTION[finding.action] for finding in findings]
    standings += [Standing.INCONCLUSIVE for _ in obstacles]
    return max(standings, default=Standing.HOLDS)


def _reason(standing: Standing, obstacles: tuple[Obstacle, ...], *, steady: bool) -> Reason:
    if standing is Standing.FAILS:
        return Reason.FINDINGS
    if standing is Standing.INCONCLUSIVE:
        return min((obstacle.reason for obstacle in obstacles), key=REASONS.index)
    if standing is Standing.WATCHING:
        return Reason.WATCHING
    return Reason.HELD if steady else Reason.UNSTEADY


def _undecided(evidence: Evidence, policy: Policy) -> Iterable[Obstacle]:
    """Expected minus decided: each test without a result, and each failure of the gate that no row judges, by name."""
    seen = {result.outcome for result in evidence.tests}
    what = "gate tests" if all(result.marks for result in evidence.tests) else "tests"
    for outcome, standing in OF_OUTCOME.items():
        if outcome not in seen:
            continue
        results = [result for result in evidence.tests if result.outcome is outcome]
        if outcome in FAILING:
            results = [result for result in results if result.marks and not is_judged(result, policy)]
        if results and standing is Standing.INCONCLUSIVE:
            yield Obstacle(
                reason=REASON_OF_OUTCOME.get(outcome, Reason.NOT_RUN),
                detail=f"{len(results)} of {len(evidence.tests)} {what} {SAID.get(outcome, NOBODY)}",
                tests=tuple(result.test for result in results),
            )


def _nothing_passed(evidence: Evidence, policy: Policy) -> Iterable[Obstacle]:
    """A group of which something was skipped and nothing passed has shown nothing; nor has an empty required one."""
    left = [result for result in evidence.tests if result.outcome is Outcome.LEFT_TO_CI]
    if left and not any(result.marks and result.outcome in HOLDING for result in evidence.tests):
        detail = f"{len(left)} gate tests are left to CI, and none passed here"
        yield Obstacle(reason=Reason.NOTHING_PASSED, detail=detail, tests=tuple(result.test for result in left))
    required = {group.name: group.required for group in policy.groups}
    groups = by_group(evidence.tests)
    for name in dict.fromkeys((*required, *groups)):
        results = groups.get(name, [])
        seen = {result.outcome for result in results}
        if seen & UNPROVEN and not seen & HOLDING:
            detail = f"0 of {len(results)} {name} tests passed"
            yield Obstacle(reason=Reason.NOTHING_PASSED, detail=detail, tests=tuple(result.test for result in results))
        elif not results and required.get(name):
            detail = f"no test is marked {name}, and the policy requires that group"
            yield Obstacle(reason=Reason.NOTHING_PASSED, detail=detail)


def _unreadable(evidence: Evidence, policy: Policy, measurements: tuple[Judged, ...]) -> Iterable[Obstacle]:
    """A number that can't be compared, or one beyond its limit that no row judges."""
    for measurement, judged in zip(evidence.measurements, measurements, strict=True):
        for status, detail in _doubts(measurement, judged, policy):
            more = judged.detail.partition("\n")[0]
            said = detail or f"{status.value}{f': {more}' if more else ''}"
            yield Obstacle(reason=REASON_OF_STATUS[status], detail=f"{judged.name}: {said}")


def _doubts(measurement: Measurement, judged: Judged, policy: Policy) -> Iterable[tuple[Status, str]]:
    status = judged.status
    if policy.metric(measurement.name, measurement.metric) is None:
        known = nearest(measurement.metric or measurement.name, policy.metrics)
        yield Status.NOT_COMPARABLE, f"the policy knows no such metric{known}"
    elif status not in UNREAD and (rows := unreadable_by(measurement, judged, policy)):
        yield Status.NOT_COMPARABLE, f"it is in {judged.unit}, which {' and '.join(rows)} can't compare"
    elif status is not Status.OVER_LIMIT:
        if OF_STATUS[status] is Standing.INCONCLUSIVE:
            yield status, ""
    elif not is_limited(measurement, policy):
        yield status, ""
    elif measurement.doubt is not None:
        yield measurement.doubt, ""
    elif judged.baseline is None and is_compared(measurement, policy):
        yield Status.NO_BASELINE, ""


def _unheard(evidence: Evidence, policy: Policy) -> Iterable[Obstacle]:
    """A fact that somebody found worth telling, and that no row judges."""
    for signal in evidence.signals:
        if not policy.hears(signal.name):
            said = f"{signal.name}: {signal.detail}".removesuffix(": ")
            detail = f"{said}; no row of the matrix judges it"
            yield Obstacle(reason=Reason.UNJUDGED, detail=detail, tests=signal.tests)


def _not_measured(measurements: tuple[Judged, ...], evidence: Evidence, policy: Policy) -> Iterable[Obstacle]:
    """A metric that the policy requires and nothing measured. Tests that are left to CI may be what measures it."""
    if any(result.outcome is Outcome.LEFT_TO_CI for result in evidence.tests):
        return
    seen = {judged.name for judged in measurements} | {measurement.metric for measurement in evidence.measurements}
    for name, metric in policy.metrics.items():
        if metric.required and name not in seen:
            yield Obstacle(reason=Reason.NOT_MEASURED, detail=f"{name}: the policy requires it, nothing measured it")
    for name in sorted({*evidence.expected} - seen):
        if name not in policy.metrics or not policy.metrics[name].required:
            detail = f"{name}: it has a baseline, and nothing measured it; {WITHDRAW} {name}"
            yield Obstacle(reason=Reason.NOT_MEASURED, detail=detail)


def _no_tests(evidence: Evidence, *, whole: bool) -> Iterable[Obstacle]:
    """A gate without a test has looked at nothing, whatever else it measured."""
    if not any(result.marks for result in evidence.tests):
        detail = "no test bears a gate marker" if whole else "no gate test fell into this part; cut it into fewer"
        yield Obstacle(reason=Reason.NO_TESTS, detail=detail)
