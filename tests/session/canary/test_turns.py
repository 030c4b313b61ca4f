"""Interleavings of threads: the same seed gives the same, whatever is there is left alone, and nothing hangs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pluggy
import pytest

from pytest_rollback.session.canary.paces import pace_of
from pytest_rollback.session.canary.tracing import Places, Tracing
from pytest_rollback.session.fixtures.canaries import Canaries, Canary, LeakError, StuckError

ROOT = Path(__file__).parent
USERS = ["ada", "bob", "cleo"]
NEVER = Path(sys.prefix) / "lib" / "site-packages" / "somebody" / "s.py"


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
        self.lock = threading.Lock()
        self.trace: list[str] = []

    def careless(self, user: str, secret: Canary) -> list[str]:
        """Answer to whoever came last."""
        self.user = secret
        self.trace.append(user)
        return [secret, self.user]

    def careful(self, user: str, secret: Canary) -> list[str]:
        """Answer to whoever asked."""
        with self.lock:
            self.user = secret
            self.trace.append(user)
            return [self.user]

    def traced(self, user: str, secret: Canary) -> str:
        """Note the order in which everybody comes along."""
        for _ in range(5):
            self.trace.append(user)
        return secret


def test_a_race_is_found_with_its_round_and_seed(canaries: Canaries) -> None:
    """What a machine would show once a month shows here, and again with the same seed."""
    with pytest.raises(LeakError, match=r"'s view holds .*'s canary cnry.{4}\.\.\.: \[1\]\nin round 1 of 20; .*seed="):
        canaries.run(USERS, Desk().careless)


def test_what_is_sound_passes(canaries: Canaries) -> None:
    """A lock that holds is waited for, and no false alarm."""
    canaries.run(USERS, Desk().careful, rounds=8)


def orders(test: str, seed: int | None) -> list[str]:
    """Run in rounds of every kind, and give the order in which all came along."""
    desk = Desk()
    Canaries(test, rootdir=ROOT).run(USERS, desk.traced, rounds=8, seed=seed)
    return desk.trace


def test_the_same_seed_gives_the_same_interleaving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure at night can be looked at in the morning."""
    assert orders("a", 1) == orders("b", 1)
    assert orders("a", 1) != orders("a", 2)
    assert orders("a", None) == orders("a", None)
    assert orders("a", None) != orders("b", None)
    monkeypatch.setenv("PYTEST_ROLLBACK_SEED", "1")
    assert orders("b", None) == orders("a", 1)


def test_the_rounds_differ() -> None:
    """The same order twenty times would prove what one proves."""
    trace = orders("a", 3)
    rounds = {tuple(trace[at : at + 15]) for at in range(0, len(trace), 15)}
    assert len(rounds) >= 6


def test_a_race_inside_a_line_is_found(canaries: Canaries) -> None:
    """Threads switch between any two instructions."""
    desk = Desk()

    def scenario(_user: str, secret: Canary) -> list[str]:
        desk.user = secret; seen = desk.user  # noqa: E702 - the window is inside of a line  # fmt: skip
        return [secret, seen]

    with pytest.raises(LeakError):
        canaries.run(USERS, scenario)


def test_what_a_thread_remembers_meets_the_next_user(canaries: Canaries) -> None:
    """The threads of a pool serve one user after another."""
    local = threading.local()

    def scenario(_user: str, secret: Canary) -> list[str]:
        before = getattr(local, "user", "")
        local.user = secret
        return [secret, before]

    with pytest.raises(LeakError, match="of another round"):
        canaries.run(USERS, scenario)


def test_users_who_wait_for_each_other_are_no_deadlock(canaries: Canaries) -> None:
    """Whoever waits for something else than a turn hands over."""
    barrier = threading.Barrier(len(USERS))

    def scenario(_user: str, secret: Canary) -> str:
        barrier.wait()
        return secret

    canaries.run(USERS, scenario, rounds=3)


def test_a_scenario_that_hangs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With whom and where, once its time is up; nobody is heard of who ended."""
    for module in ("turns", "workers"):
        monkeypatch.setattr(f"pytest_rollback.session.canary.{module}.GRACE", 0.05)
    release = threading.Event()

    def scenario(user: str, secret: Canary) -> str:
        if user == "bob":
            release.wait()
        return secret

    with pytest.raises(
        StuckError, match=r"^not ended within 0\.1 s: bob, at test_turns\.py:\d+ in scenario\nin round 1"
    ):
        Canaries("a", rootdir=ROOT).run(USERS, scenario, limit=0.1)
    release.set()


def test_a_scenario_that_runs_forever_is_ended(canaries: Canaries) -> None:
    """No thread of it is left to use up the machine."""

    def scenario(_user: str, _secret: Canary) -> None:
        while True:
            pass

    with pytest.raises(StuckError, match="not ended within"):
        canaries.run(USERS, scenario, limit=0.1)


@pytest.mark.parametrize("error", [ValueError("no"), pytest.fail.Exception("no"), pytest.skip.Exception("no")])
def test_an_error_ends_all_and_says_whose_it_was(canaries: Canaries, error: BaseException) -> None:
    """The test fails, or is skipped, by what the scenario raised."""
    ended = threading.Event()

    def scenario(user: str, secret: Canary) -> str:
        if user == "bob":
            raise error
        while not ended.is_set():
            pass
        return secret

    with pytest.raises(type(error)) as caught:
        canaries.run(USERS, scenario, seed=4)
    note = "the scenario of 'bob', in round 1 of 20; canaries.run(..., seed=4) repeats it"
    assert caught.value.__notes__ == [note]


def test_another_tracer_is_told_what_it_would_have_been_told(canaries: Canaries) -> None:
    """A debugger or a measure of coverage must not go blind; and nothing of ours stays behind."""
    seen: list[tuple[str, str]] = []

    def theirs(frame: FrameType, event: str, _arg: Any) -> Any:
        seen.append((frame.f_code.co_name, event))
        return theirs

    def events() -> list[str]:
        return [event for name, event in seen if name == "traced"]

    before, hook = sys.gettrace(), threading.gettrace() if hasattr(threading, "gettrace") else None
    threading.settrace(theirs)
    try:
        desk = Desk()
        canaries.run(["ada", "bob"], desk.traced, rounds=2, seed=1)
        traced = events()
        seen.clear()
        thread = threading.Thread(target=lambda: [desk.traced("ada", Canary("x")) for _ in range(4)])
        thread.start()
        thread.join()
    finally:
        threading.settrace(hook)
    assert sorted(traced) == sorted(events())
    assert sys.gettrace() is before
    orders_now = "".join(user[0] for user in desk.trace[:20])
    assert "aaaaa" not in orders_now[:10]


COVERED = """
import coverage
from pathlib import Path
from pytest_rollback.session.fixtures.canaries import Canaries

