"""Restore: files come back as git would check them out, what stood there is kept, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import Repository
from pytest_rollback.events import Restored
from pytest_rollback.repo.backup import BACKUPS, back_up
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.restore import SUBMODULE, Kept, RestoreError, files_in, laid_out

ODD = ["a b.txt", "-x", "--all", "grün", "a\nb", 'a"b', "a\\b", "t[1]*?", ":(top)x", "#x", "$HOME", "ü/ö \t/x"]


def bring_back(
    repository: Repository, *paths: str, commit: str = "HEAD", top: Path | None = None
) -> tuple[list[Restored], str | None]:
    """Bring files back from a commit."""
    place = top or repository.path
    files = [kept for path in paths for kept in files_in(place, f"{commit}^{{tree}}", path)]
    assert files
    with laid_out(place, files) as layout:
        return layout.bring_back()


def blob(repository: Repository, path: str, commit: str = "HEAD") -> str:
    """Give the blob of a file in a commit."""
    return repository.git("rev-parse", f"{commit}:{path}").strip()


def theirs(repository: Repository) -> tuple[object, ...]:
    """Take down what is a person's alone."""
    inside = repository.path / ".git"
    places = ("HEAD", "config", "index", "packed-refs", "logs/HEAD")
    files = [(inside / name).read_bytes() if (inside / name).exists() else None for name in places]
    refs = repository.git("for-each-ref", "refs/heads", "refs/tags", "refs/stash", "refs/remotes")
    shared = [path.name for path in inside.glob("sharedindex.*")]
    return (*files, refs, shared, (inside / "ORIG_HEAD").exists())


def kept_in(repository: Repository, ref: str | None) -> dict[str, bytes]:
    """Read all that a backup holds."""
    assert ref
    assert ref.startswith(f"{BACKUPS}/")
    names = repository.git("ls-tree", "-r", "-z", "--name-only", ref).split("\0")[:-1]
    read = ["git", "cat-file", "blob"]
    return {
        name: subprocess.run([*read, f"{ref}:{name}"], cwd=repository.path, check=True, capture_output=True).stdout
        for name in names
    }


def test_what_was_changed_and_what_is_gone_come_back(repository: Repository) -> None:
    """And it is said what each was before; what is as it should be is left alone."""
    repository.commit(a_py="a\n", b_py="b\n", c_py="c\n")
    untouched = (repository.path / "c.py").stat()
    changed = repository.write("a.py", "edited\n")
    (repository.path / "b.py").unlink()
    done, backup = bring_back(repository, ".")
    assert (changed.read_text(), (repository.path / "b.py").read_text()) == ("a\n", "b\n")
    assert [(file.path, file.blob) for file in done] == [
        ("a.py", blob(repository, "a.py")),
        ("b.py", blob(repository, "b.py")),
    ]
    assert [file.was is None for file in done] == [False, True]
    assert kept_in(repository, backup) == {"a.py": b"edited\n"}
    assert (repository.path / "c.py").stat() == untouched
    assert bring_back(repository, ".") == ([], None)


def test_what_is_a_persons_stays_as_it_is(repository: Repository) -> None:
    """Index, HEAD, branches, tags, stash and configuration, whatever the configuration says; staged work too."""
    commit = repository.commit(a_py="a\n", b_py="b\n")
    repository.git("tag", "v1")
    repository.write("b.py", "stashed\n")
    repository.git("stash")
    repository.write("a.py", "staged\n")
    repository.git("add", "a.py")
    repository.git("config", "core.splitIndex", "true")
    repository.git("config", "core.logAllRefUpdates", "always")
    repository.write("a.py", "edited\n")
    before = theirs(repository)
    bring_back(repository, "a.py", commit=commit)
    assert theirs(repository) == before
    assert repository.git("show", ":a.py") == "staged\n"
    assert (repository.path / "a.py").read_text() == "a\n"


