"""Opens the gate: reads and checks all that it needs, before any test is collected."""

from __future__ import annotations

import os

import pytest

from pytest_rollback.policy.load import find_policy, load_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.repo.plumbing import GitError, anchored, look, strip
from pytest_rollback.session.evidence import extra_rows
from pytest_rollback.session.gate import Gate
from pytest_rollback.session.limits import Limits, has_timeouts, timeout_of_session
from pytest_rollback.session.observe import Observer
from pytest_rollback.session.outlets import Outlets
from pytest_rollback.session.selection import Selection

SELECTION_NAME = "rollback-selection"


def open_gate(config: pytest.Config) -> Gate:
    """Make the gate, or say all that is wrong with what it was given."""
    taken = strip(os.environ)
    try:
        return _open(config, taken)
    except BaseException as error:
        os.environ.update(taken)
        if isinstance(error, PolicyError):
            raise pytest.UsageError(*(str(problem) for problem in error.problems)) from None
        raise


def _open(config: pytest.Config, taken: dict[str, str]) -> Gate:
    if getattr(config.option, "dist", "no") != "no" or getattr(config.option, "numprocesses", None):
        msg = "the safety gate runs in one process; leave out -n and --dist"
        raise pytest.UsageError(msg)
    outlets = Outlets(config, config.option.rollback_reports)
    notes = []
    head = None
    try:
        head = look(config.rootpath, anchored(taken, config.invocation_params.dir))
    except GitError as error:
        notes.append(f"git could not be asked ({error}), so this counts as no live branch")
    tighter = config.option.rollback_policy
    policy = load_policy(
        find_policy(config.rootpath, head.top if head else None),
        config.invocation_params.dir / tighter if tighter else None,
        extra_rows(config),
    )
    for group in policy.groups:
        config.addinivalue_line("markers", f"{group.name}(*labels): a group of the safety gate")
    config.option.continue_on_collection_errors = True
    observer = Observer()
    limits = Limits(policy, enforced=has_timeouts(config), of_session=timeout_of_session(config))
    selection = Selection(config, policy, limits, observer)
    config.pluginmanager.register(selection, SELECTION_NAME)
    return Gate(config, policy, head, outlets, selection, taken=taken, notes=notes)
