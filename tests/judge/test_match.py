"""Which rows fire on what, and what a finding lists: each thing once, with its denominator."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_rollback.judge.match import match
from pytest_rollback.model import (
    Evidence,
    Finding,
    Judged,
    Level,
    Mark,
    Measurement,
    Outcome,
    Signal,
    Status,
    Subject,
    TestResult,
)
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.rules import Policy

LIVE = Subject(live=True)
NOTE: dict[str, Any] = {"severity": "low", "action": "note"}
OFF = {trigger.name: {"enabled": False} for trigger in load_policy(None).triggers}
BLOCK: dict[str, Any] = {"severity": "low", "action": "restore"}


def with_rows(**rows: dict[str, Any]) -> Policy:
    """Give a matrix of these rows alone, on two groups of its own."""
    groups = {"smoke": {"required": False}, "soak": {"required": False}}
    tables = {"triggers": {**OFF, **rows}, "groups": groups, "metrics": {"queue": {"unit": "s"}, "free": {}}}
    return load_policy(None, extra=tables)


def results(
    *outcomes: Outcome, group: str = "smoke", labels: tuple[str, ...] = (), by: str = ""
) -> tuple[TestResult, ...]:
    """Make tests of one group."""
    exceptions = (by, "Exception") if by else ()
    return tuple(
        TestResult(test=f"{group}{number}", outcome=outcome, marks=(Mark(group, labels),), exceptions=exceptions)
        for number, outcome in enumerate(outcomes)
    )


def found(policy: Policy, *facts: TestResult | Measurement | Signal, subject: Subject = LIVE) -> list[Finding]:
    """Give what fired."""
    return list(match(evidence_of(*facts), policy, subject)[0])


def measured(policy: Policy, *facts: Measurement) -> list[Judged]:
    """Give the measurements as judged."""
    return list(match(evidence_of(*facts), policy, LIVE)[1])


def evidence_of(*facts: TestResult | Measurement | Signal) -> Evidence:
    """Sort facts into evidence."""
    return Evidence(
        tests=tuple(fact for fact in facts if isinstance(fact, TestResult)),
        measurements=tuple(fact for fact in facts if isinstance(fact, Measurement)),
        signals=tuple(fact for fact in facts if isinstance(fact, Signal)),
    )


BAD, GOOD, SKIP = Outcome.FAILED, Outcome.PASSED, Outcome.SKIPPED


@pytest.mark.parametrize(
    ("row", "tests", "reason"),
    [
        ({"group": "smoke"}, results(BAD, GOOD, SKIP), "1 of 3 smoke tests failed"),
        (
            {"group": "smoke"},
            results(BAD, Outcome.ERROR, Outcome.CRASHED, Outcome.TIMED_OUT),
            "4 of 4 smoke tests failed",
        ),
        ({"group": "golden_path"}, results(BAD, group="golden_path"), "1 of 1 golden-path tests failed"),
        (
            {"group": ["smoke", "soak"]},
            (*results(BAD), *results(GOOD, group="soak")),
            "1 of 2 smoke or soak tests failed",
        ),
        ({"label": "chat"}, (*results(BAD, GOOD, labels=("chat",)), *results(BAD)), "1 of 2 chat tests failed"),
        (
            {"group": "smoke", "label": "chat"},
            (*results(BAD, labels=("chat",)), *results(BAD, group="soak", labels=("chat",))),
            "1 of 1 chat tests failed",
        ),
        ({"group": "*"}, results(BAD, GOOD), "1 of 2 gate tests failed"),
        ({"exception": "OSError"}, results(BAD, BAD, GOOD, by="OSError"), "2 of 3 gate tests failed by OSError"),
        (
            {"exception": ["KeyError", "OSError"], "group": "soak"},
            results(BAD, group="soak", by="OSError"),
            "1 of 1 soak tests failed by KeyError or OSError",
        ),
    ],
)
def test_a_finding_counts_with_its_denominator(row: dict[str, Any], tests: tuple[TestResult, ...], reason: str) -> None:
    """`3 failed` says little; `3 of 4 chat tests failed` says where to look."""
    (finding,) = found(with_rows(mine={**row, **BLOCK}), *tests)
    assert finding.reason == reason
    assert len(finding.tests) == int(reason.split(maxsplit=1)[0])


@pytest.mark.parametrize("name", ["ConnectionResetError", "ConnectionError", "OSError", "Exception"])
def test_an_exception_is_known_by_its_own_name_and_its_ancestors(name: str) -> None:
    """A row on OSError means every kind of it."""
    reset = TestResult(
        test="a",
        outcome=BAD,
        marks=(Mark("smoke"),),
        exceptions=("ConnectionResetError", "ConnectionError", "OSError", "Exception"),
    )
    other = TestResult(test="b", outcome=BAD, marks=(Mark("smoke"),), exceptions=("KeyError",))
    (finding,) = found(with_rows(mine={"exception": name, **BLOCK}), reset, other)
    assert finding.tests == ("a",)


@pytest.mark.parametrize(
    ("row", "outcomes", "fires"),
    [
        ({"failures": "> 1"}, (BAD, GOOD), False),
        ({"failures": "> 1"}, (BAD, BAD), True),
        ({"failures": "<= 1"}, (GOOD,), False),
        ({"failures": "1 to 2"}, (BAD, BAD, BAD), False),
        ({"rate": "> 50 %"}, (BAD, GOOD), False),
        ({"rate": "> 50 %"}, (BAD, BAD, GOOD), True),
        ({"rate": "> 50 %"}, (BAD, SKIP), True),
        ({"rate": "> 50 %"}, (BAD, GOOD, SKIP, Outcome.XFAILED), False),
        ({"rate": "> 50 %"}, (BAD, Outcome.NOT_STARTED), False),
        ({"rate": "< 50 %"}, (GOOD, GOOD), False),
        ({"rate": "> 10", "failures": "> 1"}, (BAD, GOOD), False),
    ],
)
def test_a_rate_is_of_the_group_without_what_was_skipped(
    row: dict[str, str], outcomes: tuple[Outcome, ...], *, fires: bool
) -> None:
    """Skipped tests are counted apart, or skipping would dilute a rate; nothing that failed fires nothing."""
    assert bool(found(with_rows(mine={"group": "smoke", **row, **BLOCK}), *results(*outcomes))) is fires


def test_a_test_outside_the_gate_fires_no_row() -> None:
    """In a run of the whole suite the rest is run, and is not the gate's."""
    outside = TestResult(test="a", outcome=BAD, exceptions=("OSError",))
    rows = {"any": {"group": ["*", "smoke"], **BLOCK}, "by": {"exception": "OSError", **BLOCK}}
    assert found(with_rows(**rows, many={"failures": "> 0", **BLOCK}), outside) == []


