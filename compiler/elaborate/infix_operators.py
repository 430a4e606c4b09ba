"""Infix and prefix operator symbols: arithmetic, comparisons, logic."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dlc.compiler import static, syntax
from dlc.compiler.definitions.parameter_types import Reject, describe
from dlc.compiler.diagnostics.source import Span
from dlc.compiler.dims.dim import Dim
from dlc.compiler.elaborate import unknown_names
from dlc.compiler.elaborate.class_operands import compared
from dlc.compiler.elaborate.tensor_operands import operand
from dlc.compiler.elaborate.values import BROKEN, Halt, OutputRef, Stage, is_tensor
from dlc.compiler.operators import arithmetic, comparisons
from dlc.compiler.operators.base import by_symbol

if TYPE_CHECKING:
    from dlc.compiler.elaborate.context import Evaluator

OPERATORS = by_symbol()


def unary(ev: Evaluator, expr: syntax.Unary) -> Any:
    value = ev.evaluate(expr.operand)
    if is_tensor(value):
        if expr.operator == "+":
            return value
        operator = arithmetic.Negate() if expr.operator == "-" else comparisons.LogicalNot()
        return ev.builder.apply(operator, [operand(ev, value, expr.operand.span)], expr.span)[0]
    if expr.operator == "not":
        return not static.truth(value)
    if static.is_numbers(value):
        return static.mapped(lambda n: -n if expr.operator == "-" else n, value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Dim)):
        raise Reject(f"`{expr.operator}` does not work on {describe(value)}", code="E0205")
    return -value if expr.operator == "-" else value


def binary(ev: Evaluator, expr: syntax.Binary) -> Any:
    """A chain of infix operators, `a + b + c`, evaluated from the left without recursion."""
    check_foreign_symbols(ev, expr)
    links = [expr]
    while isinstance(left := links[-1].left, syntax.Binary):
        links.append(left)
        ev.builder.count_work(left.span)
    try:
        value = ev.evaluate(links[-1].left)
    except Halt:
        value = BROKEN
    for step in reversed(links):
        try:
            value = apply_operator(ev, step, value)
        except Reject as reject:
            ev.reject(step.span, reject)
            value = BROKEN
        except Halt:
            value = BROKEN
    if value is BROKEN:
        raise Halt
    return value


def check_foreign_symbols(ev: Evaluator, expr: syntax.Binary) -> None:
    """Reject symbols of other languages, `x // a comment` and `y <- x`, if the names show that intention."""
    symbol, text = expr.operator_span, expr.span.source.text
    if (
        expr.operator == "//"
        and isinstance(expr.right, syntax.Name)
        and not unknown_names.knows(ev, expr.right.id)
        and expr.right.id not in {*ev.state.recovery.names, *ev.state.top_names()}
    ):
        ev.state.recovery.names.add(expr.right.id)
        raise ev.fail("E0301", symbol, f"`//` divides, and nothing is called `{expr.right.id}` here",
                        help="a comment begins with `#`: write `#`")  # fmt: skip
    if (
        expr.operator == "<"
        and isinstance(expr.left, syntax.Name)
        and re.match("<- ", text[symbol.start : symbol.end + 2])
    ):
        left = ev.scope.file.outputs.get(expr.left.id)
        if not unknown_names.knows(ev, expr.left.id) or (isinstance(left, OutputRef) and left.scores is None):
            ev.state.recovery.names.add(expr.left.id)
            arrow = Span(symbol.source, symbol.start, symbol.end + 1)
            if not isinstance(left, OutputRef):
                raise ev.fail("E0102", arrow, "`<-` does not bind a name", help="write `=`")
            raise ev.fail(
                "E0102",
                arrow,
                "a flow is written from left to right, with `->`",
                help=f"write `x -> f -> {expr.left.id}`",
            )


def apply_operator(ev: Evaluator, expr: syntax.Binary, left: Any) -> Any:
    """Evaluate one infix operator, given the value of its left side. Errors on the right side are reported
    even if the left side is broken."""
    if expr.operator in ("and", "or"):
        if left is BROKEN or (not is_tensor(left) and static.truth(left) == (expr.operator == "or")):
            return left
        right = ev.evaluate(expr.right)
        if not is_tensor(left):
            return right if is_tensor(right) else static.truth(right)
    else:
        right = ev.evaluate(expr.right)
    if left is BROKEN:
        raise Halt
    for side, value in ((expr.left, left), (expr.right, right)):
        if isinstance(value, Stage) and expr.operator == ">":
            message = f"`>` compares, and {value.describe()} has no tensor yet"
            raise ev.fail("E0501", expr.operator_span, message, help="write `->`")
        if isinstance(value, Stage):
            raise ev.fail("E0501", side.span,
                            f"`{expr.operator}` does not work on {value.describe()}, which "
                            "has no tensor yet",
                            help=list_for_tensor(ev, side) or
                                 f"`->` binds looser than `{expr.operator}`: put the flow in parentheses, "
                                 f"`(x -> f) {expr.operator} y`")  # fmt: skip
    if not is_tensor(left) and not is_tensor(right):
        sides = (ev.counted(value, expr.span) for value in (left, right))
        return ev.counted(static.compute(expr.operator, *sides), expr.span)
    operands = [compared(ev, expr.operator, value, other, side.span)
             for value, other, side in ((left, right, expr.left), (right, left, expr.right))]  # fmt: skip
    return ev.builder.apply(OPERATORS[expr.operator](), operands, expr.span)[0]


def list_for_tensor(ev: Evaluator, expr: syntax.Expr) -> str:
    """The fix for `sum([1, 2])`, `max(x.shape)` and `reshape(l, -1, 1)`, where the list is a setting of the
    stage."""
    if not isinstance(expr, syntax.Call) or not expr.arguments or expr.arguments[0].name is not None:
        return ""
    value, name = expr.arguments[0].value, expr.function.span.text
    bound = ev.scope.names.get(value.id) if isinstance(value, syntax.Name) else None
    shape = isinstance(value, syntax.Attribute) and value.name == "shape"
    if isinstance(value, syntax.ListExpr) or isinstance(bound, list) or shape:
        rest = [f"{a.name}={a.value.span.text}" if a.name else a.value.span.text for a in expr.arguments[1:]]
        stage = f"{name}({', '.join(rest)})" if rest else name
        return f"the list is a setting of `{name}`: write `({value.span.text} -> {stage})`"
    return ""
