"""Says what in a policy can be read and still can't be meant: rows without a condition, names without a bearer."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pytest_rollback.model import Action
from pytest_rollback.policy.check import Checker, Tables, quoted
from pytest_rollback.policy.criteria import Criterion, Quantity, convert
from pytest_rollback.policy.problems import nearest
from pytest_rollback.policy.rules import ANY_GROUP, names_in
from pytest_rollback.policy.sense_of_checks import sense_of_check

ON_TESTS = ("group", "label", "failures", "rate", "exception")
ON_METRICS = ("metric", "drop", "rise", "above", "below", "limit")
NEEDS_METRIC = ("drop", "rise", "above", "below")
CONDITIONS = (*ON_TESTS, *ON_METRICS, "signal")
HOLDS = (("investigate", Action.INVESTIGATE), ("watch", Action.WATCH))
EVERYTHING = 100.0


def hold_to_sense(checker: Checker, under: Tables, over: Tables, merged: Tables) -> None:
    """Say what can't be meant, of what `over` wrote and of what that changed the meaning of."""
    labels = [*merged["labels"], *_labels_of_rows(under)] if merged.get("labels") else []
    metrics = over.get("metrics", {})
    for name, row in merged["triggers"].items():
        at = f"triggers.{quoted(name)}"
        if name in over.get("triggers", {}):
            _sense_of_trigger(checker, at, row, merged)
            _sense_of_names(checker, at, over["triggers"][name], merged, labels)
            _sense_of_hold(checker, at, over["triggers"][name], row)
        elif metrics.keys().isdisjoint(names_in(row.get("metric"))):
            continue
        _sense_of_units(checker, at, row, merged)
    for name in metrics:
        _sense_of_limits(checker, f"metrics.{quoted(name)}", merged["metrics"][name])
    for name, written in over.get("groups", {}).items():
        _sense_of_times(checker, f"groups.{quoted(name)}", written)
    for name, written in over.get("phases", {}).items():
        _sense_of_phase(checker, f"phases.{quoted(name)}", written, merged)
    for name in over.get("tiers", {}):
        _sense_of_tier(checker, f"tiers.{name}", merged["tiers"][name])
    for name in over.get("checks", {}):
        sense_of_check(checker, f"checks.{quoted(name)}", merged["checks"][name], merged, labels)
    _sense_of_health(checker, over, merged)
    _known(checker, "phase", over.get("phase"), merged["phases"])
    _sense_of_files(checker, over, merged)
    _sense_of_people(checker, over, merged)


def _sense_of_trigger(checker: Checker, at: str, row: Tables, merged: Tables) -> None:
    """Say what is missing in a row, or can't stand beside the rest of it."""
    conditions = [key for key in CONDITIONS if row.get(key, False) is not False]
    unread = any(checker.said(f"{at}.{key}") for key in CONDITIONS)
    if not conditions and not unread:
        _no_condition(checker, at, row, merged)
        return
    for key in ("severity", "action"):
        if key not in row and not checker.said(f"{at}.{key}"):
            checker.say(f"{at}.{key}", "missing")
    kinds = {
        "tests": [key for key in conditions if key in ON_TESTS and key != "label"],
        "a metric": [key for key in conditions if key in ON_METRICS],
        "a signal": [key for key in conditions if key == "signal"],
    }
    mixed = {kind: keys for kind, keys in kinds.items() if keys}
    if len(mixed) > 1:
        said = " and ".join(f"{kind} ({', '.join(keys)})" for kind, keys in mixed.items())
        checker.say(at, f"a row watches tests, a metric or a signal, and this one {said}; make it two rows")
    if "signal" in conditions and "label" in conditions:
        checker.say(f"{at}.label", "a signal bears no labels")
    if mixed == {"a metric": ["metric"]} and not unread:
        checker.say(at, f"says no number at which it fires; known: {', '.join((*NEEDS_METRIC, 'limit'))}")
    for key in NEEDS_METRIC:
        if key in row and "metric" not in row and not checker.said(f"{at}.metric"):
            checker.say(f"{at}.{key}", 'needs "metric", the number that it watches')


