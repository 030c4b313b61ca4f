"""The ledger: what happened, as a chain of commits under a ref of its own, one commit an event.

Git's hashes make it tamper-evident, its compare-and-swap of refs makes appends safe among processes and work trees.
No branch shows it, and no reset loses it. A commit's message says what it can be found by (`repo.wording`), its tree
holds the event, and what is kept beside it.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from pytest_rollback.events import Entry, Known, entry_of
from pytest_rollback.repo import wording
from pytest_rollback.repo.identity import identity, signature
from pytest_rollback.repo.journal import find_place
from pytest_rollback.repo.packing import is_time_to_pack, pack
from pytest_rollback.repo.plumbing import GitError, call
from pytest_rollback.repo.stream import Objects, Thing, records

REF = "refs/rollback/ledger"
# The newest tip that this repository has made itself. A fetch of refs/rollback/* puts another chain in place of ours
# without a word; what it has thrown out of the ledger is then still held by this, and taken back.
KEPT = "refs/rollback/kept"
PATIENCE_S = 30.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.5
SIGNING_S = 120.0
# Neither what a user's git is told to do at such times, nor how it is told to write, may change what is recorded.
PLAIN = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.logAllRefUpdates=false"),
    *("-c", "i18n.commitEncoding=UTF-8", "-c", "i18n.logOutputEncoding=UTF-8"),
)
LOST = "what was never pushed is among: git fsck --unreachable"
REMEDY = "remove it: git update-ref --no-deref -d {ref}, then run: pytest-rollback sync (" + LOST + ")"
SEEN = "%(refname)%00%(objectname)%00%(objecttype)%00%(symref)%00%(contents)%00"
AS_IT_IS = {"GIT_NO_REPLACE_OBJECTS": "1"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LOCK = re.compile(r"Unable to create '(.*\.lock)': File exists", re.DOTALL)


class LedgerError(Exception):
    """The ledger could not be read or written; says why, and what to do."""


class Draft(Struct, frozen=True, kw_only=True):
    """An event that is to be recorded, with files and trees that are kept beside it, by name."""

    event: Known
    blobs: dict[str, bytes] = {}
    trees: dict[str, str] = {}


class Stored(Struct, frozen=True, kw_only=True):
    """An event as it stands in the ledger. Where `event` is null, `note` says why; `raw` is what was written."""

    id: str
    parents: tuple[str, ...]
    entry: Entry
    event: Known | None
    raw: bytes
    note: str = ""


class Ledger:
    """The ledger of the repository around a folder: any work tree of it, its git folder, or a bare repository.

    `extra` are git's own variables, where they say where the repository is (see `plumbing.anchored`).
    """

    def __init__(self, folder: Path, extra: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.surroundings = dict(extra or {})
        self.extra = {**self.surroundings, **AS_IT_IS}
        self._home: Path | None = None
        self._who: str | None = None

    @property
    def home(self) -> Path:
        """The folder in which we keep what belongs to this repository and is not in git."""
        if self._home is None:
            try:
                place = find_place(self.folder, self.extra)
            except GitError as error:
                raise LedgerError(str(error)) from error
            if place is None:
                msg = f"{self.folder} is in no git repository, and elsewhere nothing is recorded"
                raise LedgerError(msg)
            self._home = place.folder.parent
        return self._home

    def git(
        self, *arguments: str, feed: bytes = b"", more: Mapping[str, str] | None = None, seconds: float = 60
    ) -> str:
        """Run git for the ledger, with more variables if need be; gives the first line that it printed."""
        return next(iter(self.lines(*arguments, feed=feed, more=more, seconds=seconds)), "")

    def lines(
        self, *arguments: str, feed: bytes = b"", more: Mapping[str, str] | None = None, seconds: float = 60
    ) -> list[str]:
        """Run git for the ledger; gives the lines that it printed."""
        extra = {**self.extra, **(more or {})}
        said = call(*PLAIN, *arguments, cwd=self.folder, extra=extra, feed=feed, seconds=seconds)
        return [os.fsdecode(line) for line in said.removesuffix(b"\n").split(b"\n")] if said else []

    def objects(self) -> Objects:
        """Read objects of the repository, many of them from one process."""
        return Objects(self.folder, self.extra)

    def records(self, *arguments: str) -> Iterator[bytes]:
        """Give what git prints about the ledger, record by record."""
        return records(*PLAIN, *arguments, cwd=self.folder, extra=self.extra)

    def tip(self, ref: str = REF) -> str | None:
        """Give the newest commit; None where nothing was ever recorded. What is no chain of events is an error."""
        return self._tip(ref, self._look(ref))

    def _tip(self, ref: str, found: _Ref | None) -> str | None:
        # What a power cut left of a ref reads like one that is not there, and would pass for a ledger without events.
        # Or somebody has made it since we asked.
        file = self.home.parent / ref
        if found is None and os.path.lexists(file) and (found := self._look(ref)) is None:
            raise LedgerError(_in_the_way(file, ref))
        if found is not None:
            _hold_to_chain(found)
        return found.tip if found is not None else None

    def kept(self) -> str | None:
        """Give the newest tip that was made here; None where none was, or where what stands there is not ours."""
        try:
            found = self._look(KEPT)
        except LedgerError:
            return None
        return found.tip if found is not None and found.trouble is None else None

    def named(self) -> str | None:
        """Give what the ledger's ref names, be it no event or gone: for who looks for damage."""
        try:
            found = self._look(REF)
        except LedgerError:
            return self.git("rev-parse", "--verify", "--quiet", REF)
        return self.tip() if found is None or found.points_to else found.tip

    def regain(self) -> str | None:
        """Take back what something else has thrown out of the ledger; gives the tip."""
        tip, kept = self._both()
        if kept is None or kept == tip:
            return tip
        try:
            return next(iter(self.advance(lambda whole: [whole] if whole else [])), None)
        except GitError as error:
            msg = f"what was thrown out of the ledger could not be taken back: {error}"
            raise LedgerError(msg) from error

    def _look(self, ref: str) -> _Ref | None:
        return self._looked(ref).get(ref)

    def _looked(self, *refs: str) -> dict[str, _Ref]:
        """Ask git for refs and what they name, from one process."""
        ref = refs[0]
        try:
            said = call(*PLAIN, "for-each-ref", f"--format={SEEN}", *refs, cwd=self.folder, extra=self.extra)
        except GitError as error:
            if "missing object" in error.said or "bad object" in error.said or "parse" in error.said:
                msg = f"{ref} is damaged: {error}; {REMEDY.format(ref=ref)}"
                raise LedgerError(msg) from error
            raise LedgerError(str(error)) from error
        # A message holds whatever it likes, but no NUL: git would have cut it there.
        told = [said.split(b"\0")[start :: len(_Ref.__struct_fields__)] for start in range(len(_Ref.__struct_fields__))]
        found = (
            _Ref(os.fsdecode(name.lstrip(b"\n")), tip.decode("ascii"), os.fsdecode(kind), os.fsdecode(to), message)
            for name, tip, kind, to, message in zip(*told, strict=False)
        )
        return {each.name: each for each in found}

    def append(self, drafts: Sequence[Draft], *, sign: bool = False) -> list[str]:
        """Record events, all of them or none; gives their ids."""
        if not drafts:
            return []
        try:
            written = [wording.encode(draft.event) for draft in drafts]
            trees = self._trees([raw for _, raw in written], drafts)
            events = [event for event, _ in written]
            ids = self.advance(lambda tip: self._chain(tip, events, trees, sign=sign))
        except GitError as error:
            msg = f"nothing was recorded: {error}"
            raise LedgerError(msg) from error
        if is_time_to_pack(ids):
            pack(self.folder, self.extra, self.home / "cache", ids[-1])
        return ids

    def advance(self, prepare: Callable[[str | None], Sequence[str]]) -> list[str]:
        """Move the ledger to the last of the commits that are prepared for its tip, however many do so at once."""
        end = time.monotonic() + PATIENCE_S
        pause = FIRST_PAUSE_S
        while True:
            tip, kept = self._both()
            fresh = list(prepare(self._whole(tip, kept)))
            if not fresh or fresh[-1] == tip or self._swap(fresh[-1], tip, last=time.monotonic() > end):
                return fresh
            time.sleep(random.uniform(0, pause))  # noqa: S311 (so that those who lost a race don't meet again)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _both(self) -> tuple[str | None, str | None]:
        """Give the tip, and the newest one that was made here, from one process."""
        try:
            found = self._looked(REF, KEPT)
        except LedgerError:
            return self.tip(), None
        kept = found.get(KEPT)
        return self._tip(REF, found.get(REF)), kept.tip if kept is not None and kept.trouble is None else None

    def _whole(self, tip: str | None, kept: str | None) -> str | None:
        """Give the tip on which to go on: one that holds all that was ever recorded here."""
        if kept is None or kept == tip:
            return tip
        from pytest_rollback.repo.chains import merge  # that file builds on this one

        return merge(self, tip, kept)

    def read(self, event: str) -> Stored:
        """Read an event by its whole id."""
        return self.read_all([event])[0]

    def read_all(self, events: Sequence[str]) -> list[Stored]:
        """Read events by their whole ids, from one process."""
        try:
            with self.objects() as objects:
                return [_stored(event, objects) for event in events]
        except GitError as error:
            raise LedgerError(str(error)) from error

    def attachment(self, event: str, name: str) -> bytes | None:
        """Give a file that is kept beside an event; None where there is none."""
        thing = self._beside(event, name)
        return thing.content if thing is not None and thing.type == "blob" else None

    def subtree(self, event: str, name: str) -> str | None:
        """Give the id of a tree that is kept beside an event; None where there is none."""
        thing = self._beside(event, name)
        return thing.id if thing is not None and thing.type == "tree" else None

    def who(self) -> str | None:
        """Give `Name <mail>` of whoever works here, where git knows it."""
        if self._who is None:
            self._who = identity(self.folder, self.extra) or ""
        return self._who or None

    def _beside(self, event: str, name: str) -> Thing | None:
        _check(event, _ID, "the id of an event")
        _check(name, _NAME, "the name of an attachment")
        try:
            with self.objects() as objects:
                return objects.get(f"{event}:{name}")
        except GitError as error:
            raise LedgerError(str(error)) from error

    def _trees(self, events: Sequence[bytes], drafts: Sequence[Draft]) -> list[str]:
        """Write what the commits will hold."""
        lists = []
        for raw, draft in zip(events, drafts, strict=True):
            blobs = {wording.EVENT: raw, **draft.blobs}
            kept = [f"100644 blob {self._blob(content)}\t{name}" for name, content in blobs.items()]
            kept += [f"040000 tree {tree}\t{name}" for name, tree in draft.trees.items()]
            for name in (*blobs, *draft.trees):
                _check(name, _NAME, "the name of an attachment")
            lists.append("\n".join(kept))
        return self.lines("mktree", "--batch", feed="\n\n".join(lists).encode() + b"\n")

    def _blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", feed=content)

    def _chain(self, tip: str | None, events: Sequence[Known], trees: Sequence[str], *, sign: bool) -> list[str]:
        """Write the commits, each upon the one before it."""
        ids: list[str] = []
        # Git walks by these dates. Behind a commit that seems older than its parent, because some clock was ahead, it
        # would look through the whole ledger each time that it is asked what is new.
        said = self.git("log", "-1", "--no-show-signature", "--format=%ct", tip) if tip else ""
        latest = wording.second_in(said.encode("ascii", "replace"))
        for event, tree in zip(events, trees, strict=True):
            parent = ids[-1] if ids else tip
            latest = max(latest, wording.second_of(event.at))
            options = ["-S"] if sign else []
            options += ["-p", parent] if parent else []
            commit = self.git(
                "commit-tree",
                *options,
                tree,
                feed=wording.message_of(entry_of(event)),
                seconds=SIGNING_S,
                more=signature(self.who(), wording.second_of(event.at), latest),
            )
            ids.append(commit)
        return ids

    def _swap(self, new: str, old: str | None, *, last: bool) -> bool:
        """Move the ref, unless somebody else has moved it meanwhile."""
        move = f"update {REF} {new} {old}" if old else f"create {REF} {new}"
        feed = f"{move}\nupdate {KEPT} {new}\n".encode("ascii")
        try:
            self.git("update-ref", "--no-deref", "--stdin", feed=feed)
        except GitError as error:
            lock = _LOCK.search(error.said)
            if lock is not None and (last or _is_stale(Path(lock[1]))):
                msg = f"{lock[1]} is in the way; if no git process runs here, remove it"
                raise LedgerError(msg) from error
            if lock is None and self.tip() == old:
                raise
            if last:
                msg = f"{REF} was moved by others for {PATIENCE_S:g} s, and this could not be added; try again"
                raise LedgerError(msg) from error
            return False
        return True


