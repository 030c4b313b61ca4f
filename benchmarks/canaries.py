"""How many of twenty kinds of leaks the `canaries` fixture finds in a small chat service, and how often it cries wolf.

    python canaries.py [--trials 20] [--rounds 20]

Each kind is planted in a fresh service for each trial, and each has a sound version of itself. Thirteen show in any
order; seven are races. Beside ours run as many rounds of plain threads, or of one plain event loop, that start at once
and are checked for the same canaries.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextvars
import functools
import gzip
import html
import json
import logging
import pickle
import re
import sqlite3
import statistics
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from pytest_rollback.session.canary.rounds import THREADS, Asked
from pytest_rollback.session.fixtures.canaries import Canaries, Canary, LeakError

USERS = ("ada", "bob", "cleo")
HERE = Path(__file__).resolve().parent


class Scene(NamedTuple):
    """A service with or without a leak: what each user does there, and what all of them share."""

    scenario: Callable[[str, Canary], Any]
    shared: dict[str, Any] | None = None


def cache_by_room(*, leaky: bool) -> Scene:
    """A cache whose key forgets the user."""
    cache: dict[Any, str] = {}

    def profile(user: str, secret: Canary) -> Any:
        key = "profile" if leaky else ("profile", user, secret)
        return [secret, cache.setdefault(key, json.dumps({"name": secret}))]

    return Scene(profile)


def thread_local(*, leaky: bool) -> Scene:
    """A thread of a pool that remembers whom it served; shown as a header in capitals."""
    local = threading.local()

    def reply(_user: str, secret: Canary) -> Any:
        if not leaky or not hasattr(local, "user"):
            local.user = secret
        return {"body": secret, "headers": [("X-USER", local.user.upper())]}

    return Scene(reply)


def context_variable(*, leaky: bool) -> Scene:
    """A context variable that nobody resets; what it holds is sent in pieces."""
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")

    def stream(_user: str, secret: Canary) -> Any:
        before = tenant.get("nobody")
        token = tenant.set(secret)
        pieces = [{"delta": before[at : at + 5]} for at in range(0, len(before), 5)]
        if not leaky:
            tenant.reset(token)
        return [secret, pieces]

    return Scene(stream)


def default_argument(*, leaky: bool) -> Scene:
    """A default argument that is the same list for all; each entry is pickled."""

    def remember(entry: str, history: list[bytes] = []) -> list[bytes]:  # noqa: B006 - the leak
        kept = history if leaky else []
        kept.append(pickle.dumps({"entry": entry}))
        return kept

    return Scene(lambda _user, secret: list(remember(secret)))


def class_attribute(*, leaky: bool) -> Scene:
    """A list on the class where one on the object was meant; shown in escaped HTML."""

    class Inbox:
        messages: list[str] = []  # noqa: RUF012 - the leak

        def __init__(self) -> None:
            if not leaky:
                self.messages = []

    def read(_user: str, secret: Canary) -> Any:
        inbox = Inbox()
        inbox.messages.append("".join(f"&#{ord(letter)};" for letter in secret))
        return [secret, html.escape(" ".join(inbox.messages))]

    return Scene(read)


def cached_function(*, leaky: bool) -> Scene:
    """An `lru_cache` around what hangs on the user, who is no argument."""
    current = threading.local()

    @functools.lru_cache
    def greeting(_language: str, _user: str) -> str:
        return f"Hello {current.name}"

    def greet(_user: str, secret: Canary) -> Any:
        current.name = secret
        return [secret, greeting("en", "" if leaky else secret)]

    return Scene(greet)


def log_line(*, leaky: bool) -> Scene:
    """A password in a log that all operators read."""
    lines: list[logging.LogRecord] = []
    logger = logging.Logger("chat")  # noqa: LOG001 - one for each trial
    handler = logging.Handler()
    handler.emit = lines.append  # type: ignore[assignment,method-assign]
    logger.addHandler(handler)

    def login(user: str, secret: Canary) -> Any:
        logger.warning("login of %s with %r", user, secret if leaky else "***")
        return {"user": secret}

    return Scene(login, {"log": lines})


def error_text(*, leaky: bool) -> Scene:
    """An error that quotes what another wrote."""
    drafts: dict[str, str] = {}

    def save(_user: str, secret: Canary) -> Any:
        other = drafts.get("draft")
        drafts["draft"] = secret
        try:
            raise ValueError(f"conflict with {other!r}" if leaky else "conflict")  # noqa: TRY301
        except ValueError as error:
            return {"draft": secret, "error": error}

    return Scene(save)


def token(*, leaky: bool) -> Scene:
    """A token whose payload holds the session of whoever came before."""
    session: dict[str, str] = {}

    def issue(_user: str, secret: Canary) -> Any:
        claims = {**(session if leaky else {}), "sub": secret[:8]}
        session["last"] = secret
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return {"me": secret, "authorization": f"Bearer eyJhbGciOiJIUzI1NiJ9.{payload}.c2lnbmF0dXJl"}

    return Scene(issue)


def broadcast(*, leaky: bool) -> Scene:
    """An event that goes to everybody's socket."""
    events: list[tuple[str, str]] = []

    def send(user: str, secret: Canary) -> Any:
        events.append((secret, json.dumps({"type": "message", "body": json.dumps({"from": user, "text": secret})})))
        return [event for owner, event in list(events) if leaky or owner == secret]

    return Scene(send)


