"""Splits the nodes of a program into network and losses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Value
from dlc.compiler.passes import specialize
from dlc.compiler.passes.block_uses import net_results, whole_blocks
from dlc.compiler.passes.graph_rewrite import prune, without_identities
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.program import CompiledProgram


@record(eq=False)
class NetworkAndLosses:
    """`forward` are the nodes of the network; `losses` is the loss of each objective, with its other nodes.
    `roots` are the values that `forward` returns: the `outputs`, then those that losses read. `targets` are
    those after augmentation."""

    graph: Graph
    forward: list[Node]
    losses: list[tuple[Value, list[Node]]]
    outputs: list[Value]
    roots: list[Value]
    targets: set[Value]


def split(program: CompiledProgram) -> NetworkAndLosses:
    """The network are the nodes that outputs depend on, and all nodes of their blocks that do not depend on a
    target; all others are of losses. Nodes that depend on inputs alone are computed in both."""
    graph = file_graph(program)
    counts = {node.results[0]: len(node.results) for node in program.graph.nodes}
    more = {node: node.results[counts.get(node.results[0], len(node.results)) :] for node in graph.nodes}
    augmented = [node for node, results in more.items() if results]  # with additional results for targets
    targets = {v for node in augmented if len(node.results) == len(node.operands) for v in more[node]}
    outputs = list(dict.fromkeys(v for name, v in graph.outputs.items() if " of " not in name))
    marks: dict[Value, int] = {value: 1 for value in graph.inputs if value.is_target}
    of_targets = graph.depends(marks, {node.results[0]: 1 for node in augmented})
    forward = whole_blocks(graph, outputs, of_targets)
    values = [graph.outputs[f"loss of {number}"] for number in range(len(program.objectives))]
    losses = [(value, loss_nodes(graph, value, forward)) for value in values]
    made, shared = {value for node in forward for value in node.results}, []
    for value, nodes in losses:
        own = {v for node in nodes for v in node.results}
        shared += [v for v in (*reads(nodes), value) if v in made and v not in own]
    roots = list(dict.fromkeys([*outputs, *shared]))
    return NetworkAndLosses(graph, [n for n in graph.nodes if n in forward], losses, outputs, roots, targets)


def reads(nodes: Iterable[Node]) -> Iterator[Value]:
    return (value for node in nodes for value in node.reads)


def file_graph(program: CompiledProgram) -> Graph:
    """The graph of the whole file: scores of outputs, other exports, and losses, with augmented targets."""
    outputs: dict[str, Value] = {}
    for output in program.outputs:
        outputs |= {f"{output.name} scores": output.scores, f"{output.name} flowed": output.flowed}
    outputs |= {name: value for name, value in program.exports if isinstance(value, Value)}
    losses = {f"loss of {number}": loss for number, loss in enumerate(program.losses)}
    graph = specialize.with_augmented_targets(program, replace(program.graph, outputs=losses))
    graph = without_identities(replace(graph, outputs={**outputs, **graph.outputs}))
    results = {f"result of {number}": value for number, value in enumerate(net_results(graph))}
    return prune(graph, {**graph.outputs, **results})


def loss_nodes(graph: Graph, loss: Value, forward: Collection[Node]) -> list[Node]:
    """The nodes that a loss computes: of whole blocks those that are not in `forward`, and some again."""
    own = whole_blocks(graph, [loss]).difference(forward)
    own |= {*recomputed(graph, forward, own)}
    return [node for node in graph.nodes if node in own]


def recomputed(graph: Graph, forward: Collection[Node], own: Collection[Node]) -> Iterator[Node]:
    """The nodes of the network that a loss computes again: its own nodes read them, and they depend on inputs
    alone, without weights, random draws, blocks or operands of derivatives, which need the same tensor."""
    plain: set[Value] = {*graph.inputs}
    wanted: set[Value] = {*reads(own)}
    tracked = {node.operands[node.operator.wrt] for node in graph.nodes if node.operator.wrt is not None}
    for node in graph.nodes if forward else ():
        is_excluded = node.weights or node.operator.random or node.site.uses or node.operator.training_only
        is_plain = not is_excluded and plain.issuperset(node.operands) and tracked.isdisjoint(node.results)
        plain.update(node.results if is_plain else ())
    for node in reversed(graph.nodes):
        if node in forward and plain.issuperset(node.results) and not wanted.isdisjoint(node.results):
            wanted.update(node.reads)
            yield node
