"""A client that speaks the protocol over a real socket, as a user's device would."""

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

PASSWORD = "correct horse battery staple"

Event = dict[str, Any]


class Client:
    """One connection to the service."""

    def __init__(self, connection: ClientConnection) -> None:
        """Speak over an open connection."""
        self.connection = connection
        self.user = ""
        self._lines: deque[str] = deque()

    async def receive(self) -> Event:
        """Wait for the next event."""
        while not self._lines:
            self._lines.extend(str(await self.connection.recv()).split("\n"))
        event: Event = json.loads(self._lines.popleft())
        return event

    async def ask(self, request: str, **fields: str) -> Event:
        """Send a request that has one answer, and wait for it."""
        await self.connection.send(json.dumps({"request": request, **fields}))
        return await self.receive()

    async def register(self, user: str) -> str:
        """Register and log in as a new user; gives the token."""
        self.user = user
        return str((await self.ask("register", user=user, password=PASSWORD))["token"])

    async def resume(self, user: str, token: str) -> None:
        """Speak for a user who has a session already."""
        self.user = user
        assert (await self.ask("resume", token=token))["event"] == "session"

    async def send(self, text: str) -> None:
        """Send a message without waiting for its events."""
        await self.connection.send(json.dumps({"request": "send", "text": text}))

    async def events(self) -> list[Event]:
        """Give all events so far: requests are answered in order, so the next answer ends them."""
        await self.connection.send(json.dumps({"request": "history", "user": self.user}))
        events = []
        while (event := await self.receive())["event"] != "history":
            events.append(event)
        return events

    async def say(self, text: str) -> list[Event]:
        """Send a message and give all its events."""
        await self.send(text)
        return await self.events()

    async def history(self) -> list[Event]:
        """Give the user's stored messages."""
        messages: list[Event] = (await self.ask("history", user=self.user))["messages"]
        return messages


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    """Connect to the service for as long as the block runs."""
    async with connect(f"ws://127.0.0.1:{port}") as connection:
        yield Client(connection)
