"""The check `junit`: a suite in another language held, by the results that it left. They must be of what is judged.

With a `command`, that is run first, and must write every file anew. Without one, results are of what is judged where no
tracked file is newer than they are, and they are less than an hour old. `max-age` takes the place of both demands.
"""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Sequence
from pathlib import Path

from pytest_rollback.policy.criteria import duration
from pytest_rollback.policy.fewer_checks import MAX_AGE_S, limit_of
from pytest_rollback.policy.rules import Check
from pytest_rollback.repo.plumbing import GitError, call
from pytest_rollback.session.checks.outcome import CheckResult, Place
from pytest_rollback.session.checks.program import Ran, outcome_in, run_program
from pytest_rollback.session.checks.results import Results, ResultsError, read_results
from pytest_rollback.session.checks.wording import counted, listed, one_line

AHEAD_S = 60.0

Stamps = dict[Path, tuple[int, int, int]]


def run(check: Check, place: Place) -> CheckResult:
    """Run the suite if asked to, and read its results."""
    if wrong := _wrong_place(check.results, place):
        return CheckResult(failures=(wrong,))
    before = _stamps(check.results, place.root)
    ran = None
    if check.command:
        ran = run_program(check.command, place.root, limit_of(check))
        if ran.trouble:
            return CheckResult(failures=(one_line(f"{check.command[0]}: {ran.trouble}"),), output=ran.output)
    now = _stamps(check.results, place.root)
    if not now:
        remedy = "correct the key" if ran else "run the suite first, or give the check a command that does"
        wrong = f'results: "{check.results}" names no file below {place.root.name}; {remedy}'
        return CheckResult(failures=(one_line(wrong),), output=ran.output if ran else "")
    try:
        stale = _not_written(before, now, place.root) if ran else _too_old(check, place, now)
    except (GitError, OSError) as error:
        stale = [f"nobody can say whether the results are of this tree: {error}"]
    return _judged(check, ran, stale, _read(list(now), place.root))


def _judged(check: Check, ran: Ran | None, stale: list[str], results: Results) -> CheckResult:
    failures = [*stale, *results.troubles]
    failing = results.failing
    if ran and not failing and (wrong := outcome_in(check.status, ran)):
        failures.insert(0, f"{check.command[0]}: {wrong}, though its results name no failure")
    if not failing and not results.troubles and results.tests == 0:
        failures.append(f'results: "{check.results}" holds no test; nothing was looked at')
    if failing:
        failures += [f"{len(failing)} of {counted(results.tests, 'test')} failed:", *failing]
    output = ran.output if ran else ""
    if failures:
        return CheckResult(failures=listed(failures), output=output)
    if results.skipped == results.tests:
        return CheckResult(skipped=f"all of its {counted(results.tests, 'test')} were skipped", output=output)
    skipped = f", {results.skipped} skipped" if results.skipped else ""
    flaky = f", {results.flaky} only after a rerun" if results.flaky else ""
    return CheckResult(
        output=output,
        says=f"{results.tests - results.skipped} of {counted(results.tests, 'test')} passed{skipped}{flaky}",
    )


def _wrong_place(results: str, place: Place) -> str:
    """Say what is wrong with where results are looked for: elsewhere there are none of this tree."""
    if not results.strip() or "\0" in results:
        return 'results: names nothing; write where they are: results = "build/junit.xml"'
    top = str((place.top or place.root).resolve())
    there = os.path.normpath(place.root.resolve() / results)  # links below the root are the project's own affair
    if os.path.isabs(results) or os.path.commonpath([top, there]) != top:  # noqa: PTH117
        return f'results: "{results}" leads out of the tree that is judged; write a path from its root'
    return ""


def _stamps(results: str, root: Path) -> Stamps:
    """Find the files and when each was written; a name with brackets may be meant as it is."""
    literal = [results] if (root / results).is_file() else []
    names = literal or glob.glob(results, root_dir=root, recursive=True)  # noqa: PTH207 (`..` and `**` in one)
    found = {}
    for name in sorted(names):
        file = root / name
        if file.is_file():
            told = file.stat()
            found[file] = (told.st_mtime_ns, told.st_size, told.st_ino)
    return found


def _not_written(before: Stamps, now: Stamps, root: Path) -> list[str]:
    """Say which files the command left as they were."""
    return [
        f"{_from(root, file)}: was there before, and was not written by the command; remove it, or name fewer results"
        for file, stamp in now.items()
        if before.get(file) == stamp
    ]


def _too_old(check: Check, place: Place, now: Stamps) -> list[str]:
    """Say which files are too old to be of the tree that is judged."""
    most = MAX_AGE_S if check.max_age_s is None else check.max_age_s
    newest, name = _newest(place, set(now)) if check.max_age_s is None else (0, "")
    found = []
    for file, (written, _, _) in now.items():
        age = time.time() - written / 1e9
        here = _from(place.root, file)
        if age > most:
            found.append(f"{here}: was written {duration(round(age))} ago, max-age is {duration(most)}; run the suite")
        elif age < -AHEAD_S:
            found.append(f"{here}: was written {duration(round(-age))} in the future; set the clock, run the suite")
        elif written < newest:
            found.append(f"{here}: is older than {name}; run the suite again, or say how old it may be: max-age")
    return found


def _newest(place: Place, results: set[Path]) -> tuple[int, str]:
    """Find the tracked file below the root that was written last."""
    if place.tree is None:
        return 0, ""
    top = place.top or place.root
    newest, name = 0, ""
    options = ["-r", "-z", "--full-tree", "--name-only", "--end-of-options"]
    for path in call("ls-tree", *options, place.tree, cwd=top).split(b"\0")[:-1]:
        file = top / os.fsdecode(path)
        try:
            written = os.lstat(file).st_mtime_ns
        except FileNotFoundError:
            continue
        if written > newest and file not in results and file.is_relative_to(place.root):
            newest, name = written, _from(place.root, file)
    return newest, name


def _read(files: Sequence[Path], root: Path) -> Results:
    """Read all files; what can't be read is trouble, and no other file makes up for it."""
    whole = Results()
    for file in files:
        try:
            whole.add(read_results(file), _from(root, file))
        except (ResultsError, OSError) as error:
            whole.troubles.append(f"{_from(root, file)}: {error}")
    return whole


def _from(root: Path, file: Path) -> str:
    return os.path.relpath(file, root)
