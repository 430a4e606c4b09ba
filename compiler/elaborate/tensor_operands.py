"""Tensor operands: conversion of values to operands, and their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import constants
from dlc.compiler.definitions.parameter_types import Reject, describe
from dlc.compiler.dims.dim import BATCH, Dim, names
from dlc.compiler.elaborate.values import Halt, InputRef, Operand, OutputRef, Stage
from dlc.compiler.ir.graph import Value
from dlc.compiler.static import is_numbers
from dlc.compiler.training.whole_batch import BatchNumber

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator


def operand(ev: Evaluator, value: Any, span: Span) -> Operand:
    """One operand: a tensor, or a number or a list of numbers in place of a tensor."""
    if isinstance(value, OutputRef):
        return Operand(scores_of(ev, value, span), span, value)
    if isinstance(value, (Value, bool, int, float)):
        return Operand(value, span)
    if isinstance(value, Dim) and names(value) == {BATCH}:
        return Operand(ev.builder.apply(BatchNumber(size=value), [], span)[0], span)
    if isinstance(value, InputRef):
        raise unseen_input(ev, value, span)
    if is_numbers(value):
        return Operand(constant(ev, value, span), span)
    if isinstance(value, Dim):
        raise ev.fail("E0207", span, f"`{value}` is not known when the file is compiled",
                      help="give that size a number in the type")  # fmt: skip
    raise not_a_tensor(ev, value, span)


def unseen_input(ev: Evaluator, value: InputRef, span: Span) -> Halt:
    """The error for an input in place of a tensor, in a block or net."""
    return ev.fail("E0304", span, f"a block or net does not see the values of the input `{value.name}`",
                   help="pass it as a tensor")  # fmt: skip


def constant(ev: Evaluator, value: Any, span: Span) -> Any:
    """A list of numbers as nested tuples with one length per axis."""
    try:
        constants.nested_shape(value)
    except Reject as reject:
        raise ev.reject(span, reject) from None
    return constants.nested_tuple(value)


def not_a_tensor(ev: Evaluator, value: Any, span: Span) -> Halt:
    help = "give it a tensor first: `x -> f`" if isinstance(value, Stage) else ""
    return ev.fail("E0501", span, f"expected a tensor, found {describe(value)}", help=help)


def operands(ev: Evaluator, value: Any, expr: syntax.Expr) -> list[Operand]:
    """The operands of a value. A tuple, or a list that holds tensors, gives several operands, each with its
    own span."""
    if not isinstance(value, (tuple, list)) or is_numbers(value):
        return [operand(ev, value, expr.span)]
    if not value:
        raise ev.fail("E0501", expr.span, "nothing flows: the tuple is empty")
    items = (
        expr.items
        if isinstance(expr, (syntax.TupleExpr, syntax.ListExpr)) and len(expr.items) == len(value)
        else [expr] * len(value)
    )
    return [o for v, item in zip(value, items, strict=True) for o in operands(ev, v, item)]


def scores_of(ev: Evaluator, output: OutputRef, span: Span) -> Value:
    if output.broken or (
        output.scores is None and (ev.state.has_dangling_flow or output.name in ev.state.recovery.names)
    ):
        raise Halt
    if output.scores is None:
        raise ev.fail("E0504", span, f"nothing has flowed into `{output.name}` yet",
                      help=f"`... -> {output.name}` has to come before this line")  # fmt: skip
    return output.scores


def unpack_single(values: tuple[Value, ...]) -> Value | tuple[Value, ...]:
    return values[0] if len(values) == 1 else values


def as_operands(value: Any, span: Span) -> list[Operand]:
    """The results of a stage as operands of the next stage."""
    return [Operand(constants.nested_tuple(v), span) for v in flatten(value)]


def flatten(value: Any) -> list[Any]:
    several = isinstance(value, (tuple, list)) and not is_numbers(value)
    return [v for item in value for v in flatten(item)] if several else [value]


def count_tensors(low: int, high: int | None) -> str:
    amount = str(low) if low == high else f"at least {low}" if high is None else f"{low} to {high}"
    return f"{amount} tensor{'' if amount == '1' else 's'}"


def count_flowing(amount: int, noun: str = " tensor") -> str:
    """`1 tensor flows`, `2 tensors flow`."""
    return f"{amount}{noun} flows" if amount == 1 else f"{amount}{noun and f'{noun}s'} flow"
