"""Keeps the beginning and the end of what a program prints, however much that is."""

from __future__ import annotations

from pytest_rollback.session.checks.wording import as_written


class Kept:
    """The first and the last bytes of a stream. It never holds more than one and a half times what it was asked to."""

    def __init__(self, most: int) -> None:
        self.half = most // 2
        self.seen = 0
        self._head = bytearray()
        self._tail = bytearray()

    def add(self, data: bytes) -> None:
        """Take what was read."""
        self.seen += len(data)
        room = self.half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * self.half:
            del self._tail[: -self.half]

    @property
    def lost(self) -> int:
        """How many bytes are not kept."""
        return max(self.seen - len(self._head) - self.half, 0)

    def pieces(self) -> tuple[str, ...]:
        """Give the text in one piece, or beginning and end where the middle is lost."""
        if not self.lost:
            return (_text(self._head + self._tail),)
        return _text(self._head), _text(self._tail[len(self._tail) - self.half :])

    def text(self) -> str:
        """Give the text, and say where some of it is missing."""
        return f"\n... {self.lost:,} bytes cut ...\n".join(self.pieces())


def _text(data: bytes | bytearray) -> str:
    return as_written(data.decode("utf-8", "replace"))
