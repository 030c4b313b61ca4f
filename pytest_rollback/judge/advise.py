"""Says what to do about a judgement: the recommendation, who is called, and the one command to run next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta

from pytest_rollback.judge.decide import OF_ACTION, Standing
from pytest_rollback.model import (
    CHECKS,
    Action,
    Base,
    Contact,
    Finding,
    Judgement,
    Loss,
    LossKind,
    Reason,
    Recommendation,
    Verdict,
)
from pytest_rollback.policy.rules import Policy

GATE = "pytest --safety-gate"
ACCEPT = f'{GATE} --accept-baselines new --baseline-reason "..."'
RATCHET = "ratchet"
MARK_ONE = "mark one test with @pytest.mark.golden_path, then run: pytest --safety-gate"
BY_MATRIX = "by the matrix alone"
NO_ROLLBACK = "a rollback does not help against this"


def recommend(judgement: Judgement, call: Contact | None, finished: datetime) -> Recommendation | None:
    """Recommend what the worst blocking finding asks for. It is only suspected: nothing was tried yet."""
    worst = worst_finding(judgement)
    if judgement.verdict is not Verdict.BLOCKED or worst is None:
        return None
    answer = None
    if worst.deadline_s is not None and call is not None and call.respond_s is not None:
        answer = (finished + timedelta(seconds=call.respond_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Recommendation(
        action=worst.action,
        level=worst.level,
        status="suspected" if worst.level else "none",
        reason=BY_MATRIX if worst.level else NO_ROLLBACK,
        deadline_s=worst.deadline_s,
        respond_by=answer,
    )


def worst_finding(judgement: Judgement) -> Finding | None:
    """Give the finding that decides; they stand worst first."""
    return next((found for found in judgement.findings if OF_ACTION[found.action] is Standing.FAILS), None)


def who_is_called(judgement: Judgement, policy: Policy) -> Contact | None:
    """Say who may decide the rollback that the worst finding asks for."""
    worst = worst_finding(judgement)
    tier = policy.tier_for(worst.level) if worst is not None else None
    if tier is None:
        return None
    return Contact(tier=tier.number, name=tier.name, contacts=tier.contacts, respond_s=tier.respond_s)


def next_command(
    judgement: Judgement, losses: Sequence[Loss] = (), base: Base | None = None, *, staged: bool = False
) -> str | None:
    """Name the one command to run next; a pass needs none."""
    if judgement.verdict is Verdict.PASSED:
        return None
    if judgement.verdict is Verdict.BLOCKED:
        return _after_a_block(judgement, [loss for loss in losses if loss.approved is None], base, staged=staged)
    if any("start below the root" in obstacle.detail for obstacle in judgement.obstacles):
        return f"go to the project's root, then run: {GATE}{' --gate-staged' if staged else ''}"
    if judgement.reason is Reason.NO_TESTS:
        return MARK_ONE
    if judgement.reason is Reason.NO_BASELINE:
        return ACCEPT
    gate = f"{GATE} --gate-staged" if staged else GATE
    return f"{gate} -rs" if judgement.reason is Reason.NOTHING_PASSED else gate


def _after_a_block(judgement: Judgement, lost: list[Loss], base: Base | None, *, staged: bool) -> str:
    """Name what shows the worst of it: the first failing test, the file to bring back, or what was taken away."""
    blocking = [found for found in judgement.findings if OF_ACTION[found.action] is Standing.FAILS]
    files = [loss.what for loss in lost if loss.kind is LossKind.PROTECTED]
    if files and blocking[0].action is Action.RESTORE:
        return f"pytest-rollback restore {' '.join(map(shlex.quote, files))}"
    taken_away = {loss.what for loss in lost}
    tests = [test for finding in blocking for test in finding.tests if test and test not in taken_away]
    if blocking[0].trigger == RATCHET:
        return ACCEPT.replace("new", "better")
    if tests and tests[0].startswith(CHECKS):
        return f"{GATE} {'--gate-staged ' if staged else ''}-k {shlex.quote(tests[0].removeprefix(CHECKS))}"
    if tests:
        return f"pytest {'--gate-staged ' if staged else ''}{shlex.quote(tests[0])}"
    if lost and base is not None and base.commit is not None:
        return f"git diff {base.commit[:12]}"
    return f"{GATE} -v"
