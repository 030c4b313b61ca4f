"""A scratch tree: the copy of a tree in which tests run, with nothing of the user's within their reach.

It holds exactly what was asked for, files and repository, whatever the last one who used it has left. What can't be
had is a `Trouble`: a note where the user's work tree lacks it as well, else the end, since a judgement would be wrong.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from pytest_rollback.repo import lfs
from pytest_rollback.repo.plumbing import GitError, call
from pytest_rollback.repo.replica import Origin, Replica
from pytest_rollback.repo.submodules import find_origins
from pytest_rollback.repo.sweep import GITLINK, Listing, age, is_folder, parse_listing, remove, sweep
from pytest_rollback.repo.troubles import ScratchError, Trouble

ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
ATTRIBUTES = b".gitattributes"


class Scratch(Struct, frozen=True, kw_only=True):
    """A scratch tree that is ready: tests may run in it."""

    top: Path
    tree: str
    notes: tuple[Trouble, ...]
    control: Path
    temporary: Path
    keep: tuple[int, ...]


def prepare(top: Path, origin: Origin, *, tree: str, commit: str | None, branch: str | None) -> tuple[Trouble, ...]:
    """Make a folder hold a tree of a repository; gives what is not as it should be and does no harm."""
    if not ID.fullmatch(tree):
        msg = f"a scratch tree is made of a tree's full name, and this is none: {tree!r}"
        raise ValueError(msg)
    try:
        return _prepare(top, origin, tree, commit, branch)
    except (GitError, OSError):
        # Whatever somebody has made of it: a slot is a cache, and the second time it is made from nothing.
        try:
            remove(top)
            return _prepare(top, origin, tree, commit, branch)
        except (GitError, OSError) as error:
            raise _explained(error, origin) from error


def _prepare(top: Path, origin: Origin, tree: str, commit: str | None, branch: str | None) -> tuple[Trouble, ...]:
    _make_folder(top)
    replica = Replica(top, origin)
    since = replica.write(commit=commit, branch=branch)
    listing = parse_listing(replica.git("ls-tree", "-r", "-z", tree))
    digest = replica.attributes_digest(
        [listed.blob for name, listed in listing.items() if name.rpartition(b"/")[2] == ATTRIBUTES]
    )
    replica.forget_index_unless(digest)
    sweep(os.fsencode(top), listing, since)
    _check_out(replica, tree)
    below = _prepare_submodules(replica, listing)
    found = lfs.fill(replica) if _may_have_attributes(replica, listing) else lfs.Filled()
    changed = age(os.fsencode(top), listing, int(digest[:8], 16))
    if found.names:
        lfs.refresh(replica, listing, found.names)
    elif changed:
        replica.git("update-index", "-q", "--refresh")
    replica.end()
    return (*below, *found.troubles)


def _make_folder(top: Path) -> None:
    """Have a folder that is one: through a link in its place the sweep would reach somebody's work."""
    if not is_folder(top):
        remove(top)
        top.mkdir()


def _may_have_attributes(replica: Replica, listing: Listing) -> bool:
    """Whether git need be asked for attributes at all; in most repositories it need not."""
    places = [replica.folder / "info/attributes"]
    with suppress(RuntimeError):  # nobody's home
        places.append(Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser(), "git/attributes"))
    named = "core.attributesfile" in replica.config or any(place.exists() for place in places)
    return named or any(name.rpartition(b"/")[2] == ATTRIBUTES for name in listing)


def _check_out(replica: Replica, tree: str) -> None:
    """Have git write the files. A filter that fails is the end, though git itself would let some pass."""
    filters = [name for name in _filters_of(replica) if _writes(replica, name)]
    strict = [part for name in filters for part in ("-c", f"filter.{name}.required=true")]
    try:
        replica.git(*strict, "read-tree", "--reset", "-u", tree)
    except GitError:
        if not filters:
            raise
        _check_out_before_filters(replica, tree, filters)
        try:
            replica.git(*strict, "read-tree", "--reset", "-u", tree)
        except GitError as error:
            detail = f"a filter does not run outside the repository: {error}"
            raise ScratchError((Trouble(kind="filter", detail=detail),)) from error


def _check_out_before_filters(replica: Replica, tree: str, filters: list[str]) -> None:
    """Write what filters are not for: one may be a script of the tree itself, which has to be there first."""
    keys = ("smudge=", "process=", "required=false")
    off = [part for name in filters for key in keys for part in ("-c", f"filter.{name}.{key}")]
    replica.git(*off, "read-tree", "--reset", "-u", tree)
    for name in replica.git("ls-files", "-z", "--", *(f":(attr:filter={name})" for name in filters)).split(b"\0"):
        if name:
            remove(replica.top / os.fsdecode(name))


def _filters_of(replica: Replica) -> list[str]:
    keys = (key.partition(".")[2].rpartition(".")[0] for key in replica.config if key.startswith("filter."))
    return sorted(set(keys))


def _writes(replica: Replica, name: str) -> bool:
    """Whether a filter has a say in what is written, and doesn't merely clean what is added."""
    return any(replica.config.get(f"filter.{name}.{way}") for way in ("smudge", "process"))


def _prepare_submodules(replica: Replica, listing: Listing) -> tuple[Trouble, ...]:
    """Prepare the submodules that are there in the user's work tree; the others are empty folders, as there."""
    wanted = {os.fsdecode(name): listed.blob for name, listed in listing.items() if listed.mode == GITLINK}
    if not wanted:
        return ()
    notes: list[Trouble] = []
    missing: list[Trouble] = []
    for name, origin in find_origins(replica, wanted).items():
        top, commit = replica.top / name, wanted[name]
        if origin is None:
            remove(top)
            top.mkdir(parents=True)
            continue
        tree = _tree_of(origin, commit)
        if tree is None:
            detail = f"submodule {name} at {commit[:7]} is not here; run git submodule update"
            missing.append(Trouble(kind="submodule", detail=detail))
        else:
            notes += prepare(top, origin, tree=tree, commit=commit, branch=None)
    if missing:
        raise ScratchError(tuple(missing))
    return tuple(notes)


def _tree_of(origin: Origin, commit: str) -> str | None:
    try:
        told = call("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}", cwd=origin.common, extra=_where(origin))
    except GitError as error:
        if error.status is None:
            raise
        return None
    return told.decode("ascii").strip()


def _where(origin: Origin) -> dict[str, str]:
    return {"GIT_DIR": str(origin.common)}


def _explained(error: GitError | OSError, origin: Origin) -> ScratchError:
    """Say why there is no scratch tree, and what a person can do."""
    if isinstance(error, OSError):
        return disk_trouble(error)
    detail = str(error)
    if re.search(r"unable to read|missing|not a tree|bad object|invalid object", detail):
        advice = "git fetch them, or clone without --filter" if _is_partial(origin) else "run git fsck"
        return ScratchError((Trouble(kind="objects", detail=f"{detail}: objects are not here; {advice}"),))
    return ScratchError((Trouble(kind="git", detail=detail),))


def disk_trouble(error: OSError) -> ScratchError:
    """Say what the system said, and of which file."""
    where = os.fsdecode(error.filename) if error.filename else "the scratch tree"
    detail = f"{where} can't be written: {error.strerror or error}; make room, or set XDG_CACHE_HOME and TMPDIR"
    return ScratchError((Trouble(kind="disk", detail=detail),))


def _is_partial(origin: Origin) -> bool:
    try:
        call("config", "--get-regexp", r"^remote\..*\.promisor$", cwd=origin.top)
    except GitError:
        return False
    return True
