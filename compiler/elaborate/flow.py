"""The arrow `->`: tensors flow into stages and into outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions import aliases
from dlc.compiler.elaborate import blocks, loss_operands
from dlc.compiler.elaborate.outputs import fill
from dlc.compiler.elaborate.tensor_operands import (
    as_operands,
    count_flowing,
    count_tensors,
    operands,
    unpack_single,
)
from dlc.compiler.elaborate.values import BlockStage, DefinedStage, Halt, Operand, OutputRef, Pipeline, Stage
from dlc.compiler.operators.base import Operator
from dlc.compiler.operators.combinators import Combinator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from dlc.compiler import syntax
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator


# --- stages -----------------------------------------------------------------------------------------------


def apply(ev: Evaluator, stage: Stage, flowing: Sequence[Operand], span: Span) -> Any:
    """Apply a stage to the tensors that flow into it."""
    ev.builder.count_work(span)
    return ev.builder.within(span, apply_stage, ev, stage, flowing, span)


def apply_stage(ev: Evaluator, stage: Stage, flowing: Sequence[Operand], span: Span) -> Any:
    if isinstance(stage, Pipeline):
        value: Any = None
        for index, (step, step_span) in enumerate(stage.steps):
            value = apply(ev, step, flowing if index == 0 else as_operands(value, step_span), step_span)
        return value
    if isinstance(stage, DefinedStage):
        return apply_defined(ev, stage, [*flowing, *stage.given], span)
    if isinstance(stage, BlockStage):
        return blocks.apply(ev, stage, [*flowing, *stage.given])
    raise AssertionError(stage)


def apply_defined(ev: Evaluator, stage: DefinedStage, tensors: list[Operand], span: Span) -> Any:
    definition = stage.definition
    if isinstance(definition, Combinator):
        return definition.flow(CombinatorContext(ev), tensors, span)
    assert isinstance(definition, Operator)
    if definition.family == "loss":
        tensors = loss_operands.with_targets(ev, definition, tensors, stage.span)
    low, high = definition.arity()
    if len(tensors) < low or (high is not None and len(tensors) > high):
        names = ", ".join(definition.operand_names())
        raise ev.fail("E0502", stage.span,
                      f"`{definition.name}` takes {count_tensors(low, high)} ({names}), and "
                      f"{count_flowing(len(tensors), '')} in",
                      help=arity_help(stage, names, len(tensors), high))  # fmt: skip
    return unpack_single(ev.builder.apply(definition, tensors, stage.span, stage.spans))


class CombinatorContext:
    """The interface of the elaborator for combinators."""

    def __init__(self, ev: Evaluator):
        self.ev = ev

    def run(self, stage: Stage, tensors: list[Operand], span: Span) -> Any:
        return apply(self.ev, stage, tensors, span)

    def copy(self, span: Span) -> AbstractContextManager[None]:
        return self.ev.builder.enter_copy(span)

    def tensors(self, value: Any, span: Span) -> list[Operand]:
        return as_operands(value, span)

    def values(self, tensors: list[Operand]) -> Any:
        return unpack_single(tuple(self.ev.builder.tensor(t) for t in tensors))

    def node(self, operator: Operator, tensors: list[Operand], span: Span) -> Any:
        if len(tensors) != 2:
            raise self.ev.fail(
                "E0502", span, f"`residual` adds one tensor to one, found {len(tensors)} in all"
            )
        return unpack_single(self.ev.builder.apply(operator, tensors, span))


def arity_help(stage: DefinedStage, names: str, found: int, high: int | None) -> str:
    name = stage.definition.name
    if found == 2 and name in aliases.OF_TWO and not stage.spans:
        written = f"{aliases.OF_TWO[name]}{stage.span.text.removeprefix(name)}"
        return f"`{name}` is over the axes of one tensor: write `{written}`"
    if high is None or found <= high:
        return f"let all of them flow in: `({names}) -> {name}`"
    written = (
        stage.span.text if len(stage.span.text) <= 40 and "\n" not in stage.span.text else f"{name}(...)"
    )
    return f"join them first with `concat` or `stack`, or use `each({written})` for one of each"


# --- outputs ----------------------------------------------------------------------------------------------


def is_sink(stage: Any) -> bool:
    if isinstance(stage, tuple):
        return bool(stage) and all(isinstance(s, OutputRef) for s in stage)
    return isinstance(stage, OutputRef)


def waits(stage: Stage) -> str:
    """The help for a stage whose call has tensors, and fewer than apply it, as `attention(memory, 8)`; empty
    for others."""
    while isinstance(stage, Pipeline):
        stage = stage.steps[0][0]
    if not isinstance(stage, DefinedStage) or not stage.given:
        return ""
    call, definition = stage.span.text, stage.definition
    alone = isinstance(definition, Operator) and definition.least_in_call
    alone = (
        f"; a tensor alone flows in: `{stage.given[0].span.text} -> {definition.name}(...)`" if alone else ""
    )
    return f"`{call}` waits for a first tensor, `x -> {call}`{alone}"


def into_outputs(ev: Evaluator, value: Any, before: syntax.Expr, sink: Any, step: syntax.Expr) -> None:
    outputs = sink if isinstance(sink, tuple) else (sink,)
    if isinstance(value, Stage) and ev.state.has_dangling_flow:
        raise Halt  # the arrow before it is missing, which is reported already
    if isinstance(value, Stage):
        raise ev.fail("E0501", before.span, "a stage cannot flow into an output: it has no tensor yet",
                      help=waits(value) or "begin the flow with a tensor: `x -> ...`")  # fmt: skip
    tensors = operands(ev, value, before)
    if len(tensors) != len(outputs):
        raise ev.fail("E0502", step.span,
                      f"{count_flowing(len(tensors))} into {len(outputs)} output{'s' * (len(outputs) != 1)}",
                      help="`split`, `concat` or indexing changes how many there are")  # fmt: skip
    if not ev.scope.top:
        raise ev.fail("E0503", step.span, "a block or net cannot reach the file's outputs",
                      help="`return` the tensor, and let it flow on where the block is used")  # fmt: skip
    for output, tensor in zip(outputs, tensors, strict=True):
        if output.scores is not None:
            raise ev.fail("E0503", step.span, f"something has flowed into `{output.name}` already",
                          help="every output is filled once")  # fmt: skip
        fill(ev, output, tensor, step.span)
