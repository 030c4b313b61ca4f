"""The audit: names what is not what it was, oldest first, and goes on."""

from __future__ import annotations

import json
import re
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from conftest import Repository
from pytest_rollback.events import PROTECTED, TESTS, ListedTest, TestList, entry_of
from pytest_rollback.model import Mark, Outcome
from pytest_rollback.repo.audit import Audit, audit
from pytest_rollback.repo.chains import take_in
from pytest_rollback.repo.ledger import KEPT, REF, Draft, Ledger, LedgerError
from tests.recording import at, foreign, judgment

LISTED = msgspec.json.encode(
    TestList(tests=(ListedTest(test="test_a.py::test_a", outcome=Outcome.PASSED, marks=(Mark("golden_path"),)),))
)


class Case:
    """A ledger of three events; the second has everything that an event may have."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        repository.commit("first", **{"schema/user.json": "{}", "schema/deep/odd name.json": "[]"})
        self.protected = repository.git("rev-parse", "HEAD:schema").strip()
        self.ledger = Ledger(repository.path)
        full = Draft(event=judgment(when=1), blobs={TESTS: LISTED}, trees={PROTECTED: self.protected})
        self.ids = self.ledger.append([Draft(event=judgment(when=0)), full, Draft(event=judgment(when=2))])

    def object(self, name: str) -> Path:
        """Give the file of an object."""
        found = self.repository.git("rev-parse", name).strip()
        return self.repository.path / ".git/objects" / found[:2] / found[2:]

    def forge(self, name: str, old: bytes, new: bytes) -> None:
        """Change the content of an object under its old name."""
        file = self.object(name)
        content = zlib.decompress(file.read_bytes())
        assert old in content
        file.chmod(0o644)
        file.write_bytes(zlib.compress(content.replace(old, new)))

    def spoil(self, name: str) -> None:
        """Make an object none."""
        self.object(name).chmod(0o644)
        self.object(name).write_bytes(b"noise")

    def found(self) -> tuple[int, list[tuple[str, str]]]:
        """Give the count of events, and the flaws by the event's place and what is said."""
        done = audit(self.ledger)
        places = {event: str(number) for number, event in enumerate(self.ids, 1)}
        return done.events, [(places.get(flaw.event, flaw.event), flaw.what) for flaw in done.flaws]


@pytest.fixture
def case(repository: Repository) -> Case:
    """Give a ledger of three events."""
    return Case(repository)


def test_a_ledger_that_is_whole_has_no_flaw(case: Case) -> None:
    """Packed or not, and after chains have met."""
    assert audit(case.ledger) == Audit(events=3, merges=0, newer=0, signed=False, flaws=())
    case.repository.git("gc", "--quiet", "--prune=now")
    assert audit(case.ledger).flaws == ()
    case.repository.git("update-ref", "-d", KEPT)
    case.repository.git("update-ref", REF, case.ids[1])
    other = case.ledger.append([Draft(event=judgment(when=3))])[0]
    case.repository.git("update-ref", REF, case.ids[2])
    take_in(case.ledger, other)
    assert audit(case.ledger) == Audit(events=4, merges=1, newer=0, signed=False, flaws=())


def test_no_ledger_is_no_flaw(repository: Repository) -> None:
    """Nothing was recorded yet."""
    assert audit(Ledger(repository.path)).events == 0


