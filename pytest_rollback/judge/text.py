"""Makes what anyone may have written harmless to those who read it: people, terminals, runners of jobs, encoders."""

from __future__ import annotations

import re
from enum import Enum
from typing import TypeVar

from msgspec import Struct, structs

Anything = TypeVar("Anything")
# At least two names behind slashes, and nothing before them that would make it part of a URL or of a relative path.
PLACE = re.compile(r"""(?<![\w.:/])(?:/[^\s/:'",;()\[\]<>]+)+/(?=[^\s/:'",;()\[\]<>])""")


def readable(text: str) -> str:
    r"""Spell out what is not printable, so that nothing acts, hides or reorders: `\x1b`, `\n`, `\udcff`, `\u202e`."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def without_places(text: str) -> str:
    """Take the folders of this machine out of a text that travels: `/home/ada/chat/store.py` becomes `store.py`."""
    return PLACE.sub("", text)


def all_readable(value: Anything) -> Anything:
    """Spell out every text in a record, however deep; what is readable already comes back as it is."""
    return _spelled(value)  # type: ignore[return-value]  # each kind comes back as its own kind


def _spelled(value: object) -> object:
    if isinstance(value, str):
        return value if isinstance(value, Enum) else readable(value)
    if isinstance(value, tuple):
        return tuple(map(_spelled, value))
    if isinstance(value, dict):
        return {_spelled(key): _spelled(each) for key, each in value.items()}
    if isinstance(value, Struct):
        was = structs.asdict(value)
        changed = {name: new for name, old in was.items() if (new := _spelled(old)) != old}
        return structs.replace(value, **changed) if changed else value
    return value
