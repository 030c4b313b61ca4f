"""How a test's numbers come into the session: each is judged at once, kept for the verdict, and told to the test."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pytest_rollback.errors import MeasurementError as MeasurementError  # noqa: PLC0414 (fixtures take them from here)
from pytest_rollback.errors import MeasurementWarning as MeasurementWarning  # noqa: PLC0414
from pytest_rollback.errors import RegressionError as RegressionError  # noqa: PLC0414
from pytest_rollback.judge.decide import OF_ACTION, Standing
from pytest_rollback.judge.text import readable
from pytest_rollback.model import Action, Finding, Judged, Measurement, Status
from pytest_rollback.policy.rules import Metric
from pytest_rollback.session.yardstick import UnknownMetricError, Yardstick, yardstick_of

NO_JUDGEMENT = frozenset({Status.NO_BASELINE, Status.NOT_COMPARABLE, Status.TOO_FEW, Status.INVALID})
OURS = str(Path(__file__).parents[1])
MEASURED = pytest.StashKey[
    dict[str, dict[str, Measurement]]
]()  # by test, then by name; whoever reports them takes them
MEASURES = pytest.StashKey["Measures"]()
OWNERS = pytest.StashKey[dict[str, str]]()  # which test of this process measured what


class Measures:
    """The numbers of one test."""

    def __init__(self, node: pytest.Item) -> None:
        self.config = node.config
        self.test: str = node.nodeid
        self.yardstick: Yardstick = yardstick_of(node.config)
        marked = (marker for marker in node.iter_markers() if self.yardstick.policy.group(marker.name))
        self.labels = tuple(
            dict.fromkeys(label for marker in marked for label in marker.args if isinstance(label, str))
        )
        self.own: set[str] = set()

    @classmethod
    def of(cls, node: pytest.Item) -> Measures:
        """Give the numbers of a test; all of its fixtures share them, until it is torn down."""
        known = node.stash.get(MEASURES, None)
        if known is None:
            node.stash[MEASURES] = known = cls(node)
            node.addfinalizer(lambda: node.stash.__delitem__(MEASURES))
        return known

    def rules(self, name: Any, kind: str) -> Metric:
        """Give the rules of a metric by the name that a test gives it."""
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or name != name.strip():
            msg = f'a metric\'s name is a word such as "search", not {name!r}'
            raise MeasurementError(msg)
        try:
            return self.yardstick.rules(name, kind)
        except UnknownMetricError as error:
            self.refuse(name, str(error), kind)
            raise

    def number(self, name: str, value: Any, what: str = "value") -> float:
        """Hold a number to being one: NaN and infinity are errors of whoever measured, and no score."""
        try:
            read = float(value) if not isinstance(value, (bool, str, bytes)) else math.nan
        except (TypeError, ValueError, OverflowError):
            read = math.nan
        if not math.isfinite(read):
            msg = f"{name}: the {what} is {value!r}, which is no number that could be judged"
            self.refuse(name, msg)
            raise MeasurementError(msg)
        return read

    def refuse(self, name: str, why: str, kind: str = "") -> None:
        """Keep that a number was none, so that a test which swallows the error passes no gate."""
        detail = readable(why.partition("\n")[0])
        number = Measurement(name=name, value=0.0, metric=kind, doubt=Status.INVALID, detail=detail, test=self.test)
        self.config.stash.setdefault(MEASURED, {}).setdefault(self.test, {})[name] = number
        self.config.stash.setdefault(OWNERS, {}).setdefault(name, self.test)

    def leave_to_ci(self, name: str, kind: str) -> None:
        """Note that a number was not measured here on purpose, so that nobody misses it."""
        self._keep(Measurement(name=name, value=0.0, metric=kind, doubt=Status.LEFT_TO_CI, test=self.test))

    def take(self, measurement: Measurement, labels: Iterable[str] = ()) -> Judged:
        """Keep a number for the verdict, judge it, and fail the test where the matrix blocks.

        The baseline is looked up where none is given. What is only watched, or can't be judged, is a warning.
        """
        __tracebackhide__ = True
        rules = self.rules(measurement.name, measurement.metric)
        given = (labels,) if isinstance(labels, str) else tuple(labels)
        known = tuple(dict.fromkeys((*measurement.labels, *given, *self.labels)))
        measurement = structs.replace(measurement, labels=known, test=self.test)
        measurement = self.yardstick.with_baseline(measurement, rules)
        self._keep(measurement)
        judged, findings = self.yardstick.judge(measurement)
        self._tell(judged, findings)
        return judged

    def _keep(self, measurement: Measurement) -> None:
        owners = self.config.stash.setdefault(OWNERS, {})
        name = measurement.name
        if name in self.own:
            msg = f"{name} is measured twice in this test; give the second a name of its own"
            self.refuse(name, msg, measurement.metric)
            raise MeasurementError(msg)
        if owners.setdefault(name, self.test) != self.test:
            msg = f"{name} was measured by {owners[name]} already; a metric is measured once"
            self.refuse(name, msg, measurement.metric)  # the verdict then knows of both
            raise MeasurementError(msg)
        self.own.add(name)  # a test that is run again measures anew, and what it measures last counts
        self.config.stash.setdefault(MEASURED, {}).setdefault(self.test, {})[name] = measurement

    def _tell(self, judged: Judged, findings: tuple[Finding, ...]) -> None:
        __tracebackhide__ = True
        blocking = [found for found in findings if OF_ACTION[found.action] is Standing.FAILS]
        if blocking and not self.yardstick.accepting:
            raise RegressionError(_all_words(blocking, judged))
        if self.yardstick.is_gate:
            return  # the verdict tells of it
        for found in findings:
            if found.action is not Action.NOTE:
                warn(_all_words([found], judged))
        if judged.status in NO_JUDGEMENT:
            warn(f"{judged.name}: {judged.status.value}{f': {judged.detail}' if judged.detail else ''}")


def warn(text: str) -> None:
    """Warn of a number. Where a project turns warnings into errors, this one stays what it is: it fails no test."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", MeasurementWarning)
        warnings.warn(MeasurementWarning(text), stacklevel=_frames_of_ours())


def _frames_of_ours() -> int:
    """Count the frames up to the test that measured: that is where a warning belongs."""
    frame, count = sys._getframe(1), 1  # noqa: SLF001 (as warnings does)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(OURS):
        frame, count = frame.f_back, count + 1
    return count


def _all_words(found: list[Finding], judged: Judged) -> str:
    """Say what fired, and then what else there is to say of the number."""
    first, _, rest = judged.detail.partition("\n")
    said = "\n".join(map(_in_words, found))
    return "\n".join(filter(None, [said, "" if first in said else first, rest]))


def _in_words(found: Finding) -> str:
    return f"{found.reason} ({found.trigger}: {found.action.value})"