@pytest.mark.parametrize("name", ODD)
def test_any_name_of_a_file_is_taken_as_it_is(repository: Repository, name: str) -> None:
    """No pattern, no option, no magic; two of them lie beside each other."""
    repository.write(name, "good\n")
    repository.write(f"{name}2", "good\n")
    repository.commit()
    path = repository.write(name, "edited\n")
    repository.write(f"{name}2", "edited\n")
    done, backup = bring_back(repository, name)
    assert [file.path for file in done] == [name]
    assert path.read_text() == "good\n"
    assert kept_in(repository, backup) == {name: b"edited\n"}
    path.unlink()
    assert bring_back(repository, name)[1] is None
    assert (repository.path / f"{name}2").read_text() == "edited\n"


def test_a_name_that_is_no_text_is_a_name_too(repository: Repository) -> None:
    """Git knows bytes only."""
    path = os.fsencode(repository.path) + b"/\xff.txt"
    Path(os.fsdecode(path)).write_bytes(b"\xff\0")
    repository.commit()
    Path(os.fsdecode(path)).write_bytes(b"edited")
    done, _ = bring_back(repository, os.fsdecode(b"\xff.txt"))
    assert Path(os.fsdecode(path)).read_bytes() == b"\xff\0"
    assert [os.fsencode(file.path) for file in done] == [b"\xff.txt"]


def test_links_and_the_right_to_be_run_come_back(repository: Repository) -> None:
    """A link is brought back as a link, also one that leads nowhere, and never written through."""
    outside = repository.path.parent / f"{repository.path.name}-outside"
    outside.write_text("mine\n")
    (repository.path / "link").symlink_to("nowhere")
    repository.write("run.sh", "exit\n").chmod(0o755)
    repository.write("plain.txt", "plain\n")
    repository.commit()
    (repository.path / "link").unlink()
    repository.write("link", "a file by now\n")
    (repository.path / "run.sh").chmod(0o644)
    (repository.path / "plain.txt").unlink()
    (repository.path / "plain.txt").symlink_to(outside)
    done, backup = bring_back(repository, ".")
    assert {file.path for file in done} == {"link", "run.sh", "plain.txt"}
    assert (repository.path / "link").readlink() == Path("nowhere")
    assert (repository.path / "run.sh").stat().st_mode & 0o111
    assert not (repository.path / "plain.txt").is_symlink()
    assert (repository.path / "plain.txt").read_text() == "plain\n"
    assert outside.read_text() == "mine\n"
    assert kept_in(repository, backup)["link"] == b"a file by now\n"
    assert kept_in(repository, backup)["plain.txt"] == os.fsencode(outside)
    assert repository.git("status", "--porcelain") == ""
    assert bring_back(repository, ".") == ([], None)


def test_rights_that_git_was_told_not_to_heed_are_no_difference(repository: Repository) -> None:
    """On some file systems every file may be run."""
    repository.write("a.txt", "a\n")
    repository.commit()
    repository.git("config", "core.fileMode", "false")
    (repository.path / "a.txt").chmod(0o755)
    assert bring_back(repository, "a.txt") == ([], None)


def test_a_file_has_the_rights_that_a_checkout_gives(repository: Repository) -> None:
    """And not those of the temporary file that it was."""
    repository.write("a.txt", "a\n")
    repository.write("b.txt", "b\n")
    repository.commit()
    (repository.path / "a.txt").unlink()
    bring_back(repository, "a.txt")
    assert stat.S_IMODE((repository.path / "a.txt").stat().st_mode) == stat.S_IMODE(
        (repository.path / "b.txt").stat().st_mode
    )


def test_line_ends_are_those_of_a_checkout(repository: Repository) -> None:
    """The blob has one kind, the work tree another; the file hashes to the blob all the same."""
    repository.write(".gitattributes", "*.bat text eol=crlf\n")
    repository.write("run.bat", "echo\n")
    repository.commit()
    path = repository.write("run.bat", "rm\n")
    done, backup = bring_back(repository, "run.bat")
    assert path.read_bytes() == b"echo\r\n"
    assert done[0].blob == blob(repository, "run.bat")
    assert kept_in(repository, backup) == {"run.bat": b"rm\n"}
    path.write_bytes(b"echo\n")  # git takes it for the same
    assert bring_back(repository, "run.bat") == ([], None)


