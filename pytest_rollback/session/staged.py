"""`--gate-staged`: judges exactly what `git commit` would commit, in a scratch tree.

The session that was started looks at the index, has a scratch tree made of it, runs a second session there, and passes
its status on. It does so before any conftest is loaded, so a broken file in the work tree is nobody's business.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from pytest_rollback.judge.status import FAILED_OUTSIDE, INCONCLUSIVE, PASSED
from pytest_rollback.judge.text import readable
from pytest_rollback.repo.carry import carry
from pytest_rollback.repo.child import SLOT, child_environment
from pytest_rollback.repo.look import Head, look, staged_tree
from pytest_rollback.repo.plumbing import GitError, anchored, strip
from pytest_rollback.repo.replica import Origin
from pytest_rollback.repo.scratch import Scratch
from pytest_rollback.repo.seal import seal
from pytest_rollback.repo.slots import take_slot
from pytest_rollback.repo.troubles import ScratchError
from pytest_rollback.session.arguments import Caller, mapped, program
from pytest_rollback.session.ground import CONTROLLER, VARIABLE, ScratchOrders, Told
from pytest_rollback.session.reuse import Staged


def judge_staged(config: pytest.Config) -> int | None:
    """Have what is staged judged, and give the status; None where this is the session that judges it."""
    folder = config.invocation_params.dir
    if _is_below(folder, os.environ.get(SLOT)):
        # A worker is started with all options of its controller. Anybody else would start sessions without end.
        if VARIABLE in os.environ or os.environ.get(CONTROLLER) == str(os.getppid()):
            return None
        return _could_not(f"{folder} is a scratch tree, of which nothing is staged")
    taken = strip(os.environ)
    try:
        return _judge(config, folder, anchored(taken, folder))
    except (GitError, ScratchError) as error:
        return _could_not(str(error))
    except UnicodeEncodeError:
        return _could_not(f"the path {folder} is no text in UTF-8, and can't be told to another process")
    finally:
        os.environ.update(taken)


def _judge(config: pytest.Config, folder: Path, extra: Mapping[str, str]) -> int:
    head = look(folder, extra)
    if head is None:
        msg = "--gate-staged judges what git commit would commit, and there is no git work tree here"
        raise pytest.UsageError(msg)
    if not _is_below(folder, str(head.top)):
        msg = f"--gate-staged: {folder} lies outside the work tree {head.top}; start it inside"
        raise pytest.UsageError(msg)
    tree = staged_tree(head.top, extra)
    caller = Caller(folder=folder, top=head.top, arguments=tuple(config.invocation_params.args))
    staged = Staged(config, head, tree, caller)
    stood = staged.stand_on_earlier()
    if stood is not None:
        return stood
    with take_slot(Origin(top=head.top, common=head.common)) as slot:
        scratch = slot.prepare(tree=tree, commit=head.commit, branch=head.branch)
        carry(head.top, scratch.top, staged.policy.carry if staged.policy else (), staged.root)
        return _run(caller, head, scratch, staged)


def _run(caller: Caller, head: Head, scratch: Scratch, staged: Staged) -> int:
    """Run the session in the scratch tree, and wait for it."""
    inside = scratch.top / caller.folder.resolve().relative_to(caller.top.resolve())
    if not inside.is_dir():
        return _could_not(f"the folder {caller.folder} is not part of what would be committed; git add what it needs")
    told = scratch.control / "told.json"
    orders = ScratchOrders(
        kind="staged",
        scratch=str(scratch.top),
        top=str(head.top),
        common=str(head.common),
        own=str(head.own),
        folder=str(caller.folder),
        parent=os.getpid(),
        told=str(told),
        tree=staged.tree,
        commit=head.commit,
        branch=head.branch,
        default_branch=head.default_branch,
        uncommitted=not staged.is_head,
        shallow=head.shallow,
        selection=staged.selection,
        notes=tuple(trouble.detail for trouble in scratch.notes),
    )
    seal(scratch.top, staged.tree, head.top, scratch.control)
    path = scratch.control / "orders.json"
    path.write_bytes(msgspec.json.encode(orders))
    session = subprocess.Popen(
        [*program(), "-o", f"cache_dir={scratch.temporary / 'cache'}", *mapped(caller, scratch.top)],
        cwd=inside,
        env={**child_environment(scratch, head.top), VARIABLE: str(path)},
        pass_fds=scratch.keep,
        start_new_session=True,
    )
    return _believed(_wait(session), told)


def _wait(session: subprocess.Popen[bytes]) -> int:
    """Wait for a session; what would end us ends it first, so that it can tear down and say what it saw."""
    passed_on = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.signal(number, lambda number, _: session.send_signal(number)) for number in passed_on}
    try:
        while True:
            try:
                return session.wait()
            except KeyboardInterrupt:
                session.send_signal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _end(session)


def _end(session: subprocess.Popen[bytes]) -> None:
    """Leave nothing running that the session started."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(session.pid, signal.SIGKILL)


def _believed(status: int, told: Path) -> int:
    """Pass a status on; a 0 must have been told too."""
    if status < 0:
        return _could_not(f"the session in the scratch tree was ended by {signal.Signals(-status).name}")
    if status not in (PASSED, FAILED_OUTSIDE):
        return status
    try:
        said = msgspec.json.decode(told.read_bytes(), type=Told)
    except (OSError, msgspec.MsgspecError):
        return _could_not(f"the session in the scratch tree ended with {status} and told no verdict")
    return said.status


def _could_not(why: str) -> int:
    """Say why nothing could be judged. That is no pass."""
    sys.stderr.write(f"safety gate: INCONCLUSIVE  {readable(why)}\n")
    return INCONCLUSIVE


def _is_below(folder: Path, top: str | None) -> bool:
    return top is not None and folder.resolve().is_relative_to(Path(top).resolve())
