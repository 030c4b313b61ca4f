"""Who may let a loss pass, which one, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_rollback.events import Approval, Approved
from pytest_rollback.judge.approvals import Trailer, approve, co_authors_of, is_machine, name_and_mail, trailers_of
from pytest_rollback.model import Loss, LossKind
from pytest_rollback.policy.load import load_policy

NOW = "2026-11-21T12:00:00.000000Z"
ADA, BOB = "Ada <ada@example.org>", "Bob <bob@example.org>"
EVENT = "1a2b3c4d5e6f"
GONE = Loss(name="gone:t.py::test_x[a*b]", kind=LossKind.GONE, what="t.py::test_x[a*b]", was="golden_path", now="gone")
LIMIT = Loss(name="limit:t.py::test_y", kind=LossKind.LIMIT, what="t.py::test_y", was="5 s", now="10 s")
MACHINES = load_policy(None).machines


def event(loss: Loss = GONE, by: str | None = ADA, **more: Any) -> list[tuple[str, Approval]]:
    """Approve of a loss by an event."""
    given = {"name": loss.name, "was": loss.was, "now": loss.now} | {
        key: more.pop(key) for key in ("name", "now") if key in more
    }
    return [(EVENT, Approval(at=NOW, by=by, losses=(Approved(**given),), **{"reason": "it was a copy", **more}))]


def trailer(finding: str = GONE.name, author: str = ADA, reason: str = "it was a copy", **more: Any) -> list[Trailer]:
    """Approve of a loss by a line in a commit."""
    return [Trailer(commit="9f8e7d6c5b4a", author=author, finding=finding, reason=reason, **more)]


def approved(
    approvals: list[tuple[str, Approval]] | None = None,
    trailers: list[Trailer] | None = None,
    loss: Loss = GONE,
    now: str = NOW,
    **more: Any,
) -> str | None:
    """Say who let a loss pass."""
    (found,) = approve([loss], approvals or [], trailers or [], now=now, **more)
    return found.approved


def test_an_event_lets_its_loss_pass_and_says_who_did() -> None:
    """Who reads the verdict sees whom to ask."""
    assert approved(event()) == "Ada <ada@example.org>: it was a copy (event 1a2b3c4)"
    assert approved(event(by=None)) == "somebody: it was a copy (event 1a2b3c4)"
    assert approved() is None


def test_a_trailer_lets_its_loss_pass_and_says_who_did() -> None:
    """It came with the change, so it holds for what the change makes of it."""
    assert approved(None, trailer()) == "Ada <ada@example.org>: it was a copy (commit 9f8e7d6)"


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ({}, True),
        ({"now": "20 s"}, False),
        ({"name": "limit:t.py::test_z"}, False),
        ({"name": "limit:t.py::*"}, False),
        ({"name": "*", "now": "*"}, False),
        ({"name": "limit:*", "now": "20 s"}, False),
        ({"name": "gone:*", "now": "*"}, False),
        ({"name": "LIMIT:t.py::test_y"}, False),
    ],
)
def test_an_approval_holds_for_one_name_and_one_value(given: dict[str, str], holds: bool) -> None:  # noqa: FBT001
    """Whoever let pass 10 s has not let pass whatever comes next."""
    assert (approved(event(LIMIT, **given), loss=LIMIT) is not None) is holds


@pytest.mark.parametrize(
    ("until", "holds"),
    [
        (None, True),
        ("2026-11-21T12:00:01Z", True),
        ("2026-11-21T11:59:59.999999Z", False),
        ("2026-11-21T14:00:01+02:00", True),
        ("2026-11-21T13:59:59+02:00", False),
        ("2026-11-21", True),
        ("2026-11-20", False),
        ("2026-11-21T12:00:01", True),
        ("next year", False),
        ("", False),
    ],
)
def test_an_approval_ends(until: str | None, holds: bool) -> None:  # noqa: FBT001
    """A day lasts to its end; an end that nobody can read has come."""
    assert (approved(event(until=until)) is not None) is holds


def test_an_end_counts_for_nothing_where_the_present_is_unknown() -> None:
    """What can't be compared does not hold."""
    assert approved(event(until="2026-11-22"), now="?") is None
    assert approved(event(), now="?") is not None


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_approval_needs_a_reason(reason: str) -> None:
    """It is what the next person wants to know."""
    assert approved(event(reason=reason)) is None
    assert approved(None, trailer(reason=reason)) is None


@pytest.mark.parametrize(
    ("approvers", "by", "holds"),
    [
        ((), BOB, True),
        (("ada@example.org",), ADA, True),
        (("ada@example.org",), "Ada <ADA@Example.org>", True),
        (("*@example.org",), BOB, True),
        (("ada@example.org",), BOB, False),
        (("ada@example.org",), "ada@example.org <eve@example.com>", False),
        (("ada@example.org",), "ada@example.org", True),
        (("*",), "Ada", False),
        (("*",), None, False),
    ],
)
def test_where_approvers_are_named_only_they_approve(approvers: tuple[str, ...], by: str | None, holds: bool) -> None:  # noqa: FBT001
    """By their mail; a name can be anybody's."""
    assert (approved(event(by=by), approvers=approvers) is not None) is holds
    if by is not None:
        assert (approved(None, trailer(author=by), approvers=approvers) is not None) is holds


