"""The trusted base: found without a word of the change, or said not to be there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.policy.load import choose_policy, load_policy, places_of_policy
from pytest_rollback.repo.base import TARGETS, BaseFound, changes_between, find_base, machine_losses
from pytest_rollback.repo.blobs import read_files
from pytest_rollback.repo.plumbing import GitError

OWN = "pytest-rollback.toml"


def base_of(
    repository: Repository,
    *,
    clean: bool = True,
    trusted: str | None = None,
    environment: dict[str, str] | None = None,
    good: dict[str, str] | None = None,
    folder: Path | None = None,
) -> BaseFound:
    """Find the base of what is checked out; `good` says what is known good, from where on."""
    where = folder or repository.path
    head = subprocess.run(
        ["git", "rev-parse", "-q", "--verify", "HEAD"], cwd=where, capture_output=True, text=True, check=False
    )
    return find_base(
        where,
        head=head.stdout.strip() or None,
        clean=clean,
        trusted=trusted,
        environment=environment or {},
        known_good=(good or {}).get,
    )


def remote(repository: Repository, **refs: str) -> None:
    """Have `origin` know some branches, as a fetch leaves them."""
    for name, commit in refs.items():
        repository.git("update-ref", f"refs/remotes/origin/{name}", commit)


@pytest.fixture
def work(repository: Repository) -> tuple[Repository, str, str]:
    """Make a branch with two commits, main going on beside it; gives where they parted, and the first of the two."""
    repository.commit("root", a_py="0")
    fork = repository.commit("fork", a_py="1")
    repository.git("checkout", "-q", "-b", "work")
    first = repository.commit("first", b_py="1")
    repository.commit("second", b_py="2")
    repository.git("checkout", "-q", "main")
    repository.commit("beside", c_py="1")
    repository.git("checkout", "-q", "work")
    return repository, fork, first


def test_a_branch_is_held_against_where_it_left_the_local_main(work: tuple[Repository, str, str]) -> None:
    """What main got since is not this branch's to keep."""
    repository, fork, _ = work
    found = base_of(repository)
    assert (found.commit, found.unchecked) == (fork, None)
    assert found.how == f"merge base with main {fork[:7]}"
    assert found.tree == repository.git("rev-parse", f"{fork}^{{tree}}").strip()
    assert base_of(repository, clean=False) == found


def test_the_remotes_word_comes_before_what_is_local(work: tuple[Repository, str, str]) -> None:
    """A local main is anybody's; of the remote's branches its own head comes first."""
    repository, fork, first = work
    root = repository.git("rev-parse", f"{fork}^").strip()
    remote(repository, master=root)
    assert base_of(repository).commit == root
    remote(repository, main=fork)
    assert base_of(repository).commit == fork
    remote(repository, trunk=first)
    repository.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    found = base_of(repository)
    assert (found.commit, found.how) == (first, f"merge base with origin/HEAD {first[:7]}")


@pytest.mark.parametrize("variable", TARGETS)
def test_ci_says_where_the_change_is_meant_to_go(work: tuple[Repository, str, str], variable: str) -> None:
    """Each of them has its own word for it."""
    repository, fork, first = work
    remote(repository, main=fork, next=first)
    assert base_of(repository, environment={variable: "next"}).commit == first
    assert base_of(repository, environment={variable: "refs/heads/next"}).commit == first
    assert base_of(repository, environment={variable: ""}).commit == fork


@pytest.mark.parametrize(
    "hostile", ["*", "--all", "../heads/work", "ma?n", "a..b", "x\ny", "[m]ain", "@{-1}", "main lock"]
)
def test_a_target_that_is_no_branch_is_passed_over(work: tuple[Repository, str, str], hostile: str) -> None:
    """Names of branches come from strangers."""
    repository, fork, _ = work
    remote(repository, main=fork)
    assert base_of(repository, environment={TARGETS[0]: hostile}).commit == fork


def test_a_target_that_was_not_fetched_leaves_erosion_unchecked(work: tuple[Repository, str, str]) -> None:
    """Any other branch would be the wrong one to compare with, and the parent is the author's own."""
    repository, fork, _ = work
    remote(repository, main=fork)
    found = base_of(repository, environment={TARGETS[0]: "release/1"})
    assert (found.commit, found.tree) == (None, None)
    assert found.unchecked == (
        'the target branch "release/1" is not here; run git fetch origin release/1:refs/remotes/origin/release/1'
    )
    repository.git("update-ref", "-d", "refs/remotes/origin/main")
    repository.git("branch", "-D", "main")
    assert "release/1" in str(base_of(repository, environment={TARGETS[0]: "release/1"}).unchecked)


