"""Which numbers become baselines, which stay as they are and why, and from which sessions nothing is accepted."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

import pytest
from msgspec import structs

from pytest_rollback.judge.accept import Change, How, Kept, Plan, baseline_of, in_unit, plan
from pytest_rollback.judge.acceptable import why_not
from pytest_rollback.judge.match import match
from pytest_rollback.judge.report import Facts, report_on
from pytest_rollback.model import (
    Environment,
    Evidence,
    Mark,
    Measurement,
    Obstacle,
    Outcome,
    Part,
    Reason,
    Signal,
    Status,
    Subject,
    TestResult,
)
from pytest_rollback.policy.baselines import Accepted, Baseline, Shelf, shelve, write
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.rules import Policy

ACCEPTED = Accepted(at="2026-11-21T12:00:00Z")
MACHINE = "cpython3.11-linux"
POLICY = load_policy(
    None,
    extra={
        "metrics": {
            "score": {"unit": "%", "better": "higher", "tolerance": 0.5, "floor": 90.0, "required": False},
            "time": {
                "unit": "s",
                "better": "lower",
                "tolerance": 0.001,
                "ceiling": "2 s",
                "per-environment": True,
                "required": False,
            },
            "bare": {"better": "higher", "required": False},
            "alone": {"better": "higher", "floor": 1.0, "required": False},
        },
        "triggers": {
            "score-drop": {"metric": "score", "drop": "> 1 point", "severity": "high", "action": "restore"},
            "time-rise": {"metric": "time", "rise": "> 10 %", "severity": "high", "action": "restore"},
            "bare-drop": {"metric": "bare", "drop": "> 1", "severity": "high", "action": "restore"},
            "bare-never": {"metric": "bare", "below": -5, "severity": "high", "action": "restore"},
        },
    },
)


def number(value: float = 95.0, name: str = "score", **other: Any) -> Measurement:
    """Measure a number."""
    return Measurement(name=name, value=value, metric=other.pop("metric", name), **other)


def shelf(*known: Baseline, **files: bytes) -> Shelf:
    """Put baselines on a shelf, and files as they are."""
    return shelve({each.file: write(each) for each in known} | {f"{name}.json": raw for name, raw in files.items()})


def known(value: float = 95.0, name: str = "score", unit: str = "%", **other: Any) -> Baseline:
    """Give a baseline."""
    return Baseline(name=name, value=value, unit=unit, accepted=ACCEPTED, **other)


def planned(how: str, on: Shelf, *measured: Measurement, policy: Policy = POLICY) -> Plan:
    """Judge numbers, and plan."""
    judged = match(Evidence(measurements=measured), policy, Subject())[1]
    return plan(judged, measured, on, policy, how, machine=MACHINE)


def only(how: str, on: Shelf, measured: Measurement) -> Change | Kept:
    """Give what becomes of one number."""
    made = planned(how, on, measured)
    assert len(made.changes) + len(made.kept) == 1
    return made.changes[0] if made.changes else made.kept[0]


def accepted(how: str, on: Shelf, measured: Measurement) -> tuple[float | None, float, str]:
    """Give what was, what is to be, and how it changes."""
    change = only(how, on, measured)
    assert isinstance(change, Change)
    return change.was, change.now, change.kind


def kept(how: str, on: Shelf, measured: Measurement) -> str:
    """Give why a number is not accepted."""
    one = only(how, on, measured)
    assert isinstance(one, Kept)
    return one.why


# --- new, better, all ---


@pytest.mark.parametrize("how", list(How))
def test_a_number_without_a_baseline_is_accepted_by_each(how: How) -> None:
    """Also where an assumed one stood in; with its unit, its kind and what stands beside it."""
    change = only(how.value, Shelf(), number(95.0, basis={"samples": [1]}))
    assert change == Change(
        name="score", environment=None, was=None, now=95.0, unit="%", kind="new", metric="score", basis={"samples": [1]}
    )
    assert accepted(how.value, Shelf(), number(97.0, "architecture", metric="compliance")) == (None, 97.0, "new")
    baseline = baseline_of(change, ACCEPTED)
    assert baseline == known(95.0, metric="score", basis={"samples": [1]})


@pytest.mark.parametrize(
    ("value", "better", "everything"),
    [
        (96.0, "better", "better"),
        (95.6, "better", "better"),
        (95.5, None, "better"),
        (95.1, None, "better"),
        (95.0, None, None),
        (94.9, None, "worse"),
        (91.0, None, "worse"),
    ],
)
def test_better_takes_what_is_better_by_more_than_the_tolerance(
    value: float, better: str | None, everything: str | None
) -> None:
    """And all takes every change."""
    for how, kind in (("new", None), ("better", better), ("all", everything)):
        one = only(how, shelf(known()), number(value))
        assert (one.kind if isinstance(one, Change) else None) == kind
        assert not isinstance(one, Change) or (one.was, one.now) == (95.0, value)


@pytest.mark.parametrize(("value", "kind"), [(0.008, "better"), (0.0095, None), (0.012, None)])
def test_lower_is_better_where_the_policy_says_so(value: float, kind: str | None) -> None:
    """Each machine has a baseline of its own."""
    on = shelf(known(0.010, "time", "s", environment=MACHINE), known(9.0, "time", "s", environment="other"))
    one = only("better", on, number(value, "time", unit="s"))
    assert (one.kind if isinstance(one, Change) else None) == kind
    assert not isinstance(one, Change) or (one.environment, one.file) == (MACHINE, f"time@{MACHINE}.json")
    assert accepted("new", shelf(known(9.0, "time", "s", environment="other")), number(0.01, "time"))[0] is None


def test_the_nearer_end_of_an_estimate_must_be_better() -> None:
    """What may be noise is no improvement; the value itself is what is kept."""
    on = shelf(known())
    assert accepted("better", on, number(97.0, low=95.6, high=98.0)) == (95.0, 97.0, "better")
    assert kept("better", on, number(97.0, low=95.4, high=98.6)) == "97 % is within reach of 95 %"
    assert kept("better", on, number(94.0, low=93.0, high=95.0)) == "94 % is not better than 95 %"
    slow = shelf(known(0.010, "time", "s", environment=MACHINE))
    assert accepted("better", slow, number(0.007, "time", low=0.006, high=0.008)) == (0.010, 0.007, "better")
    assert kept("better", slow, number(0.007, "time", low=0.006, high=0.0095)) == "7 ms is within reach of 10 ms"


def test_an_estimate_is_held_against_the_baseline_at_this_machines_pace() -> None:
    """A slow day is no slow-down, and a fast one no improvement."""
    on = shelf(known(0.010, "time", "s", environment=MACHINE))
    fast_day = number(0.005, "time", low=0.0049, high=0.0051, baseline=0.005)
    slow_day = number(0.014, "time", low=0.0139, high=0.0141, baseline=0.020)
    assert kept("better", on, fast_day).startswith("5 ms is within reach of")
    assert isinstance(only("better", on, slow_day), Change)


def test_units_of_one_scale_are_compared() -> None:
    """A baseline in seconds and a number in milliseconds."""
    on = shelf(known(0.010, "time", "s", environment=MACHINE))
    assert accepted("better", on, number(8.0, "time", unit="ms")) == (0.010, 8.0, "better")
    assert kept("better", on, number(12.0, "time", unit="ms")) == "12 ms is not better than 10 ms"
    assert kept("all", on, number(10.0, "time", unit="ms")) == "unchanged, 10 ms"


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_zero_and_below_are_numbers(value: float) -> None:
    """A zero baseline has no share, but it has a better."""
    assert accepted("new", Shelf(), number(value, "bare")) == (None, value, "new")
    assert accepted("better", shelf(known(value, "bare", "")), number(value + 1, "bare")) == (
        value,
        value + 1,
        "better",
    )
    assert kept("better", shelf(known(0.0, "bare", "")), number(-0.0, "bare")) == "unchanged, 0"


def test_the_noise_of_floats_is_no_improvement() -> None:
    """0.1 + 0.2 is no better than 0.3."""
    assert kept("better", shelf(known(0.3, "bare", "")), number(0.1 + 0.2, "bare")).endswith(" is within reach of 0.3")


# --- what is kept ---


def test_what_is_pinned_stays() -> None:
    """Whatever is asked for; its reason is told."""
    on = shelf(known(pinned="until phase 2"))
    for how in ("better", "all"):
        assert kept(how, on, number(99.0)) == "pinned at 95 %: until phase 2"


@pytest.mark.parametrize("how", list(How))
def test_what_is_beyond_a_limit_is_never_accepted(how: How) -> None:
    """Neither over its floor or ceiling, nor what a row rules out whatever the baseline is."""
    for on in (Shelf(), shelf(known(80.0)), shelf(score=b"{")):
        assert kept(how.value, on, number(89.9)) == "89.9 % is beyond its limit of 90 %, and never accepted"
    assert kept(how.value, Shelf(), number(2.5, "time")) == "2.5 s is beyond its limit of 2 s, and never accepted"
    assert kept(how.value, Shelf(), number(-6, "bare")) == "-6 is ruled out by the row bare-never, and never accepted"
    assert accepted(how.value, Shelf(), number(90.0))[1] == 90.0


@pytest.mark.parametrize("how", list(How))
@pytest.mark.parametrize(
    ("measured", "why"),
    [
        (number(0.0, doubt=Status.LEFT_TO_CI), "left to CI; accept it there"),
        (number(95.0, doubt=Status.TOO_FEW, detail="3 of 381\nand more"), "too few samples: 3 of 381"),
        (number(95.0, doubt=Status.INVALID), "invalid"),
        (number(math.nan), "invalid"),
        (number(-math.inf), "invalid"),
        (number(95.0, low=80.0, high=99.0), "too few samples"),
        (number(1.0, "other", metric="other"), "the policy knows no such metric"),
        (number(95.0, unit="s"), "it is in s, which the policy can't compare with its own"),
        (
            number(95.0, doubt=Status.NOT_COMPARABLE, detail="the clock is broken"),
            "not comparable: the clock is broken",
        ),
        (number(95.0, "sco\x1bre", metric="score"), "its name has something in it that nobody sees"),
    ],
    ids=lambda each: each.value if isinstance(each, How) else None,
)
def test_what_can_be_no_baseline_is_kept(how: How, measured: Measurement, why: str) -> None:
    """And it is said why."""
    assert kept(how.value, Shelf(), measured) == why


def test_what_nothing_compares_gets_no_baseline() -> None:
    """A file that nobody reads is no use; a ratchet reads it."""
    assert kept("new", Shelf(), number(3.0, "alone")) == "no row of the policy compares it with a baseline"
    ratchet = structs.replace(POLICY.metrics["alone"], ratchet=True)
    policy = structs.replace(POLICY, metrics={**POLICY.metrics, "alone": ratchet})
    assert [change.name for change in planned("new", Shelf(), number(3.0, "alone"), policy=policy).changes] == ["alone"]


def test_a_changed_unit_is_taken_by_all_alone() -> None:
    """A number of another unit is neither better nor worse."""
    on = shelf(known(3.0, "bare", "MB"))
    measured = number(4.0, "bare", doubt=Status.NOT_COMPARABLE)
    assert (
        kept("better", on, measured) == "it is in no unit, and its baseline in MB; --accept-baselines all replaces it"
    )
    assert accepted("all", on, measured) == (3.0, 4.0, "changed unit")
    change = only("all", on, measured)
    assert isinstance(change, Change)
    assert (change.was_unit, change.unit) == ("MB", "")


def test_what_could_not_be_compared_is_taken_by_all_alone() -> None:
    """Such as a time of a function that waits now and computed before."""
    measured = number(95.0, doubt=Status.NOT_COMPARABLE, detail="it was of another kind")
    assert kept("better", shelf(known(94.0)), measured) == "it was of another kind; --accept-baselines all replaces it"
    assert accepted("all", shelf(known(94.0)), measured) == (94.0, 95.0, "replaced")


def test_a_damaged_file_is_replaced_by_all_alone() -> None:
    """One of a newer version is not damaged, and a folder that can't be read holds nobody knows what."""
    measured = number(95.0, doubt=Status.NOT_COMPARABLE, detail="the file is damaged")
    damaged = shelf(score=b"<<<<<<< HEAD\n")
    for how in ("new", "better"):
        why = kept(how, damaged, measured)
        assert why.startswith("score.json has merge conflict markers; ")
        assert why.endswith("; --accept-baselines all replaces it")
    assert accepted("all", damaged, measured) == (None, 95.0, "replaced")
    newer = shelf(score=b'{"schema": 2}')
    assert kept("all", newer, measured).startswith("score.json was written by a newer version")
    assert "can't be read" in kept("all", Shelf(troubles={"": "can't be read: Input/output error"}), measured)


