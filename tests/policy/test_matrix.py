"""The shipped decision matrix: every row of the procedures fires on what it is for, and not just beside it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import pytest

from pytest_rollback.judge.decide import decide
from pytest_rollback.model import Evidence, Finding, Mark, Measurement, Outcome, Signal, Subject, TestResult, Verdict
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.rules import Group

SHIPPED = load_policy(None)
# One more group, as a project would add it: the row for groups without a row has nothing to watch otherwise.
POLICY = msgspec.structs.replace(SHIPPED, groups=(*SHIPPED.groups, Group(name="smoke"), Group(name="integration")))
LIVE = Subject(live=True)
HOLDS = TestResult(test="holds", outcome=Outcome.PASSED, marks=(Mark("golden_path"),))
MIN, HOUR = 60.0, 3600.0


def results(
    group: str, *labels: str, bad: int = 1, of: int = 1, by: str = "", how: Outcome = Outcome.FAILED
) -> Evidence:
    """Make tests of one group, the first of them bad."""
    outcomes = [how] * bad + [Outcome.PASSED] * (of - bad)
    marks = (Mark(group, labels),)
    return Evidence(
        tests=tuple(
            TestResult(test=f"{group}-{number}", outcome=outcome, marks=marks, exceptions=(by,) if by else ())
            for number, outcome in enumerate(outcomes)
        )
    )


def number(metric: str, value: float, baseline: float | None = None, *labels: str, unit: str = "") -> Evidence:
    """Make one measurement."""
    measured = Measurement(name=metric, value=value, baseline=baseline, labels=labels, unit=unit)
    return Evidence(measurements=(measured,))


def said(name: str) -> Evidence:
    """Make one signal."""
    return Evidence(signals=(Signal(name=name),))


class Row(NamedTuple):
    """A row as the procedures state it, with evidence that fits and evidence just beside it."""

    severity: str
    action: str
    hold: float | None
    level: str | None
    deadline: float | None
    fits: tuple[Evidence, ...]
    beside: tuple[Evidence, ...]


AT_ONCE = ("critical", "roll back", None)
ROWS = {
    "memory-leak-small": Row(
        "medium",
        "watch",
        2 * HOUR,
        None,
        4 * HOUR,
        (number("leak", 0.001),),
        (number("leak", 0), number("memory", 9, 9)),
    ),
    "contract": Row(
        "high",
        "investigate",
        10 * MIN,
        "commit",
        30 * MIN,
        (number("contract", 1, 0), number("contract", 7, 0)),
        (number("contract", 0, 0), number("contract", 1)),
    ),
    "violations": Row(
        "high",
        "investigate",
        10 * MIN,
        "commit",
        30 * MIN,
        (number("violations", 12, 10), number("violations", 1, 0)),
        (number("violations", 11, 10), number("compliance", 12, 10)),
    ),
    "violations-rise": Row(
        "medium", "watch", HOUR, None, 2 * HOUR, (number("violations", 11, 10),), (number("violations", 9, 10),)
    ),
    "trend": Row("low", "watch", 2 * HOUR, None, 4 * HOUR, (said("trend"),), (said("trends"),)),
    "ratchet": Row(
        "medium", "investigate", 10 * MIN, None, 4 * HOUR, (said("improvement-unrecorded"),), (said("improvement"),)
    ),
    "golden-path": Row(*AT_ONCE, "commit", 5 * MIN, (results("golden_path"),), (results("golden_path", bad=0),)),
    "isolation": Row(
        "critical",
        "lock down",
        None,
        "phase",
        2 * MIN,
        (results("isolation"), results("isolation", how=Outcome.ERROR)),
        (results("isolation", how=Outcome.SKIPPED), results("golden_path")),
    ),
    "production-compliance": Row(
        *AT_ONCE,
        "commit",
        5 * MIN,
        (number("production-compliance", 99.999999999),),
        (number("production-compliance", 100), number("compliance", 99, 99)),
    ),
    "authentication": Row(
        *AT_ONCE,
        "commit",
        5 * MIN,
        (results("golden_path", "authentication"), results("smoke", "authentication")),
        (results("golden_path", "chat"), results("golden_path", "authentication", bad=0)),
    ),
    "chat": Row(*AT_ONCE, "commit", 5 * MIN, (results("smoke", "chat"),), (results("smoke", "chats"),)),
    "database": Row(*AT_ONCE, "commit", 10 * MIN, (results("smoke", "database"),), (results("smoke"),)),
    "imports": Row(*AT_ONCE, "file", 10 * MIN, (said("imports-broken"),), (said("imports"),)),
    "protected-files": Row(
        "critical", "restore", None, "file", 5 * MIN, (said("protected-file-altered"),), (said("protected"),)
    ),
    "mission-critical-rate": Row(
        *AT_ONCE,
        "phase",
        5 * MIN,
        (results("mission_critical", bad=1, of=9), results("mission_critical", bad=2, of=19)),
        (results("mission_critical", bad=1, of=10), results("smoke")),
    ),
    "compliance-drop": Row(
        "high",
        "investigate",
        10 * MIN,
        "phase",
        15 * MIN,
        (number("compliance", 96.89, 98.9), number("compliance", 95.9)),
        (number("compliance", 96.9, 98.9), number("compliance", 96.0), number("completion-rate", 95, 99)),
    ),
    "mission-critical": Row(
        "high",
        "investigate",
        15 * MIN,
        "commit",
        20 * MIN,
        (results("mission_critical", bad=1, of=50),),
        (results("mission_critical", how=Outcome.XFAILED), results("smoke")),
    ),
    "exception": Row(
        "high",
        "investigate",
        10 * MIN,
        "commit",
        15 * MIN,
        (results("smoke", by="AttributeError"),),
        (results("smoke", by="KeyError"), results("smoke", by="AttributeError", how=Outcome.XFAILED)),
    ),
    "infrastructure": Row(
        "high",
        "investigate",
        30 * MIN,
        None,
        45 * MIN,
        (results("smoke", how=Outcome.CRASHED), results("smoke", how=Outcome.TIMED_OUT), said("fails-on-known-good")),
        (results("smoke", how=Outcome.ERROR),),
    ),
    # What passed after a rerun holds, so the infrastructure's row cannot block for it: it has a watching twin.
    "flaky": Row(
        "high", "watch", 30 * MIN, None, 45 * MIN, (results("smoke", how=Outcome.FLAKY),), (results("smoke", bad=0),)
    ),
    "performance": Row(
        "high",
        "investigate",
        20 * MIN,
        "commit",
        30 * MIN,
        (number("performance", 3.01, 2), number("performance", 0.1, 0)),
        (number("performance", 3, 2), number("performance", 0, 0), number("memory", 3.01, 2)),
    ),
    "memory": Row(
        "high",
        "investigate",
        20 * MIN,
        "commit",
        30 * MIN,
        (number("memory", 120.1, 100),),
        (number("memory", 120, 100),),
    ),
    "memory-leak": Row(
        "high",
        "investigate",
        20 * MIN,
        "commit",
        30 * MIN,
        (number("leak", 50.1), number("leak", 50_001, unit="KB")),
        (number("leak", 50), number("leak", 50_000, unit="KB")),
    ),
    "deployment": Row(*AT_ONCE, "phase", 5 * MIN, (said("deployment-failed"),), (said("deployment"),)),
    "performance-user-facing": Row(
        "medium",
        "watch",
        2 * HOUR,
        None,
        4 * HOUR,
        (number("performance", 1.11, 1, "user-facing"),),
        (number("performance", 1.1, 1, "user-facing"), number("performance", 1.11, 1)),
    ),
    "performance-slower": Row(
        "medium", "watch", 2 * HOUR, None, 4 * HOUR, (number("performance", 2.41, 2),), (number("performance", 2.4, 2),)
    ),
    "memory-growth": Row(
        "medium", "watch", 2 * HOUR, None, 4 * HOUR, (number("memory", 115.1, 100),), (number("memory", 115, 100),)
    ),
    "error-rate": Row(
        "medium", "watch", 2 * HOUR, None, 4 * HOUR, (number("error-rate", 5.1),), (number("error-rate", 5),)
    ),
    "compliance-slip": Row(
        "medium",
        "watch",
        HOUR,
        None,
        2 * HOUR,
        (number("compliance", 98.4, 98.9), number("compliance", 96.9, 98.9), number("compliance", 96)),
        (number("compliance", 98.41, 98.9), number("compliance", 96.8, 98.9), number("compliance", 98)),
    ),
    "integration": Row("medium", "watch", 30 * MIN, None, HOUR, (results("integration"),), (results("smoke"),)),
    "warnings": Row("low", "note", None, None, None, (said("warnings"),), (results("golden_path", bad=0),)),
    "small-slow-down": Row(
        "low",
        "note",
        None,
        None,
        None,
        (number("performance", 1.05, 1), number("performance", 1.2, 1)),
        (number("performance", 1.049, 1), number("performance", 1.21, 1)),
    ),
    "error-rate-raised": Row("low", "note", None, None, None, (number("error-rate", 1.1),), (number("error-rate", 1),)),
    # Beyond the table: what the gate itself finds out.
    "erosion": Row(
        "high", "investigate", 10 * MIN, "commit", 30 * MIN, (said("erosion"),), (said("erosion-unchecked"),)
    ),
    "erosion-unchecked": Row("medium", "watch", 30 * MIN, None, HOUR, (said("erosion-unchecked"),), (said("erosion"),)),
    "machine-commit": Row(
        "high", "investigate", 10 * MIN, "commit", 30 * MIN, (said("machine-commit"),), (said("machine"),)
    ),
    "drift": Row("high", "investigate", 10 * MIN, "file", 30 * MIN, (said("drift"),), (said("drifted"),)),
    "collection": Row(*AT_ONCE, "commit", 5 * MIN, (said("collection-error"),), (said("warnings"),)),
    "limit": Row(
        "high", "investigate", 15 * MIN, "commit", 30 * MIN, (number("start-up", 10.1),), (number("start-up", 10),)
    ),
    "gate-test": Row(
        "high",
        "investigate",
        15 * MIN,
        "commit",
        20 * MIN,
        (results("smoke"),),
        (results("integration"), results("isolation")),
    ),
}


def fired(evidence: Evidence) -> dict[str, Finding]:
    """Judge evidence beside a golden path that holds, on a live branch."""
    evidence = msgspec.structs.replace(evidence, tests=(*evidence.tests, HOLDS))
    return {finding.trigger: finding for finding in decide(evidence, POLICY, LIVE).findings}


def test_every_shipped_row_is_in_the_table() -> None:
    """A row that nobody stated here is a row that nobody decided on."""
    assert set(ROWS) == {trigger.name for trigger in SHIPPED.triggers}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_fires_on_what_it_is_for(name: str) -> None:
    """A manual's decision is taken as it stands there: so bad, this to be done, so much undone, by then."""
    row = ROWS[name]
    for evidence in row.fits:
        finding = fired(evidence).get(name)
        assert finding is not None, evidence
        level = finding.level.value if finding.level else None
        asked = (finding.severity.value, finding.action.value, finding.hold_s, level, finding.deadline_s)
        assert asked == row[:5]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_does_not_fire_just_beside_its_threshold(name: str) -> None:
    """A gate that cries wolf is switched off within a week."""
    for evidence in ROWS[name].beside:
        assert name not in fired(evidence), evidence


@pytest.mark.parametrize("name", ROWS)
def test_a_row_blocks_unless_it_watches_or_notes(name: str) -> None:
    """Only watching and noting let a change through."""
    row = ROWS[name]
    expected = Verdict.PASSED if row.action in {"watch", "note"} else Verdict.BLOCKED
    for evidence in row.fits:
        judged = decide(msgspec.structs.replace(evidence, tests=(*evidence.tests, HOLDS)), POLICY, LIVE)
        assert judged.verdict is expected, judged
