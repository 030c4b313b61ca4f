"""What GitHub shows of a gate: annotations at the files of a change, and a step summary of a size that it takes.

An annotation is a command that the runner reads off the output, so whatever a test wrote could be one too, were it
not escaped: `::name properties::data` at the start of a line, or the older `##[name]` anywhere in it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from msgspec import Struct

from pytest_rollback.model import Action, Finding, Obstacle, Report
from pytest_rollback.show.words import cut, order, plain

SUMMARY_BYTES = 1024 * 1024
CUT = b"\n_The rest is cut: a step summary has 1 MiB. `--gate-report FILE.md` writes all of it._\n"
ANNOTATIONS = 10
LISTED = 10
LONGEST_LINE = 400
LONGEST_MESSAGE = 4000
ERROR, WARNING = "error", "warning"


class Annotation(Struct, frozen=True, kw_only=True):
    """One annotation; `place` counts those of the same row of the matrix."""

    kind: str
    title: str
    message: str
    path: str = ""
    place: int = 0


def annotate(report: Report, folder: str = "") -> list[str]:
    """Write the runner's commands for all that stands against a change; `folder` is where its tests' paths begin.

    GitHub shows ten of a kind for each step, so the last one counts the rest. Each row has its first file among them
    before any has its second.
    """
    found = sorted(_annotations(report, folder), key=lambda annotation: annotation.place)
    lines: list[str] = []
    for kind in (ERROR, WARNING):
        of_kind = [annotation for annotation in found if annotation.kind == kind]
        shown = of_kind if len(of_kind) <= ANNOTATIONS else of_kind[: ANNOTATIONS - 1]
        lines += [_command(annotation) for annotation in shown]
        if len(of_kind) > len(shown):
            more = f"and {len(of_kind) - len(shown)} more of {len(of_kind)}; --gate-report FILE.md lists all"
            lines.append(_command(Annotation(kind=kind, title="safety gate", message=more)))
    return lines


def harmless(line: str) -> str:
    """Take from a line of output what the runner would obey, and leave the rest as it is."""
    start = len(line) - len(line.lstrip())
    if line.startswith("::", start):
        line = f"{line[:start]}: :{line[start + 2 :]}"
    return line.replace("##[", "## [")


def fitted(text: str, room: int) -> bytes:
    """Cut a summary to a number of bytes, at the end of a line, and say so; nothing, where nothing fits."""
    data = text.encode("utf-8", "replace")
    if len(data) <= room:
        return data
    head = data[: max(room - len(CUT), 0)]
    head = head[: head.rfind(b"\n") + 1]
    return head + CUT if head.strip() else b""


def _annotations(report: Report, folder: str) -> Iterator[Annotation]:
    for found in report.findings:
        if found.action is not Action.NOTE:
            yield from _of_finding(found, report, folder)
    for obstacle in report.obstacles:
        yield _of_obstacle(obstacle, report, folder)


def _of_finding(found: Finding, report: Report, folder: str) -> Iterator[Annotation]:
    """Annotate each file in which a finding has tests, or no file where it has none."""
    files: dict[str, list[str]] = {}
    for test in found.tests:
        files.setdefault(_path(test, folder), []).append(test)
    is_error = found.action is not Action.WATCH and report.mode != "shadow"
    for place, (path, tests) in enumerate((files or {"": []}).items()):
        yield Annotation(
            kind=ERROR if is_error else WARNING,
            title=_title(f"{found.trigger}, {found.severity.value}", report),
            message=_message([found.reason, order(found, report)], tests, report),
            path=path,
            place=place,
        )


def _of_obstacle(obstacle: Obstacle, report: Report, folder: str) -> Annotation:
    """Annotate an obstacle once; at a file where all its tests are in that one."""
    paths = {_path(test, folder) for test in obstacle.tests}
    return Annotation(
        kind=WARNING,
        title=_title(obstacle.reason.value, report),
        message=_message([obstacle.detail], list(obstacle.tests), report),
        path=paths.pop() if len(paths) == 1 else "",
    )


def _title(what: str, report: Report) -> str:
    shadow = " (shadow: nothing is blocked)" if report.mode == "shadow" else ""
    return f"safety gate: {plain(what, LONGEST_LINE)}{shadow}"


def _message(first: list[str], tests: list[str], report: Report) -> str:
    """Say what it is and what to do, and list tests with what they said."""
    said = {result.test: result.message for result in report.not_passed}
    named = [test for test in tests[:LISTED] if test]  # what can't be collected may have no name
    lines = [*first, *(f"{test}: {said.get(test, '')}".removesuffix(": ") for test in named)]
    if len(tests) > LISTED:
        lines.append(f"and {len(tests) - LISTED} more of {len(tests)}")
    return cut("\n".join(plain(line, LONGEST_LINE) for line in lines), LONGEST_MESSAGE)


def _path(test: str, folder: str) -> str:
    """Give a test's file as the repository knows it."""
    path = test.partition("::")[0]
    return plain(posixpath.normpath(posixpath.join(folder, path)), LONGEST_MESSAGE) if path else ""


def _command(annotation: Annotation) -> str:
    properties = {"file": annotation.path, "title": annotation.title}
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    return f"::{annotation.kind} {given}::{_data(annotation.message)}"


def _data(text: str) -> str:
    return harmless(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