@pytest.mark.parametrize("trusted", ["origin/next", "refs/remotes/origin/next", "next"])
def test_a_trusted_branch_that_is_named_is_taken(work: tuple[Repository, str, str], trusted: str) -> None:
    """Whatever else there is, and whatever CI says."""
    repository, fork, first = work
    remote(repository, main=fork, next=first)
    found = base_of(repository, trusted=trusted, environment={TARGETS[0]: "main"})
    assert (found.commit, found.how) == (first, f"merge base with origin/next {first[:7]}")


def test_a_trusted_tag_is_followed_to_its_commit(work: tuple[Repository, str, str]) -> None:
    """Releases are trusted too."""
    repository, fork, _ = work
    repository.git("tag", "-a", "v1", "-m", "one", fork)
    assert base_of(repository, trusted="refs/tags/v1").commit == fork


@pytest.mark.parametrize("trusted", ["origin/gone", "HEAD", "work~1", "", "--all", "refs/*", ":/fork"])
def test_a_trusted_branch_that_is_not_there_leaves_erosion_unchecked(
    work: tuple[Repository, str, str], trusted: str
) -> None:
    """Nothing else takes its place, and what git would read as more than a name is none."""
    found = base_of(work[0], trusted=trusted)
    assert found.commit is None
    assert f'the trusted branch "{trusted}" is not here; run git fetch' in str(found.unchecked)


def test_on_the_trusted_branch_itself_the_newest_known_good_is_the_base(repository: Repository) -> None:
    """Else its tip would be compared with itself, and every loss would be fine."""
    repository.commit("root", a_py="0")
    good = repository.commit("good", a_py="1")
    parent = repository.commit("parent", a_py="2")
    head = repository.commit("head", a_py="3")
    remote(repository, main=head)
    found = base_of(repository, good={parent: good})
    assert (found.commit, found.how) == (good, f"newest known good {good[:7]}")
    found = base_of(repository)
    assert (found.commit, found.how) == (parent, f"first parent {parent[:7]}")
    found = base_of(repository, clean=False)
    assert (found.commit, found.how) == (head, f"merge base with origin/main {head[:7]}")


def test_without_a_remote_the_base_is_what_the_work_stands_on(repository: Repository) -> None:
    """On a local main nothing else is trusted; what is known good is found from HEAD on, or from before it."""
    root = repository.commit("root", a_py="0")
    head = repository.commit("head", a_py="1")
    found = base_of(repository, clean=False)
    assert (found.commit, found.how) == (head, "HEAD")
    assert base_of(repository, clean=False, good={head: root}).commit == root
    assert base_of(repository, good={head: head}).commit == root


def test_a_master_beside_a_main_that_is_checked_out_is_not_trusted(repository: Repository) -> None:
    """It is what main was before it was renamed, and would make a year of changes one."""
    repository.commit("root", a_py="0")
    repository.git("branch", "master")
    parent = repository.commit("parent", a_py="1")
    repository.commit("head", a_py="2")
    assert base_of(repository).commit == parent
    repository.git("checkout", "-q", "-b", "work")
    assert base_of(repository, clean=False).how.startswith("merge base with main")


def test_the_first_parent_of_a_merge_is_the_one_that_counts(work: tuple[Repository, str, str]) -> None:
    """What was merged came from elsewhere."""
    repository, _, _ = work
    repository.git("checkout", "-q", "main")
    before = repository.git("rev-parse", "HEAD").strip()
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "work")
    assert base_of(repository).commit == before


def test_the_first_commit_has_no_base(repository: Repository) -> None:
    """There is nothing that it could loosen, and that is said."""
    assert base_of(repository) == BaseFound(how="the first commit")
    repository.commit("root", a_py="0")
    assert base_of(repository) == BaseFound(how="the first commit")
    assert base_of(repository, clean=False).how == "HEAD"


