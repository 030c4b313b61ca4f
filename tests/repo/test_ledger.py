"""The ledger: what is appended comes back, from wherever it is asked, and nothing of the user's changes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.events import PROTECTED, TESTS, Interrupted, entry_of
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.chains import vanished
from pytest_rollback.repo.ledger import KEPT, REF, Draft, Ledger, LedgerError
from tests.recording import at, foreign, judgment

EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.fixture
def ledger(repository: Repository) -> Ledger:
    """Give the ledger of a repository with one commit."""
    repository.commit("first", a_py="")
    return Ledger(repository.path)


def test_an_event_comes_back_as_it_was_written(ledger: Ledger, repository: Repository) -> None:
    """With the file and the tree that are kept beside it, and what it can be found by."""
    tree = repository.git("rev-parse", "HEAD^{tree}").strip()
    event = judgment(tree)
    (kept,) = ledger.append([Draft(event=event, blobs={TESTS: b"[\0\xff]"}, trees={PROTECTED: tree})])
    stored = ledger.read(kept)
    assert (stored.event, stored.entry, stored.parents, stored.note) == (event, entry_of(event), (), "")
    assert json.loads(stored.raw)["kind"] == "verdict"
    assert ledger.attachment(kept, TESTS) == b"[\0\xff]"
    assert ledger.subtree(kept, PROTECTED) == tree
    assert (ledger.attachment(kept, "other.json"), ledger.subtree(kept, TESTS)) == (None, None)


def test_a_commit_can_be_read_by_people_and_searched_by_its_message(ledger: Ledger, repository: Repository) -> None:
    """A line for `git log`, and a line of JSON, so that a search reads no event."""
    ledger.append([Draft(event=judgment(EMPTY, branch="grün"))])
    title, blank, line, *rest = repository.git("log", "--format=%B", REF).split("\n")
    assert (title, blank) == ("verdict: passed, 31 of 33 gate tests passed", "")
    assert json.loads(line)["branch"] == "grün"
    assert not "".join(rest)
    assert '\n  "verdict": "passed"' in repository.git("show", f"{REF}:event.json")


def test_events_of_one_call_follow_each_other(ledger: Ledger) -> None:
    """A session records what died before it and its own verdict, in one swap."""
    died = Interrupted(at=at(0), session="s", started=None, subject=None)
    (first,) = ledger.append([Draft(event=judgment(EMPTY))])
    second, third = ledger.append([Draft(event=died), Draft(event=judgment(EMPTY, when=1))])
    assert [ledger.read(each).parents for each in (first, second, third)] == [(), (first,), (second,)]
    assert ledger.tip() == third
    assert ledger.append([]) == []


def test_all_events_of_a_call_are_recorded_or_none(ledger: Ledger) -> None:
    """One of them names a tree that isn't there."""
    with pytest.raises(LedgerError, match="nothing was recorded: git mktree"):
        ledger.append([Draft(event=judgment()), Draft(event=judgment(), trees={PROTECTED: "0" * 39 + "1"})])
    assert ledger.tip() is None


def test_an_event_bears_its_own_time_and_the_name_that_git_knows(ledger: Ledger, repository: Repository) -> None:
    """The commit's dates are those of the event, whenever it came to be written."""
    ledger.append([Draft(event=judgment(when=90))])
    told = repository.git("log", "-1", "--format=%an <%ae> %aI, %cn <%ce> %ct", REF)
    assert told == "Ada <ada@example.org> 2026-11-21T12:01:30+00:00, Ada <ada@example.org> 1795262490\n"


def test_a_clock_that_was_ahead_does_not_slow_the_ledger_down(ledger: Ledger, repository: Repository) -> None:
    """Git walks by the committer's dates, which never fall; the author's is the event's own."""
    ledger.append([Draft(event=judgment(when=90)), Draft(event=judgment(when=30))])
    ledger.append([Draft(event=judgment(when=60)), Draft(event=judgment(when=120))])
    told = repository.git("log", "--format=%aI %cI", REF).replace("2026-11-21T12:", "").replace("+00:00", "")
    assert told.splitlines() == ["02:00 02:00", "01:00 01:30", "00:30 01:30", "01:30 01:30"]


