"""What the guard lets through, what it turns, what it refuses, and that Python starts whatever is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo.child import FOLDER, GUARD, child_environment
from pytest_rollback.repo.replica import Origin
from pytest_rollback.repo.slots import take_slot

from .conftest import Guarded, site_of, told

MakeGuarded = Callable[..., Guarded]
IMPORT = """\
import importlib, json, sys
def look(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return str(error)
    return [getattr(module, "VALUE", None), getattr(module, "__file__", None)]
print(json.dumps([look(name) for name in sys.argv[1:]]))
"""


def lead_into(repository: Repository, environment: Path, *folders: str) -> None:
    """Install folders of the work tree, as most backends do: by a `.pth` file."""
    lines = "".join(f"{repository.path / folder}\n" for folder in folders or (".",))
    site_of(environment).joinpath("it.pth").write_text(lines.replace("/.\n", "\n"), "utf-8")


def test_what_was_forgotten_is_refused_in_pythons_own_words(
    repository: Repository, environment: Path, guarded: MakeGuarded
) -> None:
    """A module that was never added passes every test on its author's machine, and on no other."""
    repository.write("src/pkg/__init__.py", "")
    repository.write("src/tracked/__init__.py", "")
    repository.git("add", "--all")
    repository.write("src/pkg/fresh.py", "")
    repository.write("src/whole/__init__.py", "")
    repository.write("src/space/inner.py", "")
    repository.write("src/removed/__pycache__/it.cpython-311.pyc", "")
    (repository.path / "src/linked.py").symlink_to("tracked/__init__.py")
    repository.git("rm", "--quiet", "--cached", "src/tracked/__init__.py")
    lead_into(repository, environment, "src")
    tree = guarded()
    names = ["pkg.fresh", "whole", "space.inner", "removed.it", "tracked", "linked", "nowhere"]
    missing = ["pkg.fresh", "whole", "space", "removed", "tracked", "linked", "nowhere"]
    assert tree.run(IMPORT, *names) == [f"No module named '{name}'" for name in missing]
    rest = "is in the work tree and not in what is judged; git add it"
    places = ["src/pkg/fresh.py", "src/whole/__init__.py", "src/space", "src/tracked/__init__.py", "src/linked.py"]
    assert tree.says("refused") == [f"{path} {rest}" for path in places]


def test_a_question_is_answered_without_an_exception(
    repository: Repository, environment: Path, guarded: MakeGuarded
) -> None:
    """Projects ask whether a module is there; the answer to that is no, and not an error."""
    repository.git("add", "--all")
    repository.write("optional.py", "")
    lead_into(repository, environment)
    assert guarded().run("import importlib.util; print(0 if importlib.util.find_spec('optional') else 1)") == 1


def test_what_is_generated_is_carried_along(repository: Repository, environment: Path, guarded: MakeGuarded) -> None:
    """Without its `_version.py`, its built extension or its generated package nothing of a project runs."""
    repository.write(".gitignore", "_version.py\ngen/\nspread/\n*.so\n")
    repository.write("src/pkg/__init__.py", "from pkg._version import VALUE\n")
    repository.write("src/pkg/fast.py", "VALUE = 'slow'\n")
    repository.git("add", "--all")
    repository.write("src/pkg/_version.py", "VALUE = 'generated'\n")
    repository.write("src/pkg/gen/__init__.py", "VALUE = open(__file__.replace('__init__.py', 'data.txt')).read()\n")
    repository.write("src/pkg/gen/data.txt", "data")
    repository.write("src/spread/part.py", "VALUE = 'part'\n")
    lead_into(repository, environment, "src")
    tree = guarded()
    assert tree.run(IMPORT, "pkg", "pkg.gen", "spread.part", "pkg._version", "pkg.fast") == [
        ["generated", str(tree.scratch.top / "src/pkg/__init__.py")],
        ["data", str(tree.scratch.top / "src/pkg/gen/__init__.py")],
        ["part", str(tree.scratch.top / "src/spread/part.py")],
        ["generated", str(tree.scratch.top / "src/pkg/_version.py")],
        ["slow", str(tree.scratch.top / "src/pkg/fast.py")],
    ]
    assert [note["path"] for note in tree.told("carried")] == [
        "src/pkg/_version.py",
        "src/pkg/gen",
        "src/spread",
        "src/spread/part.py",
    ]
    assert not any(tree.told(kind) for kind in ("refused", "strays", "failed"))


def test_an_extension_that_was_built_in_place_is_carried_along(
    repository: Repository, environment: Path, guarded: MakeGuarded
) -> None:
    """It comes before a module of the same name there, and so it must here; else other code is judged."""
    repository.write(".gitignore", "*.so\n")
    repository.write("pkg/__init__.py", "")
    repository.write("pkg/fast.py", "VALUE = 'slow'\n")
    repository.git("add", "--all")
    look = "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"
    done = subprocess.run([str(environment), "-c", look], capture_output=True, text=True, check=True)
    suffix = done.stdout.strip()
    repository.write(f"pkg/fast{suffix}", "not really one")
    lead_into(repository, environment)
    tree = guarded()
    [said] = tree.run(IMPORT, "pkg.fast")
    assert str(tree.scratch.top / f"pkg/fast{suffix}") in said  # the loader could not load it, and says what
    assert tree.says("carried") == [f"pkg/fast{suffix} is ignored by git and was carried along from the work tree"]


def test_carried_code_is_fresh_for_the_next_session(
    repository: Repository, environment: Path, guarded: MakeGuarded
) -> None:
    """Of equal size and within the same second, byte code of the old one must not run for the new one."""
    repository.write(".gitignore", "_version.py\n")
    repository.write("pkg/__init__.py", "")
    repository.git("add", "--all")
    lead_into(repository, environment)
    for number in range(10):
        repository.write("pkg/_version.py", f"VALUE = {number}\n")
        assert guarded().run(IMPORT, "pkg._version")[0][0] == number


def test_the_next_sitecustomize_runs_too(repository: Repository, guarded: MakeGuarded, tmp_path: Path) -> None:
    """The user's own one may be what makes their tests run; also through a second guard before it."""
    repository.git("add", "--all")
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.CHAINED = __file__\n", "utf-8")
    look = "import json, sys; print(json.dumps([CHAINED, sys.modules['sitecustomize'].__file__]))"
    tree = guarded()
    path = str(tmp_path / "sitecustomize.py")
    assert tree.run(look, PYTHONPATH=str(tmp_path)) == [path, path]
    assert tree.run(look, PYTHONPATH=os.pathsep.join([str(FOLDER), str(tmp_path)])) == [path, path]


def test_an_error_of_the_next_sitecustomize_is_told_as_ever(
    repository: Repository, environment: Path, guarded: MakeGuarded, tmp_path: Path
) -> None:
    """Python itself says so and starts; no traceback of ours stands before it."""
    repository.git("add", "--all")
    (tmp_path / "sitecustomize.py").write_text("1 / 0\n", "utf-8")
    tree = guarded()
    ours = child_environment(tree.scratch, repository.path, {"PYTHONPATH": str(tmp_path)})
    said = []
    for given in (ours, {**ours, "PYTHONPATH": str(tmp_path)}):
        done = subprocess.run([environment, "-c", "print(1)"], env=given, capture_output=True, text=True, check=False)
        said.append((done.returncode, done.stdout, done.stderr))
    assert said[0] == said[1]
    assert "division by zero" in said[0][2]


@pytest.mark.parametrize("content", [None, b"", b"\xff\0garbage", b"a\0b\0c\0d\0e\0", b"/\0/\0/nowhere\0/\0/\0"])
def test_python_starts_where_there_is_nothing_to_guard(
    repository: Repository, environment: Path, guarded: MakeGuarded, tmp_path: Path, content: bytes | None
) -> None:
    """A process may outlive the session that it was started by, and the variable may be anything."""
    repository.git("add", "--all")
    tree = guarded()
    given = tmp_path / "trees"
    if content is not None:
        given.write_bytes(content)
    ours = child_environment(tree.scratch, repository.path)
    look = (
        "import sys; guard = sys.modules['_pytest_rollback_guard']; print(guard.active, guard.strays(), guard.caught())"
    )
    for value in (str(given), "", "nowhere"):
        done = subprocess.run(
            [environment, "-c", look], env={**ours, GUARD: value}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "False [] []\n", "")


def test_a_guard_that_breaks_says_so_and_nothing_else_breaks(
    repository: Repository, environment: Path, guarded: MakeGuarded, tmp_path: Path
) -> None:
    """Whoever reads the verdict has to know that nothing was guarded; the process runs as it would without us."""
    repository.git("add", "--all")
    (tmp_path / "sabotage.py").write_text("import sys\nsys.meta_path = tuple(sys.meta_path)\n", "utf-8")
    site_of(environment).joinpath("sabotage.pth").write_text(f"{tmp_path}\nimport sabotage\n", "utf-8")
    tree = guarded()
    ours = child_environment(tree.scratch, repository.path)
    done = subprocess.run([environment, "-c", "print(1)"], env=ours, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert tree.says("failed") == ["TypeError: 'tuple' object does not support item assignment"]


def test_an_environment_inside_the_repository_is_not_the_repository(
    repository: Repository, guarded: MakeGuarded
) -> None:
    """Most people keep theirs in `.venv` at the top, where it is ignored, and no part of what is judged."""
    repository.write(".gitignore", ".venv/\nthird/\n")
    repository.write("own.py", "VALUE = 'judged'\n")
    repository.git("add", "--all")
    repository.write("own.py", "VALUE = 'work tree'\n")
    inner = repository.path / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(inner)], check=True)
    python = inner / "bin" / "python"
    (site_of(python) / "foreign.py").write_text("VALUE = 'installed'\n", "utf-8")
    lead_into(repository, python)
    # Another way to keep what is installed: `pip install --target`.
    repository.write("third/one.py", "VALUE = 'installed'\n")
    repository.write("third/one-1.dist-info/METADATA", "")
    tree = guarded(python)
    look = IMPORT.replace("print(", "guard = sys.modules['_pytest_rollback_guard']; print(").replace(
        "for name in sys.argv[1:]]", "for name in sys.argv[1:]] + [guard.strays()]"
    )
    third = str(repository.path / "third")
    assert tree.run(look, "foreign", "own", "one", PYTHONPATH=third) == [
        ["installed", str(site_of(python) / "foreign.py")],
        ["judged", str(tree.scratch.top / "own.py")],
        ["installed", str(repository.path / "third/one.py")],
        [],
    ]
    assert not tree.told("carried")


