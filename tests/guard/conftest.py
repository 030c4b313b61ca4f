"""What the tests of the guard share: a real environment, and projects that are installed into it as people do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from conftest import Repository
from pytest_rollback.repo.child import GUARD, child_environment
from pytest_rollback.repo.replica import Origin
from pytest_rollback.repo.scratch import Scratch
from pytest_rollback.repo.slots import take_slot
from pytest_rollback.repo.sweep import remove

# A backend's programs lie beside the Python that it was installed for.
SEARCH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
BUILD = """\
import json, sys
from importlib import import_module
print("WHEEL", import_module(sys.argv[1]).build_editable(sys.argv[2], json.loads(sys.argv[3])))
"""


class Guarded:
    """A repository whose scratch tree stands ready, and processes that run in it."""

    def __init__(self, repository: Repository, python: Path, scratch: Scratch) -> None:
        self.repository = repository
        self.python = python
        self.scratch = scratch

    def run(self, code: str, *arguments: str, guarded: bool = True, **extra: str) -> Any:
        """Run code that prints JSON, at the top of the scratch tree; unguarded, in a folder with nothing in it."""
        environment = child_environment(self.scratch, self.repository.path, extra)
        if not guarded:
            del environment["PYTHONPATH"], environment[GUARD]
        done = subprocess.run(
            [str(self.python), "-c", code, *arguments],
            cwd=self.scratch.top if guarded else self.scratch.temporary,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr, done.stderr
        return json.loads(done.stdout)

    def told(self, kind: str) -> list[dict[str, str]]:
        """Read what guarded processes have written down."""
        return told(self.scratch, kind)

    def says(self, kind: str) -> list[str]:
        """Read it as it is said to people, each thing once."""
        return list(dict.fromkeys(note["says"] for note in self.told(kind)))


def told(scratch: Scratch, kind: str) -> list[dict[str, str]]:
    """Read what the guarded processes of a scratch tree have written down: refused, carried, strays, failed."""
    path = scratch.control / kind
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a virtual environment with nothing in it but what some installs lean on; gives its Python."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
    python = folder / "bin" / "python"
    found = find_spec("editables")
    if found and found.origin:
        shutil.copytree(Path(found.origin).parent, site_of(python) / "editables")
    return python


def site_of(python: Path) -> Path:
    """Give the folder where an environment keeps what is installed."""
    return Path(sysconfig.get_path("purelib", "posix_prefix", vars={"base": str(python.parents[1])}))


def install(python: Path, backend: str, folder: Path, settings: Mapping[str, str] | None = None) -> None:
    """Install a project in editable mode: its backend's own hook makes the wheel, which is unpacked as pip does."""
    wheels = folder.parent / f"{folder.name} wheels"
    wheels.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, backend, str(wheels), json.dumps(settings or {})],
        cwd=folder,
        env={**os.environ, "PATH": SEARCH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    name = done.stdout.rpartition("WHEEL ")[2].strip()
    with zipfile.ZipFile(wheels / name) as wheel:
        wheel.extractall(site_of(python))


@pytest.fixture
def guarded(repository: Repository, environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a function that makes a scratch tree of the index of the repository."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    origin = Origin(top=repository.path, common=repository.path / ".git")
    with take_slot(origin) as slot:

        def make(python: Path = environment) -> Guarded:
            scratch = slot.prepare(tree=repository.git("write-tree").strip(), commit=None, branch="main")
            return Guarded(repository, python, scratch)

        yield make
    for path in site_of(environment).iterdir():
        if path.name != "editables":
            remove(path)
