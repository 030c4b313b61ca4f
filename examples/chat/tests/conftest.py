"""What every test gets: an event loop of its own, a time limit and a fresh database file."""

import asyncio
import inspect
from pathlib import Path

import pytest

LIMIT_IN_SECONDS = 8


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine; one that hangs fails at the limit."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), LIMIT_IN_SECONDS))
    return True


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Name a database file that does not exist yet."""
    return tmp_path / "chat.db"