def redirect(*, leaky: bool) -> Scene:
    """A redirect to where another wanted to go."""
    wanted: dict[str, str] = {}

    def follow(_user: str, secret: Canary) -> Any:
        target = wanted.get("next", "/")
        wanted["next"] = f"/inbox?of={secret}"
        escaped = "".join(f"%{ord(letter):02x}" for letter in (target if leaky else "/"))
        return {"me": secret, "location": f"/login?next={urllib.parse.quote(escaped)}"}

    return Scene(follow)


def export(*, leaky: bool) -> Scene:
    """A packed export of a folder that is everybody's."""
    rows: list[str] = []

    def download(_user: str, secret: Canary) -> Any:
        rows.append(f"{secret};hello")
        mine = list(rows) if leaky else [row for row in list(rows) if row.startswith(secret)]
        return gzip.compress("\n".join(mine).encode())

    return Scene(download)


def tenant_filter(*, leaky: bool) -> Scene:
    """A query that forgets its tenant; the amount is a number."""
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.execute("create table payments (tenant text, amount integer)")
    lock = threading.Lock()

    def payments(_user: str, secret: Canary) -> Any:
        with lock:
            database.execute("insert into payments values (?, ?)", (str(secret), secret.number))
            where = "" if leaky else "where tenant = :tenant"
            rows = database.execute(f"select amount from payments {where}", {"tenant": str(secret)})  # noqa: S608
            return [secret, rows.fetchall()]

    return Scene(payments)


class Service:
    """What a race needs: something that all requests share."""

    def __init__(self) -> None:
        self.user = ""
        self.count = 0
        self.boxes: dict[int, list[str]] = {}
        self.lock = threading.Lock()
        self.free: list[list[str]] = [[]]


def current_user(*, leaky: bool) -> Scene:
    """Race: the user of the request is kept on a singleton."""
    service = Service()

    def handle(_user: str, secret: Canary) -> Any:
        service.user = secret
        greeting = "hello"
        return [secret, greeting, service.user if leaky else secret]

    return Scene(handle)


def narrow_window(*, leaky: bool) -> Scene:
    """Race: the same, in two neighbouring lines of a request of hundreds of steps, which is longer for some."""
    service = Service()

    def work(amount: int) -> int:
        total = 0
        for number in range(amount):
            total += number
        return total

    def handle(user: str, secret: Canary) -> Any:
        work(90 + 40 * USERS.index(user))
        service.user = secret
        seen = service.user if leaky else secret
        work(150)
        return [secret, seen]

    return Scene(handle)


def inside_a_line(*, leaky: bool) -> Scene:
    """Race: between two statements of one line."""
    service = Service()

    def handle(_user: str, secret: Canary) -> Any:
        service.user = secret; seen = service.user  # noqa: E702 - the window is inside of a line  # fmt: skip
        return [secret, seen if leaky else secret]

    return Scene(handle)


def same_number(*, leaky: bool) -> Scene:
    """Race: two users are given one number, and so one mailbox."""
    service = Service()

    def number() -> int:
        taken = service.count
        service.count = taken + 1
        return taken

    def handle(_user: str, secret: Canary) -> Any:
        if leaky:
            mine = number()
        else:
            with service.lock:
                mine = number()
        box = service.boxes.setdefault(mine, [])
        box.append(secret)
        return list(box)

    return Scene(handle)


def early_release(*, leaky: bool) -> Scene:
    """Race: a lock that is released between writing and reading."""
    service = Service()

    def handle(_user: str, secret: Canary) -> Any:
        with service.lock:
            service.user = secret
            seen = service.user
        if leaky:
            seen = service.user
        return [secret, seen]

    return Scene(handle)


def global_between_awaits(*, leaky: bool) -> Scene:
    """Race of tasks: a global that is read again after waiting."""
    service = Service()

    async def handle(_user: str, secret: Canary) -> Any:
        service.user = secret
        await asyncio.sleep(0)
        return [secret, service.user if leaky else secret]

    return Scene(handle)