def test_a_row_that_is_switched_off_does_not_fire() -> None:
    """Nor does it hand its group to the row for all others."""
    rows = {"mine": {"group": "smoke", "enabled": False, **BLOCK}, "rest": {"group": "*", **BLOCK}}
    (finding,) = found(with_rows(**rows), *results(BAD), *results(BAD, group="soak"))
    assert (finding.trigger, finding.tests) == ("rest", ("soak0",))


@pytest.mark.parametrize(
    ("outcome", "signal", "says"),
    [
        (Outcome.CRASHED, "crashed", "1 of 2 tests crashed"),
        (Outcome.TIMED_OUT, "timed-out", "1 of 2 tests ran out of time"),
        (Outcome.FLAKY, "flaky", "1 of 2 tests passed only after a rerun"),
    ],
)
def test_the_ground_that_tests_run_on_speaks_through_them(outcome: Outcome, signal: str, says: str) -> None:
    """A crash or a time-out counts as infrastructure too."""
    (finding,) = found(with_rows(mine={"signal": signal, **BLOCK}), *results(outcome, GOOD))
    assert (finding.reason, finding.tests) == (says, ("smoke0",))


def test_signals_of_one_row_make_one_finding_that_says_each_thing_once() -> None:
    """Two that tell the same are one fact."""
    signals = (
        Signal(name="odd", detail="staging", tests=("a", "b")),
        Signal(name="odder", detail="staging", tests=("b", "c")),
        Signal(name="odder"),
        Signal(name="other", detail="no"),
    )
    (finding,) = found(with_rows(mine={"signal": ["odd", "odder"], **BLOCK}), *signals)
    assert (finding.reason, finding.tests) == ("staging; odder", ("a", "b", "c"))


def queue(value: float, baseline: float | None = 1.0, *labels: str, name: str = "q") -> Measurement:
    """Measure a queue."""
    return Measurement(name=name, metric="queue", value=value, baseline=baseline, labels=labels)


def rises(by: str, severity: str, action: str, **more: str) -> dict[str, Any]:
    """Make a row on the queue."""
    return {"metric": "queue", "rise": by, "severity": severity, "action": action, **more}


STEPS = {
    "far": rises("> 50 %", "high", "investigate"),
    "near": rises("> 10 %", "medium", "watch"),
    "hint": rises("> 5 %", "low", "note"),
}


@pytest.mark.parametrize(
    ("value", "trigger", "status"),
    [
        (1.6, "far", Status.REGRESSED),
        (1.2, "near", Status.WATCHED),
        (1.06, "hint", Status.HELD),
        (1.01, None, Status.HELD),
    ],
)
def test_a_number_is_listed_by_its_worst_row_only(value: float, trigger: str | None, status: Status) -> None:
    """A loss of 60 % is not also one of 20 %; two numbers are two findings."""
    policy = with_rows(**STEPS)
    assert [finding.trigger for finding in found(policy, queue(value))] == ([trigger] if trigger else [])
    assert [judged.status for judged in measured(policy, queue(value))] == [status]
    both = found(policy, queue(1.6, name="a"), queue(1.2, name="b"))
    assert [(finding.trigger, finding.measurements) for finding in both] == [("far", ("a",)), ("near", ("b",))]


