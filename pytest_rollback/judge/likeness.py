"""Reads what a test does out of its file's text, so that it is known again under another name or in another place.

What a test is called, how it is decorated and documented, where it stands and how it is typed is left out: that is what
refactorings change. What it calls, names, compares and expects is what it does.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

from msgspec import Struct

Function = ast.FunctionDef | ast.AsyncFunctionDef
Path = tuple[str, ...]
OWN_ARGUMENTS = ("self", "cls")
ANY = "?"  # a value, or a name that a parameter stands for
MOST_WORDS = 4000  # of a generated test; the rest says nothing new


class Body(Struct, frozen=True):
    """What a test does, word by word; `shape` is the same without the values and names that parameters may replace."""

    words: tuple[str, ...]
    shape: tuple[str, ...]


class Module:
    """The functions of one file, found by the names that lead to them: `("TestChat", "test_five")`."""

    def __init__(self, text: str) -> None:
        self.functions: dict[Path, Function] = {}
        self.classes: dict[Path, ast.ClassDef] = {}
        self.marked: ast.Module | None = None
        self._bodies: dict[Path, Body | None] = {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an invalid escape in somebody's test is not ours to report
                self.marked = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        self._read(self.marked.body)

    def _read(self, statements: list[ast.stmt]) -> None:
        """Find functions and classes, also those under `if`, `try`, `with`, `match` and loops."""
        stack: list[tuple[ast.AST, Path]] = [(statement, ()) for statement in reversed(statements)]
        while stack:  # a chain of a thousand `elif` would exhaust recursion
            node, inside = stack.pop()
            if isinstance(node, Function):
                self.functions[(*inside, node.name)] = node
                continue
            if isinstance(node, ast.ClassDef):
                inside = (*inside, node.name)
                self.classes[inside] = node
            blocks = (getattr(node, block, ()) for block in ("body", "handlers", "cases", "orelse", "finalbody"))
            stack += [(part, inside) for block in blocks if isinstance(block, list) for part in block][::-1]

    def function(self, path: Path) -> Function | None:
        """Find a test's function, in its class or in one that it inherits from and that stands in the same file."""
        return next((self.functions[place] for place in self._places(path) if place in self.functions), None)

    def body(self, path: Path) -> Body | None:
        """Read what a test does; none where its text is not in this file."""
        if path not in self._bodies:
            function = self.function(path)
            self._bodies[path] = None if function is None else _body(function)
        return self._bodies[path]

    def mentions(self, path: Path, name: str) -> bool:
        """Whether a test, a class around it or the file itself bears a marker of this name, as far as text tells."""
        bearers: list[ast.expr] = []
        function = self.function(path)
        if function is not None:
            bearers += function.decorator_list
        for depth in range(1, len(path)):
            if (cls := self.classes.get(path[:depth])) is not None:
                bearers += [*cls.decorator_list, *_assigned_marks(cls.body)]
        if self.marked is not None:
            bearers += _assigned_marks(self.marked.body)
        return any(
            (isinstance(node, ast.Attribute) and node.attr == name) or (isinstance(node, ast.Name) and node.id == name)
            for bearer in bearers
            for node in ast.walk(bearer)
        )

    def _places(self, path: Path, seen: frozenset[Path] = frozenset()) -> Iterator[Path]:
        yield path
        cls = self.classes.get(path[:-1])
        if cls is None or path in seen:
            return
        for parent in cls.bases:
            if isinstance(parent, ast.Name):
                yield from self._places((parent.id, path[-1]), seen | {path})


def within(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Say how much of what one body is made of the other has as well, however often, from 0 to 1."""
    parts = set(one) - {ANY}
    return len(parts & set(other)) / len(parts) if parts else 0.0


def name_words(names: Path) -> frozenset[str]:
    """Take names apart into the words that they are made of; what every test's name begins with says nothing."""
    spelled = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", "_".join(names))
    return frozenset(word for word in spelled.lower().split("_") if word not in ("", "test", "tests"))


def alike(one: tuple[str, ...], other: tuple[str, ...], at_least: float = 0.0) -> float:
    """Say how much of two bodies is the same, from 0 to 1; 0 as soon as it can't be `at_least` that much."""
    if one == other:
        return 1.0
    total = len(one) + len(other)
    if not total or 2 * min(len(one), len(other)) / total < at_least:
        return 0.0
    shared = sum((Counter(one) & Counter(other)).values())
    if 2 * shared / total < at_least:
        return 0.0
    found = SequenceMatcher(None, one, other, autojunk=False).ratio()
    return found if found >= at_least else 0.0


def _assigned_marks(statements: list[ast.stmt]) -> Iterator[ast.expr]:
    for statement in statements:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in statement.targets
        ):
            yield statement.value


def _body(function: Function) -> Body:
    statements = function.body
    if ast.get_docstring(function, clean=False) is not None:
        statements = statements[1:]
    given = {argument.arg for argument in _arguments(function)}
    words: list[str] = []
    shape: list[str] = []
    for kind, word in _words_of(statements):
        words.append(word)
        shape.append(ANY if kind == "value" or word in given else word)
        if len(words) >= MOST_WORDS:
            break
    fixtures = sorted(given - {*OWN_ARGUMENTS, *words})
    return Body((*words, *(f"({name})" for name in fixtures)), tuple(shape))


def _arguments(function: Function) -> list[ast.arg]:
    own = function.args
    return [*own.posonlyargs, *own.args, *own.kwonlyargs]


def _words_of(statements: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Write code as words, in its order: names, values, operators, and what kind of statement each is."""
    stack: list[ast.AST] = list(reversed(statements))
    while stack:  # a body nested hundreds deep would exhaust recursion
        node = stack.pop()
        if isinstance(node, ast.Constant):
            yield "value", repr(node.value)
        elif isinstance(node, ast.Name):
            yield "name", node.id
        elif isinstance(node, ast.AnnAssign):
            yield "kind", "Assign"
            stack += [part for part in (node.value, node.target) if part is not None]
            continue
        elif isinstance(node, Function):
            yield "name", node.name
            stack += [*reversed(node.body), *reversed(_arguments(node)), *reversed(node.decorator_list)]
            continue
        else:
            yield from _said_by(node)
        stack += reversed(list(ast.iter_child_nodes(node)))


def _said_by(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Give what a node says itself, beside what its parts say; grammar that says nothing is passed over."""
    if isinstance(node, ast.stmt) and not isinstance(node, ast.Expr):
        yield "kind", re.sub("^Async", "", type(node).__name__)
    elif isinstance(node, ast.operator | ast.unaryop | ast.cmpop | ast.boolop):
        yield "kind", type(node).__name__
    for field in ("attr", "arg", "name", "asname", "module"):
        said = getattr(node, field, None)
        if isinstance(said, str) and said not in OWN_ARGUMENTS:
            yield "name", said