def test_attributes_that_come_back_count_for_the_files_beside_them(repository: Repository) -> None:
    """The change had turned them off, and what stands there is what a checkout then made of the same blob."""
    repository.git("config", "filter.rot.smudge", "tr a-z n-za-m")
    repository.git("config", "filter.rot.clean", "tr a-z n-za-m")
    repository.write(".gitattributes", "*.secret filter=rot\n")
    repository.write("a.secret", "hello\n")
    good = repository.commit()
    repository.write(".gitattributes", "\n")
    repository.write("a.secret", "uryyb\n")
    repository.commit()
    done, backup = bring_back(repository, "a.secret", ".gitattributes", commit=good)
    assert [file.path for file in done] == [".gitattributes", "a.secret"]
    assert (repository.path / "a.secret").read_text() == "hello\n"
    assert kept_in(repository, backup) == {".gitattributes": b"\n", "a.secret": b"uryyb\n"}


def test_a_filter_that_only_comes_back_and_fails_is_told_with_what_was_done(repository: Repository) -> None:
    """The attributes are back by then, and that is said."""
    repository.write("a.secret", "hello\n")
    repository.write(".gitattributes", "*.secret filter=gone\n")
    good = repository.commit()
    repository.git("config", "filter.gone.smudge", "no-such-program")
    repository.git("config", "filter.gone.required", "true")
    repository.write(".gitattributes", "\n")
    repository.write("a.secret", "edited\n")
    with pytest.raises(RestoreError, match=r"could not write out .* 1 of 3 files are back") as caught:
        bring_back(repository, ".", commit=good)
    assert [file.path for file in caught.value.done] == [".gitattributes"]
    assert (repository.path / "a.secret").read_text() == "edited\n"


def test_line_ends_that_stood_in_the_blob_itself_come_back(repository: Repository) -> None:
    """Attributes came later than the file, so git reads it in another way than it was written."""
    (repository.path / "a.txt").write_bytes(b"1\r\n2\r\n")
    repository.commit()
    repository.write(".gitattributes", "* text=auto\n")
    good = repository.commit()
    repository.write("a.txt", "edited\n")
    bring_back(repository, "a.txt", commit=good)
    assert (repository.path / "a.txt").read_bytes() == b"1\r\n2\r\n"


def test_filters_of_the_project_run_from_the_top(repository: Repository) -> None:
    """Theirs are named by relative paths, as in the project's README."""
    repository.write("tools/rot", "#!/bin/sh\nexec tr a-zA-Z n-za-mN-ZA-M\n").chmod(0o755)
    repository.git("config", "filter.rot.smudge", "tools/rot")
    repository.git("config", "filter.rot.clean", "tools/rot")
    repository.git("config", "filter.rot.required", "true")
    repository.write(".gitattributes", "*.secret filter=rot\n")
    repository.write("a.secret", "hello\n")
    repository.commit()
    assert repository.git("show", "HEAD:a.secret") == "uryyb\n"
    repository.write("a.secret", "changed\n")
    done, backup = bring_back(repository, "a.secret")
    assert (repository.path / "a.secret").read_text() == "hello\n"
    assert kept_in(repository, backup) == {"a.secret": b"changed\n"}
    assert done[0].blob == blob(repository, "a.secret")


def test_a_filter_that_fails_leaves_all_as_it_was(repository: Repository) -> None:
    """Such as that of git-lfs where it is configured and not installed."""
    repository.write("a.bin", "pointer\n")
    repository.write(".gitattributes", "*.bin filter=lfs\n")
    repository.commit()
    repository.git("config", "filter.lfs.smudge", "no-such-program %f")
    repository.git("config", "filter.lfs.required", "true")
    path = repository.write("a.bin", "edited\n")
    with pytest.raises(RestoreError, match=r"git could not write out what was there "):
        bring_back(repository, "a.bin")
    assert path.read_text() == "edited\n"
    assert repository.git("for-each-ref", BACKUPS) == ""


def test_a_filter_that_makes_something_else_of_a_file_is_found_out(repository: Repository) -> None:
    """What is in place then does not hash to what was recorded, and what stood there is kept."""
    repository.write("a.txt", "good\n")
    repository.commit()
    repository.write(".gitattributes", "*.txt filter=odd\n")
    repository.git("config", "filter.odd.smudge", "tr a-z A-Z")
    repository.git("config", "filter.odd.clean", "cat")
    repository.write("a.txt", "edited\n")
    with pytest.raises(
        RestoreError, match=r"filters make something else of a\.txt .*; 0 of 1 files are back"
    ) as caught:
        bring_back(repository, "a.txt")
    assert kept_in(repository, caught.value.backup) == {"a.txt": b"edited\n"}
    assert caught.value.done == ()


