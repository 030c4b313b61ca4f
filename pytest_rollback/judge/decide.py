"""Decides: evidence and policy in, verdict out. The precedence is one table, written once, as data.

Whatever a session saw is first given a standing. The worst standing of all is the verdict, so the order in which
things were seen can't matter, and nothing that was not looked at can be outvoted by what was.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from pytest_rollback.judge.match import is_judged, match
from pytest_rollback.judge.tally import FAILING, UNPROVEN, in_group
from pytest_rollback.model import (
    Action,
    Evidence,
    Finding,
    Judged,
    Judgement,
    Obstacle,
    Outcome,
    Reason,
    Status,
    Subject,
    Verdict,
)
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
NOBODY = 'failed, and no row of the matrix judges them (a row with action = "note" would let them through)'
REASONS = tuple(Reason)


def decide(evidence: Evidence, policy: Policy, subject: Subject) -> Judgement:
    """Judge the evidence of a session by the policy."""
    findings, measurements = match(evidence, policy, subject)
    obstacles = (
        *evidence.obstacles,
        *_undecided(evidence, policy),
        *_nothing_passed(evidence, policy),
        *_unreadable(measurements, findings),
        *_not_measured(measurements, evidence, policy),
        *_no_tests(evidence),
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
    """Expected minus decided: every gate test without a result, and every failure that no row judges, by name."""
    gate = [result for result in evidence.tests if result.marks]
    for outcome, standing in OF_OUTCOME.items():
        results = [result for result in gate if result.outcome is outcome]
        if outcome in FAILING:
            results = [result for result in results if not is_judged(result, policy)]
        if results and standing is Standing.INCONCLUSIVE:
            yield Obstacle(
                reason=REASON_OF_OUTCOME.get(outcome, Reason.NOT_RUN),
                detail=f"{len(results)} of {len(gate)} gate tests {SAID.get(outcome, NOBODY)}",
                tests=tuple(result.test for result in results),
            )


def _nothing_passed(evidence: Evidence, policy: Policy) -> Iterable[Obstacle]:
    """A group of which all was skipped has shown nothing; nor has a required one that is empty."""
    for group in policy.groups:
        results = in_group(evidence.tests, group.name)
        if results and all(result.outcome in UNPROVEN for result in results):
            detail = f"0 of {len(results)} {group.name} tests passed"
            yield Obstacle(reason=Reason.NOTHING_PASSED, detail=detail, tests=tuple(result.test for result in results))
        elif group.required and not results:
            detail = f"no test is marked {group.name}, and the policy requires that group"
            yield Obstacle(reason=Reason.NOTHING_PASSED, detail=detail)


def _unreadable(measurements: tuple[Judged, ...], findings: tuple[Finding, ...]) -> Iterable[Obstacle]:
    """A number that can't be compared, or one beyond its limit that no row judges."""
    claimed = {name for finding in findings for name in finding.measurements}
    for judged in measurements:
        if judged.name not in claimed and OF_STATUS[judged.status] is Standing.INCONCLUSIVE:
            yield Obstacle(reason=REASON_OF_STATUS[judged.status], detail=f"{judged.name}: {judged.status.value}")


def _not_measured(measurements: tuple[Judged, ...], evidence: Evidence, policy: Policy) -> Iterable[Obstacle]:
    """A metric that the policy requires and nothing measured."""
    seen = {judged.name for judged in measurements} | {measurement.metric for measurement in evidence.measurements}
    for name, metric in policy.metrics.items():
        if metric.required and name not in seen:
            yield Obstacle(reason=Reason.NOT_MEASURED, detail=f"{name}: the policy requires it, nothing measured it")


def _no_tests(evidence: Evidence) -> Iterable[Obstacle]:
    """A gate without a test has looked at nothing, whatever else it measured."""
    if not any(result.marks for result in evidence.tests):
        yield Obstacle(reason=Reason.NO_TESTS, detail="no test bears a gate marker")
