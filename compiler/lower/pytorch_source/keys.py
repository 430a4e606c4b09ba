"""What statements and frames have in common that are written alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.pytorch_source.code import Code
from dlc.compiler.lower.pytorch_source.frames import Each, Guard, Let

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dlc.compiler.lower.pytorch_source.frames import Frame


def body_key(frame: Frame, of: Callable[[Code], Any]) -> Any:
    """What frames have in common that are written alike, up to what `of` passes over."""
    members = tuple((attr, code.key(of)) for attr, code in frame.members.items())
    return members, key_of(frame.params, frame.body, frame.returns, of), tuple(sorted(frame.lists))


def key_of(
    params: Sequence[Any], body: Sequence[Any], returns: Sequence[Any], of: Callable[[Code], Any]
) -> Any:
    """The same of statements, with what they are given and give."""
    places: dict[Any, int] = {key: place for place, key in enumerate(params)}
    statements = tuple(statement_key(statement, places, of) for statement in body)
    return len(params), statements, tuple(places.get(value, -1) for value in returns)


def statement_key(statement: Any, places: dict[Any, int], of: Callable[[Code], Any]) -> Any:
    def leaf(code: Code) -> Any:
        return ("local", places.get(code.value, -1)) if code.kind == "local" else of(code)

    if isinstance(statement, Let):
        key = statement.code.key(leaf)
        for target in statement.targets:
            places[target] = len(places)
        return "let", key
    if isinstance(statement, Each):
        begins = tuple(begin.key(leaf) for _, _, begin, _ in statement.carried)
        for _, cell, _, _ in statement.carried:
            places[cell] = len(places)
        body = tuple(statement_key(s, places, of) for s in statement.body)
        updates = tuple(update.key(leaf) for *_, update in statement.carried)
        for target, *_ in statement.carried:
            places[target] = len(places)
        return "each", statement.members, begins, body, updates
    if isinstance(statement, Guard):
        return "guard", tuple(code.key(leaf) for code in statement.returns)
    raise AssertionError(statement)


def mapped(statement: Any, change: Callable[[Code], Code | None]) -> Any:
    if isinstance(statement, Code):
        return statement.mapped(change)
    if isinstance(statement, Let):
        return replace(statement, code=statement.code.mapped(change))
    if isinstance(statement, Each):
        carried = tuple((t, c, b.mapped(change), u.mapped(change)) for t, c, b, u in statement.carried)
        return replace(statement, carried=carried, body=tuple(mapped(s, change) for s in statement.body))
    if isinstance(statement, Guard):
        return replace(statement, returns=tuple(code.mapped(change) for code in statement.returns))
    return replace(
        statement,
        condition=statement.condition.mapped(change),
        body=tuple(mapped(s, change) for s in statement.body),
        otherwise=statement.otherwise.mapped(change),
        result=statement.result.mapped(change),
    )