def test_each_number_is_decided_by_itself() -> None:
    """One that can't be accepted keeps none of the others."""
    on = shelf(known(pinned="x"), known(3.0, "bare", ""))
    measured = (number(99.0), number(2.5, "time"), number(4.0, "bare"), number(99.0, "b", metric="compliance"))
    made = planned("better", on, *measured)
    assert [change.name for change in made.changes] == ["bare", "b"]
    assert [each.name for each in made.kept] == ["score", "time"]


def test_what_nobody_would_wonder_at_is_no_news() -> None:
    """Fifty metrics that have a baseline already need no fifty lines."""
    for how, measured in (("new", number(99.0)), ("better", number(95.0)), ("new", number(3.0, "alone"))):
        one = only(how, shelf(known()), measured)
        assert isinstance(one, Kept)
        assert not one.is_news


def test_what_is_asked_for_must_be_known() -> None:
    """A typing error accepts nothing."""
    for how in ("", "none", "everything"):
        with pytest.raises(ValueError, match="is not a valid How"):
            planned(how, Shelf(), number())


# --- contracts ---


def contract(broken: int, **entries: str) -> Measurement:
    """Measure a contract, with so many breaking changes against the one that is kept."""
    return number(float(broken), "api", metric="contract", basis={"contract": entries})


