"""Counts what the tests did. Every test is counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pytest_rollback.model import Counts, Evidence, Outcome, TestResult, Tests
from pytest_rollback.policy.rules import Policy

FAILED = frozenset({Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.FAILED})
FAILING = FAILED | {Outcome.ERROR}
HOLDING = frozenset({Outcome.PASSED, Outcome.FLAKY, Outcome.XPASSED})
UNPROVEN = frozenset({Outcome.SKIPPED, Outcome.XFAILED})
NOT_RUN = frozenset({Outcome.UNFINISHED, Outcome.NOT_STARTED, Outcome.WITHHELD, Outcome.LEFT_OUT})


def tally(evidence: Evidence, policy: Policy, *, whole_suite: bool = False) -> Tests:
    """Count the session's tests: those of the gate, or all where the whole suite was run."""
    in_gate = [result for result in evidence.tests if whole_suite or result.marks]
    found = by_group(in_gate)
    groups = {
        group.name: count(found.get(group.name, [])) for group in policy.groups if group.required or group.name in found
    }
    total = count(in_gate)
    return Tests(
        collected=evidence.collected,
        selected=total.selected,
        passed=total.passed,
        failed=total.failed,
        skipped=total.skipped,
        errors=total.errors,
        not_run=total.not_run,
        left_to_ci=total.left_to_ci,
        groups=groups,
    )


def by_group(results: Iterable[TestResult]) -> dict[str, list[TestResult]]:
    """Sort tests by the groups whose markers they bear; one with two markers stands in both."""
    groups: dict[str, list[TestResult]] = {}
    for result in results:
        for group in {mark.group for mark in result.marks}:
            groups.setdefault(group, []).append(result)
    return groups


def count(results: list[TestResult]) -> Counts:
    """Count some tests. What was found but left out of the run, or left to CI, is collected and not selected."""
    times = Counter(result.outcome for result in results)
    return Counts(
        collected=len(results),
        selected=len(results) - times[Outcome.LEFT_OUT] - times[Outcome.LEFT_TO_CI],
        passed=sum(times[outcome] for outcome in HOLDING),
        failed=sum(times[outcome] for outcome in FAILED),
        skipped=sum(times[outcome] for outcome in UNPROVEN),
        errors=times[Outcome.ERROR],
        not_run=sum(times[outcome] for outcome in NOT_RUN),
        left_to_ci=times[Outcome.LEFT_TO_CI],
    )
