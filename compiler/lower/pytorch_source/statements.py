"""The statements of a body, and keys that bodies with equal statements share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.python_code import Code
from dlc.compiler.lower.symbolic import Let, Local
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@record(eq=False)
class ForLoop:
    """A loop of `copies` rounds over lists of modules. `members` are the lists: loop variable, name of the
    list, start and step. `carried` is the loop-carried value: it is `initial` before the first round, each
    round sets it to `update`, and `target` is its value after the loop."""

    copies: int
    members: tuple[tuple[str, str, int, int], ...]
    target: Local
    carried: Local
    initial: Code
    update: Code
    body: tuple[Statement, ...]


@record(eq=False)
class EvalReturn:
    """The values that an operator returns early unless it is in training."""

    returns: tuple[Code, ...]


Statement = Let | ForLoop | EvalReturn


def local(target: Local) -> Code:
    return Code("local", target)


def reads(code: Code) -> list[Local]:
    return [part.value for part in code.walk() if part.kind == "local"]


def codes_of(body: Sequence[Statement]) -> Iterator[Code]:
    """All expressions in statements."""
    for statement in body:
        if isinstance(statement, Let):
            yield statement.code
        elif isinstance(statement, EvalReturn):
            yield from statement.returns
        else:
            yield from (statement.initial, statement.update)
            yield from codes_of(statement.body)


def mapped(statement: Any, change: Callable[[Code], Code | None]) -> Any:
    """A statement or an expression with parts of its expressions replaced."""
    if isinstance(statement, Code):
        return statement.mapped(change)
    if isinstance(statement, Let):
        return replace(statement, code=statement.code.mapped(change))
    if isinstance(statement, EvalReturn):
        return EvalReturn(tuple(code.mapped(change) for code in statement.returns))
    initial, update = statement.initial.mapped(change), statement.update.mapped(change)
    body = tuple(mapped(s, change) for s in statement.body)
    return replace(statement, initial=initial, update=update, body=body)


class ValueNumbers:
    """Keys of statements in which each value is its number in order of definition, so that bodies that differ
    only in their values share a key. `of` may give another key for a part of an expression."""

    def __init__(self, given: Sequence[Local], of: Callable[[Code], Any]):
        self.numbers: dict[Any, int] = {key: index for index, key in enumerate(given)}
        self.of = of

    def leaf(self, code: Code) -> Any:
        return ("local", self.numbers.get(code.value, -1)) if code.kind == "local" else self.of(code)

    def add(self, *targets: Local) -> None:
        for target in targets:
            self.numbers[target] = len(self.numbers)

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
        initial = statement.initial.key(self.leaf)
        self.add(statement.carried)
        body, update = self.keys(statement.body), statement.update.key(self.leaf)
        self.add(statement.target)
        return "loop", statement.members, initial, body, update
