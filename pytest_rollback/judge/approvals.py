"""Says which losses somebody let pass, who and why: by an event on record, or by a line in a commit's message.

Gate-Approved: gone:tests/test_chat.py::test_five_events the protocol has four events now
Gate-Approved: "gone:tests/test_chat.py::test_sent[a b]" the case was the same as the one before
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, time, timezone

from msgspec import Struct, structs

from pytest_rollback.events import Approval
from pytest_rollback.judge.text import readable
from pytest_rollback.model import Loss
from pytest_rollback.policy.patterns import any_matches, matches, matches_mail

APPROVED = "gate-approved"
CO_AUTHOR = "co-authored-by"
SOMEBODY = "somebody"
SHORT = 7  # of an event's or a commit's name
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)")
_QUOTED = re.compile(r"""(["'])(.+?)\1(?:\s+(.*))?""", re.DOTALL)
_PERSON = re.compile(r"(.*?)\s*<([^<>]*)>\s*")


class Trailer(Struct, frozen=True, kw_only=True):
    """One line of a commit's message that lets something pass. `author` is `Name <mail>`."""

    commit: str
    author: str
    finding: str
    reason: str
    co_authors: tuple[str, ...] = ()


class Word(Struct, frozen=True, kw_only=True):
    """One word that lets a loss pass, wherever it was given."""

    name: str
    now: str | None  # a trailer holds for the change that it came with, whatever that makes of it
    by: str | None
    reason: str
    where: str
    until: str | None = None
    helpers: tuple[str, ...] = ()


def approve(
    losses: Sequence[Loss],
    approvals: Iterable[tuple[str, Approval]],
    trailers: Iterable[Trailer],
    *,
    now: str,
    approvers: Sequence[str] = (),
    authors: Collection[str] = (),
    machines: Sequence[str] = (),
) -> list[Loss]:
    """Fill in who let a loss pass. `authors` are the mails of those whose change it is, `now` is UTC in ISO 8601.

    A machine never approves. Where the policy names approvers, only they do, and never what they changed themselves.
    """
    own = {mail.casefold() for mail in authors}
    words = [
        word
        for word in (*_of_events(approvals), *_of_trailers(trailers))
        if word.reason.strip() and _may_speak(word, approvers, own, machines) and not _is_over(word, now)
    ]
    return [structs.replace(loss, approved=loss.approved or _who(loss, words)) for loss in losses]


def trailers_of(message: str, *, commit: str, author: str) -> list[Trailer]:
    """Read what a commit's message lets pass. A squash keeps such lines anywhere, so any line may be one."""
    said = list(_lines(message))
    together = tuple(value for key, value in said if key == CO_AUTHOR)
    found = []
    for key, value in said:
        if key == APPROVED and value:
            quoted = _QUOTED.fullmatch(value)
            finding, reason = (quoted[2], quoted[3] or "") if quoted else _first_word(value)
            found.append(Trailer(commit=commit, author=author, finding=finding, reason=reason, co_authors=together))
    return found


def co_authors_of(message: str) -> tuple[str, ...]:
    """Name those who wrote a commit together with its author, as `Name <mail>`."""
    return tuple(value for key, value in _lines(message) if key == CO_AUTHOR and value)


def is_machine(person: str, machines: Sequence[str]) -> bool:
    """Whether `Name <mail>` is no person, by any of the patterns."""
    name, mail = name_and_mail(person)
    return any_matches(machines, (name, mail, person))


def name_and_mail(person: str) -> tuple[str, str]:
    """Take `Name <mail>` apart; without a mail the name may be one."""
    found = _PERSON.fullmatch(person)
    return (found[1], found[2].strip()) if found else (person.strip(), person.strip() if "@" in person else "")


def _of_events(approvals: Iterable[tuple[str, Approval]]) -> Iterator[Word]:
    for event, approval in approvals:
        for loss in approval.losses:
            yield Word(
                name=loss.name,
                now=loss.now,
                by=approval.by,
                reason=approval.reason,
                where=f"event {event[:SHORT]}",
                until=approval.until,
            )


def _of_trailers(trailers: Iterable[Trailer]) -> Iterator[Word]:
    for trailer in trailers:
        yield Word(
            name=trailer.finding,
            now=None,
            by=trailer.author,
            reason=trailer.reason,
            where=f"commit {trailer.commit[:SHORT]}",
            helpers=trailer.co_authors,
        )


def _may_speak(word: Word, approvers: Sequence[str], own: Collection[str], machines: Sequence[str]) -> bool:
    if any(is_machine(person, machines) for person in (word.by or "", *word.helpers)):
        return False
    if not approvers:
        return True
    _, mail = name_and_mail(word.by or "")
    return bool(mail) and mail.casefold() not in own and any(matches_mail(pattern, mail) for pattern in approvers)


def _is_over(word: Word, now: str) -> bool:
    if word.until is None:
        return False
    end, moment = _moment(word.until), _moment(now)
    return end is None or moment is None or moment > end


def _moment(text: str) -> datetime | None:
    """Read a moment; a day without a time lasts to its end. What can't be read is no moment."""
    try:
        read = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text.strip()))
    except ValueError:
        return None
    if "T" not in text and ":" not in text:
        read = datetime.combine(read.date(), time.max)
    return read if read.tzinfo else read.replace(tzinfo=timezone.utc)


def _who(loss: Loss, words: Iterable[Word]) -> str | None:
    for word in words:
        if _covers(word, loss):
            return readable(f"{word.by or SOMEBODY}: {word.reason} ({word.where})")
    return None


def _covers(word: Word, loss: Loss) -> bool:
    """An event holds for exactly what it names, as reports spell that out; what a trailer names is a pattern.

    Its kind is spelt out even there: no line in a message lets pass whatever there may be.
    """
    if word.now is None:
        kind, colon, what = word.name.partition(":")
        return bool(colon) and kind == loss.kind.value and matches(what, loss.name.partition(":")[2])
    return (readable(word.name), readable(word.now)) == (readable(loss.name), readable(loss.now))


def _lines(message: str) -> Iterator[tuple[str, str]]:
    """Give the lines of a message that are `Key: value`, each with those that go on from it, being indented."""
    key, value = "", ""
    for line in [*message.splitlines(), ""]:
        if key and line[:1] in (" ", "\t") and line.strip():
            value = f"{value} {line.strip()}"
            continue
        if key:
            yield key.lower(), value.strip()
        found = _LINE.fullmatch(line.rstrip())
        key, value = (found[1], found[2]) if found else ("", "")


def _first_word(value: str) -> tuple[str, str]:
    finding, _, reason = value.partition(" ")
    return finding, reason.strip()
