"""What outlives the process: users, sessions and messages, in one SQLite file."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY, salt BLOB NOT NULL, password_hash BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (
    token_hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users (name)
);
CREATE TABLE IF NOT EXISTS messages (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    user TEXT NOT NULL REFERENCES users (name),
    text TEXT NOT NULL,
    reply TEXT
);
CREATE INDEX IF NOT EXISTS messages_of_user ON messages (user, position);
"""

LATEST = """
SELECT id, text, reply FROM (
    SELECT * FROM messages WHERE user = ? ORDER BY position DESC LIMIT ?
) ORDER BY position
"""


class Message(NamedTuple):
    """A message with the reply it got; no reply if the service stopped before it was written."""

    id: str
    text: str
    reply: str | None


class Store:
    """An open database file. Every write is on disk when its method returns."""

    def __init__(self, path: Path) -> None:
        """Open the file; a new one gets its tables."""
        self._database = sqlite3.connect(path)
        self._database.execute("PRAGMA foreign_keys = ON")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add_user(self, name: str, salt: bytes, password_hash: bytes) -> bool:
        """Add a user; false if the name is taken."""
        with self._database:
            added = self._database.execute("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", (name, salt, password_hash))
        return added.rowcount == 1

    def password_of(self, name: str) -> tuple[bytes, bytes] | None:
        """Give the salt and the password hash of a user."""
        row: tuple[bytes, bytes] | None = self._database.execute(
            "SELECT salt, password_hash FROM users WHERE name = ?", (name,)
        ).fetchone()
        return row

    def add_session(self, token_hash: bytes, user: str) -> None:
        """Remember that a token speaks for a user."""
        with self._database:
            self._database.execute("INSERT INTO sessions VALUES (?, ?)", (token_hash, user))

    def user_of_session(self, token_hash: bytes) -> str | None:
        """Give the user a token speaks for."""
        row: tuple[str] | None = self._database.execute(
            "SELECT user FROM sessions WHERE token_hash = ?", (token_hash,)
        ).fetchone()
        return row[0] if row else None

    def add_message(self, message_id: str, user: str, text: str) -> None:
        """Add a message that has no reply yet."""
        with self._database:
            self._database.execute("INSERT INTO messages (id, user, text) VALUES (?, ?, ?)", (message_id, user, text))

    def set_reply(self, message_id: str, reply: str) -> None:
        """Add the reply to a message."""
        with self._database:
            self._database.execute("UPDATE messages SET reply = ? WHERE id = ?", (reply, message_id))

    def history(self, user: str, limit: int = 100) -> list[Message]:
        """Give the latest messages of a user, oldest first."""
        return [Message(*row) for row in self._database.execute(LATEST, (user, limit))]
