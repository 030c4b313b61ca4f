"""The door: options and markers. It loads a mode only when that mode is asked for.

Every pytest run of everybody who has this installed imports this file, so it imports nothing that pytest has not.
"""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_rollback.session.fixtures.canaries import Canaries
    from pytest_rollback.session.fixtures.compliance import Compliance
    from pytest_rollback.session.fixtures.memory import Memory
    from pytest_rollback.session.fixtures.performance import Performance
    from pytest_rollback.session.gate import Gate

MARKERS = (
    "golden_path(*labels): what users do every day; the safety gate blocks at once where it fails",
    "isolation(*labels): one user's data never reaches another; the safety gate locks down where it fails",
    "mission_critical(*labels): must work; the safety gate asks for an investigation where it fails",
)
OPTIONS = (
    "--safety-gate",
    "--gate-all",
    "--gate-staged",
    "--gate-policy",
    "--gate-shard",
    "--gate-report",
    "--gate-no-record",
    "--accept-baselines",
    "--baseline-reason",
)
NOTHING_JUDGED = 81
GATE_NAME = "rollback-gate"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options. Each has a prefix of its own, since projects have taken the short words."""
    group = parser.getgroup("safety gate", "safety gate (pytest-rollback)")
    group.addoption(
        "--safety-gate",
        action="store_true",
        dest="rollback_gate",
        help="Run the tests that must never break, judge them by the decision matrix, and block or let through "
        "(status 0 passed, 80 blocked, 81 inconclusive, 5 no gate test)",
    )
    group.addoption(
        "--gate-all",
        action="store_true",
        dest="rollback_all",
        help="Run the whole suite and judge it by the same policy",
    )
    group.addoption(
        "--gate-staged",
        action="store_true",
        dest="rollback_staged",
        help="Judge exactly what `git commit` would commit, in a scratch tree; the work tree plays no part",
    )
    group.addoption(
        "--gate-no-record",
        action="store_true",
        dest="rollback_no_record",
        help="Judge, and add nothing to the ledger",
    )
    group.addoption(
        "--gate-policy",
        metavar="PATH",
        dest="rollback_policy",
        help="A policy file over the project's own; it may only tighten",
    )
    group.addoption(
        "--gate-shard",
        metavar="K/N",
        dest="rollback_shard",
        help="Judge part K of N; pytest-rollback merge folds the JSON reports of all parts into one verdict",
    )
    group.addoption(
        "--accept-baselines",
        choices=("new", "better", "all"),
        dest="rollback_accept",
        help="After the verdict, accept what was measured as baselines: where there is none, also where it is "
        "better, or all of it",
    )
    group.addoption(
        "--baseline-reason",
        metavar="TEXT",
        dest="rollback_reason",
        help="Why the baselines are right; it is kept with them",
    )
    group.addoption(
        "--gate-report",
        metavar="PATH",
        action="append",
        default=[],
        dest="rollback_reports",
        help="Write the verdict with all that is known to PATH, in the format of its ending: .json, .md or .xml "
        "(repeatable)",
    )


@pytest.fixture
def compliance(request: pytest.FixtureRequest) -> Compliance:
    """Judge scores, rates and contracts against accepted baselines and the policy's limits."""
    from pytest_rollback.session.fixtures.compliance import Compliance
    from pytest_rollback.session.measures import Measures

    return Compliance(Measures.of(request.node))


@pytest.fixture
def performance(request: pytest.FixtureRequest) -> Performance:
    """Time something, and judge it against an accepted baseline of this kind of machine and the policy's limits."""
    from pytest_rollback.session.fixtures.performance import Performance
    from pytest_rollback.session.measures import Measures

    return Performance(Measures.of(request.node))


@pytest.fixture
def memory(request: pytest.FixtureRequest) -> Memory:
    """Find memory that grows and does not go back, and judge its peak against an accepted baseline."""
    from pytest_rollback.session.fixtures.memory import Memory
    from pytest_rollback.session.measures import Measures

    return Memory(Measures.of(request.node))


