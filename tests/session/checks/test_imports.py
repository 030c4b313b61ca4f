"""The check `imports`: what does not import is named with its cause, whatever the import does to its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import Repository
from pytest_rollback.policy.rules import Check
from pytest_rollback.repo.child import child_environment
from pytest_rollback.repo.replica import Origin
from pytest_rollback.repo.slots import take_slot
from pytest_rollback.session.checks import imports
from pytest_rollback.session.checks.imported import read_lines
from pytest_rollback.session.checks.outcome import LONGEST_OUTPUT, CheckResult, Place

HOSTILE = {
    "__init__": "",
    "__main__": "raise SystemExit('is run, not imported')",
    "fine": "import json, argparse",
    "naïve_é": "x = 1",
    "0001_initial": "x = 1",
    "not-a-module": "raise ValueError",
    "json": "x = 'shadows one of Python itself'",
    "exits": "import os; os._exit(0)",
    "leaves": "import sys; sys.exit(3)",
    "crashes": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "asks": "input()",
    "interrupts": "raise KeyboardInterrupt",
    "mute": "class Mute(Exception):\n    def __str__(self): raise RuntimeError\nraise Mute",
    "wraps": "try:\n    import no_such_thing\nexcept ImportError as e:\n    raise RuntimeError('install it') from e",
    "syntax": "\ndef (:",
    "prints": "print('early\\n' + 'x' * 10_000_000 + '\\nlate')\nraise ValueError('after\\nprinting')",
    "prints_and_holds": "print('x' * 10_000_000)",
    "thread": "import threading; threading.Thread(target=threading.Event().wait).start()",
    "no_stdout": "import sys; del sys.stdout; del sys.__stdout__",
    "closes": "import os; os.closerange(0, 200)",
    "forks": "import os, time\nif os.fork() == 0:\n    time.sleep(300)",
    "patches": "import os; os._exit = os.write = os.getpid = None",
    "server": "import subprocess as s\nserver = s.Popen(['sleep', '300'], start_new_session=True)\n"
    "open('server', 'w').write(str(server.pid))",
    "breaks_builtins": "import builtins; builtins.len = builtins.max = None\nraise ValueError",
    "clears": "import sys; sys.path.clear(); sys.modules.clear()",
}
CYCLES = {
    "__init__": "",
    "a": "from cycles.b import y\nx = 1",
    "b": "from cycles.a import x\ny = 1",
    "user": "import cycles.a",
    "p": "import cycles.q\nP = 1",
    "q": "import cycles.r",
    "r": "import cycles.p\nZ = cycles.p.P",
    "itself": "from cycles.itself import x",
    "harmless_1": "import cycles.harmless_2",
    "harmless_2": "import cycles.harmless_1",
}


def write(root: Path, package: str, modules: dict[str, str]) -> None:
    """Write a package."""
    for name, text in modules.items():
        path = root.joinpath(*package.split("."), *name.split("/")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", "utf-8")


def check(root: Path, *packages: str, **more: Any) -> CheckResult:
    """Import all modules of some packages."""
    return imports.run(Check(name="imports", kind="imports", packages=packages, **more), Place(root=root))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CheckResult]:
    """Import what does all it can to its process, once for all that is asked of it."""
    root = tmp_path_factory.mktemp("hostile")
    write(root, "hostile", HOSTILE)
    return root, check(root, "hostile")


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("exits", "it ended its process with status 0 while it was imported"),
        ("leaves", "it calls sys.exit(3) when it is imported (at hostile/leaves.py:1)"),
        ("crashes", "its process was ended by SIGSEGV while it was imported"),
        ("asks", "EOFError: EOF when reading a line (at hostile/asks.py:1)"),
        ("interrupts", "KeyboardInterrupt (at hostile/interrupts.py:1)"),
        ("mute", "Mute: (its message can't be had) (at hostile/mute.py:3)"),
        ("wraps", "RuntimeError: install it, caused by ModuleNotFoundError: No module named 'no_such_thing'"),
        ("syntax", "SyntaxError: invalid syntax (syntax.py, line 2) (at hostile/syntax.py:2)"),
        ("prints", "ValueError: after printing (at hostile/prints.py:2)"),
        ("closes", "it ended its process with status 1 while it was imported"),
        ("breaks_builtins", "it ended its process with status 1 while it was imported"),
        ("clears", "KeyError: 'hostile.clears'"),
    ],
)
def test_what_breaks_is_named_with_its_cause(hostile: tuple[Path, CheckResult], module: str, says: str) -> None:
    """On one line, whatever it did."""
    (failure,) = [line for line in hostile[1].failures if line.startswith(f"hostile.{module}: ")]
    assert failure.removeprefix(f"hostile.{module}: ").startswith(says)


def test_what_imports_in_the_end_holds(hostile: tuple[Path, CheckResult]) -> None:
    """A thread that never ends, a fork, a server or a missing stdout is the module's own affair."""
    broken = {line.partition(":")[0].removeprefix("hostile.") for line in hostile[1].failures}
    assert broken.isdisjoint(
        {
            "fine",
            "naïve_é",
            "0001_initial",
            "json",
            "prints_and_holds",
            "thread",
            "no_stdout",
            "forks",
            "patches",
            "server",
        }
    )
    assert broken.isdisjoint({"__main__", "not-a-module"})
    assert len(hostile[1].failures) == 12


