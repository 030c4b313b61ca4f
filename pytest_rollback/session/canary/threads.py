"""Plays rounds in threads, one for each user, which run line by line in an order that the seed decides."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from pytest_rollback.session.canary.beside import Beside, Work
from pytest_rollback.session.canary.marker import Canary, name_of
from pytest_rollback.session.canary.paces import INSIDE_LINES, Spot, pace_of
from pytest_rollback.session.canary.rounds import (
    Asked,
    ScenarioError,
    StuckError,
    file_of,
    refuse_awaitable,
)
from pytest_rollback.session.canary.tracing import Places, Tracing, place_of
from pytest_rollback.session.canary.turns import EndedError, Turns
from pytest_rollback.session.canary.workers import Worker


class Threads:
    """The threads of one run. From round to round they serve other users, as the threads of a pool do."""

    def __init__(self, asked: Asked, root: Path) -> None:
        self.asked = asked
        self.has_interleaved = False
        self.places = Places(root, file_of(asked.scenario))
        self._steps: dict[bool, int] = {}
        self._workers = [Worker(number) for number in range(len(asked.users))]
        self.missed: set[str] = set()

    def play(self, number: int, canaries: Sequence[Canary]) -> list[object]:
        """Run the scenario of all users at once, and give what each returned."""
        rng = Random(f"{self.asked.seed}/{number}")  # noqa: S311 - it is to be repeated
        pace = pace_of(number, rng, self._steps)
        played = _Round(self, Turns(len(canaries), rng, pace), canaries)
        workers = rng.sample(self._workers, len(self._workers))
        with Beside(played.serve, self.places, (worker.ident for worker in workers)) as beside:
            for turn, worker in enumerate(workers):
                worker.give(lambda turn=turn: played.take_part(turn))  # type: ignore[misc]
            played.wait()
            self.missed.update(beside.missed())
        self._steps[pace.inside_lines] = played.turns.steps
        self.has_interleaved |= played.turns.switches > 0
        self.places.widen()
        return played.results

    def close(self) -> None:
        """End all threads."""
        for worker in self._workers:
            worker.end()


class _Round:
    def __init__(self, team: Threads, turns: Turns, canaries: Sequence[Canary]) -> None:
        self.team = team
        self.turns = turns
        self.canaries = canaries
        self.results: list[object] = [None] * len(canaries)
        self.errors: list[tuple[int, BaseException]] = []
        self.inside = INSIDE_LINES // len(canaries) if turns.pace.inside_lines else 0

    def take_part(self, turn: int) -> None:
        """Run one user's scenario; called in its thread."""
        canary = self.canaries[turn]
        tracing = Tracing(
            lambda spot: self.turns.step(turn, spot),
            self.team.places,
            inside=self.inside,
        )
        try:
            self.turns.begin(turn)
            with tracing:
                self.results[turn] = self._call(canary)
        except EndedError:
            pass
        except BaseException as error:  # noqa: BLE001 - pytest's own skip and fail are no Exceptions
            self.errors.append((turn, error))
            self.turns.stop()
        finally:
            self.turns.end(turn)

    def serve(self, work: Work) -> object:
        """Do what a scenario has handed to another thread, taking turns where it comes to the project's code."""
        numbers: list[int] = []
        ident = threading.get_ident()

        def step(spot: Spot) -> None:
            if threading.get_ident() != ident or self.turns.is_free:
                return
            if not numbers:
                numbers.append(self.turns.join())
            self.turns.step(numbers[0], spot)

        try:
            with Tracing(step, self.team.places, inside=self.inside):
                return work()
        finally:
            if numbers:
                self.turns.leave(numbers[0])

    def _call(self, canary: Canary) -> object:
        asked = self.team.asked
        if asked.is_async:
            return asyncio.run(asked.scenario(canary.user, canary))
        return refuse_awaitable(asked.scenario(canary.user, canary))

    def wait(self) -> None:
        """Wait for all to end, and fail where one failed, or where time is up."""
        try:
            left = self.turns.wait(time.monotonic() + self.team.asked.limit)
        except BaseException:
            self.turns.stop()
            raise
        if not left and not self.errors:
            self.turns.set_free()
        where = {turn: place_of(self.turns.idents[turn][0]) for turn in left}
        if left:
            self.turns.stop()
            self.turns.wait(math.inf)
        if self.errors:
            turn, error = self.errors[0]
            raise ScenarioError(self.canaries[turn].user, error)
        if left:
            names = ", ".join(f"{name_of(self.canaries[turn].user)}{where[turn]}" for turn in left)
            msg = f"not ended within {self.team.asked.limit:g} s: {names}"
            raise StuckError(msg)