def test_another_repository_inside_the_work_tree_is_not_the_repository(
    repository: Repository, environment: Path, guarded: MakeGuarded
) -> None:
    """A clone that somebody keeps there, or a linked work tree, is installed like anything else."""
    repository.git("add", "--all")
    repository.write("clones/other/lib.py", "VALUE = 'other'\n")
    subprocess.run(["git", "init", "--quiet", str(repository.path / "clones/other")], check=True)
    lead_into(repository, environment, "clones/other")
    path = str(repository.path / "clones/other/lib.py")
    tree = guarded()
    assert tree.run(IMPORT, "lib") == [["other", path]]
    assert not tree.told("strays")


def test_a_link_in_the_environment_leads_into_the_scratch_tree(
    repository: Repository, environment: Path, guarded: MakeGuarded
) -> None:
    """`flit install --symlink` puts no path on record, only a link."""
    repository.write("src/linked/__init__.py", "VALUE = 'judged'\n")
    repository.write("single.py", "VALUE = 'judged'\n")
    repository.git("add", "--all")
    repository.write("src/linked/__init__.py", "VALUE = 'work tree'\n")
    repository.write("src/linked/fresh.py", "")
    repository.write("single.py", "VALUE = 'work tree'\n")
    (site_of(environment) / "linked").symlink_to(repository.path / "src/linked")
    (site_of(environment) / "single.py").symlink_to(repository.path / "single.py")
    tree = guarded()
    assert tree.run(IMPORT, "linked", "single", "linked.fresh") == [
        ["judged", str(tree.scratch.top / "src/linked/__init__.py")],
        ["judged", str(tree.scratch.top / "single.py")],
        "No module named 'linked.fresh'",
    ]
    assert not tree.told("strays")


