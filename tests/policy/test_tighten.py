"""A second policy may demand more, and nothing less: each key that would is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Policy
from pytest_rollback.policy.tighten import loosened

PROJECT = """
trusted = "origin/main"
live = ["main", "release/*"]
phase = "move"
labels = ["fast", "slow", "x", "y", "new"]
protected = ["schema/**", "a/b.json", "LICENSE"]
sign = true
approvers = ["ada@example.org", "*@safety.example.org"]
machines = ["*[bot]*", "robot@*"]
machine-approval = true
[groups.smoke]
each = "30 s"
whole = "5 min"
[groups.nightly]
at = "ci"
[triggers.chat]
failures = "> 2"
[triggers.queue]
metric = "queue"
label = ["fast", "slow"]
above = 5
severity = "high"
action = "watch"
watch = "1 h"
[triggers.dip]
metric = ["queue", "leak"]
below = "1 s"
severity = "low"
action = "note"
[triggers.exception]
enabled = false
[metrics.leak]
unit = "s"
[triggers.memory-leak]
above = 9
[metrics.queue]
unit = "s"
better = "lower"
floor = 1
ceiling = "900 ms"
assumed = 2
tolerance = 0.5
required = true
[phases.move]
requires = ["smoke", "isolation"]
stop = ["memory"]
way-back = "20 min"
[phases.stay]
[drift.user]
source = "schema/user.json"
copies = ["a/user.json", "b/user.json"]
[triggers.few]
group = "isolation"
failures = "1 to 2"
severity = "high"
action = "watch"
[triggers.nobody]
group = "nightly"
label = "x"
severity = "high"
action = "investigate"
"""
# What loosens, and the keys that are named for it.
LOOSER = [
    ('mode = "shadow"', ["mode"]),
    ('trusted = "fork/main"', ["trusted"]),
    ('live = ["main"]', ["live"]),
    ("live = []", ["live"]),
    ('[groups.smoke]\neach = "31 s"', ["groups.smoke.each"]),
    ('[groups.smoke]\neach = "none"\nwhole = "none"', ["groups.smoke.each", "groups.smoke.whole"]),
    ('[groups.smoke]\nat = "ci"', ["groups.smoke.at"]),
    ("[groups.nightly]\nrequired = false", ["groups.nightly.required"]),
    ("[triggers.golden-path]\nenabled = false", ["triggers.golden-path.enabled"]),
    ('[triggers.chat]\nseverity = "high"', ["triggers.chat.severity"]),
    ('[triggers.chat]\naction = "investigate"', ["triggers.chat.action"]),
    ('[triggers.chat]\nlevel = "none"', ["triggers.chat.level"]),
    ('[triggers.chat]\ndeadline = "6 min"', ["triggers.chat.deadline"]),
    ('[triggers.performance-slower]\ndeadline = "none"', ["triggers.performance-slower.deadline"]),
    ('[triggers.mission-critical]\ninvestigate = "16 min"', ["triggers.mission-critical.investigate"]),
    ('[triggers.queue]\nwatch = "2 h"', ["triggers.queue.watch"]),
    ('[triggers.chat]\nfailures = "> 3"', ["triggers.chat.failures"]),
    ('[triggers.database]\nfailures = ">= 1"', ["triggers.database.failures"]),
    ('[triggers.mission-critical-rate]\nrate = "> 11 %"', ["triggers.mission-critical-rate.rate"]),
    (
        '[triggers.mission-critical-rate]\ngroup = ["mission_critical", "smoke"]',
        ["triggers.mission-critical-rate.rate", "groups.smoke"],
    ),
    ('[triggers.memory]\nrise = "> 21 %"', ["triggers.memory.rise"]),
    ('[triggers.compliance-slip]\ndrop = "0.6 to 2 points"', ["triggers.compliance-slip.drop"]),
    ('[triggers.compliance-slip]\nrise = "> 1 point"', ["triggers.compliance-slip.rise"]),
    ("[triggers.queue]\nabove = 6", ["triggers.queue.above"]),
    ('[triggers.queue]\nabove = "5001 ms"', ["triggers.queue.above"]),
    ("[triggers.queue]\nbelow = 100", ["triggers.queue.below"]),
    ('[triggers.dip]\nbelow = "999 ms"', ["triggers.dip.below"]),
    ("[triggers.performance]\nabove = 1000", ["triggers.performance.above"]),
    ("[triggers.memory]\nlimit = true", ["triggers.memory.limit"]),
    ('[triggers.golden-path]\ngroup = "isolation"', ["triggers.golden-path.group"]),
    ('[triggers.isolation]\nlabel = "chat"', ["triggers.isolation.label"]),
    ('[triggers.queue]\nlabel = "fast"', ["triggers.queue.label"]),
    ('[triggers.chat]\nexception = "KeyError"', ["triggers.chat.exception"]),
    ('[triggers.dip]\nmetric = "queue"', ["triggers.dip.metric"]),
    ('[triggers.infrastructure]\nsignal = ["crashed", "timed-out"]', ["triggers.infrastructure.signal"]),
    ('[metrics.compliance]\nunit = "points"', ["metrics.compliance.unit"]),
    ('[metrics.compliance]\nbetter = "lower"', ["metrics.compliance.better"]),
    ("[metrics.queue]\nfloor = 0.9", ["metrics.queue.floor"]),
    ('[metrics.queue]\nceiling = "901 ms"', ["metrics.queue.ceiling"]),
    ("[metrics.queue]\nceiling = 0.901", ["metrics.queue.ceiling"]),
    ("[metrics.queue]\ntolerance = 0.6", ["metrics.queue.tolerance"]),
    ("[metrics.queue]\nassumed = 2.1", ["metrics.queue.assumed"]),
    ("[metrics.compliance]\nassumed = 97", ["metrics.compliance.assumed"]),
    ("[metrics.memory]\nassumed = 1e9", ["metrics.memory.assumed"]),
    ("[metrics.queue]\nrequired = false", ["metrics.queue.required"]),
    ('[phases.move]\nrequires = ["isolation"]', ["phases.move.requires"]),
    ("[phases.move]\nstop = []", ["triggers.memory.severity", "triggers.memory.action", "phases.move.stop"]),
    ("labels = []", ["labels"]),
    ('protected = ["schema/**", "a/*"]', ["protected"]),
    ('protected = ["sch*/**", "a/**", "LICENSE"]', ["protected"]),
    ("sign = false", ["sign"]),
    ("approvers = []", ["approvers"]),
    ('approvers = ["ada@example.org", "*@example.org"]', ["approvers"]),
    ('approvers = ["a?a@example.org"]', ["approvers"]),
    ('machines = ["robot@*"]', ["machines"]),
    ('machines = ["*[bot]*", "robot@example.org"]', ["machines"]),
    ("machine-approval = false", ["machine-approval"]),
    ('[drift.user]\nsource = "b/user.json"', ["drift.user.source"]),
    ('[drift.user]\ncopies = ["a/user.json", "c/user.json"]', ["drift.user.copies"]),
    ('[tiers.1]\nlevels = ["change", "file", "commit", "group"]', ["tiers.2.levels"]),
    ("[tiers.3]\nlevels = []", ["tiers.3.levels"]),
    # A row that only the second policy has takes the group out of the hands of the row for all others.
    (
        '[triggers.sly]\ngroup = "smoke"\nseverity = "critical"\naction = "note"',
        ["groups.smoke"],
    ),
    ('[triggers.sly]\ngroup = "smoke"\nlabel = "x"\nseverity = "low"\naction = "note"', ["groups.smoke"]),
    # A failure that no row judges is inconclusive; a row that lets it through is looser than none.
    ('[triggers.sly]\ngroup = "nightly"\nseverity = "low"\naction = "watch"', ["triggers.sly"]),
    ('[triggers.sly]\nlabel = "y"\nrate = "> 9 %"\nseverity = "low"\naction = "roll back"', ["triggers.sly"]),
    ('[triggers.sly]\nsignal = ["flaky", "odd"]\nseverity = "low"\naction = "note"', ["triggers.sly"]),
    ('[triggers.sly]\nenabled = false\nsignal = "odd"\nseverity = "low"\naction = "note"', ["triggers.sly"]),
    # Within a range, more failures can be fewer reasons to fire.
    ('[triggers.few]\ngroup = ["isolation", "golden_path"]', ["triggers.few.failures"]),
]
STRICTER = [
    "",
    'mode = "enforce"\ntrusted = "origin/main"\nlive = ["release/*", "main", "next"]',
    '[groups.smoke]\neach = "29 s"\nwhole = "1 min"\nfail-fast = true\norder = 1',
    '[groups.nightly]\nat = "commit"\neach = "1 s"',
    "[groups.golden_path]\nrequired = true",
    "[groups.more]",
    "[triggers.exception]\nenabled = true",
    '[triggers.chat]\naction = "lock down"\nlevel = "phase"\ndeadline = "1 min"\nfailures = "> 1"',
    '[triggers.integration]\nseverity = "critical"\naction = "investigate"\ninvestigate = "1 d"\nlevel = "file"',
    '[triggers.queue]\nwatch = "30 min"\ndeadline = "1 h"\nlabel = ["fast", "slow", "new"]\nabove = "4999 ms"',
    '[triggers.dip]\nbelow = "1001 ms"',
    '[triggers.golden-path]\ngroup = ["golden_path", "smoke"]',
    '[triggers.mission-critical-rate]\nrate = "> 9 %"',
    '[triggers.compliance-slip]\ndrop = "0.4 to 2 points"',
    '[triggers.infrastructure]\nsignal = ["crashed", "timed-out", "fails-on-known-good", "odd"]',
    '[metrics.queue]\nfloor = "1100 ms"\nceiling = 0.8\nassumed = 1\ntolerance = 0',
    "[metrics.memory]\nceiling = 100\nrequired = true",
    "[metrics.compliance]\nassumed = 99\nfloor = 90",
    '[phases.move]\nrequires = ["smoke", "isolation", "golden_path"]\nway-back = "9 min"',
    '[phases.move]\nstop = ["memory", "compliance-slip"]',
    '[phases.stay]\nway-back = "1 min"\n[tiers.5]\nname = "board"',
    'labels = ["fast", "slow", "x", "y", "new", "more"]\nprotected = ["**"]\nreuse = true\ncarry = ["config/*.local"]',
    'approvers = ["eve@safety.example.org"]\nmachines = ["*bot*", "*[bot]*", "*@*"]',
    'approvers = ["ADA@example.org"]\nmachines = ["*[BOT]*", "robot@*"]',
    '[drift.user]\ncopies = ["b/user.json", "a/user.json", "c"]\n[drift.more]\nsource = "x"\ncopies = ["y"]',
    '[tiers.1]\nlevels = ["change"]\n[tiers.2]\nlevels = ["file", "commit", "group", "phase"]\ncontacts = []',
    '[triggers.new]\ngroup = "smoke"\nseverity = "high"\naction = "roll back"',
    '[triggers.new]\ngroup = "nightly"\nlabel = "y"\nseverity = "high"\naction = "lock down"',
    '[triggers.new]\nsignal = "odd"\nseverity = "high"\naction = "restore"',
    '[triggers.new]\nsignal = "flaky"\nseverity = "low"\naction = "note"',
    '[triggers.new]\nlimit = true\nlabel = "x"\nseverity = "low"\naction = "note"',
    '[triggers.new]\nmetric = "memory"\nrise = "> 1 %"\nseverity = "low"\naction = "note"',
]


def tighten(folder: Path, text: str, project: str = PROJECT, name: str = "tighter.toml") -> Policy:
    """Lay a second policy over a project's."""
    (folder / "pytest-rollback.toml").write_text(project, "utf-8")
    (folder / name).write_text(text, "utf-8")
    return load_policy(folder / "pytest-rollback.toml", folder / name)


