"""`pytest-rollback init`: the policy that it writes, what it leaves alone, and what it says."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.cli import CommandError
from pytest_rollback.cli.init_files import Change, write
from pytest_rollback.cli.init_policy import render_policy
from pytest_rollback.policy.load import find_policy, load_policy
from pytest_rollback.repo.look import Head

PROJECT = '[project]\nname = "café"  # kept\n\n[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'
OFFERED = re.compile(r"^# (\[.*\]|\w+ = .*)$", re.MULTILINE)

Init = Callable[..., tuple[int, str]]


@pytest.mark.parametrize(
    "before",
    [
        PROJECT.encode(),
        PROJECT.replace("\n", "\r\n").encode(),
        PROJECT.encode().rstrip(),
        PROJECT.replace("\n", "\r\n").encode().rstrip(),
        b"",
        b"tool.ruff.line-length = 1\n",
    ],
    ids=["lf", "crlf", "no last line end", "crlf, no last line end", "empty", "dotted keys"],
)
def test_the_policy_comes_after_a_pyproject_that_stays_byte_for_byte(
    init: Init, repository: Repository, before: bytes
) -> None:
    """The file is its owner's: their comments, their order, their line ends."""
    path = repository.path / "pyproject.toml"
    path.write_bytes(before)
    assert init()[0] == 0
    after = path.read_bytes()
    assert after.startswith(before)
    assert len(after) > len(before)
    if b"\r\n" in before:
        assert after.count(b"\n") == after.count(b"\r\n")
    else:
        assert b"\r" not in after
    assert find_policy(repository.path) == path
    assert load_policy(path).digest == load_policy(None).digest


def test_without_a_pyproject_the_policy_gets_a_file_of_its_own(init: Init, repository: Repository) -> None:
    """Nobody needs a pyproject.toml to have a gate."""
    assert init()[0] == 0
    path = repository.path / "pytest-rollback.toml"
    assert load_policy(path).digest == load_policy(None).digest
    assert not (repository.path / "pyproject.toml").exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask()


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("declared", [[], ["e2e", "smoke"]])
def test_all_that_is_offered_loads_once_it_is_commented_in(
    tmp_path: Path, declared: list[str], *, shared: bool
) -> None:
    """An example that is an error when somebody uses it is worse than none."""
    text = OFFERED.sub(r"\1", render_policy(None, declared, shared=shared))
    path = tmp_path / ("pyproject.toml" if shared else "pytest-rollback.toml")
    path.write_text(text, "utf-8")
    policy = load_policy(path)
    assert policy.mode == "shadow"
    assert policy.trusted == "origin/main"
    assert policy.live == ("main",)
    for name in declared or ["integration"]:
        group = policy.group(name)
        assert group is not None
        assert group.required


def test_what_the_remote_calls_its_own_branch_is_trusted_and_live(init: Init, repository: Repository) -> None:
    """A CI's clone often does not know the remote's default branch, so it is written down where it is known."""
    commit = repository.commit()
    repository.git("update-ref", "refs/remotes/origin/trunk", commit)
    repository.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    init()
    policy = load_policy(repository.path / "pytest-rollback.toml")
    assert policy.trusted == "origin/trunk"
    assert policy.live == ("trunk",)


def test_a_branch_that_no_remote_vouches_for_is_only_offered(init: Init, repository: Repository) -> None:
    """Who runs this on a feature branch must not make that branch the one to trust."""
    repository.git("switch", "--quiet", "--create", "feature/x")
    init()
    path = repository.path / "pytest-rollback.toml"
    assert load_policy(path).live == ()
    assert '# live = ["feature/x"]' in path.read_text("utf-8")


def test_a_branch_whose_name_is_no_text_is_not_offered() -> None:
    """Git takes any bytes for a name; TOML does not."""
    here = Path()
    head = Head(top=here, common=here, own=here, commit=None, branch="\udcff", default_branch=None, uncommitted=True)
    assert "origin/main" in render_policy(head, [], shared=False)


@pytest.mark.parametrize("name", ["pyproject.toml", "pytest-rollback.toml"])
def test_a_policy_that_is_there_is_left_alone(init: Init, repository: Repository, name: str) -> None:
    """What people wrote is what they want."""
    text = '[tool.pytest-rollback]\nmode="shadow"\n' if name == "pyproject.toml" else 'mode="shadow"\n'
    path = repository.write(name, text)
    status, said = init()
    assert status == 0
    assert f"{path} is there, and was left as it is" in said
    assert "all is in place" in said
    assert path.read_text("utf-8") == text
    assert sorted(each.name for each in repository.path.iterdir()) == [".git", ".gitignore", name]


def test_a_policy_further_up_counts(init: Init, repository: Repository) -> None:
    """A gate in a sub folder reads it too, so a second one would only contradict it."""
    path = repository.write("pytest-rollback.toml", "")
    repository.write("sub/pytest.ini", "[pytest]\n")
    status, said = init("--root", "sub")
    assert status == 0
    assert f"{path} is there" in said
    assert [path.name for path in Path("sub").iterdir()] == ["pytest.ini"]


def test_a_second_run_changes_nothing_and_says_so(init: Init, repository: Repository) -> None:
    """So that it can stand in a set-up script."""
    path = repository.write("pyproject.toml", PROJECT)
    init("--hook")
    written = path.read_bytes(), (repository.path / ".git/hooks/pre-commit").read_bytes()
    status, said = init("--hook")
    assert status == 0
    assert "all is in place, nothing was written" in said
    assert (path.read_bytes(), (repository.path / ".git/hooks/pre-commit").read_bytes()) == written


