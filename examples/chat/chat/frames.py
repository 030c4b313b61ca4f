"""The requests that clients send: one JSON object per frame."""

import json

Request = dict[str, object]


class RequestError(Exception):
    """A request that is refused; its message is the reason that the client is told."""


def parse(frame: str | bytes) -> Request:
    """Read the request in a frame."""
    try:
        request = json.loads(frame)
    except (ValueError, RecursionError):
        raise RequestError("the frame is not JSON") from None
    if not isinstance(request, dict):
        raise RequestError("the frame is not a JSON object")
    return request


def text_field(request: Request, name: str, limit: int = 200) -> str:
    """Take the text called `name` out of a request: not empty, not longer than `limit` characters."""
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise RequestError(f"{name} is missing")
    if len(value) > limit:
        raise RequestError(f"{name} is longer than {limit} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RequestError(f"{name} is not valid Unicode") from None
    return value