def test_a_contract_is_better_by_additions_alone() -> None:
    """What others rely on is taken away by nobody but who says all; against itself nothing is broken."""
    policy = structs.replace(POLICY, metrics={**POLICY.metrics, "contract": structs.replace(POLICY.metrics["bare"])})
    on = shelf(known(0.0, "api", "", metric="contract", basis={"contract": {"get": "()"}}))
    same, more, less = contract(0, get="()"), contract(0, get="()", put="()"), contract(2, put="()")

    def made(how: str, measured: Measurement) -> Change | Kept:
        found = planned(how, on, measured, policy=policy)
        return found.changes[0] if found.changes else found.kept[0]

    assert made("all", same) == Kept("api", "unchanged", is_news=False)
    better = made("better", more)
    assert isinstance(better, Change)
    assert (better.kind, better.now, better.basis["contract"]) == ("better", 0.0, {"get": "()", "put": "()"})
    assert made("better", less) == Kept("api", "2 breaking changes; --accept-baselines all replaces it")
    worse = made("all", less)
    assert isinstance(worse, Change)
    assert (worse.kind, worse.now, worse.is_contract) == ("worse", 0.0, True)
    assert planned("new", Shelf(), more, policy=policy).changes[0].kind == "new"


# --- from which sessions ---

PASSED = TestResult(test="test_a", outcome=Outcome.PASSED, marks=(Mark("golden_path"),))
FOR_NUMBERS = ("RegressionError", "AssertionError")


