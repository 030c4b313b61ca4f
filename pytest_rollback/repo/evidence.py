"""What stays on the machine unless somebody asks: the whole reports behind the events, with tracebacks and outputs.

Each lies in a file named after its event. `share` carries them as a tree of blobs under a ref of its own, so that they
can be left out, or deleted, without touching the ledger.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from msgspec import Struct

from pytest_rollback.repo import wording
from pytest_rollback.repo.chains import contains
from pytest_rollback.repo.identity import signature
from pytest_rollback.repo.ledger import Ledger, LedgerError
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.sync import ATTEMPTS, fetch, send

REF = "refs/rollback/evidence"
FOLDER = "evidence"
_FILE = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\.json")


class Shared(Struct, frozen=True):
    """How many files came, and how many went; null where nothing was to be pushed."""

    came: int
    went: int | None


def share(ledger: Ledger, remote: str, *, push: bool = True) -> Shared:
    """Carry evidence both ways; what is on both sides is never replaced."""
    try:
        for _ in range(ATTEMPTS):
            theirs = fetch(ledger, remote, REF)
            known = _listed(ledger, theirs)
            tip = _united(ledger, theirs)
            went = len(_listed(ledger, tip)) - len(known)
            if not push or tip is None or tip == theirs or send(ledger, remote, tip, theirs, REF):
                return Shared(_unpack(ledger, known), went if push else None)
    except (GitError, OSError) as error:
        msg = f"the evidence could not be carried: {error}"
        raise LedgerError(msg) from error
    msg = f"{remote}: others were faster {ATTEMPTS} times; run: pytest-rollback sync --evidence"
    raise LedgerError(msg)


def _united(ledger: Ledger, theirs: str | None) -> str | None:
    """Give a commit that holds our files and theirs, and keep it under our ref."""
    ours = ledger.tip(REF)
    united = {**_files(ledger), **_listed(ledger, ours), **_listed(ledger, theirs)}
    parents = sorted({tip for tip in (ours, theirs) if tip})
    whole = next((tip for tip in parents if all(contains(ledger, tip, each) for each in parents)), None)
    if whole is not None and united == _listed(ledger, whole):
        tip: str | None = whole
    else:
        tip = _commit(ledger, united, [whole] if whole else parents)
    if tip is not None and tip != ours:
        ledger.git("update-ref", "--no-deref", REF, tip, ours or "")
    return tip


def _commit(ledger: Ledger, files: dict[str, str], parents: list[str]) -> str | None:
    if not files:
        return None
    listed = "".join(f"100644 blob {blob}\t{name}\n" for name, blob in files.items())
    tree = ledger.git("mktree", feed=listed.encode("ascii"))
    with ledger.objects() as objects:
        found = [objects.get(parent) for parent in parents]
    moment = max((wording.take_apart(each.content).committed for each in found if each), default=0)
    options = [word for parent in parents for word in ("-p", parent)]
    message = f"evidence of {len(files)} events\n".encode()
    return ledger.git("commit-tree", *options, tree, feed=message, more=signature(None, moment))


def _files(ledger: Ledger) -> dict[str, str]:
    """Write the files of this machine as blobs; gives them by name."""
    folder = ledger.home / FOLDER
    names = sorted(path.name for path in folder.iterdir() if _FILE.fullmatch(path.name)) if folder.is_dir() else []
    feed = b"".join(os.fsencode(folder / name) + b"\n" for name in names)
    blobs = ledger.lines("hash-object", "-w", "--no-filters", "--stdin-paths", feed=feed) if names else []
    return dict(zip(names, blobs, strict=True))


def _listed(ledger: Ledger, tip: str | None) -> dict[str, str]:
    """List the files under a commit, by name."""
    if tip is None:
        return {}
    entries = (line.split("\t", 1) for line in ledger.lines("ls-tree", "--full-tree", tip))
    return {name: about.split()[2] for about, name in entries if _FILE.fullmatch(name)}


def _unpack(ledger: Ledger, files: dict[str, str]) -> int:
    """Write what came into the folder; gives how many files that were."""
    folder = ledger.home / FOLDER
    missing = {name: blob for name, blob in files.items() if not (folder / name).exists()}
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
    with ledger.objects() as objects:
        for name, blob in missing.items():
            if (found := objects.get(blob)) is not None:
                _write(folder / name, found.content)
    return len(missing)


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(content)
    fresh.replace(path)
