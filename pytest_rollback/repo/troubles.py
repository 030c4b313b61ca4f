"""What can be wrong with a scratch tree."""

from __future__ import annotations

from msgspec import Struct


class Trouble(Struct, frozen=True, kw_only=True):
    """One thing that a scratch tree has not, or has otherwise.

    Its kind is `submodule`, `lfs`, `filter`, `objects`, `disk` or `git`.
    """

    kind: str
    detail: str


class ScratchError(Exception):
    """There is no scratch tree in which a judgement would be right; says why, and what to do."""

    def __init__(self, troubles: tuple[Trouble, ...]) -> None:
        super().__init__("; ".join(trouble.detail for trouble in troubles))
        self.troubles = troubles
