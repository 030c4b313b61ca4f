"""Folds the parts of a gate that was judged in shards into one. The order in which they come does not matter."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from pytest_rollback.judge.report import Facts
from pytest_rollback.model import (
    Environment,
    Evidence,
    Measurement,
    Obstacle,
    Outcome,
    Part,
    Reason,
    Report,
    Signal,
    Subject,
    TestResult,
)
from pytest_rollback.policy.rules import Policy

OUTCOMES = tuple(Outcome)


class Packed(Struct, frozen=True):
    """What a part carries for the judgement of the whole."""

    policy: Policy
    evidence: Evidence
    subject: Subject
    environment: Environment
    started: datetime
    whole_suite: bool


class Piece(Struct, frozen=True):
    """A part as it was read, with the name of the file that it came from."""

    name: str
    part: Part
    packed: Packed

    @property
    def belongs_to(self) -> tuple[object, ...]:
        """Name the gate that this is a part of: only what agrees in all of this can be judged together."""
        subject = self.packed.subject
        return (
            self.part.of,
            self.part.whole,
            self.packed.policy.digest,
            self.packed.whole_suite,
            subject.commit or "",
            subject.tree or "",
            subject.uncommitted,
        )


class PartError(Exception):
    """A report is no part of a gate; says why."""


def pack(facts: Facts, policy: Policy) -> str:
    """Write down what the judgement of the whole needs; plain JSON would lose NaN and infinity."""
    packed = Packed(policy, facts.evidence, facts.subject, facts.environment, facts.started, facts.whole_suite)
    return base64.b85encode(msgspec.msgpack.encode(packed)).decode("ascii")


def unpack(name: str, report: Report) -> Piece:
    """Read a part out of its report."""
    if report.part is None:
        msg = "is the report of a whole gate, not of a part; run it with --gate-shard K/N"
        raise PartError(msg)
    try:
        packed = msgspec.msgpack.decode(base64.b85decode(report.part.packed), type=Packed)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        msg = "is damaged, or was written by another version"
        raise PartError(msg) from error
    return Piece(name, report.part, packed)


def fold(pieces: Sequence[Piece], unreadable: Iterable[str] = ()) -> tuple[Facts, Policy]:
    """Judge nothing, but put together what is to be judged; what is missing, double or foreign is an obstacle."""
    ordered = sorted(pieces, key=lambda piece: (piece.part.number, piece.name))
    ours = _commonest(ordered)
    foreign = [piece.name for piece in ordered if piece.belongs_to != ours]
    own = [piece for piece in ordered if piece.belongs_to == ours]
    first = own[0].packed
    measurements, odd = _measurements(own)
    obstacles = [obstacle for piece in own for obstacle in piece.packed.evidence.obstacles]
    obstacles += _about_parts(own, foreign, list(unreadable))
    evidence = Evidence(
        tests=_tests(own),
        measurements=measurements,
        signals=_signals(own),
        obstacles=(*sorted(set(obstacles), key=lambda obstacle: (obstacle.reason.value, obstacle.detail)), *odd),
        collected=max(piece.packed.evidence.collected for piece in own),
    )
    facts = Facts(
        evidence=evidence,
        subject=first.subject,
        environment=first.environment,
        started=min(piece.packed.started for piece in own),
        whole_suite=first.whole_suite,
    )
    return facts, first.policy


def _commonest(pieces: list[Piece]) -> tuple[object, ...]:
    """Find the gate that most pieces belong to; of two with equally many, the same one whatever the order."""
    times = Counter(piece.belongs_to for piece in pieces)
    return max(times, key=lambda gate: (times[gate], repr(gate)))


def _about_parts(own: list[Piece], foreign: list[str], unreadable: list[str]) -> Iterable[Obstacle]:
    """Say which parts are missing, which came twice, and which belong to something else."""
    of = own[0].part.of
    numbers = Counter(piece.part.number for piece in own)
    if missing := [f"{number}/{of}" for number in range(1, of + 1) if number not in numbers]:
        detail = f"{len(missing)} of {of} parts are missing: {', '.join(missing)}"
        yield Obstacle(reason=Reason.PARTS, detail=detail)
    if twice := [f"{number}/{of}" for number, times in sorted(numbers.items()) if times > 1]:
        names = ", ".join(piece.name for piece in own if numbers[piece.part.number] > 1)
        yield Obstacle(reason=Reason.PARTS, detail=f"given more than once: {', '.join(twice)} ({names})")
    for name in foreign:
        detail = f"{name} is a part of another gate: its tests, policy or commit differ"
        yield Obstacle(reason=Reason.PARTS, detail=detail)
    for text in sorted(unreadable):
        yield Obstacle(reason=Reason.PARTS, detail=text)


def _tests(pieces: list[Piece]) -> tuple[TestResult, ...]:
    """Take each test once, by its worst outcome: a module that skips itself is seen by every part."""
    worst: dict[str, TestResult] = {}
    for result in (result for piece in pieces for result in piece.packed.evidence.tests):
        known = worst.get(result.test)
        if known is None or OUTCOMES.index(result.outcome) < OUTCOMES.index(known.outcome):
            worst[result.test] = result
    return tuple(worst[test] for test in sorted(worst))


def _measurements(pieces: list[Piece]) -> tuple[tuple[Measurement, ...], list[Obstacle]]:
    """Take each number once; parts that measured different ones can't be reconciled here."""
    seen: dict[str, Measurement] = {}
    odd: dict[str, None] = {}
    for measurement in (m for piece in pieces for m in piece.packed.evidence.measurements):
        if seen.setdefault(measurement.name, measurement) != measurement:
            odd[measurement.name] = None
    kept = tuple(seen[name] for name in sorted(seen) if name not in odd)
    detail = "{} was measured in several parts, with different results; measure it in one"
    return kept, [Obstacle(reason=Reason.INVALID, detail=detail.format(name)) for name in sorted(odd)]


def _signals(pieces: list[Piece]) -> tuple[Signal, ...]:
    """Take each fact once: every part collects all, so each hears of the same broken module."""
    seen = {(s.name, s.detail, s.tests): s for piece in pieces for s in piece.packed.evidence.signals}
    return tuple(seen[key] for key in sorted(seen))
