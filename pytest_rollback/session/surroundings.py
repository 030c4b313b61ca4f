"""What is judged, and where: the subject and the environment of one session."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from contextlib import suppress

from pytest_rollback.model import Environment, Subject
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.look import Head

INSTALLED = (".dist-info", ".egg-info")

# CI systems check out a commit, not a branch; each says in a variable of its own which branch it stands for.
BRANCH_VARIABLES = (
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_COMMIT_BRANCH",
    "BRANCH_NAME",
    "BUILDKITE_BRANCH",
)


def subject_of(head: Head | None, policy: Policy) -> Subject:
    """Describe what is judged: the work tree, where its HEAD stands, and whether that is live."""
    if head is None:
        return Subject()
    branch = head.branch or next((os.environ[name] for name in BRANCH_VARIABLES if os.environ.get(name)), None)
    return Subject(
        commit=head.commit,
        branch=branch,
        live=policy.is_live(branch, head.default_branch) and not head.uncommitted,
        uncommitted=head.uncommitted,
    )


def environment_of() -> Environment:
    """Describe where it ran: what may make the same tree behave in another way."""
    python = platform.python_version()
    machine = (python, platform.python_implementation(), sys.platform, platform.machine())
    digest = hashlib.sha256("\n".join([*machine, *sorted(_distributions())]).encode()).hexdigest()
    return Environment(digest=digest, python=python, platform=f"{sys.platform}-{platform.machine()}")


def _distributions() -> set[str]:
    """Name what is installed, with versions, by the folders alone: reading their metadata costs a small gate's time."""
    found: set[str] = set()
    for folder in sys.path:
        with suppress(OSError), os.scandir(folder or ".") as entries:
            found.update(entry.name for entry in entries if entry.name.endswith(INSTALLED))
    return found
