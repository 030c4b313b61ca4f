"""Reading requests, without a server around it."""

import pytest

from chat.frames import RequestError, text_field


def test_unusable_text_is_refused() -> None:
    """What is not a text that can be stored is refused at the door, with the field's name."""
    for value in (None, "", 7, ["ada"], "x" * 201, "\ud800"):
        with pytest.raises(RequestError, match="user"):
            text_field({"user": value}, "user")
