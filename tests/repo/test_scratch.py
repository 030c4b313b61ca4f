"""A scratch tree holds exactly what was asked for, whatever was in it, and nothing of the user's is in its reach."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo.child import child_environment
from pytest_rollback.repo.slots import Slot, take_slot
from pytest_rollback.repo.troubles import ScratchError

from .scratches import files_in, git, origin_of, prepare


@pytest.fixture
def slot(repository: Repository) -> Iterator[Slot]:
    """Take a slot for the repository."""
    with take_slot(origin_of(repository)) as taken:
        yield taken


def fresh_clone(repository: Repository, tmp_path: Path) -> Repository:
    """Clone what is committed, for comparison."""
    repository.git("clone", "--quiet", "--no-local", str(repository.path), str(tmp_path / "clone"))
    return Repository(tmp_path / "clone")


ODD = ["a b.txt", "grün.txt", "new\nline.txt", "-dash.txt", "tab\t.txt", "dir with space/Ünï/'q\".txt", "#x", "C:\\x"]


def test_it_holds_what_a_fresh_clone_holds(repository: Repository, slot: Slot, tmp_path: Path) -> None:
    """Names are whatever people made them, links stay links, and scripts can be run."""
    for name in ODD:
        repository.write(name, name)
    (repository.path / os.fsdecode(b"bytes \xff.txt")).write_text("x", "utf-8")
    (repository.path / "link").symlink_to("a b.txt")
    (repository.path / "dangling").symlink_to("/nowhere")
    repository.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    repository.write(".gitattributes", "crlf.txt eol=crlf\nident.txt ident\n")
    repository.write("crlf.txt", "one\ntwo\n")
    repository.write("ident.txt", "$Id$\n")
    repository.commit()
    scratch = prepare(slot, repository)
    assert files_in(scratch.top) == files_in(fresh_clone(repository, tmp_path).path)
    assert len(files_in(scratch.top)) == len(ODD) + 8
    assert os.access(scratch.top / "run.sh", os.X_OK)
    assert (scratch.top / "crlf.txt").read_bytes() == b"one\r\ntwo\r\n"
    assert scratch.top.name == repository.path.name
    assert git(scratch.top, "status", "--porcelain") == ""
    assert scratch.notes == ()


def test_its_repository_says_what_the_users_says(repository: Repository, slot: Slot) -> None:
    """Versions are made from tags, and projects ask for the branch that they are on."""
    repository.commit("one")
    repository.git("tag", "-a", "-m", "first", "v1.0")
    repository.commit("two")
    repository.git("tag", "light")
    repository.git("branch", "side/branch")
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repository.write("staged.txt", "staged")
    repository.git("add", "staged.txt")
    for branch in ("main", None):
        scratch = prepare(slot, repository, branch=branch)
        for words in (
            ("log", "--format=%H %s"),
            ("describe", "--tags", "--long"),
            ("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"),
            ("status", "--porcelain"),
            ("cat-file", "-t", "v1.0"),
        ):
            assert git(scratch.top, *words) == repository.git(*words)
        shown = subprocess.run(["git", "symbolic-ref", "HEAD"], cwd=scratch.top, check=False, capture_output=True)
        assert shown.stdout == (b"refs/heads/main\n" if branch else b"")
    older = repository.git("rev-parse", "main~1").strip()
    scratch = slot.prepare(tree=repository.git("write-tree").strip(), commit=older, branch="main")
    assert git(scratch.top, "rev-parse", "HEAD", "main").split() == [older, older]


def test_a_branch_without_a_commit_has_none_there_either(repository: Repository, slot: Slot) -> None:
    """The very first commit is judged as well."""
    repository.write("a.py", "")
    repository.git("add", "--all")
    tree = repository.git("write-tree").strip()
    scratch = slot.prepare(tree=tree, commit=None, branch="main")
    assert git(scratch.top, "status", "--porcelain") == repository.git("status", "--porcelain")
    assert git(scratch.top, "symbolic-ref", "HEAD") == "refs/heads/main\n"
    empty = repository.git("hash-object", "-t", "tree", "-w", os.devnull).strip()
    scratch = slot.prepare(tree=empty, commit=None, branch=None)
    assert files_in(scratch.top) == {}


def make_a_mess(top: Path, elsewhere: Path) -> None:
    """Do to a scratch tree what tests have been seen to do to theirs, and more."""
    for name in ("x.log", "new/deep/file.txt", "pkg/extra.py", "pkg/__pycache__/note.txt", "old/__pycache__/o.pyc"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("x", "utf-8")
    (top / "locked/inner").mkdir(parents=True)
    (top / "locked/inner/file").write_text("x", "utf-8")
    (top / "locked/inner").chmod(0o500)
    (top / "locked").chmod(0)
    (top / "data.txt").unlink()
    (top / "data.txt").mkdir()
    (top / "data.txt/in").write_text("x", "utf-8")
    shutil.rmtree(top / "pkg")
    (top / "pkg").write_text("a file in place of a folder", "utf-8")
    (top / "link").unlink()
    (top / "link").symlink_to(elsewhere)
    os.mkfifo(top / "pipe")
    (top / ".git/hooks").mkdir()
    (top / ".git/hooks/post-checkout").write_text("#!/bin/sh\ntouch ran\n", "utf-8")
    (top / ".git/hooks/post-checkout").chmod(0o755)
    git(top, "config", "core.hooksPath", ".git/hooks")
    git(top, "config", "filter.bad.smudge", "false")
    (top / ".git/info/attributes").write_text("* filter=bad\n", "utf-8")
    git(top, "tag", "wrong")
    git(top, "update-ref", "refs/rollback/ledger", "HEAD")
    (top / ".git/info/attributes").unlink()
    git(top, "add", "--all", "--force", ".")
    git(top, "commit", "--quiet", "-m", "in the scratch tree")
    (top / "x.log").write_text("y", "utf-8")
    git(top, "stash")
    git(top, "init", "--quiet", "nested")
    (top / ".git/info/attributes").write_text("* filter=bad\n", "utf-8")
    (top / ".git/index.lock").write_text("", "utf-8")
    (top / ".git/HEAD.lock").write_text("", "utf-8")


def test_nothing_of_a_test_is_left_for_the_next(repository: Repository, slot: Slot, tmp_path: Path) -> None:
    """Files, ignored files, tags, stashes, hooks, configuration, nested repositories, and what can't be written to."""
    repository.write("pkg/mod.py", "VALUE = 1\n")
    repository.write("data.txt", "data")
    (repository.path / "link").symlink_to("data.txt")
    repository.write(".gitignore", "*.log\n")
    repository.commit()
    scratch = prepare(slot, repository)
    before = files_in(scratch.top)
    top = scratch.top
    make_a_mess(top, tmp_path)
    (scratch.temporary / "left").mkdir()
    (scratch.control / "left").write_text("x", "utf-8")
    assert repository.git("tag") == ""

    scratch = prepare(slot, repository)
    assert [*scratch.temporary.iterdir(), *scratch.control.iterdir()] == []
    assert files_in(top) == before
    assert git(top, "status", "--porcelain", "--ignored") == ""
    assert git(top, "for-each-ref", "--format=%(refname)") == "refs/heads/main\n"
    assert git(top, "rev-parse", "HEAD") == repository.git("rev-parse", "HEAD")
    assert git(top, "count-objects").startswith("0 objects")
    assert git(top, "config", "core.hooksPath") == f"{os.devnull}\n"
    assert {path.name for path in (top / "pkg").iterdir()} == {"mod.py"}


