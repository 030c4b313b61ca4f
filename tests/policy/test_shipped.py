"""What is shipped beside the matrix: absolute limits, groups, and who is called."""

from __future__ import annotations

import pytest

from pytest_rollback.judge.decide import decide
from pytest_rollback.model import Evidence, Finding, Measurement, Subject
from pytest_rollback.policy.load import load_policy

SHIPPED = load_policy(None)
MIN = 60.0
# metric: (a number that still holds, one that does not, their unit)
LIMITS = {
    "tool-execution": (2, 2.01, "s"),
    "event-delivery": (500, 501, "ms"),
    "start-up": (10, 10.01, "s"),
    "connection": (5, 5.01, "s"),
    "import": (2000, 2001, "ms"),
    "login-rate": (99, 98.9, "%"),
    "connection-rate": (99, 98.9, "%"),
    "agent-creation-rate": (99.5, 99.4, "%"),
    "tool-execution-rate": (98, 97.9, "%"),
    "completion-rate": (95, 94.9, "%"),
    "isolation-rate": (100, 99.999, "%"),
}


def findings(measurement: Measurement) -> tuple[Finding, ...]:
    """Judge one number on a live branch."""
    return decide(Evidence(measurements=(measurement,)), SHIPPED, Subject(live=True)).findings


@pytest.mark.parametrize("metric", LIMITS)
def test_an_absolute_limit_holds_to_its_last_digit(metric: str) -> None:
    """A limit is the last number that is fine, in whichever unit it was measured."""
    fine, bad, unit = LIMITS[metric]
    assert findings(Measurement(name=metric, value=fine, unit=unit)) == ()
    (found,) = findings(Measurement(name=metric, value=bad, unit=unit))
    assert (found.trigger, found.measurements) == ("limit", (metric,))


def test_every_shipped_limit_is_in_the_table() -> None:
    """A limit that nobody stated here is a limit that nobody decided on."""
    limited = {name for name, metric in SHIPPED.metrics.items() if metric.floor or metric.ceiling}
    assert set(LIMITS) == limited


@pytest.mark.parametrize(
    ("level", "tier"), [("change", 1), ("file", 1), ("commit", 1), ("group", 2), ("phase", 2), ("system", 3)]
)
def test_each_level_has_the_tier_of_the_procedures(level: str, tier: int) -> None:
    """Who may decide is settled before anything breaks."""
    assert [found.number for found in SHIPPED.tiers if level in [own.value for own in found.levels]] == [tier]


def test_the_tiers_answer_as_the_procedures_say() -> None:
    """15, 30 and 60 minutes, and the fourth at once."""
    assert [tier.respond_s for tier in SHIPPED.tiers] == [15 * MIN, 30 * MIN, 60 * MIN, 0]


def test_mission_critical_has_five_minutes_and_no_shipped_group_must_exist() -> None:
    """The first gate of a project has one golden-path test and nothing else."""
    assert {group.name: group.whole_s for group in SHIPPED.groups} == {
        "golden_path": None,
        "isolation": None,
        "checks": None,
        "mission_critical": 300,
    }
    assert not any(group.required for group in SHIPPED.groups)
