"""Byte code is kept from one tree to the next, and is never that of another content."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from conftest import Repository
from pytest_rollback.repo.slots import Slot, take_slot

from .scratches import origin_of, prepare

# One Python that imports afresh whenever it is asked, as many in a row would, only faster.
IMPORTER = """\
import importlib, json, sys
import importlib.util
for line in sys.stdin:
    importlib.invalidate_caches()
    found = []
    for name in ("pkg.one", "pkg.two"):
        for module in ("pkg", name):
            sys.modules.pop(module, None)
        found.append(importlib.import_module(name).VALUE)
    print(json.dumps(found), flush=True)
"""


@pytest.fixture
def slot(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slot]:
    """Take a slot, in a pool of its own, where byte code is written."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    with take_slot(origin_of(repository)) as taken:
        yield taken


def trees_of(repository: Repository) -> list[str]:
    """Make two trees of files of the same size."""
    found = []
    for value in (1, 2):
        repository.write("pkg/__init__.py", "")
        repository.write("pkg/one.py", f"VALUE = {value}\n")
        repository.write("pkg/two.py", f"VALUE = {3 - value}\n")
        repository.git("add", "--all")
        found.append(repository.git("write-tree").strip())
    return found


def test_a_tree_that_moves_back_and_forth_within_a_second_runs_its_own_code(repository: Repository, slot: Slot) -> None:
    """With the times that git gives to files, 186 of 200 such probes ran the code of the other tree."""
    trees = trees_of(repository)
    top = slot.prepare(tree=trees[0], commit=None, branch="main").top
    wrong = 0
    with subprocess.Popen(
        [sys.executable, "-c", IMPORTER], cwd=top, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        for number in range(100):
            slot.prepare(tree=trees[number % 2], commit=None, branch="main")
            process.stdin.write("\n")
            process.stdin.flush()
            wrong += json.loads(process.stdout.readline()) != [[1, 2], [2, 1]][number % 2]
    assert wrong == 0
    kept = list(top.glob("pkg/__pycache__/*.pyc"))
    assert len(kept) == 3


def test_byte_code_is_used_again_where_the_content_is_the_same(repository: Repository, slot: Slot) -> None:
    """It is why `__pycache__` is kept at all: compiling costs more than the tests of many a gate."""
    trees = trees_of(repository)
    top = slot.prepare(tree=trees[0], commit=None, branch="main").top
    command = [sys.executable, "-v", "-c", "import pkg.one, pkg.two"]
    said = []
    for tree in (trees[0], trees[0], trees[1]):
        slot.prepare(tree=tree, commit=None, branch="main")
        done = subprocess.run(command, cwd=top, capture_output=True, text=True, check=True)
        said.append(
            [name for name in ("__init__", "one", "two") if f"code object from {top}/pkg/{name}.py" in done.stderr]
        )
    assert said == [["__init__", "one", "two"], [], ["one", "two"]]


def test_a_file_that_a_test_has_changed_back_in_time_is_written_anew(repository: Repository, slot: Slot) -> None:
    """The same size and the same time, and not the same content: git looks at more than these two."""
    trees = trees_of(repository)
    path = slot.prepare(tree=trees[0], commit=None, branch="main").top / "pkg/one.py"
    before = path.stat()
    path.write_text("VALUE = 9\n", "utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    slot.prepare(tree=trees[0], commit=None, branch="main")
    assert path.read_text("utf-8") == "VALUE = 1\n"
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_times_are_those_of_the_content_alone(repository: Repository, slot: Slot) -> None:
    """The same in every slot, and in no other way than by content; zip files and make can work with them."""
    repository.write("a.py", "x = 1\n")
    repository.write("b.py", "x = 1\n")
    repository.write("c.py", "x = 2\n")
    repository.commit()
    top = prepare(slot, repository).top
    a, b, c = (int((top / f"{name}.py").stat().st_mtime) for name in "abc")
    assert a == b != c
    assert all(978307200 <= time < 978307200 + 2**29 for time in (a, b, c))
    with take_slot(origin_of(repository)) as other:
        assert int((prepare(other, repository).top / "a.py").stat().st_mtime) == a
