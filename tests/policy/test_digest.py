"""The policy's digest: it changes with what the policy says, and with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_rollback.policy.load import load_policy
from pytest_rollback.policy.tables import TABLES, PolicyTable

# What the changes are laid over: each key changes something that is there.
BEFORE: dict[str, Any] = {
    "phase": "now",
    "labels": ["chat"],
    "groups": {"smoke": {"order": 7, "each": "9 s", "whole": "9 s"}},
    "triggers": {
        "on-tests": {
            "group": "smoke",
            "label": "chat",
            "failures": "> 2",
            "rate": "> 5 %",
            "exception": "KeyError",
            "severity": "high",
            "action": "investigate",
        },
        "on-metric": {
            "metric": "queue",
            "drop": "> 1",
            "rise": "> 1",
            "above": 1,
            "below": 9,
            "severity": "high",
            "action": "watch",
        },
    },
    "metrics": {"queue": {"required": False}},
    "checks": {
        "plain": {"kind": "syntax"},
        "all": {"kind": "imports", "packages": ["app"], "group": "smoke"},
        "score": {"kind": "command", "command": ["run"], "pattern": "x", "metric": "queue"},
        "other": {"kind": "junit", "results": "a.xml", "max-age": "2 h"},
    },
    "phases": {"now": {}, "next": {}},
    "drift": {"user": {"source": "schema/user.json", "copies": ["a/user.json"]}},
}
CHANGES = {
    "mode": 'mode = "shadow"',
    "trusted": 'trusted = "origin/main"',
    "live": 'live = ["main"]',
    "labels": 'labels = ["chat", "login"]',
    "phase": 'phase = "next"',
    "protected": 'protected = ["schema/**"]',
    "carry": 'carry = ["config/*.local"]',
    "reuse": "reuse = true",
    "sign": "sign = true",
    "approvers": 'approvers = ["*@example.org"]',
    "machines": "machines = []",
    "machine-approval": "machine-approval = true",
    "drift.source": '[drift.user]\nsource = "schema/person.json"',
    "drift.copies": '[drift.user]\ncopies = ["*/user.json"]',
    "groups.order": "[groups.smoke]\norder = 8",
    "groups.each": '[groups.smoke]\neach = "8 s"',
    "groups.whole": '[groups.smoke]\nwhole = "8 s"',
    "groups.fail-fast": "[groups.smoke]\nfail-fast = true",
    "groups.at": '[groups.smoke]\nat = "ci"',
    "groups.required": "[groups.smoke]\nrequired = false",
    "triggers.enabled": "[triggers.on-tests]\nenabled = false",
    "triggers.severity": '[triggers.on-tests]\nseverity = "low"',
    "triggers.action": '[triggers.on-tests]\naction = "note"',
    "triggers.level": '[triggers.on-tests]\nlevel = "file"',
    "triggers.deadline": '[triggers.on-tests]\ndeadline = "5 min"',
    "triggers.investigate": '[triggers.on-tests]\ninvestigate = "5 min"',
    "triggers.watch": '[triggers.on-metric]\nwatch = "5 min"',
    "triggers.group": '[triggers.on-tests]\ngroup = "isolation"',
    "triggers.label": '[triggers.on-tests]\nlabel = "database"',
    "triggers.failures": '[triggers.on-tests]\nfailures = ">= 2"',
    "triggers.rate": '[triggers.on-tests]\nrate = ">= 5 %"',
    "triggers.exception": '[triggers.on-tests]\nexception = "OSError"',
    "triggers.metric": '[triggers.on-metric]\nmetric = "memory"',
    "triggers.drop": '[triggers.on-metric]\ndrop = "> 1 %"',
    "triggers.rise": '[triggers.on-metric]\nrise = "1 to 2"',
    "triggers.above": "[triggers.on-metric]\nabove = 2",
    "triggers.below": "[triggers.on-metric]\nbelow = 8",
    "triggers.limit": "[triggers.on-metric]\nlimit = true",
    "triggers.signal": '[triggers.imports]\nsignal = "imports-gone"',
    "metrics.unit": '[metrics.queue]\nunit = "s"',
    "metrics.better": '[metrics.queue]\nbetter = "lower"',
    "metrics.floor": "[metrics.queue]\nfloor = 1",
    "metrics.ceiling": "[metrics.queue]\nceiling = 1",
    "metrics.assumed": "[metrics.queue]\nassumed = 1",
    "metrics.tolerance": "[metrics.queue]\ntolerance = 1",
    "metrics.required": "[metrics.queue]\nrequired = true",
    "metrics.at": '[metrics.queue]\nat = "ci"',
    "metrics.per-environment": "[metrics.queue]\nper-environment = true",
    "metrics.ratchet": "[metrics.queue]\nratchet = true",
    "checks.kind": '[checks.plain]\nkind = "protected"',
    "checks.group": '[checks.all]\ngroup = "isolation"',
    "checks.label": '[checks.all]\nlabel = "chat"',
    "checks.at": '[checks.all]\nat = "ci"',
    "checks.limit": '[checks.all]\nlimit = "5 s"',
    "checks.packages": '[checks.all]\npackages = ["app", "more"]',
    "checks.exclude": '[checks.all]\nexclude = ["app.old"]',
    "checks.command": '[checks.score]\ncommand = ["go"]',
    "checks.pattern": '[checks.score]\npattern = "y"',
    "checks.metric": '[checks.score]\nmetric = "memory"',
    "checks.status": "[checks.score]\nstatus = [0, 1]",
    "checks.results": '[checks.other]\nresults = "b.xml"',
    "checks.max-age": '[checks.other]\nmax-age = "1 h"',
    "health": 'health = ["isolation"]',
    "phases.risk": '[phases.now]\nrisk = "low"',
    "phases.requires": '[phases.now]\nrequires = ["isolation"]',
    "phases.stop": '[phases.next]\nstop = ["memory"]',
    "phases.way-back": '[phases.next]\nway-back = "5 min"',
    "tiers.name": '[tiers.1]\nname = "Ada"',
    "tiers.contacts": '[tiers.1]\ncontacts = ["ada"]',
    "tiers.respond": '[tiers.1]\nrespond = "5 min"',
    "tiers.levels": '[tiers.1]\nlevels = ["file"]',
}


def digest(folder: Path, text: str, under: dict[str, Any] | None = None) -> str:
    """Load a text as a policy file, and give the policy's digest."""
    path = folder / "pytest-rollback.toml"
    path.write_text(text, "utf-8")
    return load_policy(path, extra=under).digest


