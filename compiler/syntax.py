"""The syntax tree: statements and expressions with their spans, before names and types are resolved."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dlc.compiler.diagnostics.source import Source, Span

# --- expressions ------------------------------------------------------------------------------------------


@record(eq=False)
class Expr:
    span: Span


@record(eq=False)
class Literal(Expr):
    """A number, string, `true`, `false` or `none`."""

    value: int | float | str | bool | None


@record(eq=False)
class Name(Expr):
    id: str


@record(eq=False)
class ListExpr(Expr):
    items: tuple[Expr, ...]


@record(eq=False)
class TupleExpr(Expr):
    """`(a, b)`; the span includes the brackets."""

    items: tuple[Expr, ...]


@record(eq=False)
class Conditional(Expr):
    """`value if condition else other`."""

    value: Expr
    condition: Expr
    other: Expr


@record(eq=False)
class Flow(Expr):
    """`a -> f -> g`: two or more steps."""

    steps: tuple[Expr, ...]


@record(eq=False)
class Unary(Expr):
    """`operator` is `-`, `+` or `not`."""

    operator: str
    operand: Expr


@record(eq=False)
class Binary(Expr):
    """`operator` is one of `+ - * / // % @ ** == != < <= > >= and or`."""

    operator: str
    left: Expr
    right: Expr
    operator_span: Span


@record(eq=False)
class Argument:
    """`value` or `name=value`."""

    value: Expr
    name: str | None = None
    name_span: Span | None = None


@record(eq=False)
class Call(Expr):
    function: Expr
    arguments: tuple[Argument, ...]


@record(eq=False)
class Slice(Expr):
    """`start:stop:step` inside an index."""

    start: Expr | None
    stop: Expr | None
    step: Expr | None


@record(eq=False)
class Ellipsis_(Expr):
    """`...` inside an index."""


@record(eq=False)
class Index(Expr):
    """`value[i, j:k, ...]`; also a type with a shape: `float[64, 28]`."""

    value: Expr
    items: tuple[Expr, ...]


@record(eq=False)
class Attribute(Expr):
    value: Expr
    name: str
    name_span: Span


# --- statements -------------------------------------------------------------------------------------------


@record(eq=False)
class Ident:
    """A name where it is declared."""

    id: str
    span: Span


@record(eq=False)
class Statement:
    span: Span


@record(eq=False)
class Import(Statement):
    """`import f, g from "other.dl"`, or `from std` (then `path` is "std" and `is_std` is true)."""

    names: tuple[Ident, ...]
    path: str
    path_span: Span
    is_std: bool


@record(eq=False)
class Param(Statement):
    name: Ident
    value: Expr


@record(eq=False)
class Input(Statement):
    """`input a, b: type as group`."""

    names: tuple[Ident, ...]
    type: Expr
    group: Ident | None


@record(eq=False)
class Output(Statement):
    """`output name: type = other`."""

    name: Ident
    type: Expr
    target: Ident | None


@record(eq=False)
class Weight(Statement):
    """`weight name: type = init`."""

    name: Ident
    type: Expr
    init: Expr


@record(eq=False)
class BlockSetting:
    name: Ident
    default: Expr | None


@record(eq=False)
class Block(Statement):
    """`block f(x, y; setting, other = 1) { ... }`; `is_net` for `net`."""

    name: Ident
    tensors: tuple[Ident, ...]
    settings: tuple[BlockSetting, ...]
    body: tuple[Statement, ...]
    is_net: bool


@record(eq=False)
class AverageNet(Statement):
    """`net name = average(...)`."""

    name: Ident
    value: Expr


@record(eq=False)
class Bind(Statement):
    """`a = value`, `a, b = value`."""

    targets: tuple[Ident, ...]
    value: Expr


@record(eq=False)
class Evaluate(Statement):
    """An expression as a statement: a flow, or a comparison in `expect`."""

    value: Expr


@record(eq=False)
class If(Statement):
    """`if c { } else { }`; an `else if` is a single `If` in `otherwise`."""

    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@record(eq=False)
class For(Statement):
    targets: tuple[Ident, ...]
    iterable: Expr
    body: tuple[Statement, ...]


@record(eq=False)
class Return(Statement):
    values: tuple[Expr, ...]


@record(eq=False)
class Section(Statement):
    """`data { }`, `train { }`, `step a, b { }`, `phase name { }`, ...; `name` is the keyword."""

    name: Ident
    of: tuple[Ident, ...]
    body: tuple[Statement, ...]


def bodies(statement: Statement) -> tuple[Statement, ...]:
    """The statements between the braces of a statement."""
    if isinstance(statement, If):
        return (*statement.then, *statement.otherwise)
    return statement.body if isinstance(statement, (Block, For, Section)) else ()


def expressions(statement: Statement, within: Callable[[Expr], bool] = lambda _: True) -> Iterator[Expr]:
    """All expressions of a statement, except those in its body, in types, and inside of expressions for which
    `within` is false."""
    if isinstance(statement, (Section, Block, AverageNet)):
        return
    waiting: list[Any] = [statement.init if isinstance(statement, Weight) else statement]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Expr):
            yield current
            if not within(current):
                continue
        for field in fields(current):
            value = getattr(current, field.name)
            parts = value if isinstance(value, tuple) else (value,)
            waiting += [p for p in parts if isinstance(p, (Expr, Argument))]


@record(eq=False)
class File:
    """A whole spec. `description` is the comment block at its top, without `#`."""

    source: Source
    description: str
    body: tuple[Statement, ...]
    comments: tuple[tuple[Span, str], ...]  # each comment with its text, `#` included, in order
