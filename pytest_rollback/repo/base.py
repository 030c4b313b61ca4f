"""Finds the trusted base: the commit whose demands a change may not loosen. Nothing in the change has a say in it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from pytest_rollback.judge.approvals import Trailer, co_authors_of, is_machine, trailers_of
from pytest_rollback.model import Loss, LossKind
from pytest_rollback.repo.plumbing import GitError, call, git

# Where CI says into which branch the change is meant to go.
TARGETS = (
    "GITHUB_BASE_REF",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "CHANGE_TARGET",
    "BUILDKITE_PULL_REQUEST_BASE_BRANCH",
    "BITBUCKET_PR_DESTINATION_BRANCH",
    "SYSTEM_PULLREQUEST_TARGETBRANCH",
)
ORIGIN = "refs/remotes/origin"
LOCAL = ("refs/heads/main", "refs/heads/master")
FIRST = "the first commit"
SHALLOW = "this clone is shallow and ends before {}; run git fetch --unshallow (in CI: check out with full depth)"
SHORT = 7
# What can be the name of a ref and no pattern of one, no option and no path out of the refs.
NAME = re.compile(r"(?!-)(?!.*(\.\.|//|@\{))[^\x00-\x20~^:?*\[\\\x7f]+")

KnownGood = Callable[[str], str | None]


class BaseFound(Struct, frozen=True, kw_only=True):
    """The trusted base, and how it was found; `unchecked` says why it could not be had, and what to do."""

    commit: str | None = None
    tree: str | None = None
    how: str = ""
    unchecked: str | None = None


class Change(Struct, frozen=True, kw_only=True):
    """A commit between the trusted base and what is judged."""

    commit: str
    name: str
    mail: str
    subject: str
    co_authors: tuple[str, ...] = ()
    trailers: tuple[Trailer, ...] = ()

    @property
    def author(self) -> str:
        """Name the author as git does."""
        return f"{self.name} <{self.mail}>"

    def is_by_machine(self, machines: Sequence[str]) -> bool:
        """Whether its author, or one who wrote it together with them, is no person."""
        return any(is_machine(person, machines) for person in (self.author, *self.co_authors))


class _Ref(Struct, frozen=True, kw_only=True):
    name: str
    commit: str
    here: bool

    @property
    def short(self) -> str:
        return re.sub(r"^refs/(remotes|heads|tags)/", "", self.name)


def find_base(
    folder: Path,
    *,
    head: str | None,
    clean: bool,
    trusted: str | None,
    environment: Mapping[str, str],
    known_good: KnownGood,
) -> BaseFound:
    """Find the base of what is judged: `head`'s own tree where that is `clean`, else work on top of it.

    `trusted` is what the policy of the *base* names, never that of the change: ask without it first, read the policy
    there, and ask again with what that says. `known_good` gives the newest known good commit, from one on backwards.
    """
    if head is None:
        return BaseFound(how=FIRST)
    target = _target(environment)
    ref, missing = _choose(folder, trusted, target)
    if missing:
        return BaseFound(unchecked=missing)
    if ref is not None:
        shallow, fork = _fork(folder, head, ref.commit)
        if fork is None:
            return _unrelated(folder, ref, shallow=shallow)
        if fork != head or not clean:
            return _found(folder, fork, f"merge base with {ref.short}")
    return _before(folder, head, clean=clean, known_good=known_good)


def changes_between(folder: Path, base: str | None, head: str | None) -> list[Change]:
    """List the commits that a change consists of, newest first; without a base or a head there are none."""
    if base is None or head is None:
        return []
    # Names as they were written: a .mailmap is part of the tree, and so of the change.
    form = "--format=format:%H%n%an%n%ae%n%B"
    options = ["-z", form, "--no-show-signature", "--no-color", "--no-mailmap", "--encoding=UTF-8"]
    said = call("log", *options, "--end-of-options", f"{base}..{head}", "--", cwd=folder)
    return [_change(part) for part in said.decode("utf-8", "replace").split("\0") if part.strip()]


def machine_losses(changes: Sequence[Change], machines: Sequence[str]) -> list[Loss]:
    """Name the commits that no person wrote alone, for a policy that wants a person's word about them."""
    return [
        Loss(
            name=f"machine:{change.commit[:12]}",
            kind=LossKind.MACHINE,
            what=change.subject,
            was="a person's approval",
            now=next(who for who in (change.author, *change.co_authors) if is_machine(who, machines)),
        )
        for change in changes
        if change.is_by_machine(machines)
    ]


def _change(part: str) -> Change:
    commit, name, mail, message = part.split("\n", 3)
    author = f"{name} <{mail}>"
    return Change(
        commit=commit,
        name=name,
        mail=mail,
        subject=message.partition("\n")[0],
        co_authors=co_authors_of(message),
        trailers=tuple(trailers_of(message, commit=commit, author=author)),
    )


def _target(environment: Mapping[str, str]) -> str | None:
    """Name the branch that CI says the change is for."""
    for variable in TARGETS:
        name = environment.get(variable, "").strip().removeprefix("refs/heads/")
        if name and NAME.fullmatch(name):
            return name
    return None


