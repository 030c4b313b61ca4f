"""Finds the triggers that fire, worst first."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from pytest_rollback.judge.compare import ends_of, fires, is_readable, judge_measurement
from pytest_rollback.judge.tally import FAILING, UNPROVEN
from pytest_rollback.model import (
    Action,
    Evidence,
    Finding,
    Judged,
    Level,
    Measurement,
    Outcome,
    Severity,
    Signal,
    Status,
    Subject,
    TestResult,
)
from pytest_rollback.policy.baselines import CONTRACT
from pytest_rollback.policy.criteria import number
from pytest_rollback.policy.rules import ANY_GROUP, Policy, Trigger
from pytest_rollback.policy.tighten import SOFT

SEVERITIES = tuple(Severity)
ACTIONS = tuple(Action)
STANDS = frozenset({Status.HELD, Status.WATCHED, Status.REGRESSED})
UNCOUNTED = UNPROVEN | {Outcome.LEFT_TO_CI}
INFRASTRUCTURE = (
    (Outcome.CRASHED, "crashed", "crashed"),
    (Outcome.TIMED_OUT, "timed-out", "ran out of time"),
    (Outcome.FLAKY, "flaky", "passed only after a rerun"),
)

NEW_LINE = "\n"
MILLI = 1e-3


class _Held(Struct, frozen=True):
    """A number, where it stands, and what of it the rows are asked about; null where its two ends disagree."""

    measurement: Measurement
    judged: Judged
    speaks: Judged | None


def match(evidence: Evidence, policy: Policy, subject: Subject) -> tuple[tuple[Finding, ...], tuple[Judged, ...]]:
    """Hold the evidence against every row of the matrix; gives what fired, and the measurements as judged."""
    measured = [_hold(measurement, policy) for measurement in evidence.measurements]
    found = [
        finding
        for trigger in policy.triggers
        if trigger.enabled
        for finding in _look(trigger, evidence, policy, measured)
    ]
    found.sort(key=lambda finding: (SEVERITIES.index(finding.severity), ACTIONS.index(finding.action)))
    found = [_place(finding, subject) for finding in _each_row_once(_each_number_once(found))]
    return tuple(found), tuple(_with_status(held, found, policy) for held in measured)


def _look(trigger: Trigger, evidence: Evidence, policy: Policy, measured: list[_Held]) -> Iterable[Finding]:
    if trigger.signals:
        return _on_signals(trigger, (*evidence.signals, *_of_the_infrastructure(evidence.tests)))
    if trigger.on_metrics:
        return _on_measurements(trigger, policy, measured)
    return _on_tests(trigger, evidence.tests, policy)


def _on_tests(trigger: Trigger, results: tuple[TestResult, ...], policy: Policy) -> Iterable[Finding]:
    """Fire on failing tests: in a group, with a label, by an exception, by number or by share."""
    if all(result.outcome not in FAILING for result in results):
        return
    groups = policy.groups_of(trigger)
    watched = [result for result in results if _is_watched(result, trigger, groups)]
    failing = [result for result in watched if result.outcome in FAILING and _by_exception(trigger, result)]
    counted = [result for result in watched if result.outcome not in UNCOUNTED]
    if not failing:
        return
    if trigger.failures is not None and not trigger.failures.holds(len(failing)):
        return
    if trigger.rate is not None and not trigger.rate.holds(100.0 * len(failing) / len(counted)):
        return
    what = _adjective(trigger)
    reason = f"{len(failing)} of {len(watched)} {what}tests failed"
    if trigger.exceptions:
        reason = f"{len(failing)} of {len(watched)} {what}tests failed by {' or '.join(trigger.exceptions)}"
    yield _finding(trigger, reason, tests=tuple(result.test for result in failing))


def watches(trigger: Trigger, result: TestResult, policy: Policy) -> bool:
    """Whether a test is among those that a row on tests watches."""
    return _is_watched(result, trigger, policy.groups_of(trigger))


def _is_watched(result: TestResult, trigger: Trigger, groups: frozenset[str]) -> bool:
    return any(
        (not trigger.groups or mark.group in groups) and _labelled(trigger, mark.labels) for mark in result.marks
    )


def is_judged(result: TestResult, policy: Policy) -> bool:
    """Whether any row that is switched on has a say about this failing test."""
    return any(
        trigger.enabled and trigger.on_tests and watches(trigger, result, policy) and _by_exception(trigger, result)
        for trigger in policy.triggers
    )


def blocks_alone(result: TestResult, policy: Policy) -> bool:
    """Whether one failing test is enough to block, whatever the others do."""
    return any(
        trigger.enabled
        and trigger.on_tests
        and trigger.action not in SOFT
        and trigger.failures is None
        and trigger.rate is None
        and watches(trigger, result, policy)
        and _by_exception(trigger, result)
        for trigger in policy.triggers
    )


def _by_exception(trigger: Trigger, result: TestResult) -> bool:
    return not trigger.exceptions or bool(set(trigger.exceptions) & set(result.exceptions))


def is_compared(measurement: Measurement, policy: Policy) -> bool:
    """Whether any row that is switched on compares a number with its baseline."""
    return any(trigger.drop or trigger.rise for trigger in rows_on(measurement, policy))


def is_limited(measurement: Measurement, policy: Policy) -> bool:
    """Whether any row that is switched on has a say where a number is beyond its limit."""
    return any(trigger.limit for trigger in rows_on(measurement, policy))


def unreadable_by(measurement: Measurement, judged: Judged, policy: Policy) -> list[str]:
    """Name the rows that a number's unit keeps from seeing it; a metric without a unit lets any unit through."""
    return [row.name for row in rows_on(measurement, policy) if not is_readable(row, judged.unit)]