def test_nothing_that_an_import_started_is_left(hostile: tuple[Path, CheckResult]) -> None:
    """Where the system tells of environments, not even what left its group."""
    if Path("/proc/self/environ").exists():
        stat = Path("/proc", (hostile[0] / "server").read_text("ascii"), "stat")
        assert not stat.exists() or stat.read_bytes().rpartition(b")")[2].split()[0] == b"Z"


def test_what_a_broken_import_printed_is_kept_and_cut(hostile: tuple[Path, CheckResult]) -> None:
    """With the way to where it broke."""
    output = hostile[1].output
    assert "hostile.prints: ValueError\n  hostile/prints.py:2\nprinted:\nearly\nxxx" in output
    assert "xxx\nlate" in output
    assert len(output) <= LONGEST_OUTPUT


def test_cycles_are_named_as_cycles(tmp_path: Path) -> None:
    """Each once, however many modules it breaks and wherever one comes in; a cycle that works is none of ours."""
    write(tmp_path, "cycles", CYCLES)
    first, itself, three = check(tmp_path, "cycles").failures
    assert first == (
        "cycles.a: import cycle cycles.a -> cycles.b -> cycles.a: cannot import name 'x' (at cycles/b.py:1); "
        "and 2 more for the same reason"
    )
    assert itself.startswith("cycles.itself: import cycle cycles.itself -> cycles.itself: cannot import name 'x'")
    assert three.startswith("cycles.p: import cycle cycles.p -> cycles.q -> cycles.r -> cycles.p: ")
    assert three.endswith(" (at cycles/r.py:2)")


def test_one_cause_of_many_failures_is_said_once(tmp_path: Path) -> None:
    """By the module whose line it is."""
    modules = {f"m{number}": "from shared import core" for number in range(40)}
    write(tmp_path, "shared", {"__init__": "", "core": "\nimport requets", **modules})
    said = "shared.core: ModuleNotFoundError: No module named 'requets' (imported by shared/core.py:2)"
    assert check(tmp_path, "shared").failures == (f"{said}; and 40 more for the same reason",)


def test_the_slowest_module_is_measured_and_what_makes_it_slow(tmp_path: Path) -> None:
    """One number for each package; what a dependency takes is put down to it."""
    write(tmp_path, "dep_slow", {"__init__": "", "inner": "import time; time.sleep(0.5)"})
    write(tmp_path, "app", {"__init__": "", "quick": "", "views": "import app.quick\nimport dep_slow.inner"})
    write(tmp_path, "other", {"__init__": ""})
    result = check(tmp_path, "app", "other", "app.quick", labels=("core",))
    measured = {one.name: one for one in result.measured}
    assert list(measured) == ["import-app", "import-other", "import-app.quick"]
    slow = measured["import-app"]
    assert slow.value > 0.45
    assert (slow.metric, slow.unit, slow.labels) == ("import", "s", ("core",))
    assert slow.detail.startswith("slowest: app.views (")
    assert slow.detail.endswith(" of it in dep_slow)")
    assert result.says.startswith("4 modules of 3 packages import; slowest: app.views (")


