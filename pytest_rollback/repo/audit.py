"""Goes through the whole ledger and says what is wrong with it: names every event that is not what it was.

Nothing is taken on trust: each commit, tree and file is hashed again, an event must say what its entry says, and all
that is kept beside it must be there. It goes on where it can; behind a commit that is gone nobody can look.
"""

from __future__ import annotations

import hashlib
from heapq import heappop, heappush

import msgspec
from msgspec import Struct, structs

from pytest_rollback.events import SCHEMA, TESTS, Entry, TestList, entry_of
from pytest_rollback.judge.text import readable
from pytest_rollback.repo import wording
from pytest_rollback.repo.chains import vanished
from pytest_rollback.repo.known_good import shallow_ends
from pytest_rollback.repo.ledger import Ledger, LedgerError
from pytest_rollback.repo.plumbing import GitError
from pytest_rollback.repo.stream import Objects, Thing
from pytest_rollback.repo.wording import Written

FOLDER, SUBMODULE = "40000", "160000"
SHA256 = 64
SIGNED = ("G", "U")
UNSIGNED = "N"
SSH = b"-----BEGIN SSH SIGNATURE-----"
NO_SIGNERS = "it is signed, and the key can't be checked: gpg.ssh.allowedSignersFile is not set"
NOT_HELD = "its signature does not hold"
SIGNATURES = {
    "N": "it is not signed",
    "B": "its signature is wrong",
    "E": "its signature can't be checked",
    "X": "its signature has expired",
    "Y": "its signature was made with a key that has expired",
    "R": "its signature was made with a key that was revoked",
}


class Flaw(Struct, frozen=True):
    """What is wrong with an event."""

    event: str
    what: str


class Audit(Struct, frozen=True, kw_only=True):
    """What an audit came to; flaws are listed oldest first."""

    events: int
    merges: int
    newer: int
    signed: bool
    flaws: tuple[Flaw, ...]
    vanished: int = 0  # events that were recorded here, and that the chain holds no more

    @property
    def bad(self) -> int:
        """Count the events with a flaw."""
        return len({flaw.event for flaw in self.flaws})


class DamageError(Exception):
    """Something is not what it was."""


def audit(ledger: Ledger, *, signed: bool = False) -> Audit:
    """Check every event; with `signed`, its signature too."""
    try:
        tip = ledger.named()
        with ledger.objects() as objects:
            check = _Check(ledger, objects)
            check.walk(tip)
            if signed and tip is not None:
                check.signatures(tip)
    except GitError as error:
        raise LedgerError(str(error)) from error
    place = {event: number for number, event in enumerate(check.walked)}
    return Audit(
        events=len(check.walked) - check.merges,
        merges=check.merges,
        newer=check.newer,
        signed=signed,
        flaws=tuple(sorted(check.flaws, key=lambda flaw: -place.get(flaw.event, 0))),
        vanished=0 if check.flaws else vanished(ledger),
    )


