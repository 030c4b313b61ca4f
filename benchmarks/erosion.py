"""How often erosion cries wolf: walks real histories, and compares the tests of each commit with its parent's.

    python erosion.py /path/to/a/clone [/path/to/another ...]

A stable third of all test functions counts as marked, whatever becomes of their names. What is raised is listed, for a
person to judge: a test that was really removed, or one that was only moved.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, structs

from pytest_rollback.events import ListedTest, TestList
from pytest_rollback.judge.erosion import losses
from pytest_rollback.judge.follow import follow
from pytest_rollback.judge.likeness import Module
from pytest_rollback.judge.spots import Sources
from pytest_rollback.model import LossKind, Mark
from pytest_rollback.repo.blobs import changed_files, read_files, sources_between

TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|conftest)\.py$")
MARKED = (Mark("golden_path"),)
ONE_IN = 3
SIDE_STEPS = {"skip", "xfail"}


class Walk(Struct):
    """What one project's history gave."""

    commits: int = 0
    tests: int = 0
    raised: int = 0
    gone: int = 0
    seconds: float = 0.0


def main() -> None:
    """Walk each clone, list what was raised, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path, nargs="+")
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--all", action="store_true", help="mark every test, not a third of them")
    options = parser.parse_args()
    walks = {clone: walk(clone, options.commits, everything=options.all) for clone in options.clone}
    print(f"\n{'project':<32}{'commits':>8}{'raised':>8}{'losses':>8}{'tests now':>11}{'ms a commit':>13}")
    for clone, found in walks.items():
        cost = 1000 * found.seconds / max(found.commits, 1)
        print(
            f"{'/'.join(clone.parts[-2:]):<32}{found.commits:>8}{found.raised:>8}{found.gone:>8}{found.tests:>11}{cost:>13.1f}"
        )


def walk(clone: Path, most: int, *, everything: bool) -> Walk:
    """Compare each of the newest commits that touch tests with its first parent, the oldest first."""
    found = Walk()
    trees = Trees(clone)
    marked: dict[str, str] = {}
    for commit, parent in commits_of(clone, most):
        base, now = trees.tests(parent), trees.tests(commit)
        sources = sources_between(clone, f"{parent}^{{tree}}", f"{commit}^{{tree}}")
        begun = time.perf_counter()
        before, marked = marked, follow_marks(base, now, marked, sources)
        old, new = (chosen(each, names, everything=everything) for each, names in ((base, before), (now, marked)))
        lost = [loss for loss in losses(old, new, sources=sources) if loss.kind in (LossKind.GONE, LossKind.UNMARKED)]
        found.seconds += time.perf_counter() - begun
        found.commits += 1
        found.tests = len(now.tests)
        found.raised += bool(lost)
        found.gone += len(lost)
        if lost:
            print(f"{commit[:10]} {subject_of(clone, commit)}")
            for loss in lost:
                print(f"    {loss.name}")
    return found


def follow_marks(base: TestList, now: TestList, marked: Mapping[str, str], sources: Sources) -> dict[str, str]:
    """Carry over by which name a test was first known: that, not its name of today, decides whether it is marked."""
    pairs = follow(base, now, sources=sources)
    known = {is_now.test: marked.get(was.test, was.test) for was, is_now in pairs if is_now is not None}
    return {test.test: known.get(test.test, test.test) for test in now.tests}


def chosen(tests: TestList, marked: Mapping[str, str], *, everything: bool) -> TestList:
    """Keep the tests that count as marked."""
    kept = tuple(test for test in tests.tests if everything or is_chosen(marked.get(test.test, test.test)))
    return structs.replace(tests, tests=kept)


def is_chosen(name: str) -> bool:
    """Deal out a third of all functions, with all of their cases, the same on every machine."""
    return int(hashlib.sha256(name.partition("[")[0].encode()).hexdigest(), 16) % ONE_IN == 0


class Trees:
    """The tests of each tree, read off the text; a file that two trees share is read once.

    Cases that come out of a call, a loop or a plugin can't be counted, and count as one.
    """

    def __init__(self, clone: Path) -> None:
        self.clone = clone
        self.by_blob: dict[str, Module] = {}

    def tests(self, commit: str) -> TestList:
        """List the tests of a commit as pytest would name them, one for each function."""
        blobs = dict(test_files(self.clone, commit))
        unread = {path: blob for path, blob in blobs.items() if blob not in self.by_blob}
        texts = read_files(self.clone, commit, unread)
        for path, blob in unread.items():
            self.by_blob[blob] = Module(texts.get(path, b"").decode("utf-8", "replace"))
        modules = {path: self.by_blob[blob] for path, blob in blobs.items()}
        fixtures = {name: cases for path, module in modules.items() for name, cases in fixtures_in(module).items()}
        names = sorted({f"{path}::{name}" for path, module in modules.items() for name in tests_in(module, fixtures)})
        return TestList(tests=tuple(ListedTest(name, None, MARKED) for name in names))


def tests_in(module: Module, fixtures: Mapping[str, list[str]]) -> Iterator[str]:
    """Name the tests that a file defines, one for each case where the cases can be counted."""
    for path, function in module.functions.items():
        *classes, name = path
        if name.startswith("test") and all(cls.startswith("Test") or is_unittest(module, cls) for cls in classes):
            yield from (f"{'::'.join(path)}{case}" for case in cases_of(function, fixtures))


def fixtures_in(module: Module) -> dict[str, list[str]]:
    """Name the parametrised fixtures of a file by themselves or by the name that they are given, with their cases."""
    found = {}
    for (*_, name), function in module.functions.items():
        for decorator in function.decorator_list:
            given = {word.arg: word.value for word in getattr(decorator, "keywords", ())}
            if isinstance(params := given.get("params"), (ast.List, ast.Tuple)) and "fixture" in ast.dump(decorator):
                own = given.get("name")
                known_as = own.value if isinstance(own, ast.Constant) else name
                found[str(known_as)] = [ast.unparse(value) for value in params.elts]
    return found


def is_unittest(module: Module, name: str) -> bool:
    """Whether a class is one of unittest's, as far as its own text tells."""
    cls = module.classes.get((name,))
    return cls is not None and any("TestCase" in ast.dump(parent) for parent in cls.bases)


