"""Looks through a thing for every canary that is known, and says by which path each is reached.

The size of what is looked through has limits, and each is an obstacle where it is met. Hashes, encryption and what is
cut to fewer than twelve digits can't be told from anything else.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from msgspec import Struct, field

from pytest_rollback.session.canary.known import FEWEST, FEWEST_BYTES, MASKED, Known, Told
from pytest_rollback.session.canary.marker import LEAST_NUMBER, Canary, shortened
from pytest_rollback.session.canary.parts import NoKey, ObstacleError, Part
from pytest_rollback.session.canary.things import parts_of, text_in
from pytest_rollback.session.canary.unwrap import is_promising, text_of, unwrap

DEEPEST = 50
MOST_THINGS = 1_000_000
MOST_CHARACTERS = 512 * 1024 * 1024
MOST_WRAPPINGS = 5
LEVELS = 4  # of attributes, after which it makes no difference how many there are
LARGEST_JSON = 4 * 1024 * 1024
LARGEST_BYTE = 255
QUOTES = "b'\"([{"
LONGEST_KEY = 40
WORD = re.compile(r"[^\W\d]\w*")


class Hit(NamedTuple):
    """A canary, and the path on which it is reached."""

    canary: Canary
    path: str


class Found(Struct):
    """What came out of looking through one thing. `obstacles` are places that nobody looked at, and why."""

    hits: list[Hit] = field(default_factory=list)
    obstacles: list[tuple[str, str]] = field(default_factory=list)


class _Place(NamedTuple):
    what: Any
    path: str
    depth: int
    wrappings: int
    attributes: int  # that lead there, and not the members of lists and mappings
    is_plain: bool


def look_through(what: object, known: Known[Canary]) -> Found:
    """Find all canaries in a thing."""
    return _Search(known).run(what)


class _Search:
    """One walk through one thing, without recursion: what is looked through may be as deep as it likes."""

    def __init__(self, known: Known[Canary]) -> None:
        self.known = known
        self.found = Found()
        self.joined: list[tuple[str, Hit]] = []  # what only shows when pieces are put together, and their path
        self.seen: dict[int, tuple[int, object]] = {}  # holds on to them: the number of what is gone is given again
        self.keys: dict[object, bool] = {}
        self.waiting: list[_Place] = []
        self.characters = 0
        self.count = 0

    def run(self, what: object) -> Found:
        self.waiting.append(_Place(what, "", 0, 0, 0, is_plain=True))
        while self.waiting:
            place = self.waiting.pop()
            self.count += 1
            if self.count > MOST_THINGS:
                self._give_up(place.path, f"has more than {MOST_THINGS:,} parts, and nobody looked at the rest")
                break
            try:
                self._look(place)
            except ObstacleError as obstacle:
                if place.attributes <= obstacle.within:
                    self._give_up(place.path, str(obstacle))
            except Exception as error:  # noqa: BLE001 - whatever a foreign object raises when it is read
                self._give_up(place.path, f"can't be looked at: reading it raises {type(error).__name__}")
        self._add_joined()
        return self.found

    def _give_up(self, path: str, why: str) -> None:
        self.found.obstacles.append((path, why))

    def _look(self, place: _Place) -> None:
        text = text_in(place.what, is_plain=place.is_plain)
        if text is not None:
            self._read(text, place)
            return
        if isinstance(place.what, ObstacleError):
            raise place.what
        level = min(place.attributes, LEVELS)
        seen = self.seen.get(id(place.what))
        if seen is not None and seen[0] <= level:
            return
        self.seen[id(place.what)] = level, place.what
        parts: list[Part] = []
        try:
            self._gather(place, parts)
        finally:  # what was reached before an obstacle is looked at all the same
            inner = [one for part in parts for one in self._inside(place, part)]
            self.waiting += reversed(inner)
        self._read_joined(place, parts)

    def _gather(self, place: _Place, parts: list[Part]) -> None:
        for part in parts_of(place.what, is_plain=place.is_plain):
            if place.depth == DEEPEST:
                msg = f"is nested more than {DEEPEST} deep, and nobody looked further"
                raise ObstacleError(msg)
            parts.append(part)
            if len(parts) > MOST_THINGS:
                msg = f"has more than {MOST_THINGS:,} parts, and nobody looked at the rest"
                raise ObstacleError(msg)

    def _inside(self, place: _Place, part: Part) -> Iterator[_Place]:
        what, step, key, is_plain = part
        is_attribute = not is_plain and step.startswith(".")
        attributes, depth = place.attributes + is_attribute, place.depth + 1
        if _is_too_short(what):
            self.count += 1
        else:
            path = place.path + (self._step_to(key) if key is not NoKey else self.known.masked(step))
            yield _Place(what, path, depth, place.wrappings, attributes, is_plain=place.is_plain and is_plain)
        if is_attribute and self._holds_canary(step):
            key = step[1:]  # what is named after a user tells of that user
        if key is not NoKey and not _is_too_short(key):
            path = f"{place.path} (key {self._named(key)})"
            yield _Place(key, path, depth, place.wrappings, place.attributes + 1, is_plain=False)

    def _step_to(self, key: object) -> str:
        if isinstance(key, str) and len(key) <= LONGEST_KEY and WORD.fullmatch(key) and not self._holds_canary(key):
            return f".{key}"
        return f"[{self._named(key)}]"

    def _named(self, key: object) -> str:
        """Write a key for a message, and none of a canary that it may hold but the first letters."""
        written = shortened(key)
        if len(written) > FEWEST and self._holds_canary(key):
            return f"{written.lstrip(QUOTES)[:MASKED]}..."
        return written

    def _holds_canary(self, key: object) -> bool:
        if _is_too_short(key):
            return False
        if not isinstance(key, (str, bytes)):
            return bool(self.known.in_text(shortened(key)))  # that is all that is told of it
        known = self.keys.get(key)
        if known is None:
            aside = _Search(self.known)
            aside.waiting.append(_Place(key, "", 0, 0, 0, is_plain=False))
            self.keys[key] = known = bool(aside.run(None).hits)
        return known

    def _read(self, data: str | bytes, place: _Place) -> None:
        for canary, path in self._hits(data, place):
            self.found.hits.append(Hit(canary, path))

    def _hits(self, data: str | bytes, place: _Place) -> Iterator[Hit]:
        """Find each canary of one text once, in its plainest wrapping; a short text is looked through once."""
        key = data, place.wrappings
        told = self.known.told.get(key)
        if told is None:
            told = []
            before = len(self.found.obstacles), len(self.waiting)
            try:
                told.extend(self._in_layers(data, place))
            except ObstacleError as obstacle:
                self._give_up(place.path, str(obstacle))
            if before == (len(self.found.obstacles), len(self.waiting)):
                self.known.remember(key, told)
        for canary, wrappings, where in told:
            yield Hit(canary, _written(place.path, wrappings) + where)

    def _in_layers(self, data: str | bytes, place: _Place) -> Iterator[Told]:
        """Take off wrapping after wrapping; the outermost come first."""
        layers: list[tuple[str | bytes, tuple[str, ...]]] = [(data, ())]
        seen: set[str | bytes] = set()
        told: set[Canary] = set()
        for layer, wrappings in layers:  # grows while it is walked
            if len(layer) < (FEWEST if isinstance(layer, str) else FEWEST_BYTES) or layer in seen:
                continue
            seen.add(layer)
            self._count(len(layer))
            if self._open_json(layer, wrappings, place):
                continue
            for canary in self._plainly_in(layer):
                if canary not in told:
                    told.add(canary)
                    yield Told(canary, wrappings, self._line_of(canary, layer) if not wrappings else "")
            if place.wrappings + len(wrappings) < MOST_WRAPPINGS:
                layers += self._unwrapped(layer, wrappings, place)

    def _unwrapped(
        self, layer: str | bytes, wrappings: tuple[str, ...], place: _Place
    ) -> Iterator[tuple[str | bytes, tuple[str, ...]]]:
        try:
            for name, inner in unwrap(layer):
                if self._is_worth_it(inner):
                    yield inner, (*wrappings, name)
        except ObstacleError as obstacle:
            self._give_up(_written(place.path, wrappings), str(obstacle))

    def _count(self, characters: int) -> None:
        self.characters += characters
        if self.characters > MOST_CHARACTERS:
            msg = f"unwraps to more than {MOST_CHARACTERS // 1024**2} MiB, and nobody looked through the rest"
            raise ObstacleError(msg)

    def _plainly_in(self, layer: str | bytes) -> list[Canary]:
        if isinstance(layer, str):
            return self.known.in_text(layer)
        return list(dict.fromkeys((*self.known.in_text(text_of(layer)), *self.known.in_bytes(layer))))

    def _is_worth_it(self, inner: str | bytes) -> bool:
        """Whether what came out of a wrapping may be more than noise: most of what is decoded was never encoded."""
        return isinstance(inner, str) or is_promising(inner) or bool(self.known.in_bytes(inner))

    def _open_json(self, layer: str | bytes, wrappings: tuple[str, ...], place: _Place) -> bool:
        """Have the parts of a JSON text looked at one by one, which tells the path inside it."""
        begin = layer[:1].strip() or layer.lstrip()[:1]
        if begin not in ("{", "[", '"', b"{", b"[", b'"') or len(layer) > LARGEST_JSON:
            return False
        if place.wrappings + len(wrappings) >= MOST_WRAPPINGS:
            return False
        try:
            text = layer if isinstance(layer, str) else layer.decode(json.detect_encoding(layer), "surrogatepass")
            parsed = DECODER.decode(text)
        except (ValueError, RecursionError):
            return False
        path = _written(place.path, (*wrappings, "JSON"))
        opened = place.wrappings + len(wrappings) + 1
        self.waiting.append(_Place(parsed, path, place.depth + 1, opened, place.attributes, is_plain=True))
        return True

    def _line_of(self, canary: Canary, layer: str | bytes) -> str:
        text = text_of(layer) if isinstance(layer, bytes) else layer
        if "\n" not in text.rstrip("\n"):
            return ""
        lines = enumerate(text.split("\n"), 1)
        found = next((number for number, line in lines if canary in self.known.in_text(line)), None)
        return f" line {found}" if found else ""

    def _read_joined(self, place: _Place, parts: list[Part]) -> None:
        """Put pieces together that lie side by side, as a program does that sends its answer bit by bit."""
        if len(parts) < 2 or not parts[0].step.startswith("["):  # noqa: PLR2004 - what is to be put together
            return
        texts: dict[str, list[Any]] = defaultdict(list)
        for part in parts:
            for name, piece in _pieces(part):
                texts[name].append(piece)
        for name, pieces in texts.items():
            if len(pieces) > 1 and len({type(piece) for piece in pieces}) == 1:
                joined = bytes(pieces) if isinstance(pieces[0], int) else type(pieces[0])().join(pieces)
                path = f"{place.path}[0..{len(parts) - 1}]{self.known.masked(name)} (joined)"
                for hit in self._hits(joined, place._replace(path=path)):
                    self.joined.append((f"{place.path}[", hit))

    def _add_joined(self) -> None:
        """Keep what was found in pieces put together, unless one of the pieces alone had it."""
        for start, hit in self.joined:
            alone = (found for found in self.found.hits if found.canary is hit.canary)
            if not any(found.path.startswith(start) for found in alone):
                self.found.hits.append(hit)


def _is_too_short(what: object) -> bool:
    """Whether something is by itself too short to hold what is looked for, as most things are."""
    kind = type(what)
    if kind is str or kind is bytes:
        return len(what) < (FEWEST if kind is str else FEWEST_BYTES)  # type: ignore[arg-type]
    if kind is int:
        return -LEAST_NUMBER < what < LEAST_NUMBER  # type: ignore[operator]
    return what is None or kind is bool


def _pieces(part: Part) -> Iterator[tuple[str, str | bytes | int]]:
    """List what a member of a sequence could be a piece of: a text, a byte, or what stands at one key."""
    if not part.step.startswith("["):
        return
    what = part.what
    if type(what) in (str, bytes) or (type(what) is int and 0 <= what <= LARGEST_BYTE):
        yield "", what
    elif isinstance(what, dict):
        for key, value in what.items():
            if isinstance(key, str) and type(value) in (str, bytes):
                yield f".{key[:LONGEST_KEY]}", value


def _members(pairs: list[tuple[str, Any]]) -> Any:
    """Keep an object of JSON as a mapping, and all of its members where two have one name."""
    mapping = dict(pairs)
    return mapping if len(mapping) == len(pairs) else [{key: value} for key, value in pairs]


DECODER = json.JSONDecoder(object_pairs_hook=_members)


def _written(path: str, wrappings: Iterable[str]) -> str:
    names = ", then ".join(wrappings)
    return f"{path} ({names})" if names else path
