"""Plays rounds as tasks of one event loop, which puts off their steps as the seed decides.

Tasks switch only where they wait. A stand-in for a database that never waits hides what the database would show: give
it an `await asyncio.sleep(0)`. What they do in other threads runs as it likes.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from typing import Any

from pytest_rollback.session.canary.beside import Beside, Noting
from pytest_rollback.session.canary.marker import Canary, CanaryError, name_of
from pytest_rollback.session.canary.rounds import Asked, ScenarioError, StuckError, file_of
from pytest_rollback.session.canary.tracing import Places, place_in, place_of
from pytest_rollback.session.canary.turns import GRACE
from pytest_rollback.session.canary.workers import Worker

LAZY = ((0.0,), (0.5,), (0.0, 0.5, 0.9), (0.2, 0.8))  # by round: in turn, at random, some slower than others


class Tasks:
    """The loops of one run, one for each round, in a thread of their own: one may be running in the test's."""

    def __init__(self, asked: Asked, root: Path) -> None:
        self.asked = asked
        self.has_interleaved = False
        self.missed: set[str] = set()
        self._places = Places(root, file_of(asked.scenario))
        self._worker = Worker(0)

    def play(self, number: int, canaries: Sequence[Canary]) -> list[object]:
        """Run the scenario of all users at once, and give what each returned."""
        rng = Random(f"{self.asked.seed}/{number}")  # noqa: S311 - it is to be repeated
        played = _Round(self.asked, canaries, rng, LAZY[(number - 1) % len(LAZY)])
        context = contextvars.copy_context()
        noting = Noting(self._places)
        with Beside(noting.serve, self._places, [self._worker.ident]) as beside:
            self._worker.give(lambda: context.run(played.run))
            results = played.wait(self._worker)
            self.missed.update(beside.missed())
        if noting.has_met:
            self.missed.add(OTHER_THREADS)
        self.has_interleaved |= played.has_waited
        return results

    def close(self) -> None:
        """End the thread."""
        self._worker.end()


OTHER_THREADS = "threads that the scenario hands work to (kind='threads' gives them turns)"


class Ready(deque[Any]):
    """The callbacks that a loop has to call next.

    The steps of tasks may be put off; all else keeps its order, which asyncio promises.
    """

    def __init__(self, rng: Random, lazy: Sequence[float]) -> None:
        super().__init__()
        self.rng = rng
        self.lazy = lazy
        self.laziness: dict[Any, float] = {}
        self.steps: dict[Any, int] = defaultdict(int)

    def popleft(self) -> Any:
        """Take the next callback that is not put off."""
        for _ in range(len(self) - 1):
            handle = super().popleft()
            task = _task_of(handle)
            if task is None or not self._puts_off(task):
                return self._counted(handle)
            self.append(handle)
        return self._counted(super().popleft())

    def _puts_off(self, task: Any) -> bool:
        if task not in self.laziness:
            self.laziness[task] = self.rng.choice(self.lazy)
        return self.rng.random() < self.laziness[task]

    def _counted(self, handle: Any) -> Any:
        task = _task_of(handle)
        if task is not None:
            self.steps[task] += 1
        return handle


def _task_of(handle: Any) -> Any:
    """Give the task whose step a callback is."""
    task = getattr(handle._callback, "__self__", None)  # noqa: SLF001 - checked when the loop is made
    return task if isinstance(task, asyncio.Task) else None


class SeededLoop(asyncio.SelectorEventLoop):
    """An event loop that calls what is ready in an order that a seed decides."""

    def __init__(self, ready: Ready) -> None:
        super().__init__()
        if type(getattr(self, "_ready", None)) is not deque or not hasattr(asyncio.Handle, "_callback"):
            self.close()
            msg = "the event loop of this Python can't be interleaved; run the scenario with kind='threads'"
            raise CanaryError(msg)
        self._ready = ready


class _Round:
    def __init__(self, asked: Asked, canaries: Sequence[Canary], rng: Random, lazy: Sequence[float]) -> None:
        self.asked = asked
        self.canaries = canaries
        self.order = rng.sample(range(len(canaries)), len(canaries))
        self.ready = Ready(rng, lazy)
        self.has_waited = False
        self.outcome: SimpleQueue[list[object] | BaseException] = SimpleQueue()

    def wait(self, worker: Worker) -> list[object]:
        """Wait for the loop to end. One that is blocked can't even tell that time is up, so that is told here."""
        try:
            outcome = self.outcome.get(timeout=self.asked.limit + 2 * GRACE)
        except Empty:
            msg = f"the event loop is blocked, and did not end within {self.asked.limit:g} s{place_of(worker.ident)}"
            raise StuckError(msg) from None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def run(self) -> None:
        """Run one loop from its making to its end; called in its thread."""
        try:
            loop = SeededLoop(self.ready)
        except CanaryError as error:
            self.outcome.put(error)
            return
        outcome: list[object] | BaseException
        try:
            outcome = loop.run_until_complete(self._play())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the test's thread
            outcome = error
        try:
            loop.run_until_complete(_cancel_all())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
            self.outcome.put(outcome)

    async def _play(self) -> list[object]:
        tasks: dict[int, asyncio.Task[object]] = {}
        for number in self.order:
            tasks[number] = asyncio.ensure_future(self._call(self.canaries[number]))
        numbers = {task: number for number, task in tasks.items()}
        _, late = await asyncio.wait(numbers, timeout=self.asked.limit, return_when=asyncio.FIRST_EXCEPTION)
        self.has_waited = any(self.ready.steps[task] > 1 for task in numbers)
        for number in self.order:
            task = tasks[number]
            if task.done() and (error := _error_of(task)) is not None:
                raise ScenarioError(self.canaries[number].user, error)
        if late:
            names = [f"{name_of(self.canaries[numbers[task]].user)}{_place_of(task)}" for task in late]
            msg = f"not ended within {self.asked.limit:g} s: {', '.join(sorted(names))}"
            raise StuckError(msg)
        return [tasks[number].result() for number in range(len(tasks))]

    async def _call(self, canary: Canary) -> object:
        result = self.asked.scenario(canary.user, canary)
        if not self.asked.is_async and not hasattr(type(result), "__await__"):
            msg = "kind='tasks' takes a scenario that is awaited (`async def`); a plain function runs in threads"
            raise CanaryError(msg)
        return await result


def _error_of(task: asyncio.Task[object]) -> BaseException | None:
    return asyncio.CancelledError("it was cancelled") if task.cancelled() else task.exception()


def _place_of(task: asyncio.Task[object]) -> str:
    """Say where a task waits: in the innermost of the coroutines that wait for each other, outside of Python's own."""
    coroutine: Any = task.get_coro()
    place = ""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        place = place_in(frame) or place
        coroutine = coroutine.cr_await
    return place


async def _cancel_all() -> None:
    """Cancel what scenarios left running, so that nothing of a round lives on."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=GRACE)