def test_an_import_that_hangs_is_named_and_keeps_no_other_waiting(tmp_path: Path) -> None:
    """The time limit is one for all; what could be imported meanwhile was."""
    hang = "import threading; threading.Event().wait()"
    write(tmp_path, "hangs", {"__init__": "", **{f"a{number}": hang for number in range(os.cpu_count() or 1)}, "z": ""})
    result = check(tmp_path, "hangs", limit_s=4.0)
    names = sorted(line.partition(":")[0] for line in result.failures)
    assert names == sorted(f"hangs.a{number}" for number in range(os.cpu_count() or 1))
    assert "still importing when the check's time was up (limit 4 s)" in result.failures[0]
    assert result.measured == ()


def test_what_was_not_tried_is_counted(tmp_path: Path) -> None:
    """A limit that leaves no time for anything passes nothing."""
    write(tmp_path, "app", {"__init__": ""})
    assert check(tmp_path, "app", limit_s=0.0).failures == ("nothing was imported within the limit of 0 ms",)


@pytest.mark.parametrize(
    ("packages", "exclude", "says"),
    [
        ((), (), "packages: none"),
        (("no_such",), (), 'there is no module "no_such" where Python looks'),
        (("app", "app.no_such"), (), 'there is no module "app.no_such"'),
        (("app.a.deeper",), (), 'there is no module "app.a.deeper"'),
        (("app",), ("app*",), '"app" has no module that "exclude" leaves'),
        (("app",), ("*",), "nothing was imported"),
        (("",), (), '"" is no name of a module'),
        (("app/views",), (), '"app/views" is no name'),
        (("app.",), (), '"app." is no name'),
        (("..app",), (), '"..app" is no name'),
        (("a\0b",), (), "is no name"),
        (("my app",), (), '"my app" is no name'),
    ],
)
def test_nothing_to_import_is_a_failure(
    tmp_path: Path, packages: tuple[str, ...], exclude: tuple[str, ...], says: str
) -> None:
    """Each with its remedy."""
    write(tmp_path, "app", {"__init__": "", "a": ""})
    (failure,) = check(tmp_path, *packages, exclude=exclude).failures
    assert says in failure


def test_packages_are_found_as_python_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below `src`, where the session looks there; namespaces, also in packages; modules alone; not what is excluded."""
    write(tmp_path / "src", "space.inner", {"one": "", "data/two": "", "tests/broken": "raise ValueError"})
    write(tmp_path, "regular", {"__init__": "", "bare/three": "", "sub/__init__": "", "sub/four": ""})
    write(tmp_path, "", {"alone": ""})
    (tmp_path / "regular/templates").mkdir()
    (tmp_path / "regular/templates/page.html").write_text("", "ascii")
    assert check(tmp_path, "space").failures != ()
    monkeypatch.syspath_prepend(tmp_path / "src")
    result = check(tmp_path, "space", "regular", "alone", "regular.sub", exclude=("space.inner.tests",))
    assert result.failures == ()
    # one, two; regular, three, sub, four; alone; a folder without `__init__` is none
    assert result.says.startswith("7 modules of 4 packages import")


def test_a_folder_with_no_module_in_it_is_no_package(tmp_path: Path) -> None:
    """Python imports any folder; what a package was moved from may still hold what git ignores."""
    write(tmp_path, "moved", {"views": "", "deep/models": ""})
    assert check(tmp_path, "moved").says.startswith("2 modules of 1 package import")
    subprocess.run([sys.executable, "-c", "import moved.views, moved.deep.models"], cwd=tmp_path, check=True)
    for path in (tmp_path / "moved").rglob("*.py"):
        path.unlink()
    assert any((tmp_path / "moved").iterdir())
    result = check(tmp_path, "moved")
    (failure,) = result.failures
    assert failure.startswith('packages: "moved" names a folder with no module in it; correct the name, or install')
    assert result.measured == ()


def test_a_folder_of_which_all_is_excluded_is_another_matter(tmp_path: Path) -> None:
    """The key at fault is another one."""
    write(tmp_path, "shared", {"views": ""})
    assert '"shared" has no module that "exclude" leaves' in check(tmp_path, "shared", exclude=("*.views",)).failures[0]


def test_an_old_copy_of_the_project_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would import whatever became of the tree since; a copy that is just like the tree is as good."""
    installed = tmp_path / "env" / "site-packages"
    for place in (tmp_path / "root", installed):
        write(place, "oldcopy", {"__init__": "", "views": ""})
    monkeypatch.syspath_prepend(installed)
    assert check(tmp_path / "root", "oldcopy").failures == ()
    write(tmp_path / "root", "oldcopy", {"views": "import no_such"})
    (failure,) = check(tmp_path / "root", "oldcopy").failures
    assert failure.startswith("oldcopy: 1 module imported from elsewhere than the judged tree, and not as there")
    assert failure.endswith("pip install -e .")


