"""Storage: what was answered can be read back, also after a restart."""

from pathlib import Path

import pytest
from chat_client import connected

from chat.server import serving


@pytest.mark.golden_path("database")
async def test_message_and_reply_are_read_back(database: Path) -> None:
    """The history is what a user sees on opening the client: every message with its reply, in order."""
    async with serving(database) as port, connected(port) as ada:
        await ada.register("ada")
        await ada.say("hello")
        await ada.say("how are you")
        stored = [(message["text"], message["reply"]) for message in await ada.history()]
    assert stored == [("hello", "1 word received: hello"), ("how are you", "3 words received: how are you")]


@pytest.mark.mission_critical("database")
async def test_message_survives_a_restart(database: Path) -> None:
    """A deployment restarts the service: neither messages nor sessions may get lost."""
    async with serving(database) as port, connected(port) as ada:
        token = await ada.register("ada")
        await ada.say("remember this")
        before = await ada.history()
    async with serving(database) as port, connected(port) as ada:
        await ada.resume("ada", token)
        assert await ada.history() == before
    assert [message["text"] for message in before] == ["remember this"]
