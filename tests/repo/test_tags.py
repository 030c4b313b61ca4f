"""Tags: what can be one, that none is ever replaced, and that an unsigned one is not passed off as signed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.tags import Tag, add_tag, drop_tag, find_tag, is_name

WHO = "Ada <ada@example.org>"


@pytest.fixture
def commit(repository: Repository) -> str:
    """Give the one commit of a repository."""
    return repository.commit("first", a_py="")


@pytest.mark.parametrize("name", ["pre-wave-1", "a/b", "grün", "v1.0", "$(x)", "a'b", "refs/tags/a"])
def test_what_git_takes_can_be_a_name(repository: Repository, commit: str, name: str) -> None:
    """It is found again as it was made, whatever a shell would make of it."""
    assert is_name(name, repository.path)
    made = add_tag(repository.path, name, commit, "good\n", WHO)
    assert made == find_tag(repository.path, name) == Tag(id=made.id, commit=commit, title="good")


BAD = ["", "-d", "--", "a b", "a\nb", "a\0b", "a..b", "a.lock", "/a", "a/", "HEAD", "*", "a@{0}", "\udcff", "\u202ea"]


@pytest.mark.parametrize("name", BAD)
def test_what_git_or_a_person_would_misread_can_not(repository: Repository, name: str) -> None:
    """An option, a pattern, a path out of the refs, bytes that are no text, text that reads backwards."""
    assert not is_name(name, repository.path)


def test_whether_a_name_is_one_can_be_asked_of_git_only(tmp_path: Path) -> None:
    """Where git can't be asked, that is said, and not that the name is bad."""
    with pytest.raises(GitError, match="is not there"):
        is_name("a", tmp_path / "gone")


def test_a_tag_is_annotated_and_bears_the_name_of_who_made_it(repository: Repository, commit: str) -> None:
    """Without an identity it bears nobody's; git would guess one, or refuse."""
    add_tag(repository.path, "a", commit, "good\n\n# stands on a verdict\n", WHO)
    add_tag(repository.path, "b", commit, "good\n", None)
    form = "--format=%(objecttype) %(taggername) %(taggeremail)"
    assert repository.git("for-each-ref", form, "refs/tags").splitlines() == [
        "tag Ada <ada@example.org>",
        "tag pytest-rollback <pytest-rollback@invalid>",
    ]
    assert repository.git("for-each-ref", "--format=%(contents)", "refs/tags/a") == "good\n\n# stands on a verdict\n\n"


def test_no_tag_is_ever_replaced(repository: Repository, commit: str) -> None:
    """A tag that moves is worse than none."""
    first = add_tag(repository.path, "a", commit, "good\n", WHO)
    with pytest.raises(GitError, match="tag 'a' already exists"):
        add_tag(repository.path, "a", repository.commit("second"), "other\n", WHO)
    assert find_tag(repository.path, "a") == first


def test_a_tag_below_a_name_is_none_of_that_name(repository: Repository, commit: str) -> None:
    """Git lists all of a folder when it is asked for its name."""
    add_tag(repository.path, "a/b", commit, "good\n", WHO)
    assert find_tag(repository.path, "a") is None
    with pytest.raises(GitError, match="cannot create"):
        add_tag(repository.path, "a", commit, "good\n", WHO)


def test_a_tag_that_is_not_annotated_or_is_of_no_commit_is_told_apart(repository: Repository, commit: str) -> None:
    """Neither can be one of ours."""
    repository.git("tag", "light", commit)
    repository.git("tag", "-am", "tree", "tree", f"{commit}^{{tree}}")
    found = [find_tag(repository.path, name) for name in ("light", "tree")]
    assert [tag.commit if tag else "gone" for tag in found] == [None, None]


def test_only_the_tag_that_was_made_is_dropped(repository: Repository, commit: str) -> None:
    """Somebody may have replaced it meanwhile; theirs stays."""
    made = add_tag(repository.path, "a", commit, "good\n", WHO)
    repository.git("tag", "--force", "-am", "mine", "a", commit)
    with pytest.raises(GitError):
        drop_tag(repository.path, "a", made)
    mine = find_tag(repository.path, "a")
    assert mine
    drop_tag(repository.path, "a", mine)
    assert find_tag(repository.path, "a") is None


@pytest.mark.parametrize("key", ["tag.gpgSign", "tag.forceSignAnnotated"])
@pytest.mark.parametrize("form", ["openpgp", "ssh"])
def test_a_tag_that_is_to_be_signed_and_can_not_be_is_not_made(
    repository: Repository, commit: str, tmp_path: Path, key: str, form: str
) -> None:
    """Who has told git to sign all tags relies on that; the remedy is named."""
    repository.git("config", key, "true")
    repository.git("config", "gpg.format", form)
    repository.git("config", "gpg.program", "false")
    repository.git("config", "user.signingKey", str(tmp_path / "no-key"))
    with pytest.raises(GitError, match=r"told to sign tags and (could|did) not.* git config tag\.gpgSign false"):
        add_tag(repository.path, "a", commit, "good\n", WHO)
    assert find_tag(repository.path, "a") is None


def test_a_tag_that_is_to_be_signed_is(repository: Repository, commit: str, tmp_path: Path) -> None:
    """By git's own ssh signatures, where ssh-keygen is at hand."""
    key = tmp_path / "key"
    try:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    except FileNotFoundError:
        pytest.skip("no ssh-keygen here")
    repository.git("config", "tag.gpgSign", "true")
    repository.git("config", "gpg.format", "ssh")
    repository.git("config", "user.signingKey", f"{key}.pub")
    add_tag(repository.path, "a", commit, "good\n", WHO)
    assert "BEGIN SSH SIGNATURE" in repository.git("cat-file", "tag", "a")
