"""The check `command`: a program of the project ends as it should, and its score is taken."""

from __future__ import annotations

from pytest_rollback.model import Measurement
from pytest_rollback.policy.criteria import number
from pytest_rollback.policy.fewer_checks import limit_of
from pytest_rollback.policy.rules import Check
from pytest_rollback.session.checks.matching import matches, whole_lines
from pytest_rollback.session.checks.outcome import CheckResult, Place
from pytest_rollback.session.checks.program import Ran, outcome_in, run_program
from pytest_rollback.session.checks.score import one_score
from pytest_rollback.session.checks.wording import listed


def run(check: Check, place: Place) -> CheckResult:
    """Run the program in the project's root; `python` as its first word is this interpreter."""
    if not check.command:
        return CheckResult(failures=('no command; name what to run: command = ["python", "scripts/check.py"]',))
    ran = run_program(check.command, place.root, limit_of(check))
    failures = [f"{check.command[0]}: {wrong}{_remedy(ran)}"] if (wrong := outcome_in(check.status, ran)) else []
    measured: tuple[Measurement, ...] = ()
    if not ran.trouble and ran.status >= 0 and (check.pattern or check.metric):  # a signal may cut a number in two
        try:
            measured = _measured(check, ran)
        except ValueError as error:
            failures.append(f"pattern: {error}")
    said = [ran.ended, *(f"score {number(one.value)} {one.unit}".rstrip() for one in measured)]
    return CheckResult(
        failures=listed(failures),
        output=ran.output,
        measured=measured,
        says="" if failures else ", ".join(said),
    )


def _remedy(ran: Ran) -> str:
    return "; give the check a longer limit, or the program less to do" if ran.trouble.startswith("did not end") else ""


def _measured(check: Check, ran: Ran) -> tuple[Measurement, ...]:
    """Take the score from what was printed; without a metric, that there is a match is enough."""
    if not check.pattern:
        msg = r"missing; say where the score stands in the output: pattern = 'Score: ([\d.]+)'"
        raise ValueError(msg)
    if check.metric and ran.is_open:
        msg = f"what {check.command[0]} left behind holds its output open, so its score is not known; have it end"
        raise ValueError(msg)
    if check.metric and ran.lost:
        msg = f"the output is too long to know its score{_lost(ran)}; have {check.command[0]} print less"
        raise ValueError(msg)
    limit_s = limit_of(check)
    found = matches(
        check.pattern,
        (*whole_lines(ran.out), *whole_lines(ran.err)),
        is_score=check.metric != "",
        limit_s=limit_s,
        left_s=limit_s - ran.took_s,
    )
    if not found:
        msg = f"{check.pattern!r} matches nothing of what {check.command[0]} printed{_lost(ran)} ({ran.ended})"
        raise ValueError(msg)
    if not check.metric:
        return ()
    try:
        value, unit = one_score(found)
    except ValueError as error:
        msg = f"{check.pattern!r}: {error}"
        raise ValueError(msg) from None
    return (Measurement(name=check.name, value=value, metric=check.metric, unit=unit, labels=check.labels),)


def _lost(ran: Ran) -> str:
    return f", of which {ran.lost:,} bytes in the middle were not kept" if ran.lost else ""
