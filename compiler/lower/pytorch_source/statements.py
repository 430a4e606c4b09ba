"""The statements of a body, and what bodies that are written alike have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.python_code import Code
from dlc.compiler.lower.symbolic import Let, Local
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@record(eq=False)
class Loop:
    """A loop over `copies` modules of lists. `members` are the lists: a name for the entry, the list, where
    it begins, and the step. A value is called `cell` within; it begins as `begin`, each round makes `update`
    of it, and `target` comes out."""

    copies: int
    members: tuple[tuple[str, str, int, int], ...]
    target: Local
    cell: Local
    begin: Code
    update: Code
    body: tuple[Statement, ...]


@record(eq=False)
class EvalReturn:
    """What an operator returns at once unless it is in training."""

    returns: tuple[Code, ...]


Statement = Let | Loop | EvalReturn


def local(target: Local) -> Code:
    return Code("local", target)


def reads(code: Code) -> list[Local]:
    return [part.value for part in code.walk() if part.kind == "local"]


def codes_of(body: Sequence[Statement]) -> Iterator[Code]:
    """All expressions of statements."""
    for statement in body:
        if isinstance(statement, Let):
            yield statement.code
        elif isinstance(statement, EvalReturn):
            yield from statement.returns
        else:
            yield from (statement.begin, statement.update)
            yield from codes_of(statement.body)


def mapped(statement: Any, change: Callable[[Code], Code | None]) -> Any:
    """A statement or an expression with parts of its expressions replaced."""
    if isinstance(statement, Code):
        return statement.mapped(change)
    if isinstance(statement, Let):
        return replace(statement, code=statement.code.mapped(change))
    if isinstance(statement, EvalReturn):
        return EvalReturn(tuple(code.mapped(change) for code in statement.returns))
    begin, update = statement.begin.mapped(change), statement.update.mapped(change)
    body = tuple(mapped(s, change) for s in statement.body)
    return replace(statement, begin=begin, update=update, body=body)


class Places:
    """Keys of statements in which values are known by their place, so that bodies of other values that do
    the same have the same key. `of` gives the key of a part of an expression, or none."""

    def __init__(self, given: Sequence[Local], of: Callable[[Code], Any]):
        self.places: dict[Any, int] = {key: place for place, key in enumerate(given)}
        self.of = of

    def leaf(self, code: Code) -> Any:
        return ("local", self.places.get(code.value, -1)) if code.kind == "local" else self.of(code)

    def add(self, *targets: Local) -> None:
        for target in targets:
            self.places[target] = len(self.places)

    def keys(self, body: Sequence[Statement]) -> tuple[Any, ...]:
        return tuple(map(self.key, body))

    def codes(self, codes: Sequence[Code]) -> tuple[Any, ...]:
        return tuple(code.key(self.leaf) for code in codes)

    def key(self, statement: Statement) -> Any:
        if isinstance(statement, Let):
            key = statement.code.key(self.leaf)
            self.add(*statement.targets)
            return "let", len(statement.targets), key
        if isinstance(statement, EvalReturn):
            return "return", self.codes(statement.returns)
        begin = statement.begin.key(self.leaf)
        self.add(statement.cell)
        body, update = self.keys(statement.body), statement.update.key(self.leaf)
        self.add(statement.target)
        return "loop", statement.members, begin, body, update
