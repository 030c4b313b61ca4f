"""Follows gate tests through a change: renamed, moved, parametrised anew, split or merged, they are still there.

What can't be followed is gone. Each test of the change stands in for one of the trusted base's and no more, so that two
tests that became one are one too few.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_rollback.events import ListedTest, TestList
from pytest_rollback.judge.lookalikes import Lookalikes, names_alike
from pytest_rollback.judge.spots import Cases, Place, Sources, Spot, by_spot, spot_of

FEW = 2500  # pairs of cases that may be compared by their ids; beyond that they are taken in order

Pair = tuple[ListedTest, ListedTest | None]


def follow(base: TestList, now: TestList, *, sources: Sources) -> list[Pair]:
    """Pair each of the base's tests with what it is now; None where it is gone."""
    before = {spot_of(test.test, base.root, now.root): test for test in base.tests}
    after = {spot_of(test.test): test for test in now.tests}
    gone = {place: test for place, test in before.items() if place not in after}
    found: dict[str, ListedTest] = {}
    if gone:
        new = {place: test for place, test in after.items() if place not in before}
        found = _Search(gone, new, sources).found()
    return [(test, after.get(place) or found.get(test.test)) for place, test in before.items()]


class _Search:
    """Looks for tests that are gone among those that are new."""

    def __init__(self, gone: Mapping[Place, ListedTest], new: Mapping[Place, ListedTest], sources: Sources) -> None:
        self.gone = by_spot(gone)
        self.new = by_spot(new)
        self.sources = sources
        self.pairs: dict[str, ListedTest] = {}

    def found(self) -> dict[str, ListedTest]:
        """Pair from the surest to the least sure; what was paired is no candidate any more."""
        for spot in list(self.gone):
            self._take(spot, spot)
        if self.gone and self.new:
            self._take_renamed_files()
        if self.gone and self.new:
            for _, _, old, new in sorted(Lookalikes(self.gone, self.new, self.sources).ranked()):
                self._take(old, new)
        return self.pairs

    def _take_renamed_files(self) -> None:
        renames = self.sources.renames
        for spot in list(self.gone):
            if spot.file in renames:
                self._take(spot, Spot(renames[spot.file], spot.names))

    def _take(self, old: Spot, new: Spot) -> None:
        """Let as many cases of a new function as there are stand in for cases of an old one."""
        olds, news = self.gone.get(old), self.new.get(new)
        if not olds or not news:
            return
        for was, now in _pair_cases(olds, news):
            self.pairs[olds.pop(was).test] = news.pop(now)
        if not olds:
            del self.gone[old]
        if not news:
            del self.new[new]


def _pair_cases(olds: Cases, news: Cases) -> list[tuple[str | None, str | None]]:
    """Pair cases of two functions: those of one id, then those that bear the same marks, the most alike first."""
    pairs = [(case, case) for case in olds if case in news]
    rest = [case for case in olds if case not in news]
    free = [case for case in news if case not in olds]
    if len(rest) * len(free) > FEW:
        return [*pairs, *zip(rest, free, strict=False)]
    ranked = sorted(
        (olds[one].marks != news[other].marks, -names_alike(one or "", other or ""), one or "", other or "", one, other)
        for one in rest
        for other in free
    )
    for *_, one, other in ranked:
        if one in rest and other in free:
            pairs.append((one, other))
            rest.remove(one)
            free.remove(other)
    return pairs
