"""Keeps a session that judges from ending with 0 behind the gate's back.

`os._exit(0)` in a test or a plugin ends the process at once, and to whoever reads the status that looks like a pass.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

import pytest

from pytest_rollback.judge.status import INCONCLUSIVE, PASSED

EXITS = pytest.StashKey["Exits"]()


class Exits:
    """Stands before `os._exit` while a gate runs. Children that were forked end as they please."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.status = INCONCLUSIVE
        self.real: Callable[[int], NoReturn] = os._exit

    @classmethod
    def guard(cls, config: pytest.Config) -> None:
        """Begin, before anything of the project runs: from now on only a verdict that passed makes a 0."""
        exits = config.stash[EXITS] = cls()
        os._exit = exits._end

    def release(self) -> None:
        """Give `os._exit` back."""
        if os._exit == self._end:
            os._exit = self.real  # type: ignore[assignment]  # mypy misses the parameter's name in a callable

    def is_ours(self) -> bool:
        """Whether this is the process that was asked to judge, and no child that a test forked and forgot."""
        return os.getpid() == self.pid

    def _end(self, status: int) -> NoReturn:
        ours = status == PASSED and os.getpid() == self.pid
        self.real(self.status if ours else status)