def test_a_path_that_is_added_later_is_turned_too(repository: Repository, guarded: MakeGuarded, tmp_path: Path) -> None:
    """Many a `conftest.py` has an absolute path in it; and what it adds it may want to remove again."""
    repository.write("helpers/help.py", "VALUE = 'judged'\n")
    repository.git("add", "--all")
    repository.write("helpers/help.py", "VALUE = 'work tree'\n")
    repository.write("helpers/fresh.py", "")
    alias = tmp_path / "alias"
    alias.symlink_to(repository.path)
    tree = guarded()
    for top in (repository.path, alias):
        code = (
            f"import sys; added = {str(top / 'helpers')!r}; sys.path.insert(0, added)\n{IMPORT}sys.path.remove(added)"
        )
        assert tree.run(code, "help", "fresh") == [
            ["judged", str(tree.scratch.top / "helpers/help.py")],
            "No module named 'fresh'",
        ]


def test_a_module_that_was_loaded_by_its_path_is_a_stray(repository: Repository, guarded: MakeGuarded) -> None:
    """No import was asked, so nothing could be turned; it is told, in the process and at its end."""
    repository.write("odd.py", "VALUE = 1\n")
    repository.git("add", "--all")
    (repository.path / "link.py").symlink_to(repository.path / "odd.py")
    repository.git("add", "--all")
    code = """\
import json, sys
from importlib.util import module_from_spec, spec_from_file_location
for name, path in zip(["odd", "link"], sys.argv[1:]):
    sys.modules[name] = module_from_spec(spec_from_file_location(name, path))
print(json.dumps(sys.modules["_pytest_rollback_guard"].strays()))
"""
    tree = guarded()
    paths = [str(repository.path / "odd.py"), str(tree.scratch.top / "link.py")]
    assert tree.run(code, *paths) == [["odd", paths[0]], ["link", paths[1]]]
    assert tree.says("strays") == [
        f"{name} was loaded from the work tree: {path}" for name, path in zip(["odd", "link"], paths, strict=True)
    ]