def _no_condition(checker: Checker, at: str, row: Tables, merged: Tables) -> None:
    if "limit" in row:
        checker.say(f"{at}.limit", 'without it the row has no condition; to switch it off write "enabled = false"')
        return
    name = at.removeprefix("triggers.")
    known = [known for known in merged["triggers"] if quoted(known) != name]
    checker.say(at, f"no row of this name is shipped, and a new one needs a condition{nearest(name, known)}")


def _sense_of_names(checker: Checker, at: str, written: Tables, merged: Tables, labels: list[str]) -> None:
    """Say which conditions name nothing, or what nothing bears; of exceptions and signals any may exist."""
    bearers = {"group": [*merged["groups"], ANY_GROUP], "metric": [*merged["metrics"]], "label": labels}
    for key in ("group", "metric", "label", "exception", "signal"):
        names = names_in(written.get(key))
        if key in written and not (names and all(name.strip() for name in names)):
            checker.say(f"{at}.{key}", "names nothing; leave the key out")
        elif bearers.get(key):
            _known(checker, f"{at}.{key}", names, bearers[key])


def _sense_of_hold(checker: Checker, at: str, written: Tables, row: Tables) -> None:
    """Say where a row names a time for something that it does not ask for."""
    for key, action in HOLDS:
        if key in written and row.get("action", action) is not action:
            checker.say(f"{at}.{key}", f'goes with action = "{key}", and this row\'s is "{row["action"].value}"')


def _sense_of_units(checker: Checker, at: str, row: Tables, merged: Tables) -> None:
    """Say where a number can't be compared with what the row watches, or can never be reached."""
    for key, allowed, can_be in (("failures", ("",), _can_count), ("rate", ("%", ""), _can_be_share)):
        criterion = row.get(key)
        if not isinstance(criterion, Criterion):
            continue
        if criterion.unit not in allowed:
            checker.say(f"{at}.{key}", f"{str(criterion)!r} has a unit that makes no sense here")
        elif not can_be(criterion):
            checker.say(f"{at}.{key}", f"{str(criterion)!r} can never be, so the row would never fire")
    for name in names_in(row.get("metric")):
        unit = merged["metrics"].get(name, {}).get("unit", "")
        for key in NEEDS_METRIC:
            written = getattr(row.get(key), "unit", "")
            relative = ("%", "points") if key in ("drop", "rise") else ()
            if written not in relative and convert(1.0, written, unit) is None:
                checker.say(f"{at}.{key}", f"{str(row[key])!r} can't be compared with {name}, which is in {unit}")


def _can_count(criterion: Criterion) -> bool:
    """Whether some number of failing tests lies in the range."""
    first = math.ceil(max(criterion.low, 1.0))
    return criterion.holds(first) or criterion.holds(first + 1)


def _can_be_share(criterion: Criterion) -> bool:
    """Whether some share of failing tests lies in the range."""
    low, high = max(criterion.low, 0.0), min(criterion.high, EVERYTHING)
    return low < high or (low == high > 0 and criterion.holds(low))


def _sense_of_limits(checker: Checker, at: str, metric: Tables) -> None:
    """Say where a limit can't be compared with the metric's own numbers."""
    for key in ("floor", "ceiling"):
        limit, unit = metric.get(key), metric.get("unit", "")
        if isinstance(limit, Quantity) and convert(1.0, limit.unit, unit) is None:
            checker.say(f"{at}.{key}", f"{str(limit)!r} can't be compared with the metric, which is in {unit}")


def _sense_of_times(checker: Checker, at: str, written: Tables) -> None:
    """Say where a limit would stop everything, or, to pytest-timeout, nothing."""
    for key in ("each", "whole"):
        if written.get(key) == 0:
            checker.say(f"{at}.{key}", 'no time at all; write "none" for no limit')


