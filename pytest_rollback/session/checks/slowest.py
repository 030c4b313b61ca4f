"""Measures imports: of each package the module that takes longest, and what it spends its time on."""

from __future__ import annotations

from pytest_rollback.model import Measurement
from pytest_rollback.policy.criteria import duration
from pytest_rollback.policy.rules import Check
from pytest_rollback.session.checks.imported import Imported

METRIC = "import"
WORTH_SAYING = 0.1
SHARE = 0.5


def slowest(check: Check, seen: Imported) -> tuple[Measurement, ...]:
    """Give a measurement for each package of which a module imports."""
    found = []
    for package in dict.fromkeys(check.packages):
        times = {name: seen.fine[name] for name in seen.modules.get(package, ()) if name in seen.fine}
        if times:
            name = max(times, key=lambda one: times[one])
            found.append(
                Measurement(
                    name=f"import-{package}",
                    value=times[name],
                    metric=METRIC,
                    unit="s",
                    labels=check.labels,
                    detail=f"slowest: {name}{_why(name, times[name], seen)}",
                )
            )
    return tuple(found)


def _why(module: str, took: float, seen: Imported) -> str:
    """Name what takes most of the time, where that is another module."""
    culprit, spent = seen.blame.get(module, (module, 0.0))
    if culprit == module or took < WORTH_SAYING or spent < SHARE * took:
        return ""
    return f" ({duration(round(min(spent, took), 2))} of it in {culprit})"
