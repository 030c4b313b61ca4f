"""What the tests of `init` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.cli import main

Init = Callable[..., tuple[int, str]]


@pytest.fixture
def init(capsys: pytest.CaptureFixture[str], repository: Repository) -> Init:
    """Run `init` in the repository's folder; gives the status and all that was said."""
    assert repository.path == Path.cwd()

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["init", *arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run
