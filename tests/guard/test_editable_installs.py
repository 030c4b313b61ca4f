"""The scratch tree's code is what runs, however the project was installed in editable mode.

Every install here is real: the backend's own hook built it, and Python runs its `.pth` files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import Repository

from .conftest import Guarded, install

LOOK = """\
import importlib, json, os, subprocess, sys
def look(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return f"{type(error).__name__}: {error}"
    return [getattr(module, "VALUE", None), getattr(module, "__file__", None)]
found = {name: look(name) for name in sys.argv[1:]}
guard = sys.modules.get("_pytest_rollback_guard")
found["strays"] = guard.strays() if guard else None
if "--below" not in sys.argv:
    again = [sys.executable, "-c", sys.orig_argv[2], *sys.argv[1:], "--below"]
    below = subprocess.run(again, stdout=subprocess.PIPE, cwd=os.environ["TMPDIR"])
    found["below"] = json.loads(below.stdout)
print(json.dumps(found))
"""

PROJECT = (
    '[build-system]\nrequires = []\nbuild-backend = "{backend}"\n'
    '[project]\nname = "{name}"\nversion = "1"\ndescription = "x"\n'
)


class Install(NamedTuple):
    """One way of installing a project."""

    backend: str
    layout: str = "src"
    options: str = ""
    settings: Mapping[str, str] = {}
    extra: Mapping[str, str] = {}
    programs: tuple[str, ...] = ()


SETUPTOOLS_SRC = '[tool.setuptools.packages.find]\nwhere = ["src"]\n'
MESON = """\
project('{name}', version: '1')
py = import('python').find_installation()
fs = import('fs')
foreach name : ['__init__', 'core', 'moved', 'broken', 'later', '_version']
    if fs.exists('src/{name}' / name + '.py')
        py.install_sources('src/{name}' / name + '.py', subdir: '{name}')
    endif
endforeach
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.15)
project({name} LANGUAGES NONE)
"""

INSTALLS = {
    "setuptools_finder": Install("setuptools.build_meta", "flat", '[tool.setuptools]\npackages = ["{name}"]\n'),
    "setuptools_path": Install("setuptools.build_meta", "src", SETUPTOOLS_SRC),
    "setuptools_compat": Install(
        "setuptools.build_meta", "flat", '[tool.setuptools]\npackages = ["{name}"]\n', {"editable_mode": "compat"}
    ),
    "setuptools_strict": Install("setuptools.build_meta", "src", SETUPTOOLS_SRC, {"editable_mode": "strict"}),
    "setuptools_elsewhere": Install(
        "setuptools.build_meta",
        "lib",
        '[tool.setuptools]\npackages = ["{name}"]\npackage-dir = {{ "{name}" = "lib/python" }}\n',
    ),
    "setuptools_namespace": Install(
        "setuptools.build_meta",
        "namespace",
        '[tool.setuptools]\npackages = ["{name}.inner"]\npackage-dir = {{ "{name}" = "code/{name}" }}\n',
    ),
    "hatchling_src": Install("hatchling.build"),
    "hatchling_flat": Install("hatchling.build", "flat"),
    "hatchling_exact": Install("hatchling.build", "src", "[tool.hatch.build.targets.wheel]\ndev-mode-exact = true\n"),
    "pdm_path": Install("pdm.backend"),
    "pdm_editables": Install("pdm.backend", "src", '[tool.pdm.build]\neditable-backend = "editables"\n'),
    "flit_src": Install("flit_core.buildapi"),
    "flit_flat": Install("flit_core.buildapi", "flat"),
    "uv_src": Install("uv_build"),
    "poetry_src": Install("poetry.core.masonry.api"),
    "poetry_flat": Install("poetry.core.masonry.api", "flat"),
    "meson_src": Install(
        "mesonpy", settings={"build-dir": "build"}, extra={"meson.build": MESON}, programs=("meson", "ninja")
    ),
    "scikit_redirect": Install("scikit_build_core.build", extra={"CMakeLists.txt": CMAKE}, programs=("cmake",)),
}
PLACES = {"src": "src/{name}", "flat": "{name}", "lib": "lib/python", "namespace": "code/{name}/inner"}


@pytest.mark.parametrize("name", INSTALLS)
def test_the_judged_code_runs_and_nothing_else(
    repository: Repository, environment: Path, guarded: Callable[[], Guarded], name: str
) -> None:
    """Each install leads to the work tree, as the unguarded run shows; under the guard none does."""
    way = INSTALLS[name]
    place = PLACES[way.layout].format(name=name)
    module = f"{name}.inner" if way.layout == "namespace" else name
    repository.write(".gitignore", "__pycache__/\n_version.py\nbuild/\n*.egg-info\n*wheels\n")
    repository.write("pyproject.toml", PROJECT.format(backend=way.backend, name=name) + way.options.format(name=name))
    for extra, text in way.extra.items():
        repository.write(extra, text.format(name=name))
    values = {"__init__": "judged", "core": "judged", "broken": "judged", "moved": "judged"}
    for part, value in values.items():
        repository.write(f"{place}/{part}.py", f'"""A module."""\nVALUE = "{value}"\n')
    repository.write("conftest.py", "")
    repository.git("add", "--all")
    # From here on, the work tree is ahead of what is judged.
    for part, text in {
        "core": 'VALUE = "work tree"\n',
        "later": 'VALUE = "later"\n',
        "_version": 'VALUE = "generated"\n',
        "broken": "def\n",
    }.items():
        repository.write(f"{place}/{part}.py", f'"""A module."""\n{text}')
    repository.write("conftest.py", "raise SystemExit('broken')\n")
    (repository.path / place / "moved.py").unlink()
    install(environment, way.backend, repository.path, way.settings)

    scratch = guarded()
    names = [f"{module}{part}" for part in ("", ".core", ".broken", ".moved", "._version", ".later")]
    theirs = scratch.run(LOOK, *names[:2], names[-1], guarded=False)
    assert [theirs[f"{module}.{part}"][0] for part in ("core", "later")] == ["work tree", "later"]

    ours = scratch.run(LOOK, *names)
    top = scratch.scratch.top
    below = ours.pop("below")
    assert ours == {
        **{f"{module}.{part}": ["judged", str(top / place / f"{part}.py")] for part in ("core", "broken", "moved")},
        module: ["judged", str(top / place / "__init__.py")],
        f"{module}._version": ["generated", str(top / place / "_version.py")],
        f"{module}.later": f"ModuleNotFoundError: No module named '{module}.later'",
        "strays": [],
    }
    del below["--below"]
    assert below == ours
    says = f"{place}/later.py is in the work tree and not in what is judged; git add it"
    assert {note["says"] for note in scratch.told("refused")} == {says}
    assert {note["path"] for note in scratch.told("carried")} == {f"{place}/_version.py"}
    assert scratch.told("strays") == scratch.told("failed") == []
