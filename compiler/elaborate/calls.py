"""Calls of operators, losses, blocks, stages and plain functions."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dlc.compiler import static, syntax
from dlc.compiler.definitions.definition import Definition, family
from dlc.compiler.definitions.parameter_types import describe
from dlc.compiler.dims.dim import BATCH_SIZE, Dim
from dlc.compiler.elaborate import arguments, blocks, flow, unknown_names
from dlc.compiler.elaborate.scope import CONSTANTS, FUNCTIONS, LOSS_FUNCTIONS
from dlc.compiler.elaborate.shape_hints import ANY_LENGTH
from dlc.compiler.elaborate.tensor_operands import operands
from dlc.compiler.elaborate.values import DefinedStage, Halt, Operand, Stage, Template
from dlc.compiler.operators.base import Operator
from dlc.compiler.operators.eye import Eye
from dlc.compiler.static import MAX_LIST
from dlc.compiler.training.ramp import NumberAtStep, Ramp
from dlc.compiler.training.whole_batch import JoinBatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.ir.graph import Value


def call(ev: Evaluator, expr: syntax.Call, *, after_arrow: bool = False) -> Any:
    """The result of a call. After an arrow, a call of an operator that may take more tensors waits for them:
    `x -> lstm(state, 32)`."""
    function = expr.function
    if isinstance(function, syntax.Name):
        if function.id in FUNCTIONS and function.id not in ev.scope.names:
            return plain_function(ev, function.id, expr)
        if function.id in CONSTANTS and not is_named(ev, function.id):
            return constant(ev, function.id, expr)
        if function.id in LOSS_FUNCTIONS and not is_named(ev, function.id):
            return loss_function(ev, function.id, expr)
        target = called(ev, function, expr)
        if isinstance(target, type) and issubclass(target, Definition):
            return call_definition(ev, target, expr, after_arrow=after_arrow)
        if isinstance(target, Template):
            return call_block(ev, target, expr)
    if isinstance(function, syntax.Attribute):
        raise unknown_names.method_call(ev, expr, function)
    stage = ev.evaluate(function)
    if not isinstance(stage, Stage):
        raise ev.fail("E0401", expr.span, f"{describe(stage)} cannot be called",
                      help="operators, blocks, nets and stages can be called")  # fmt: skip
    return call_stage(ev, stage, expr)


def called(ev: Evaluator, function: syntax.Name, expr: syntax.Call) -> Any:
    """Look up the name of a call. If it is unknown within a loss, errors in its positional names are reported
    too."""
    try:
        return ev.lookup(function.id, function.span, call=expr)
    except Halt:
        names = [a.value for a in expr.arguments if isinstance(a.value, syntax.Name) and a.name is None]
        for name in names if ev.losses else ():
            with suppress(Halt):
                ev.evaluate(name)
        raise


def call_stage(ev: Evaluator, stage: Stage, expr: syntax.Call) -> Any:
    """Call a stage that has a name with its tensors."""
    tensors: list[Operand] = []
    for argument in expr.arguments:
        if argument.name is not None:
            raise ev.fail(
                "E0402",
                argument.name_span or argument.value.span,
                "a stage has its settings already; it takes only tensors",
            )
        tensors += operands(ev, ev.evaluate(argument.value), argument.value)
    if not tensors:
        raise ev.fail(
            "E0401", expr.span, f"{stage.describe()} has its settings already", help="leave out the brackets"
        )
    return flow.apply(ev, stage, tensors, expr.span)


# --- operators, losses, combinators -----------------------------------------------------------------------


def bare_stage(ev: Evaluator, definition: type[Definition], span: Span) -> DefinedStage:
    """A name without parentheses, as in `-> relu`."""
    return DefinedStage(arguments.bind(ev, definition, None, span)[0], (), span, {})


def call_definition(
    ev: Evaluator, definition: type[Definition], expr: syntax.Call, *, after_arrow: bool = False
) -> Any:
    instance, tensors, spans = arguments.bind(ev, definition, expr, expr.span)
    if (numbers := static_numbers(definition, tensors, spans)) is not None:
        return static.call(definition.name, *numbers)
    stage = DefinedStage(instance, tuple(tensors), expr.span, spans)
    low, high = 1, None
    if issubclass(definition, Operator) and definition.family != "loss":
        low, high = definition.arity()
        low = max(low, definition.least_in_call)
        if after_arrow and high == 1 and tensors:
            raise already_applied(ev, expr, definition.name)
    if after_arrow and high is not None:
        low = high
    return flow.apply(ev, stage, [], expr.span) if tensors and len(tensors) >= low else stage


def already_applied(ev: Evaluator, step: syntax.Call, name: str) -> Halt:
    """The error for a call after an arrow that has all its tensors already."""
    help = f"write all its tensors before the arrow: `(a, b) -> {name}`"
    operator = Definition.families["operator"].get(name, Definition)
    several = issubclass(operator, Operator) and operator.arity()[1] is None
    if not several and all(isinstance(a.value, syntax.Literal) for a in step.arguments):
        help = f"`{name}` has no settings, so a number is taken as its tensor: write `{name}`"
    message = f"`{name}` has its tensors in the brackets already, and another flows in"
    return ev.fail("E0501", step.span, message, help=help)


def static_numbers(
    definition: type[Definition], tensors: list[Operand], spans: Mapping[str, Span]
) -> list[Any] | None:
    """The operands of a call that is computed when the file is compiled; `None` for other calls."""
    numbers = [tensor.value for tensor in tensors]
    several = definition.name in static.FUNCTIONS_OF_SEVERAL and len(numbers) > 1
    one = definition.name in static.FUNCTIONS and len(numbers) == 1
    return numbers if (one or several) and not spans and all(map(static.is_number, numbers)) else None


def constant(ev: Evaluator, name: str, expr: syntax.Call) -> Value:
    """`eye(n)`, and `load(path, name)`: the initial value of that name as a constant."""
    if name == "eye":
        unit = arguments.member(ev, Eye, expr)
        ev.builder.count_numbers(name, (unit.size, unit.size), expr.span)
        return ev.builder.apply(unit, [], expr.span, unit.spans)[0]
    made: Any = arguments.member(ev, family("initial")[name], expr)
    return ev.builder.loaded(made, made.type.element, expr.span)


# --- functions of losses ----------------------------------------------------------------------------------


def loss_function(ev: Evaluator, name: str, expr: syntax.Call) -> Any:
    """`batch(x)` and `ramp(from, to, steps)`, which are allowed in losses."""
    if not ev.losses:
        raise unknown_names.unresolved(ev, name, expr.function.span)
    if name == "batch" and str(BATCH_SIZE) in ev.scope.file.free:
        raise ev.fail("E0302", expr.function.span,
                      f"`{BATCH_SIZE}` is the size of the batch in losses, and a free dimension of this file",
                      help="give that dimension another name")  # fmt: skip
    if name == "batch":
        return call_definition(ev, JoinBatch, expr)
    ramp = arguments.member(ev, Ramp, expr)
    return ev.builder.apply(NumberAtStep(number=ramp), [], expr.span, ramp.spans)[0]


def is_named(ev: Evaluator, name: str) -> bool:
    """Whether the file or the block has something of that name."""
    return name in ev.scope.names or name in ev.scope.file.declared or ev.scope.file.knows(name)


# --- blocks and nets --------------------------------------------------------------------------------------


def call_block(ev: Evaluator, template: Template, expr: syntax.Call) -> Any:
    stage = blocks.block_stage(ev, template, expr.arguments, expr.span)
    declared = template.declaration.tensors
    return (
        flow.apply(ev, stage, [], expr.span) if stage.given and len(stage.given) >= len(declared) else stage
    )


# --- plain functions --------------------------------------------------------------------------------------


def plain_function(ev: Evaluator, name: str, expr: syntax.Call) -> Any:
    if any(a.name for a in expr.arguments):
        raise ev.fail("E0402", expr.span, f"`{name}` has no settings")
    values = ev.evaluate_all([a.value for a in expr.arguments])
    if name == "range":
        return make_range(ev, values, expr)
    if not values or not all(
        isinstance(v, (list, tuple)) or (name == "len" and isinstance(v, str)) for v in values
    ):
        found = ", ".join(map(describe, values)) or "nothing"
        raise ev.fail("E0403", expr.span, f"`{name}` takes lists, found {found}")
    if name != "zip" and len(values) != 1:
        raise ev.fail("E0404", expr.span, f"`{name}` takes one list, found {len(values)}")
    if name == "zip":
        return ev.counted([tuple(entry) for entry in zip(*values, strict=False)], expr.span)
    return len(values[0]) if name == "len" else ev.counted(list(reversed(values[0])), expr.span)


def make_range(ev: Evaluator, values: list[Any], expr: syntax.Call) -> list[int]:
    if not 1 <= len(values) <= 3 or not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise ev.fail(
            "E0403",
            expr.span,
            f"`range` takes one to three whole numbers, found {', '.join(map(describe, values)) or 'none'}",
            help=ANY_LENGTH if any(isinstance(v, Dim) for v in values) else "",
        )
    if len(values) == 3 and values[2] == 0:
        raise ev.fail("E0403", expr.span, "the step of a `range` cannot be 0")
    numbers = range(*values)
    if len(numbers) > MAX_LIST:
        raise ev.fail(
            "E0904",
            expr.span,
            f"a `range` of {len(numbers):_} entries is too long",
            help=f"at most {MAX_LIST:_} are possible",
        )
    return ev.counted(list(numbers), expr.span)
