"""`pytest-rollback restore`: which state files come back from, what is said and recorded, and what is refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Repository, RunGate
from pytest_rollback.cli import main
from pytest_rollback.events import PROTECTED, Restoration
from pytest_rollback.repo.catalogue import Catalogue, Wanted
from pytest_rollback.repo.ledger import REF, Draft, Ledger
from tests.recording import judgment, withdrawal

HOLDS = "import pytest\n@pytest.mark.golden_path\ndef test_it(): pass\n"
Restore = Callable[..., tuple[int, str, str]]


@pytest.fixture
def restore(repository: Repository, capsys: pytest.CaptureFixture[str]) -> Restore:
    """Run the subcommand; gives its status, what it printed, and its error."""
    assert repository.path.exists()

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["restore", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def judged(repository: Repository, *, trees: dict[str, str] | None = None, **about: Any) -> str:
    """Put a verdict on the state that is checked out on record."""
    tree = repository.git("rev-parse", "HEAD^{tree}").strip()
    return Ledger(repository.path).append([Draft(event=judgment(tree, **about), trees=trees or {})])[0]


@pytest.fixture
def good(repository: Repository) -> str:
    """Have a state that is known to be good, with a few files; gives the verdict."""
    repository.write("d/b.py", "b\n")
    repository.write("d/e/c.py", "c\n")
    repository.commit("good", a_py="a\n")
    return judged(repository)


def restorations(repository: Repository) -> list[Restoration]:
    """Read all that was recorded of files brought back, newest first."""
    ledger = Ledger(repository.path)
    with Catalogue(ledger) as catalogue:
        read = [ledger.read(each.id).event for each in catalogue.entries(Wanted(kinds=("restoration",)))]
    return [event for event in read if isinstance(event, Restoration)]


def backups(repository: Repository) -> list[str]:
    """List the refs under which files are kept."""
    return repository.git("for-each-ref", "--format=%(refname)", "refs/rollback/backup").split()


def test_a_protected_file_comes_back_as_the_gate_said(restore: Restore, gate: RunGate, repository: Repository) -> None:
    """From a block to a pass by the one command that the block ends in."""
    repository.write("pytest-rollback.toml", 'protected = ["schema/**"]\n')
    path = repository.write("schema/the user's.json", "{}\n")
    commit = repository.commit(test_it_py=HOLDS)
    assert gate().status == 0
    path.write_text("[]\n")
    blocked = gate()
    assert blocked.status == 80
    program, subcommand, *named = shlex.split(blocked.report["next"])
    assert (program, subcommand) == ("pytest-rollback", "restore")
    status, out, _ = restore(*named)
    assert (status, path.read_text()) == (0, "{}\n")
    (event,) = restorations(repository)
    assert out.splitlines() == [
        "restored   schema/the user's.json",
        f"from       the known good {commit[:7]} (verdict {event.verdict[:8]})",
        f"before     what stood there is kept: git show {event.backup}:PATH",
        "next       pytest --safety-gate",
    ]
    assert (event.source, event.by) == (commit, "Ada <ada@example.org>")
    assert repository.git("show", f"{event.backup}:schema/the user's.json") == "[]\n"
    assert gate().status == 0


def test_files_and_folders_come_back_from_the_known_good(restore: Restore, repository: Repository, good: str) -> None:
    """And not from HEAD, which nobody knows to be good; what was added since stays."""
    source = repository.git("rev-parse", "HEAD").strip()
    repository.write("d/new.py", "new\n")
    repository.commit("bad", a_py="bad\n")
    repository.write("d/b.py", "edited\n")
    (repository.path / "d/e/c.py").unlink()
    status, out, _ = restore("d", "d/b.py", "a.py")
    assert status == 0
    texts = [(repository.path / name).read_text() for name in ("a.py", "d/b.py", "d/e/c.py", "d/new.py")]
    assert texts == ["a\n", "b\n", "c\n", "new\n"]
    assert out.splitlines()[:3] == ["restored   d/b.py", "           d/e/c.py", "           a.py"]
    (event,) = restorations(repository)
    assert (event.source, event.verdict, event.backup) == (source, good, backups(repository)[0])
    assert [(file.path, file.was is None) for file in event.files] == [
        ("d/b.py", False),
        ("d/e/c.py", True),
        ("a.py", False),
    ]
    assert repository.git("log", "-1", "--format=%s").strip() == "bad"
    assert repository.git("show", ":a.py") == "bad\n"


def test_machines_get_every_key(restore: Restore, repository: Repository, good: str) -> None:
    """Null where nothing was done, and where nothing had to be kept."""
    (repository.path / "a.py").unlink()
    shown = json.loads(restore("a.py", "d", "--dry-run", "--json")[1])
    done = json.loads(restore("a.py", "d", "--json")[1])
    nothing = json.loads(restore("a.py", "--json")[1])
    commit, tree, blob = repository.git("rev-parse", "HEAD", "HEAD^{tree}", "HEAD:a.py").split()
    about = {"schema": 1, "commit": commit, "tree": tree, "verdict": good, "backup": None, "pointers": []}
    found = ["a.py", "d/b.py", "d/e/c.py"]
    assert shown == about | {"id": None, "dry_run": True, "found": found, "differ": ["a.py"], "restored": []}
    assert re.fullmatch("[0-9a-f]{40}", done["id"])
    restored = [{"path": "a.py", "blob": blob, "was": None}]
    expected = {"id": done["id"], "dry_run": False, "found": found, "differ": ["a.py"], "restored": restored}
    assert done == about | expected
    assert nothing == about | {"id": None, "dry_run": False, "found": ["a.py"], "differ": [], "restored": []}


def test_a_dry_run_touches_nothing(restore: Restore, repository: Repository, good: str) -> None:
    """It names what differs, and refuses what would be refused."""
    path = repository.write("a.py", "edited\n")
    status, out, _ = restore(".", "--dry-run")
    assert status == 0
    assert out.splitlines() == [
        "would be   a.py",
        f"from       the known good {repository.git('rev-parse', '--short', 'HEAD').strip()} (verdict {good[:8]})",
        "           3 of 4 were as they should be",
    ]
    assert (path.read_text(), backups(repository), restorations(repository)) == ("edited\n", [], [])
    path.unlink()
    path.mkdir()
    assert "a.py is a folder by now" in restore("a.py", "--dry-run")[2]


def test_where_nothing_differs_nothing_is_recorded(restore: Restore, repository: Repository, good: str) -> None:
    """A second call is no second event."""
    _, out, _ = restore("a.py", "d")
    assert out.startswith("nothing    of 3 files differs from the known good ")
    assert good[:8] in out
    assert restorations(repository) == []


def test_many_files_are_counted(restore: Restore, repository: Repository) -> None:
    """A whole folder must not push its end off the screen."""
    for number in range(30):
        repository.write(f"d/{number:02}.txt", "x\n")
    repository.commit()
    judged(repository)
    for path in (repository.path / "d").iterdir():
        path.unlink()
    lines = restore("d")[1].splitlines()
    assert lines[9:11] == ["           d/09.txt", "           and 20 more of 30; --json lists all"]


def test_a_pointer_to_a_large_file_is_said_to_be_one(restore: Restore, repository: Repository) -> None:
    """Its content is elsewhere."""
    repository.write("a.bin", f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n")
    repository.commit()
    judged(repository)
    repository.write("a.bin", "edited\n")
    assert "note       a.bin is only a pointer to a large file; for its content: git lfs pull" in restore("a.bin")[1]


# --- paths ---


def test_paths_are_those_of_the_folder_in_which_it_is_called(
    restore: Restore, repository: Repository, good: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also upwards, whole, and through a link from outside to the top."""
    assert good
    (tmp_path / "link").symlink_to(repository.path)
    monkeypatch.chdir(repository.path / "d/e")
    for path in ("../b.py", "./../e/../b.py", str(repository.path / "d/b.py"), str(tmp_path / "link/d/b.py")):
        repository.write("d/b.py", "edited\n")
        assert restore(path)[0] == 0
        assert (repository.path / "d/b.py").read_text() == "b\n"
    assert restore(".", "--dry-run")[1].startswith("nothing    of 1 file differs")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("", "a PATH is empty; name a file, or . for all that is here"),
        ("a\0.py", "'a\\x00.py' can't be a path"),
        ("../x", "../x lies outside the repository "),
        ("/etc/passwd", "/etc/passwd lies outside the repository "),
        ("new.py", "new.py was not there in the known good "),
        (".git/config", ".git/config was not there in the known good "),
        ("a.py/x", "a.py/x was not there in the known good "),
        ("*.py", "*.py was not there in the known good "),
        (":/", ": was not there in the known good "),
        ("x\ny\x1b", "x\\ny\\x1b was not there in the known good "),
        ("\udcff", "\\udcff was not there in the known good "),
        ("x" * 5000, "was not there in the known good "),
    ],
)
def test_what_can_not_be_brought_back_is_said(
    restore: Restore, repository: Repository, good: str, path: str, error: str
) -> None:
    """And nothing is, of the others either."""
    assert good
    repository.write("new.py", "new\n")
    edited = repository.write("a.py", "edited\n")
    status, out, said = restore("a.py", path)
    assert (status, out) == (1, "")
    assert error in said
    assert (edited.read_text(), backups(repository), restorations(repository)) == ("edited\n", [], [])