@pytest.fixture
def canaries(request: pytest.FixtureRequest) -> Canaries:
    """Mark each user's data, and prove that nobody else comes to see it."""
    from pytest_rollback.session.fixtures.canaries import Canaries

    return Canaries(request.node.nodeid, rootdir=request.config.rootpath)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Before anything of the project runs: take old verdicts away, and let no conftest end a gate with 0.

    Of an option that a conftest took from us, both parties are named; argparse would name neither.
    """
    asked = early_config.known_args_namespace
    is_gate = asked.rollback_gate or asked.rollback_all or asked.rollback_staged
    if is_gate:
        from pytest_rollback.session.stale import forget_reports

        forget_reports(early_config.invocation_params.dir, asked.rollback_reports)
        _let_scratch_tree_judge(early_config)
        from pytest_rollback.session.exits import Exits

        Exits.guard(early_config)
    try:
        yield
    except SystemExit as error:
        if not is_gate:
            raise
        msg = f"{_raised_in(error)}: ended the process with {error!r} while it was imported; nothing was judged"
        raise pytest.UsageError(msg) from None
    except argparse.ArgumentError as error:
        taken = next((option for option in OPTIONS if option in str(error)), None)
        if taken is None:
            raise
        msg = f"{_raised_in(error)}: {taken} is an option of pytest-rollback; give the conftest's option another name"
        raise pytest.UsageError(msg) from None


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make our hooks known, so that a conftest that implements them is no error in a plain run."""
    from pytest_rollback import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers always, and the gate where it is asked for."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if _gate_is_asked_for(config):
        from pytest_rollback.session.opening import open_gate

        gate = open_gate(config)
        if gate is not None:
            config.pluginmanager.register(gate, GATE_NAME)
    else:
        _refuse_gate_options(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int | None, int | None]:
    """Answer for the gate where pytest would say 0 without having asked it: `--markers`, another plugin's main."""
    if not _gate_is_asked_for(config):
        return (yield)
    from pytest_rollback.session.exits import EXITS

    try:
        status = yield
    except SystemExit:
        status = 0
    finally:
        config.stash[EXITS].release()
    return _status_of_gate(config) if status == 0 else status


def _let_scratch_tree_judge(early_config: pytest.Config) -> None:
    """Have what is staged judged in a tree of its own, before anything of the work tree could be loaded."""
    if early_config.known_args_namespace.rollback_staged:
        from pytest_rollback.session.staged import judge_staged

        status = judge_staged(early_config)
        if status is not None:
            raise SystemExit(status)


def _raised_in(error: BaseException) -> str:
    """Find the conftest that an error came out of."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [frame.f_code.co_filename for frame in frames if frame.f_code.co_filename.endswith("conftest.py")]
    return names[-1] if names else "a conftest.py"


def _gate_is_asked_for(config: pytest.Config) -> bool:
    option = config.option
    return bool(option.rollback_gate or option.rollback_all or option.rollback_staged)


def _refuse_gate_options(config: pytest.Config) -> None:
    """An option of the gate without the gate would look like a gate that ran."""
    option = config.option
    for given, name in (
        (option.rollback_policy, "--gate-policy"),
        (option.rollback_shard, "--gate-shard"),
        (option.rollback_no_record, "--gate-no-record"),
        (option.rollback_reports, "--gate-report"),
        (option.rollback_accept, "--accept-baselines"),
        (option.rollback_reason, "--baseline-reason"),
    ):
        if given:
            msg = f"{name} needs --safety-gate (or --gate-all)"
            raise pytest.UsageError(msg)


def _status_of_gate(config: pytest.Config) -> int:
    gate: Gate | None = config.pluginmanager.get_plugin(GATE_NAME)
    return NOTHING_JUDGED if gate is None or gate.status is None else gate.status