def test_a_history_of_ones_own_is_held_against_the_trusted_tip(work: tuple[Repository, str, str]) -> None:
    """An orphan branch must not be a way around what is demanded."""
    repository, _, _ = work
    repository.git("checkout", "-q", "--orphan", "fresh")
    repository.commit("fresh start", d_py="1")
    tip = repository.git("rev-parse", "main").strip()
    found = base_of(repository)
    assert (found.commit, found.how) == (tip, f"main, with which it shares no history {tip[:7]}")


def test_a_change_does_not_choose_its_own_base(work: tuple[Repository, str, str]) -> None:
    """It names itself as trusted, and the base's policy never heard of that."""
    repository, fork, _ = work
    repository.commit("trust me", x="1")
    repository.write(OWN, 'trusted = "work"\nmode = "shadow"\n')
    repository.commit("sly")
    found = base_of(repository)
    policy = load_policy(choose_policy(read_files(repository.path, str(found.tree), places_of_policy())))
    assert (found.commit, policy.trusted, policy.mode) == (fork, None, "enforce")


def test_the_policy_of_the_base_says_what_is_trusted(repository: Repository) -> None:
    """Ask without it, read it there, ask again."""
    repository.commit("root", a_py="0")
    repository.write(OWN, 'trusted = "origin/next"\n')
    release = repository.commit("policy")
    repository.commit("later", a_py="1")
    repository.git("checkout", "-q", "-b", "work")
    repository.write(OWN, 'trusted = "work"\n')
    repository.commit("sly")
    remote(repository, next=release)
    first = base_of(repository)
    written = choose_policy(read_files(repository.path, str(first.tree), places_of_policy()), of="at the base")
    trusted = load_policy(written).trusted
    assert trusted == "origin/next"
    assert base_of(repository, trusted=trusted).commit == release


def clone(repository: Repository, folder: Path, *arguments: str) -> Path:
    """Clone the repository as CI does."""
    subprocess.run(
        ["git", "clone", "-q", *arguments, f"file://{repository.path}", str(folder)], check=True, capture_output=True
    )
    return folder


def test_a_shallow_clone_leaves_erosion_unchecked(work: tuple[Repository, str, str], tmp_path: Path) -> None:
    """The reason and what to do, and never a base that only looks like one."""
    repository, _, _ = work
    repository.git("checkout", "-q", "main")
    shallow = clone(repository, tmp_path / "main", "--depth=1", "--branch=main")
    found = base_of(repository, folder=shallow)
    assert found.commit is None
    assert "this clone is shallow and ends before the parent of " in str(found.unchecked)
    assert "run git fetch --unshallow (in CI: check out with full depth)" in str(found.unchecked)
    both = clone(repository, tmp_path / "both", "--depth=1", "--branch=work", "--no-single-branch")
    assert "ends before the point where it left origin/" in str(base_of(repository, folder=both).unchecked)
    assert base_of(repository, folder=shallow, clean=False).commit is not None
    subprocess.run(["git", "fetch", "-q", "--unshallow"], cwd=both, check=True, capture_output=True)
    assert base_of(repository, folder=both).commit is not None


def test_a_linked_work_tree_and_a_bare_repository_have_a_base(
    work: tuple[Repository, str, str], tmp_path: Path
) -> None:
    """In the linked tree main is checked out elsewhere, which is no reason not to trust it."""
    repository, fork, _ = work
    repository.git("checkout", "-q", "main")
    repository.git("worktree", "add", "-q", str(tmp_path / "linked"), "work")
    assert base_of(repository, folder=tmp_path / "linked").commit == fork
    bare = clone(repository, tmp_path / "bare", "--bare", "--branch=work")
    assert base_of(repository, folder=bare).commit == fork


def test_a_repository_of_longer_hashes_has_a_base(git_identity: Path, tmp_path: Path) -> None:
    """Their names are 64 signs long."""
    assert git_identity.exists()
    subprocess.run(["git", "init", "-q", "--object-format=sha256", "-b", "main", str(tmp_path)], check=True)
    repository = Repository(tmp_path)
    parent = repository.commit("one", a_py="1")
    repository.commit("two", a_py="2")
    assert base_of(repository).commit == parent