def test_a_module_named_like_one_of_python_s_own_is_not_taken_for_it(tmp_path: Path) -> None:
    """What was imported is Python's."""
    write(tmp_path, "", {"colorsys": "raise ValueError", "time": ""})
    for failure in check(tmp_path, "colorsys", "time").failures:
        assert "Python has a module of that name" in failure
    assert len(check(tmp_path, "colorsys", "time").failures) == 2


def test_in_a_scratch_tree_its_own_modules_are_imported(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user has not committed heals nothing there, though the session's path leads to the user's tree."""
    write(repository.path, "app", {"__init__": "", "views": "import app.models", "fine": ""})
    repository.commit()
    write(repository.path, "app", {"models": ""})
    monkeypatch.syspath_prepend(repository.path)
    with take_slot(Origin(top=repository.path, common=repository.path / ".git")) as slot:
        scratch = slot.prepare(tree=repository.git("write-tree").strip(), commit=None, branch="main")
        for name, value in child_environment(scratch, repository.path).items():
            monkeypatch.setenv(name, value)
        result = imports.run(
            Check(name="imports", kind="imports", packages=("app",)), Place(root=scratch.top, top=scratch.top)
        )
    said = "app.views: ModuleNotFoundError: No module named 'app.models' (imported by app/views.py:1)"
    assert result.failures == (said,)


def test_an_import_starts_as_fresh_as_a_python(tmp_path: Path) -> None:
    """What the probe needs for itself, a module must not find loaded: it would cost nothing, or not be its own."""
    code = "import sys; open('{}', 'w').write(' '.join(sys.modules))"
    write(tmp_path, "", {"looks": code.format("there"), "plain": code.format("here")})
    subprocess.run([sys.executable, "plain.py"], cwd=tmp_path, check=True)
    write(tmp_path, "", {"is_main": "import __main__; assert not hasattr(__main__, 'Probe')"})
    assert check(tmp_path, "looks", "is_main").failures == ()
    there, here = ({*(tmp_path / name).read_text("ascii").split()} for name in ("there", "here"))
    assert there - here <= {"looks", "select", "_codecs", "_signal", "__future__"}


def test_what_the_probe_told_is_read_as_far_as_it_goes() -> None:
    """It may be ended in the middle of a line, and others may print among its lines."""
    told = "start\ta\ndone\ta\t0\t\tfound\ta\t/a.py\ta.b\t\nnoise\nplan\n"
    told += "start\ta\ndone\ta\t0\t\tfine\t0.5\nstart\ta.b\ndone\ta.b\t0"
    seen = read_lines(told)
    assert seen.planned
    assert seen.modules == {"a": ["a", "a.b"]}
    assert seen.fine == {"a": 0.5}
    assert list(seen.started) == seen.waiting == ["a.b"]
    assert read_lines("").waiting == []