def test_where_approvers_are_named_nobody_approves_their_own() -> None:
    """An approver who is the author needs another one; elsewhere authors may, and it is on record."""
    given: dict[str, Any] = {"approvers": ("*@example.org",), "authors": {"Ada@example.org"}}
    assert approved(event(), **given) is None
    assert approved(None, trailer(), **given) is None
    assert approved(event(by=BOB), **given) is not None
    assert approved(event(), authors={"ada@example.org"}) is not None


@pytest.mark.parametrize(
    "machine",
    [
        "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
        "renovate[bot] <29139614+renovate[bot]@users.noreply.github.com>",
        "GitHub Actions <41898282+github-actions[bot]@users.noreply.github.com>",
        "pre-commit-ci[bot] <66853113+pre-commit-ci[bot]@users.noreply.github.com>",
        "my-bot <x@example.org>",
        "Ada (aider) <ada@example.org>",
        "aider (some-model) <noreply@aider.chat>",
        "Claude <noreply@anthropic.com>",
        "Copilot <175728472+Copilot@users.noreply.github.com>",
        "Cursor <cursoragent@cursor.com>",
        "project_1_bot_2 <project_1_bot_2@noreply.gitlab.example.org>",
    ],
)
def test_a_machine_never_approves(machine: str) -> None:
    """Not as the author of a commit, not in its company, not by an event."""
    assert is_machine(machine, MACHINES)
    assert approved(event(by=machine), machines=MACHINES) is None
    assert approved(None, trailer(author=machine), machines=MACHINES) is None
    assert approved(None, trailer(co_authors=(BOB, machine)), machines=MACHINES) is None
    assert approved(event(by=machine)) is not None


@pytest.mark.parametrize(
    "person",
    [
        "Ada <ada@example.org>",
        "Claude Monet <claude@example.org>",
        "Devin Booker <devin@example.org>",
        "Abbott <abbott@example.org>",
        "Bo T <bot.any@example.org>",
        "Talbot <talbot@example.org>",
        "Jules <jules@example.org>",
        "Cody <cody@example.org>",
    ],
)
def test_people_are_no_machines(person: str) -> None:
    """Brackets are no choice of letters, and first names are no brands."""
    assert not is_machine(person, MACHINES)


def test_what_was_approved_already_stays_so() -> None:
    """Whoever comes later adds nothing."""
    loss = approve([GONE], event(), [], now=NOW)[0]
    assert approve([loss], event(by=BOB), [], now=NOW) == [loss]


def test_hostile_words_are_spelled_out() -> None:
    """They are shown on terminals."""
    assert approved(event(by="\x1b[2JAda <a@b>", reason="a\nb")) == r"\x1b[2JAda <a@b>: a\nb (event 1a2b3c4)"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("subject\n\nGate-Approved: gone:t.py::test_x it was a copy\n", [("gone:t.py::test_x", "it was a copy")]),
        ('s\n\nGate-Approved: "gone:t.py::test_x[a b]" why not\n', [("gone:t.py::test_x[a b]", "why not")]),
        ("s\n\nGate-Approved: 'gone:t.py::test_x[\"]' why\n", [('gone:t.py::test_x["]', "why")]),
        ("s\n\ngate-approved:limit:* slow\n  machine\n\tindeed\n", [("limit:*", "slow machine indeed")]),
        ("s\n\nGate-Approved: gone:x\n", [("gone:x", "")]),
        ("s\n\nGate-Approved:\n", []),
        ("* one\n\nGate-Approved: a b\n\n* two\n\nGate-Approved: c d\r\n", [("a", "b"), ("c", "d")]),
        ("s\n\n    Gate-Approved: indented no trailer\n", []),
        ("talks of Gate-Approved: in the middle\n", []),
        ('s\n\nGate-Approved: "not closed why\n', [('"not', "closed why")]),
        ("", []),
    ],
)
def test_trailers_are_read_off_a_message(message: str, found: list[tuple[str, str]]) -> None:
    """As people write them, squashes and long lines included."""
    read = trailers_of(message, commit="c", author=ADA)
    assert [(each.finding, each.reason) for each in read] == found
    assert {each.author for each in read} <= {ADA}


def test_co_authors_come_with_each_trailer() -> None:
    """Who wrote a message with a machine did not write it alone."""
    message = f"s\n\nCo-authored-by: {BOB}\nGate-Approved: a b\nCO-AUTHORED-BY: x <y@z>\n"
    assert co_authors_of(message) == (BOB, "x <y@z>")
    assert trailers_of(message, commit="c", author=ADA)[0].co_authors == (BOB, "x <y@z>")


@pytest.mark.parametrize(
    ("person", "parts"),
    [
        (ADA, ("Ada", "ada@example.org")),
        ("Ada <a@b> <c@d>", ("Ada <a@b>", "c@d")),
        ("a@b", ("a@b", "a@b")),
        ("Ada", ("Ada", "")),
        ("<>", ("", "")),
    ],
)
def test_a_person_is_taken_apart(person: str, parts: tuple[str, str]) -> None:
    """As git writes them; only the mail at the end is one."""
    assert name_and_mail(person) == parts
