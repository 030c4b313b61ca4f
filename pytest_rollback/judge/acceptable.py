"""Says whether anything of a session may be accepted as a baseline.

Nothing is of one that looked at less than all, or that failed for any other cause than its numbers.
"""

from __future__ import annotations

from pytest_rollback.judge.accept import How
from pytest_rollback.judge.tally import FAILING
from pytest_rollback.model import Action, Evidence, Finding, LossKind, Outcome, Reason, Report, Status, TestResult

BLOCKED = (Status.REGRESSED, Status.OVER_LIMIT)
UNRECORDED, EROSION = "improvement-unrecorded", "erosion"
OF_OTHER_ROWS = (LossKind.PROTECTED, LossKind.MACHINE)
REGRESSION = "RegressionError"
ANCESTORS = frozenset({REGRESSION, "AssertionError"})
PLAIN = "accept from a plain gate over the whole project: pytest --safety-gate --accept-baselines ..."
ENDED = {2: "it was interrupted", 3: "pytest broke", 4: "it could not start as it was asked to", 5: "it ran no test"}


def why_not(
    report: Report, evidence: Evidence, how: How | str, *, pytest_status: int = 0, is_scratch: bool = False
) -> str | None:
    """Say why nothing of a session may be accepted; None where it may."""
    if is_scratch or report.subject.what == "staged":
        return f"the session ran in a copy of the work tree; {PLAIN}"
    if report.part is not None:
        return f"the session is a part of the gate; {PLAIN}"
    if report.stands_on is not None:
        return "the verdict of an earlier session was used again, and nothing was measured; run the gate anew"
    if pytest_status in ENDED:
        return f"the session can't be relied on: {ENDED[pytest_status]}"
    return _other_cause(report, evidence, How(how)) or _nothing_measured(evidence)


def _other_cause(report: Report, evidence: Evidence, how: How) -> str | None:
    """Name what else than its numbers keeps the session from passing."""
    let_through = (Reason.NO_BASELINE, Reason.TOO_FEW, Reason.NOT_COMPARABLE)  # each keeps its own number alone
    for obstacle in report.obstacles:
        if obstacle.reason not in let_through:
            return f"the session is inconclusive for another cause: {obstacle.detail}"
    blocked = {judged.name for judged in report.measurements if judged.status in BLOCKED}
    measuring = {number.test for number in evidence.measurements if number.name in blocked}
    for_numbers = {result.test for result in evidence.tests if result.test in measuring and _failed_for_numbers(result)}
    by_numbers = _told_of_numbers(report, evidence, how)
    for finding in report.findings:
        if not _is_explained(finding, for_numbers) and finding.reason not in by_numbers:
            return f"the session did not hold for another cause: {finding.trigger}: {finding.reason}"
    failing = [test.test for test in evidence.tests if test.outcome in FAILING and test.test not in for_numbers]
    if failing:
        return f"the session did not hold for another cause: {failing[0]} failed"
    if any(result.outcome is Outcome.FLAKY for result in evidence.tests if result.marks):
        return "the session held only after a rerun; accept from a steady one"
    return "tests outside the gate failed" if report.failed_outside else None


def _told_of_numbers(report: Report, evidence: Evidence, how: How) -> set[str]:
    """Give the facts that accepting puts right: an improvement that nobody accepted, a baseline that was withdrawn."""
    told = {signal.detail for signal in evidence.signals if signal.name == UNRECORDED and how is not How.NEW}
    lost = [loss for loss in report.losses if loss.approved is None and loss.kind not in OF_OTHER_ROWS]
    if lost and all(loss.kind is LossKind.BASELINE for loss in lost):
        told |= {signal.detail for signal in evidence.signals if signal.name == EROSION}
    return told


def _failed_for_numbers(result: TestResult) -> bool:
    """Whether a test failed by a number alone; any other exception is another cause."""
    names = set(result.exceptions)
    return result.outcome is Outcome.FAILED and REGRESSION in names and names <= ANCESTORS


def _is_explained(finding: Finding, for_numbers: set[str]) -> bool:
    """Whether a finding is on numbers, on tests that failed for numbers, or asks for nothing."""
    if finding.measurements or finding.action is Action.NOTE:
        return True
    if not finding.tests:
        return finding.action is Action.WATCH  # a fact about the ground, such as a base that could not be had
    return set(finding.tests) <= for_numbers


def _nothing_measured(evidence: Evidence) -> str | None:
    """Say that there is nothing to accept."""
    left = [each for each in evidence.measurements if each.doubt is Status.LEFT_TO_CI]
    if len(left) < len(evidence.measurements):
        return None
    return f"all {len(left)} metrics are left to CI; accept them there" if left else "nothing was measured"
