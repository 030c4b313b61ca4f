"""Lets one thread run at a time, and hands over where the pace of the round says so.

A thread that waits for something else (a lock, a socket, a clock) can't hand over. It shows by standing still without
using its processor; then somebody else is let go on, and it queues up when it is back. So the same seed gives the same
interleaving as long as nobody waits for anything but a turn.

Threads that scenarios hand work to are guests: they come when they reach the project's code, and nobody waits for them
at the end.
"""

from __future__ import annotations

import math
import threading
import time
from enum import Enum
from pathlib import Path
from random import Random

from pytest_rollback.session.canary.paces import Pace, Spot

TICK = 0.002
GRACE = 1.0  # seconds for those who are told to end
STILL = 2  # ticks without a step or any use of the processor
STILL_UNMEASURED = 25  # where the system does not tell what a thread uses, a slow step looks like waiting
NAP = 0.0005
MOST_NAPS = 200  # in a round
SLEEPING = (b"S", b"D")


class EndedError(BaseException):
    """Ends a thread whose round is over. No program should catch it, so it is no Exception."""


class State(Enum):
    """What a thread does."""

    READY = "ready"
    AWAY = "away"
    DONE = "done"


class Turns:
    """The turns of one round. Threads are known by their number."""

    def __init__(self, count: int, rng: Random, pace: Pace) -> None:
        self.rng = rng
        self.pace = pace
        self.steps = 0
        self.switches = 0
        self.over = False
        self.is_free = False  # whoever is left runs without turns
        self.ends_by = math.inf
        self.idents: list[tuple[int, int]] = [(0, 0)] * count
        self._states = [State.READY] * count
        self._users = count
        self._arrived = 0
        self._left: list[int] = []  # numbers of guests who are gone
        self._naps = 0
        self._current: int | None = None
        self._gates = [threading.Semaphore(0) for _ in range(count)]
        self._lock = threading.Lock()
        self._changed = threading.Semaphore(0)

    def begin(self, number: int) -> None:
        """Wait for the first turn; the last thread to arrive starts the round."""
        with self._lock:
            self.idents[number] = (threading.get_ident(), threading.get_native_id())
            self._arrived += 1
            if self._arrived == self._users:
                self._let_go(self._pick(None))
        self._wait(number)

    def join(self) -> int:
        """Take part as a guest from here on, when it is one's turn; gives the number of the thread."""
        with self._lock:
            if not self._left:
                self._left.append(len(self._states))
                self._states.append(State.DONE)
                self._gates.append(threading.Semaphore(0))
                self.idents.append((0, 0))
            number = self._left.pop()
            self.idents[number] = (threading.get_ident(), threading.get_native_id())
        self._come_back(number)
        return number

    def leave(self, number: int) -> None:
        """Be a guest no more."""
        self.end(number)
        with self._lock:
            self._left.append(number)

    def set_free(self) -> None:
        """End the round, but let guests go on."""
        with self._lock:
            self.is_free = True
            for gate in self._gates[self._users :]:
                gate.release()

    def step(self, number: int, spot: Spot) -> None:
        """Hand over, where it is time."""
        if self.over:
            raise EndedError
        if self.is_free:
            return
        if self._current != number:
            self._come_back(number)
            return
        self.steps += 1
        if self.pace.chooses(spot):
            self._hand_over(number)

    def _hand_over(self, number: int) -> None:
        if self._naps < MOST_NAPS and State.READY not in self._others(number) and State.AWAY in self._others(number):
            self._naps += 1
            time.sleep(NAP)  # whoever waited for what this thread has just given up comes back meanwhile
        with self._lock:
            other = self._pick(number)
            if other is None:
                return
            self.switches += 1
            self._let_go(other)
        self._wait(number)

    def _others(self, number: int) -> set[State]:
        return {state for other, state in enumerate(self._states) if other != number}

    def end(self, number: int) -> None:
        """Leave for good."""
        with self._lock:
            self._states[number] = State.DONE
            if self._current == number:
                self._let_go(self._pick(number))
        self._changed.release()

    def stop(self) -> None:
        """End the round: whoever waits for a turn, or takes another step, ends."""
        with self._lock:
            self.over = True
            self.ends_by = time.monotonic() + GRACE
            for gate in self._gates:
                gate.release()

    def wait(self, deadline: float) -> list[int]:
        """Wait for all to end, and give those who have not when time is up. Meanwhile nobody holds a turn idly."""
        watch = _Watch()
        while (left := min(deadline, self.ends_by) - time.monotonic()) > 0:
            if not self._unfinished():
                return []
            if not self._changed.acquire(timeout=min(TICK, left)):
                current = self._current
                if current is not None and watch.is_still(current, self.steps, *self.idents[current]):
                    self._pass_over(current)
        return self._unfinished()

    def _unfinished(self) -> list[int]:
        return [number for number in range(self._users) if self._states[number] is not State.DONE]

    def _pass_over(self, number: int) -> None:
        with self._lock:
            if self._current == number and self._states[number] is State.READY:
                self._states[number] = State.AWAY
                self._let_go(self._pick(number))

    def _come_back(self, number: int) -> None:
        with self._lock:
            if self.is_free or self.over:
                return
            self._states[number] = State.READY
            if self._current is None:
                self._current = number
                return
        self._wait(number)

    def _pick(self, number: int | None) -> int | None:
        """Choose who is next: the one after, or anyone. Called with the lock held."""
        ready = [other for other, state in enumerate(self._states) if state is State.READY and other != number]
        if not ready:
            return None
        if number is None or not self.pace.in_turn:
            return self.rng.choice(ready)
        return min(ready, key=lambda other: (other - number) % len(self._states))

    def _let_go(self, number: int | None) -> None:
        self._current = number
        if number is not None:
            self._gates[number].release()

    def _wait(self, number: int) -> None:
        self._gates[number].acquire()
        if self.over:
            raise EndedError


class _Watch:
    """Tells a thread that waits from one that is busy, or that the machine leaves no time to run."""

    def __init__(self) -> None:
        self._last: tuple[object, ...] = ()
        self._still = 0

    def is_still(self, number: int, steps: int, ident: int, native: int) -> bool:
        used = processor_time(ident)
        now = (number, steps, used)
        self._still = self._still + 1 if now == self._last else 0
        self._last = now
        if self._still < (STILL if used is not None else STILL_UNMEASURED):
            return False
        return _is_asleep(native)


def processor_time(ident: int) -> float | None:
    """Ask how long a thread has used a processor; none where the system does not tell."""
    clock = getattr(time, "pthread_getcpuclockid", None)
    if clock is None:
        return None
    try:
        used: float = time.clock_gettime(clock(ident))
    except OSError:
        return None
    return used


def _is_asleep(native: int) -> bool:
    """Whether the system says that a thread waits; where it says nothing, standing still has to do."""
    try:
        about = Path(f"/proc/self/task/{native}/stat").read_bytes()
    except OSError:
        return True
    return about.rpartition(b")")[2].split()[0] in SLEEPING