def test_what_looks_around_in_packages_sees_the_scratch_tree(
    repository: Repository, environment: Path, guarded: MakeGuarded
) -> None:
    """Plugins are found by listing a package, data by its resources, versions by what is installed."""
    repository.write(".gitignore", "*.egg-info\n")
    repository.write("src/pkg/__init__.py", "")
    repository.write("src/pkg/one.py", "")
    repository.write("src/pkg/data.txt", "judged")
    with zipfile.ZipFile(repository.path / "packed.zip", "w") as file:
        file.writestr("packed.py", "VALUE = 'judged'\n")
    repository.git("add", "--all")
    repository.write("src/pkg/two.py", "")
    repository.write("src/pkg/data.txt", "work tree")
    repository.write("src/pkg.egg-info/PKG-INFO", "Name: pkg\nVersion: 7\n")
    with zipfile.ZipFile(repository.path / "packed.zip", "w") as file:
        file.writestr("packed.py", "VALUE = 'work tree'\n")
    lead_into(repository, environment, "src", "packed.zip")
    code = """\
import json, pkgutil, pkg, packed
from importlib import metadata, resources
print(json.dumps([
    [found.name for found in pkgutil.iter_modules(pkg.__path__)],
    [found.name for found in pkgutil.iter_modules() if found.name in ("pkg", "packed")],
    resources.files(pkg).joinpath("data.txt").read_text(),
    metadata.version("pkg"),
    packed.VALUE,
]))
"""
    assert guarded().run(code) == [["one"], ["pkg", "packed"], "judged", "7", "judged"]


def test_scripts_run_by_their_path(repository: Repository, guarded: MakeGuarded) -> None:
    """`runpy` asks path hooks whether a file is more than a script, and takes an answer for a yes."""
    repository.write("script.py", "VALUE = 'judged'\n")
    repository.git("add", "--all")
    repository.write("other.py", "VALUE = 'other'\n")
    code = "import json, runpy, sys; print(json.dumps([runpy.run_path(path)['VALUE'] for path in sys.argv[1:]]))"
    paths = ["script.py", str(repository.path / "other.py")]
    assert guarded().run(code, *paths) == ["judged", "other"]


