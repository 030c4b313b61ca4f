"""`pytest-rollback demo`: the main job on a small live service, in a temporary repository, each line explained."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pytest_rollback.cli import OK, CommandError
from pytest_rollback.repo.base import TARGETS
from pytest_rollback.repo.plumbing import LOCAL_VARIABLES, GitError, git

HERE = Path(__file__).resolve().parent.parent
EXAMPLES = (HERE / "examples" / "chat", HERE.parent / "examples" / "chat")  # as installed, and in a checkout
OF_THE_CALLER = frozenset(
    {
        *LOCAL_VARIABLES,
        *TARGETS,
        *("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"),
        *("FORCE_COLOR", "PY_COLORS", "COLUMNS"),
    }
)
PASSED = 0
BLOCKED = 80
GATE = ("--safety-gate", "-q", "--tb=no")
COMMAND = ("-c", "import sys; from pytest_rollback.cli import main; sys.exit(main())")
REPOSITORY, CACHE = "chat", "cache"
WIDTH = 100

HISTORY = (
    (
        "Keep users, sessions and messages in SQLite",
        "pyproject.toml chat/__init__.py chat/store.py tests/conftest.py tests/test_store.py",
    ),
    (
        "Add accounts: registration, passwords, tokens",
        "chat/frames.py chat/accounts.py tests/test_frames.py tests/test_accounts.py",
    ),
    ("Tell a message in five events", "chat/events.py tests/test_events.py"),
    (
        "Serve it over a WebSocket",
        "chat/hub.py chat/server.py tests/chat_client.py tests/test_login.py tests/test_chat.py tests/test_storage.py",
    ),
    ("Pin the isolation between users", "tests/test_isolation.py"),
    ("Add the command, and test it as it is deployed", "README.md chat/__main__.py tests/test_service.py"),
)
WHO = {"NAME": "Ada", "EMAIL": "ada@example.org"}
BAD_COMMIT = "Send two events per frame: fewer writes"
BAD_FILE = "chat/events.py"
BEFORE = "    return (event.line() for event in events)\n"
AFTER = '    return (f"{first.line()}\\n{second.line()}" for first, second in zip(events, events))\n'

# How a line begins, and what it says. What is indented belongs to the row above.
PASS = {
    "safety gate": "a pass takes one line, with its denominator. The process ends with status 0, and only 0 lets a "
    "change through.",
    "note": "from now on every verdict is kept, and the next gates have something to hold a change against.",
}
BLOCK = {
    "=": "the verdict. The process ends with status 80, so a hook or a CI stage stops here; only 0 lets through.",
    "critical  golden-path": "a row of the decision matrix fired: what it watches, how many of how many failed, "
    "and what is to be done by when. The clock runs because this is a commit on main, a live branch.",
    "critical  chat": "the same test bears the label chat, which has a row of its own in the matrix.",
    "roll back": "what the row above asks for.",
    "tests/": "the test that fired the row.",
    "AssertionError": "what that test said.",
    "ran": "what was looked at, with its denominator. Of the whole suite, only what must never break was run.",
    "way back": "the rollback that the matrix asks for. It is suspected: nothing has been tried out yet.",
    "call": "who may decide a rollback of this level, and how soon they answer. The policy names them.",
    "next": "the one command to run next. Every verdict but a pass ends in one.",
}
LOG = {
    "verdict  blocked": "the newest event comes first: when, its id, what it was, on which commit and branch, and how "
    "many gate tests passed. pytest-rollback show ID tells the rest.",
    "verdict  passed": "the verdict on the commit before. The record lies in the repository beside its history, under "
    "refs/rollback/ledger: no branch shows it, and git reset --hard can't lose it.",
}
STATUS = {
    "here": "the commit and the branch that are checked out.",
    "last": "what the last gate in this work tree said: when, by which policy, and on which commit.",
    "this tree": "what the record says of exactly these files, wherever they were judged.",
    "known good": "the newest commit from here back whose files have passed, and the event that says so. That is where "
    "a rollback would lead.",
    "open": "main is a live branch, and its last verdict is no pass. It stays open until a gate passes there.",
    "record": "how much is on record. A clone does not bring it along; pytest-rollback sync does.",
    "next": "judge again, once the commit is taken back or put right.",
}


def add_to(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subcommands.add_parser("demo", help="show the main job on a small live service, in a temporary repository")
    parser.add_argument("--keep", action="store_true", help="keep the repository, to play with it")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tell the story; an outcome other than the one that is told is an error."""
    example = next((path for path in EXAMPLES if path.is_dir()), None)
    if example is None:
        msg = "the example service is not installed with this package"
        raise CommandError(msg)
    if importlib.util.find_spec("websockets") is None:
        msg = "the example service needs websockets; run: pip install 'pytest-rollback[demo]'"
        raise CommandError(msg)
    folder = Path(tempfile.mkdtemp(prefix="pytest-rollback-demo-"))
    repository = folder / REPOSITORY
    repository.mkdir()
    try:
        _tell(example, repository)
    except GitError as error:
        raise CommandError(str(error)) from error
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if options.keep:
        print(f"\nThe repository is kept in {repository}")
    return OK