@pytest.mark.parametrize(("text", "keys"), LOOSER)
def test_what_demands_less_is_refused_by_its_key(tmp_path: Path, text: str, keys: list[str]) -> None:
    """A change can't lower its own bar, not even by one key among many that raise it."""
    with pytest.raises(PolicyError) as caught:
        tighten(tmp_path, text)
    assert [problem.key for problem in caught.value.problems] == keys
    assert {problem.file for problem in caught.value.problems} == {str(tmp_path / "tighter.toml")}
    assert all(problem.text.endswith("; this file may only tighten") for problem in caught.value.problems)


@pytest.mark.parametrize("text", STRICTER)
def test_what_demands_more_is_taken(tmp_path: Path, text: str) -> None:
    """A refusal without a reason teaches people to leave the option out."""
    policy = tighten(tmp_path, text)
    assert policy.source == "pytest-rollback.toml + tighter.toml"
    assert (policy.digest != tighten(tmp_path, "").digest) is bool(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mode = "shadow"', '"shadow" is looser than "enforce"'),
        ('[triggers.isolation]\nlabel = "chat"', "watches only chat, and watched all"),
        ('[triggers.queue]\nlabel = "fast"', "watches only fast, and watched fast, slow"),
        ('[triggers.performance-slower]\ndeadline = "none"', '"none" is looser than "4 h"'),
        ("[triggers.queue]\nabove = 6", '"6" is looser than "5"'),
        ("[triggers.queue]\nbelow = 6", '"6" does not fire wherever "any" does'),
        ('[triggers.database]\nfailures = "> 1"', '"> 1" does not fire wherever "any" does'),
        ('[metrics.queue]\nceiling = "901 ms"', '"901 ms" is looser than "900 ms"'),
        ('[metrics.compliance]\nunit = ""', '"" is not "%", so the numbers say less'),
        ("[phases.move]\nrequires = []", "no longer names isolation, smoke"),
    ],
)
def test_a_refusal_says_what_was_and_what_would_be(tmp_path: Path, text: str, message: str) -> None:
    """Both values in one line, so that nobody has to look the first one up."""
    with pytest.raises(PolicyError) as caught:
        tighten(tmp_path, text)
    assert f"{message}; this file may only tighten" in [problem.text for problem in caught.value.problems]