@pytest.mark.parametrize("what", ["index", "HEAD", "config", "objects", "refs", ".", "tree", "file", "packed-refs"])
def test_a_broken_one_is_made_anew(repository: Repository, slot: Slot, what: str) -> None:
    """A disk was full, a process was killed, a test was thorough: a slot is a cache, and nobody wants to hear of it."""
    repository.write("a.py", "x = 1\n")
    repository.commit()
    scratch = prepare(slot, repository)
    match what:
        case "tree":
            shutil.rmtree(scratch.top)
        case "file":
            shutil.rmtree(scratch.top)
            scratch.top.write_text("x", "utf-8")
        case "." | "objects" | "refs":
            shutil.rmtree(scratch.top / ".git" / what)
        case name:
            (scratch.top / ".git" / name).write_bytes(b"DIRC\0garbage\n")
    prepare(slot, repository)
    assert git(scratch.top, "status", "--porcelain") == ""
    assert set(files_in(scratch.top)) == {".gitignore", "a.py"}


@pytest.mark.parametrize("what", [".", ".git", ".git/objects", ".git/config", ".git/index", ".git/info", "pkg"])
def test_a_link_to_the_users_repository_is_never_followed(repository: Repository, slot: Slot, what: str) -> None:
    """Whatever a test puts in its place, the sweep of a scratch tree must not reach the user's work."""
    repository.write("pkg/a.py", "x = 1\n")
    repository.commit()
    repository.write("untracked.py", "precious\n")
    repository.write("pkg/untracked.py", "precious\n")
    repository.git("stash", "list")
    scratch = prepare(slot, repository)
    before = files_in(repository.path), files_in(repository.path / ".git")
    place = scratch.top / what
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()
    place.symlink_to(repository.path / what)
    prepare(slot, repository)
    assert (files_in(repository.path), files_in(repository.path / ".git")) == before
    assert not place.is_symlink()
    assert git(scratch.top, "status", "--porcelain") == ""


