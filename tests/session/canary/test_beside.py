"""Threads that are no user's: those that a scenario hands work to take turns, and of others it is said."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_rollback.session.fixtures.canaries import Canaries, Canary, LeakError, StuckError
from pytest_rollback.session.measures import MeasurementWarning

USERS = ["ada", "bob", "cleo"]


@pytest.fixture
def canaries(request: pytest.FixtureRequest) -> Iterator[Canaries]:
    """Give canaries, and see that nothing is left replaced."""
    before = ThreadPoolExecutor.submit, threading.Thread.start
    yield Canaries(request.node.nodeid, rootdir=Path(__file__).parent)
    assert (ThreadPoolExecutor.submit, threading.Thread.start) == before


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Give a pool whose threads run already, as a module's do."""
    with ThreadPoolExecutor(3) as made:
        list(made.map(time.sleep, [0.01] * 3))
        yield made


class Desk:
    """A service that keeps the user of a request where all requests find it, or does not."""

    def __init__(self) -> None:
        self.user = ""
        self.lock = threading.Lock()

    def careless(self, secret: Canary) -> list[str]:
        """Answer to whoever came last."""
        self.user = secret
        name = self.user
        return [name, secret]

    def careful(self, secret: Canary) -> list[str]:
        """Answer to whoever asked."""
        with self.lock:
            return self.careless(secret)


def started(handler: Callable[[Canary], list[str]], secret: Canary) -> list[str]:
    """Handle a request in a thread of its own."""
    answers: list[list[str]] = []
    thread = threading.Thread(target=lambda: answers.append(handler(secret)))
    thread.start()
    thread.join()
    return answers[0]


def test_the_work_of_a_pool_takes_turns(canaries: Canaries, pool: ThreadPoolExecutor) -> None:
    """Most services handle requests in the threads of a pool, which are older than the run."""
    desk = Desk()
    canaries.run(USERS, lambda _, secret: pool.submit(desk.careful, secret).result(), rounds=8)
    with pytest.raises(LeakError):
        canaries.run(USERS, lambda _, secret: pool.submit(desk.careless, secret=secret).result())


def test_threads_that_a_scenario_starts_take_turns(canaries: Canaries) -> None:
    """Likewise."""
    desk = Desk()
    canaries.run(USERS, lambda _, secret: started(desk.careful, secret), rounds=8)
    with pytest.raises(LeakError):
        canaries.run(USERS, lambda _, secret: started(desk.careless, secret))


def test_what_a_loop_hands_to_threads_takes_turns(canaries: Canaries) -> None:
    """With a loop in a thread for each user; with one loop for all, what is done beside it is told."""
    desk = Desk()

    async def careless(_user: str, secret: Canary) -> list[str]:
        return await asyncio.to_thread(desk.careless, secret)

    async def careful(_user: str, secret: Canary) -> list[str]:
        return await asyncio.to_thread(desk.careful, secret)

    async def alone(_user: str, secret: Canary) -> str:
        await asyncio.to_thread(time.sleep, 0)
        return secret

    with pytest.raises(LeakError):
        canaries.run(USERS, careless, kind="threads")
    with pytest.warns(MeasurementWarning, match=r"not interleaved.*: threads that the scenario hands .*kind='threads'"):
        canaries.run(USERS, careful, rounds=2)
    canaries.run(USERS, alone, rounds=2)


def test_a_thread_that_was_there_before_is_told(canaries: Canaries) -> None:
    """Nobody can make it wait, so nobody knows what it would have done."""
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def consume() -> None:
        while (job := asked.get()) is not None:
            answer, secret = job
            answer.put([secret])

    def scenario(_user: str, secret: Canary) -> list[str]:
        answer: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        asked.put((answer, secret))
        return answer.get(timeout=5)

    thread = threading.Thread(target=consume, name="the consumer")
    thread.start()
    try:
        with pytest.warns(MeasurementWarning, match="not interleaved.*: the consumer"):
            canaries.run(USERS, scenario, rounds=2)
        canaries.run(USERS, lambda _, secret: [secret], rounds=2)
    finally:
        asked.put(None)
        thread.join()


def test_a_thread_may_outlive_its_round(canaries: Canaries) -> None:
    """It is let go, and works on without turns."""
    go, done = threading.Event(), []

    def later() -> None:
        go.wait(5)
        done.append(1)
        done.append(2)

    threads: list[threading.Thread] = []

    def scenario(_user: str, secret: Canary) -> str:
        thread = threading.Thread(target=later)
        threads.append(thread)
        thread.start()
        return secret

    canaries.run(USERS, scenario, rounds=2)
    go.set()
    for thread in threads:
        thread.join(5)
    assert len(done) == 2 * len(threads) == 12


def test_threads_end_with_their_round(canaries: Canaries) -> None:
    """A thread that runs forever ends with the round that is stuck on it, and says nothing."""
    threads: list[threading.Thread] = []

    def forever() -> None:
        while True:
            pass

    def scenario(_user: str, secret: Canary) -> str:
        thread = threading.Thread(target=forever)
        threads.append(thread)
        thread.start()
        thread.join()
        return secret

    with pytest.raises(StuckError, match="not ended within"):
        canaries.run(USERS, scenario, limit=0.2)
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)


def test_an_error_in_a_thread_is_the_scenarios(canaries: Canaries, pool: ThreadPoolExecutor) -> None:
    """It comes back as from any pool."""

    def handler() -> None:
        msg = "no"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="no"):
        canaries.run(USERS, lambda *_: pool.submit(handler).result(), rounds=1)
