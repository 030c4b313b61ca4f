"""Follows gate tests through a change: renamed, moved, parametrised anew, split or merged, they are still there.

What can't be followed is gone. Each test of the change stands in for one of the trusted base's and no more, so that two
tests that became one are one too few.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import SequenceMatcher

from msgspec import Struct

from pytest_rollback.events import ListedTest, TestList
from pytest_rollback.judge.likeness import Body, Module, alike, name_words, within

# What it takes to be the same test. Found on the histories of public projects: benchmarks/erosion.py lists what is raised.
NEARLY = 0.8  # of two bodies, wherever they stand and whatever they are called
MOSTLY = 0.6  # of two bodies that are the only ones in their class or file that came and went
HALF = 0.5  # of two bodies under one name, or under names that are alike in one file; of the tests of a renamed class
SOME = 0.4  # of two bodies in one file of which one's name has all the words of the other's, and those are many
RESEMBLES = 0.3  # of two bodies under one name, in a class or file that was renamed as a whole
NAMES_ALIKE = 0.75  # letter by letter
WORDS_SHARED = 0.6  # of the words that the shorter of two names is made of
MANY_WORDS = 3
LONG = 12  # words of a body that is more than one line with a value
CANDIDATES = 8  # of all new tests, those that share most words with one that is gone
FEW = 2500  # pairs of cases that may be compared by their ids; beyond that they are taken in order

Text = Callable[[str], str | None]
Pair = tuple[ListedTest, ListedTest | None]


class Sources(Struct, frozen=True, kw_only=True):
    """Gives what following needs beyond names, and only when it is needed. Paths are those of node ids.

    `before` and `now` give the text of a file in the base's tree and in the change's, or None; `renames` are git's.
    """

    before: Text
    now: Text
    renames: Mapping[str, str] = {}


class Spot(Struct, frozen=True, order=True):
    """Where a test function stands: its file, and the names that lead to it there."""

    file: str
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """Give the function's own name."""
        return self.names[-1] if self.names else ""

    @property
    def around(self) -> Spot:
        """Give the class or the file that it stands in."""
        return Spot(self.file, self.names[:-1])


def spot_of(test: str, root: str = ".", seen_from: str = ".") -> tuple[Spot, str | None]:
    """Take a node id apart: where the function stands, and which of its cases this is.

    Node ids are seen from pytest's root, and a change may move that too.
    """
    file, _, rest = test.partition("::")
    path, bracket, case = rest.partition("[")  # an id of a case may hold any sign, `::` and brackets too
    names = tuple(path.split("::")) if path else ()
    place = file if root == seen_from else posixpath.relpath(posixpath.join("/", root, file), f"/{seen_from}")
    return Spot(place, names), case.removesuffix("]") if bracket else None


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


Place = tuple[Spot, str | None]
Cases = dict[str | None, ListedTest]


class _Search:
    """Looks for tests that are gone among those that are new."""

    def __init__(self, gone: Mapping[Place, ListedTest], new: Mapping[Place, ListedTest], sources: Sources) -> None:
        self.gone = _by_spot(gone)
        self.new = _by_spot(new)
        self.sources = sources
        self.pairs: dict[str, ListedTest] = {}

    def found(self) -> dict[str, ListedTest]:
        """Pair from the surest to the least sure; what was paired is no candidate any more."""
        for spot in list(self.gone):
            self._take(spot, spot)
        if self.gone and self.new:
            self._take_renamed_files()
        if self.gone and self.new:
            lookalikes = _Lookalikes(self.gone, self.new, self.sources)
            for _, _, old, new in sorted(lookalikes.ranked()):
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


