"""The events, without a server around them."""

from contextlib import closing
from pathlib import Path

from chat.events import Event, conversation
from chat.store import Store


def test_events_are_numbered_without_gaps(database: Path) -> None:
    """Clients find a lost event by its number, so the numbers of one message run 1, 2, 3 and on."""
    with closing(Store(database)) as store:
        store.add_user("ada", b"salt", b"hash")
        events = list(conversation(store, "ada", "hello"))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert {event.message for event in events} == {events[0].message}


def test_event_is_one_line_whatever_its_text() -> None:
    """Frames are cut at line ends: a line end in a user's text must not cut an event in two."""
    text = "one\ntwo\r\nthree\u2028four"
    assert Event("reply", "m1", 4, text).line().splitlines() == [
        '{"event": "reply", "message": "m1", "sequence": 4, "text": "one\\ntwo\\r\\nthree\\u2028four"}'
    ]