def _sense_of_tier(checker: Checker, at: str, tier: Tables) -> None:
    """Say who is missing."""
    if "name" not in tier and not checker.said(f"{at}.name"):
        checker.say(f"{at}.name", "missing; say who it is")


def _sense_of_phase(checker: Checker, at: str, written: Tables, merged: Tables) -> None:
    """Say which groups and rows of a phase aren't there; a row that is switched off stops nothing."""
    _known(checker, f"{at}.requires", written.get("requires"), merged["groups"])
    _known(checker, f"{at}.stop", written.get("stop"), merged["triggers"])
    for name in written.get("stop", ()):
        if merged["triggers"].get(name, {}).get("enabled") is False:
            checker.say(f"{at}.stop", f'"{name}" is switched off')


def _sense_of_files(checker: Checker, over: Tables, merged: Tables) -> None:
    for name in over.get("drift", {}):
        _sense_of_drift(checker, f"drift.{quoted(name)}", merged["drift"][name])
    for key in ("protected", "carry"):
        _sense_of_paths(checker, key, over.get(key, ()))


def _sense_of_drift(checker: Checker, at: str, drift: Tables) -> None:
    """Say what is missing for a comparison, and what can't be one end of it."""
    for key, what in (("source", "the file or folder that counts"), ("copies", "patterns of its copies")):
        if not drift.get(key) and not checker.said(f"{at}.{key}"):
            checker.say(f"{at}.{key}", f"missing; name {what}")
    source = drift.get("source", "")
    if "*" in source:
        checker.say(f"{at}.source", f'"{source}" is a pattern; name the one file or folder that counts')
    else:
        _sense_of_paths(checker, f"{at}.source", [source] if source else [])
    _sense_of_paths(checker, f"{at}.copies", drift.get("copies", ()))


def _sense_of_paths(checker: Checker, key: str, written: Iterable[str]) -> None:
    """Say which patterns of files can name none that the project has."""
    for path in written:
        if not path.strip():
            checker.say(key, "names nothing; leave it out")
        elif path.startswith(("/", "~")) or ".." in path.split("/") or "\0" in path:
            checker.say(key, f'{path!r} is no place in the project; write it as seen from its root: "schema/**"')


def _sense_of_people(checker: Checker, over: Tables, merged: Tables) -> None:
    """Say which patterns no author can match."""
    for key in ("approvers", "machines"):
        if not all(pattern.strip() for pattern in over.get(key, ())):
            checker.say(key, "names nothing; leave it out")
    for mail in over.get("approvers", ()):
        if mail.strip() and not any(sign in mail for sign in "@*"):
            checker.say(
                "approvers", f'{mail!r} is no mail; write "ada@example.org", or "*@example.org" for all of them'
            )
    if merged.get("machine-approval") and not merged.get("machines"):
        checker.say("machine-approval", 'needs "machines", the authors who are meant by it')


def _sense_of_health(checker: Checker, over: Tables, merged: Tables) -> None:
    """Say which lines of the health score name nothing; of labels any may exist, where none are listed."""
    if merged.get("labels"):
        lines = [*merged["groups"], *merged["checks"], *merged["metrics"], *merged["labels"], *_labels_of_rows(merged)]
        _known(checker, "health", over.get("health"), lines)
    if not all(name.strip() for name in over.get("health", ())):
        checker.say("health", "names nothing; leave it out")


def _known(checker: Checker, key: str, names: object, known: Iterable[str]) -> None:
    """Say which of the names nothing bears."""
    bearers = list(known)
    for name in names_in(names):
        if name not in bearers:
            checker.say(key, f'nothing is named "{name}"{nearest(name, bearers)}')


def _labels_of_rows(tables: Tables) -> list[str]:
    """List the labels that rows already know, which no vocabulary takes away."""
    return [label for row in tables["triggers"].values() for label in names_in(row.get("label"))]
