"""Remembers which contents compile with this Python, by their names in git. It is worth nothing but time."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from zlib import crc32

MOST = 50_000
SHA1 = 40


def hash_of(content: bytes, like: str) -> str:
    """Name a content as git does, by the same kind of hash as another name."""
    named = b"blob %d\0" % len(content) + content
    if len(like) == SHA1:
        return hashlib.sha1(named, usedforsecurity=False).hexdigest()
    return hashlib.sha256(named).hexdigest()


class Compiled:
    """The names that are remembered. A file that is damaged, or of another Python, tells nothing."""

    def __init__(self, home: Path | None) -> None:
        version = f"{sys.implementation.cache_tag}-{sys.hexversion:08x}"
        self.path = None if home is None else home / "cache" / f"compiled-{version}"
        self.known: dict[str, None] = {}
        self.asked: dict[str, None] = {}
        self.is_new = False
        if self.path is not None:
            with suppress(OSError):
                self.known = dict.fromkeys(_read(self.path.read_bytes()))

    def __contains__(self, blob: str) -> bool:
        if blob in self.known:
            self.asked[blob] = None
            return True
        return False

    def add(self, blob: str) -> None:
        """Remember one more."""
        self.asked[blob] = None
        self.is_new = True

    def keep(self) -> None:
        """Write the file anew if there is anything new: what was asked for now first, then what was known before."""
        if not self.is_new or self.path is None:
            return
        names = list({**self.asked, **self.known})[:MOST]
        text = "".join(f"{name}\n" for name in names).encode("ascii")
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(prefix=f"{self.path.name}.", dir=self.path.parent)
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(f"{crc32(text):08x}\n".encode("ascii") + text)
                Path(name).replace(self.path)
            except OSError:
                Path(name).unlink(missing_ok=True)


def _read(content: bytes) -> list[str]:
    seal, _, text = content.partition(b"\n")
    return text.decode("ascii").split() if seal == f"{crc32(text):08x}".encode("ascii") else []