def test_each_key_of_a_policy_has_its_change_here() -> None:
    """A key that is new to the policy is new to this table."""
    keys = {field.encode_name for field in msgspec.structs.fields(PolicyTable)} - set(TABLES)
    keys |= {f"{name}.{field.encode_name}" for name, shape in TABLES.items() for field in msgspec.structs.fields(shape)}
    assert set(CHANGES) == keys


@pytest.mark.parametrize("key", CHANGES)
def test_no_key_changes_nothing(tmp_path: Path, key: str) -> None:
    """A key that is read and has no effect would be a promise that nobody keeps."""
    assert digest(tmp_path, CHANGES[key], BEFORE) != digest(tmp_path, "", BEFORE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('[triggers.chat]\nlevel = "file"\ndeadline = "5 min"', '[triggers.chat]\ndeadline = "5 min"\nlevel = "file"'),
        ('[triggers.chat]\nlevel = "file"', "# why\n[ triggers . chat ]\n\n  level='file'  # so\n"),
        ('triggers.chat.level = "file"', '[triggers.chat]\nlevel = "file"'),
        ('[triggers.chat]\ndeadline = "2 min"', '[triggers.chat]\ndeadline = "120 s"'),
        ('[triggers.memory]\nrise = "> 9 %"', '[triggers.memory]\nrise = ">9%"'),
        ('[triggers.chat]\nlabel = "talk"', '[triggers.chat]\nlabel = ["talk"]'),
        ('[triggers.chat]\ndeadline = "5 min"', ""),
        ('[metrics.a]\nunit = "s"\n[metrics.b]', '[metrics.b]\n[metrics.a]\nunit = "s"'),
    ],
)
def test_how_a_policy_is_written_does_not_matter(tmp_path: Path, one: str, other: str) -> None:
    """A verdict is found again by the digest, and reformatting must not lose it."""
    assert digest(tmp_path, one) == digest(tmp_path, other)


def test_the_digest_knows_no_place(tmp_path: Path) -> None:
    """Two machines, and two files, that say the same share their verdicts."""
    (tmp_path / "pyproject.toml").write_text('[tool.pytest-rollback]\nmode = "shadow"\n', "utf-8")
    policy = load_policy(tmp_path / "pyproject.toml")
    assert policy.source == "pyproject.toml"
    assert policy.digest == digest(tmp_path, 'mode = "shadow"')


def test_the_order_of_rows_matters(tmp_path: Path) -> None:
    """Of two rows that are equally bad, the one that stands first is named first."""
    rows = [f'[triggers.{name}]\nlabel = "x"\nseverity = "low"\naction = "note"\n' for name in "ab"]
    assert digest(tmp_path, "".join(rows)) != digest(tmp_path, "".join(reversed(rows)))