def _choose(folder: Path, trusted: str | None, target: str | None) -> tuple[_Ref | None, str | None]:
    """Choose the ref that is trusted: the named one, or the first that usually is. Else say what is missing."""
    if trusted is not None:
        wanted = _spellings(trusted)
        ref = next(iter(_there(folder, wanted)), None)
        return ref, None if ref else _not_here(f'the trusted branch "{trusted}"', trusted.removeprefix("origin/"))
    if target is not None:  # a change that goes elsewhere than to the usual branch is held against what it goes to
        ref = next(iter(_there(folder, [f"{ORIGIN}/{target}"])), None)
        return ref, None if ref else _not_here(f'the target branch "{target}"', target)
    there = _there(folder, [f"{ORIGIN}/HEAD", f"{ORIGIN}/main", f"{ORIGIN}/master", *LOCAL])
    if any(ref.here for ref in there):  # main is checked out, and a master beside it is what main was long ago
        there = [ref for ref in there if ref.name not in LOCAL]
    return (there[0] if there else None), None


def _spellings(trusted: str) -> list[str]:
    """Say what a name may mean. A branch of a remote comes first: anybody may push a tag or a branch named like it."""
    if not NAME.fullmatch(trusted):
        return []
    if trusted.startswith("refs/"):
        return [trusted]
    places = ("remotes", "heads", "remotes/origin") if "/" in trusted else ("heads", "remotes/origin")
    return [f"refs/{place}/{trusted}" for place in places]


def _not_here(what: str, branch: str) -> str:
    return f"{what} is not here; run git fetch origin {branch}:refs/remotes/origin/{branch}"


def _there(folder: Path, names: list[str]) -> list[_Ref]:
    """Look up refs, all at once; gives those that are there, in the order in which they were named."""
    if not names:
        return []
    form = "--format=%(HEAD)%00%(refname)%00%(objectname)%00%(*objectname)%00%(objecttype)%00%(*objecttype)"
    found: dict[str, _Ref] = {}
    for line in git("for-each-ref", form, "--", *names, cwd=folder).splitlines():
        here, name, own, peeled, kind, peeled_kind = line.split("\0")
        commit = own if kind == "commit" else peeled if peeled_kind == "commit" else ""
        if commit:
            found[name] = _Ref(name=name, commit=commit, here=here == "*")
    return [found[name] for name in names if name in found]


def _fork(folder: Path, head: str, other: str) -> tuple[bool, str | None]:
    """Find where two lines of history parted, and whether this clone has all of them."""
    said = git("rev-parse", "--is-shallow-repository", f"{head}...{other}", cwd=folder).split()
    forks = [word[1:] for word in said if word.startswith("^")]
    return said[0] == "true", forks[0] if len(forks) == 1 else _of_several(folder, forks, other)


def _of_several(folder: Path, forks: list[str], other: str) -> str | None:
    """Choose among merge bases: the newest that the trusted branch itself has been at, else its tip.

    Branches that were merged both ways have several, and an author could choose among them by their dates.
    """
    if not forks:
        return None
    line = git("rev-list", "--first-parent", "--end-of-options", other, cwd=folder).split()
    return next((commit for commit in line if commit in forks), other)


def _unrelated(folder: Path, ref: _Ref, *, shallow: bool) -> BaseFound:
    """Take the trusted tip itself: a beginning of its own must not free a branch of what is demanded."""
    if shallow:
        return BaseFound(unchecked=SHALLOW.format(f"the point where it left {ref.short}"))
    return _found(folder, ref.commit, f"{ref.short}, with which it shares no history")


def _before(folder: Path, head: str, *, clean: bool, known_good: KnownGood) -> BaseFound:
    """Take the newest known good before what is judged, else what it stands on."""
    start = head
    if clean:
        parents = _parents(folder, head)
        if not parents:
            return BaseFound(how=FIRST)
        start = parents[0]
        if not _is_here(folder, start):
            return BaseFound(unchecked=SHALLOW.format(f"the parent of {head[:SHORT]}"))
    good = known_good(start)
    if good is not None:
        return _found(folder, good, "newest known good")
    return _found(folder, start, "first parent" if clean else "HEAD")


def _parents(folder: Path, commit: str) -> list[str]:
    """Read a commit's parents as they were written, also where a shallow clone pretends that there are none."""
    head, _, _ = call("cat-file", "commit", commit, cwd=folder).partition(b"\n\n")
    return [os.fsdecode(line[len(b"parent ") :]) for line in head.split(b"\n") if line.startswith(b"parent ")]


def _is_here(folder: Path, commit: str) -> bool:
    try:
        call("cat-file", "-e", f"{commit}^{{commit}}", cwd=folder)
    except GitError:
        return False
    return True


def _found(folder: Path, commit: str, how: str) -> BaseFound:
    tree = git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}", cwd=folder).strip()
    return BaseFound(commit=commit, tree=tree, how=f"{how} {commit[:SHORT]}" if how != "HEAD" else how)
