"""The matrix, for those who have the interpreters: `nox` runs the gate's own tests on each Python and each pytest."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
PYTESTS = ["9.0", "9.1", "9.2"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests on the newest pytest."""
    session.install("--editable", ".[dev]")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS[1])
@nox.parametrize("pytest", PYTESTS)
def pytests(session: nox.Session, pytest: str) -> None:
    """Run what knows pytest from inside on each supported pytest."""
    session.install("--editable", ".[dev]", f"pytest=={pytest}.*")
    session.run("pytest", "tests/session", *session.posargs)