def failed(*exceptions: str, outcome: Outcome = Outcome.FAILED) -> TestResult:
    """Give a gate test that failed."""
    return TestResult(test="test_b", outcome=outcome, marks=(Mark("golden_path"),), exceptions=exceptions)


def refused(how: str = "all", status: int = 0, scratch: bool = False, **other: Any) -> str | None:  # noqa: FBT001, FBT002
    """Judge a session, and say why nothing of it may be accepted."""
    facts: dict[str, Any] = {
        "subject": other.pop("subject", Subject()),
        "environment": Environment(digest="e", python="3.11", platform="linux"),
        "started": datetime(2026, 11, 21, tzinfo=timezone.utc),
        "whole_suite": False,
        "failed_outside": other.pop("failed_outside", False),
        "part": other.pop("part", None),
    }
    seen = {"tests": (PASSED,), "measurements": (number(95.0),), **other}
    evidence = Evidence(**seen)
    report = report_on(Facts(evidence=evidence, **facts), POLICY, facts["started"])
    return why_not(report, evidence, how, pytest_status=status, is_scratch=scratch)


def test_a_session_that_held_or_failed_for_its_numbers_is_fine() -> None:
    """Without a baseline, with one that is missed, or over a limit, which that number alone pays for."""
    assert refused() is None
    assert refused("new") is None
    assert refused(measurements=(number(90.5, baseline=95.0),)) is None
    assert refused(measurements=(number(80.0), number(3.0, "bare"))) is None
    assert refused(measurements=(number(95.0, low=80.0, high=99.0),)) is None
    missed = (number(90.5, baseline=95.0, test="test_b"),)
    assert refused(tests=(PASSED, failed(*FOR_NUMBERS)), measurements=missed, status=1) is None
    assert refused(tests=(PASSED, failed(*FOR_NUMBERS)), measurements=(number(),), status=1) is not None
    assert refused(signals=(Signal(name="warnings", detail="3 warnings"),)) is None
    assert refused(signals=(Signal(name="erosion-unchecked", detail="a shallow clone"),)) is None