def returned_too_early(*, leaky: bool) -> Scene:
    """Race of tasks: a buffer goes back to its pool while it is still read, which shows in one order of several."""
    service = Service()

    async def handle(_user: str, secret: Canary) -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
        buffer = service.free.pop() if service.free and leaky else []
        buffer[:] = [secret]
        await asyncio.sleep(0)
        seen = list(buffer)
        service.free.append(buffer)
        if leaky:
            await asyncio.sleep(0)
            seen = list(buffer)
        return [secret, seen]

    return Scene(handle)


ANY_ORDER = (
    cache_by_room,
    thread_local,
    context_variable,
    default_argument,
    class_attribute,
    cached_function,
    log_line,
    error_text,
    token,
    broadcast,
    redirect,
    export,
    tenant_filter,
)
RACES = (
    current_user,
    narrow_window,
    inside_a_line,
    same_number,
    early_release,
    global_between_awaits,
    returned_too_early,
)


class Plain(Canaries):
    """The same rounds and checks, interleaved by whatever the machine does."""

    def _team(self, asked: Asked) -> Any:
        return PlainThreads(asked) if asked.kind == THREADS else PlainTasks(asked)


class PlainThreads:
    """A pool of threads, all let go at once."""

    has_interleaved = True
    missed: frozenset[str] = frozenset()

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.pool = ThreadPoolExecutor(len(asked.users))

    def play(self, _number: int, canaries: Sequence[Canary]) -> list[object]:
        """Run one round."""
        barrier = threading.Barrier(len(canaries))

        def one(canary: Canary) -> object:
            barrier.wait()
            seen: object = self.asked.scenario(canary.user, canary)
            return seen

        return list(self.pool.map(one, canaries))

    def close(self) -> None:
        """End."""
        self.pool.shutdown()


class PlainTasks:
    """A plain event loop."""

    has_interleaved = True
    missed: frozenset[str] = frozenset()

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    def play(self, _number: int, canaries: Sequence[Canary]) -> list[object]:
        """Run one round."""

        async def all_of_them() -> list[object]:
            return list(await asyncio.gather(*(self.asked.scenario(canary.user, canary) for canary in canaries)))

        return asyncio.run(all_of_them())

    def close(self) -> None:
        """Nothing is left."""


class Score(NamedTuple):
    """What the trials of one kind gave: the round in which each leak was found, and the alarms of the sound one."""

    rounds: list[int]
    alarms: int
    trials: int
    seconds: float

    @property
    def found(self) -> str:
        """Write how many trials found it, and after how many rounds."""
        needed = f", round {statistics.median(self.rounds):g} (at most {max(self.rounds)})" if self.rounds else ""
        return f"{len(self.rounds)}/{self.trials}{needed}"


def trial(kind: type[Canaries], build: Callable[..., Scene], *, leaky: bool, seed: int, rounds: int) -> int:
    """Run one service; gives the round in which a leak was found, 0 where none was."""
    scene = build(leaky=leaky)
    try:
        kind("benchmark", rootdir=HERE).run(USERS, scene.scenario, seed=seed, rounds=rounds, shared=scene.shared)
    except LeakError as error:
        told = re.search(r"in round (\d+) of", str(error))
        return int(told[1]) if told else 0
    return 0


def score(kind: type[Canaries], build: Callable[..., Scene], trials: int, rounds: int) -> Score:
    """Run all trials of one kind of leak."""
    begun = time.perf_counter()
    found = [trial(kind, build, leaky=True, seed=seed, rounds=rounds) for seed in range(trials)]
    alarms = sum(trial(kind, build, leaky=False, seed=seed, rounds=rounds) > 0 for seed in range(trials))
    return Score([number for number in found if number], alarms, trials, time.perf_counter() - begun)


def main() -> None:
    """Run the trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    logging.raiseExceptions = False
    print(f"{'leak':<26}{'kind':<12}{'ours: found':<32}{'alarms':<10}{'plain: found':<32}{'alarms':<10}{'s, ours':>8}")
    ours, plain = [], []
    for build in (*ANY_ORDER, *RACES):
        own, other = (score(kind, build, options.trials, options.rounds) for kind in (Canaries, Plain))
        ours.append(own)
        plain.append(other)
        word = "race" if build in RACES else "any order"
        name = build.__name__.replace("_", " ")
        alarms = [f"{one.alarms}/{one.trials}" for one in (own, other)]
        print(
            f"{name:<26}{word:<12}{own.found:<32}{alarms[0]:<10}{other.found:<32}{alarms[1]:<10}{own.seconds:>8.1f}",
            flush=True,
        )
    for title, scores in (("ours", ours), ("plain", plain)):
        always = sum(len(one.rounds) == one.trials for one in scores)
        ever = sum(bool(one.rounds) for one in scores)
        alarms_in_all = sum(one.alarms for one in scores)
        trials = sum(one.trials for one in scores)
        print(f"{title}: found in every trial {always}/20, in any {ever}/20; false alarms {alarms_in_all}/{trials}")


if __name__ == "__main__":
    main()