def test_git_in_a_scratch_tree_without_one_finds_no_other(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home folder may be a repository; a test that loses its `.git` must not commit there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(repository.path / "cache"))
    repository.commit()
    with take_slot(origin_of(repository)) as slot:
        scratch = prepare(slot, repository)
        assert scratch.top.is_relative_to(repository.path)
        shutil.rmtree(scratch.top / ".git")
        environment = child_environment(scratch, repository.path)
        done = subprocess.run(["git", "tag", "x"], cwd=scratch.top, env=environment, capture_output=True, check=False)
        assert done.returncode
    assert repository.git("tag") == repository.git("status", "--porcelain") == ""


def test_the_users_repository_is_left_alone(repository: Repository, tmp_path: Path) -> None:
    """Not its work tree, not its index, not its references, not its configuration; also while it has edits."""
    repository.write("a.py", "x = 1\n")
    repository.commit()
    repository.write("a.py", "x = 2\n")
    repository.git("add", "--all")
    tree = repository.git("write-tree").strip()
    repository.write("a.py", "x = 3\n")
    repository.write("untracked.py", "")
    before = files_in(repository.path), files_in(repository.path / ".git")
    with take_slot(origin_of(repository)) as slot:
        scratch = slot.prepare(tree=tree, commit=repository.git("rev-parse", "HEAD").strip(), branch="main")
        assert (scratch.top / "a.py").read_text("utf-8") == "x = 2\n"
        git(scratch.top, "commit", "--quiet", "-a", "-m", "there")
        git(scratch.top, "stash")
        git(scratch.top, "gc", "--quiet", "--prune=now")
    assert (files_in(repository.path), files_in(repository.path / ".git")) == before
    assert tmp_path.exists()


def test_other_attributes_make_other_files_of_the_same_blobs(repository: Repository, slot: Slot) -> None:
    """Git compares blobs, and would leave a file as it was checked out under the old line ends."""
    repository.write("a.txt", "one\ntwo\n")
    repository.commit()
    scratch = prepare(slot, repository)
    assert (scratch.top / "a.txt").read_bytes() == b"one\ntwo\n"
    repository.write(".gitattributes", "*.txt eol=crlf\n")
    repository.commit()
    prepare(slot, repository)
    assert (scratch.top / "a.txt").read_bytes() == b"one\r\ntwo\r\n"
    repository.git("rm", "--quiet", ".gitattributes")
    repository.git("config", "core.autocrlf", "true")
    prepare(slot, repository)
    assert (scratch.top / "a.txt").read_bytes() == b"one\r\ntwo\r\n"
    repository.git("config", "--unset", "core.autocrlf")
    prepare(slot, repository)
    assert (scratch.top / "a.txt").read_bytes() == b"one\ntwo\n"
    (repository.path / ".git/info/attributes").write_text("*.txt eol=crlf\n", "utf-8")
    prepare(slot, repository)
    assert (scratch.top / "a.txt").read_bytes() == b"one\r\ntwo\r\n"


def test_a_filter_of_the_repository_runs(repository: Repository, slot: Slot) -> None:
    """Also one that is a script of the tree itself, which a first checkout has not written yet."""
    repository.write("tools/up.sh", "#!/bin/sh\ntr a-z A-Z\n").chmod(0o755)
    repository.write("a.txt", "loud\n")
    repository.write(".gitattributes", "a.txt filter=up\n")
    repository.commit()
    repository.git("config", "filter.up.smudge", "./tools/up.sh")
    scratch = prepare(slot, repository)
    assert (scratch.top / "a.txt").read_text("utf-8") == "LOUD\n"
    repository.git("config", "filter.up.smudge", "./tools/gone.sh")
    with pytest.raises(ScratchError, match=r"does not run outside the repository: .*tools/gone\.sh") as caught:
        prepare(slot, repository)
    assert [trouble.kind for trouble in caught.value.troubles] == ["filter"]


