"""Who is connected: which user each open connection speaks for."""

from websockets.asyncio.server import ServerConnection, broadcast

from chat.frames import RequestError


class Hub:
    """The open connections. A user may have several; all of them get the user's events."""

    def __init__(self) -> None:
        """Start with no connections."""
        self._users: dict[ServerConnection, str] = {}

    def join(self, connection: ServerConnection, user: str) -> None:
        """Let a connection speak for a user from now on."""
        self._users[connection] = user

    def leave(self, connection: ServerConnection) -> None:
        """Forget a connection."""
        self._users.pop(connection, None)

    def user_of(self, connection: ServerConnection) -> str:
        """Give the user a connection speaks for."""
        try:
            return self._users[connection]
        except KeyError:
            raise RequestError("log in first") from None

    def publish(self, user: str, frame: str) -> None:
        """Send a frame to every connection of a user, without waiting for slow ones."""
        broadcast([connection for connection, owner in self._users.items() if owner == user], frame)
