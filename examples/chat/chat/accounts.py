"""Who is who: registration, passwords and session tokens."""

import asyncio
import hashlib
import hmac
import secrets

from chat.frames import RequestError
from chat.store import Store

NOBODY = (bytes(16), b"")


def hash_password(password: str, salt: bytes) -> bytes:
    """Hash a password, slowly on purpose."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


def hash_token(token: str) -> bytes:
    """Hash a session token, so that the database alone opens no session."""
    return hashlib.sha256(token.encode()).digest()


class Accounts:
    """The users of a store. Passwords are hashed in a thread: other users do not wait for it."""

    def __init__(self, store: Store) -> None:
        """Keep the users in `store`."""
        self._store = store

    async def register(self, user: str, password: str) -> str:
        """Add a user and open a session; gives its token."""
        salt = secrets.token_bytes(16)
        password_hash = await asyncio.to_thread(hash_password, password, salt)
        if not self._store.add_user(user, salt, password_hash):
            raise RequestError("this name is taken")
        return self._open_session(user)

    async def login(self, user: str, password: str) -> str:
        """Open a session; gives its token. An unknown name takes as long as a wrong password."""
        salt, expected = self._store.password_of(user) or NOBODY
        given = await asyncio.to_thread(hash_password, password, salt)
        if not hmac.compare_digest(given, expected):
            raise RequestError("wrong name or password")
        return self._open_session(user)

    def user_of(self, token: str) -> str:
        """Give the user whose session a token opens."""
        user = self._store.user_of_session(hash_token(token))
        if user is None:
            raise RequestError("unknown token")
        return user

    def _open_session(self, user: str) -> str:
        token = secrets.token_urlsafe(32)
        self._store.add_session(hash_token(token), user)
        return token