def test_a_pointer_to_a_large_file_is_said_to_be_one(repository: Repository) -> None:
    """Without git-lfs that is all that git has of it; it is the right blob, and not what people look for."""
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"
    repository.write("a.bin", text)
    repository.write("b.bin", "small\n")
    repository.commit()
    repository.write("a.bin", "large")
    (repository.path / "b.bin").unlink()
    with laid_out(repository.path, files_in(repository.path, "HEAD^{tree}")) as layout:
        assert layout.pointers() == ["a.bin"]
        layout.bring_back()
    assert (repository.path / "a.bin").read_text() == text


def test_what_nobody_ever_committed_is_kept_too(repository: Repository) -> None:
    """Where the file was taken away, something untracked or ignored may stand by now."""
    repository.write("local.cfg", "good\n")
    good = repository.commit()
    (repository.path / "local.cfg").unlink()
    repository.write(".gitignore", "local.cfg\n")
    repository.commit()
    repository.write("local.cfg", "secret of mine\n")
    _, backup = bring_back(repository, "local.cfg", commit=good)
    assert kept_in(repository, backup) == {"local.cfg": b"secret of mine\n"}


def test_each_backup_has_a_ref_of_its_own(repository: Repository) -> None:
    """The second does not push the first one out."""
    repository.commit(a_py="a\n")
    refs = []
    for text in ("one\n", "two\n"):
        repository.write("a.py", text)
        refs.append(bring_back(repository, "a.py")[1])
    assert [kept_in(repository, ref) for ref in refs] == [{"a.py": b"one\n"}, {"a.py": b"two\n"}]


