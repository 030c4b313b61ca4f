"""Large files come from this machine, and from nowhere else; one that is not here is named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo.scratch import Scratch
from pytest_rollback.repo.slots import Slot, take_slot

from .scratches import git, origin_of


def pointer_to(content: bytes) -> str:
    """Write what git-lfs commits in the place of a file."""
    oid = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"


def keep(folder: Path, content: bytes) -> None:
    """Keep a content where git-lfs keeps it."""
    oid = hashlib.sha256(content).hexdigest()
    path = folder / "objects" / oid[:2] / oid[2:4] / oid
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


# As a user has it who never installed git-lfs on this machine; what lies in the index is what was written.
PLAIN = ("-c", "filter.lfs.process=", "-c", "filter.lfs.clean=", "-c", "filter.lfs.required=false")


def prepare(slot: Slot, repository: Repository) -> Scratch:
    """Prepare what is committed: to write the index as a tree, git may ask filters that are not here."""
    commit = repository.git("rev-parse", "HEAD").strip()
    tree = repository.git("rev-parse", "HEAD^{tree}").strip()
    return slot.prepare(tree=tree, commit=commit, branch="main")


@pytest.fixture
def slot(repository: Repository) -> Iterator[Slot]:
    """Take a slot for a repository with pointers, whose user has git-lfs configured, and no network."""
    for key, value in {"smudge": "exit 7", "clean": "exit 7", "process": "exit 7", "required": "true"}.items():
        repository.git("config", "--global", f"filter.lfs.{key}", value)
    repository.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    for name in ("kept.bin", "sub dir/here.bin", "gone.bin"):
        repository.write(name, pointer_to(name.encode() * 300))
    repository.write("plain.bin", "no pointer\n")
    repository.git(*PLAIN, "add", "--all")
    repository.git(*PLAIN, "commit", "--quiet", "-m", "pointers")
    with take_slot(origin_of(repository)) as taken:
        yield taken


def test_what_is_on_this_machine_is_filled_in(repository: Repository, slot: Slot) -> None:
    """From where git-lfs keeps it, or from the work tree; git takes the file for unchanged all the same."""
    keep(repository.path / ".git/lfs", b"kept.bin" * 300)
    (repository.path / "sub dir/here.bin").write_bytes(b"sub dir/here.bin" * 300)
    (repository.path / "gone.bin").write_bytes(b"GONE.bin" * 300)
    for _ in range(2):
        scratch = prepare(slot, repository)
        top = scratch.top
        assert (top / "kept.bin").read_bytes() == b"kept.bin" * 300
        assert (top / "sub dir/here.bin").read_bytes() == b"sub dir/here.bin" * 300
        assert (top / "gone.bin").read_text("utf-8") == pointer_to(b"gone.bin" * 300)
        assert (top / "plain.bin").read_text("utf-8") == "no pointer\n"
        assert git(top, "status", "--porcelain") == ""
        [note] = scratch.notes
        assert note.kind == "lfs"
        assert note.detail == (
            "only pointers to large files are here, their content is not; run git lfs pull: gone.bin"
        )
    before = (top / "kept.bin").stat()
    prepare(slot, repository)
    after = (top / "kept.bin").stat()
    assert (before.st_ino, before.st_ctime_ns) == (after.st_ino, after.st_ctime_ns), "it was copied once more"
    (top / "kept.bin").write_bytes(b"changed")
    prepare(slot, repository)
    assert (top / "kept.bin").read_bytes() == b"kept.bin" * 300


def test_the_store_may_lie_elsewhere(repository: Repository, slot: Slot, tmp_path: Path) -> None:
    """People share it among clones."""
    repository.git("config", "lfs.storage", str(tmp_path / "store"))
    keep(tmp_path / "store", b"kept.bin" * 300)
    assert (prepare(slot, repository).top / "kept.bin").read_bytes() == b"kept.bin" * 300


def test_what_changes_is_filled_anew(repository: Repository, slot: Slot) -> None:
    """Each tree has the content of its own pointer."""
    trees = []
    for content in (b"one" * 1000, b"two" * 1000):
        keep(repository.path / ".git/lfs", content)
        repository.write("kept.bin", pointer_to(content))
        repository.git(*PLAIN, "add", "kept.bin")
        trees.append((repository.git(*PLAIN, "write-tree").strip(), content))
    for tree, content in (*trees, *trees):
        scratch = slot.prepare(tree=tree, commit=None, branch="main")
        assert (scratch.top / "kept.bin").read_bytes() == content
