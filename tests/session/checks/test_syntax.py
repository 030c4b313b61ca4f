"""The check `syntax`: every tracked file is looked at, and none is taken for good that was not."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import Repository
from pytest_rollback.policy.rules import Check
from pytest_rollback.session.checks import syntax
from pytest_rollback.session.checks.outcome import CheckResult, Place
from pytest_rollback.session.checks.sources import is_excluded


def check(place: Place, *exclude: str, **more: Any) -> CheckResult:
    """Compile what lies at a place."""
    return syntax.run(Check(name="syntax", kind="syntax", exclude=exclude, **more), place)


def committed(repository: Repository, root: str = ".") -> Place:
    """Commit all that is there; gives the place that a gate would judge."""
    repository.commit()
    tree = repository.git("rev-parse", "HEAD^{tree}").strip()
    home = repository.path / ".git" / "pytest-rollback"
    return Place(root=repository.path / root, top=repository.path, tree=tree, home=home)


def test_all_tracked_files_compile(repository: Repository) -> None:
    """Stubs too, in whatever encoding they say they are; what is not tracked is nobody's."""
    repository.write("a.py", "x = 1\n")
    repository.write("pkg/b.pyi", "def f(x: int) -> int: ...\n")
    (repository.path / "latin.py").write_bytes(b"# coding: latin-1\nname = '\xe9'\n")
    place = committed(repository)
    repository.write("untracked.py", "def (\n")
    result = check(place)
    assert result.failures == ()
    assert result.says == "3 files compile"


def test_each_broken_file_is_named_with_its_line(repository: Repository) -> None:
    """What would end the compiler is an error like others."""
    repository.write("a.py", "x = 1\n\ndef (:\n")
    repository.write("b.py", "return 1\n")
    repository.write("deep.py", "-" * 200_000 + "1\n")
    repository.write("null.py", "x = '\0'\n")
    repository.write("cookie.py", "# coding: no-such\n")
    (repository.path / "bytes.py").write_bytes(b"x = '\xff'\n")
    repository.write("escape.py", "x = '\\d'\nassert (x, 'always')\n")
    said = "\n".join(check(committed(repository)).failures)
    for start in (
        "a.py:3: SyntaxError",
        "b.py:1: SyntaxError: 'return' outside",
        "deep.py: is nested too deep",
        "null.py",
        "cookie.py",
        "bytes.py",
    ):
        assert start in said
    assert "escape.py" not in said


def test_nothing_to_look_at_is_a_failure(repository: Repository) -> None:
    """No file is not: all files."""
    repository.write("readme.txt", "x\n")
    place = committed(repository)
    assert "no tracked Python file" in check(place).failures[0]
    repository.write("a.py", "x = 1\n")
    assert 'see "exclude"' in check(committed(repository), "*.py").failures[0]


def test_a_tree_that_can_t_be_read_is_a_failure(repository: Repository) -> None:
    """Nobody has looked then."""
    place = committed(repository)
    broken = Place(root=place.root, top=place.top, tree="0" * 40)
    assert "can't be listed" in check(broken).failures[0]


def test_only_what_lies_below_the_root_is_looked_at(repository: Repository) -> None:
    """The gate of one project of many."""
    repository.write("other/bad.py", "def (\n")
    repository.write("own/good.py", "x = 1\n")
    assert check(committed(repository, "own")).says == "1 file compile"
    assert "bad.py:1" in check(committed(repository, "other")).failures[0]


def test_a_tracked_file_that_is_gone_is_a_failure(repository: Repository) -> None:
    """Also where it is known to compile; and a folder in its place is no file."""
    repository.write("a.py", "x = 1\n")
    repository.write("b.py", "y = 1\n")
    place = committed(repository)
    assert check(place).failures == ()
    (repository.path / "a.py").unlink()
    (repository.path / "b.py").unlink()
    (repository.path / "b.py").mkdir()
    assert [failure.partition(":")[0] for failure in check(place).failures] == ["a.py", "b.py"]


def test_what_a_sparse_checkout_leaves_out_is_read_from_the_tree(repository: Repository) -> None:
    """It is part of what is judged, and nobody has lost it."""
    repository.write("a/good.py", "x = 1\n")
    repository.write("b/bad.py", "def (\n")
    place = committed(repository)
    repository.git("sparse-checkout", "set", "a")
    assert not (repository.path / "b/bad.py").exists()
    assert check(place).failures == ("b/bad.py:1: SyntaxError: invalid syntax",)


