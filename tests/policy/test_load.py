"""Where the policy is looked for, and how a project's table is laid over what is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_rollback.model import Action, Level, Severity
from pytest_rollback.policy.load import SHIPPED, find_policy, load_policy
from pytest_rollback.policy.rules import Group, Policy, Trigger

OWN, SHARED = "pytest-rollback.toml", "pyproject.toml"
OURS = '[tool.pytest-rollback]\nmode = "shadow"\n'


def load(folder: Path, text: str, name: str = OWN) -> Policy:
    """Load a policy as it stands in a file."""
    path = folder / name
    path.write_text(text, "utf-8")
    return load_policy(path)


def row(policy: Policy, name: str) -> Trigger:
    """Find a row of the matrix."""
    return next(trigger for trigger in policy.triggers if trigger.name == name)


def others(policy: Policy, *names: str) -> list[Trigger]:
    """Give all rows but some."""
    return [trigger for trigger in policy.triggers if trigger.name not in names]


def test_without_a_file_the_shipped_matrix_holds() -> None:
    """No configuration, no init: the first gate just works."""
    policy = load_policy(None)
    assert (policy.mode, policy.source, policy.phase) == ("enforce", SHIPPED, None)


@pytest.mark.parametrize(("name", "text"), [(OWN, ""), (OWN, "# nothing yet\n"), (SHARED, "[tool.pytest-rollback]\n")])
def test_an_empty_policy_changes_nothing(tmp_path: Path, name: str, text: str) -> None:
    """It says that the project has nothing to add; its source is the file all the same."""
    policy = load(tmp_path, text, name)
    assert policy.digest == load_policy(None).digest
    assert policy.source == name


def test_a_row_is_overridden_key_by_key(tmp_path: Path) -> None:
    """A project that wants another deadline must not have to copy the row, nor freeze it."""
    shipped = load_policy(None)
    policy = load(tmp_path, '[triggers.golden-path]\ndeadline = "2 min"\nlevel = "none"\n')
    assert row(policy, "golden-path") == msgspec.structs.replace(
        row(shipped, "golden-path"), deadline_s=120.0, level=None
    )
    assert others(policy, "golden-path") == others(shipped, "golden-path")
    assert (policy.groups, policy.metrics, policy.tiers) == (shipped.groups, shipped.metrics, shipped.tiers)


def test_a_deadline_of_none_is_none(tmp_path: Path) -> None:
    """`none` is how a person takes a shipped time away."""
    assert row(load(tmp_path, '[triggers.golden-path]\ndeadline = "none"'), "golden-path").deadline_s is None


def test_a_row_can_be_switched_off(tmp_path: Path) -> None:
    """It stays in the matrix, so that its absence shows."""
    assert not row(load(tmp_path, "[triggers.exception]\nenabled = false"), "exception").enabled


@pytest.mark.parametrize(
    ("action", "hold"), [('"watch"\nwatch = "1 h"', 3600.0), ('"watch"', None), ('"roll back"', None), ('"note"', None)]
)
def test_a_row_holds_for_the_time_of_its_own_action(tmp_path: Path, action: str, hold: float | None) -> None:
    """The shipped 10 min to investigate are no 10 min to watch."""
    policy = load(tmp_path, f"[triggers.compliance-drop]\naction = {action}\n")
    assert row(policy, "compliance-drop").hold_s == hold


NEW_ROW = """
[triggers.slow-start]
metric = ["start-up", "import"]
label = "nightly"
rise = "> 30 %"
severity = "high"
action = "investigate"
investigate = "10 min"
level = "phase"
deadline = "1 h"
"""


def test_a_project_adds_rows(tmp_path: Path) -> None:
    """The matrix is the project's own in the end; all that the row says is kept."""
    found = row(load(tmp_path, NEW_ROW), "slow-start")
    assert (found.metrics, found.labels, str(found.rise)) == (("start-up", "import"), ("nightly",), "> 30 %")
    assert (found.severity, found.action, found.hold_s) == (Severity.HIGH, Action.INVESTIGATE, 600.0)
    assert (found.level, found.deadline_s, found.enabled) == (Level.PHASE, 3600.0, True)


