"""Outputs: their scores, the shape that their type requires, and their targets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Label
from dlc.compiler.dims.dim import is_free, names, substitute
from dlc.compiler.elaborate import shape_hints
from dlc.compiler.elaborate.values import Halt, Operand, OutputRef
from dlc.compiler.ir.graph import Value, producer_through_index
from dlc.compiler.operators.arithmetic import Cast
from dlc.compiler.operators.indexing import Slice
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.operators.validity import Valid
from dlc.compiler.output_kinds import class_axis, kind_of
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.ir.graph import GraphInput, Node


STAGES_BEFORE = 8  # of an output: where a hint looks for a recurrent layer


def fill(ev: Evaluator, output: OutputRef, tensor: Operand, span: Span) -> None:
    value = ev.builder.tensor(tensor)
    if not value.type.is_number:
        help = "its input is scores, one per class" if output.declared.element == "class" else ""
        raise ev.fail("E0507", span, f"`{output.name}` takes numbers, found {value.type}", help=help)
    if value not in ev.builder.input_dependent:
        raise ev.fail("E0507", span,
                      f"the value of `{output.name}` is the same for every sample: it depends on no input",
                      help="begin its flow with an input")  # fmt: skip
    kind = kind_of(output.declared)
    if not kind.scores_shape(output.declared) and value.type.shape == (1,):
        value = ev.builder.apply(Slice(entries=(0,)), [Operand(value, span)], span)[0]
    if kind.probabilities and value.type.element != "float":
        value = ev.builder.apply(Cast(to="float"), [Operand(value, span)], span)[0]
    if has_blank(output.declared, value.type):
        output.declared = replace(output.declared, blank=True)
    else:
        output.declared = bind_free(ev, output.declared, value.type)
        wanted = kind.scores_shape(output.declared)
        if value.type.shape != wanted:
            raise mismatch(ev, output, value, wanted, span)
    producer = producer_through_index(value, ev.builder.producers)
    output.flowed, output.scores, output.filled = value, value, span
    del ev.state.unfilled_outputs[output.name]
    if producer is not None and matches(producer, output.declared):
        output.scores = scores_before(ev, producer, value, span)


def scores_before(ev: Evaluator, producer: Node, value: Value, span: Span) -> Value:
    before = producer.operands[0]
    if before.type.shape == value.type.shape:
        return before
    return ev.builder.apply(Slice(entries=(0,)), [Operand(before, span)], span)[0]


def matches(node: Node, declared: Tensor) -> bool:
    operator, x = node.operator, node.operands[0].type
    if not operator.matches or operator.matches != declared.element:
        return False
    axis = operator.sums_to_one(x)
    return axis is None or axis == class_axis(x.rank) % x.rank


def has_blank(declared: Tensor, found: Tensor) -> bool:
    """Whether the scores of a sequence of classes have one class more than the output: the blank of `ctc`.
    The sequence has a length of its own, so no dimension is compared or bound."""
    of_sequence = declared.element == "class" and declared.rank == 1 and found.rank == 2
    return of_sequence and declared.classes is not None and found.shape[1] == declared.classes.count + 1


def check_blanks(ev: Evaluator) -> None:
    """Reject scores with a class more than their output that no `ctc` reads."""
    decoded = [o for o in ev.scope.file.outputs.values() if isinstance(o, OutputRef) and o.declared.blank]
    if not decoded:
        return
    graph = ev.state.graph({})
    read = graph.needed_by(node.operands[0] for node in graph.nodes if node.operator.aligns)
    unread = [output for output in decoded if output.scores not in read]
    for output in unread:
        assert output.flowed is not None and output.filled is not None
        output.declared = bind_free(ev, replace(output.declared, blank=False), output.flowed.type)
        wanted = kind_of(output.declared).scores_shape(output.declared)
        mismatch(ev, output, output.flowed, wanted, output.filled)
    if unread:
        raise Halt


def bind_free(ev: Evaluator, declared: Tensor, found: Tensor) -> Tensor:
    """Bind a free dimension that only outputs have to the size of the value."""
    bound = {}
    for wanted, size in zip(kind_of(declared).scores_shape(declared), found.shape, strict=False):
        if is_free(wanted) and not names(wanted) & ev.state.input_names:
            bound.setdefault(str(wanted), size)
    shape = tuple(substitute(s, bound) for s in declared.shape)
    return replace(declared, shape=shape)


def mismatch(ev: Evaluator, output: OutputRef, value: Value, wanted: tuple, span: Span):
    declared, found = output.declared, value.type
    spelled = spell_classes(declared) if declared.element == "class" else declared
    message = f"`{output.name}` takes {found.with_shape(*wanted)}, found {found}"
    help = blank_fix(output, found) or states_fix(ev, value, wanted)
    help = help or shape_fix(declared, found.shape, wanted)
    if is_decision(ev, declared, value):
        help = f"leave `{kind_of(declared).equivalent_operator}` out: a {declared.element} takes its scores"
    help = help or shape_hints.setting_fix(value, ev.builder.producers, lambda made: made.shape == wanted)
    return ev.fail("E0507", span, message, help=help,
                   more=[Label(output.span, f"declared as {spelled}")])  # fmt: skip


def is_decision(ev: Evaluator, declared: Tensor, value: Value) -> bool:
    """Whether the value is a decision (`argmax` or similar), where the output takes scores."""
    node = ev.builder.producers.get(value)
    while node is not None and node.operator.converts:
        node = ev.builder.producers.get(node.operands[0])
    return node is not None and node.operator.name == kind_of(declared).equivalent_operator


def blank_fix(output: OutputRef, found: Tensor) -> str:
    """The fix for scores of frames, where a sequence of classes has a length of its own."""
    declared = output.declared
    if declared.element != "class" or declared.classes is None or declared.rank != 1 or found.rank != 2:
        return ""
    count, loss = declared.classes.count, f"`train {{ loss = ctc({output.name}) }}`"
    units = f"give the layer before it {count} units, one for each class" if found.shape[1] != count else ""
    if found.shape[1] == count + 1:
        return f"{units}; a unit more, the blank, is for {loss}"
    if found.shape[0] == declared.shape[0] and isinstance(count, int):
        return ""
    own = f"a text of another length than its frames takes {output.name}.classes + 1 units, the blank " \
          f"first, and {loss}"  # fmt: skip
    return f"{units}; {own}" if units else own


def states_fix(ev: Evaluator, value: Value, wanted: tuple[Size, ...]) -> str:
    """The fix for a value at each step of a recurrent layer a few stages before it, where one is wanted."""
    if value.type.shape[1:] not in (wanted, (*wanted, 1)):
        return ""
    for _ in range(STAGES_BEFORE):
        node = ev.builder.producers.get(value)
        if node is None or not node.operands:
            return ""
        if (layer := node.operator).recurs:
            each = f"`{layer.name}` gives a state for each step"
            return f"{each}: `final=true`, or `last` after it, gives the last alone"
        value = node.operands[0]
    return ""


def shape_fix(declared: Tensor, found: tuple[Size, ...], wanted: tuple[Size, ...]) -> str:
    """The fix that gives a value the shape that an output takes."""
    if declared.element == "class" and declared.classes is not None and len(found) == len(wanted):
        class_position = class_axis(len(wanted)) % len(wanted)
        if any(found[axis] != size for axis, size in enumerate(wanted) if axis != class_position):
            return ""
        count, units = declared.classes.count, "channels" if declared.rank >= 2 else "units"
        each = f"of the {count} classes" if isinstance(count, int) else "class that the data has"
        return f"one score for each {each}: give the layer before it {count} {units}"
    if len(found) > len(wanted) and is_free(found[0]) and found[1:] in (wanted, (*wanted, 1)):
        return f"the batch is never written: if `{found[0]}` stands for it, leave it out of the input's type"
    if len(found) > max(len(wanted), 1):
        return "`flatten` before the last layer makes one axis of all; " \
               "`global_avgpool` keeps one value a channel"  # fmt: skip
    if not wanted and found:
        return "the output takes one value: end in `dense(1)` or a reduction"
    if not found and wanted == (1,):
        return f"declare the output as `{declared.element}`, one value per sample"
    if declared.element != "class" and len(wanted) == len(found) == 1:
        return f"give the layer before it {wanted[0]} units"
    return ""


def probabilities(ev: Evaluator, output: OutputRef, span: Span) -> Value:
    """The probabilities of an output: from its own activation, or from the activation of its type."""
    activation = kind_of(output.declared).activation(output.declared)
    if activation is None:
        raise ev.fail(
            "E0306",
            span,
            f"only a class or binary has `.probabilities`, `{output.name}` is {output.declared}",
        )
    assert output.flowed is not None and output.scores is not None
    if output.flowed is not output.scores:
        return output.flowed
    return ev.builder.apply(activation, [Operand(output.scores, span)], span)[0]


def target(ev: Evaluator, output: OutputRef) -> GraphInput:
    """The data field with which the output is compared, an input of the training graph."""
    if output.target_value is None:
        declared = output.declared
        wanted = replace(declared, element=kind_of(declared).target(declared), blank=False)
        output.target_value = ev.state.target(output.target, wanted, output.span)
    return output.target_value


def valid(ev: Evaluator, output: OutputRef, span: Span) -> Value:
    """The entries of the target that count."""
    return ev.builder.apply(Valid(), [Operand(target(ev, output), span)], span)[0]
