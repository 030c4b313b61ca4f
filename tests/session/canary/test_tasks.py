"""Interleavings of tasks: seeded, legal by what asyncio promises, and closed to the last."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_rollback.session.fixtures.canaries import Canaries, Canary, CanaryError, LeakError, StuckError
from pytest_rollback.session.measures import MeasurementWarning

ROOT = Path(__file__).parent
USERS = ["ada", "bob", "cleo"]


@pytest.fixture
def canaries(request: pytest.FixtureRequest) -> Iterator[Canaries]:
    """Give canaries, and see that no thread is left."""
    before = set(threading.enumerate())
    yield Canaries(request.node.nodeid, rootdir=ROOT)
    assert set(threading.enumerate()) - before == set()


class Desk:
    """A service that keeps the user of a request where all requests find it."""

    def __init__(self) -> None:
        self.user = ""
        self.trace: list[str] = []

    async def careless(self, _user: str, secret: Canary) -> list[str]:
        """Answer to whoever came last."""
        self.user = secret
        await asyncio.sleep(0)
        return [secret, self.user]

    async def careful(self, user: str, secret: Canary) -> list[str]:
        """Answer to whoever asked."""
        for _ in range(5):
            self.trace.append(user)
            await asyncio.sleep(0)
        return [secret]


def test_a_race_between_awaits_is_found(canaries: Canaries) -> None:
    """A global that is read again after waiting is somebody else's by then."""
    with pytest.raises(LeakError, match=r"in round 1 of 20; canaries\.run\(\.\.\., seed=9\) repeats it"):
        canaries.run(USERS, Desk().careless, seed=9)


def test_what_is_sound_passes_in_tasks_and_in_threads(canaries: Canaries) -> None:
    """In threads, each has a loop of its own."""
    canaries.run(USERS, Desk().careful, rounds=6)
    canaries.run(USERS, Desk().careful, rounds=3, kind="threads")
    canaries.run(USERS, functools.partial(Desk().careful), rounds=3)
    canaries.run(USERS, lambda user, secret: Desk().careful(user, secret), rounds=3, kind="tasks")


def test_the_same_seed_gives_the_same_order() -> None:
    """And another seed another one."""

    def order(seed: int) -> list[str]:
        desk = Desk()
        Canaries("a", rootdir=ROOT).run(USERS, desk.careful, rounds=4, seed=seed)
        return desk.trace

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_a_loop_that_runs_already_is_no_obstacle(canaries: Canaries) -> None:
    """A test may be a coroutine itself."""

    async def test() -> None:
        canaries.run(USERS, Desk().careful, rounds=2)

    asyncio.run(test())


def test_the_context_of_the_test_is_seen(canaries: Canaries) -> None:
    """What a fixture sets up, a scenario finds; what it sets itself, no other task does."""
    tenant = contextvars.ContextVar("tenant", default="none")
    tenant.set("test")

    async def scenario(_user: str, secret: Canary) -> list[str]:
        found = tenant.get()
        tenant.set(secret)
        await asyncio.sleep(0)
        assert found == "test"
        return [tenant.get()]

    canaries.run(USERS, scenario, rounds=4)


def test_callbacks_keep_the_order_that_asyncio_promises(canaries: Canaries) -> None:
    """Only tasks are put off; a sound program may rely on the rest, and sockets do."""

    async def scenario(user: str, secret: Canary) -> list[object]:
        called: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(20):
            loop.call_soon(called.append, number)
        await asyncio.sleep(0)
        assert called == list(range(20))
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(secret.encode() + user.encode())
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return [answer, called]

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        await writer.drain()
        writer.close()

    canaries.run(USERS, scenario, rounds=4)


def test_what_a_scenario_leaves_running_ends_with_its_round(canaries: Canaries) -> None:
    """A task of one round must not live on in the next."""
    ended = []
    tasks = []

    async def forever(begun: asyncio.Event) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def scenario(_user: str, secret: Canary) -> str:
        begun = asyncio.Event()
        tasks.append(asyncio.ensure_future(forever(begun)))
        await begun.wait()
        return secret

    canaries.run(USERS, scenario, rounds=2)
    assert len(ended) == 6


def test_a_scenario_that_waits_forever_is_named(canaries: Canaries) -> None:
    """With the line that waits."""

    async def scenario(user: str, secret: Canary) -> str:
        if user == "bob":
            await asyncio.Event().wait()
        return secret

    with pytest.raises(
        StuckError, match=r"^not ended within 0\.1 s: bob, at test_tasks\.py:\d+ in scenario\nin round 1"
    ):
        canaries.run(USERS, scenario, limit=0.1)


def test_a_loop_that_is_blocked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not even tell by itself that time is up."""
    monkeypatch.setattr("pytest_rollback.session.canary.tasks.GRACE", 0.05)
    release = threading.Event()

    async def scenario(_user: str, secret: Canary) -> str:
        release.wait()
        return secret

    with pytest.raises(StuckError, match=r"the event loop is blocked.* at test_tasks\.py:\d+ in scenario"):
        Canaries("a", rootdir=ROOT).run(USERS, scenario, limit=0.05)
    release.set()


def test_an_error_ends_all_and_says_whose_it_was(canaries: Canaries) -> None:
    """The test fails by what the scenario raised."""

    async def scenario(user: str, secret: Canary) -> str:
        if user == "bob":
            raise LookupError(user)
        await asyncio.Event().wait()
        return secret

    with pytest.raises(LookupError) as caught:
        canaries.run(USERS, scenario, seed=4)
    note = "the scenario of 'bob', in round 1 of 20; canaries.run(..., seed=4) repeats it"
    assert caught.value.__notes__ == [note]


def test_who_never_waits_is_not_interleaved_and_that_is_said(canaries: Canaries) -> None:
    """A stand-in that never waits hides what the real thing would show."""

    async def scenario(_user: str, secret: Canary) -> str:
        return secret

    with pytest.warns(MeasurementWarning, match="nothing was interleaved"):
        canaries.run(USERS, scenario, rounds=2)


def test_a_coroutine_that_nobody_awaits_is_refused(canaries: Canaries) -> None:
    """It would never run; and a plain function blocks a loop."""
    with pytest.raises(CanaryError, match="returns a coroutine that nobody awaits"):
        canaries.run(USERS, lambda user, secret: Desk().careful(user, secret))
    with pytest.raises(CanaryError, match="takes a scenario that is awaited"):
        canaries.run(USERS, lambda _user, secret: secret, kind="tasks")


def test_timers_still_work(canaries: Canaries) -> None:
    """Putting tasks off must not hold up the clock."""

    async def scenario(_user: str, secret: Canary) -> list[object]:
        begun = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        assert time.monotonic() - begun >= 0.01
        return [secret]

    canaries.run(USERS, scenario, rounds=3)