@pytest.mark.parametrize("said", ["", "[user]\nname = Ada\n", "[user]\nname = ...\nemail = a@b\n"])
def test_nobody_needs_a_name(ledger: Ledger, repository: Repository, git_identity: Path, said: str) -> None:
    """Git would guess one from the name of the machine, which is nobody else's business."""
    git_identity.write_text(said, "utf-8")
    ledger.append([Draft(event=judgment())])
    assert ledger.who() is None
    who = repository.git("log", "-1", "--format=%an <%ae> %cn <%ce>", REF).strip()
    assert who == " ".join(["pytest-rollback <pytest-rollback@invalid>"] * 2)


def test_a_name_from_the_environment_counts(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """So CI systems say who they are."""
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace Høpper")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "grace@example.org")
    assert ledger.who() == "Grace Høpper <grace@example.org>"


def test_every_place_of_a_repository_has_the_same_ledger(
    ledger: Ledger, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder in it, a linked work tree, its git folder, and a hook's variables from elsewhere."""
    ledger.append([Draft(event=judgment())])
    below = repository.path / "a b" / "-c"
    below.mkdir(parents=True)
    linked = tmp_path / "linked\u00fc"
    repository.git("worktree", "add", "--quiet", str(linked), "-b", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path))  # of whoever started us: never followed
    hook = Ledger(tmp_path, {"GIT_DIR": str(repository.path / ".git")})
    places = [Ledger(repository.path / ".git"), Ledger(below), Ledger(linked), hook]
    ids = [each.append([Draft(event=judgment(when=number))])[0] for number, each in enumerate(places)]
    assert ledger.tip() == ids[-1]
    assert len({each.home for each in places}) == 1


def test_a_bare_repository_and_one_without_a_commit_have_one_too(git_identity: Path, tmp_path: Path) -> None:
    """A ledger needs neither a work tree nor a branch."""
    assert git_identity.exists()
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "b.git"], check=True)
    ledger = Ledger(tmp_path / "b.git")
    assert ledger.tip() is None
    (kept,) = ledger.append([Draft(event=judgment())])
    assert ledger.read(kept).event == judgment()


def test_a_repository_of_sha256_has_one_too(git_identity: Path, tmp_path: Path) -> None:
    """Ids are longer there."""
    assert git_identity.exists()
    subprocess.run(["git", "init", "--quiet", "--object-format=sha256", tmp_path], check=True)
    ledger = Ledger(tmp_path)
    first, second = ledger.append([Draft(event=judgment(), blobs={TESTS: b"x"}), Draft(event=judgment(when=1))])
    assert len(second) == 64
    assert ledger.read(second).parents == (first,)
    assert ledger.attachment(first, TESTS) == b"x"


def test_outside_git_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no repository there is no ledger, and nothing is made."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(LedgerError, match="is in no git repository"):
        _ = Ledger(tmp_path).home
    with pytest.raises(LedgerError, match="not a git repository"):
        Ledger(tmp_path).append([Draft(event=judgment())])


def test_what_is_the_users_stays_as_it_is(ledger: Ledger, repository: Repository) -> None:
    """Work tree, index, HEAD, branches, tags, stash, configuration, and their logs; no hook of theirs runs."""
    repository.git("tag", "v1")
    repository.write("a.py", "x = 1\n")
    repository.git("stash")
    repository.write("a.py", "x = 2\n")
    repository.git("add", "a.py")
    repository.git("config", "core.logAllRefUpdates", "always")
    repository.git("config", "i18n.commitEncoding", "ISO-8859-1")
    repository.git("config", "commit.gpgSign", "true")
    hook = repository.write(".git/hooks/reference-transaction", "#!/bin/sh\ntouch ran\nexit 1\n")
    hook.chmod(0o755)

    def look() -> list[str]:
        folder = repository.path / ".git"
        files = [each for each in sorted(folder.rglob("*")) if each.is_file()]
        theirs = [each for each in files if not {"objects", "rollback"} & set(each.relative_to(folder).parts)]
        return [f"{each} {each.read_bytes()!r} {each.stat().st_mtime_ns}" for each in theirs]

    before = look()
    (kept,) = ledger.append([Draft(event=judgment(branch="grün"))])
    assert ledger.read(kept).entry.branch == "grün"
    assert look() == before
    assert not (repository.path / "ran").exists()
    assert not (repository.path / ".git/logs/refs/rollback").exists()


