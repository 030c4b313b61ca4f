"""The ledger's objects are packed now and then, and whatever happens meanwhile, none of them is lost."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from conftest import Repository
from pytest_rollback.events import TESTS
from pytest_rollback.repo import packing
from pytest_rollback.repo.audit import audit
from pytest_rollback.repo.ledger import REF, Draft, Ledger
from pytest_rollback.repo.packing import LIST, MARK, is_time_to_pack, pack
from tests.recording import judgment


@pytest.fixture
def ledger(repository: Repository) -> Ledger:
    """Give a ledger of some events, all of them loose."""
    repository.commit("first", a_py="x = 1\n")
    ledger = Ledger(repository.path)
    ledger.append([Draft(event=judgment(when=each), blobs={TESTS: b"{}"}) for each in range(20)])
    return ledger


def loose(repository: Repository) -> int:
    """Count the objects that lie loose."""
    return int(repository.git("count-objects").split()[0])


def packed(ledger: Ledger) -> None:
    """Pack a ledger now."""
    pack(ledger.folder, ledger.extra, ledger.home / "cache", ledger.tip() or "")


def test_packing_takes_the_ledger_and_leaves_what_is_the_users(ledger: Ledger, repository: Repository) -> None:
    """A commit of theirs stays loose until their own git packs it."""
    theirs = int(repository.git("rev-list", "--objects", "--count", "HEAD"))
    before = repository.git("log", "--format=%H", REF)
    packed(ledger)
    assert loose(repository) == theirs
    assert repository.git("log", "--format=%H", REF) == before
    assert not audit(ledger).flaws


def test_only_what_is_new_is_packed(ledger: Ledger, repository: Repository) -> None:
    """A mark says how far the last pack went; one that is lost, or a lie, costs time alone."""
    mark = ledger.home / "cache" / MARK
    for content in (None, "", "0" * 40, "HEAD", "\0\xff", repository.git("rev-parse", "HEAD")):
        packed(ledger)
        assert mark.read_text() == ledger.tip()
        ledger.append([Draft(event=judgment(when=99))])
        mark.unlink() if content is None else mark.write_bytes(content.encode("latin-1"))
    packed(ledger)
    assert loose(repository) == int(repository.git("rev-list", "--objects", "--count", "HEAD"))
    assert not audit(ledger).flaws


def test_an_append_packs_when_the_id_of_an_event_says_so(
    ledger: Ledger, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in some hundred does, so nothing has to be counted, and hardly anybody waits for it."""
    assert is_time_to_pack(["ab", "00cd"])
    assert not is_time_to_pack(["ab00", "0a"])
    before = loose(repository)
    monkeypatch.setattr(packing, "SIGN", "")
    ledger.append([Draft(event=judgment())])
    assert loose(repository) < before


def test_what_fails_changes_nothing(ledger: Ledger, repository: Repository) -> None:
    """Packing is a courtesy to readers; an append that is recorded stays so."""
    before = loose(repository)
    packs = repository.path / ".git/objects/pack"
    packs.rmdir()
    packs.write_text("in the way")
    packed(ledger)
    assert loose(repository) == before
    assert not (ledger.home / "cache" / MARK).exists()
    packs.unlink()
    assert not audit(ledger).flaws


def test_packers_and_writers_at_once_lose_nothing(ledger: Ledger) -> None:
    """Two packers write the same pack, or two that overlap, while others append."""
    with ThreadPoolExecutor(6) as pool:
        work: list[Future[Any]] = [pool.submit(packed, ledger) for _ in range(4)]
        work += [pool.submit(ledger.append, [Draft(event=judgment(when=each))]) for each in range(20)]
        work += [pool.submit(packed, ledger) for _ in range(4)]
        for each in work:
            each.result()
    found = audit(ledger)
    assert (found.events, found.flaws) == (40, ())


def test_a_packer_that_is_killed_loses_nothing(ledger: Ledger, repository: Repository) -> None:
    """Whatever it has written is a whole pack, or nobody's."""
    code = (
        "import sys; from pathlib import Path; from pytest_rollback.repo.ledger import Ledger;"
        "from pytest_rollback.repo.packing import pack; ledger = Ledger(Path.cwd());"
        "print(flush=True);"
        "pack(ledger.folder, ledger.extra, ledger.home / 'cache', ledger.tip())"
    )
    for number in range(8):
        ledger.append([Draft(event=judgment(when=100 + number))])
        process = subprocess.Popen([sys.executable, "-c", code], cwd=repository.path, stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(number * 0.003)
        process.kill()
        process.communicate()
    packed(ledger)
    found = audit(ledger)
    assert (found.events, found.flaws) == (28, ())


def packs(repository: Repository) -> set[str]:
    """List the packs."""
    return {each.stem for each in (repository.path / ".git/objects/pack").glob("*.pack")}


def several(ledger: Ledger, number: int) -> None:
    """Make so many packs."""
    for each in range(number):
        ledger.append([Draft(event=judgment(when=200 + each))])
        packed(ledger)


def test_many_small_packs_become_one(ledger: Ledger, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only ours; those of the user's git are none of our business, nor is one that somebody keeps."""
    monkeypatch.setattr(packing, "MOST", 4)
    repository.git("repack", "-d", "--quiet")
    theirs = packs(repository)
    several(ledger, 1)
    (first,) = packs(repository) - theirs
    repository.write(f".git/objects/pack/{first}.keep", "")
    several(ledger, 4)
    assert theirs | {first} < packs(repository)
    assert len(packs(repository)) == len(theirs) + 2
    found = audit(ledger)
    assert (found.events, found.flaws) == (25, ())
    assert repository.git("fsck", "--strict") == ""
    several(ledger, 2)
    assert len(packs(repository)) == len(theirs) + 4


@pytest.mark.parametrize("harm", ["a list that lies", "a pack that is gone", "an index of git's over all packs"])
def test_packs_are_gathered_only_where_that_is_safe(
    ledger: Ledger, repository: Repository, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """What is written down of them may be wrong, and git may rely on them."""
    several(ledger, 3)
    listed = ledger.home / "cache" / LIST
    if harm == "a list that lies":
        listed.write_text("f" * 40 + "\n../../HEAD\n" + listed.read_text())
    elif harm == "a pack that is gone":
        repository.git("repack", "-a", "-d", "--quiet")
    else:
        repository.git("multi-pack-index", "write")
    before = packs(repository)
    monkeypatch.setattr(packing, "MOST", 3)
    several(ledger, 1)
    assert audit(ledger).flaws == ()
    assert (before < packs(repository)) == (harm != "a list that lies")
    repository.git("fsck", "--strict")
