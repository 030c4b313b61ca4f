"""The catalogue's file: whatever becomes of it, the answers stay the same."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo import cache as caches
from pytest_rollback.repo.catalogue import Catalogue
from pytest_rollback.repo.ledger import KEPT, REF, Draft, Ledger
from tests.recording import judgment, withdrawal

TREES = [f"{number:040x}" for number in range(1, 61)]
Damage = Callable[[Path], object]


@pytest.fixture
def ledger(repository: Repository) -> Ledger:
    """Give a ledger of some events, a withdrawal among them."""
    ledger = Ledger(repository.path)
    ids = ledger.append([Draft(event=judgment(tree, when=number)) for number, tree in enumerate(TREES)])
    ledger.append([Draft(event=withdrawal(ids[3], TREES[3], when=99))])
    return ledger


@pytest.fixture
def file(ledger: Ledger) -> Path:
    """Give the file, up to date."""
    expected(ledger)
    return ledger.home / "cache" / caches.NAME


def expected(ledger: Ledger) -> list[str]:
    """Ask all that can be answered wrongly, and make sure that it is not."""
    with Catalogue(ledger) as catalogue:
        found = [each.id for each in catalogue.entries()]
        assert catalogue.count() == len(found)
        assert len(found) == len(set(found)) >= len(TREES) + 1
        assert catalogue.good_trees() == {tree for tree in TREES if tree != TREES[3]}
        assert [bool(catalogue.good(tree)) for tree in TREES] == [number != 3 for number in range(len(TREES))]
        assert [catalogue.find(event[:12]) for event in found] == [[event] for event in found]
        assert {each.entry.says for each in catalogue.entries()} >= {
            "31 of 33 gate tests passed",
            "the clock was wrong",
        }
    return found


def overwrite(start: float, content: bytes) -> Damage:
    """Write over a file in its middle."""

    def damage(file: Path) -> None:
        whole = file.read_bytes()
        place = int(len(whole) * start)
        with file.open("r+b") as stream:
            stream.seek(place)
            stream.write(content)
        assert len(file.read_bytes()) == len(whole)

    return damage


def turn_good_into_bad(file: Path) -> None:
    """Change a word on a page, which SQLite would never notice."""
    whole = file.read_bytes()
    assert b"31 of 33 gate tests" in whole
    file.write_bytes(whole.replace(b"31 of 33 gate tests", b"33 of 33 gate tests"))


def replace_by_another(file: Path) -> None:
    """Put a sound file of somebody else's there."""
    file.unlink()
    with sqlite3.connect(file) as rows:
        rows.execute("CREATE TABLE tip (id TEXT)")
        rows.execute("CREATE TABLE event (odd TEXT)")
        rows.execute("INSERT INTO tip VALUES ('1')")
    rows.close()


def replace_by_a_folder(file: Path) -> None:
    """Put a folder there."""
    file.unlink()
    file.mkdir()


def withdraw_everything(file: Path) -> None:
    """Change rows by SQLite itself."""
    with sqlite3.connect(file) as rows:
        rows.execute("UPDATE event SET good = 0")
    rows.close()


