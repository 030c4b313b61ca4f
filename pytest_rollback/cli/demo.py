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
from pathlib import Path

from pytest_rollback.cli import OK, CommandError
from pytest_rollback.repo.plumbing import LOCAL_VARIABLES, GitError, git

HERE = Path(__file__).resolve().parent.parent
EXAMPLES = (HERE / "examples" / "chat", HERE.parent / "examples" / "chat")  # as installed, and in a checkout
OF_THE_CALLER = ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
PASSED = 0
BLOCKED = 80
GATE = ("--safety-gate", "-q", "--tb=no")
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
BAD_COMMIT = "Send two events per frame: fewer writes"
BAD_FILE = "chat/events.py"
BEFORE = "    return (event.line() for event in events)\n"
AFTER = '    return (f"{first.line()}\\n{second.line()}" for first, second in zip(events, events))\n'

# How a line of the block begins, and what it says. What is indented belongs to the row above.
EXPLAINED = {
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
    try:
        _tell(example, folder)
    except GitError as error:
        raise CommandError(str(error)) from error
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if options.keep:
        print(f"\nThe repository is kept in {folder}")
    return OK


def _tell(example: Path, folder: Path) -> None:
    """Build the history, show a pass, break it, show the block, and explain."""
    _say("1. A chat service with a healthy history. Its users log in, send a message, and get five events back.")
    _git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n", "utf-8")
    for message, files in HISTORY:
        for name in files.split():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(example / name, folder / name)
        _commit(folder, message)
    _show("git log --oneline --reverse", _git(folder, "log", "--oneline", "--reverse"))

    _say("2. The gate in front of it: the tests marked golden_path, isolation, mission_critical, and the policy's own.")
    _gate(folder, PASSED)

    _say("3. A commit that looks harmless. Five is an odd number, so the last event of each message is lost.")
    source = folder / BAD_FILE
    source.write_text(source.read_text("utf-8").replace(BEFORE, AFTER), "utf-8")
    _commit(folder, BAD_COMMIT)
    _show("git show --oneline --unified=0", _git(folder, "show", "--oneline", "--unified=0", "--no-color"))

    _say("4. The gate blocks it.")
    output = _gate(folder, BLOCKED)

    _say("5. What each line says.")
    for line, explanation in explained(output).items():
        print(f"    {line}")
        print(textwrap.indent(textwrap.fill(explanation, WIDTH - 8), "        "))


def explained(output: str) -> dict[str, str]:
    """Explain every line of the block, each kind of line once."""
    lines = output.splitlines()
    start = next(place for place, line in enumerate(lines) if "safety gate: BLOCKED" in line)
    told: dict[str, str] = {}
    for line in filter(None, lines[start:]):
        kind = next((known for known in EXPLAINED if line.strip().startswith(known)), None)
        if kind is None:
            msg = f"the block has a line that the demo does not know: {line}"
            raise CommandError(msg)
        if EXPLAINED[kind] not in told.values():
            told[line.strip("= ")] = EXPLAINED[kind]
    return told


def _gate(folder: Path, expected: int) -> str:
    """Run the gate as a person would, and show what it prints."""
    skipped = (*LOCAL_VARIABLES, *OF_THE_CALLER)
    environment = {name: value for name, value in os.environ.items() if name not in skipped}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *GATE],
        cwd=folder,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    _show(f"pytest {' '.join(GATE)}", done.stdout + done.stderr)
    print(f"    status {done.returncode}")
    if done.returncode != expected:
        msg = f"the gate ended with status {done.returncode}, and the story needs {expected}"
        raise CommandError(msg)
    return done.stdout


def _commit(folder: Path, message: str) -> None:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--no-verify", "-m", message)


def _git(folder: Path, *arguments: str) -> str:
    """Run git with an identity of the demo's own, and none of the user's configuration."""
    who = {"NAME": "Ada", "EMAIL": "ada@example.org"}
    people = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    return git(
        *arguments, cwd=folder, extra={**people, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    )


def _say(text: str) -> None:
    print(f"\n{textwrap.fill(text, WIDTH)}\n")


def _show(command: str, output: str) -> None:
    print(f"    $ {command}")
    print(textwrap.indent(output.strip("\n"), "    "))
