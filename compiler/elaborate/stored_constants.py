"""`eye(n)` in an expression: a constant tensor that is not written as a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import family
from dlc.compiler.elaborate import arguments
from dlc.compiler.operators.arithmetic import Eye

if TYPE_CHECKING:
    from dlc.compiler import syntax
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.ir.graph import Value

FUNCTIONS = ("eye",)


def call(ev: Evaluator, expr: syntax.Call) -> Value:
    """The tensor. Its settings are those of the initial value with the same name."""
    assert hasattr(expr.function, "id")
    initial = arguments.member(ev, family("initial")[expr.function.id], expr)
    return ev.builder.apply(Eye(size=initial.size), [], expr.span)[0]
