"""Ranks pairs of test functions, one gone and one new, that may be one and the same: the surest first.

The thresholds were found on the histories of public projects; `benchmarks/erosion.py` lists what they raise there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher

from pytest_rollback.judge.likeness import Body, alike, name_words, within
from pytest_rollback.judge.spots import Cases, Sources, Spot, Text, modules_of

NEARLY = 0.8  # of two bodies, wherever they stand and whatever they are called
MOSTLY = 0.6  # of two bodies that are the only ones in their class or file that came and went
HALF = 0.5  # of two bodies under one name, or under names that are alike in one file; of the tests of a renamed class
SOME = 0.4  # of two bodies in one file of which one's name has all the words of the other's, and those are many
RESEMBLES = 0.3  # of two bodies under one name, in a class or file that was renamed as a whole
NAMES_ALIKE = 0.75  # letter by letter
WORDS_SHARED = 0.6  # of the words that the shorter of two names is made of
MANY_WORDS = 3
LONG = 12  # words of a body that is more than one line with a value
NAMESAKES = 16
CANDIDATES = 8  # of all new tests, those that share most words with one that is gone


class Lookalikes:
    """Compares the functions that are gone with those that are new, of which there may be thousands."""

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
            body = self.new_bodies.get(spot)
            if body is not None:
                self.by_body[body.words].append(spot)
            for word in _tells_of(spot, body):
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
        namesakes = self.by_name.get(old.name, ())
        if len(namesakes) > NAMESAKES:  # of hundreds of classes that have one method of the same name
            file, around = old.file, old.around.name
            namesakes = sorted(namesakes, key=lambda spot: (spot.file != file, spot.around.name != around, spot))
        found = dict.fromkeys(namesakes[:NAMESAKES])
        body = self.old_bodies.get(old)
        if body is None:
            return found
        found |= dict.fromkeys(self.by_body.get(body.words, ()))
        weights: dict[Spot, float] = defaultdict(float)
        for word in sorted(_tells_of(old, body)):
            bearers = self.by_word.get(word, ())
            for spot in bearers:
                weights[spot] += 1 / len(bearers)
        best = sorted(weights, key=lambda spot: (-weights[spot], spot))[:CANDIDATES]
        return found | dict.fromkeys(best)

    def _rank(self, old: Spot, new: Spot) -> tuple[int, float] | None:
        """Say how sure it is that two functions are one; None where they are not."""
        one, other = self.old_bodies.get(old), self.new_bodies.get(new)
        same_name, same_file = old.name == new.name, old.file == new.file
        if one is None or other is None:
            return (5, 0.0) if same_name and self._is_known_by_name(old, new) else None
        score = alike(one.words, other.words)
        if score == 1.0:
            return (1 if same_name else 3) + (not same_file), -score
        reasons = (
            (5, same_name and score >= RESEMBLES and self._renamed(old.around, new.around) >= HALF),
            (6, same_name and score >= HALF),
            (7, score >= NEARLY),
            (8, same_file and score >= SOME and self._is_renamed_here(old, new, score, len(one.words))),
            (9, self._is_one_case(old, new, one, other)),
        )
        rank = next((rank for rank, holds in reasons if holds), None)
        return None if rank is None else (rank, -score)

    def _is_known_by_name(self, old: Spot, new: Spot) -> bool:
        """Whether a name is enough, of tests without a text such as those that a class inherits from elsewhere."""
        alone = len(self.by_name[new.name]) == 1
        return alone or old.file == new.file or self._renamed(old.around, new.around) >= HALF

    def _is_renamed_here(self, old: Spot, new: Spot, score: float, size: int) -> bool:
        """Whether two functions of one file, not much alike, are one whose name changed as well."""
        shared, share = _words_shared(old, new)
        if score < HALF:
            return share == 1.0 and shared >= MANY_WORDS
        if share >= WORDS_SHARED or names_alike(old.name, new.name) >= NAMES_ALIKE:
            return True
        alone = len(self.gone_around[old.around]) == len(self.new_around[new.around]) == 1 and old.around == new.around
        return alone and size >= LONG and (score >= MOSTLY or share >= HALF)

    def _is_one_case(self, old: Spot, new: Spot, one: Body, other: Body) -> bool:
        """Whether a test was made a case of another one, or a case a test: what the cases share, the test does too."""
        if (None in self.gone[old]) == (None in self.new[new]):
            return False
        if alike(one.shape, other.shape, NEARLY):
            return True
        case, cases = (other, one) if None in self.new[new] else (one, other)
        return _words_shared(old, new)[1] >= WORDS_SHARED and within(cases.shape, (*case.words, *case.shape)) >= NEARLY

    def _renamed(self, old: Spot, new: Spot) -> float:
        """Say which share of a class's or a file's lost tests turned up in another one, under their names."""
        lost, brought = self.gone_around[old], self.new_around[new]
        return len(lost & brought) / len(lost) if old != new and len(lost) > 1 else 0.0


def names_alike(one: str, other: str) -> float:
    """Say how much of two names is the same, letter by letter, from 0 to 1."""
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _bodies(spots: Mapping[Spot, Cases], text_of: Text) -> Iterator[tuple[Spot, Body]]:
    modules = modules_of((spot.file for spot in spots), text_of)
    for spot in spots:
        module = modules.get(spot.file)
        body = module.body(spot.names) if module and spot.names else None
        if body is not None:
            yield spot, body


def _tells_of(spot: Spot, body: Body | None) -> set[str]:
    """List the words by which a function may be found again, those of its name beside those of its body."""
    return {*(body.words if body else ()), *(f"{word}..." for word in name_words(spot.names))}


def _names_around(spots: Iterable[Spot]) -> dict[Spot, set[str]]:
    around: dict[Spot, set[str]] = defaultdict(set)
    for spot in spots:
        around[spot.around].add(spot.name)
    return around


def _words_shared(old: Spot, new: Spot) -> tuple[int, float]:
    """Say how many words two names share, and which part of the shorter one that is."""
    one, other = name_words(old.names), name_words(new.names)
    fewer = min(len(one), len(other))
    return len(one & other), len(one & other) / fewer if fewer else 0.0