def test_what_a_hook_inherits_does_not_lead_astray(
    work: tuple[Repository, str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Git exports its variables to hooks."""
    repository, fork, _ = work
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_INDEX_FILE", os.devnull)
    head = (repository.path / ".git/refs/heads/work").read_text().strip()
    found = find_base(repository.path, head=head, clean=True, trusted=None, environment={}, known_good=lambda _: None)
    assert found.commit == fork


def test_a_head_that_is_not_there_is_gits_error(repository: Repository) -> None:
    """A broken repository is not a first commit."""
    repository.commit("root", a_py="0")
    with pytest.raises(GitError):
        find_base(repository.path, head="0" * 40, clean=True, trusted=None, environment={}, known_good=lambda _: None)


MESSAGE = """subject: grün

Gate-Approved: "gone:t.py::test_x[a b]" it was a copy
Co-authored-by: Bob <bob@example.org>
"""


def test_a_change_is_told_by_its_commits(work: tuple[Repository, str, str]) -> None:
    """Who wrote them, with whom, and what they let pass; newest first, what was merged from the base left out."""
    repository, fork, first = work
    repository.git("merge", "-q", "-m", "merge main", "main")
    repository.git("config", "user.name", "Zoë\tx")
    head = repository.commit(MESSAGE, d_py="1")
    repository.write(".mailmap", "Eve <eve@example.org> <ada@example.org>\n")
    base = repository.git("merge-base", "main", "HEAD").strip()
    found = changes_between(repository.path, base, head)
    assert [change.subject for change in found] == ["subject: grün", "merge main", "second", "first"]
    newest, *_, oldest = found
    assert (newest.commit, newest.author, newest.mail) == (head, "Zoë\tx <ada@example.org>", "ada@example.org")
    assert newest.co_authors == ("Bob <bob@example.org>",)
    (trailer,) = newest.trailers
    assert (trailer.finding, trailer.reason) == ("gone:t.py::test_x[a b]", "it was a copy")
    assert (trailer.commit, trailer.author, trailer.co_authors) == (head, newest.author, newest.co_authors)
    assert (oldest.commit, oldest.author, oldest.trailers) == (first, "Ada <ada@example.org>", ())
    assert changes_between(repository.path, None, head) == changes_between(repository.path, fork, None) == []
    assert changes_between(repository.path, head, head) == []


def test_odd_configuration_changes_nothing_of_it(work: tuple[Repository, str, str]) -> None:
    """People show signatures, follow renames and colour everything."""
    repository, fork, _ = work
    for key, value in {
        "log.showSignature": "true",
        "color.ui": "always",
        "log.decorate": "full",
        "i18n.logOutputEncoding": "latin-1",
        "log.mailmap": "true",
        "format.pretty": "fuller",
    }.items():
        repository.git("config", key, value)
    repository.commit("grün", d_py="1")
    assert [change.subject for change in changes_between(repository.path, fork, "HEAD")] == ["grün", "second", "first"]


def test_a_message_without_an_author_or_a_text_is_read(repository: Repository) -> None:
    """History holds what tools of ten years ago wrote."""
    root = repository.commit("root", a_py="0")
    tree = repository.git("write-tree").strip()
    raw = f"tree {tree}\nparent {root}\nauthor  <> 0 +0000\ncommitter  <> 0 +0000\n\n"
    done = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
        cwd=repository.path,
        input=raw.encode(),
        capture_output=True,
        check=True,
    )
    (change,) = changes_between(repository.path, root, done.stdout.decode().strip())
    assert (change.author, change.subject, change.co_authors) == (" <>", "", ())


def test_a_machines_commits_are_losses_until_a_person_spoke(work: tuple[Repository, str, str]) -> None:
    """Its own, and those that it had a part in."""
    repository, fork, _ = work
    repository.commit("with\n\nCo-Authored-By: helper[bot] <1+helper[bot]@example.org>\n", d_py="1")
    repository.git("-c", "user.name=helper[bot]", "commit", "-q", "--allow-empty", "-m", "by itself")
    changes = changes_between(repository.path, fork, "HEAD")
    found = machine_losses(changes, ["*[bot]*"])
    assert [(loss.what, loss.now) for loss in found] == [
        ("by itself", "helper[bot] <ada@example.org>"),
        ("with", "helper[bot] <1+helper[bot]@example.org>"),
    ]
    assert found[0].name == f"machine:{changes[0].commit[:12]}"
    assert [change.is_by_machine(["*[bot]*"]) for change in changes] == [True, True, False, False]