def test_a_policy_that_does_not_hold_is_left_alone_and_named(init: Init, repository: Repository) -> None:
    """Another plugin's row looks like a mistake from here, so this is no error, and not in place either."""
    repository.write("pytest-rollback.toml", '[triggers.theirs]\ndeadline = "5 min"\n')
    status, said = init()
    assert status == 0
    assert "triggers.theirs" in said
    assert "all is in place" not in said


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("pyproject.toml", b"[project]\nname = \n", "pyproject.toml is not TOML: .*line 2"),
        ("pyproject.toml", b'name = "\xff"\n', "pyproject.toml is not UTF-8 .byte 8"),
        ("pyproject.toml", b"# pytest-rollback\n[project]\nname = \n", "pyproject.toml is not TOML: .*line 3"),
        ("pyproject.toml", b"[tool.pytest_rollback]\n", "did you mean .tool.pytest-rollback.?"),
        ("pyproject.toml", b"a = " + b"[" * 100_000, "pyproject.toml is not TOML"),
        ("pytest-rollback.toml", b"mode = \n", "pytest-rollback.toml: is not TOML: .*line 1"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_by_name_and_line(
    init: Init, repository: Repository, name: str, content: bytes, complaint: str
) -> None:
    """What can't be read can't be added to, and pytest would not start either."""
    path = repository.path / name
    path.write_bytes(content)
    status, said = init("--hook")
    assert status == 1
    assert re.search(complaint, said)
    assert path.read_bytes() == content
    assert not (repository.path / ".git/hooks/pre-commit").exists()


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="takes a file that root can't read")
def test_a_file_that_the_disk_does_not_give_is_refused_by_name(init: Init, repository: Repository) -> None:
    """Whatever stands in it, nobody knows, so nothing is put beside it."""
    (repository.path / "pyproject.toml").symlink_to("/proc/self/mem")
    status, said = init()
    assert status == 1
    assert "pyproject.toml can't be read" in said
    assert not (repository.path / "pytest-rollback.toml").exists()


def test_a_broken_pyproject_is_refused_where_pytest_itself_reads_another_file(
    init: Init, repository: Repository
) -> None:
    """Pytest would not notice, but the table can't go there, and a second place would be a surprise."""
    repository.write("pytest.ini", "[pytest]\n")
    path = repository.write("pyproject.toml", "[project]\nname = \n")
    status, said = init()
    assert status == 1
    assert re.search("pyproject.toml is not TOML: .*line 2", said)
    assert path.read_text("utf-8") == "[project]\nname = \n"
    assert not (repository.path / "pytest-rollback.toml").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'tool = { ruff = { line-length = 1 } }\n[project]\nname = "x"\n', "takes no more tables"),
        (b'\xef\xbb\xbf[project]\nname = "x"\n', "byte order mark"),
    ],
)
def test_where_a_pyproject_can_not_take_the_table_it_gets_a_file_of_its_own(
    init: Init, repository: Repository, content: bytes, why: str
) -> None:
    """Better beside it, and said, than a pyproject.toml that nobody can read any more."""
    path = repository.path / "pyproject.toml"
    path.write_bytes(content)
    status, said = init()
    assert status == 0
    assert why in said
    assert path.read_bytes() == content
    assert load_policy(repository.path / "pytest-rollback.toml").digest == load_policy(None).digest


def test_a_link_stays_a_link_and_a_mode_stays_a_mode(init: Init, repository: Repository) -> None:
    """The file changes; where it lies and who may read it don't."""
    real = repository.write("shared/real.toml", PROJECT)
    real.chmod(0o640)
    link = repository.path / "pyproject.toml"
    link.symlink_to(real)
    init()
    assert link.is_symlink()
    assert "[tool.pytest-rollback]" in real.read_text("utf-8")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert list(real.parent.iterdir()) == [real]


def test_a_dry_run_shows_all_and_writes_nothing(init: Init, repository: Repository) -> None:
    """To see what would come before it comes."""
    path = repository.write("pyproject.toml", PROJECT)
    status, said = init("--hook", "--dry-run")
    assert status == 0
    assert f"{path} would be changed; its new last table is [tool.pytest-rollback]:\n" in said
    assert "\n+[tool.pytest-rollback]\n" in said
    assert "pre-commit would be written; it judges each commit:\n+#!/bin/sh\n" in said
    assert "café" not in said
    assert path.read_text("utf-8") == PROJECT
    assert not (repository.path / ".git/hooks/pre-commit").exists()


def test_a_file_that_changed_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    """Between reading and writing an editor may have saved; nobody's work is lost to that."""
    path = tmp_path / "pyproject.toml"
    path.write_bytes(b"theirs\n")
    with pytest.raises(CommandError, match="was changed by somebody else"):
        write(Change(path=path, before=b"read\n", after=b"ours\n"))
    assert path.read_bytes() == b"theirs\n"


def test_a_folder_that_takes_no_file_is_a_clear_error(tmp_path: Path) -> None:
    """What can't be written is said with its name, and leaves nothing half written."""
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="could not be written"):
        write(Change(path=tmp_path / "file/deeper/policy.toml", before=None, after=b"ours\n"))
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def umask() -> int:
    """Read this process's umask, which can only be read by setting it."""
    old = os.umask(0)
    os.umask(old)
    return old
