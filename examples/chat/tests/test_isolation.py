"""Isolation: a user gets own events and own messages, never those of another user."""

import asyncio
from pathlib import Path

import pytest
from chat_client import Client, connected

from chat.server import serving


async def messages_seen_by(*devices: Client) -> list[set[str]]:
    """Tell which messages each device got events of; the second look finds what came late."""
    first = [await device.events() for device in devices]
    second = [await device.events() for device in devices]
    return [{event["message"] for event in early + late} for early, late in zip(first, second, strict=True)]


@pytest.mark.isolation("chat")
async def test_two_users_never_see_each_others_events(database: Path) -> None:
    """Two users talk at once, one on two devices: each device gets events of its own user only."""
    async with (
        serving(database) as port,
        connected(port) as ada,
        connected(port) as tablet_of_ada,
        connected(port) as bob,
    ):
        await tablet_of_ada.resume("ada", await ada.register("ada"))
        await bob.register("bob")
        await asyncio.gather(ada.send("secret of ada"), bob.send("secret of bob"))
        seen = await messages_seen_by(ada, tablet_of_ada, bob)
        (message_of_ada,), (message_of_bob,) = await ada.history(), await bob.history()
    assert seen == [{message_of_ada["id"]}, {message_of_ada["id"]}, {message_of_bob["id"]}]


@pytest.mark.isolation("database")
async def test_history_of_another_user_is_refused(database: Path) -> None:
    """Whoever is logged in may read one history: the own one."""
    async with serving(database) as port, connected(port) as ada, connected(port) as bob:
        await ada.register("ada")
        await bob.register("bob")
        await ada.say("secret of ada")
        refused = {"event": "error", "reason": "this history belongs to another user"}
        assert await bob.ask("history", user="ada") == refused
        assert await bob.history() == []


@pytest.mark.isolation("authentication")
async def test_token_of_one_user_does_not_open_the_others_history(database: Path) -> None:
    """A token is bound to its user: on a fresh connection, too, it opens that user's history only."""
    async with serving(database) as port:
        async with connected(port) as ada, connected(port) as bob:
            await ada.register("ada")
            await ada.say("secret of ada")
            token_of_bob = await bob.register("bob")
        async with connected(port) as device:
            await device.resume("bob", token_of_bob)
            assert (await device.ask("history", user="ada"))["event"] == "error"
            assert (await device.ask("history", user="bob"))["messages"] == []