def test_a_path_may_look_like_an_option(restore: Restore, repository: Repository) -> None:
    """To us and to git."""
    repository.write("-f", "good\n")
    repository.commit()
    judged(repository)
    path = repository.write("-f", "edited\n")
    assert restore("--", "-f")[0] == 0
    assert path.read_text() == "good\n"


def test_a_name_is_taken_as_a_gate_prints_it(restore: Restore, gate: RunGate, repository: Repository) -> None:
    """What is not printable is spelt out there, and the command is there to be copied."""
    repository.write("pytest-rollback.toml", 'protected = ["schema/**"]\n')
    path = repository.write("schema/a\nb.json", "{}\n")
    repository.commit(test_it_py=HOLDS)
    assert gate().status == 0
    path.unlink()
    _, _, *named = shlex.split(gate().report["next"])
    assert named == ["schema/a\\nb.json"]
    assert restore(*named)[0] == 0
    assert path.read_text() == "{}\n"
    assert gate().status == 0


def test_a_submodule_is_gits_own_business(restore: Restore, repository: Repository) -> None:
    """It is named with its commit; a folder around it comes back without it."""
    other = Repository(repository.path / "libs/sub")
    other.path.mkdir(parents=True)
    other.git("init", "--quiet")
    inner = other.commit(f_py="f\n")
    repository.write("libs/a.py", "a\n")
    repository.git("-c", "advice.addEmbeddedRepo=false", "add", "--all")
    repository.git("commit", "--quiet", "-m", "sub")
    judged(repository)
    other.write("f.py", "edited\n")
    repository.write("libs/a.py", "edited\n")
    assert "libs/sub is a submodule, in the known good " in restore("libs/sub")[2]
    assert f" at {inner}; move it there with git itself" in restore("libs/sub/")[2]
    assert "libs/sub/f.py was not there" in restore("libs/sub/f.py")[2]
    assert restore("libs")[1].startswith("restored   libs/a.py\n")
    assert (other.path / "f.py").read_text() == "edited\n"


