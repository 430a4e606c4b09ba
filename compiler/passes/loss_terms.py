"""The terms of a loss by output, and the losses that have names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.passes.loss_means import batch_dependent, is_linear

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.ir.graph import Graph, Node, Output, Value

SEVERAL = ""  # not the name of an output


def by_output(nodes: Sequence[Node], loss: Value, outputs: Iterable[Output]) -> dict[str, tuple[Value, ...]]:
    """The terms of a sum by output. Empty if a term belongs to no output or to several outputs, or if all
    terms belong to one output.

    A term belongs to an output if every loss in it reads the value of that output, or its target.
    """
    owners, found = owners_of(nodes, outputs), {}
    for term in terms(nodes, loss):
        owner = owners.get(term, SEVERAL)
        if owner == SEVERAL:
            return {}
        found.setdefault(owner, []).append(term)
    return {output: tuple(own) for output, own in found.items()} if len(found) > 1 else {}


def named_losses(graph: Graph, named: Mapping[str, Value]) -> dict[str, Value]:
    """The losses among named values of a graph with the output `loss`: the values that it depends on, and
    that are computed from losses or are its terms. A derivative of a loss is not a loss."""
    known = replace(graph, nodes=tuple(node for node in graph.nodes if node.operator.wrt is None))
    losses = (node for node in known.nodes if node.operator.family == "loss")
    computed = known.depends({value: 1 for node in losses for value in node.results})
    live, summed = graph.needed_by(graph.outputs.values()), scaled_terms(graph, graph.outputs["loss"])
    return {
        name: value
        for name, value in named.items()
        if value in live and ((value.type.is_float and value in computed) or value in summed)
    }


def scaled_terms(graph: Graph, loss: Value) -> set[Value]:
    """The terms of a sum, and their factors that depend on the batch where all other factors do not; a truth
    value that counts as 0 or 1 is a term too."""
    of_batch, producers = batch_dependent(graph), graph.producers()
    found, stack = set(), [loss]
    while stack:
        value = stack.pop()
        found.add(value)
        node = producers.get(value)
        if node is not None and (node.operator.sums or node.operator.converts or is_linear(node, of_batch)):
            stack += of_batch.intersection(node.operands) - found
    return found


def terms(nodes: Sequence[Node], loss: Value) -> Iterator[Value]:
    """The terms of a sum, or of the mean of a sum, from left to right."""
    producers, stack = {v: node for node in nodes for v in node.results}, [loss]
    while stack:
        value = stack.pop()
        node = producers.get(value)
        if node is not None and node.operator.sums:
            stack += reversed(node.operands)
        else:
            yield value


def owners_of(nodes: Sequence[Node], outputs: Iterable[Output]) -> dict[Value, str]:
    """The output that each loss, and each value computed from losses, belongs to."""
    named: dict[Value, str] = {}
    for output in outputs:
        for value in {output.scores, output.flowed, output.target_value}:
            if value is not None:
                named[value] = SEVERAL if value in named else output.name
    found: dict[Value, str] = {}
    for node in nodes:
        owner = owner_of(node, found, named)
        if owner is not None:
            found.update(dict.fromkeys(node.results, owner))
    return found


def owner_of(node: Node, found: dict[Value, str], named: dict[Value, str]) -> str | None:
    """The output that a node belongs to; none if it does not depend on a loss."""
    known = {found[value] for value in node.operands if value in found}
    if node.operator.family == "loss":
        read = {named[value] for value in node.operands if value in named}
        known |= (read - {SEVERAL}) or {SEVERAL}
    if not known:
        return None
    return known.pop() if len(known) == 1 else SEVERAL
