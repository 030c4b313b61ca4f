"""Turns what was seen into a report: the verdict, with all that there is to say."""

from __future__ import annotations

from datetime import datetime, timezone

from msgspec import Struct, structs

from pytest_rollback.judge.advise import next_command, recommend, who_is_called
from pytest_rollback.judge.decide import decide
from pytest_rollback.judge.health import health
from pytest_rollback.judge.tally import tally
from pytest_rollback.judge.text import all_readable
from pytest_rollback.model import (
    Base,
    Environment,
    Evidence,
    Judged,
    Loss,
    NotPassed,
    Outcome,
    Output,
    Part,
    PolicyUsed,
    Report,
    Subject,
)
from pytest_rollback.policy.rules import Policy


class Facts(Struct, frozen=True, kw_only=True):
    """All that is known when the last test is done."""

    evidence: Evidence
    subject: Subject
    environment: Environment
    started: datetime
    whole_suite: bool
    failed_outside: bool = False
    notes: tuple[str, ...] = ()
    part: Part | None = None
    base: Base | None = None
    losses: tuple[Loss, ...] = ()
    outputs: tuple[Output, ...] = ()


def report_on(facts: Facts, policy: Policy, finished: datetime) -> Report:
    """Judge, and write down all that there is to say, in texts that are harmless wherever they are read."""
    judgement = decide(facts.evidence, policy, facts.subject, whole=facts.part is None)
    call = who_is_called(judgement, policy)
    report = Report(
        verdict=judgement.verdict,
        reason=judgement.reason,
        steady=judgement.steady,
        mode=policy.mode,
        subject=facts.subject,
        policy=PolicyUsed(digest=policy.digest, source=policy.source),
        environment=facts.environment,
        base=facts.base,
        started=iso(facts.started),
        finished=iso(finished),
        duration_s=round((finished - facts.started).total_seconds(), 3),
        whole_suite=facts.whole_suite,
        failed_outside=facts.failed_outside,
        tests=tally(facts.evidence, policy, whole_suite=facts.whole_suite),
        findings=judgement.findings,
        obstacles=judgement.obstacles,
        not_passed=_not_passed(facts),
        losses=facts.losses,
        measurements=tuple(map(_on_one_line, judgement.measurements)),
        recommendation=recommend(judgement, call, finished),
        call=call,
        health=health(facts.evidence, judgement.measurements, policy),
        outputs=facts.outputs,
        notes=facts.notes,
        part=facts.part,
        next=next_command(judgement, facts.losses, facts.base, staged=facts.subject.what == "staged"),
    )
    return all_readable(report)


def _on_one_line(judged: Judged) -> Judged:
    """Leave of what there is to say about a number its first line; the test that measured it has told the rest."""
    first, end, _ = judged.detail.partition("\n")
    return structs.replace(judged, detail=first) if end else judged


def iso(moment: datetime) -> str:
    """Write a moment as UTC ISO 8601."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _not_passed(facts: Facts) -> tuple[NotPassed, ...]:
    """List the tests that did not simply pass, with what they said."""
    return tuple(
        NotPassed(
            test=result.test,
            groups=tuple(mark.group for mark in result.marks),
            outcome=result.outcome,
            message=result.message,
            duration_s=round(result.duration_s, 3),
        )
        for result in facts.evidence.tests
        if result.outcome is not Outcome.PASSED
    )
