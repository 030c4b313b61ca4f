"""Folds the parts of a gate that was judged in shards into one. The order in which they come does not matter.

Each part carries what it takes to hold it to its share: one that was copied, mixed up or emptied contradicts itself.
Nothing here is signed, so whoever can rewrite all of a part can still forge it.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from pytest_rollback.judge.decide import decide
from pytest_rollback.judge.parts import Shard, name_of_whole
from pytest_rollback.judge.report import Facts
from pytest_rollback.judge.text import all_readable
from pytest_rollback.model import (
    Base,
    Environment,
    Evidence,
    Loss,
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
SHORT_DIGEST = 12
UNCOMMITTED = (
    "the parts judged work that is neither committed nor all tracked, so nothing shows that it was the same in all of "
    "them; commit first, and judge all parts of that commit"
)
OUTSIDE_GIT = "the parts ran outside git, so nothing shows that they judged the same tree"


class Packed(Struct, frozen=True):
    """What a part carries for the judgement of the whole."""

    shard: Shard
    dealt: tuple[str, ...]
    policy: Policy
    evidence: Evidence
    subject: Subject
    environment: Environment
    started: datetime
    whole_suite: bool
    failed_outside: bool
    base: Base | None = None
    losses: tuple[Loss, ...] = ()


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
    """A report is no part of a gate, or none that can be believed; says why."""


def pack(facts: Facts, policy: Policy, shard: Shard, dealt: Sequence[str]) -> str:
    """Write down what the judgement of the whole needs; plain JSON would lose NaN and infinity.

    `dealt` names the tests of all parts as they are reported, in the order in which they were dealt out.
    """
    packed = Packed(
        shard=shard,
        dealt=tuple(dealt),
        policy=policy,
        evidence=all_readable(facts.evidence),
        subject=all_readable(facts.subject),
        environment=facts.environment,
        started=facts.started,
        whole_suite=facts.whole_suite,
        failed_outside=facts.failed_outside,
    )
    return base64.b85encode(msgspec.msgpack.encode(packed)).decode("ascii")


def unpack(name: str, report: Report) -> Piece:
    """Read a part out of its report, and believe it only where all that it says agrees."""
    if report.part is None:
        msg = "is the report of a whole gate, not of a part; run it with --gate-shard K/N"
        raise PartError(msg)
    try:
        packed = msgspec.msgpack.decode(base64.b85decode(report.part.packed), type=Packed)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        msg = "is damaged, or was written by another version"
        raise PartError(msg) from error
    contradiction = next(_contradictions(report, report.part, packed), None)
    if contradiction is not None:
        msg = f"was changed, mixed up or cut short: {contradiction}"
        raise PartError(msg)
    return Piece(name, report.part, packed)


def _contradictions(report: Report, part: Part, packed: Packed) -> Iterator[str]:
    """Say where the face of a report and what it carries do not agree. Without a sound shard there is no share."""
    shard = packed.shard
    if not shard.is_sound() or (part.number, part.of) != (shard.number, shard.of):
        yield f"it says that it is part {part.number}/{part.of}, and carries the evidence of part {shard}"
        return
    if part.whole != name_of_whole(packed.dealt):
        yield "the tests that it names are not those of its whole"
    missing, beyond = _beside_the_share(packed)
    if missing or beyond:
        yield f"it lacks {missing} of its tests, and holds {beyond} that are not its own"
    verdict = decide(packed.evidence, packed.policy, packed.subject, whole=False).verdict
    if report.verdict is not verdict:
        yield f"it says {report.verdict.value}, and its own evidence says {verdict.value}"
    said = (report.mode, report.policy.digest, report.subject, report.environment)
    carried = (packed.policy.mode, packed.policy.digest, packed.subject, packed.environment)
    ran = (report.whole_suite, report.failed_outside) == (packed.whole_suite, packed.failed_outside)
    if said != carried or not ran:
        yield "it carries another policy, subject, environment or course of the session than it shows"


def _beside_the_share(packed: Packed) -> tuple[int, int]:
    """Count the tests that a part should have and has not, and those that it should not have.

    A module that skipped itself is no collected test, and every part sees it.
    """
    known = set(packed.dealt)
    results = packed.evidence.tests
    found = Counter(r.test for r in results if r.test in known or r.outcome is not Outcome.SKIPPED)
    share = Counter(packed.shard.share(packed.dealt))
    return (share - found).total(), (found - share).total()


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
        expected=tuple(sorted({name for piece in own for name in piece.packed.evidence.expected})),
    )
    facts = Facts(
        evidence=evidence,
        subject=first.subject,
        environment=first.environment,
        started=min(piece.packed.started for piece in own),
        whole_suite=first.whole_suite,
        failed_outside=any(piece.packed.failed_outside for piece in own),
        notes=tuple(_notes(own)),
        base=first.base,
        losses=tuple({loss.name: loss for piece in own for loss in piece.packed.losses}.values()),
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
    subject = own[0].packed.subject
    if of > 1 and subject.uncommitted and not subject.keyed:
        yield Obstacle(reason=Reason.PARTS, detail=UNCOMMITTED)
    for name in foreign:
        detail = f"{name} is a part of another gate: its tests, policy or commit differ"
        yield Obstacle(reason=Reason.PARTS, detail=detail)
    for text in sorted(unreadable):
        yield Obstacle(reason=Reason.PARTS, detail=text)


def _notes(own: list[Piece]) -> Iterator[str]:
    """Say what a reader of one verdict would not expect of several sessions."""
    subject = own[0].packed.subject
    if own[0].part.of > 1 and subject.commit is None and not subject.uncommitted:
        yield OUTSIDE_GIT
    parts: dict[Environment, dict[str, None]] = {}
    for piece in own:
        parts.setdefault(piece.packed.environment, {})[str(piece.packed.shard)] = None
    if len(parts) > 1:
        alike = len({(where.python, where.platform) for where in parts}) < len(parts)
        texts = (f"{_environment(where, alike=alike)} ({', '.join(names)})" for where, names in parts.items())
        yield f"the parts ran in different environments: {'; '.join(texts)}"


def _environment(where: Environment, *, alike: bool) -> str:
    """Name an environment; by its digest too, where only the installed packages differ."""
    packages = f", environment {where.digest[:SHORT_DIGEST]}" if alike else ""
    return f"Python {where.python} on {where.platform}{packages}"


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
