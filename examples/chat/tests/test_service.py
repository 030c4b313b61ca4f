"""The service as it is deployed: a process of its own, started by its command, stopped by SIGTERM."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chat_client import PASSWORD, connected

PROJECT = Path(__file__).parent.parent


@contextmanager
def started(database: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the service; gives the process and its port."""
    command = [sys.executable, "-m", "chat", "--port", "0", "--database", str(database)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            greeting = process.stdout.readline()
            assert greeting.startswith("listening on ws://127.0.0.1:"), process.communicate()[1]
            yield process, int(greeting.rpartition(":")[2])
        finally:
            process.kill()


@pytest.mark.integration
async def test_full_conversation_with_the_started_service(database: Path) -> None:
    """Everything together, as a user meets it: register, log in again, talk, read it all back."""
    with started(database) as (_, port):
        async with connected(port) as first:
            await first.register("ada")
        async with connected(port) as ada:
            await ada.ask("login", user="ada", password=PASSWORD)
            ada.user = "ada"
            replies = [event["text"] for event in await ada.say("hello") if event["event"] == "reply"]
            assert replies == [message["reply"] for message in await ada.history()]
    assert replies == ["1 word received: hello"]


@pytest.mark.integration
async def test_sigterm_ends_the_service_cleanly(database: Path) -> None:
    """A deployment stops the service this way: clients are told, the database is closed, no error."""
    with started(database) as (process, port):
        async with connected(port) as ada:
            await ada.register("ada")
            process.send_signal(signal.SIGTERM)
            await ada.connection.wait_closed()
            assert ada.connection.close_code == 1001
        output, errors = process.communicate(timeout=5)
    assert (process.returncode, output, errors) == (0, "stopped\n", "")
    assert list(database.parent.iterdir()) == [database]