def test_a_projects_group_is_required_and_stands_last(tmp_path: Path) -> None:
    """Somebody who names a group means it to be looked at."""
    policy = load(tmp_path, '[groups.smoke]\neach = "30 s"\nwhole = "5 min"\nat = "ci"\nfail-fast = true\n')
    assert policy.groups[-1] == Group(
        name="smoke", order=100, each_s=30.0, whole_s=300.0, fail_fast=True, at="ci", required=True
    )
    assert policy.group("smoke") == policy.groups[-1]
    assert policy.group("smok") is None


def test_groups_stand_in_their_order(tmp_path: Path) -> None:
    """The most important runs first, wherever it stands in the file."""
    policy = load(tmp_path, "[groups.late]\norder = 90\n[groups.first]\norder = 1\n[groups.late_too]\norder = 90\n")
    names = ["first", "golden_path", "isolation", "checks", "mission_critical", "late", "late_too"]
    assert [group.name for group in policy.groups] == names


def test_a_projects_metrics_phases_tiers_and_labels_are_kept(tmp_path: Path) -> None:
    """Whatever a project decides has one place."""
    policy = load(
        tmp_path,
        'labels = ["chat"]\nlive = ["main"]\ntrusted = "origin/main"\nmode = "shadow"\n'
        '[metrics.queue]\nunit = "s"\nbetter = "lower"\nfloor = 1\nceiling = "900 ms"\nassumed = 2\ntolerance = 0.5\n'
        '[phases.move]\nrisk = "high"\nrequires = ["isolation"]\nstop = ["memory"]\nway-back = "20 min"\n'
        '[tiers.2]\ncontacts = ["ada"]\n[tiers.5]\nname = "board"\nrespond = "2 h"\nlevels = ["system"]\n',
    )
    metric, phase, tier = policy.metrics["queue"], policy.phases["move"], policy.tiers[-1]
    assert (policy.labels, policy.live, policy.trusted, policy.mode) == (("chat",), ("main",), "origin/main", "shadow")
    assert (str(metric.floor), str(metric.ceiling), metric.assumed, metric.tolerance) == ("1", "900 ms", 2.0, 0.5)
    assert (metric.unit, metric.better, metric.required) == ("s", "lower", True)
    assert (phase.risk, phase.requires, phase.stop, phase.way_back_s) == ("high", ("isolation",), ("memory",), 1200.0)
    assert (tier.number, tier.name, tier.respond_s, tier.levels) == (5, "board", 7200.0, (Level.SYSTEM,))
    assert (policy.tiers[1].name, policy.tiers[1].contacts) == ("engineering manager", ("ada",))


PHASE = """
phase = "move"
[phases.move]
requires = ["isolation"]
stop = ["compliance-slip", "performance", "golden-path"]
way-back = "10 min"
[triggers.chat]
deadline = "0 s"
"""


def test_the_running_phase_sharpens_rows(tmp_path: Path) -> None:
    """Its stop criteria roll back at once, and no way back may take longer than it allows."""
    policy, shipped = load(tmp_path, PHASE), load_policy(None)
    stopped = ("critical", "roll back", None)
    for name, level in (("compliance-slip", "phase"), ("performance", "commit")):
        found = row(policy, name)
        assert (found.severity.value, found.action.value, found.hold_s) == stopped
        assert (found.level, found.deadline_s) == (Level(level), 600.0)
    assert row(policy, "golden-path") == row(shipped, "golden-path")
    assert row(policy, "mission-critical").deadline_s == 600.0
    assert row(policy, "chat").deadline_s == 0.0
    assert row(policy, "integration") == row(shipped, "integration")
    assert [group.name for group in policy.groups if group.required] == ["isolation"]


