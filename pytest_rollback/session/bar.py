"""The accepted baselines of a session: those on the disk, those that its tree will have, and the trusted base's."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from pytest_rollback.judge.bars import higher_bar, lowered
from pytest_rollback.model import Loss
from pytest_rollback.policy.baselines import FOLDER, Shelf, shelve
from pytest_rollback.policy.rules import Policy
from pytest_rollback.policy.shelf import take_shelf
from pytest_rollback.repo.blobs import read_folder
from pytest_rollback.session.ground import Ground


class Bar:
    """What a session's numbers are held against. `root` is the project's folder, seen from the repository's top."""

    def __init__(self, folder: Path, root: str, ground: Ground) -> None:
        self.ground = ground
        self.place = posixpath.normpath(f"{root}/{FOLDER}")
        self.on_disk = take_shelf(folder)

    @cached_property
    def committed(self) -> Shelf:
        """The baselines in the tree that is judged, as others will find them."""
        head, tree = self.ground.head, self.ground.tree
        return shelve(read_folder(head.top, tree, self.place)) if head is not None and tree else self.on_disk

    def lost(self, base: Shelf, policy: Policy) -> list[Loss]:
        """Say which baselines are gone, or accept worse; what lies on the disk alone is a promise to nobody."""
        found = lowered(base, self.on_disk, policy)
        if base.baselines:
            found += lowered(base, self.committed, policy)
        return list({loss.name: loss for loss in reversed(found)}.values())

    def over(self, base: Shelf, policy: Policy, but: Collection[str]) -> Shelf:
        """Give of both shelves the higher bar; `but` names what somebody approved of."""
        return higher_bar(base, self.on_disk, policy, but=but)

    def loose(self) -> tuple[str, ...]:
        """Name the files that lie on the disk and in no tree, such as ignored ones, and were not named yet."""
        files = {each.file for each in self.on_disk.baselines.values()} | {*self.on_disk.troubles}
        if not files or self.ground.tree is None:
            return ()
        loose = files - {each.file for each in self.committed.baselines.values()} - {*self.committed.troubles}
        told = [odd.partition(": ")[2].rstrip("/") for odd in self.ground.unkeyed]
        paths = (f"{self.place}/{file}" for file in sorted(loose))
        return tuple(f"in no commit: {path}" for path in paths if not any(path.startswith(odd) for odd in told if odd))
