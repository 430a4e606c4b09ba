"""Operands of losses: the target of an output, and the scores (logits) before a matching activation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.elaborate import outputs
from dlc.compiler.elaborate.values import Operand
from dlc.compiler.ir.graph import Value, producer_through_index

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator


def with_targets(ev: Evaluator, loss: Any, tensors: list[Operand], span: Span) -> list[Operand]:
    """The operands of a loss. An output that is the only operand is compared with its target."""
    if not loss.of_target:
        return tensors
    if len(tensors) == 1 and tensors[0].output is not None:
        tensors = [*tensors, Operand(outputs.target(ev, tensors[0].output), span)]
    elif len(tensors) == 1 and loss.arity()[0] == 2:
        raise ev.fail("E0502", span,
                      f"`{loss.name}` of one tensor takes the name of an output, which has a target",
                      help=f"give it both: `{loss.name}(prediction, target)`")  # fmt: skip
    if not loss.of_scores or not isinstance(tensors[0].value, Value):
        return tensors
    producer = producer_through_index(tensors[0].value, ev.builder.producers)
    if producer is not None and producer.operator.matches in loss.of_scores:
        scores = outputs.scores_before(ev, producer, tensors[0].value, span)
        return [replace(tensors[0], value=scores), *tensors[1:]]
    return tensors
