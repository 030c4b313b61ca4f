"""The check `imports`: all modules of some packages import, each in a fresh process, and how long the slowest takes.

They are found as a fresh Python in the project's root would find them: along its own path first, then along what
the running session has added to its own (pytest's `pythonpath`, the folders of conftest files), and in the root last.
So a module is never found in place of one of Python's own, or of an installed package, because of where tests lie.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pytest_rollback.policy.criteria import duration
from pytest_rollback.policy.fewer_checks import limit_of
from pytest_rollback.policy.rules import Check
from pytest_rollback.session.checks import probe
from pytest_rollback.session.checks.breakage import breakages, printed, unfinished
from pytest_rollback.session.checks.elsewhere import elsewhere
from pytest_rollback.session.checks.imported import Imported, read_lines
from pytest_rollback.session.checks.outcome import LONGEST_OUTPUT, CheckResult, Place
from pytest_rollback.session.checks.program import run_program
from pytest_rollback.session.checks.slowest import slowest
from pytest_rollback.session.checks.wording import counted, listed, printable

PATIENCE_S = 5.0
KEEP = 64_000_000


def run(check: Check, place: Place) -> CheckResult:
    """Import all modules of the packages."""
    if wrong := _wrong_names(check.packages):
        return CheckResult(failures=wrong)
    if not hasattr(os, "fork"):
        return CheckResult(failures=("this system can't fork a process for each import; run the check where it can",))
    limit_s = limit_of(check)
    root = place.root.resolve()
    tree = (place.top or place.root).resolve()
    feed = _orders(check, root, tree, min(PATIENCE_S, limit_s / 10))
    ran = run_program((sys.executable, probe.__file__), place.root, limit_s, feed=feed, keep=KEEP)
    seen = read_lines("\n".join(ran.out))
    failures = [*_not_found(check, seen), *breakages(seen), *elsewhere(seen, root, tree)]
    if seen.waiting or not seen.planned:
        failures += unfinished(seen, duration(limit_s)) if ran.trouble else [_died(ran.ended, "".join(ran.err))]
    measured = () if seen.waiting else slowest(check, seen)
    worst = max(measured, key=lambda one: one.value, default=None)
    says = f"{counted(len(seen.fine), 'module')} of {counted(len(check.packages), 'package')} import"
    return CheckResult(
        failures=listed(failures),
        output=printable(printed(seen) if seen.planned else ran.output, LONGEST_OUTPUT),
        measured=measured,
        says="" if failures else f"{says}; {worst.detail}, {duration(round(worst.value, 3))}" if worst else says,
    )


def _wrong_names(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Say which names could never be imported."""
    if not packages:
        return ('packages: none; name what must import: packages = ["myapp"]',)
    wrong = [name for name in packages if not all(map(_is_part, name.split(".")))]
    return tuple(
        f'packages: "{name}" is no name of a module; write it as an import does: "myapp.views"' for name in wrong
    )


def _is_part(word: str) -> bool:
    """Whether an import can name a module so; some begin with digits, and are imported by their names as text."""
    return word != "" and f"_{word}".isidentifier()


def _orders(check: Check, root: Path, tree: Path, patience: float) -> bytes:
    """Write for the probe what it is to do."""
    offered = [str(Path(entry or os.curdir).resolve()) for entry in map(str, sys.path)]
    lists = (dict.fromkeys(check.packages), check.exclude, dict.fromkeys((*offered, str(root))))
    fields = [str(tree), str(os.cpu_count() or 1), str(patience)]
    for words in lists:
        fields += [str(len(words)), *words]
    return os.fsencode("\0".join(fields))


def _not_found(check: Check, seen: Imported) -> list[str]:
    """Say which packages there are not, and which of them nothing was looked at."""
    found = []
    for package in dict.fromkeys(check.packages):
        if package in seen.missing:
            found.append(f'packages: there is no module "{package}" where Python looks; {REMEDY}')
        elif package in seen.bare:
            found.append(f'packages: "{package}" names a folder with no module in it; correct the name, or {REMEDY}')
        elif package in seen.unfindable:
            found.append(f"{package}: its modules can't be listed: {seen.unfindable[package]}")
        elif package in seen.modules and not seen.modules[package]:
            found.append(f'packages: "{package}" has no module that "exclude" leaves; nothing was imported')
    return found


def _died(ended: str, said: str) -> str:
    last = (said.strip().splitlines() or [""])[-1]
    return f"the process that imports the modules did not do all of them ({ended}){f': {last}' if last else ''}"


REMEDY = "install the project (pip install -e .), or add its folder to pytest's pythonpath"
