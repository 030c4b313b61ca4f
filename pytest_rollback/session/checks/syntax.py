"""The check `syntax`: every tracked Python file compiles, stubs too. Outside git, every one below the root.

What is compiled is what lies on the disk. Where that is just what the judged tree holds (by its hash), it is remembered
by its name in git, and never compiled again by this Python; a tree that was judged before costs one look at git.
"""

from __future__ import annotations

import time
import warnings

from pytest_rollback.policy.criteria import duration
from pytest_rollback.policy.fewer_checks import limit_of
from pytest_rollback.policy.rules import Check
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.session.checks.compiled import Compiled, hash_of
from pytest_rollback.session.checks.outcome import CheckResult, Place
from pytest_rollback.session.checks.sources import Source, find_sources
from pytest_rollback.session.checks.wording import counted, listed, one_line

LARGEST = 20_000_000
TOO_DEEP = "is nested too deep, or is too long, for this Python to compile"


def run(check: Check, place: Place) -> CheckResult:
    """Compile all that is not known to compile."""
    limit_s = limit_of(check)
    try:
        sources = find_sources(place, check.exclude)
    except (GitError, OSError) as error:
        return CheckResult(failures=(one_line(f"the files of the tree can't be listed: {error}"),))
    if not sources:
        hint = '; see "exclude"' if check.exclude else ""
        return CheckResult(failures=(f"there is no tracked Python file below {place.root.name}{hint}",))
    compiled = Compiled(place.home)
    end = time.monotonic() + limit_s
    failures = []
    for number, source in enumerate(sources):
        if source.blob not in compiled:
            if time.monotonic() > end:
                left = counted(len(sources) - number, "file")
                failures.append(f"{left} not looked at: the limit of {duration(limit_s)} was used up")
                break
            failures += _troubles(source, compiled)
    compiled.keep()
    return CheckResult(
        failures=listed(failures),
        says="" if failures else f"{counted(len(sources), 'file')} compile",
    )


def _troubles(source: Source, compiled: Compiled) -> list[str]:
    """Say what keeps a file from being compiled; nothing where it does."""
    try:
        content = source.read(LARGEST)
    except OSError as error:
        return [f"{source.path}: can't be read: {error.strerror or error}"]
    if content is None:
        return [f"{source.path}: is tracked, and is not there; restore it, or remove it from git"]
    if len(content) > LARGEST:
        return [f'{source.path}: is larger than {LARGEST // 10**6} MB; name it in "exclude"']
    if trouble := what_is_wrong(content, source.path):
        return [trouble]
    if source.blob and hash_of(content, source.blob) == source.blob:
        compiled.add(source.blob)
    return []


def what_is_wrong(content: bytes, path: str) -> str:
    """Compile a text and say what is wrong with it, and where. Warnings are no errors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(content, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"{path}:{error.lineno or 1}: {type(error).__name__}: {error.msg}"
    except (RecursionError, MemoryError):
        return f"{path}: {TOO_DEEP}"
    except (ValueError, OverflowError, AssertionError, SystemError) as error:
        return f"{path}: {type(error).__name__}: {error}"
    return ""