def test_links_that_lead_out_are_skipped_and_others_followed(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What lies elsewhere is not judged."""
    outside = tmp_path_factory.mktemp("outside") / "bad.py"
    outside.write_text("def (\n", "ascii")
    repository.write("real.txt", "def (\n")
    (repository.path / "out.py").symlink_to(outside)
    (repository.path / "in.py").symlink_to("real.txt")
    (repository.path / "nowhere.py").symlink_to("missing.txt")
    failures = check(committed(repository)).failures
    assert [failure.partition(":")[0] for failure in failures] == ["in.py", "nowhere.py"]


def test_what_compiled_once_is_not_read_again(repository: Repository) -> None:
    """The tree says that nothing changed; only where the disk is as the tree says is anything remembered."""
    repository.write("a.py", "x = 1\n")
    place = committed(repository)
    cached = list((repository.path / ".git/pytest-rollback").rglob("compiled-*"))
    assert cached == []
    assert check(place).failures == ()
    (repository.path / "a.py").chmod(0)
    repository.write("b.py", "x = 2\n")
    known = committed(repository)
    repository.write("b.py", "def (\n")  # not what the tree holds: it is read, and not remembered
    assert check(known).failures == ("b.py:1: SyntaxError: invalid syntax",)
    repository.write("b.py", "x = 2\n")
    assert check(known).failures == ()
    repository.write("b.py", "def (\n")
    assert check(known).failures == ()  # the judged tree is what counts, and a tree that moved is found elsewhere


@pytest.mark.parametrize("damage", [b"", b"\xff" * 100, b"00000000\n%s\n"])
def test_a_damaged_memory_is_ignored(repository: Repository, damage: bytes) -> None:
    """It may say what it will; a broken file is not taken for good."""
    repository.write("a.py", "def (\n")
    repository.write("b.py", "x = 1\n")
    place = committed(repository)
    blob = repository.git("rev-parse", "HEAD:a.py").strip()
    check(place)
    (memory,) = (repository.path / ".git/pytest-rollback/cache").iterdir()
    memory.write_bytes(damage.replace(b"%s", blob.encode("ascii")))
    assert check(place).failures == ("a.py:1: SyntaxError: invalid syntax",)


def test_a_memory_that_can_t_be_kept_is_no_failure(repository: Repository) -> None:
    """It is worth nothing but time."""
    repository.write("a.py", "x = 1\n")
    place = committed(repository)
    repository.write(".git/pytest-rollback", "a file where a folder should be")
    assert check(place).failures == ()


def test_a_time_limit_says_how_many_were_left(repository: Repository) -> None:
    """What was not looked at does not pass."""
    repository.write("a.py", "x = 1\n")
    repository.write("b.py", "x = 2\n")
    assert "2 files not looked at" in check(committed(repository), limit_s=-1.0).failures[0]


def test_of_many_failures_the_first_are_named_and_the_rest_counted(repository: Repository) -> None:
    """Nobody reads more."""
    for number in range(25):
        repository.write(f"f{number:02}.py", "def (\n")
    failures = check(committed(repository)).failures
    assert failures[-1] == "and 6 more"
    assert len(failures) == 20


def test_outside_git_all_below_the_root_is_looked_at(tmp_path: Path) -> None:
    """But for what is hidden, or was installed."""
    for name in ("good.py", "pkg/bad.py", ".hidden/bad.py", "env/lib/bad.py", "node_modules/bad.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n" if "good" in name else "def (\n", "ascii")
    (tmp_path / "env/pyvenv.cfg").write_text("", "ascii")
    assert check(Place(root=tmp_path)).failures == ("pkg/bad.py:1: SyntaxError: invalid syntax",)
    assert check(Place(root=tmp_path), "pkg").says == "1 file compile"


def test_no_byte_code_is_written(repository: Repository) -> None:
    """Compiling is all that is done."""
    repository.write("a.py", "raise SystemExit('never run')\n")
    check(committed(repository))
    said = subprocess.run(
        ["git", "status", "--porcelain", "--ignored"], cwd=repository.path, check=True, capture_output=True
    )
    assert said.stdout == b""


@pytest.mark.parametrize(
    ("pattern", "path", "is_named"),
    [
        ("tests/data", "tests/data/deep/a.py", True),
        ("tests/data/", "tests/data/a.py", True),
        ("tests/data/**", "tests/data/a.py", True),
        ("**/conf.py", "conf.py", True),
        ("**/conf.py", "docs/conf.py", True),
        ("*_pb2.py", "gen/a_pb2.py", True),
        ("tests/data", "tests/database.py", False),
        ("a.py", "b/a.py", False),
        ("", "a.py", False),
    ],
)
def test_patterns_name_files_and_folders(pattern: str, path: str, is_named: bool) -> None:  # noqa: FBT001
    """As people write them elsewhere."""
    assert is_excluded(path, (pattern,)) is is_named