DAMAGES: dict[str, Damage] = {
    "deleted": Path.unlink,
    "emptied": lambda file: file.write_bytes(b""),
    "garbage": lambda file: file.write_bytes(os.urandom(5000)),
    "a folder": replace_by_a_folder,
    "cut at a tenth": lambda file: os.truncate(file, file.stat().st_size // 10),
    "cut by one": lambda file: os.truncate(file, file.stat().st_size - 1),
    "the head gone": overwrite(0, b"\0" * 100),
    "zeros at a third": overwrite(0.3, b"\0" * 3000),
    "noise at a half": overwrite(0.5, bytes(range(256)) * 8),
    "noise near the end": overwrite(0.9, bytes(range(256))),
    "another word": turn_good_into_bad,
    "another file": replace_by_another,
    "other rows": withdraw_everything,
    "no seal": lambda file: file.with_name(file.name + ".seal").unlink(),
    "a broken seal": lambda file: file.with_name(file.name + ".seal").write_bytes(b"\xff"),
    "a journal that is no one's": lambda file: file.with_name(file.name + "-journal").write_bytes(os.urandom(2000)),
    "the lock a folder": lambda file: replace_by_a_folder(file.with_name(file.name + ".lock")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_the_file_changes_no_answer(ledger: Ledger, file: Path, damage: str) -> None:
    """Before an append and after one; where it can be, the file is made anew."""
    before = expected(ledger)
    DAMAGES[damage](file)
    assert expected(ledger) == before
    (kept,) = ledger.append([Draft(event=judgment(TREES[9], when=200))])
    assert expected(ledger) == [kept, *before]
    assert expected(ledger) == [kept, *before]


def test_damage_under_the_hands_of_a_reader_changes_no_answer(ledger: Ledger, file: Path) -> None:
    """It was sound when the reader opened it."""
    with Catalogue(ledger) as catalogue:
        file.write_bytes(os.urandom(file.stat().st_size))
        assert len(catalogue.entries()) == len(TREES) + 1
        assert catalogue.good(TREES[0])
        assert not catalogue.good(TREES[3])


def test_where_no_file_can_be_kept_the_answers_are_the_same(ledger: Ledger, file: Path) -> None:
    """On a disk that takes no writes, for one. Here a file is where the folder would be."""
    before = expected(ledger)
    for each in file.parent.iterdir():
        each.unlink()
    file.parent.rmdir()
    file.parent.write_text("in the way")
    assert expected(ledger) == before
    (kept,) = ledger.append([Draft(event=judgment(TREES[9], when=200))])
    assert expected(ledger) == [kept, *before]


def test_a_file_that_cannot_be_written_is_still_read(
    ledger: Ledger, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is new comes from the ledger then."""
    monkeypatch.setattr(caches, "fcntl", None)
    before = expected(ledger)
    look = file.stat()
    (kept,) = ledger.append([Draft(event=judgment(TREES[9], when=200))])
    assert expected(ledger) == [kept, *before]
    assert file.stat() == look


def test_whoever_holds_the_lock_for_long_is_not_waited_for(
    ledger: Ledger, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may have been stopped in the middle."""
    monkeypatch.setattr(caches, "PATIENCE_S", 0.2)
    before = expected(ledger)
    code = (
        "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX);"
        "print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(file.with_name(file.name + ".lock"))]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    (kept,) = ledger.append([Draft(event=judgment(TREES[9], when=200))])
    assert expected(ledger) == [kept, *before]
    holder.communicate()
    assert expected(ledger) == [kept, *before]


def test_a_writer_that_is_killed_leaves_nothing_that_is_believed(ledger: Ledger, file: Path) -> None:
    """It dies with half of its rows written, and before they count."""
    before = expected(ledger)
    code = (
        "import os, sys; from pathlib import Path; from pytest_rollback.repo.cache import Cache\n"
        "with Cache(Path(sys.argv[1])).writing() as rows:\n"
        "    rows.execute('PRAGMA cache_size=1'); rows.execute('PRAGMA cache_spill=1')\n"
        "    rows.execute('BEGIN'); rows.execute('UPDATE event SET good = 0, branch = hex(randomblob(3000))')\n"
        "    os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, file.parent], check=False)
    assert done.returncode == -9
    assert expected(ledger) == before


def test_processes_that_bring_it_up_to_date_at_once_agree(ledger: Ledger, file: Path, repository: Repository) -> None:
    """Each finds it old, and one of them brings it up to date."""
    code = (
        "from pathlib import Path; from pytest_rollback.repo.ledger import Ledger;"
        "from pytest_rollback.repo.catalogue import Catalogue;"
        "catalogue = Catalogue(Ledger(Path.cwd())); print(catalogue.count(), len(catalogue.good_trees()))"
    )
    for start in (file.unlink, lambda: ledger.append([Draft(event=judgment(TREES[9], when=200))])):
        start()
        started = [
            subprocess.Popen([sys.executable, "-c", code], cwd=repository.path, stdout=subprocess.PIPE, text=True)
            for _ in range(6)
        ]
        said = {process.communicate(timeout=60)[0] for process in started}
        with Catalogue(ledger) as catalogue:
            assert said == {f"{catalogue.count()} {len(TREES) - 1}\n"}


def test_a_ledger_that_was_replaced_is_read_anew(ledger: Ledger, file: Path, repository: Repository) -> None:
    """Somebody moved the ref back, or elsewhere; what it no longer holds is not on record."""
    assert file.exists()
    first = repository.git("rev-list", "--reverse", REF).split()[0]
    repository.git("update-ref", REF, first)
    with Catalogue(ledger) as catalogue:
        assert [each.id for each in catalogue.entries()] == [first]
    repository.git("update-ref", "-d", REF)
    repository.git("update-ref", "-d", KEPT)
    with Catalogue(ledger) as catalogue:
        assert catalogue.entries() == []
    (other,) = ledger.append([Draft(event=judgment(TREES[7]))])
    with Catalogue(ledger) as catalogue:
        assert [each.id for each in catalogue.entries()] == [other]


def test_only_what_is_new_is_read(ledger: Ledger, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate would else wait longer with every gate before it."""
    trace = file.parent / "trace"
    ledger.append([Draft(event=judgment(TREES[9], when=200))])
    monkeypatch.setenv("GIT_TRACE", str(trace))
    expected(ledger)
    log = [line for line in trace.read_text().splitlines() if " log " in line]
    assert len(log) == 1
    assert " ^" in log[0].replace("'", "")
    trace.unlink()
    expected(ledger)
    assert " log " not in trace.read_text()
