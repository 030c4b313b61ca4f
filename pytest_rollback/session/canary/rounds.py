"""What is asked of a run, and how its rounds can fail."""

from __future__ import annotations

import inspect
import math
import os
import types
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol
from zlib import crc32

from msgspec import Struct

from pytest_rollback.session.canary.marker import Canary, CanaryError, check_user, name_of, shortened

SEED = "PYTEST_ROLLBACK_SEED"
THREADS, TASKS = "threads", "tasks"
MOST_USERS = 64

Scenario = Callable[[Any, Canary], Any]


class StuckError(AssertionError):
    """A scenario did not end in time, so nothing is known of what its user would have seen."""


class ScenarioError(Exception):
    """A scenario failed by itself; carries whose it was and what it raised."""

    def __init__(self, user: Hashable, error: BaseException) -> None:
        super().__init__(user, error)
        self.user = user
        self.error = error


class Team(Protocol):
    """Whoever plays the rounds: threads, or the tasks of a loop."""

    has_interleaved: bool

    @property
    def missed(self) -> Collection[str]:
        """Say which threads were not interleaved."""

    def play(self, number: int, canaries: Sequence[Canary]) -> list[object]:
        """Run the scenario of all users at once, and give what each returned."""

    def close(self) -> None:
        """End."""


class Asked(Struct, frozen=True, kw_only=True):
    """What a run was asked for, checked."""

    users: tuple[Hashable, ...]
    scenario: Scenario
    rounds: int
    seed: int
    kind: str
    limit: float
    is_async: bool

    def told(self, number: int) -> str:
        """Say how to see a round again."""
        return f"in round {number} of {self.rounds}; canaries.run(..., seed={self.seed}) repeats it"


def check(
    users: Any,
    scenario: Any,
    *,
    rounds: int,
    seed: int | None,
    kind: str | None,
    limit: Any,
    test: str,
) -> Asked:
    """Hold what a test asks for to what can be done."""
    if not callable(scenario):
        msg = f"a scenario is a function of a user and a canary, not {shortened(scenario)}"
        raise CanaryError(msg)
    if not _is_whole(rounds) or rounds < 1:
        msg = f"rounds is a whole number from 1 on, not {shortened(rounds)}"
        raise CanaryError(msg)
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 < limit < math.inf:
        msg = f"limit is a number of seconds above 0, not {shortened(limit)}"
        raise CanaryError(msg)
    if seed is not None and not _is_whole(seed):
        msg = f"seed is a whole number, not {shortened(seed)}"
        raise CanaryError(msg)
    is_async = _is_coroutine_function(scenario)
    return Asked(
        users=_users(users),
        scenario=scenario,
        rounds=rounds,
        seed=default_seed(test) if seed is None else seed,
        kind=_kind(kind, is_async=is_async),
        limit=float(limit),
        is_async=is_async,
    )


def default_seed(test: str) -> int:
    """Give a test's own seed, the same on every machine, unless the environment says another."""
    written = os.environ.get(SEED, "").strip()
    if not written:
        return crc32(test.encode("utf-8", "replace"))
    try:
        return int(written)
    except ValueError:
        msg = f"{SEED} is a whole number, not {shortened(written)}"
        raise CanaryError(msg) from None


def file_of(scenario: Scenario) -> str:
    """Name the file that a scenario stands in; empty where it is no function of Python's."""
    while isinstance(scenario, partial):
        scenario = scenario.func
    code = getattr(getattr(scenario, "__func__", scenario), "__code__", None)
    code = code or getattr(getattr(type(scenario).__call__, "__func__", type(scenario).__call__), "__code__", None)
    return code.co_filename if isinstance(code, types.CodeType) else ""


def live(shared: Mapping[str, object]) -> dict[str, object]:
    """Ask those of the shared things that are functions for what they hold now."""
    functions = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, partial)
    return {name: thing() if isinstance(thing, functions) else thing for name, thing in shared.items()}


def refuse_awaitable(result: object) -> object:
    """Refuse what a plain function returns where somebody should have awaited it."""
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        msg = f"the scenario returns a {type(result).__name__} that nobody awaits; write `async def`, or kind='tasks'"
        raise CanaryError(msg)
    return result


def _users(users: Iterable[Hashable]) -> tuple[Hashable, ...]:
    if isinstance(users, (str, bytes)) or not isinstance(users, Iterable):
        msg = f"users is a list of users such as ['ada', 'bob'], not {shortened(users)}"
        raise CanaryError(msg)
    listed = []
    for user in users:
        check_user(user)
        if user in listed:
            msg = f"{name_of(user)} is named twice among the users"
            raise CanaryError(msg)
        listed.append(user)
        if len(listed) > MOST_USERS:
            msg = f"more than {MOST_USERS} users at once; a few show the same leaks"
            raise CanaryError(msg)
    if len(listed) < 2:  # noqa: PLR2004 - one user alone sees nobody else's data
        msg = "a run takes two users or more: one alone could see nobody else's data"
        raise CanaryError(msg)
    return tuple(listed)


def _kind(kind: str | None, *, is_async: bool) -> str:
    if kind is None:
        return TASKS if is_async else THREADS
    if kind not in (THREADS, TASKS):
        msg = f"kind is 'threads' or 'tasks', not {shortened(kind)}"
        raise CanaryError(msg)
    return kind


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_coroutine_function(scenario: Scenario) -> bool:
    call = scenario if inspect.isroutine(scenario) or isinstance(scenario, partial) else type(scenario).__call__
    if inspect.isasyncgenfunction(call) or inspect.isgeneratorfunction(call):
        msg = "the scenario is a generator, so calling it runs nothing; return what the user sees instead"
        raise CanaryError(msg)
    return inspect.iscoroutinefunction(call)