def test_finders_of_others_keep_their_ways(repository: Repository, environment: Path, guarded: MakeGuarded) -> None:
    """What `.pth` files install is compared, removed and asked for its own things by those who know it."""
    repository.write("own.py", "VALUE = 'judged'\n")
    repository.git("add", "--all")
    repository.write("own.py", "VALUE = 'work tree'\n")
    repository.write("clean.py", "")
    site = site_of(environment)
    (site / "finding.py").write_text(
        f"""\
import sys
from importlib.util import spec_from_file_location
class Finder:
    colour = "red"
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in ("own", "clean"):
            return spec_from_file_location(name, {str(repository.path)!r} + "/" + name + ".py")
        if name == "blocked":
            raise ModuleNotFoundError("blocked", name=name)
sys.meta_path.append(Finder)
""",
        "utf-8",
    )
    (site / "finding.pth").write_text("import finding\n", "utf-8")
    code = """\
import json, sys
from finding import Finder
found = [own.VALUE for own in [__import__("own")]]
for name in ("clean", "blocked"):
    try: __import__(name)
    except ModuleNotFoundError as error: found.append(str(error))
found.append([finder.colour for finder in sys.meta_path if finder == Finder])
found.append(Finder in sys.meta_path)
sys.meta_path.remove(Finder)
found.append(Finder in sys.meta_path)
print(json.dumps(found))
"""
    expected = ["judged", "No module named 'clean'", "blocked", ["red"], True, False]
    assert guarded().run(code) == expected


