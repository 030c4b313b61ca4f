"""Makes a thread take a step at each line of the project that it comes to.

A tracer that is there already (coverage, a debugger) is told all that it would have been told.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import _pytest
import pluggy

import pytest_rollback
from pytest_rollback.session.canary.paces import Spot

Tracer = Callable[[FrameType, str, Any], Any]
Step = Callable[[Spot], None]

INSTALLED = frozenset({"site-packages", "dist-packages"})
PYTHONS = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib"))


class Places:
    """Which files are the project's: those below its root that were not installed there.

    Where no line of it runs but the scenario's own, the project itself is installed somewhere; from then on all that
    is not Python's own, pytest's or ours counts (`widen`).
    """

    def __init__(self, root: Path, scenario: str) -> None:
        self.scenario = scenario
        self.is_wide = False
        self._met: set[str] = set()
        self._known: dict[str, bool] = {}
        self._root = tuple({f"{root}/", f"{root.resolve()}/"})
        foreign = (str(Path(module.__file__ or "").parent) for module in (pytest_rollback, _pytest, pluggy))
        self._never = ("<", *(f"{folder}/" for folder in foreign))

    def is_ours(self, name: str) -> bool:
        """Whether a step is taken at the lines of a file."""
        known = self._known.get(name)
        if known is None:
            self._known[name] = known = self._is_project(name)
            if known:
                self._met.add(name)
        return known

    def widen(self) -> None:
        """Take more than the scenario's own file for the project, where no other was met."""
        if not self.is_wide and self._met <= {self.scenario}:
            self.is_wide = True
            self._known.clear()

    def _is_project(self, name: str) -> bool:
        if name.startswith(self._never):
            return False
        if not INSTALLED.isdisjoint(Path(name).parts):
            return self.is_wide
        return not name.startswith(PYTHONS) and (self.is_wide or name.startswith(self._root))


class Tracing:
    """Traces the thread that enters it, until it leaves. `inside` is how many steps it takes inside of lines."""

    def __init__(self, step: Step, places: Places, *, inside: int = 0) -> None:
        self.step = step
        self.places = places
        self.inside = inside
        self.event = "opcode" if inside else "line"
        self.theirs: Any = None

    def __enter__(self) -> None:
        self.theirs = sys.gettrace()
        sys.settrace(self._on_call)

    def __exit__(self, *_error: object) -> None:
        sys.settrace(self.theirs)

    def _on_call(self, frame: FrameType, event: str, arg: Any) -> Tracer | None:
        local: Tracer | None = None
        if self.theirs is not None:
            local = self.theirs(frame, event, arg)
            sys.settrace(self._on_call)  # coverage's tracer, once it is called, puts itself in our place
        if not self.places.is_ours(frame.f_code.co_filename):
            return local
        if self.event == "opcode":
            frame.f_trace_opcodes = True
        return self._on_event if local is None else self._with(local)

    def _on_event(self, frame: FrameType, event: str, _arg: Any) -> Tracer:
        if event == self.event:
            self.step((frame.f_code.co_filename, frame.f_lineno, frame.f_lasti))
            if event == "opcode":
                self.inside -= 1
                self.event = "opcode" if self.inside > 0 else "line"
        elif event == "opcode":
            frame.f_trace_opcodes = False
        return self._on_event

    def _with(self, local: Tracer | None) -> Tracer:
        """Take our steps, and tell another tracer all that it wants to know of this frame."""

        def on_event(frame: FrameType, event: str, arg: Any) -> Tracer:
            nonlocal local
            if local is not None and event != "opcode":
                local = local(frame, event, arg)
            self._on_event(frame, event, arg)
            return on_event

        return on_event


def place_of(ident: int) -> str:
    """Say in which line a thread is, of whatever is not Python's own."""
    frame = sys._current_frames().get(ident)  # noqa: SLF001 - the only way to ask another thread
    return place_in(frame)


def place_in(frame: FrameType | None) -> str:
    """Say which line of what is not Python's own led to a frame."""
    own = (*PYTHONS, f"{Path(pytest_rollback.__file__).parent}/", "<")
    while frame is not None and frame.f_code.co_filename.startswith(own):
        frame = frame.f_back
    return f", at {Path(frame.f_code.co_filename).name}:{frame.f_lineno} in {frame.f_code.co_name}" if frame else ""
