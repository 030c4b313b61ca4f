"""What is on record, as frozen types: one event for each thing that happened, never changed afterwards.

An event is what any machine may know. Tracebacks, diffs and outputs stay where they arose, and no absolute path, value
of an environment variable or host name is part of one. `repo.ledger` keeps events, everything else is derived.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta, Struct

from pytest_rollback.model import (
    Base,
    Environment,
    Finding,
    Judged,
    Loss,
    Mark,
    Obstacle,
    Outcome,
    PolicyUsed,
    Reason,
    Subject,
    Tests,
    Verdict,
)

SCHEMA = 1
UNCHECKED_SAID = "unchecked: "  # how a base begins that could not be had
TESTS = "tests.json"  # the name under which a verdict's list of gate tests is kept beside it
PROTECTED = "protected"  # and the tree of the protected files


class Event(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every event says. `at` is UTC in ISO 8601 with microseconds, `by` is `Name <mail>` where git knows one."""

    schema: int = SCHEMA
    at: str
    by: str | None = None


class Digests(Struct, frozen=True, kw_only=True):
    """What a verdict hangs on, beside the tree; it may be used again only where all of them are equal."""

    policy: Annotated[str, Meta(description="the project's own policy, before plugins added rows")]
    selection: str
    environment: str


class Judgment(Event, frozen=True, kw_only=True, tag="verdict"):
    """A gate reached a verdict."""

    verdict: Verdict
    reason: Reason
    steady: bool
    mode: str
    subject: Subject
    digests: Digests
    policy: PolicyUsed
    environment: Environment
    base: Base | None = None
    root: Annotated[str, Meta(description="the project's folder, seen from the top of the work tree")] = "."
    started: str
    duration_s: float
    whole_suite: bool = False
    part: Annotated[str | None, Meta(description="2/4; null where the whole gate was judged")] = None
    complete: Annotated[bool, Meta(description="all gate tests of the tree were found and are listed")] = False
    tests: Tests
    findings: tuple[Finding, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    losses: tuple[Loss, ...] = ()
    measurements: tuple[Judged, ...] = ()


class Interrupted(Event, frozen=True, kw_only=True, tag="interrupted"):
    """A session began and never reached a verdict."""

    session: str
    started: str | None
    subject: Subject | None
    policy: str | None = None
    expected: int | None = None
    decided: int = 0
    in_flight: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class Approved(Struct, frozen=True, kw_only=True):
    """One loss that was let pass: from what, to what. The same name with another `now` is not covered."""

    name: str
    was: str
    now: str


class Approval(Event, frozen=True, kw_only=True, tag="approval"):
    """A person let losses pass."""

    losses: tuple[Approved, ...]
    reason: str
    until: Annotated[str | None, Meta(description="UTC, ISO 8601; null where it holds for good")] = None
    commit: str | None = None


class Invalidation(Event, frozen=True, kw_only=True, tag="invalidation"):
    """A person withdrew a verdict, and with it the passes of the same tree and project that were on record then."""

    target: str
    tree: str | None
    reason: str
    covers: Annotated[tuple[str, ...], Meta(description="the events that are withdrawn along with the target")] = ()


class Checkpoint(Event, frozen=True, kw_only=True, tag="checkpoint"):
    """A known state was given a name."""

    name: str
    phase: str | None = None
    commit: str
    tree: str
    tag: str
    verdict: str


class Restored(Struct, frozen=True, kw_only=True):
    """One file that was brought back; `was` is null where it was missing."""

    path: str
    blob: str
    was: str | None = None


class Restoration(Event, frozen=True, kw_only=True, tag="restoration"):
    """Files were brought back from a known good state."""

    files: tuple[Restored, ...]
    source: Annotated[str, Meta(description="the commit that they came from")]
    verdict: Annotated[str, Meta(description="the event that says that it was good")]
    backup: str | None = None


class BaselineChanged(Struct, frozen=True, kw_only=True):
    """One baseline that was changed; `was` and `now` are null where there was none, or is none any more."""

    name: str
    environment: str | None = None
    act: Annotated[str, Meta(description="accepted, pinned, unpinned or withdrawn")]
    was: float | None = None
    now: float | None = None
    unit: str = ""


class BaselineChange(Event, frozen=True, kw_only=True, tag="baselines"):
    """Baselines were changed in a work tree; they hold for others once that is committed."""

    changes: tuple[BaselineChanged, ...]
    reason: str = ""
    root: Annotated[str, Meta(description="the project's folder, seen from the top of the work tree")] = "."
    verdict: Annotated[str | None, Meta(description="the verdict of the session that measured")] = None
    checkpoint: Annotated[str | None, Meta(description="the checkpoint whose values were pinned")] = None


Known = Judgment | Interrupted | Approval | Invalidation | Checkpoint | Restoration | BaselineChange


class ListedTest(Struct, frozen=True, array_like=True):
    """A gate test as a verdict lists it. `limit_s` is its own time limit, where it has one."""

    test: str
    outcome: Outcome | None
    marks: tuple[Mark, ...]
    limit_s: float | None = None
    steps_aside: bool = False  # it bears a skip or xfail marker


class TestList(Struct, frozen=True, kw_only=True):
    """The gate tests of one tree, sorted by name. `outcome` is null where they were collected and not run."""

    __test__ = False

    schema: int = SCHEMA
    root: str = "."
    settings: Annotated[dict[str, str], Meta(description="what of pytest's configuration the gate leans on")] = {}
    tests: tuple[ListedTest, ...] = ()


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the ledger can be searched by. It is written beside each event, so that a search reads no event."""

    schema: int = SCHEMA
    kind: str
    at: str
    by: str | None = None
    verdict: str | None = None
    reason: str | None = None
    steady: bool = False
    keyed: bool = False
    whole: bool = False  # it judged the whole gate, not a part
    complete: bool = False
    tree: str | None = None
    commit: str | None = None
    branch: str | None = None
    live: bool = False
    uncommitted: bool = False
    unchecked: bool = False  # nobody knows whether it demanded less than its base
    root: str | None = None
    policy: str | None = None
    selection: str | None = None
    environment: str | None = None
    target: str | None = None  # of an invalidation: the event
    covers: tuple[str, ...] = ()  # and those that go with it
    says: str = ""  # one line for people


def entry_of(event: Known) -> Entry:
    """Say what an event can be found by."""
    tag = type(event).__struct_config__.tag
    return Entry(kind=str(tag), at=event.at, by=event.by, **_findable_by(event))


def _findable_by(event: Known) -> dict[str, Any]:
    found: dict[str, Any]
    match event:
        case Judgment():
            found = _of_verdict(event)
        case Interrupted():
            told = f"{event.decided} of {event.expected if event.expected is not None else '?'} gate tests decided"
            of = event.subject or Subject()
            found = {"tree": of.tree, "commit": of.commit, "branch": of.branch, "live": of.live, "says": told}
        case Approval():
            found = {"commit": event.commit, "says": _some(loss.name for loss in event.losses)}
        case Invalidation():
            found = {"target": event.target, "covers": event.covers, "tree": event.tree, "says": event.reason}
        case Checkpoint():
            found = {"target": event.verdict, "tree": event.tree, "commit": event.commit, "says": event.name}
        case Restoration():
            says = _some(file.path for file in event.files)
            found = {"target": event.verdict, "commit": event.source, "says": says}
        case BaselineChange():
            says = _some(f"{change.act} {change.name}" for change in event.changes)
            found = {"target": event.verdict, "root": event.root, "says": says}
    return found


def _of_verdict(event: Judgment) -> dict[str, Any]:
    subject, digests = event.subject, event.digests
    return {
        "verdict": event.verdict.value,
        "reason": event.reason.value,
        "steady": event.steady,
        "keyed": subject.keyed,
        "whole": event.part is None,
        "complete": event.complete,
        "tree": subject.tree,
        "commit": subject.commit,
        "branch": subject.branch,
        "live": subject.live,
        "root": event.root,
        "policy": digests.policy,
        "selection": digests.selection,
        "environment": digests.environment,
        "uncommitted": subject.uncommitted,
        "unchecked": event.base is not None and event.base.how.startswith(UNCHECKED_SAID),
        "says": _told(event),
    }


def _told(event: Judgment) -> str:
    tests = event.tests
    why = f"; {event.findings[0].trigger}" if event.verdict is Verdict.BLOCKED and event.findings else ""
    approved = sum(loss.approved is not None for loss in event.losses)
    more = f"; {approved} loss{'es' * (approved != 1)} approved" if approved else ""
    return f"{tests.passed} of {tests.selected} gate tests passed{why}{more}"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 1} more" if len(listed) > 1 else ""
    return f"{listed[0] if listed else 'nothing'}{more}"
