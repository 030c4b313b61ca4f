"""`--accept-baselines`: what a gate measured becomes the baseline, once, all or none, and everybody is told."""

from __future__ import annotations

import fcntl
import math
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from conftest import Gated, Repository, RunGate
from pytest_rollback.events import BaselineChange, Judgment
from pytest_rollback.judge.match import match
from pytest_rollback.judge.report import Facts, report_on
from pytest_rollback.model import Environment, Evidence, Mark, Measurement, Outcome, Subject, TestResult
from pytest_rollback.policy import shelf as shelves
from pytest_rollback.policy.baselines import FOLDER, file_of, write
from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.shelf import put, take_shelf
from pytest_rollback.repo.ledger import Ledger
from pytest_rollback.session.accept import Measured, accept
from pytest_rollback.session.yardstick import Yardstick

CODE = """
@pytest.mark.golden_path
def test_scores(compliance):
    compliance.check("architecture", {architecture})
    compliance.check("style", {style})
    compliance.contract("api", {api})
"""
FIRST: dict[str, Any] = {"architecture": 98.7, "style": 98.2, "api": {"get": "()"}}


def measure(gate: RunGate, how: str, *options: str, reason: str = "first numbers", **other: Any) -> Gated:
    """Run a gate that measures something, and accept it."""
    code = CODE.format(**{**FIRST, **other})
    return gate(code, f"--accept-baselines={how}", f"--baseline-reason={reason}", *options)


def told(gated: Gated) -> list[str]:
    """Give what was said of baselines."""
    labels = (
        "accepted  ",
        "kept      ",
        "next      git add",
        "next      keep",
        "note      git ignores",
        "next      take",
    )
    return [" ".join(line.split()) for line in gated.text.splitlines() if line.startswith(labels)]


def known(root: Path) -> dict[str, float]:
    """Give the values that are accepted."""
    return {name: each.value for name, each in take_shelf(root).baselines.items()}


def events(repository: Repository) -> list[Any]:
    """Read what is on record, newest first."""
    ledger = Ledger(repository.path)
    tip, found = ledger.tip(), []
    while tip is not None:
        stored = ledger.read(tip)
        found.append((stored.id, stored.event))
        tip = next(iter(stored.parents), None)
    return found


def test_what_a_gate_measured_is_accepted_said_and_recorded(gate: RunGate, repository: Repository) -> None:
    """From the very run that misses it; the verdict stays what it was."""
    repository.commit("first")
    gated = measure(gate, "new", reason="  first\n numbers\x1b[31m ")
    assert gated.status == 81
    assert told(gated) == [
        "accepted architecture: none -> 98.7 %",
        "accepted style: none -> 98.2 %",
        "accepted api: the contract",
        "next git add .pytest-rollback/baselines && git commit",
    ]
    assert known(repository.path) == {"architecture": 98.7, "style": 98.2, "api": 0.0}
    baseline = take_shelf(repository.path).baselines["api"]
    assert baseline.basis["contract"] == {"get": "()"}
    assert (baseline.accepted.by, baseline.accepted.reason) == ("Ada <ada@example.org>", r"first numbers\x1b[31m")
    (_, change), (verdict, judgment) = events(repository)
    assert isinstance(change, BaselineChange)
    assert isinstance(judgment, Judgment)
    assert (change.verdict, change.root, change.by) == (verdict, ".", "Ada <ada@example.org>")
    assert change.at == baseline.accepted.at
    assert [(each.name, each.act, each.was, each.now, each.unit) for each in change.changes] == [
        ("architecture", "accepted", None, 98.7, "%"),
        ("style", "accepted", None, 98.2, "%"),
        ("api", "accepted", None, 0.0, ""),
    ]


def test_better_ones_are_taken_and_worse_ones_only_by_all(gate: RunGate, pytester: pytest.Pytester) -> None:
    """What nobody would wonder at is counted in one line."""
    measure(gate, "new")
    assert told(measure(gate, "new", architecture=99.0)) == [
        "accepted nothing",
        "kept 3 as they are: architecture, style, api",
    ]
    better = measure(gate, "better", architecture=99.0, style=98.1, api={"get": "()", "put": "()"})
    assert told(better)[:3] == [
        "accepted architecture: 98.7 % -> 99 %",
        "accepted api: changed (additions only)",
        "kept style: 98.1 % is not better than 98.2 %",
    ]
    assert known(pytester.path) == {"architecture": 99.0, "style": 98.2, "api": 0.0}
    everything = measure(gate, "all", architecture=98.9, style=98.2, api={"put": "()"})
    assert "accepted architecture: 99 % -> 98.9 %" in told(everything)
    assert "accepted api: changed" in told(everything)
    assert "kept 1 as they are: style" in told(everything)


