"""What the tests of git's hook share: an interpreter that stands in, and a person who commits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Repository

Commit = Callable[..., tuple[int, str]]


@pytest.fixture
def stand_in(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have an interpreter stand in that says how it was called, reports `$VERDICT` and ends with `$STATUS`."""
    path = repository.path / '.git/it\'s a "grün" $HOME/python'
    path.parent.mkdir()
    path.write_text(
        '#!/bin/sh\necho "ran $1 $2 $3 $4 in $PWD with $GIT_INDEX_FILE"\n'
        'printf \'{\\n  %s\\n}\\n\' "${VERDICT-\\"verdict\\": \\"passed\\"}" >"${5#--gate-report=}"\n'
        'exit "${STATUS-0}"\n',
        "utf-8",
    )
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    return path


@pytest.fixture
def commit(git_identity: Path) -> Commit:
    """Commit in a folder as a person does; gives the status, and what git and the hook said."""
    assert git_identity.exists()

    def run(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
        done = subprocess.run(
            ["git", "commit", "--allow-empty", "-m", "change", *arguments],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run