def _tell(example: Path, folder: Path) -> None:
    """Build the history, show a pass, break it, show the block and the record, and explain."""
    _say("1. A chat service with a healthy history. Its users log in, send a message, and get five events back.")
    _build(example, folder)
    _show("git log --oneline --reverse", _git(folder, "log", "--oneline", "--reverse"))

    _say("2. The gate in front of it: the tests marked golden_path, isolation, mission_critical, and the policy's own.")
    output = _gate(folder, PASSED)
    print()
    _explain(explained(verdict_in(output), PASS))

    _say("3. A commit that looks harmless. Five is an odd number, so the last event of each message is lost.")
    source = folder / BAD_FILE
    source.write_text(source.read_text("utf-8").replace(BEFORE, AFTER), "utf-8")
    _commit(folder, BAD_COMMIT)
    _show("git show --oneline --unified=0", _git(folder, "show", "--oneline", "--unified=0", "--no-color"))

    _say("4. The gate blocks it.")
    output = _gate(folder, BLOCKED)

    _say("5. What each line says.")
    _explain(explained(verdict_in(output), BLOCK))

    _say("6. Both verdicts are on record.")
    events = _answer(folder, "log").splitlines()
    print()
    _explain(explained(events, LOG, without_moment))

    _say("7. Where things stand, and which commit is known to be good.")
    rows = [line for line in _answer(folder, "status").splitlines() if not line.startswith(" ")]
    print()
    _explain(explained(rows, STATUS))


def verdict_in(output: str) -> list[str]:
    """Give the lines with which a gate tells its verdict."""
    lines = output.splitlines()
    start = next((place for place, line in enumerate(lines) if "safety gate: " in line), len(lines))
    return [line for line in lines[start:] if line]


def without_moment(line: str) -> str:
    """Take away what is another in each line of the log: when it was, and its id."""
    return line.split("  ", 2)[-1]


def explained(lines: Iterable[str], known: Mapping[str, str], key: Callable[[str], str] = str.strip) -> dict[str, str]:
    """Explain every line, each kind of line once."""
    told: dict[str, str] = {}
    for line in lines:
        kind = next((begins for begins in known if key(line).startswith(begins)), None)
        if kind is None:
            msg = f"there is a line that the demo does not know: {line}"
            raise CommandError(msg)
        if known[kind] not in told.values():
            told[line.strip("= ")] = known[kind]
    return told


def _explain(told: Mapping[str, str]) -> None:
    for line, explanation in told.items():
        print(f"    {line}")
        print(textwrap.indent(textwrap.fill(explanation, WIDTH - 8), "        "))


def _build(example: Path, folder: Path) -> None:
    """Make the repository, a commit for each step of the service's history."""
    _git(folder, "init", "--quiet", "--initial-branch=main")
    for key, value in WHO.items():
        _git(folder, "config", f"user.{key.lower()}", value)
    (folder / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n", "utf-8")
    for message, files in HISTORY:
        for name in files.split():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(example / name, folder / name)
        _commit(folder, message)


def _gate(folder: Path, expected: int) -> str:
    """Run the gate as a person would, and show what it prints."""
    done = _run(folder, "-m", "pytest", *GATE)
    _show(f"pytest {' '.join(GATE)}", done.stdout + done.stderr)
    print(f"    status {done.returncode}")
    if done.returncode != expected:
        msg = f"the gate ended with status {done.returncode}, and the story needs {expected}"
        raise CommandError(msg)
    return done.stdout


def _answer(folder: Path, subcommand: str) -> str:
    """Run a subcommand as a person would, and show what it prints."""
    done = _run(folder, *COMMAND, subcommand)
    _show(f"pytest-rollback {subcommand}", done.stdout + done.stderr)
    if done.returncode != OK:
        msg = f"pytest-rollback {subcommand} ended with status {done.returncode}, and the story needs {OK}"
        raise CommandError(msg)
    return done.stdout


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository, out of reach of what the caller's surroundings say of another one."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_THE_CALLER}
    own = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore::DeprecationWarning",  # of plugins that happen to be installed; no part of the story
        "XDG_CACHE_HOME": str(folder.parent / CACHE),
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment | own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _commit(folder: Path, message: str) -> None:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--no-verify", "-m", message)


def _git(folder: Path, *arguments: str) -> str:
    """Run git with an identity of the demo's own, and none of the user's configuration."""
    people = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in WHO.items()}
    return git(
        *arguments, cwd=folder, extra={**people, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    )


def _say(text: str) -> None:
    print(f"\n{textwrap.fill(text, WIDTH)}\n")


def _show(command: str, output: str) -> None:
    print(f"    $ {command}")
    print(textwrap.indent(output.strip("\n"), "    "))