def test_names_that_are_no_text_are_spelt_out(ledger: Ledger) -> None:
    """A branch or a test may be named by bytes that JSON can't hold."""
    (kept,) = ledger.append([Draft(event=judgment(branch="a\udcffb"))])
    assert ledger.read(kept).entry.branch == "a\\udcffb"
    assert ledger.read(kept).note == ""


def test_a_title_is_one_line_that_a_terminal_takes(ledger: Ledger, repository: Repository) -> None:
    """People write reasons, and `git log` prints them."""
    event = Interrupted(at=at(0), session="s", started=None, subject=None, expected=3)
    ledger.append([Draft(event=event)])
    assert repository.git("log", "-1", "--format=%s", REF) == "interrupted: 0 of 3 gate tests decided\n"


@pytest.mark.parametrize("event", ["HEAD", "-h", "", "0" * 39, "0" * 40 + "\nHEAD", "Z" * 40])
def test_only_an_id_names_an_event(ledger: Ledger, event: str) -> None:
    """Git would take other words for branches, options or questions."""
    for ask in (ledger.read, lambda each: ledger.attachment(each, TESTS), lambda each: ledger.subtree(each, PROTECTED)):
        with pytest.raises(LedgerError, match="is not the id of an event"):
            ask(event)


@pytest.mark.parametrize("name", ["a/b", "../a", "-x", "", "a\nb", ".git"])
def test_an_attachment_has_a_plain_name(ledger: Ledger, name: str) -> None:
    """It becomes a line that git reads."""
    with pytest.raises(LedgerError, match="is not the name of an attachment"):
        ledger.append([Draft(event=judgment(), blobs={name: b""})])
    assert ledger.tip() is None


def test_an_event_that_is_not_here_is_an_error_that_says_what_to_do(ledger: Ledger, repository: Repository) -> None:
    """A ledger may not have been fetched; and not every object is an event."""
    blob = repository.git("rev-parse", "HEAD:a.py").strip()
    for name in ("0" * 40, blob):
        with pytest.raises(LedgerError, match=r"there is no event .* pytest-rollback sync"):
            ledger.read(name)


def test_replacements_of_objects_do_not_reach_the_ledger(ledger: Ledger, repository: Repository) -> None:
    """`git replace` shows another commit in place of one, and nobody's record may change by that."""
    first, second = ledger.append([Draft(event=judgment(verdict="blocked")), Draft(event=judgment(when=1))])
    repository.git("replace", first, second)
    assert ledger.read(first).entry.verdict == "blocked"


def test_what_a_newer_version_wrote_is_kept_and_passed_over(ledger: Ledger, repository: Repository) -> None:
    """Its kind or its schema is unknown here: the event stays closed, and what its entry tells is told."""
    later = {"schema": 2, "kind": "verdict", "at": at(5), "says": "in a new way", "steady": "very", "odd": [1]}
    for entry in (later, {**later, "schema": 1, "kind": "quarantine"}, {**later, "schema": "three"}):
        kept = foreign(repository.path, json.dumps(entry), event=json.dumps(entry))
        stored = ledger.read(kept)
        assert stored.event is None
        assert stored.note == "written by a newer version of pytest-rollback"
        assert json.loads(stored.raw) == entry
        assert (stored.entry.kind, stored.entry.says) == (entry["kind"], "in a new way")
    (after,) = ledger.append([Draft(event=judgment(when=9))])
    assert ledger.read(after).parents == (kept,)


@pytest.mark.parametrize("message", ["", "a commit of somebody's", "{", "[1]", '{"at": 3}', "\n\n"])
def test_a_commit_without_an_entry_is_said_to_be_one(ledger: Ledger, repository: Repository, message: str) -> None:
    """Somebody may move the ref to anything; nothing of that reads as a verdict."""
    stored = ledger.read(foreign(repository.path, message, event="{}"))
    assert (stored.entry.kind, stored.event, stored.note) == ("unreadable", None, "it bears no entry")