def rows_on(measurement: Measurement, policy: Policy) -> list[Trigger]:
    """List the rows that are switched on and watch a number."""
    return [trigger for trigger in policy.triggers if trigger.enabled and _measures(trigger, measurement)]


def _measures(trigger: Trigger, measurement: Measurement) -> bool:
    """Whether a number is among those that a row watches."""
    named = not trigger.metrics or bool({measurement.name, measurement.metric} & set(trigger.metrics))
    return named and _labelled(trigger, measurement.labels)


def _labelled(trigger: Trigger, labels: tuple[str, ...]) -> bool:
    return not trigger.labels or bool(set(trigger.labels) & set(labels))


def _on_measurements(trigger: Trigger, policy: Policy, measured: list[_Held]) -> Iterable[Finding]:
    for held in measured:
        if held.speaks is not None and _is_fired(trigger, held.measurement, held.speaks, policy):
            yield _finding(trigger, _say(held.judged), measurements=(held.judged.name,))


def _is_fired(trigger: Trigger, measurement: Measurement, judged: Judged, policy: Policy) -> bool:
    rules = policy.metric(measurement.name, measurement.metric)
    return _measures(trigger, measurement) and fires(trigger, judged, rules)


def _hold(measurement: Measurement, policy: Policy) -> _Held:
    """Judge a number, and where it is an estimate both ends of it: what blocks must block wherever the truth lies."""
    judged = _judge(measurement, policy)
    ends = [_judge(end, policy) for end in ends_of(measurement)]
    blocks = [_is_blocked(measurement, each, policy) for each in ends]
    if any(blocks) and not all(blocks):
        return _Held(measurement, judged, None)
    if all(blocks) and ends and not _is_blocked(measurement, judged, policy):
        return _Held(measurement, judged, ends[0])  # rows for ranges: it blocks at both ends, for two reasons
    if ends and not any(blocks) and _is_blocked(measurement, judged, policy):
        return _Held(measurement, judged, None)
    return _Held(measurement, judged, judged)


def _is_blocked(measurement: Measurement, judged: Judged, policy: Policy) -> bool:
    """Whether a row that blocks fires on a number."""
    blocking = (row for row in policy.triggers if row.enabled and row.on_metrics and row.action not in SOFT)
    return any(_is_fired(row, measurement, judged, policy) for row in blocking)


def _on_signals(trigger: Trigger, signals: tuple[Signal, ...]) -> Iterable[Finding]:
    heard = [signal for signal in signals if signal.name in trigger.signals]
    if heard:
        details = dict.fromkeys(signal.detail or signal.name for signal in heard)
        tests = tuple(dict.fromkeys(test for signal in heard for test in signal.tests))
        yield _finding(trigger, "; ".join(details), tests=tests)


def _of_the_infrastructure(results: tuple[TestResult, ...]) -> Iterable[Signal]:
    """Read off the tests what speaks of the ground that they run on."""
    for outcome, name, says in INFRASTRUCTURE:
        tests = tuple(result.test for result in results if result.outcome is outcome)
        if tests:
            yield Signal(name=name, detail=f"{len(tests)} of {len(results)} tests {says}", tests=tests)


def _judge(measurement: Measurement, policy: Policy) -> Judged:
    rules = policy.metric(measurement.name, measurement.metric)
    return judge_measurement(measurement, rules, needs_baseline=is_compared(measurement, policy))


