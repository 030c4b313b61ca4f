"""The conversation: five events for every message, in order, whatever else arrives."""

import asyncio
from contextlib import AsyncExitStack
from itertools import groupby
from pathlib import Path

import pytest
from chat_client import Client, Event, connected

from chat.server import LONGEST_MESSAGE, serving

BROKEN_FRAMES = ("{not json", "[1, 2]", "[" * 20_000, b"\xff\xfe\xfd", '{"request": 1}', '{"request": "?"}')


@pytest.mark.golden_path("chat")
async def test_five_events(database: Path) -> None:
    """Clients draw the progress of a message from these events: each one comes, once, in order."""
    async with serving(database) as port, connected(port) as ada:
        await ada.register("ada")
        events = await ada.say("hello")
    assert len(events) == 5, f"{len(events)} events, expected 5"
    assert [event["event"] for event in events] == ["accepted", "stored", "thinking", "reply", "done"]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5]
    assert len({event["message"] for event in events}) == 1
    assert events[3]["text"] == "1 word received: hello"


async def say_eight(device: Client) -> list[Event]:
    """Send eight messages without waiting in between; give the events until the last one is answered."""
    for number in range(8):
        await device.send(f"message {number}")
    return await device.events()


@pytest.mark.mission_critical("chat")
async def test_concurrent_senders_keep_order(database: Path) -> None:
    """Three devices of a user send at once: every device sees message after message, none mixed."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(database))
        devices = [await stack.enter_async_context(connected(port)) for _ in range(3)]
        token = await devices[0].register("ada")
        for device in devices[1:]:
            await device.resume("ada", token)
        early = await asyncio.gather(*map(say_eight, devices))
        late = [await device.events() for device in devices]
        stored = [message["id"] for message in await devices[0].history()]
    assert len(stored) == 24
    for events in map(list.__add__, early, late):
        parts = [(message, list(part)) for message, part in groupby(events, lambda event: event["message"])]
        assert [message for message, _ in parts] == stored
        for _, part in parts:
            assert part == sorted(part, key=lambda event: event["sequence"])


@pytest.mark.mission_critical("chat")
async def test_malformed_frame_is_answered_and_the_connection_goes_on(database: Path) -> None:
    """One broken client request must not cost the user the connection."""
    async with serving(database) as port, connected(port) as ada:
        await ada.register("ada")
        for frame in BROKEN_FRAMES:
            await ada.connection.send(frame)
            assert (await ada.receive())["event"] == "error"
        assert await ada.say("still here")


@pytest.mark.mission_critical("chat")
async def test_overlong_message_is_refused(database: Path) -> None:
    """The longest message passes; one character more is refused and not stored."""
    async with serving(database) as port, connected(port) as ada:
        await ada.register("ada")
        assert (await ada.say("x" * LONGEST_MESSAGE))[0]["event"] == "accepted"
        (refused,) = await ada.say("x" * (LONGEST_MESSAGE + 1))
        assert refused == {"event": "error", "reason": "text is longer than 2000 characters"}
        assert len(await ada.history()) == 1