def test_what_is_pinned_or_beyond_a_limit_stays(gate: RunGate, pytester: pytest.Pytester) -> None:
    """Whatever is asked for."""
    (pytester.path / "pytest-rollback.toml").write_text("[metrics.compliance]\nfloor = 98\n", "utf-8")
    measure(gate, "new")
    root = pytester.path
    pinned = structs.replace(take_shelf(root).baselines["style"], pinned="until phase 2")
    put(root, {pinned.file: write(pinned)})
    gated = measure(gate, "all", architecture=97.0, style=99.0)
    assert told(gated) == [
        "accepted nothing",
        "kept architecture: 97 % is beyond its limit of 98 %, and never accepted",
        "kept style: pinned at 98.2 %: until phase 2",
        "kept 1 as they are: api",
    ]
    assert known(root) == {"architecture": 98.7, "style": 98.2, "api": 0.0}


def test_a_damaged_file_is_replaced_by_all_alone(gate: RunGate, pytester: pytest.Pytester) -> None:
    """The others in the same run are none the worse for it."""
    (pytester.path / FOLDER).mkdir(parents=True)
    (pytester.path / FOLDER / "style.json").write_text("<<<<<<< HEAD\n=======\n>>>>>>> other\n", "utf-8")
    (said,) = [line for line in told(measure(gate, "new")) if "style" in line]
    assert said.startswith("kept style: style.json has ")
    assert "merge conflict markers" in said
    assert known(pytester.path) == {"architecture": 98.7, "api": 0.0}
    assert "accepted style: none -> 98.2 % (in place of a damaged file)" in told(measure(gate, "all"))
    assert known(pytester.path) == {"architecture": 98.7, "style": 98.2, "api": 0.0}


@pytest.mark.parametrize(
    ("options", "more", "why"),
    [
        (
            ("-k", "scores"),
            "@pytest.mark.golden_path\ndef test_other(): pass\n",
            "1 of 2 gate tests left out of the run",
        ),
        ((), "@pytest.mark.golden_path\ndef test_other(): assert 0\n", "another cause: golden-path: 1 of 2"),
        ((), "@pytest.mark.golden_path\ndef test_other(): pytest.exit('enough')\n", "it was interrupted"),
        (("--gate-all",), "def test_outside(): assert 0\n", "test_outside failed"),
    ],
    ids=["narrowed", "failed", "ended", "outside"],
)
def test_nothing_is_accepted_from_a_run_that_is_no_base(
    gate: RunGate, repository: Repository, options: tuple[str, ...], more: str, why: str
) -> None:
    """A narrowed one, or one that failed for another cause; neither files nor record change."""
    repository.commit("first")
    code = CODE.format(**FIRST) + more
    gated = gate(code, "--accept-baselines=all", "--baseline-reason=x", *options)
    assert gated.status != 0
    assert why in "".join(told(gated))
    assert not (repository.path / FOLDER).exists()
    assert not [event for _, event in events(repository) if isinstance(event, BaselineChange)]


def test_nothing_measured_is_nothing_accepted(gate: RunGate, repository: Repository) -> None:
    """And a run that holds says so too."""
    repository.commit("first")
    gated = gate("@pytest.mark.golden_path\ndef test(): pass", "--accept-baselines=new", "--baseline-reason=x")
    assert gated.status == 0
    assert told(gated) == ["accepted nothing: nothing was measured"]


def test_outside_git_it_is_accepted_and_not_recorded(gate: RunGate, pytester: pytest.Pytester) -> None:
    """The files are all that there is."""
    gated = measure(gate, "new")
    assert told(gated)[-1] == (
        "next keep .pytest-rollback/baselines with the project; here is no git repository, so nothing was recorded"
    )
    assert sorted(known(pytester.path)) == ["api", "architecture", "style"]


def test_it_is_said_where_git_ignores_the_folder(gate: RunGate, repository: Repository) -> None:
    """Nobody else would ever see what was accepted; a pattern that takes an exception back ignores nothing."""
    repository.write(".gitignore", "__pycache__/\n.pytest_cache/\n*.json\n")
    repository.commit("first")
    assert told(measure(gate, "new"))[-2:] == [
        "note git ignores .pytest-rollback/baselines (.gitignore:3: *.json), so no commit holds it, and no other clone",
        "next take that pattern away, or lay the baselines open behind it: !.pytest-rollback/",
    ]
    repository.write(".gitignore", "__pycache__/\n.pytest_cache/\ngate.json\n*.json\n!.pytest-rollback/**\n")
    assert told(measure(gate, "better", style=98.4))[-1].startswith("next git add")


def test_without_a_record_the_files_change_alone(gate: RunGate, repository: Repository) -> None:
    """As the person asked for."""
    repository.commit("first")
    gated = measure(gate, "new", "--gate-no-record")
    assert told(gated)[-1] == "next git add .pytest-rollback/baselines && git commit"
    assert Ledger(repository.path).tip() is None
    assert len(known(repository.path)) == 3


def test_workers_measure_and_the_controller_accepts(gate: RunGate, repository: Repository) -> None:
    """Once, however many there are."""
    repository.commit("first")
    gated = measure(gate, "new", "-n1", "-pxdist")
    assert len(told(gated)) == 4
    assert known(repository.path) == {"architecture": 98.7, "style": 98.2, "api": 0.0}
    assert [type(event) for _, event in events(repository)] == [BaselineChange, Judgment]


