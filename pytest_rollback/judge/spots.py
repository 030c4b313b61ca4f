"""Where tests stand: node ids taken apart, and the texts of the files that they name."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from pytest_rollback.events import ListedTest
from pytest_rollback.judge.likeness import Module

Text = Callable[[str], str | None]


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


Place = tuple[Spot, str | None]
Cases = dict[str | None, ListedTest]


def spot_of(test: str, root: str = ".", seen_from: str = ".") -> Place:
    """Take a node id apart: where the function stands, and which of its cases this is.

    Node ids are seen from pytest's root, and a change may move that too.
    """
    file, _, rest = test.partition("::")
    path, bracket, case = rest.partition("[")  # an id of a case may hold any sign, `::` and brackets too
    names = tuple(path.split("::")) if path else ()
    place = file if root == seen_from else posixpath.relpath(posixpath.join("/", root, file), f"/{seen_from}")
    return Spot(place, names), case.removesuffix("]") if bracket else None


def by_spot(tests: Mapping[Place, ListedTest]) -> dict[Spot, Cases]:
    """Gather the cases of each function."""
    spots: dict[Spot, Cases] = {}
    for (spot, case), test in sorted(tests.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        spots.setdefault(spot, {})[case] = test
    return spots


def modules_of(files: Iterable[str], text_of: Text) -> dict[str, Module]:
    """Read those of some files that hold Python and are there."""
    texts = {file: text_of(file) for file in sorted(set(files)) if file.endswith(".py")}
    return {file: Module(text) for file, text in texts.items() if text is not None}
