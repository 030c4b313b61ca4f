"""The store, without a server around it."""

from contextlib import closing
from pathlib import Path

from chat.store import Message, Store


def test_history_gives_the_latest_messages_oldest_first(database: Path) -> None:
    """A long history is cut at its old end, and never mixes users."""
    with closing(Store(database)) as store:
        for user in ("ada", "bob"):
            store.add_user(user, b"salt", b"hash")
            for number in range(5):
                store.add_message(f"{user}-{number}", user, "hello")
        store.set_reply("ada-4", "hi")
        latest = store.history("ada", limit=2)
    assert latest == [Message("ada-3", "hello", None), Message("ada-4", "hello", "hi")]