def test_a_phase_that_does_not_run_sharpens_nothing(tmp_path: Path) -> None:
    """Phases are planned long before they begin; one without a time limit sets none."""
    policy = load(
        tmp_path, PHASE.replace('phase = "move"\n', "", 1).replace("[triggers.chat]\n", "[triggers.database]\n")
    )
    assert others(policy, "database") == others(load_policy(None), "database")
    policy = load(tmp_path, 'phase = "move"\n[phases.move]\n')
    assert (policy.triggers, policy.groups) == (load_policy(None).triggers, load_policy(None).groups)


@pytest.mark.parametrize("metric", ["queue-depth", ["queue-depth"]])
def test_other_plugins_rows_stand_under_the_projects(tmp_path: Path, metric: Any) -> None:
    """A plugin's row declares its metric, which then has to be measured; the project has the last word."""
    extra = {"triggers": {"queue": {"metric": metric, "above": 9, "severity": "high", "action": "investigate"}}}
    (tmp_path / OWN).write_text('[triggers.queue]\nabove = 12\n[metrics.queue-depth]\nunit = "ms"\n', "utf-8")
    policy = load_policy(tmp_path / OWN, extra=extra)
    found = row(policy, "queue")
    assert (str(found.above), found.severity, found.metrics) == ("12", Severity.HIGH, ("queue-depth",))
    assert (policy.metrics["queue-depth"].required, policy.metrics["queue-depth"].unit) == (True, "ms")


def test_the_own_file_wins_over_the_shared_one_beside_it(tmp_path: Path) -> None:
    """Two places that are merged would be two places to look."""
    (tmp_path / SHARED).write_text(OURS, "utf-8")
    assert find_policy(tmp_path) == tmp_path / SHARED
    (tmp_path / OWN).write_text("", "utf-8")
    assert find_policy(tmp_path) == tmp_path / OWN


def test_a_shared_file_without_our_table_is_passed_by(tmp_path: Path) -> None:
    """A package of a monorepo has its `pyproject.toml`, and the policy stands at the top."""
    root = tmp_path / "packages" / "one"
    root.mkdir(parents=True)
    (tmp_path / SHARED).write_text(OURS, "utf-8")
    for text in (
        '[project]\nname = "x"\n',
        '[project]\ndependencies = ["pytest-rollback"]\n',
        "tool = 3  # pytest-rollback\n",
    ):
        (root / SHARED).write_text(text, "utf-8")
        assert find_policy(root, tmp_path) == tmp_path / SHARED


def test_the_search_ends_at_the_repositorys_top(tmp_path: Path) -> None:
    """A policy of some folder far above is somebody else's."""
    top, root = tmp_path / "top", tmp_path / "top" / "a" / "b"
    root.mkdir(parents=True)
    (tmp_path / OWN).write_text("", "utf-8")
    assert find_policy(root, top) is None
    assert find_policy(top, top) is None
    assert find_policy(root, tmp_path / "elsewhere") is None
    (top / OWN).write_text("", "utf-8")
    assert find_policy(root, top) == top / OWN
    (root.parent / SHARED).write_text(OURS, "utf-8")
    assert find_policy(root, top) == root.parent / SHARED


def test_without_a_repository_only_the_root_is_looked_at(tmp_path: Path) -> None:
    """Outside git nothing says where to stop."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / OWN).write_text("", "utf-8")
    assert find_policy(root) is None


def test_a_root_that_was_reached_through_a_link_finds_the_top(tmp_path: Path) -> None:
    """Git names the top by its real path; a search that missed it would judge by the shipped matrix, unsaid."""
    (tmp_path / "top" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "top")
    (tmp_path / "top" / OWN).write_text("", "utf-8")
    assert find_policy(tmp_path / "link" / "sub", tmp_path / "top") == tmp_path / "top" / OWN
