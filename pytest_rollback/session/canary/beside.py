"""Follows work into the threads that a scenario hands it to: into those it starts, and into pools."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import pool
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from pytest_rollback.session.canary.tracing import Places, Tracer
from pytest_rollback.session.canary.turns import EndedError

Work = Callable[[], Any]
Serve = Callable[[Work], Any]


class Beside:
    """While it is entered, `serve` does what is handed to pools and to threads that are started.

    A thread that was there before, and is no pool's, can't be followed; `missed` names those that did something.
    """

    def __init__(self, serve: Serve, places: Places, own: Iterable[int]) -> None:
        self.serve = serve
        self.places = places
        self.own = {threading.get_ident(), *own}
        self._before: dict[threading.Thread, bytes] = {}
        self._inside = threading.local()

    def __enter__(self) -> Beside:  # noqa: PYI034 - before Python 3.11 there is no other name for it
        self._before = {one: _used(one) for one in threading.enumerate() if one.ident not in self.own}
        self._submit, self._start = ThreadPoolExecutor.submit, threading.Thread.start
        submit, start, serve, inside = self._submit, self._start, self.serve, self._inside

        def submit_followed(executor: Any, work: Any, /, *args: Any, **named: Any) -> Any:
            inside.pool = True  # its threads are started in here, and live longer than any work
            try:
                return submit(executor, lambda: serve(lambda: work(*args, **named)))
            finally:
                inside.pool = False

        def start_followed(thread: threading.Thread) -> None:
            if not getattr(inside, "pool", False):
                run = thread.run
                thread.run = lambda: _ended_quietly(serve, run)  # type: ignore[method-assign]
            start(thread)

        ThreadPoolExecutor.submit, threading.Thread.start = submit_followed, start_followed  # type: ignore[method-assign,assignment]
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        ThreadPoolExecutor.submit, threading.Thread.start = self._submit, self._start  # type: ignore[method-assign]

    def missed(self) -> list[str]:
        """Name the threads that worked meanwhile, seem to do so for the project, and could not be followed."""
        frames = sys._current_frames()  # noqa: SLF001 - the only way to ask another thread
        worked = [one for one, used in self._before.items() if one.is_alive() and used != _used(one)]
        return sorted(
            one.name for one in worked if "run" not in vars(one) and self._is_ours(frames.get(one.ident or 0))
        )

    def _is_ours(self, frame: FrameType | None) -> bool:
        while frame is not None:
            name = frame.f_code.co_filename
            is_pools = name == pool.__file__ and frame.f_code.co_name == "worker"
            if is_pools or self.places.is_ours(name):
                return True
            frame = frame.f_back
        return False


class Noting:
    """Notes whether any of the project's functions is called in a thread."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.has_met = False

    def serve(self, work: Work) -> Any:
        """Do some work."""
        theirs: Any = sys.gettrace()

        def on_call(frame: FrameType, event: str, arg: Any) -> Tracer | None:
            self.has_met = self.has_met or self.places.is_ours(frame.f_code.co_filename)
            local: Tracer | None = theirs(frame, event, arg) if theirs is not None else None
            if theirs is not None and not self.has_met:
                sys.settrace(on_call)
            return local

        sys.settrace(on_call)
        try:
            return work()
        finally:
            sys.settrace(theirs)


def _ended_quietly(serve: Serve, work: Work) -> None:
    """Do the work of a thread; nobody is there to hear that it was ended with its round."""
    try:
        serve(work)
    except EndedError:
        return


def _used(thread: threading.Thread) -> bytes:
    """Say how long a thread has run, where the system tells of any thread, be it alive or not."""
    try:
        return Path(f"/proc/self/task/{thread.native_id}/schedstat").read_bytes().split()[0]
    except (OSError, IndexError):
        return b""