def test_objects_that_are_not_here_are_said_to_be_missing(repository: Repository, tmp_path: Path) -> None:
    """A partial clone has the trees of old commits and not their files, and nothing is downloaded by judging."""
    repository.write("a.py", "old\n")
    old = repository.commit()
    repository.write("a.py", "new\n")
    repository.commit()
    repository.git("config", "uploadpack.allowFilter", "true")
    url = f"file://{repository.path}"
    repository.git("clone", "--quiet", "--filter=blob:none", url, str(tmp_path / "partial"))
    partial = Repository(tmp_path / "partial")
    tree = partial.git("rev-parse", f"{old}^{{tree}}").strip()
    with take_slot(origin_of(partial)) as slot:
        prepare(slot, partial)
        with pytest.raises(ScratchError, match="objects are not here; git fetch them, or clone without --filter"):
            slot.prepare(tree=tree, commit=old, branch=None)
        with pytest.raises(ScratchError, match="objects are not here"):
            slot.prepare(tree="0" * 39 + "1", commit=None, branch=None)
        prepare(slot, partial)
    with pytest.raises(ValueError, match="full name"), take_slot(origin_of(partial)) as slot:
        slot.prepare(tree="--help", commit=None, branch=None)


@pytest.mark.parametrize("kind", ["sha256", "shallow", "shared", "linked", "sparse"])
def test_every_kind_of_repository_can_be_copied(repository: Repository, tmp_path: Path, kind: str) -> None:
    """Hashes of another length, history that is cut off, borrowed objects, a second work tree, a part of the files."""
    folder = tmp_path / 'a kind of "one" #1'
    if kind == "sha256":
        folder.mkdir()
        repository = Repository(folder)
        repository.git("init", "--quiet", "--initial-branch=main", "--object-format=sha256")
    repository.write("in/a.py", "x = 1\n")
    repository.write("out/b.py", "x = 1\n")
    repository.commit()
    repository.write("in/a.py", "x = 2\n")
    repository.commit("second")
    match kind:
        case "shallow":
            repository.git("clone", "--quiet", "--depth=1", f"file://{repository.path}", str(folder))
        case "shared":
            repository.git("clone", "--quiet", "--shared", str(repository.path), str(tmp_path / '"#between'))
            repository.git("clone", "--quiet", "--shared", str(tmp_path / '"#between'), str(folder))
        case "linked":
            repository.git("worktree", "add", "--quiet", "-b", "linked", str(folder))
        case "sparse":
            repository.git("clone", "--quiet", "--sparse", str(repository.path), str(folder))
            Repository(folder).git("sparse-checkout", "set", "in")
    there = Repository(folder)
    with take_slot(origin_of(there)) as slot:
        branch = there.git("branch", "--show-current").strip()
        scratch = prepare(slot, there, branch=branch)
        assert set(files_in(scratch.top)) >= {"in/a.py", "out/b.py"}
        assert git(scratch.top, "status", "--porcelain") == ""
        assert git(scratch.top, "log", "--format=%s") == there.git("log", "--format=%s")
        assert git(scratch.top, "branch", "--show-current").strip() == branch
        git(scratch.top, "fsck", "--no-dangling")


def test_the_environment_holds_nothing_of_gits(
    repository: Repository, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that inherits them works on the repository that is being committed to."""
    repository.commit()
    foreign = {"GIT_DIR": "x", "GIT_INDEX_FILE": "x", "GIT_WORK_TREE": "x", "GIT_AUTHOR_DATE": "@0 +0000"}
    for name, value in {**foreign, "GIT_BRANCH": "theirs", "PYTHONPATH": "their/path", "TMPDIR": "/x"}.items():
        monkeypatch.setenv(name, value)
    scratch = slot.prepare(tree="4b825dc642cb6eb9a060e54bf8d69288fbee4904", commit=None, branch=None)
    found = child_environment(scratch, repository.path, {"EXTRA": "1"})
    assert not found.keys() & foreign.keys()
    assert found["GIT_BRANCH"] == "theirs"
    assert found["EXTRA"] == "1"
    first, _, rest = found["PYTHONPATH"].partition(os.pathsep)
    assert (Path(first) / "sitecustomize.py").is_file()
    assert rest == "their/path"
    assert found["PYTEST_ROLLBACK_SLOT"] == str(scratch.top)
    assert found["TMPDIR"] == found["TMP"] == found["TEMP"] == str(scratch.temporary)
    assert "PYTHONDONTWRITEBYTECODE" not in found or "PYTHONDONTWRITEBYTECODE" in os.environ
