"""`pytest-rollback init`: a short policy, and on request a hook that judges each commit.

Nobody needs it: a gate runs without. It adds and never takes away, and a second run finds all in place.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from pytest_rollback.cli import CommandError
from pytest_rollback.cli.init_files import Writer, say
from pytest_rollback.cli.init_hook import CommitGate
from pytest_rollback.cli.init_policy import draft_policy
from pytest_rollback.cli.init_survey import Project, declared_beyond, find_project, survey_tests
from pytest_rollback.policy.load import find_policy, load_policy
from pytest_rollback.policy.problems import PolicyError
from pytest_rollback.policy.rules import Policy

GATE = "pytest --safety-gate"


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser(
        "init",
        help="write a short commented policy; with --hook, have git judge each commit",
        description="Write a short commented policy for what is found here, and leave alone what is there already.",
        allow_abbrev=False,
    )
    parser.add_argument("--root", metavar="DIR", type=Path, help="the project's root (default: as pytest finds it)")
    hooks = parser.add_mutually_exclusive_group()
    hooks.add_argument("--hook", action="store_true", help="install git's pre-commit hook, which judges each commit")
    hooks.add_argument(
        "--pre-commit",
        action="store_true",
        help="add the gate to .pre-commit-config.yaml, for users of the pre-commit framework",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write what is missing, say what was done and what was left, and name the one next command."""
    project = find_project(options.root)
    writer = Writer(dry_run=options.dry_run)
    policy = _see_to_policy(project, writer)
    named = f" --root {shlex.quote(str(options.root))}" if options.root else ""
    gate = CommitGate(project, writer, f"pytest-rollback init{named}")
    if options.pre_commit:
        gate.add_to_pre_commit()
    elif options.hook:
        gate.install_hook()
    elif project.head or project.git_trouble:
        gate.offer_hook()
    if policy and not writer.changed:
        say("", "all is in place, nothing was written")
    _say_what_is_next(project, policy or load_policy(None))
    return 0


def _see_to_policy(project: Project, writer: Writer) -> Policy | None:
    """Write the policy where there is none. One that is there is left alone; None where it can't be used."""
    try:
        found = find_policy(project.root, project.top)
    except PolicyError as error:
        raise CommandError(str(error)) from error
    if found is None:
        draft = draft_policy(project.root, project.head, declared_beyond(project.settings))
        writer.make(draft.change, "policy", f"; {draft.why_there}")
        return load_policy(None)
    try:
        policy = load_policy(found)
    except PolicyError as error:
        if not all(problem.key for problem in error.problems):
            raise CommandError(str(error)) from error
        # Not fatal, since only a gate knows the rows that other plugins add.
        say("policy", f"{found} is there, and was left as it is, but by itself it does not hold:")
        for problem in error.problems:
            say("", str(problem))
        return None
    say("policy", f"{found} is there, and was left as it is")
    return policy


def _say_what_is_next(project: Project, policy: Policy) -> None:
    """Name the one command to run next, after the marker that it needs where no test bears one."""
    tests = survey_tests(project.root, project.settings, [group.name for group in policy.groups])
    counted = "1 test file" if tests.files == 1 else f"{tests.files or 'no'} test files"
    if tests.markers:
        say("tests", f"{counted}; markers of the gate in use: {', '.join(tests.markers)}")
        say("next", GATE)
    else:
        say("tests", f"{counted}; no marker of the gate in use yet")
        say("next", f"mark one test with @pytest.mark.golden_path, then run: {GATE}")
