"""What `->` does: tensors into stages, and into outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.elaborate import losses, statements
from dlc.compiler.elaborate.scope import Scope
from dlc.compiler.elaborate.values import (
    BlockStage,
    DefinedStage,
    Halt,
    InputRef,
    Operand,
    OutputRef,
    Pipeline,
    Stage,
)  # fmt: skip
from dlc.compiler.ir import Value
from dlc.compiler.kinds import describe
from dlc.compiler.operators.base import Operator
from dlc.compiler.operators.combinators import Combinator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.elaborate.evaluate import Evaluator
    from dlc.compiler.source import Span


# --- tensors on their way ---------------------------------------------------------------------------------


def operand(ev: Evaluator, value: Any, span: Span) -> Operand:
    """One tensor, or a number that stands for one."""
    if isinstance(value, OutputRef):
        return Operand(flowed(ev, value, span), span, value)
    if isinstance(value, (Value, bool, int, float)):
        return Operand(value, span)
    if isinstance(value, InputRef):
        raise ev.fail("E0304", span, f"a block or net does not see the values of the input `{value.name}`",
                      help="pass it as a tensor")  # fmt: skip
    raise no_tensor(ev, value, span)


def no_tensor(ev: Evaluator, value: Any, span: Span) -> Halt:
    help = "give it a tensor first: `x -> f`" if isinstance(value, Stage) else ""
    return ev.fail("E0501", span, f"expected a tensor, found {describe(value)}", help=help)


def operands(ev: Evaluator, value: Any, expr: syntax.Expr) -> list[Operand]:
    """All that flows: a tuple flows as several tensors, each with its own place."""
    if not isinstance(value, (tuple, list)):
        return [operand(ev, value, expr.span)]
    if not value:
        raise ev.fail("E0501", expr.span, "nothing flows: the tuple is empty")
    items = (
        expr.items
        if isinstance(expr, (syntax.TupleExpr, syntax.ListExpr)) and len(expr.items) == len(value)
        else [expr] * len(value)
    )
    return [o for v, item in zip(value, items, strict=True) for o in operands(ev, v, item)]


def flowed(ev: Evaluator, output: OutputRef, span: Span) -> Value:
    if output.broken:
        raise Halt
    if output.scores is None:
        raise ev.fail("E0504", span, f"nothing has flowed into `{output.name}` yet",
                      help=f"`... -> {output.name}` has to stand before this line")  # fmt: skip
    return output.scores


def result(values: tuple[Value, ...]) -> Value | tuple[Value, ...]:
    return values[0] if len(values) == 1 else values


# --- stages -----------------------------------------------------------------------------------------------


def apply(ev: Evaluator, stage: Stage, flowing: Sequence[Operand], span: Span) -> Any:
    """A stage applied to what flows into it."""
    ev.builder.spend(span)
    with ev.builder.within(span):
        return apply_stage(ev, stage, flowing, span)


def apply_stage(ev: Evaluator, stage: Stage, flowing: Sequence[Operand], span: Span) -> Any:
    if isinstance(stage, Pipeline):
        value: Any = None
        for index, (step, place) in enumerate(stage.steps):
            value = apply(ev, step, flowing if index == 0 else again(value, place), place)
        return value
    if isinstance(stage, DefinedStage):
        return apply_defined(ev, stage, [*flowing, *stage.given], span)
    if isinstance(stage, BlockStage):
        return apply_block(ev, stage, [*flowing, *stage.given], span)
    raise AssertionError(stage)


def again(value: Any, span: Span) -> list[Operand]:
    """What a stage made, flowing on."""
    return [Operand(v, span) for v in flat(value)]


def flat(value: Any) -> list[Any]:
    return [v for item in value for v in flat(item)] if isinstance(value, (tuple, list)) else [value]


def apply_defined(ev: Evaluator, stage: DefinedStage, tensors: list[Operand], span: Span) -> Any:
    definition = stage.definition
    if isinstance(definition, Combinator):
        return definition.flow(Combining(ev), tensors, span)
    assert isinstance(definition, Operator)
    if definition.family == "loss":
        tensors = losses.with_targets(ev, definition, tensors, stage.span)
    low, high = definition.arity()
    if len(tensors) < low or (high is not None and len(tensors) > high):
        names = ", ".join(definition.operand_names())
        raise ev.fail("E0502", stage.span,
                      f"`{definition.name}` takes {count(low, high)} ({names}), and "
                      f"{flowing(len(tensors), '')} in",
                      help=arity_help(stage, names, len(tensors), high))  # fmt: skip
    return result(ev.builder.apply(definition, tensors, stage.span, stage.spans))


class Combining:
    """What combinators see of the elaborator."""

    def __init__(self, ev: Evaluator):
        self.ev = ev

    def run(self, stage: Stage, tensors: list[Operand], span: Span) -> Any:
        return apply(self.ev, stage, tensors, span)

    def tensors(self, value: Any, span: Span) -> list[Operand]:
        return again(value, span)

    def values(self, tensors: list[Operand]) -> Any:
        return result(tuple(self.ev.builder.tensor(t) for t in tensors))

    def node(self, operator: Operator, tensors: list[Operand], span: Span) -> Any:
        if len(tensors) != 2:
            raise self.ev.fail(
                "E0502", span, f"`residual` adds one tensor to one, found {len(tensors)} in all"
            )
        return result(self.ev.builder.apply(operator, tensors, span))


def count(low: int, high: int | None) -> str:
    amount = str(low) if low == high else f"at least {low}" if high is None else f"{low} to {high}"
    return f"{amount} tensor{'' if amount == '1' else 's'}"


def flowing(amount: int, noun: str = " tensor") -> str:
    """`1 tensor flows`, `2 tensors flow`."""
    return f"{amount}{noun} flows" if amount == 1 else f"{amount}{noun and f'{noun}s'} flow"


def arity_help(stage: DefinedStage, names: str, found: int, high: int | None) -> str:
    if high is None or found <= high:
        return f"let all of them flow in: `({names}) -> {stage.definition.name}`"
    written = (
        stage.span.text
        if len(stage.span.text) <= 40 and "\n" not in stage.span.text
        else f"{stage.definition.name}(...)"
    )
    return f"join them first with `concat` or `stack`, or use `each({written})` for one of each"


def apply_block(ev: Evaluator, stage: BlockStage, tensors: list[Operand], span: Span) -> Any:
    template = stage.template
    declared = template.declaration.tensors
    if len(tensors) != len(declared):
        names = ", ".join(t.id for t in declared)
        raise ev.fail("E0502", stage.span,
                      f"{template.what} `{template.name}` takes {count(len(declared), len(declared))} "
                      f"({names}), and {flowing(len(tensors), '')} in")  # fmt: skip
    if stage.settings is None:
        from dlc.compiler.elaborate import calls

        stage = calls.block_stage(ev, template, [], stage.span)
    scope = Scope(template.home.file)
    for name, tensor in zip(declared, tensors, strict=True):
        scope.names[name.id] = tensor.output if tensor.output and ev.losses else ev.builder.tensor(tensor)
    scope.names.update(stage.settings or {})
    enter = ev.builder.enter_net if template.is_net else ev.builder.enter_block
    with enter(template, stage.span):
        return statements.run_body(ev.e, scope, template, losses=ev.losses)


# --- outputs ----------------------------------------------------------------------------------------------


def is_sink(stage: Any) -> bool:
    if isinstance(stage, tuple):
        return bool(stage) and all(isinstance(s, OutputRef) for s in stage)
    return isinstance(stage, OutputRef)


def into_outputs(ev: Evaluator, value: Any, before: syntax.Expr, sink: Any, step: syntax.Expr) -> None:
    outputs = sink if isinstance(sink, tuple) else (sink,)
    if isinstance(value, Stage):
        raise ev.fail("E0501", before.span, "a stage cannot flow into an output: it has no tensor yet",
                      help="begin the flow with a tensor: `x -> ...`")  # fmt: skip
    tensors = operands(ev, value, before)
    if len(tensors) != len(outputs):
        raise ev.fail("E0502", step.span,
                      f"{flowing(len(tensors))} into {len(outputs)} output{'s' * (len(outputs) != 1)}",
                      help="`split`, `concat` or indexing changes how many there are")  # fmt: skip
    if not ev.scope.top:
        raise ev.fail("E0503", step.span, "a block or net cannot reach the file's outputs",
                      help="`return` the tensor, and let it flow on where the block is used")  # fmt: skip
    for output, tensor in zip(outputs, tensors, strict=True):
        if output.scores is not None:
            raise ev.fail("E0503", step.span, f"something has flowed into `{output.name}` already",
                          help="every output is filled once")  # fmt: skip
        from dlc.compiler.elaborate import outputs as rules

        rules.fill(ev, output, tensor, step.span)
