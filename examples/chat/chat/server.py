"""The WebSocket server: takes requests, answers each one, in the order in which they came."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from chat.accounts import Accounts
from chat.events import conversation, frames
from chat.frames import Request, RequestError, parse, text_field
from chat.hub import Hub
from chat.store import Store

LONGEST_MESSAGE = 2_000
LARGEST_FRAME = 64 * 1024


class Service:
    """One running service on one store."""

    def __init__(self, store: Store) -> None:
        """Serve what is in `store`."""
        self._store = store
        self._accounts = Accounts(store)
        self._hub = Hub()

    async def handle(self, connection: ServerConnection) -> None:
        """Answer the requests of one connection until it closes."""
        try:
            with suppress(ConnectionClosed):
                async for frame in connection:
                    await self._answer(connection, frame)
        finally:
            self._hub.leave(connection)

    async def _answer(self, connection: ServerConnection, frame: str | bytes) -> None:
        try:
            request = parse(frame)
            match text_field(request, "request"):
                case "register" | "login" | "resume" as way:
                    await self._enter(connection, way, request)
                case "send":
                    self._send(connection, request)
                case "history":
                    await self._history(connection, request)
                case _:
                    raise RequestError("unknown request")
        except RequestError as error:
            await connection.send(json.dumps({"event": "error", "reason": str(error)}))

    async def _enter(self, connection: ServerConnection, way: str, request: Request) -> None:
        if way == "resume":
            token = text_field(request, "token")
        else:
            user, password = text_field(request, "user"), text_field(request, "password")
            enter = self._accounts.register if way == "register" else self._accounts.login
            token = await enter(user, password)
        self._hub.join(connection, self._accounts.user_of(token))
        await connection.send(json.dumps({"event": "session", "token": token}))

    def _send(self, connection: ServerConnection, request: Request) -> None:
        user = self._hub.user_of(connection)
        text = text_field(request, "text", limit=LONGEST_MESSAGE)
        for frame in frames(conversation(self._store, user, text)):
            self._hub.publish(user, frame)

    async def _history(self, connection: ServerConnection, request: Request) -> None:
        user = text_field(request, "user")
        if user != self._hub.user_of(connection):
            raise RequestError("this history belongs to another user")
        messages = [message._asdict() for message in self._store.history(user)]
        await connection.send(json.dumps({"event": "history", "messages": messages}))


@asynccontextmanager
async def serving(database: Path, port: int = 0) -> AsyncIterator[int]:
    """Run the service on the loopback address; gives its port, a free one if `port` is 0."""
    with closing(Store(database)) as store:
        async with serve(Service(store).handle, "127.0.0.1", port, max_size=LARGEST_FRAME) as server:
            yield next(iter(server.sockets)).getsockname()[1]