class _Check:
    """One walk from the tip to the first events, newest first."""

    def __init__(self, ledger: Ledger, objects: Objects) -> None:
        self.walked: list[str] = []
        self.merges = self.newer = 0
        self.flaws: list[Flaw] = []
        self._ledger, self._objects = ledger, objects
        self._ends = shallow_ends(ledger)
        self._whole: set[str] = set()
        self._signers: bool | None = None

    def walk(self, tip: str | None) -> None:
        """Look at all that can be reached, each once."""
        ahead = [(0, tip)] if tip else []
        seen = {tip}
        while ahead:
            commit = heappop(ahead)[1]
            self.walked.append(commit)
            try:
                written = wording.take_apart(self._read(commit, "commit"))
            except DamageError as damage:
                self._complain(commit, f"{damage}, and nobody can look behind it")
                continue
            self._look(commit, written)
            if commit in self._ends:
                self._complain(commit, "the chain is cut off behind it by a shallow clone; run: git fetch --unshallow")
                continue
            for parent in written.parents:
                if parent not in seen:
                    heappush(ahead, (-written.committed, parent))
                    seen.add(parent)

    def signatures(self, tip: str) -> None:
        """Ask git for the signature of each event; merges bear none."""
        told = False
        try:
            for line in self._ledger.records("log", "-z", "--max-parents=1", "--format=%G? %H", tip):
                mark, commit = line.decode("ascii").split()
                # Git calls an ssh signature of whoever may not sign good, and only here says that it does not hold.
                if mark == UNSIGNED and self._bears_ssh(commit) and not self._has_signers():
                    self._complain(commit, NO_SIGNERS)
                    continue
                words = self._refused(commit) if mark in SIGNED or not told else ""
                if words is not None:
                    quoted = f" (git: {words})" if words and not told else ""
                    self._complain(commit, SIGNATURES.get(mark, NOT_HELD) + quoted)
                    told = True
        except GitError as error:
            if not self.flaws:  # else git stumbled over what is named already
                self._complain(tip, f"the signatures could not be checked: {error}")

    def _bears_ssh(self, commit: str) -> bool:
        """Whether a commit bears an ssh signature; where git knows of no signers, it calls that none."""
        found = self._objects.get(commit)
        return found is not None and SSH in found.content.partition(b"\n\n")[0]

    def _has_signers(self) -> bool:
        """Whether git knows who may sign by ssh."""
        if self._signers is None:
            try:
                self._signers = bool(self._ledger.git("config", "--get", "gpg.ssh.allowedSignersFile"))
            except GitError:
                self._signers = False
        return self._signers

    def _refused(self, commit: str) -> str | None:
        """Say why git does not accept the signature of a commit; None where it does."""
        try:
            self._ledger.git("verify-commit", commit)
        except GitError as error:
            return error.said.replace("\n", "; ")
        return None

    def _complain(self, commit: str, what: str) -> None:
        self.flaws.append(Flaw(commit, what))

    def _look(self, commit: str, written: Written) -> None:
        """Look at one commit, and at all that hangs on it."""
        entry = wording.entry_in(written.message)
        try:
            entries = self._entries(written.tree)
            if entry is None:
                self.merges += _is_merge(written, entries)
            else:
                self._event(written, entry, entries)
        except DamageError as damage:
            self._complain(commit, str(damage))

    def _event(self, written: Written, entry: Entry, entries: dict[str, tuple[str, str]]) -> None:
        if len(written.parents) > 1:
            msg = "it is an event and a merge at once"
            raise DamageError(msg)
        if not wording.is_known(entry):
            self.newer += 1
        elif wording.EVENT not in entries:
            raise DamageError(wording.NO_EVENT)
        elif wording.moment_of(entry.at) is None:
            msg = f"when it was is no moment: {readable(entry.at)!r}"
            raise DamageError(msg)
        for name, (mode, thing) in entries.items():
            content = self._follow(name, mode, thing)
            if name == wording.EVENT:
                self.newer += _is_newer(content, entry)
            elif name == TESTS and wording.is_known(entry):
                _check_list(content)

    def _follow(self, name: str, mode: str, thing: str) -> bytes:
        """Read what hangs on an event, however deep; what was read before is whole."""
        if mode == FOLDER:
            if thing not in self._whole:
                for below, (its_mode, each) in self._entries(thing, name).items():
                    self._follow(f"{name}/{below}", its_mode, each)
                self._whole.add(thing)
            return b""
        if mode == SUBMODULE:
            return b""
        return self._read(thing, "blob", name)

    def _entries(self, tree: str, name: str = "its tree") -> dict[str, tuple[str, str]]:
        """Read a tree: the mode and the id of what is in it, by name."""
        raw, found = self._read(tree, "tree", name), {}
        while raw:
            head, _, rest = raw.partition(b"\0")
            mode, _, called = head.partition(b" ")
            width = len(tree) // 2
            found[called.decode("utf-8", "surrogateescape")] = (mode.decode("ascii", "replace"), rest[:width].hex())
            raw = rest[width:]
        return found

    def _read(self, thing: str, kind: str, name: str = "") -> bytes:
        """Read an object, and make sure that it is the one that was named."""
        what = f"{name} ({thing[:12]})" if name else "it"
        try:
            found = self._objects.get(thing)
        except GitError as error:
            msg = f"{what} is damaged: {error}"
            raise DamageError(msg) from error
        if found is None:
            msg = f"{what} is missing or unreadable"
            raise DamageError(msg)
        if found.type != kind or _hash(found) != thing:
            msg = f"{what} is not what it was"
            raise DamageError(msg)
        return found.content


def _hash(thing: Thing) -> str:
    """Hash an object as git does."""
    algorithm = hashlib.sha256 if len(thing.id) == SHA256 else hashlib.sha1
    return algorithm(f"{thing.type} {len(thing.content)}\0".encode() + thing.content).hexdigest()


def _is_merge(written: Written, entries: dict[str, tuple[str, str]]) -> bool:
    """Tell a merge of two chains from what somebody else has put there."""
    if written.message == wording.MERGE and len(written.parents) == len(("ours", "theirs")) and not entries:
        return True
    msg = "it bears no entry, and is no merge of two chains"
    raise DamageError(msg)


def _is_newer(raw: bytes, entry: Entry) -> bool:
    """Hold an event against its entry; whether a newer version wrote an event behind an entry that we know."""
    if not wording.is_known(entry):
        return False
    event, note = wording.decode(raw, entry)
    if event is None:
        if note == wording.NEWER:
            return True
        raise DamageError(note)
    says = entry_of(event)
    other = [name for name in structs.asdict(says) if getattr(says, name) != getattr(entry, name)]
    if other:
        msg = f"its entry does not say what it says: {', '.join(other)}"
        raise DamageError(msg)
    return False


def _check_list(raw: bytes) -> None:
    """Make sure that a list of tests can be read, unless it is of a newer schema."""
    try:
        if msgspec.json.decode(raw, type=_Schema).schema <= SCHEMA:
            msgspec.json.decode(raw, type=TestList)
    except msgspec.MsgspecError as error:
        msg = f"{TESTS} can't be read: {error}"
        raise DamageError(msg) from error


class _Schema(Struct):
    schema: int = SCHEMA
