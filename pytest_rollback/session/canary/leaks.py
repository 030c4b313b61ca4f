"""What is said of canaries that were found where they must not be, and of what nobody could look at."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping

from msgspec import Struct

from pytest_rollback.policy.problems import nearest
from pytest_rollback.session.canary.marker import PREFIX, Book, Canary, check_user, name_of
from pytest_rollback.session.canary.search import Found, look_through

MOST = 10
FULL = re.compile(rf"({PREFIX}[0-9a-f]{{4}})[0-9a-f]+")  # such as the name of a file


class Leak(Struct, frozen=True, kw_only=True, order=True):
    """One canary where it must not be. `holder` is whose view it is, or what; `canary` is shortened."""

    holder: str
    owner: str
    field: str
    path: str
    is_old: bool
    canary: str

    def __str__(self) -> str:
        named = f" ({self.field})" if self.field else ""
        of_round = " of another round" if self.is_old else ""
        path = f": {self.path}" if self.path else ""
        return f"{self.holder} holds {self.owner}'s canary {self.canary}{named}{of_round}{path}"


class LeakError(AssertionError):
    """One user's data reached another. `leaks` lists all of them."""

    def __init__(self, message: str, leaks: tuple[Leak, ...] = ()) -> None:
        super().__init__(message)
        self.leaks = leaks


class UnseenError(AssertionError):
    """Nothing was found, and something was not looked at: that proves nothing."""


class Findings:
    """What came out of looking at the views of one round, or of one check."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.leaks: set[Leak] = set()
        self.unseen: list[str] = []

    def look_at_view(self, user: Hashable, view: object, *, own: bool) -> None:
        """Look for the canaries of all others in what a user sees, and for the user's own."""
        check_user(user)
        holder = f"{name_of(user)}'s view"
        if view is None:
            self.unseen.append(f"{holder} is None; hand over, or return, what {name_of(user)} sees")
            return
        found = self._look(holder, view)
        self._add(holder, ((hit.canary, hit.path) for hit in found.hits if hit.canary.user != user))
        mine = self.book.of(user)
        if own and not mine:
            users = {name_of(one): one for one in self.book.users()}
            hint = nearest(name_of(user), users)
            self.unseen.append(f"{name_of(user)} has no canary, so {holder} can't be known to show anything{hint}")
        elif own and not any(hit.canary in mine for hit in found.hits):
            self.unseen.append(f"{holder} holds nothing of {name_of(user)}'s own either, so it shows nothing")
        if not any(owner != user for owner in self.book.users()):
            self.unseen.append(f"nobody but {name_of(user)} has a canary, so nothing could be found in {holder}")

    def look_at_shared(self, name: str, thing: object) -> None:
        """Look for anybody's canary in what must hold none."""
        if thing is None:
            self.unseen.append(f"{name} is None; hand over what it holds")
            return
        if not self.book.users():
            self.unseen.append(f"nobody has a canary, so nothing could be found in {name}")
        self._add(name, ((hit.canary, hit.path) for hit in self._look(name, thing).hits))

    def _look(self, holder: str, thing: object) -> Found:
        found = look_through(thing, self.book.known)
        self.unseen += [f"{holder}{_at(path)} {why}" for path, why in found.obstacles]
        return found

    def _add(self, holder: str, found: Iterable[tuple[Canary, str]]) -> None:
        for canary, path in found:
            self.leaks.add(
                Leak(
                    holder=holder,
                    owner=name_of(canary.user),
                    field=canary.field or "",
                    path=self._masked(_tidy(path)),
                    is_old=canary.round != self.book.round,
                    canary=canary.short,
                )
            )

    def _masked(self, text: str) -> str:
        """Write no canary in full: the message may stand in a log that is searched."""
        return self.book.known.masked(FULL.sub(r"\1...", text))

    def tell(self, after: str = "") -> None:
        """Fail where anything was found, or was not looked at."""
        __tracebackhide__ = True
        leaks = tuple(sorted(self.leaks))
        said = [*_cut([str(leak) for leak in leaks]), *_cut([f"not looked at: {one}" for one in self.unseen])]
        lines = [line for one in [*said, *([after] if after else [])] for line in one.splitlines()]
        message = "\n".join(self._masked(line) for line in lines)
        if leaks:
            raise LeakError(message, leaks)
        if self.unseen:
            raise UnseenError(message)


def refuse_nothing(views: Mapping[Hashable, object], shared: Mapping[str, object]) -> None:
    """Fail where there is nothing to look at."""
    __tracebackhide__ = True
    if not views and not shared:
        msg = "not looked at: no view was handed over, and nothing shared"
        raise UnseenError(msg)


def _cut(lines: list[str]) -> list[str]:
    return lines if len(lines) <= MOST else [*lines[:MOST], f"... and {len(lines) - MOST} more"]


def _at(path: str) -> str:
    return f": {_tidy(path)}" if path.strip() else ""


def _tidy(path: str) -> str:
    return path.strip().removeprefix(".").removeprefix("/")