def test_a_row_that_asks_for_more_is_not_talked_away_by_a_severer_one() -> None:
    """Critical and only noted beside high and to be rolled back: the rollback stands."""
    rows = {"loud": rises("> 5 %", "critical", "note"), "firm": rises("> 5 %", "high", "roll back")}
    policy = with_rows(**rows, quiet=rises("> 5 %", "low", "watch"))
    assert [finding.trigger for finding in found(policy, queue(2))] == ["loud", "firm"]
    assert measured(policy, queue(2))[0].status is Status.REGRESSED


def test_a_row_with_labels_watches_only_numbers_that_bear_one() -> None:
    """A slow admin page is not a slow start page."""
    policy = with_rows(mine=rises("> 10 %", "low", "watch", label="user-facing"))
    assert found(policy, queue(2), queue(2, 1.0, "admin")) == []
    assert len(found(policy, queue(2, 1.0, "admin", "user-facing"))) == 1


@pytest.mark.parametrize("watched", ["queue", "q"])
def test_a_row_watches_a_number_by_its_name_or_its_kind(watched: str) -> None:
    """Another number of no such name is none of its business."""
    policy = with_rows(mine={**rises("> 10 %", "low", "watch"), "metric": watched})
    other = Measurement(name="free", value=9.0, baseline=1.0)
    assert [finding.measurements for finding in found(policy, queue(2), other)] == [("q",)]


@pytest.mark.parametrize(
    ("measurement", "reason"),
    [
        (queue(1.6), "q 1.6 s, baseline 1 s (+60 %)"),
        (Measurement(name="compliance", value=98.1, baseline=98.9), "compliance 98.1 %, baseline 98.9 % (-0.8)"),
        (Measurement(name="compliance", value=96.5), "compliance 96.5 %, assumed baseline 98 % (-1.5)"),
        (Measurement(name="start-up", value=12000, unit="ms"), "start-up 12000 ms, limit 10000 ms"),
        (Measurement(name="start-up", value=12, baseline=12), "start-up 12 s, limit 10 s, baseline 12 s (+0 %)"),
        (Measurement(name="free", value=0, baseline=2), "free 0, baseline 2 (-2)"),
        (Measurement(name="free", value=1234567, baseline=4e6), "free 1234567, baseline 4000000 (-2765433)"),
    ],
)
def test_a_number_is_said_with_what_it_was_held_against(measurement: Measurement, reason: str) -> None:
    """Value, limit, baseline and change in one line, and an assumed baseline by that name."""
    change = {"drop": "> 0.1", "severity": "low", "action": "note"}
    rows: dict[str, Any] = {"up": rises("> 1 %", "low", "note"), "limits": {"limit": True, **NOTE}}
    rows |= {name: {"metric": name, **change} for name in ("compliance", "free")}
    assert [finding.reason for finding in found(with_rows(**rows), measurement)] == [reason]


@pytest.mark.parametrize(
    ("subject", "level", "deadline"),
    [
        (Subject(live=True), Level.PHASE, 300.0),
        (Subject(live=False), Level.PHASE, None),
        (Subject(live=False, uncommitted=True), Level.CHANGE, None),
    ],
)
def test_deadlines_run_on_live_branches_and_what_is_not_committed_is_just_dropped(
    subject: Subject, level: Level, deadline: float | None
) -> None:
    """Nobody rolls a phase back for an edit in somebody's editor."""
    rows = {"mine": {"group": "smoke", "level": "phase", "deadline": "5 min", **BLOCK}}
    (finding,) = found(with_rows(**rows), *results(BAD), subject=subject)
    assert (finding.level, finding.deadline_s) == (level, deadline)


def test_where_no_rollback_helps_dropping_the_change_does_not_either() -> None:
    """A level of none stays none."""
    rows = {"mine": {"group": "smoke", "level": "none", **BLOCK}}
    assert found(with_rows(**rows), *results(BAD), subject=Subject(uncommitted=True))[0].level is None


def test_findings_stand_worst_first() -> None:
    """By severity, then by how drastic the action is, then as in the policy."""
    asked = [
        ("low", "note"),
        ("high", "watch"),
        ("high", "restore"),
        ("critical", "investigate"),
        ("high", "lock down"),
    ]
    rows = {f"r{n}": {"signal": "odd", "severity": how, "action": what} for n, (how, what) in enumerate(asked)}
    rows["r5"] = {"signal": "odd", "severity": "high", "action": "watch"}
    order = [finding.trigger for finding in found(with_rows(**rows), Signal(name="odd"))]
    assert order == ["r3", "r4", "r2", "r1", "r5", "r0"]
