"""Long answers of git: read as they come, from one process, whatever that process comes to."""

from __future__ import annotations

import os
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo import stream
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.stream import Objects, records


def put(repository: Repository, name: str, content: bytes) -> str:
    """Write a file, and give its blob."""
    (repository.path / name).write_bytes(content)
    return repository.git("hash-object", "-w", "--no-filters", "--", name).strip()


def test_objects_are_read_one_after_another(repository: Repository) -> None:
    """By id or by name, however large, and with whatever is in them."""
    repository.commit("first", **{"a b.txt": "x\n"})
    large = put(repository, "large", os.urandom(3_000_000))
    empty = put(repository, "empty", b"")
    with Objects(repository.path) as objects:
        found = objects.get("HEAD:a b.txt")
        assert found
        assert (found.type, found.content) == ("blob", b"x\n")
        for name in ("0" * 40, "HEAD:no such", "", "HEAD\nHEAD", "--all"):
            assert objects.get(name) is None
        for name, size in ((large, 3_000_000), (empty, 0), (large, 3_000_000)):
            thing = objects.get(name)
            assert thing
            assert (thing.id, len(thing.content)) == (name, size)


@pytest.mark.parametrize("harm", ["noise", "cut off", "an object that is too short"])
def test_a_damaged_object_is_an_error_and_the_others_are_read(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """Git gives up at one, calls it missing, or waits for ever; another process reads on."""
    monkeypatch.setattr(stream, "PATIENCE_S", 0.5)
    sound = put(repository, "sound", b"sound")
    damaged = put(repository, "damaged", os.urandom(100_000))
    file = repository.path / ".git/objects" / damaged[:2] / damaged[2:]
    file.chmod(0o644)
    whole = file.read_bytes()
    short = zlib.compress(b"blob 100000\0" + b"too short")
    file.write_bytes({"noise": b"noise", "cut off": whole[:50_000]}.get(harm, short))
    with Objects(repository.path) as objects:
        for _ in range(2):
            if harm == "noise":
                assert objects.get(damaged) is None
            else:
                with pytest.raises(GitError, match="git cat-file: "):
                    objects.get(damaged)
            found = objects.get(sound)
            assert found
            assert found.content == b"sound"


def test_records_come_while_git_still_works(repository: Repository) -> None:
    """Whoever has seen enough closes, and git is ended; no process stays behind."""
    for number in range(5):
        repository.commit(f"change {number}")
    every = list(records("log", "-z", "--format=%s", cwd=repository.path))
    assert every == [b"change %d" % number for number in reversed(range(5))]
    with closing(records("log", "-z", "--format=%s", cwd=repository.path)) as some:
        assert next(some) == b"change 4"
    assert next(records("rev-parse", "--verify", "HEAD", cwd=repository.path, end=b"\n")).isalnum()


def test_a_last_record_needs_no_end(repository: Repository) -> None:
    """Some formats put their sign between records, and not behind each."""
    for number in range(2):
        repository.commit(f"change {number}")
    log = records("log", "-z", "--format=format:%s", cwd=repository.path)
    assert list(log) == [b"change 1", b"change 0"]


def test_what_goes_wrong_is_said_in_gits_words(repository: Repository, tmp_path: Path) -> None:
    """After what came before it; a flood of warnings doesn't stop the answer."""
    repository.commit("first")
    with pytest.raises(GitError, match="git log: fatal: ") as failed:
        list(records("-c", "core.abbrev=7", "log", "no-such", cwd=repository.path))
    assert failed.value.status == 128
    assert "no-such" in failed.value.said
    flood = repository.write("flood", "#!/bin/sh\nyes complaint | head -c 300000 >&2\necho answer\n")
    flood.chmod(0o755)
    repository.git("config", "alias.flood", f"!{flood}")
    assert list(records("flood", cwd=repository.path, end=b"\n")) == [b"answer"]
    with pytest.raises(GitError, match="git log: "):
        list(records("log", cwd=tmp_path / "gone"))


def test_git_that_is_not_there_is_an_error(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every other question."""
    monkeypatch.setenv("PATH", "")
    with Objects(repository.path) as objects, pytest.raises(GitError, match="git cat-file: "):
        objects.get("HEAD")
