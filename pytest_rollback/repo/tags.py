"""Annotated tags: the names that checkpoints bear in git itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from pytest_rollback.repo.identity import signature
from pytest_rollback.repo.plumbing import GitError, call, git

TAGS = "refs/tags/"
UNSIGNED = "unable to sign the tag"
SIGNED = "%(if)%(contents:signature)%(then)signed%(end)"
FIELDS = ("%(refname)", "%(objectname)", "%(*objecttype)", "%(*objectname)", "%(contents:subject)", SIGNED)
HOW_TO_SIGN = "set up the key, or sign no tags here: git config tag.gpgSign false"
SIGNING_S = 120.0  # somebody may have to type a passphrase


class Tag(Struct, frozen=True, kw_only=True):
    """A tag as it stands. `commit` is null for one that is not annotated, or is of something else than a commit."""

    id: str
    commit: str | None
    title: str
    is_signed: bool = False


def is_name(name: str, folder: Path) -> bool:
    """Whether a name can be a tag's: git takes it, no command reads it as an option or as HEAD, and people see it."""
    if not name.isprintable() or name.startswith("-") or name == "HEAD":
        return False
    try:
        git("check-ref-format", f"{TAGS}{name}", cwd=folder)
    except GitError as error:
        if error.status == 1:
            return False
        raise
    return True


def find_tag(folder: Path, name: str, extra: Mapping[str, str] | None = None) -> Tag | None:
    """Find a tag by its name; None where there is none."""
    form = f"--format={'%00'.join(FIELDS)}"
    # Git takes the name for a folder of tags as well.
    for line in git("for-each-ref", form, "--", f"{TAGS}{name}", cwd=folder, extra=extra).split("\n"):
        ref, _, about = line.partition("\0")
        if ref == f"{TAGS}{name}":
            own, kind, commit, title, signed = about.split("\0")
            return Tag(id=own, commit=commit if kind == "commit" else None, title=title, is_signed=bool(signed))
    return None


def add_tag(
    folder: Path, name: str, commit: str, message: str, who: str | None, extra: Mapping[str, str] | None = None
) -> Tag:
    """Make an annotated tag, in the name of whoever works here or of nobody; it never replaces one.

    It is signed where the user has told git to sign tags, and is not made where that fails.
    """
    own = {**(extra or {}), **signature(who, int(time.time()))}
    options = ("--cleanup=verbatim", "--file=-")  # it is annotated by that; with --annotate, git would not sign it
    try:
        call("tag", *options, "--", name, commit, cwd=folder, extra=own, feed=message.encode(), seconds=SIGNING_S)
    except GitError as error:
        if UNSIGNED not in error.said:
            raise
        msg = f"git is told to sign tags and could not ({error}); {HOW_TO_SIGN}"
        raise GitError(msg, error.status, error.said) from error
    made = find_tag(folder, name, extra)
    if made is None:
        msg = f"git tag: {name} was made, and is not there"
        raise GitError(msg)
    # Git 2.39 makes an unsigned one, and says so in passing, where it can't load an ssh key.
    if not made.is_signed and _is_to_be_signed(folder, extra):
        drop_tag(folder, name, made, extra)
        msg = f"git is told to sign tags and did not; {HOW_TO_SIGN}"
        raise GitError(msg)
    return made


def drop_tag(folder: Path, name: str, tag: Tag, extra: Mapping[str, str] | None = None) -> None:
    """Take a tag away again that was just made, unless it is another one by now."""
    git("update-ref", "-d", f"{TAGS}{name}", tag.id, cwd=folder, extra=extra)


def _is_to_be_signed(folder: Path, extra: Mapping[str, str] | None) -> bool:
    asked = ("config", "--type=bool", "--default=false")
    said = [git(*asked, key, cwd=folder, extra=extra) for key in ("tag.gpgSign", "tag.forceSignAnnotated")]
    return "true\n" in said