def cases_of(function: ast.FunctionDef | ast.AsyncFunctionDef, fixtures: Mapping[str, list[str]]) -> list[str]:
    """Name the cases of a test that is parametrised with a list that stands there; else there is one."""
    cases = [""]
    for argument in function.args.args:
        cases = [f"{case}-{one}" for case in cases for one in fixtures.get(argument.arg, ())] or cases
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("mark.parametrize"):
            values = decorator.args[1] if len(decorator.args) > 1 else None
            if isinstance(values, (ast.List, ast.Tuple)) and values.elts:
                own = [ast.unparse(value)[:60] for value in values.elts]
                cases = [f"{case}-{one}" for case in cases for one in own]
    if cases == [""]:
        return cases
    return [f"[{case[1:]}{cases[:at].count(case) or ''}]" for at, case in enumerate(cases)]


def test_files(clone: Path, commit: str) -> Iterator[tuple[str, str]]:
    """List the test files of a commit with their blobs."""
    for line in git(clone, "ls-tree", "-r", "-z", commit).split("\0"):
        about, _, path = line.partition("\t")
        if TEST_FILE.search(path):
            yield path, about.split(" ")[2]


def commits_of(clone: Path, most: int) -> list[tuple[str, str]]:
    """List the newest first-parent commits that touch test files, with their parents, the oldest first."""
    found = []
    for line in git(clone, "log", "--first-parent", "--format=%H %P", "HEAD").splitlines():
        commit, *parents = line.split()
        if parents and any(TEST_FILE.search(path) for path in changed_files(clone, parents[0], commit)):
            found.append((commit, parents[0]))
        if len(found) == most:
            break
    return found[::-1]


def subject_of(clone: Path, commit: str) -> str:
    """Give the first line of a commit's message."""
    return git(clone, "log", "-1", "--format=%s", commit).strip()


def git(clone: Path, *arguments: str) -> str:
    """Ask git."""
    return subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True).stdout.decode(
        errors="replace"
    )


if __name__ == "__main__":
    main()