def test_leaving_a_phase_is_named_beside_what_it_takes_away(tmp_path: Path) -> None:
    """The rows that it had sharpened are looser without it, each by its own key."""
    with pytest.raises(PolicyError) as caught:
        tighten(tmp_path, 'phase = "stay"')
    keys = {problem.key for problem in caught.value.problems}
    assert {"phase", "groups.isolation.required", "triggers.memory.action", "triggers.performance.deadline"} <= keys


def test_a_limit_that_no_row_judged_is_not_let_through_by_a_new_one(tmp_path: Path) -> None:
    """Beyond its limit and judged by no row is inconclusive."""
    project = "[triggers.limit]\nenabled = false\n"
    row = '[triggers.sly]\nlimit = true\nseverity = "low"\naction = '
    with pytest.raises(PolicyError, match=r"triggers\.sly: lets through what no row judged"):
        tighten(tmp_path, row + '"note"', project)
    assert tighten(tmp_path, row + '"restore"', project).triggers[-1].limit
    other = '[triggers.new]\nmetric = "memory"\nrise = "> 1 %"\nseverity = "low"\naction = "note"'
    assert tighten(tmp_path, other, project).triggers[-1].name == "new"


def test_what_a_row_on_all_failures_judged_may_be_noted_too(tmp_path: Path) -> None:
    """It was judged before, so a new row that only notes it lets nothing through."""
    project = PROJECT + '[triggers.any]\nfailures = "> 0"\nseverity = "high"\naction = "restore"\n'
    noted = '[triggers.new]\ngroup = "nightly"\nseverity = "low"\naction = "note"'
    assert tighten(tmp_path, noted, project).triggers[-1].name == "new"