def _by_spot(tests: Mapping[Place, ListedTest]) -> dict[Spot, Cases]:
    spots: dict[Spot, Cases] = {}
    for (spot, case), test in sorted(tests.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        spots.setdefault(spot, {})[case] = test
    return spots


def _pair_cases(olds: Cases, news: Cases) -> list[tuple[str | None, str | None]]:
    """Pair cases of two functions: those of one id, then those that bear the same marks, the most alike first."""
    pairs = [(case, case) for case in olds if case in news]
    rest = [case for case in olds if case not in news]
    free = [case for case in news if case not in olds]
    if len(rest) * len(free) > FEW:
        return [*pairs, *zip(rest, free, strict=False)]
    ranked = sorted(
        (olds[one].marks != news[other].marks, -_names_alike(one or "", other or ""), one or "", other or "", one, other)
        for one in rest
        for other in free
    )
    for *_, one, other in ranked:
        if one in rest and other in free:
            pairs.append((one, other))
            rest.remove(one)
            free.remove(other)
    return pairs


class _Lookalikes:
    """Ranks pairs of functions that stand in different places or bear different names."""

    def __init__(self, gone: Mapping[Spot, Cases], new: Mapping[Spot, Cases], sources: Sources) -> None:
        self.gone = gone
        self.new = new
        self.old_bodies = dict(_bodies(gone, sources.before))
        self.new_bodies = dict(_bodies(new, sources.now))
        self.by_name: dict[str, list[Spot]] = defaultdict(list)
        self.by_word: dict[str, list[Spot]] = defaultdict(list)
        self.by_body: dict[tuple[str, ...], list[Spot]] = defaultdict(list)
        for spot in new:
            self.by_name[spot.name].append(spot)
            if (body := self.new_bodies.get(spot)) is not None:
                self.by_body[body.words].append(spot)
            for word in self._tells_of(spot, body):
                self.by_word[word].append(spot)
        self.gone_around = _names_around(gone)
        self.new_around = _names_around(new)

    def ranked(self) -> Iterator[tuple[int, float, Spot, Spot]]:
        """Give each pair that may be one and the same, with how sure that is: the smaller, the surer."""
        for old in self.gone:
            for new in self._candidates(old):
                if (rank := self._rank(old, new)) is not None:
                    yield (*rank, old, new)

    def _candidates(self, old: Spot) -> Iterable[Spot]:
        """Find the new functions that are worth a closer look: by name, by body, and by the rarest words they share."""
        found = dict.fromkeys(self.by_name.get(old.name, ()))
        body = self.old_bodies.get(old)
        if body is None:
            return found
        found |= dict.fromkeys(self.by_body.get(body.words, ()))
        weights: dict[Spot, float] = defaultdict(float)
        for word in sorted(self._tells_of(old, body)):
            bearers = self.by_word.get(word, ())
            for spot in bearers:
                weights[spot] += 1 / len(bearers)
        best = sorted(weights, key=lambda spot: (-weights[spot], spot))[:CANDIDATES]
        return found | dict.fromkeys(best)

    @staticmethod
    def _tells_of(spot: Spot, body: Body | None) -> set[str]:
        """List the words by which a function may be found again, those of its name beside those of its body."""
        return {*(body.words if body else ()), *(f"{word}..." for word in name_words(spot.names))}

    def _rank(self, old: Spot, new: Spot) -> tuple[int, float] | None:
        one, other = self.old_bodies.get(old), self.new_bodies.get(new)
        same_name, same_file = old.name == new.name, old.file == new.file
        if one is None or other is None:
            alone = len(self.by_name[new.name]) == 1
            known = same_name and (same_file or alone or self._renamed(old.around, new.around) >= HALF)
            return (5, 0.0) if known else None
        score = alike(one.words, other.words)
        if score == 1.0:
            return (1 if same_name else 3) + (not same_file), -score
        if same_name and score >= RESEMBLES and self._renamed(old.around, new.around) >= HALF:
            return 5, -score
        if same_name and score >= HALF:
            return 6, -score
        if score >= NEARLY:
            return 7, -score
        if same_file and score >= SOME and self._is_renamed_here(old, new, score, len(one.words)):
            return 8, -score
        if _is_split_or_merged(self.gone[old], self.new[new]) and self._is_one_case(old, new, one, other):
            return 9, -score
        return None

    def _is_renamed_here(self, old: Spot, new: Spot, score: float, size: int) -> bool:
        """Whether two functions of one file, not much alike, are one whose name changed as well."""
        shared, share = _words_shared(old, new)
        if score < HALF:
            return share == 1.0 and shared >= MANY_WORDS
        if share >= WORDS_SHARED or _names_alike(old.name, new.name) >= NAMES_ALIKE:
            return True
        alone = len(self.gone_around[old.around]) == len(self.new_around[new.around]) == 1 and old.around == new.around
        return alone and size >= LONG and (score >= MOSTLY or share >= HALF)

    def _is_one_case(self, old: Spot, new: Spot, one: Body, other: Body) -> bool:
        """Whether a test was made a case of another one, or a case a test: what the cases share, the test does too."""
        if alike(one.shape, other.shape, NEARLY):
            return True
        case, cases = (other, one) if None in self.new[new] else (one, other)
        return _words_shared(old, new)[1] >= WORDS_SHARED and within(cases.shape, (*case.words, *case.shape)) >= NEARLY

    def _renamed(self, old: Spot, new: Spot) -> float:
        """Say which share of a class's or a file's lost tests turned up in another one, under their names."""
        lost, brought = self.gone_around[old], self.new_around[new]
        return len(lost & brought) / len(lost) if old != new and len(lost) > 1 else 0.0


def modules_of(files: Iterable[str], text_of: Text) -> dict[str, Module]:
    """Read those of some files that hold Python and are there."""
    texts = {file: text_of(file) for file in sorted(set(files)) if file.endswith(".py")}
    return {file: Module(text) for file, text in texts.items() if text is not None}


def _bodies(spots: Mapping[Spot, Cases], text_of: Text) -> Iterator[tuple[Spot, Body]]:
    modules = modules_of((spot.file for spot in spots), text_of)
    for spot in spots:
        module = modules.get(spot.file)
        body = module.body(spot.names) if module and spot.names else None
        if body is not None:
            yield spot, body


def _names_around(spots: Iterable[Spot]) -> dict[Spot, set[str]]:
    around: dict[Spot, set[str]] = defaultdict(set)
    for spot in spots:
        around[spot.around].add(spot.name)
    return around


def _is_split_or_merged(olds: Cases, news: Cases) -> bool:
    """Whether one side is a function with cases and the other is not, as before or after a parametrisation."""
    return (None in olds) != (None in news)


def _words_shared(old: Spot, new: Spot) -> tuple[int, float]:
    """Say how many words two names share, and which part of the shorter one that is."""
    one, other = name_words(old.names), name_words(new.names)
    fewer = min(len(one), len(other))
    return len(one & other), len(one & other) / fewer if fewer else 0.0


def _names_alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