@pytest.mark.parametrize("kind", ["folder", "full folder", "pipe", "socket"])
def test_what_is_no_file_is_left_in_the_way(repository: Repository, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git would remove a folder with all that is in it; a pipe would make us wait for ever."""
    repository.commit(a_py="a\n", b_py="b\n")
    path = repository.path / "a.py"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(repository.path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("a.py")
    else:
        path.mkdir()
        if kind == "full folder":
            (path / "mine").write_text("mine\n")
    repository.write("b.py", "edited\n")
    with pytest.raises(RestoreError, match=r"a\.py is (a folder|neither file nor link) by now, and was a file"):
        bring_back(repository, "b.py", "a.py")
    assert (repository.path / "b.py").read_text() == "edited\n"
    assert path.exists()


def test_nothing_is_written_through_a_link_or_over_a_file_in_the_place_of_a_folder(repository: Repository) -> None:
    """The folder may be somebody's home by now."""
    repository.write("d/e/a.txt", "a\n")
    repository.commit()
    outside = repository.path.parent / f"{repository.path.name}-elsewhere"
    (outside / "e").mkdir(parents=True)
    shutil.rmtree(repository.path / "d")
    (repository.path / "d").symlink_to(outside)
    with pytest.raises(RestoreError, match=r"d/e/a\.txt lies behind d, which is a link by now; remove that first"):
        bring_back(repository, "d")
    assert list((outside / "e").iterdir()) == []
    (repository.path / "d").unlink()
    repository.write("d", "mine\n")
    with pytest.raises(RestoreError, match="lies in d, which is a file by now; move that away first"):
        bring_back(repository, "d")
    (repository.path / "d").unlink()
    bring_back(repository, "d")
    assert (repository.path / "d/e/a.txt").read_text() == "a\n"


def test_submodules_are_told_apart(repository: Repository) -> None:
    """A tree holds a commit there and no file."""
    other = Repository(repository.path / "sub")
    other.path.mkdir()
    other.git("init", "--quiet")
    inner = other.commit(f_py="")
    repository.git("-c", "advice.addEmbeddedRepo=false", "add", "sub")
    repository.git("commit", "--quiet", "-m", "sub")
    assert files_in(repository.path, "HEAD^{tree}", "sub") == [Kept(path="sub", mode=SUBMODULE, blob=inner)]
    assert files_in(repository.path, "HEAD^{tree}", "sub/f.py") == []


def test_a_linked_work_tree_gets_its_own_file_back(repository: Repository, tmp_path: Path) -> None:
    """And the one beside it keeps its edits."""
    repository.commit(a_py="a\n")
    repository.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    mine = repository.write("a.py", "mine\n")
    (tmp_path / "linked/a.py").write_text("edited\n")
    _, backup = bring_back(repository, "a.py", top=tmp_path / "linked")
    assert ((tmp_path / "linked/a.py").read_text(), mine.read_text()) == ("a\n", "mine\n")
    assert kept_in(repository, backup) == {"a.py": b"edited\n"}


def test_a_repository_of_sha256_is_no_different(git_identity: Path, tmp_path: Path) -> None:
    """Ids are longer there."""
    assert git_identity.exists()
    repository = Repository(tmp_path)
    repository.git("init", "--quiet", "--object-format=sha256")
    repository.commit(a_py="a\n")
    repository.write("a.py", "edited\n")
    done, _ = bring_back(repository, "a.py")
    assert len(done[0].blob) == len(done[0].was or "") == 64


def test_what_git_no_longer_has_leaves_all_as_it_was(repository: Repository) -> None:
    """A clone may be damaged, or lack what a server was to give."""
    repository.commit(a_py="a\n", b_py="b\n")
    name = blob(repository, "a.py")
    path = repository.path / ".git/objects" / name[:2] / name[2:]
    path.chmod(0o600)
    path.unlink()
    for file in ("a.py", "b.py"):
        repository.write(file, "edited\n")
    with pytest.raises(RestoreError, match="could not write out what was there"):
        bring_back(repository, "b.py", "a.py")
    assert (repository.path / "b.py").read_text() == "edited\n"


def test_where_nothing_can_be_kept_nothing_is_replaced(repository: Repository) -> None:
    """The refs are somebody else's, or the disk is full."""
    repository.commit(a_py="a\n")
    path = repository.write("a.py", "edited\n")
    repository.write(".git/refs/rollback", "in the way\n")
    with pytest.raises(GitError, match="update-ref"):
        bring_back(repository, "a.py")
    assert path.read_text() == "edited\n"


def test_what_could_be_done_before_an_error_is_told(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here somebody writes a file while it is being brought back; what they wrote stays."""
    repository.commit(a_py="a\n", b_py="b\n", c_py="c\n")
    for name in ("a.py", "b.py", "c.py"):
        repository.write(name, "edited\n")

    def interrupted(*arguments: Any) -> object:
        kept = back_up(*arguments)
        repository.write("b.py", "written just now\n")
        return kept

    monkeypatch.setattr("pytest_rollback.repo.restore.back_up", interrupted)
    with pytest.raises(
        RestoreError, match=r"b\.py was changed just now; .* 1 of 3 files are back; .* is kept"
    ) as caught:
        bring_back(repository, ".")
    texts = [(repository.path / name).read_text() for name in ("a.py", "b.py", "c.py")]
    assert texts == ["a\n", "written just now\n", "edited\n"]
    assert [file.path for file in caught.value.done] == ["a.py"]


def test_a_folder_that_may_not_be_written_is_an_error_that_names_the_file(repository: Repository) -> None:
    """Root may write anywhere, so a name that is too long stands in for one that is not allowed."""
    repository.commit(a_py="a\n")
    name = "/".join(["x" * 200] * 30)
    row = Kept(path=name, mode="100644", blob=blob(repository, "a.py"))
    with pytest.raises((RestoreError, GitError), match=r"File name too long|could not write out"):
        _enter(repository.path, row)


def _enter(top: Path, row: Kept) -> None:
    with laid_out(top, [row]):
        pass


def test_nothing_is_left_beside_the_files(repository: Repository) -> None:
    """Neither in the work tree nor anywhere else in it."""
    repository.write("d/a.txt", "a\n")
    repository.commit()
    repository.write("d/a.txt", "edited\n")
    bring_back(repository, "d")
    assert repository.git("status", "--porcelain", "--untracked-files=all", "--ignored") == ""
    assert [path.name for path in (repository.path / "d").iterdir()] == ["a.txt"]