@pytest.mark.parametrize(
    ("session", "why"),
    [
        ({"tests": (PASSED, failed("AssertionError"))}, "did not hold for another cause: golden-path: 1 of 2"),
        ({"tests": (PASSED, failed("ValueError", *FOR_NUMBERS))}, "another cause: golden-path"),
        ({"tests": (PASSED, failed("AttributeError"))}, "another cause: golden-path"),
        ({"tests": (PASSED, failed(*FOR_NUMBERS, outcome=Outcome.ERROR))}, "another cause: golden-path"),
        ({"tests": (PASSED, failed(outcome=Outcome.CRASHED))}, "another cause: golden-path"),
        ({"tests": (PASSED, failed(outcome=Outcome.NOT_STARTED))}, "inconclusive for another cause: 1 of 2 gate tests"),
        ({"tests": (PASSED, failed(outcome=Outcome.FLAKY))}, "another cause: flaky: "),
        ({"tests": (PASSED, TestResult(test="test_c", outcome=Outcome.FAILED))}, "test_c failed"),
        ({"failed_outside": True}, "tests outside the gate failed"),
        ({"tests": ()}, "no test bears a gate marker"),
        ({"obstacles": (Obstacle(reason=Reason.NARROWED, detail="narrowed by -k"),)}, "another cause: narrowed by -k"),
        ({"obstacles": (Obstacle(reason=Reason.COLLECT_ONLY, detail="--collect-only"),)}, "--collect-only"),
        ({"obstacles": (Obstacle(reason=Reason.INTERRUPTED, detail="by SIGINT"),)}, "by SIGINT"),
        ({"obstacles": (Obstacle(reason=Reason.TREE_MOVED, detail="the tree moved"),)}, "the tree moved"),
        ({"obstacles": (Obstacle(reason=Reason.UNTOLD, detail="nobody heard"),)}, "nobody heard"),
        ({"signals": (Signal(name="erosion", detail="1 gate test gone"),)}, "another cause: erosion: 1 gate test gone"),
        ({"signals": (Signal(name="nobody-hears-this"),)}, "inconclusive for another cause: nobody-hears-this"),
        ({"measurements": (number(math.nan),)}, "inconclusive for another cause: score: invalid"),
        ({"measurements": ()}, "nothing was measured"),
        ({"measurements": (number(doubt=Status.LEFT_TO_CI),)}, "all 1 metrics are left to CI; accept them there"),
        ({"status": 2}, "it was interrupted"),
        ({"status": 3}, "pytest broke"),
        ({"status": 4}, "it could not start as it was asked to"),
        ({"status": 5}, "it ran no test"),
        ({"scratch": True}, "ran in a copy of the work tree"),
        ({"subject": Subject(what="staged")}, "ran in a copy of the work tree"),
        ({"part": Part(number=1, of=2, whole="w", packed="p")}, "is a part of the gate"),
    ],
    ids=lambda each: each if isinstance(each, str) else None,
)
def test_nothing_is_accepted_from_a_session_that_failed_for_another_cause(session: dict[str, Any], why: str) -> None:
    """Nor from one that looked at less than all, or stands for something else."""
    said = refused(**session)
    assert said is not None
    assert why in said


@pytest.mark.parametrize("how", ["new", "better", "all"])
def test_what_cannot_be_compared_keeps_no_other_number_from_being_accepted(how: str) -> None:
    """A damaged file is for its own number alone; what becomes of that, the plan says."""
    doubtful = (number(95.0, doubt=Status.NOT_COMPARABLE, detail="score.json is damaged"), number(3.0, "other"))
    assert refused(how, measurements=doubtful) is None


def test_what_accepting_puts_right_is_no_other_cause() -> None:
    """An improvement that nobody accepted, in CI, where only CI's own times can be accepted."""
    better = Signal(name="improvement-unrecorded", detail="better than accepted: score")
    assert refused("better", signals=(better,)) is None
    assert refused("new", signals=(better,)) is not None


def test_a_verdict_that_was_used_again_measured_nothing() -> None:
    """Its numbers are those of another session."""
    evidence = Evidence(tests=(PASSED,), measurements=(number(),))
    facts = Facts(
        evidence=evidence,
        subject=Subject(),
        environment=Environment(digest="e", python="3.11", platform="linux"),
        started=datetime(2026, 11, 21, tzinfo=timezone.utc),
        whole_suite=False,
    )
    report = structs.replace(report_on(facts, POLICY, facts.started), stands_on="1" * 40)
    said = why_not(report, evidence, "all")
    assert said is not None
    assert said.startswith("the verdict of an earlier session was used again")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "s", "none"),
        (0.012, "s", "12 ms"),
        (1.5, "s", "1.5 s"),
        (0, "s", "0 s"),
        (98.7, "%", "98.7 %"),
        (3, "", "3"),
    ],
)
def test_a_value_is_written_as_people_do(value: float | None, unit: str, text: str) -> None:
    """With its unit."""
    assert in_unit(value, unit) == text