def _each_number_once(found: list[Finding]) -> Iterable[Finding]:
    """Leave each measurement to its worst row: a loss of 60 % is not also one of 20 %.

    A row that is less severe and asks for more still speaks: severity must not talk an action away.
    """
    claimed: dict[str, int] = {}
    for finding in found:
        drastic = ACTIONS.index(finding.action)
        if finding.measurements and all(claimed.get(name, len(ACTIONS)) <= drastic for name in finding.measurements):
            continue
        claimed.update(dict.fromkeys(finding.measurements, drastic))
        yield finding


def _each_row_once(found: Iterable[Finding]) -> Iterable[Finding]:
    """Let two rows of one name, as merged policies have them, say the same once: the worse of the two speaks."""
    said: dict[str, list[Finding]] = {}
    for finding in found:
        worse = said.setdefault(finding.trigger, [])
        if not any(_says_no_more(finding, one) for one in worse):
            worse.append(finding)
            yield finding


def _says_no_more(finding: Finding, worse: Finding) -> bool:
    same = bool(finding.tests or finding.measurements) or finding.reason == worse.reason
    covered = set(finding.tests) <= set(worse.tests) and set(finding.measurements) <= set(worse.measurements)
    return same and covered and ACTIONS.index(worse.action) <= ACTIONS.index(finding.action)


def _place(finding: Finding, subject: Subject) -> Finding:
    """Fit a finding to where it was found: deadlines run on live branches; what is not committed is just dropped."""
    level = Level.CHANGE if finding.level is not None and subject.uncommitted else finding.level
    deadline = finding.deadline_s if subject.live else None
    return msgspec.structs.replace(finding, level=level, deadline_s=deadline)


def _with_status(held: _Held, found: list[Finding], policy: Policy) -> Judged:
    """Give a measurement the status of the row that it fired."""
    measurement, judged = held.measurement, held.judged
    if held.speaks is None:
        return msgspec.structs.replace(judged, status=Status.TOO_FEW)
    if judged.status not in STANDS:
        return judged
    asked = [finding.action for finding in found if judged.name in finding.measurements]
    worst = min(asked, key=ACTIONS.index, default=Action.NOTE)
    if worst not in SOFT:
        return msgspec.structs.replace(judged, status=Status.REGRESSED)
    if measurement.doubt is not None:
        return msgspec.structs.replace(judged, status=measurement.doubt)
    if worst is Action.NOTE:
        unread = unreadable_by(measurement, judged, policy)
        return msgspec.structs.replace(judged, status=Status.NOT_COMPARABLE) if unread else judged
    return msgspec.structs.replace(judged, status=Status.WATCHED)


def _finding(
    trigger: Trigger, reason: str, *, tests: tuple[str, ...] = (), measurements: tuple[str, ...] = ()
) -> Finding:
    return Finding(
        trigger=trigger.name,
        severity=trigger.severity,
        action=trigger.action,
        level=trigger.level,
        deadline_s=trigger.deadline_s,
        hold_s=trigger.hold_s,
        reason=reason,
        tests=tests,
        measurements=measurements,
    )


def _adjective(trigger: Trigger) -> str:
    """Name the tests that a row watches: `golden-path `, `chat `, or just `gate `."""
    names = trigger.labels or tuple(group for group in trigger.groups if group != ANY_GROUP)
    return f"{' or '.join(names).replace('_', '-') or 'gate'} "


def _say(judged: Judged) -> str:
    """Say where a number stands: `98.1 %, baseline 98.9 % (-0.8)`, `12 ms, baseline 8 ms (+50 %)`."""
    if judged.metric == CONTRACT and judged.detail:
        return f"{judged.name}: {judged.detail.partition(NEW_LINE)[0]}"
    text = in_unit(judged.value or 0.0, judged.unit)
    if judged.limit is not None:
        text += f", limit {in_unit(judged.limit, judged.unit)}"
    if judged.baseline is not None and judged.change is not None:
        baseline = "assumed baseline" if judged.assumed else "baseline"
        change = _change(judged.change, judged.baseline, judged.unit)
        text += f", {baseline} {in_unit(judged.baseline, judged.unit)} ({change})"
    return f"{judged.name} {text}"


def _change(change: float, baseline: float, unit: str) -> str:
    """Write a change; of times, which are small numbers with many digits, in per cent."""
    sign = "-" if change < 0 else "+"
    if unit == "s" and baseline:
        return f"{sign}{number(float(f'{abs(100 * change / baseline):.3g}'))} %"
    return f"{sign}{number(abs(change))}"


def in_unit(value: float, unit: str) -> str:
    """Write a value with its unit, short times in milliseconds or microseconds."""
    if unit == "s" and 0 < abs(value) < 1:
        small = abs(value) < MILLI
        return f"{number(float(f'{value * (1e6 if small else 1e3):.4g}'))} {'us' if small else 'ms'}"
    return f"{number(value)} {unit}".rstrip()
