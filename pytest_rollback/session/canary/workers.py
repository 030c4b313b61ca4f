"""Threads that stay: what one user leaves behind in a thread is there for the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from pytest_rollback.session.canary.turns import GRACE, EndedError

Job = Callable[[], None]


class Worker:
    """A thread that does one job after another. It is a daemon, since a job that hangs can't be ended for sure."""

    def __init__(self, number: int) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"canaries-{number}", daemon=True)
        self._thread.start()

    @property
    def ident(self) -> int:
        """Name the thread as the interpreter does."""
        return self._thread.ident or 0

    def give(self, job: Job) -> None:
        """Have a job done. It must see to its own errors."""
        self._jobs.put(job)

    def end(self) -> None:
        """End after the last job. One that hangs ends at the next line of the project that it comes to.

        It can't be made to by an asynchronous exception: while one waits to be raised in a thread that does not run,
        CPython 3.11 goes round in circles in any other thread that is traced.
        """
        self._jobs.put(None)
        self._thread.join(GRACE)

    def _work(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                job()
        except EndedError:
            return
