"""Reads the results of a suite, as JUnit wrote them first: suites of cases that passed, failed or did not run.

Many programs write such files, and each counts a little otherwise. What a file says of itself is held against what it
holds wherever the difference could hide a failure: more tests, or more failures, than there are cases.
"""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from msgspec import Struct, field

LARGEST = 64_000_000
DEEPEST = 200
MESSAGE = 300
CHUNK = 1 << 20
SUITES, SUITE, CASE = "testsuites", "testsuite", "testcase"
HOLDERS = (CASE, SUITES, SUITE)
BROKEN = ("failure", "error")
FAILED = ("fail", "error", "broken")
NOT_RUN = frozenset({"notrun", "disabled", "skipped", "suppressed", "ignored"})


class ResultsError(Exception):
    """A file that can't be read as results; says why, and in which line."""


class Results(Struct, kw_only=True):
    """What a suite did. `failing` has a line for each case that failed; `troubles` is what is wrong with the files."""

    tests: int = 0
    skipped: int = 0
    flaky: int = 0
    failing: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def add(self, other: Results, name: str) -> None:
        """Take what another file says."""
        self.tests += other.tests
        self.skipped += other.skipped
        self.flaky += other.flaky
        self.failing += other.failing
        self.troubles += [f"{name}: {trouble}" for trouble in other.troubles]


class _Suite:
    """A suite that is being read, and what is in it so far."""

    def __init__(self, name: str, said: dict[str, str]) -> None:
        self.name, self.said = name, said
        self.cases = self.own = self.broken = 0


class _Case:
    """A case that is being read."""

    def __init__(self, name: str, said: dict[str, str]) -> None:
        self.name = name
        words = {key: said.get(key, "").strip().lower() for key in ("status", "result")}
        self.skipped = not NOT_RUN.isdisjoint(words.values())
        self.said = [f'{key}="{word[:MESSAGE]}"' for key, word in words.items() if word.startswith(FAILED)]
        self.broken: list[str] = []
        self.flaky = False


def read_results(path: Path) -> Results:
    """Read a file."""
    size = path.stat().st_size
    if size > LARGEST:
        msg = f"is larger than {LARGEST // 10**6} MB ({size // 10**6} MB); write the results without their output"
        raise ResultsError(msg)
    with path.open("rb") as file:
        return _Reader().read(file.read(LARGEST + 1))


class _Reader:
    """Reads as the parser goes along; nothing is kept but counts and failures."""

    def __init__(self) -> None:
        self.results = Results()
        self.path: list[str] = []
        self.suites: list[_Suite] = []
        self.cases: list[_Case] = []
        self.texts: list[list[str]] = []
        self.parser = expat.ParserCreate(namespace_separator="\n")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.take
        self.parser.StartDoctypeDeclHandler = self.refuse

    def read(self, content: bytes) -> Results:
        try:
            for at in range(0, len(content), CHUNK):
                self.parser.Parse(content[at : at + CHUNK], False)  # noqa: FBT003 (expat's own)
            self.parser.Parse(b"", True)  # noqa: FBT003
        except expat.ExpatError as error:
            msg = f"line {error.lineno}: is broken XML: {expat.ErrorString(error.code)}"
            raise ResultsError(msg) from None
        except (LookupError, ValueError) as error:
            msg = f"line {self.parser.CurrentLineNumber}: can't be decoded: {error}"
            raise ResultsError(msg) from None
        return self.results

    def refuse(self, *_: object) -> None:
        msg = f"line {self.parser.CurrentLineNumber}: has a DOCTYPE, which no results need, and which may be an attack"
        raise ResultsError(msg)

    def start(self, tag: str, said: dict[str, str]) -> None:
        name = tag.rpartition("\n")[2]
        if not self.path and name not in (SUITES, SUITE):
            msg = f"is no JUnit XML: it begins with <{name[:40]}>, not with <testsuites> or <testsuite>"
            raise ResultsError(msg)
        if len(self.path) > DEEPEST:
            msg = f"line {self.parser.CurrentLineNumber}: is nested deeper than {DEEPEST} elements"
            raise ResultsError(msg)
        self.path.append(name)
        if name in (SUITES, SUITE):
            self.suites.append(_Suite(said.get("name", ""), said))
        elif name == CASE:
            where = said.get("classname") or (self.suites[-1].name if self.suites else "")
            self.cases.append(_Case(".".join(filter(None, (where, said.get("name", "")))), said))
        elif name in BROKEN and self.path[-2] in HOLDERS:
            self.texts.append([said.get("message", "")[:MESSAGE] or said.get("type", "")])
        elif self.path[-2] == CASE:
            case = self.cases[-1]
            case.skipped = case.skipped or name == "skipped"
            case.flaky = case.flaky or name in ("flakyFailure", "flakyError")

    def take(self, text: str) -> None:
        if self.texts and not self.texts[-1][0] and sum(map(len, self.texts[-1])) < MESSAGE:
            self.texts[-1].append(text)

    def end(self, _tag: str) -> None:
        name = self.path.pop()
        if name == CASE:
            self._end_case(self.cases.pop())
        elif name in (SUITES, SUITE):
            self._end_suite(self.suites.pop())
        elif name in BROKEN and self.path[-1] in HOLDERS:
            self._end_broken("".join(self.texts.pop()).strip() or name)

    def _end_broken(self, message: str) -> None:
        first = message.strip().splitlines()[0] if message.strip() else ""
        for suite in self.suites:
            suite.broken += 1
        if self.path[-1] == CASE:
            self.cases[-1].broken.append(first)
        else:
            self.results.failing.append(f"{self.suites[-1].name or 'a suite'}: {first}")

    def _end_case(self, case: _Case) -> None:
        for suite in self.suites:
            suite.cases += 1
            suite.broken += bool(case.said)
        if not self.cases:  # a case in a case may be counted, or not
            self.suites[-1].own += 1
        self.results.tests += 1
        if why := [*case.broken, *case.said]:
            self.results.failing.append(f"{case.name or 'a test without a name'}: {why[0]}")
        elif case.skipped:
            self.results.skipped += 1
        elif case.flaky:
            self.results.flaky += 1

    def _end_suite(self, suite: _Suite) -> None:
        """Hold what a suite says of itself against what it held."""
        said = {key: self._number(suite, key) for key in ("tests", "failures", "errors")}
        name = f'the suite "{suite.name[:80]}"' if suite.name else "a suite without a name"
        if said["tests"] not in (None, suite.cases, suite.own) and (said["tests"] > suite.cases or not suite.broken):
            cut = ", so it was cut short" if said["tests"] > suite.cases else ""
            self.results.troubles.append(f"{name} says that it has {said['tests']} tests, and holds {suite.cases}{cut}")
        broken = (said["failures"] or 0) + (said["errors"] or 0)
        if broken > 0 and not suite.broken:
            self.results.troubles.append(f"{name} says that {broken} of its tests failed, and names none of them")

    def _number(self, suite: _Suite, key: str) -> int | None:
        written = suite.said.get(key)
        if written is None:
            return None
        if not (written.isascii() and written.isdigit() and len(written) < len(str(LARGEST)) + 1):
            self.results.troubles.append(
                f'the suite "{suite.name[:80]}" has {key}="{written[:40]}", which is no number'
            )
            return None
        return int(written)
