"""Makes pytest items of the checks that the policy lists, so that every reporter, plugin and option sees them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pytest

from pytest_rollback.model import CHECKS
from pytest_rollback.policy.rules import Check, Policy
from pytest_rollback.session.checks.ground import CheckGround
from pytest_rollback.session.checks.outcome import CheckResult
from pytest_rollback.session.measures import Measures

NAME = CHECKS.removesuffix("::")
SECTION = "check"
FIRST, MOST = 1, 20


class CheckError(Exception):
    """A check does not hold."""


class Checks(pytest.Collector):
    """The checks of the policy, as a node of the session."""

    def collect(self) -> Iterable[pytest.Item]:
        """Nobody asks: the items are added once all tests are collected."""
        return []


class CheckItem(pytest.Item):
    """One check."""

    check: Check
    ground: CheckGround
    protected: tuple[str, ...]

    def runtest(self) -> None:
        """Run the check, keep what it measured, and fail with what it found."""
        found = self._run()
        if found.output:
            self.add_report_section("call", SECTION, found.output)
        if found.says:
            self.user_properties.append((SECTION, found.says))
        measures = Measures.of(self)
        failures = list(found.failures)
        for measured in found.measured:
            try:
                measures.take(measured, self.check.labels)
            except Exception as error:  # noqa: BLE001 (one number that fails keeps no other from being taken)
                failures.append(str(error))
        if failures:
            more = f"\nand {len(failures) - MOST} more" if len(failures) > MOST else ""
            raise CheckError("\n".join(failures[:MOST]) + more)
        if found.skipped:
            pytest.skip(found.skipped)

    def _run(self) -> CheckResult:
        module = import_module(f"pytest_rollback.session.checks.{self.check.kind}")
        found: CheckResult = module.run(self.check, self.ground.place(self.config, self.protected))
        return found

    def repr_failure(  # type: ignore[override]
        self,
        excinfo: pytest.ExceptionInfo[BaseException],
        style: str | None = None,  # noqa: ARG002 (pytest's own)
    ) -> object:
        """Say what was found; the frames of a check are nobody's business."""
        if isinstance(excinfo.value, CheckError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where it stands, for those who sort tests by their files; one that is skipped must have a line."""
        return self.path, 0, self.nodeid


def make_items(session: pytest.Session, policy: Policy, ground: CheckGround) -> list[pytest.Item]:
    """Make an item of each check."""
    if not policy.checks:
        return []
    parent = Checks.from_parent(session, name=NAME, path=session.config.rootpath, nodeid=NAME)
    items: list[pytest.Item] = []
    for check in policy.checks:
        item = CheckItem.from_parent(parent, name=check.name)
        item.check, item.ground, item.protected = check, ground, policy.protected
        item.add_marker(getattr(pytest.mark, check.group)(*check.labels))
        items.append(item)
    return items