class _Ref(Struct, frozen=True):
    """A ref as git knows it."""

    name: str
    tip: str
    kind: str
    points_to: str
    message: bytes

    @property
    def trouble(self) -> str | None:
        """Say why it can't be a chain of ours; None where it can."""
        if self.points_to:
            # Whoever wrote to it would move that instead: a branch, with the ledger's commits on it.
            return f"it is a symbolic ref to {self.points_to}"
        if self.kind != "commit":
            return f"it names a {self.kind or 'thing that git does not know'}, and no event"
        ours = self.message.strip(b"\n") == wording.MERGE.strip(b"\n") or wording.entry_in(self.message) is not None
        if self.name in (REF, KEPT) and not ours:
            return f"the commit {self.tip[:12]} that it names is no event"
        return None


def _hold_to_chain(found: _Ref) -> None:
    if found.trouble is not None:
        msg = f"{found.name} is damaged: {found.trouble}; {REMEDY.format(ref=found.name)}"
        raise LedgerError(msg)


def _in_the_way(file: Path, ref: str) -> str:
    """Say what stands in the place of a ref that git does not see."""
    if file.is_dir() and not file.is_symlink():
        inside = sorted(each.relative_to(file).as_posix() for each in file.rglob("*") if each.is_file())
        return f"a ref below it stands in the way of {ref}; remove it: git update-ref -d {ref}/{inside[0]}"
    return f"{file} is damaged; remove it, then run: pytest-rollback sync ({LOST})"


def _stored(event: str, objects: Objects) -> Stored:
    """Read one event."""
    _check(event, _ID, "the id of an event")
    commit = objects.get(event)
    if commit is None or commit.type != "commit":
        msg = f"there is no event {event} here; run: pytest-rollback sync, or: pytest-rollback verify"
        raise LedgerError(msg)
    written = wording.take_apart(commit.content)
    entry = wording.entry_in(written.message) or wording.unreadable(written.committed)
    blob = objects.get(f"{event}:{wording.EVENT}")
    if blob is None or blob.type != "blob":
        return Stored(id=event, parents=written.parents, entry=entry, event=None, raw=b"", note=wording.NO_EVENT)
    known, note = wording.decode(blob.content, entry)
    return Stored(id=event, parents=written.parents, entry=entry, event=known, raw=blob.content, note=note)


def _is_stale(lock: Path) -> bool:
    """Whether a lock is older than any git process would hold it."""
    try:
        return time.time() - lock.stat().st_mtime > PATIENCE_S
    except OSError:
        return False


def _check(text: str, form: re.Pattern[str], what: str) -> None:
    """Refuse what git would read in another way."""
    if not form.fullmatch(text):
        msg = f"{text!r} is not {what}"
        raise LedgerError(msg)
