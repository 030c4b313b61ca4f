"""What is judged, and where: the subject and the environment of one session."""

from __future__ import annotations

import hashlib
import os
import platform
import sys

import pytest

from pytest_rollback.model import Environment, Subject
from pytest_rollback.policy.rules import Policy
from pytest_rollback.repo.plumbing import Head

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


def environment_of(config: pytest.Config) -> Environment:
    """Describe where it ran: what may make the same tree behave in another way."""
    plugins = sorted({f"{dist.project_name} {dist.version}" for _, dist in config.pluginmanager.list_plugin_distinfo()})
    python = platform.python_version()
    said = [
        python,
        platform.python_implementation(),
        sys.platform,
        platform.machine(),
        pytest.__version__,
        *plugins,
    ]
    digest = hashlib.sha256("\n".join(said).encode()).hexdigest()
    return Environment(digest=digest, python=python, platform=f"{sys.platform}-{platform.machine()}")