# --- which state ---


def test_nothing_is_guessed_where_nothing_is_known_to_be_good(
    restore: Restore, repository: Repository, good: str
) -> None:
    """Withdrawn is as good as never passed."""
    Ledger(repository.path).append([Draft(event=withdrawal(good, None, when=1))])
    repository.commit("next")
    status, _, error = restore("a.py")
    assert status == 1
    assert error == (
        "pytest-rollback restore: none of 2 commits from here back has a verdict that passed, "
        "so nothing is known to be good\n"
    )


def test_a_shallow_clone_says_that_it_is_one(
    restore: Restore, repository: Repository, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The known good may lie behind its end."""
    assert good
    repository.commit(a_py="bad\n")
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.path}", str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    clone.git("fetch", "--quiet", "origin", f"{REF}:{REF}")
    monkeypatch.chdir(clone.path)
    assert "this clone is shallow, so it may lie further back: git fetch --unshallow" in restore("a.py")[2]
    clone.git("fetch", "--quiet", "--unshallow")
    assert restore("a.py")[0] == 0
    assert (clone.path / "a.py").read_text() == "a\n"


def test_the_known_good_is_that_of_this_project(
    restore: Restore, repository: Repository, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another project's gate passed says nothing here."""
    repository.write("web/x.txt", "x\n")
    repository.commit(a_py="bad\n")
    judged(repository, root="web", when=1)
    assert restore("a.py")[0] == 0
    assert restorations(repository)[0].verdict == good
    monkeypatch.chdir(repository.path / "web")
    assert restore("../a.py")[0] == 0
    assert (repository.path / "a.py").read_text() == "bad\n"


def test_what_the_verdict_has_kept_must_be_what_the_commit_holds(restore: Restore, repository: Repository) -> None:
    """Where the two are not the same, one of them was tampered with."""
    repository.commit(a_py="evil\n")
    evil = repository.git("rev-parse", "HEAD^{tree}").strip()
    repository.commit(a_py="a\n")
    verdict = judged(repository, trees={PROTECTED: evil})
    edited = repository.write("a.py", "edited\n")
    assert (
        f"a.py is not what the verdict {verdict[:8]} has kept of it; run: pytest-rollback verify"
        in (restore("a.py")[2])
    )
    assert edited.read_text() == "edited\n"


def test_where_there_is_nothing_to_restore_into_it_says_so(
    restore: Restore, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unborn branch, a bare repository, and no repository."""
    assert "nothing is committed yet" in restore("a.py")[2]
    repository.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    monkeypatch.chdir(tmp_path / "bare.git")
    assert "there is no work tree here" in restore("a.py")[2]
    monkeypatch.chdir("/")
    assert "/ is in no git repository" in restore("a.py")[2]


# --- what is recorded ---


def test_a_policy_that_is_broken_can_be_brought_back(restore: Restore, repository: Repository) -> None:
    """It is the file that most needs it; whether to sign, the one that was good says."""
    repository.write("pytest-rollback.toml", 'mode = "enforce"\n')
    repository.commit(a_py="a\n")
    judged(repository)
    policy = repository.write("pytest-rollback.toml", "[[[\n")
    repository.write("a.py", "edited\n")
    assert restore("a.py")[0] == 0
    assert restore("pytest-rollback.toml")[0] == 0
    assert policy.read_text() == 'mode = "enforce"\n'
    assert len(restorations(repository)) == 2


def test_what_can_not_be_recorded_is_back_all_the_same(restore: Restore, repository: Repository) -> None:
    """To take it back would help nobody; but nobody is told that it is on record."""
    repository.write("pytest-rollback.toml", "sign = true\n")
    repository.commit(a_py="a\n")
    judged(repository)
    repository.git("config", "gpg.program", "false")
    path = repository.write("a.py", "edited\n")
    status, out, error = restore("a.py")
    assert (status, out, path.read_text()) == (1, "", "a\n")
    (backup,) = backups(repository)
    assert error.startswith(
        f"pytest-rollback restore: 1 file restored (what stood there is kept: {backup}), and that is not on record: "
    )


def test_what_came_back_before_an_error_is_on_record(restore: Restore, repository: Repository) -> None:
    """Attributes came back, and with them a filter that is not installed."""
    repository.write(".gitattributes", "*.secret filter=gone\n")
    repository.write("a.secret", "hello\n")
    repository.commit()
    judged(repository)
    repository.git("config", "filter.gone.smudge", "no-such-program")
    repository.git("config", "filter.gone.required", "true")
    repository.write(".gitattributes", "\n")
    repository.write("a.secret", "edited\n")
    status, _, error = restore(".gitattributes", "a.secret")
    assert status == 1
    assert "1 of 2 files are back; what stood there is kept: refs/rollback/backup/" in error
    assert [file.path for file in restorations(repository)[0].files] == [".gitattributes"]


def test_nobody_needs_a_name(restore: Restore, repository: Repository, good: str, git_identity: Path) -> None:
    """Git itself would refuse to commit."""
    assert good
    git_identity.write_text("")
    repository.write("a.py", "edited\n")
    assert restore("a.py")[0] == 0
    assert restorations(repository)[0].by is None


def test_a_name_that_is_no_text_is_spelt_out(restore: Restore, repository: Repository) -> None:
    """Git knows bytes, and JSON does not."""
    name = os.fsdecode(b"\xff.txt")
    path = repository.path / name
    path.write_bytes(b"good")
    repository.commit()
    judged(repository)
    path.write_bytes(b"edited")
    assert restore(name)[1].startswith("restored   \\udcff.txt\n")
    assert path.read_bytes() == b"good"
    assert restorations(repository)[0].files[0].path == "\\udcff.txt"
    assert json.loads(restore(name, "--json")[1])["found"] == [name]


def test_a_linked_work_tree_is_restored_alone(
    restore: Restore, repository: Repository, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from inside a hook, whose variables name another repository."""
    assert good
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    mine = repository.write("a.py", "mine\n")
    (tmp_path / "linked/a.py").write_text("edited\n")
    monkeypatch.chdir(tmp_path / "linked")
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert restore("a.py")[0] == 0
    assert ((tmp_path / "linked/a.py").read_text(), mine.read_text()) == ("a\n", "mine\n")
    assert not (tmp_path / "index").exists()


# --- several at once, and killed ---

CODE = "import sys; from pytest_rollback.cli import main; sys.exit(main(['restore', '.']))"


def test_two_at_once_lose_nothing(repository: Repository, good: str) -> None:
    """Each may find the other's work; in the end all is back, and what stood there is kept."""
    assert good
    for number in range(40):
        repository.write(f"many/{number}.txt", "good\n")
    repository.commit()
    judged(repository)
    for number in range(40):
        repository.write(f"many/{number}.txt", f"edited {number}\n")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CODE], cwd=repository.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert {each.wait() for each in started} <= {0, 1}
    subprocess.run([sys.executable, "-c", CODE], cwd=repository.path, check=True, capture_output=True)
    assert repository.git("status", "--porcelain") == ""
    kept = {
        repository.git("show", f"{ref}:{name}")
        for ref in backups(repository)
        for name in repository.git("ls-tree", "-r", "--name-only", ref).split()
    }
    assert kept >= {f"edited {number}\n" for number in range(40)}


@pytest.mark.parametrize(
    "step", ["update-index", "checkout-index", "hash-object", "commit-tree", "update-ref", "mktree"]
)
def test_killed_at_any_step_it_leaves_what_was_or_what_is_to_be(
    repository: Repository, good: str, tmp_path: Path, step: str
) -> None:
    """Each file is the old one or the new one, the old one is kept before that, and the next call ends it."""
    assert good
    names = ("a.py", "d/b.py", "d/e/c.py")
    for name in names:
        repository.write(name, "edited\n")
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    real = subprocess.run(["which", "git"], check=True, capture_output=True, text=True).stdout.strip()
    git.write_text(
        f'#!/bin/sh\nfor word in "$@"; do [ "$word" = {step} ] && kill -9 $PPID && exit 1; done\nexec {real} "$@"\n'
    )
    git.chmod(0o755)
    killed = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=repository.path,
        env={**os.environ, "PATH": f"{git.parent}:{os.environ['PATH']}"},
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    texts = {name: (repository.path / name).read_text() for name in names}
    assert set(texts.values()) in ({"edited\n"}, {"a\n", "b\n", "c\n"})
    kept = [repository.git("show", f"{ref}:{name}") for ref in backups(repository) for name in names]
    assert kept or set(texts.values()) == {"edited\n"}
    assert set(kept) <= {"edited\n"}
    again = subprocess.run([sys.executable, "-c", CODE], cwd=repository.path, check=False, capture_output=True)
    assert again.returncode == 0
    assert [(repository.path / name).read_text() for name in names] == ["a\n", "b\n", "c\n"]
    assert repository.git("status", "--porcelain") == ""


def test_killed_between_two_files_it_leaves_both_whole(repository: Repository, good: str) -> None:
    """What is left beside them is a hidden folder, and the next call brings back the rest."""
    assert good
    for name in ("a.py", "d/b.py"):
        repository.write(name, "edited\n")
    code = (
        "import os, pathlib; replace, seen = pathlib.Path.replace, []\n"
        "def killing(self, target):\n"
        "    seen.append(1) if self.name == 'file' else None\n"
        "    os.kill(os.getpid(), 9) if len(seen) == 2 else None\n"
        "    return replace(self, target)\n"
        f"pathlib.Path.replace = killing\n{CODE}"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=repository.path, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [(repository.path / name).read_text() for name in ("a.py", "d/b.py")] == ["a\n", "edited\n"]
    assert [repository.git("show", f"{ref}:a.py") for ref in backups(repository)] == ["edited\n"]
    left = repository.git("status", "--porcelain", "--untracked-files=all").splitlines()
    assert [line for line in left if ".pytest-rollback-" not in line] == [" M d/b.py"]
    subprocess.run([sys.executable, "-c", CODE], cwd=repository.path, check=True, capture_output=True)
    assert (repository.path / "d/b.py").read_text() == "b\n"
