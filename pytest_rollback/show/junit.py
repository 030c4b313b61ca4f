"""The report as JUnit XML: red where the verdict is not passed, and never in shadow mode, where all is merely said.

Readers agree on little: some show a failure's text and some its message, some drop a second entry of the same class
and name, some split a class at its dots, and some refuse an attribute that they don't know. So texts stand alone,
entries are distinct, classes have the one dot that is ours, and attributes are those that all of them know.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as ET

from msgspec import Struct, structs

from pytest_rollback.model import Action, Finding, NotPassed, Obstacle, Outcome, Report, Verdict
from pytest_rollback.show.words import order, plain, ran, way_back

NAME = "safety gate"
HEAD = """<?xml version="1.0" encoding="utf-8"?>
<!-- a report of a safety gate, written by pytest-rollback -->
"""
ROOT = "safety-gate"
SHOWN = 50
LONGEST_NAME = 300
LONGEST_LINE = 1000
FAILURE, ERROR, SKIPPED, HOLDS = "failure", "error", "skipped", "system-out"
OF_VERDICT = {Verdict.BLOCKED: FAILURE, Verdict.INCONCLUSIVE: ERROR, Verdict.PASSED: HOLDS}
OF_OUTCOME = {
    **dict.fromkeys(Outcome, ERROR),
    Outcome.FAILED: FAILURE,
    Outcome.SKIPPED: SKIPPED,
    Outcome.XFAILED: SKIPPED,
    **dict.fromkeys((Outcome.FLAKY, Outcome.XPASSED, Outcome.PASSED), HOLDS),
}


class Case(Struct, frozen=True, kw_only=True):
    """One entry of the report, which readers list as a test; `kind` is the element that says how it ended."""

    family: str
    name: str
    kind: str
    why: str
    message: str
    lines: tuple[str, ...] = ()
    seconds: float = 0.0


def render(report: Report) -> str:
    """Write a report as JUnit XML."""
    cases = list(_distinct(_cases(report)))
    kinds = Counter(case.kind for case in cases)
    counts = {
        "tests": str(len(cases)),
        "failures": str(kinds[FAILURE]),
        "errors": str(kinds[ERROR]),
        "time": _seconds(report.duration_s),
    }
    suites = ET.Element("testsuites", {"name": NAME, **counts})
    more = {"skipped": str(kinds[SKIPPED]), "timestamp": plain(report.started, LONGEST_NAME)}
    suite = ET.SubElement(suites, "testsuite", {"name": NAME, **counts, **more})
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report).items():
        ET.SubElement(properties, "property", {"name": name, "value": plain(value or "", LONGEST_LINE)})
    for case in cases:
        _add(suite, case)
    ET.indent(suites)
    return f"{HEAD}{ET.tostring(suites, encoding='unicode')}\n"


def is_report(text: str) -> bool:
    """Whether a text is a report of ours. Nothing is parsed, since parsing expands what a stranger's file declares."""
    return text.startswith(HEAD)


def _cases(report: Report) -> Iterator[Case]:
    """Give all entries, the verdict first."""
    is_red = report.verdict is not Verdict.PASSED and report.mode != "shadow"
    for case in _as_judged(report):
        yield case if is_red or case.kind == SKIPPED else structs.replace(case, kind=HOLDS)


def _as_judged(report: Report) -> Iterator[Case]:
    yield _verdict(report)
    for found in report.findings:
        yield _finding(found, report)
    for obstacle in report.obstacles:
        yield _obstacle(obstacle, report)
    for result in report.not_passed:
        if result.groups:
            yield _test(result)


def _verdict(report: Report) -> Case:
    """Make the entry that is always there, so that an empty gate shows too."""
    lines = [ran(report)]
    if report.recommendation is not None:
        lines.append(f"way back: {way_back(report.recommendation)}")
    lines += [f"note: {note}" for note in report.notes]
    if report.mode == "shadow":
        lines.append("shadow: all is judged and said, nothing is blocked")
    if report.next:
        lines.append(f"next: {report.next}")
    return Case(
        family="verdict",
        name="verdict",
        kind=OF_VERDICT[report.verdict],
        why=report.verdict.value,
        message=f"{report.verdict.value}: {report.reason.value}",
        lines=tuple(lines),
        seconds=report.duration_s,
    )


def _finding(found: Finding, report: Report) -> Case:
    return Case(
        family=found.trigger,
        name=found.reason,
        kind=HOLDS if found.action in (Action.WATCH, Action.NOTE) else FAILURE,
        why=found.severity.value,
        message=f"{found.severity.value}: {found.reason}: {order(found, report)}",
        lines=(*_tests(found.tests, report), *(f"measurement: {name}" for name in found.measurements)),
    )


def _obstacle(obstacle: Obstacle, report: Report) -> Case:
    reason = obstacle.reason.value
    return Case(
        family=reason,
        name=obstacle.detail,
        kind=ERROR,
        why=reason,
        message=f"{reason}: {obstacle.detail}",
        lines=tuple(_tests(obstacle.tests, report)),
    )


def _test(result: NotPassed) -> Case:
    outcome = result.outcome.value
    return Case(
        family=f"tests in {result.groups[0]}",
        name=result.test,
        kind=OF_OUTCOME[result.outcome],
        why=outcome,
        message=f"{outcome}: {result.message}".removesuffix(": "),
        seconds=result.duration_s,
    )


def _tests(tests: tuple[str, ...], report: Report) -> Iterator[str]:
    """List tests with what they said."""
    said = {result.test: result.message for result in report.not_passed}
    for test in filter(None, tests[:SHOWN]):  # what can't be collected may have no name
        yield f"{test}: {said.get(test, '')}".removesuffix(": ")
    if len(tests) > SHOWN:
        yield f"and {len(tests) - SHOWN} more of {len(tests)}; --gate-report FILE.json lists all"


def _distinct(cases: Iterable[Case]) -> Iterator[Case]:
    """Make families and names fit for readers, and number those that would be taken for one and the same."""
    taken: set[tuple[str, str]] = set()
    times: Counter[tuple[str, str]] = Counter()
    for case in cases:
        family = f"{ROOT}.{plain(case.family, LONGEST_NAME).replace('.', '_') or 'unnamed'}"
        first = name = plain(case.name, LONGEST_NAME) or "unnamed"
        while (family, name) in taken:
            times[family, first] += 1
            name = f"{first} ({times[family, first] + 1})"
        taken.add((family, name))
        yield structs.replace(case, family=family, name=name)


def _properties(report: Report) -> dict[str, str | None]:
    return {
        "verdict": report.verdict.value,
        "reason": report.reason.value,
        "mode": report.mode,
        "policy": report.policy.digest,
        "commit": report.subject.commit,
        "branch": report.subject.branch,
        "next": report.next,
    }


def _add(suite: ET.Element, case: Case) -> None:
    """Add an entry. Its text stands alone: some readers show that and nothing else."""
    entry = ET.SubElement(
        suite, "testcase", {"classname": case.family, "name": case.name, "time": _seconds(case.seconds)}
    )
    message = plain(case.message, LONGEST_LINE)
    attributes = {} if case.kind == HOLDS else {"type": case.why, "message": message}
    said = ET.SubElement(entry, case.kind, attributes)
    said.text = "\n".join([message, *(plain(line, LONGEST_LINE) for line in case.lines)])


def _seconds(seconds: float) -> str:
    return f"{seconds if 0 < seconds < math.inf else 0:.3f}"
