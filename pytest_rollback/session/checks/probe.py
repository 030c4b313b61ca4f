"""Imports each module of some packages in a process of its own, and tells how that went. Run by its path, as a script.

It imports nothing of the project, and next to nothing else, so that each fork of it is as good as a fresh Python: what
is loaded here, a module that needs it would get for nothing, and its time would not be counted. Hence no pathlib, no
json, no traceback. It is told what to do on its input, and tells on its output: a line each time, its fields escaped
and parted by tabs.
"""
# ruff: noqa: PTH100, PTH120, PTH123

from __future__ import annotations

import _codecs
import _signal  # type: ignore[import-not-found]
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType
    from typing import Any

    Tell = Callable[[Iterable[object]], None]
    Work = Callable[[Tell, str], None]

OUTPUT = 4000  # how much is kept of what an import prints: of its beginning, and of its end
MOST = 64
MOST_SLOW = 16
AGAIN = 3
PAUSE_S = 0.5
LINGER_S = 1.0
CHUNK = 65536
HERE = os.path.dirname(os.path.abspath(__file__))


def line_of(fields: Iterable[object]) -> bytes:
    """Write fields as a line."""
    return b"\t".join(_codecs.unicode_escape_encode(f"{field}")[0] for field in fields) + b"\n"


def teller(fd: int) -> Tell:
    """Make what tells fields; whatever becomes of `os` meanwhile."""
    write = os.write

    def tell(fields: Iterable[object]) -> None:
        line = line_of(fields)
        while line:
            line = line[write(fd, line) :]

    return tell


class Child:
    """A process that imports one module, and what came from it so far."""

    def __init__(self, name: str, told: int, said: int) -> None:
        self.name, self.told, self.said = name, told, said
        self.open = [told, said]
        self.text = self.head = self.tail = b""
        self.begun = time.monotonic()
        self.done = 0.0

    def read(self, fd: int) -> None:
        """Read what there is."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.open.remove(fd)
            os.close(fd)
        elif fd == self.told:
            self.text += data
            self.done = self.done or time.monotonic()
        else:
            room = OUTPUT - len(self.head)
            self.head += data[:room]
            self.tail = (self.tail + data[room:])[-OUTPUT:]

    def close(self) -> None:
        """Read the rest; what a process that it has started holds open is not waited for."""
        for fd in (self.told, self.said):
            for _ in range(MOST):
                if fd in self.open:
                    self.read(fd)
        for fd in self.open:
            os.close(fd)

    @property
    def output(self) -> str:
        """What the import printed."""
        gap = b"\n...\n" if len(self.tail) == OUTPUT else b""
        return (self.head + gap + self.tail).decode("utf-8", "replace")


class Probe:
    """Forks a process for each module, some at a time."""

    def __init__(self, tell: int, select: Callable[..., Any], patience: float) -> None:
        self.tell, self.select = tell, select
        self.patience = patience  # an import that takes longer keeps no other waiting
        self.children: dict[int, Child] = {}
        self.parent = os.getppid()
        self.wake, self.ring = os.pipe()
        for fd in (self.wake, self.ring):
            os.set_blocking(fd, False)
        _signal.signal(_signal.SIGCHLD, lambda _number, _frame: None)
        _signal.set_wakeup_fd(self.ring, warn_on_full_buffer=False)

    def say(self, *fields: object, rest: bytes = b"\n") -> None:
        """Tell something; `rest` is a child's own line."""
        line = line_of(fields)[:-1] + (rest if rest == b"\n" else b"\t" + rest)
        while line:
            line = line[os.write(self.tell, line) :]

    def run(self, names: list[str], most: int, work: Work) -> Iterator[tuple[str, list[bytes]]]:
        """Have each done in a process of its own, so many at a time; gives what those that ended have told."""
        waiting = names[::-1]
        while waiting or self.children:
            while waiting and len(self.children) < most + self._slow():
                if not self.start(waiting[-1], work):
                    break
                waiting.pop()
            for child, status in self.step():
                child.close()
                line, end, _ = child.text.partition(b"\n")
                whole = line if end else b""
                self.say("done", child.name, status, child.output, rest=whole + b"\n")
                yield child.name, whole.split(b"\t")

    def _slow(self) -> int:
        now = time.monotonic()
        return min(sum(now - child.begun > self.patience for child in self.children.values()), MOST_SLOW)

    def start(self, name: str, work: Work) -> bool:
        """Fork a process; whether it could be."""
        (told, tell), (said, say) = os.pipe(), os.pipe()
        try:
            number = os.fork()
        except OSError:
            for fd in (told, tell, said, say):
                os.close(fd)
            if not self.children:
                raise
            return False
        if number == 0:
            leave = os._exit
            try:
                self._become_child(say, (told, said))
                work(teller(tell), name)
            finally:  # whatever an import has made of this process, it goes no further
                leave(1)
        for fd in (tell, say):
            os.close(fd)
        for fd in (told, said):
            os.set_blocking(fd, False)
        self.children[number] = Child(name, told, said)
        self.say("start", name)
        return True

    def _become_child(self, say: int, others: tuple[int, int]) -> None:
        """Let go of all that is the parent's."""
        _signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        os.dup2(say, 1)
        os.dup2(say, 2)
        mine = [fd for child in self.children.values() for fd in child.open]
        for fd in (self.tell, self.wake, self.ring, say, *others, *mine):
            os.close(fd)

    def step(self) -> list[tuple[Child, int]]:
        """Wait until something happens; gives who ended, and with which status."""
        owners = {fd: child for child in self.children.values() for fd in child.open}
        ready, _, _ = self.select([*owners, self.wake], [], [], PAUSE_S)
        for fd in ready:
            if fd in owners:
                owners[fd].read(fd)
            else:
                os.read(fd, CHUNK)
        if os.getppid() != self.parent:
            os._exit(1)
        for number, child in self.children.items():
            if child.done and time.monotonic() - child.done > LINGER_S:
                os.kill(number, _signal.SIGKILL)
        return list(self._ended())

    def _ended(self) -> Iterator[tuple[Child, int]]:
        while self.children:
            number, status = os.waitpid(-1, os.WNOHANG)
            if number == 0:
                return
            if number in self.children:
                yield self.children.pop(number), os.waitstatus_to_exitcode(status)