def test_an_event_that_cannot_be_read_says_why(ledger: Ledger, repository: Repository) -> None:
    """Its entry is sound, its file is not, or is not there."""
    entry = json.dumps({"kind": "verdict", "at": at(0)})
    assert "event.json can't be read: " in ledger.read(foreign(repository.path, entry, event="{]")).note
    assert ledger.read(foreign(repository.path, entry, event=None)).note == "there is no event.json in it"


def test_a_ref_that_leads_to_a_branch_is_refused_and_the_branch_stays(ledger: Ledger, repository: Repository) -> None:
    """Written to, it would move the user's branch."""
    head = repository.commit("first")
    repository.git("symbolic-ref", REF, "refs/heads/main")
    for act in (ledger.tip, lambda: ledger.append([Draft(event=judgment())])):
        with pytest.raises(LedgerError, match=r"it is a symbolic ref to refs/heads/main; remove it: git update-ref "):
            act()
    repository.git("symbolic-ref", "--delete", REF)
    repository.git("symbolic-ref", KEPT, "refs/heads/main")
    ledger.append([Draft(event=judgment())])
    assert repository.git("rev-parse", "main").strip() == head
    assert repository.git("rev-list", "--count", REF).strip() == "1"


@pytest.mark.parametrize(
    ("named", "said"),
    [("HEAD", "that it names is no event"), ("HEAD^{tree}", "it names a tree"), ("HEAD:a.py", "it names a blob")],
)
def test_a_ref_to_what_is_no_event_is_damaged(ledger: Ledger, repository: Repository, named: str, said: str) -> None:
    """Nothing is appended to a branch's history, nor pushed with it."""
    repository.commit("first", a_py="")
    repository.git("update-ref", REF, repository.git("rev-parse", named).strip())
    for act in (ledger.tip, ledger.regain, lambda: ledger.append([Draft(event=judgment())])):
        with pytest.raises(LedgerError, match=f"{REF} is damaged: .*{said}.*; remove it: git update-ref"):
            act()


def test_a_ref_to_what_is_gone_is_damaged(ledger: Ledger, repository: Repository) -> None:
    """A power cut writes refs before objects."""
    (event,) = ledger.append([Draft(event=judgment())])
    (repository.path / f".git/objects/{event[:2]}/{event[2:]}").unlink()
    with pytest.raises(LedgerError, match=f"{REF} is damaged: .*missing object"):
        ledger.tip()
    assert ledger.named() == event


def test_a_ref_below_it_stands_in_the_way(ledger: Ledger, repository: Repository) -> None:
    """A folder is no damaged file."""
    repository.commit("first")
    repository.git("update-ref", f"{REF}/mine", "HEAD")
    with pytest.raises(LedgerError, match=f"remove it: git update-ref -d {REF}/mine"):
        ledger.tip()


def test_what_was_thrown_out_comes_back_with_the_next_event(ledger: Ledger, repository: Repository) -> None:
    """A fetch of refs/rollback/* puts the remote's chain in place of ours without a word."""
    first, second = ledger.append([Draft(event=judgment()), Draft(event=judgment(when=1))])
    repository.git("update-ref", REF, first)
    assert vanished(ledger) == 1
    ledger.append([Draft(event=judgment(when=2))])
    assert second in repository.git("rev-list", REF).split()
    assert vanished(ledger) == 0
    repository.git("update-ref", "-d", REF)
    assert vanished(ledger) == 3
    assert ledger.regain() == ledger.kept()
    assert vanished(ledger) == 0


def test_a_commit_of_any_date_is_listed_and_breaks_nothing(ledger: Ledger, repository: Repository) -> None:
    """Whoever can push can write what no calendar holds."""
    ledger.append([Draft(event=judgment())])
    raw = repository.git("cat-file", "commit", REF)
    for second in ("99999999999999999999999", "253402300800", "x"):
        file = repository.path / "raw"
        file.write_text(re.sub(r"> \d+ ", f"> {second} ", raw).replace('"at":"', '"at":"?'), "utf-8")
        commit = repository.git("hash-object", "-t", "commit", "-w", "--literally", str(file)).strip()
        repository.git("update-ref", REF, commit)
        with Catalogue(ledger) as catalogue:
            assert [each.id for each in catalogue.entries()] == [commit]
        assert ledger.read(commit).entry.kind == "verdict"
