"""How a gate is cut into parts. Every machine cuts in the same way, so each part can be held to its share later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from msgspec import Struct

MOST = 1000


class Shard(Struct, frozen=True):
    """One part of several: `2/4`."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def takes(self, tests: Iterable[str]) -> set[str]:
        """Choose this part's tests: dealt out by name, so neither order nor machine matters."""
        return set(self.share(sorted(tests)))

    def share(self, dealt: Sequence[str]) -> Sequence[str]:
        """Choose this part's tests out of a list that is in the order of dealing already."""
        return dealt[self.number - 1 :: self.of]

    def is_sound(self) -> bool:
        """Whether there can be such a part."""
        return 1 <= self.number <= self.of <= MOST


def name_of_whole(dealt: Sequence[str]) -> str:
    """Name the tests of all parts together, in the order of dealing: parts of different collections are told apart."""
    return hashlib.sha256("\n".join(dealt).encode("utf-8", "backslashreplace")).hexdigest()
