"""The five events of a message: what the service does with it, told step by step."""

import json
import uuid
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from chat.store import Store


class Event(NamedTuple):
    """One step of one message."""

    name: str
    message: str
    sequence: int
    text: str = ""

    def line(self) -> str:
        """Write the event as one line of JSON."""
        return json.dumps({"event": self.name, "message": self.message, "sequence": self.sequence, "text": self.text})


def reply_to(text: str) -> str:
    """Find the reply to a message."""
    words = len(text.split())
    return f"{words} {'word' if words == 1 else 'words'} received: {text}"


def conversation(store: Store, user: str, text: str) -> Iterator[Event]:
    """Store a message, reply to it, and give each of the five events as soon as it is true."""
    message, sequence = uuid.uuid4().hex, count(1)
    yield Event("accepted", message, next(sequence))
    store.add_message(message, user, text)
    yield Event("stored", message, next(sequence))
    yield Event("thinking", message, next(sequence))
    reply = reply_to(text)
    store.set_reply(message, reply)
    yield Event("reply", message, next(sequence), reply)
    yield Event("done", message, next(sequence))


def frames(events: Iterator[Event]) -> Iterator[str]:
    """Pack the events into the frames that are sent, in their order."""
    return (event.line() for event in events)