# --- what the gate itself can't bring about ---


@pytest.fixture
def config(repository: Repository, pytester: pytest.Pytester) -> pytest.Config:
    """Give the configuration of a session."""
    repository.commit("first")
    return pytester.parseconfig("-pno:asyncio", "-pno:benchmark", "-pno:django", "-pno:flask", "-pno:testmon")


def session(root: Path, *measured: Measurement) -> Measured:
    """Judge numbers as a gate would."""
    policy = load_policy(None)
    tests = (TestResult(test="test_a", outcome=Outcome.PASSED, marks=(Mark("golden_path"),)),)
    facts = Facts(
        evidence=Evidence(tests=tests, measurements=measured),
        subject=Subject(),
        environment=Environment(digest="e", python="3.11", platform="linux"),
        started=datetime(2026, 11, 21, tzinfo=timezone.utc),
        whole_suite=False,
    )
    assert match(facts.evidence, policy, Subject())[1]
    yardstick = Yardstick(policy=policy, shelf=take_shelf(root), machine="a-machine")
    return Measured(facts=facts, report=report_on(facts, policy, facts.started), yardstick=yardstick)


def score(name: str = "style", value: float = 98.5, **other: Any) -> Measurement:
    """Measure a score."""
    return Measurement(name=name, value=value, metric="compliance", **other)


def test_a_time_is_accepted_for_this_machine(config: pytest.Config) -> None:
    """Its baseline says for which."""
    took = Measurement(name="search", value=0.012, metric="performance", basis={"median": 0.012})
    lines = accept(config, session(config.rootpath, took), "new", "x", ledger=None)
    assert lines[0] == "accepted  search on a-machine: none -> 12 ms"
    (baseline,) = take_shelf(config.rootpath).baselines.values()
    assert (baseline.environment, baseline.file) == ("a-machine", file_of("search", "a-machine"))


def test_what_no_file_can_hold_is_refused_by_itself(config: pytest.Config) -> None:
    """The others are accepted."""
    measured = session(config.rootpath, score("odd", basis={"samples": [math.nan]}), score())
    lines = accept(config, measured, "new", "x", ledger=None)
    assert lines[0] == "accepted  style: none -> 98.5 %"
    assert lines[1].startswith("kept      odd: 'odd' can't be kept: Out of range float values")
    assert known(config.rootpath) == {"style": 98.5}


def test_while_another_process_changes_them_nothing_is_accepted(
    config: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and nothing is recorded either."""
    monkeypatch.setattr(shelves, "PATIENCE_S", 0.05)
    (config.rootpath / FOLDER).mkdir(parents=True)
    other = os.open(config.rootpath / FOLDER, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    ledger = Ledger(config.rootpath)
    (line,) = accept(config, session(config.rootpath, score()), "new", "x", ledger=ledger)
    os.close(other)
    assert line.startswith(
        "accepted  nothing: another process changes the baselines here just now; nothing was changed"
    )
    assert ledger.tip() is None


def test_a_record_that_cannot_be_written_takes_nothing_back(config: pytest.Config) -> None:
    """What lies in the files is accepted, and it is said that nobody finds it on record."""
    ledger = Ledger(config.rootpath)
    lock = config.rootpath / ".git" / "refs" / "rollback" / "ledger"
    lock.parent.mkdir(parents=True)
    lock.write_text("no id\n", "utf-8")
    lines = accept(config, session(config.rootpath, score()), "new", "x", ledger=ledger)
    assert lines[0] == "accepted  style: none -> 98.5 %"
    assert lines[1].startswith("note      ")
    assert known(config.rootpath) == {"style": 98.5}


def test_a_disk_that_fails_half_way_is_told_of(config: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change is made, on record, and completed by the next one."""

    def fails(self: Path, target: Path) -> Path:
        raise OSError(5, f"Input/output error at {target.name}", str(self))

    ledger = Ledger(config.rootpath)
    monkeypatch.setattr(Path, "replace", fails)
    lines = accept(config, session(config.rootpath, score()), "new", "x", ledger=ledger)
    monkeypatch.undo()
    assert lines[0] == "accepted  style: none -> 98.5 %"
    assert "changed, but not yet written in full" in lines[1]
    assert known(config.rootpath) == {"style": 98.5}
    assert isinstance(ledger.read(ledger.tip() or "").event, BaselineChange)


@pytest.mark.parametrize("reason", ["", " \n\t"])
def test_there_is_no_accepting_without_a_reason(config: pytest.Config, reason: str) -> None:
    """Whoever comes after would not know why."""
    with pytest.raises(ValueError, match="needs a reason"):
        accept(config, session(config.rootpath, score()), "new", reason, ledger=None)
    assert not (config.rootpath / FOLDER).exists()


def test_a_worker_accepts_nothing(config: pytest.Config) -> None:
    """Its controller does, for all of them."""
    config.workerinput = {}  # type: ignore[attr-defined]
    assert accept(config, session(config.rootpath, score()), "all", "x", ledger=None) == []