def test_in_a_shared_file_only_its_table_counts(tmp_path: Path) -> None:
    """The stricter file may be another project's `pyproject.toml`; its keys are named as they stand there."""
    looser = "[tool.pytest-rollback.triggers.chat]\nenabled = false\n"
    with pytest.raises(
        PolicyError, match=r"pyproject.toml: tool.pytest-rollback.triggers.chat.enabled: false is looser"
    ):
        tighten(tmp_path, looser, "", "pyproject.toml")


def test_a_stricter_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Whoever asks for a stricter gate must not get the ordinary one."""
    with pytest.raises(PolicyError, match="cannot be read: No such file"):
        load_policy(None, tmp_path / "tighter.toml")


def test_what_is_gone_is_named(tmp_path: Path) -> None:
    """Of two versions of a policy the later may lack what the earlier had."""
    before = tighten(tmp_path, "")
    assert ("trusted", '"" is not "origin/main"') in loosened(before, load_policy(None))
    keys = {key: text for key, text in loosened(before, load_policy(None)) if "." in key and text == "is gone"}
    assert set(keys) == {
        "groups.smoke",
        "groups.nightly",
        "triggers.queue",
        "triggers.dip",
        "triggers.few",
        "triggers.nobody",
        "metrics.queue",
        "phases.move",
        "phases.stay",
        "drift.user",
    }


def test_a_condition_that_is_gone_makes_a_row_stricter(tmp_path: Path) -> None:
    """It fires on more than before; and a baseline that is no longer assumed must be accepted."""
    before = tighten(tmp_path, "", "[triggers.memory]\nabove = 5\nlimit = true\n[metrics.memory]\nassumed = 5\n")
    assert list(loosened(before, load_policy(None))) == []