Harm = Callable[[Case], object]
HARMS: dict[str, tuple[Harm, str]] = {
    "its event is gone": (
        lambda case: case.object(f"{case.ids[1]}:event.json").unlink(),
        "event.json .* is missing or unreadable",
    ),
    "its tests are gone": (
        lambda case: case.object(f"{case.ids[1]}:{TESTS}").unlink(),
        "tests.json .* is missing or unreadable",
    ),
    "a protected file is gone": (
        lambda case: case.object("HEAD:schema/deep/odd name.json").unlink(),
        "protected/deep/odd name.json .* is missing or unreadable",
    ),
    "a protected folder is gone": (
        lambda case: case.object("HEAD:schema/deep").unlink(),
        "protected/deep .* is missing or unreadable",
    ),
    "its tree is gone": (
        lambda case: case.object(f"{case.ids[1]}^{{tree}}").unlink(),
        "its tree .* is missing or unreadable",
    ),
    "its event was altered": (
        lambda case: case.forge(f"{case.ids[1]}:event.json", b'"steady": true', b'"steady": fals'),
        "event.json .* is damaged|event.json .* is not what it was",
    ),
    "a protected file was altered": (
        lambda case: case.forge("HEAD:schema/user.json", b"{}", b"[]"),
        "protected/user.json .* is not what it was",
    ),
    "its message was altered": (
        lambda case: case.forge(case.ids[1], b'"passed"', b'"pessed"'),
        "it is not what it was, and nobody can look behind it",
    ),
    "it is no object any more": (
        lambda case: case.spoil(case.ids[1]),
        "it is missing or unreadable, and nobody can look behind it",
    ),
    "it is gone": (
        lambda case: case.object(case.ids[1]).unlink(),
        "it is missing or unreadable, and nobody can look behind it",
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_not_what_it_was_is_named(case: Case, harm: str) -> None:
    """The event that suffered, and no other."""
    do, said = HARMS[harm]
    do(case)
    events, ((place, what),) = case.found()
    assert place == "2"
    assert re.fullmatch(said, what), what
    assert events == (2 if "behind it" in what else 3)


def test_the_first_bad_event_comes_first_and_the_walk_goes_on(case: Case) -> None:
    """The oldest is where it began; a damaged object must not end the audit."""
    for number in (0, 2):
        case.spoil(f"{case.ids[number]}:event.json")
    events, flaws = case.found()
    assert events == 3
    assert [place for place, _ in flaws] == ["1", "3"]


def line(**other: object) -> str:
    """Write the entry of a verdict, with something changed."""
    return json.dumps({**json.loads(msgspec.json.encode(entry_of(judgment()))), **other})


EVENT = msgspec.json.encode(judgment()).decode()


@pytest.mark.parametrize(
    ("entry", "event", "said"),
    [
        (line(verdict="blocked", says="x"), EVENT, "its entry does not say what it says: verdict, says"),
        (line(), "{]", "event.json can't be read: "),
        (line(), "{}", "event.json can't be read: "),
        (line(), None, "there is no event.json in it"),
        (line(at="some day"), EVENT, "when it was is no moment: 'some day'"),
    ],
)
def test_what_somebody_else_has_put_there_is_named(case: Case, entry: str, event: str | None, said: str) -> None:
    """Git's hashes are right; what they guard is not what we would write."""
    kept = foreign(case.repository.path, entry, event=event)
    case.ledger.append([Draft(event=judgment(when=4))])
    events, ((place, what),) = case.found()
    assert (events, place) == (5, kept)
    assert what.startswith(said)


@pytest.mark.parametrize("entry", ["no entry", "{]"])
def test_what_is_no_event_is_named_and_nothing_is_put_upon_it(case: Case, entry: str) -> None:
    """A branch's commit under the ledger's ref would be pushed with all of its history."""
    kept = foreign(case.repository.path, entry)
    assert case.found() == (4, [(kept, "it bears no entry, and is no merge of two chains")])
    with pytest.raises(LedgerError, match=f"is damaged: the commit {kept[:12]} that it names is no event; remove it"):
        case.ledger.append([Draft(event=judgment(when=4))])


def test_what_was_recorded_here_and_is_gone_is_counted(case: Case) -> None:
    """A fetch of refs/rollback/* has put another chain in place of ours, which is whole."""
    case.repository.git("update-ref", REF, case.ids[0])
    assert audit(case.ledger).vanished == 2
    case.ledger.append([Draft(event=judgment(when=9))])
    done = audit(case.ledger)
    assert (done.events, done.flaws, done.vanished) == (4, (), 0)


def test_a_list_of_tests_that_cannot_be_read_is_named(case: Case) -> None:
    """Erosion is held against it; one of a newer schema is left alone."""
    blobs = [b'{"tests": 3}', b"{]", b'{"schema": 2, "tests": 3}']
    bad = case.ledger.append([Draft(event=judgment(when=4), blobs={TESTS: blob}) for blob in blobs])
    _, flaws = case.found()
    assert [place for place, _ in flaws] == bad[:2]
    assert all(what.startswith("tests.json can't be read: ") for _, what in flaws)


def test_a_merge_that_is_none_of_ours_is_named(case: Case) -> None:
    """It would bring in what was never recorded; an event has one parent."""
    kept = foreign(case.repository.path, "merge", parents=2)
    both = foreign(case.repository.path, line(), event=EVENT, parents=1)
    tree = case.repository.git("rev-parse", f"{both}^{{tree}}").strip()
    done = case.repository.git("commit-tree", "-p", both, "-p", case.ids[0], "-m", f"x\n\n{line()}", tree).strip()
    case.repository.git("update-ref", REF, done)
    _, flaws = case.found()
    assert flaws == [
        (kept, "it bears no entry, and is no merge of two chains"),
        (done, "it is an event and a merge at once"),
    ]


def test_what_a_newer_version_wrote_is_counted_apart(case: Case) -> None:
    """Of schema or kind unknown here, or with a newer event behind an entry that we know."""
    for entry in ({"schema": 2, "kind": "verdict", "at": at(3)}, {"kind": "quarantine", "at": at(3)}):
        foreign(case.repository.path, json.dumps(entry), event=None)
    foreign(case.repository.path, line(), event=json.dumps({**json.loads(EVENT), "schema": 2}))
    assert audit(case.ledger) == Audit(events=6, merges=0, newer=3, signed=False, flaws=())


def test_what_several_events_keep_is_missing_from_each(case: Case) -> None:
    """The same protected files lie beside many of them; a submodule's commits lie elsewhere."""
    feed = f"160000 commit {case.ids[0][::-1]}\tsub\n040000 tree {case.protected}\tschema\n"
    done = subprocess.run(
        ["git", "mktree", "--missing"], cwd=case.repository.path, input=feed, capture_output=True, text=True, check=True
    )
    tree = done.stdout.strip()
    drafts = [Draft(event=judgment(when=each), trees={PROTECTED: tree}) for each in (3, 4)]
    kept = case.ledger.append(drafts)
    assert audit(case.ledger).flaws == ()
    case.object("HEAD:schema/user.json").unlink()
    _, flaws = case.found()
    assert [place for place, _ in flaws] == ["2", *kept]
    assert flaws[1][1].startswith("protected/schema/user.json (")


def test_a_chain_that_a_shallow_clone_cut_off_is_named(case: Case) -> None:
    """Somebody fetched everything one commit deep; what is behind it is not here."""
    (case.repository.path / ".git/shallow").write_text(f"{case.ids[1]}\n")
    events, flaws = case.found()
    assert events == 2
    assert flaws == [("2", "the chain is cut off behind it by a shallow clone; run: git fetch --unshallow")]


def test_a_repository_of_sha256_is_audited_too(git_identity: Path, tmp_path: Path) -> None:
    """Its hashes are other ones."""
    assert git_identity.exists()
    subprocess.run(["git", "init", "--quiet", "--object-format=sha256", tmp_path], check=True)
    ledger = Ledger(tmp_path)
    ledger.append([Draft(event=judgment(), blobs={TESTS: LISTED}), Draft(event=judgment(when=1))])
    assert audit(ledger) == Audit(events=2, merges=0, newer=0, signed=False, flaws=())


def test_git_that_is_gone_is_an_error_and_no_flaw(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was looked at."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LedgerError, match="git is not installed"):
        audit(case.ledger)