measure = coverage.Coverage(branch=True, data_file=None, config_file=False, include=[__file__])
measure.start()

def answer(user, secret):
    kept = secret
    if user == "nobody":
        kept = None
    return kept

Canaries("a", rootdir=Path(__file__).parent).run(["ada", "bob"], answer, rounds=6)
measure.stop()
print(sorted(measure.get_data().arcs(__file__)))
"""


def test_coverage_sees_what_scenarios_run(tmp_path: Path) -> None:
    """Its tracer, once called, puts itself in the place of ours, and must not stay there nor be thrown out."""
    script = tmp_path / "it.py"
    script.write_text(COVERED.strip(), "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, str(script)],
        check=True,
        capture_output=True,
        text=True,
        env={**environment, "COVERAGE_CORE": "ctrace"},
    )
    arcs = [(start, end) for start, end in ast.literal_eval(done.stdout) if 8 < start < 13]
    assert arcs == [(9, 10), (10, 12), (12, -8)]


def test_the_project_is_what_lies_below_its_root(tmp_path: Path) -> None:
    """Lines of others are run through; but where no line is met but the scenario's, the project itself is installed."""
    scenario = str(tmp_path / "tests" / "test_it.py")
    places = Places(tmp_path, scenario)
    theirs, own = str(tmp_path / ".venv" / "lib" / "site-packages" / "x.py"), str(tmp_path / "app.py")
    assert places.is_ours(scenario)
    assert not any(
        places.is_ours(name) for name in (theirs, threading.__file__, pytest.__file__, "<string>", str(NEVER))
    )
    places.widen()
    assert places.is_ours(theirs)
    assert not any(places.is_ours(name) for name in (threading.__file__, str(pluggy.__file__), "<string>"))
    other = Places(tmp_path, scenario)
    assert other.is_ours(own)
    other.widen()
    assert not other.is_ours(theirs)


def test_the_paces_are_of_all_kinds() -> None:
    """Four kinds at lines, and then inside of them."""
    paces = [pace_of(number, Random(number), {False: 40}) for number in range(1, 9)]  # noqa: S311 - repeated
    assert [pace.inside_lines for pace in paces] == [False] * 4 + [True] * 4
    chosen: list[Callable[[tuple[str, int, int]], bool]] = [pace.chooses for pace in paces]
    counts = [sum(chooses(("f", step % 10, 0)) for step in range(40)) for chooses in chosen[:4]]
    assert counts[0] == 40
    assert all(count < 40 for count in counts[1:])
    assert 1 <= counts[3] <= 3


def test_a_long_loop_hands_over_seldom(canaries: Canaries) -> None:
    """At each of its steps it would take longer than a round may; what comes after it is interleaved all the same."""
    desk = Desk()

    def count() -> int:
        total = 0
        for number in range(4000):
            total += number * 2
        return total

    def careful(_user: str, secret: Canary) -> list[str]:
        return [secret, str(count())]

    def careless(user: str, secret: Canary) -> list[str]:
        count()
        return desk.careless(user, secret)

    canaries.run(USERS, careful, rounds=8)
    with pytest.raises(LeakError):
        canaries.run(USERS, careless)


def test_hand_overs_have_a_limit_for_each_spot_and_each_round() -> None:
    """And new spots always have theirs."""
    for number in (1, 5):
        pace = pace_of(number, Random(1), {})  # noqa: S311 - repeated
        assert 300 <= sum(pace.chooses(("f", 1, 0)) for _ in range(50_000)) <= 1000
        assert sum(pace.chooses(("f", spot, 0)) for _ in range(100) for spot in range(1000)) <= 20_000
        assert pace.chooses(("g", 1, 0))


def test_inside_lines_only_so_many_steps_are_taken() -> None:
    """After that, lines are steps, for whoever is traced."""
    steps: list[int] = []
    places = Places(ROOT, __file__)

    def two_lines() -> None:
        steps.append(0)
        steps.append(0)

    tracing = Tracing(lambda spot: steps.append(spot[1]), places, inside=5)
    with tracing:
        two_lines()
    assert tracing.event == "line"
    steps.clear()
    with tracing:
        two_lines()
    assert len([line for line in steps if line]) == 2
