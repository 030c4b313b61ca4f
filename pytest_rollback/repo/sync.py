"""Carries the ledger between machines: fetches a remote's chain, merges it with ours, pushes what the remote lacks.

Whatever happens to the ledger of the remote, ours only grows. Nothing but the ledger's own refs is fetched or pushed,
wherever the user's configuration would have them go: a mirror's would put the remote's chain in place of ours.
"""

from __future__ import annotations

import os
import random
import re
import time

from msgspec import Struct

from pytest_rollback.repo.chains import count, take_in
from pytest_rollback.repo.known_good import shallow_ends
from pytest_rollback.repo.ledger import REF, Ledger, LedgerError
from pytest_rollback.repo.plumbing import GitError, git

NETWORK_S = 600.0
ATTEMPTS = 8
PAUSE_S = 0.2
NO_SUCH_REF = "couldn't find remote ref"
FETCH = (
    *("fetch", "--quiet", "--refmap=", "--no-tags", "--no-filter", "--no-prune", "--no-recurse-submodules"),
    *("--no-write-fetch-head", "--no-auto-maintenance"),
)
PUSH = ("push", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
SAYS_LITTLE = re.compile(r"To |error: failed to push some refs|hint: |Please make sure|and the repository exists|$")
RACES = re.compile(r"fetch first|non-fast-forward|cannot lock ref|failed to update ref|incorrect old value|stale info")
REFUSED = f"ask whoever runs the remote to let you push {REF}, or use --no-push"
UNKNOWN = "see whether the remote knows your key: git ls-remote"
HINTS = (
    ("terminal prompts disabled|could not read (?:Username|Password)", "give git a credential helper, or a token"),
    (r"[Pp]ermission denied \(|[Hh]ost key verification", UNKNOWN),
    ("[Pp]ermission|denied|403|not allowed|protected|declined|prohibited|unable to create", REFUSED),
    ("does not appear to be a git repository|not found", "see whether the remote is right: git remote --verbose"),
    ("[Cc]ould not resolve|unable to access|[Cc]onnection|timed out|no answer", "see whether it can be reached"),
)


class Exchange(Struct, frozen=True, kw_only=True):
    """What a sync came to. We were `ahead` of the remote by so many events; where nobody pushed, `went` is null."""

    remote: str
    came: int
    went: int | None
    ahead: int
    total: int
    tip: str | None
    is_cut_off: bool = False  # a shallow clone ends within the chain


def tracking(remote: str, ref: str = REF) -> str:
    """Name the ref under which a remote's chain is kept here."""
    return f"refs/rollback/remotes/{remote}/{ref.rpartition('/')[2]}"


def find_remote(ledger: Ledger, name: str | None = None) -> str:
    """Choose the remote: the named one, else the branch's own, else `origin`, else the only one."""
    try:
        remotes = git("remote", cwd=ledger.folder, extra=ledger.surroundings).split("\n")[:-1]
    except GitError as error:
        raise LedgerError(str(error)) from error
    listed = ", ".join(remotes)
    if not remotes:
        msg = "this repository has no remote; add one: git remote add origin URL"
        raise LedgerError(msg)
    if name is not None:
        if name in remotes:
            return name
        msg = f"there is no remote {name!r}; there is {listed}"
        raise LedgerError(msg)
    chosen = next((each for each in (_of_the_branch(ledger), "origin") if each in remotes), None)
    if chosen is None and len(remotes) > 1:
        msg = f"there are several remotes, and none is the branch's own; name one of {listed}"
        raise LedgerError(msg)
    return chosen or remotes[0]


def sync(ledger: Ledger, remote: str, *, push: bool = True) -> Exchange:
    """Fetch, merge and push; when somebody was faster, again."""
    came = 0
    for attempt in range(ATTEMPTS):
        time.sleep(random.uniform(0, attempt * PAUSE_S))  # noqa: S311 (those who met once should not meet again)
        theirs = fetch(ledger, remote)
        tip = ledger.regain()
        if theirs is not None:
            merged = take_in(ledger, theirs)
            tip, came = merged.tip, came + merged.came
        ahead = count(ledger, tip, but=theirs)
        pushed = tip is not None and push and (tip == theirs or send(ledger, remote, tip, theirs))
        if pushed or not push or tip is None:
            total = count(ledger, tip, but=None)
            went = ahead if push else None
            cut_off = _is_cut_off(ledger, tip)
            return Exchange(remote=remote, came=came, went=went, ahead=ahead, total=total, tip=tip, is_cut_off=cut_off)
    msg = f"{remote}: others were faster {ATTEMPTS} times; all of it is kept here, so run: pytest-rollback sync"
    raise LedgerError(msg)


def _is_cut_off(ledger: Ledger, tip: str | None) -> bool:
    """Whether a shallow clone ends within the chain, so that what lies behind is not here."""
    ends = shallow_ends(ledger)
    return bool(ends) and tip is not None and not ends.isdisjoint(ledger.lines("rev-list", tip))


def fetch(ledger: Ledger, remote: str, ref: str = REF) -> str | None:
    """Fetch a remote's chain; gives its tip, None where the remote has none yet. No other ref is touched."""
    ledger.tip(tracking(remote, ref))  # git would follow a symbolic one, and move what that points to
    try:
        _talk(ledger, *FETCH, "--end-of-options", remote, f"+{ref}:{tracking(remote, ref)}")
    except GitError as error:
        if NO_SUCH_REF in error.said:
            return None
        raise LedgerError(_told(f"{remote}: nothing was fetched", error)) from error
    return ledger.tip(tracking(remote, ref))


def send(ledger: Ledger, remote: str, tip: str, theirs: str | None, ref: str = REF) -> bool:
    """Push a tip that holds what was fetched; False where somebody was faster."""
    own = ("-c", f"remote.{remote}.mirror=false")  # a push to a mirror takes no ref by name
    try:
        _talk(ledger, *own, *PUSH, "--end-of-options", remote, f"{tip}:{ref}")
    except GitError as error:
        if RACES.search(error.said) or fetch(ledger, remote, ref) != theirs:
            return False
        raise LedgerError(_told(f"{remote}: nothing was pushed, and all of it is kept here", error)) from error
    ledger.git("update-ref", "--no-deref", tracking(remote, ref), tip)
    return True


def _talk(ledger: Ledger, *arguments: str) -> None:
    """Let git talk with a remote; it may ask for a password where somebody sits in front of it."""
    ledger.git(*arguments, seconds=NETWORK_S, more={"GIT_TERMINAL_PROMPT": str(int(os.isatty(0)))})


def _of_the_branch(ledger: Ledger) -> str:
    """Name the remote of the branch that is checked out."""
    try:
        branch = ledger.git("symbolic-ref", "--quiet", "--short", "HEAD")
        return ledger.git("config", "--get", f"branch.{branch}.remote")
    except GitError:
        return ""


def _told(what: str, error: GitError) -> str:
    """Say what did not happen, in git's words, and what to do."""
    lines = [line.strip() for line in error.said.splitlines()]
    words = "; ".join(line for line in lines if not SAYS_LITTLE.match(line)) or str(error)
    hint = next((f"; {hint}" for pattern, hint in HINTS if re.search(pattern, words)), "")
    return f"{what}: {words}{hint}"
