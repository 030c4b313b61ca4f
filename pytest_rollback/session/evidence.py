"""Gathers the evidence of a session, that of other plugins included. What they give is checked before it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import pytest
from msgspec import structs

from pytest_rollback.model import Evidence, Measurement, Obstacle, Reason, Signal, Status, TestResult
from pytest_rollback.session.yardstick import Yardstick

ROWS = "pytest_rollback_triggers"
EVIDENCE = "pytest_rollback_evidence"


def extra_rows(config: pytest.Config) -> dict[str, Any]:
    """Ask the other plugins for rows of the decision matrix, as policy tables."""
    rows: dict[str, Any] = {}
    try:
        answers = config.hook.pytest_rollback_triggers(config=config)
    except Exception as error:
        msg = f"{ROWS} failed: {type(error).__name__}: {error}"
        raise pytest.UsageError(msg) from error
    for given in answers:
        if not isinstance(given, Mapping):
            msg = f"{ROWS}: give rows by name, as they would stand in the policy, not {given!r}"
            raise pytest.UsageError(msg)
        for name, row in given.items():
            rows[name] = dict(row) if isinstance(row, Mapping) else row
    return {"triggers": rows} if rows else {}


def collect_evidence(
    config: pytest.Config,
    *,
    tests: Iterable[TestResult],
    measured: Iterable[Measurement],
    signals: list[Signal],
    obstacles: list[Obstacle],
    collected: int,
    yardstick: Yardstick,
) -> Evidence:
    """Add what other plugins know to what the session saw."""
    given, wrong = _ask(config)
    measurements = [*measured, *(_held(fact, yardstick) for fact in given if isinstance(fact, Measurement))]
    twice = [name for name, times in Counter(fact.name for fact in measurements).items() if times > 1]
    wrong += [f"{name} was measured more than once; a number is measured once" for name in twice]
    return Evidence(
        tests=tuple(tests),
        measurements=tuple(fact for fact in measurements if fact.name not in twice),
        signals=(*signals, *(fact for fact in given if isinstance(fact, Signal))),
        obstacles=(*obstacles, *(Obstacle(reason=Reason.INVALID, detail=text) for text in wrong)),
        collected=collected,
        expected=yardstick.expected(),
    )


def _held(fact: Measurement, yardstick: Yardstick) -> Measurement:
    """Hold a number of another plugin against what was accepted for it; its own baseline counts where nothing was."""
    rules = yardstick.policy.metric(fact.name, fact.metric)
    if rules is None:
        return fact
    if fact.doubt is Status.LEFT_TO_CI and not yardstick.is_left_to_ci(rules):
        fact = structs.replace(fact, doubt=Status.INVALID, detail="it was not measured, and is not left to CI here")
    held = yardstick.with_baseline(structs.replace(fact, baseline=None), rules)
    return fact if held.baseline is None and held.doubt is None else held


def _ask(config: pytest.Config) -> tuple[list[Measurement | Signal], list[str]]:
    """Ask the other plugins; gives what they know, and what is wrong with it."""
    facts: list[Measurement | Signal] = []
    wrong: list[str] = []
    try:
        answers = config.hook.pytest_rollback_evidence(config=config)
    except BaseException as error:  # noqa: BLE001 (SystemExit, a skip: evidence that could not be had forbids a pass)
        return [], [f"{EVIDENCE} failed: {type(error).__name__}: {error}"]
    for fact in _flat(answers):
        try:
            facts.append(_checked(fact))
        except msgspec.ValidationError as error:
            wrong.append(f"{EVIDENCE} gave {fact!r}: {error}")
    return facts, wrong


def _flat(answers: Iterable[object]) -> Iterator[object]:
    for answer in answers:
        if isinstance(answer, Iterable) and not isinstance(answer, str):
            yield from answer
        else:
            yield answer


def _checked(fact: object) -> Measurement | Signal:
    """Hold a fact to its type: a record made by hand is not checked by the making."""
    if not isinstance(fact, (Measurement, Signal)):
        msg = "expected a Measurement or a Signal"
        raise msgspec.ValidationError(msg)
    return msgspec.convert(msgspec.to_builtins(fact), type(fact))
