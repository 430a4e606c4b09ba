"""Attribute access: `x.shape`, `x.rank` and other attributes of tensors, inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.parameter_types import describe
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.elaborate import outputs, unknown_names
from dlc.compiler.elaborate.tensor_operands import scores_of
from dlc.compiler.elaborate.values import InputRef, Operand, OutputRef
from dlc.compiler.ir.graph import Value
from dlc.compiler.operators.lengths import SequenceLength, SequenceMask

if TYPE_CHECKING:
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.types import Tensor

TENSOR_ATTRIBUTES = ("shape", "rank", "features", "channels", "classes", "mask", "length")
OF_SEQUENCES = {"mask": SequenceMask, "length": SequenceLength}
OF_OUTPUTS = ("target", "valid", "logits", "probabilities")
OUTPUT_ATTRIBUTES = (*TENSOR_ATTRIBUTES, *OF_OUTPUTS)


def read(ev: Evaluator, expr: syntax.Attribute) -> Any:
    if halt := unknown_names.foreign_module(ev, expr):
        raise halt
    if isinstance(expr.value, syntax.Name) and expr.name in ("weight", "bias"):
        refuse_operator(ev, expr.value, expr)
    value = ev.evaluate(expr.value)
    known = OUTPUT_ATTRIBUTES if isinstance(value, OutputRef) else TENSOR_ATTRIBUTES
    if not isinstance(value, (Value, InputRef, OutputRef)):
        raise ev.fail("E0306", expr.name_span, f"{describe(value)} has no `.{expr.name}`")
    if expr.name not in known:
        raise ev.fail("E0306", expr.name_span, f"{describe(value)} has no `.{expr.name}`",
                      help=did_you_mean(expr.name, known)
                           or f"its attributes are {', '.join(known)}")  # fmt: skip
    if isinstance(value, OutputRef) and expr.name in OF_OUTPUTS:
        return output_attribute(ev, value, expr)
    if isinstance(value, OutputRef):
        type = value.declared if value.scores is None else value.scores.type
    else:
        type = value.value.type if isinstance(value, InputRef) else value.type
    if expr.name == "classes":
        return class_count(ev, value, expr)
    if expr.name == "shape":
        return list(type.shape)
    if expr.name == "rank":
        return type.rank
    if expr.name in OF_SEQUENCES:
        return of_sequence(ev, value, type, expr)
    if not type.shape:
        raise ev.fail(
            "E0306", expr.name_span, f"{type} is one value per sample and has no axis for `.{expr.name}`"
        )
    return type.shape[-1] if expr.name == "features" else type.shape[0]


def refuse_operator(ev: Evaluator, name: syntax.Name, expr: syntax.Attribute) -> None:
    """Report `embedding.weight`, where `embedding` is the operator."""
    operator = Definition.families["operator"].get(name.id)
    if operator is not None and name.id not in ev.scope.names:
        given = (
            f"declare one, `weight w: float[100, 32] = normal(0.02)`, and write `{name.id}(..., weight=w)`"
        )
        raise ev.fail("E0306", expr.name_span, f"every use of `{name.id}` has its own `{expr.name}`",
                      help=given if "weight" in operator.settings else "")  # fmt: skip


def of_sequence(ev: Evaluator, value: Any, type: Tensor, expr: syntax.Attribute) -> Value:
    """The mask or the lengths of a sequence."""
    if type.free_axis is None:
        help = "write its length as a capitalised name, such as `T`: `float[T, 8]`"
        message = f"{type} has a known length, and only a sequence of free length has `.{expr.name}`"
        raise ev.fail("E0306", expr.name_span, message, help=help)
    of = scores_of(ev, value, expr.span) if isinstance(value, OutputRef) else value
    of = of.value if isinstance(of, InputRef) else of
    return ev.builder.apply(OF_SEQUENCES[expr.name](), [Operand(of, expr.span)], expr.span)[0]


def class_count(ev: Evaluator, value: Any, expr: syntax.Attribute) -> Any:
    type = (
        value.declared
        if isinstance(value, OutputRef)
        else value.value.type
        if isinstance(value, InputRef)
        else value.type
    )
    if type.element != "class" or type.classes is None:
        raise ev.fail("E0306", expr.name_span, f"only a value of type `class` has `.classes`, this is {type}")
    return type.classes.count


def output_attribute(ev: Evaluator, output: OutputRef, expr: syntax.Attribute) -> Any:
    if expr.name == "target":
        return outputs.target(ev, output)
    if expr.name == "valid":
        return outputs.valid(ev, output, expr.span)
    scores = scores_of(ev, output, expr.span)
    if expr.name == "logits":
        return scores
    return outputs.probabilities(ev, output, expr.span)