def test_the_scratch_tree_may_lie_in_the_work_tree(
    repository: Repository, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does where somebody keeps all of their home folder in git; tests' own files lie there too."""
    repository.write("own.py", "VALUE = 'judged'\n")
    repository.git("add", "own.py")
    repository.write("own.py", "VALUE = 'work tree'\n")
    lead_into(repository, environment)
    monkeypatch.setenv("XDG_CACHE_HOME", str(repository.path / "cache"))
    with take_slot(Origin(top=repository.path, common=repository.path / ".git")) as slot:
        scratch = slot.prepare(tree=repository.git("write-tree").strip(), commit=None, branch="main")
        assert scratch.top.is_relative_to(repository.path)
        assert "cache" not in repository.git("status", "--short")
        tree = Guarded(repository, environment, scratch)
        assert tree.run(IMPORT, "own") == [["judged", str(scratch.top / "own.py")]]
        assert not told(scratch, "strays")


def test_a_guarded_session_may_guard_one_of_its_own(
    repository: Repository, environment: Path, guarded: MakeGuarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project whose tests start gates, such as this one, stays guarded below them."""
    repository.write("outer.py", "VALUE = 'judged'\n")
    repository.git("add", "--all")
    repository.write("outer.py", "VALUE = 'work tree'\n")
    repository.write("forgotten.py", "")
    inner = Repository(tmp_path / "inner")
    inner.path.mkdir()
    inner.git("init", "--quiet", "--initial-branch=main")
    inner.write("inner.py", "VALUE = 'judged'\n")
    inner.git("add", "--all")
    inner.write("inner.py", "VALUE = 'work tree'\n")
    lines = f"{repository.path}\n{inner.path}\n"
    site_of(environment).joinpath("it.pth").write_text(lines, "utf-8")
    tree = guarded()
    outside = child_environment(tree.scratch, repository.path)
    for name in ("PYTHONPATH", GUARD):
        monkeypatch.setenv(name, outside[name])
    with take_slot(Origin(top=inner.path, common=inner.path / ".git")) as slot:
        scratch = slot.prepare(tree=inner.git("write-tree").strip(), commit=None, branch="main")
        below = Guarded(inner, environment, scratch)
        assert below.run(IMPORT, "inner", "outer", "forgotten") == [
            ["judged", str(scratch.top / "inner.py")],
            ["judged", str(tree.scratch.top / "outer.py")],
            "No module named 'forgotten'",
        ]
        assert not told(scratch, "refused")
    assert tree.told("refused")


def test_pytest_runs_judged_code_with_rewritten_asserts(repository: Repository, guarded: MakeGuarded) -> None:
    """Its import hook stands before ours, and asks Python's path finder by itself."""
    repository.write("src/pkg/__init__.py", "VALUE = 'judged'\n")
    repository.write("checks/check_it.py", "def check():\n    left = 1\n    assert left == 2\n")
    repository.write(
        "tests/conftest.py",
        f"import sys, pytest\nsys.path[:0] = [{str(repository.path / 'src')!r}, {str(repository.path / 'checks')!r}]\n"
        "pytest.register_assert_rewrite('check_it')\n",
    )
    repository.write(
        "tests/test_it.py",
        "import sys\nimport pkg\nimport pytest\nfrom check_it import check\n"
        "def test_it():\n    assert pkg.VALUE == 'judged'\n"
        "    with pytest.raises(AssertionError, match='assert 1 == 2'):\n        check()\n"
        "    assert sys.modules['_pytest_rollback_guard'].strays() == []\n",
    )
    repository.git("add", "--all")
    for name in ("src/pkg/__init__.py", "checks/check_it.py", "tests/conftest.py", "tests/test_it.py"):
        repository.write(name, "raise SystemExit('the work tree ran')\n")
    tree = guarded()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"],
        cwd=tree.scratch.top,
        env=child_environment(tree.scratch, repository.path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


START = """\
import asyncio, json, os, subprocess, sys
import subprocess as again
look = [sys.executable, "-c", "import own, os; print(own.VALUE, sorted(set(os.environ) & {'MINE', 'PYTHONPATH'}))"]
async def start():
    process = await asyncio.create_subprocess_exec(*look, stdout=subprocess.PIPE, env={"MINE": "1"})
    return (await process.communicate())[0].decode()
ways = [
    lambda: subprocess.check_output(look, text=True),
    lambda: subprocess.check_output(look, text=True, env={}),
    lambda: subprocess.check_output(look, text=True, env={"MINE": "1", "PYTHONPATH": "nowhere"}),
    lambda: subprocess.check_output(f"{look[0]} -c 'import own; print(own.VALUE)'", text=True, env={}, shell=True),
    lambda: asyncio.run(start()),
    lambda: subprocess.check_output(["env"], text=True, env={"MINE": "1"}),
]
found = [way().strip() for way in ways]
del os.environ["PYTHONPATH"]
found.append(subprocess.check_output(look, text=True).strip())
print(json.dumps(found))
"""


def test_a_child_with_an_environment_of_its_own_is_guarded(
    repository: Repository, environment: Path, guarded: MakeGuarded
) -> None:
    """Many tests of a command line start it with a handful of variables, and would follow the install."""
    repository.write("own.py", "VALUE = 'judged'\n")
    repository.git("add", "--all")
    repository.write("own.py", "VALUE = 'work tree'\n")
    lead_into(repository, environment)
    tree = guarded()
    given = "judged ['PYTHONPATH']"
    own = "judged ['MINE', 'PYTHONPATH']"
    assert tree.run(f"import os; os.chdir({str(tree.scratch.temporary)!r})\n{START}") == [
        given,
        given,
        own,
        "judged",
        own,
        "MINE=1",
        given,
    ]


def test_import_hooks_of_others_see_the_judged_code(
    repository: Repository, environment: Path, guarded: MakeGuarded
) -> None:
    """Type checkers at run time put a path hook of their own first, whose loader changes the code."""
    repository.write("own.py", "VALUE = 'judged'\n")
    repository.git("add", "--all")
    repository.write("own.py", "VALUE = 'work tree'\n")
    lead_into(repository, environment)
    code = """\
import sys
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
class Loader(SourceFileLoader):
    def get_data(self, path):
        return super().get_data(path).replace(b"VALUE = '", b"VALUE = 'checked ")
    def path_stats(self, path):
        raise OSError
sys.path_hooks.insert(0, FileFinder.path_hook((Loader, SOURCE_SUFFIXES)))
sys.path_importer_cache.clear()
"""
    tree = guarded()
    path = str(tree.scratch.top / "own.py")
    assert tree.run(code + IMPORT, "own") == [["checked judged", path]]
    sources = str(repository.path)
    assert tree.run(f"{code}sys.path[:] = [{sources!r}, *sys.path[2:]]\n{IMPORT}", "own")[0][0].endswith("judged")