def read_orders() -> Iterator[str]:
    """Read what is to be done, and leave nothing to read to the imports."""
    text = b""
    while data := os.read(0, CHUNK):
        text += data
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return iter(os.fsdecode(text).split("\0"))


def import_select() -> Callable[..., Any]:
    """Get `select` from Python's own folders: a project may have a module of that name."""
    kept, own = list(sys.path), os.path.dirname(os.__file__)
    sys.path[:] = [place for place in kept if place.startswith(own) and "-packages" not in place]
    from select import select

    sys.path[:] = kept
    return select


def beside(name: str) -> ModuleType:
    """Load a file that lies beside this one, so that nobody else finds it loaded."""
    path = f"{HERE}/{name}.py"
    module = type(sys)(name)
    module.__file__ = path
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec"), module.__dict__)  # noqa: S102
    return module


def main() -> None:
    """Find the modules, import each, and the slowest of each package once more, when nothing else runs."""
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != HERE]
    select, orders = import_select(), read_orders()
    tree, most, patience = next(orders), min(int(next(orders)), MOST), float(next(orders))
    lists = [[next(orders) for _ in range(int(next(orders)))] for _ in range(3)]
    packages, exclude, offered = lists
    sys.path += [place for place in offered if place not in sys.path]
    tell = os.dup(1)
    os.dup2(2, 1)
    probe, finding, importing = Probe(tell, select, patience), beside("probe_find"), beside("probe_import")
    modules: dict[str, list[str]] = {}
    for package, told in probe.run(packages, most, lambda tell, name: tell(finding.find(name, tree, exclude))):
        if told[0] == b"found":
            modules[package] = [_codecs.unicode_escape_decode(name)[0] for name in told[1::2]]
    probe.say("plan")
    names = list(dict.fromkeys(name for package in packages for name in modules.get(package, ())))
    times = {
        name: float(told[1])
        for name, told in probe.run(names, most, lambda tell, name: importing.import_one(tell, name, tree, None))
        if told[0] == b"fine"
    }
    probe.say("again")
    for found in modules.values():
        watched = {name: times[name] for name in found if name in times}
        import_again(
            probe, watched, lambda tell, name: importing.import_one(tell, name, tree, importing.Blame(packages))
        )


def import_again(probe: Probe, times: dict[str, float], work: Work) -> None:
    """Import the slowest modules once more: what else ran at the time must not count, nor what was not compiled yet."""
    done: set[str] = set()
    while times and len(done) < AGAIN:
        name = max(times, key=lambda one: times[one])
        if name in done:
            return
        done.add(name)
        for _, told in probe.run([name], 1, work):
            times[name] = min(times[name], float(told[1]) if told[0] == b"fine" else 0.0)


if __name__ == "__main__":
    main()
