"""Splits the nodes of a program into network and loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Value
from dlc.compiler.passes import specialize
from dlc.compiler.passes.graph_rewrite import prune, without_identities
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.program import CompiledProgram


@record(eq=False)
class NetworkAndLoss:
    """`forward` are the nodes of the network, `loss` all others. `roots` are the values that `forward`
    returns: the `outputs`, then those that the loss reads. `targets` are those after augmentation."""

    graph: Graph
    forward: list[Node]
    loss: list[Node]
    outputs: list[Value]
    roots: list[Value]
    targets: set[Value]


def split(program: CompiledProgram) -> NetworkAndLoss:
    """Nodes that outputs depend on are the network, all others are the loss. A block is not divided. Nodes
    that depend on inputs alone are computed in both."""
    graph = file_graph(program)
    counts = {node.results[0]: len(node.results) for node in program.graph.nodes}
    more = {node: node.results[counts.get(node.results[0], len(node.results)) :] for node in graph.nodes}
    augmented = [node for node, results in more.items() if results]  # with additional results for targets
    targets = {v for node in augmented if len(node.results) == len(node.operands) for v in more[node]}
    outputs = list(dict.fromkeys(v for name, v in graph.outputs.items() if name != specialize.LOSS))
    forward = network(graph, outputs, [node.results[0] for node in augmented])
    again = set(recomputed(graph, forward))
    loss = [node for node in graph.nodes if node not in forward or node in again]
    own = {value for node in loss for value in node.results}
    made = {value for node in forward for value in node.results}
    read = (value for node in loss for value in node.reads)
    shared = [v for v in (*read, *graph.outputs.values()) if v in made and v not in own]
    roots = list(dict.fromkeys([*outputs, *shared]))
    nodes = [node for node in graph.nodes if node in forward]
    return NetworkAndLoss(graph, nodes, loss, outputs, roots, targets)


def file_graph(program: CompiledProgram) -> Graph:
    """The graph of the whole file: scores of outputs, other exports, and the loss, with augmented targets."""
    outputs: dict[str, Value] = {}
    for output in program.outputs:
        outputs |= {f"{output.name} scores": output.scores, f"{output.name} flowed": output.flowed}
    outputs |= {name: value for name, value in program.exports if isinstance(value, Value)}
    graph = program.graph
    if program.phases:
        graph = replace(graph, outputs={specialize.LOSS: program.objective.loss})
        graph = specialize.with_augmented_targets(program, graph)
        outputs |= graph.outputs
    return prune(without_identities(replace(graph, outputs=outputs)))


def network(graph: Graph, outputs: Collection[Value], augmented: Collection[Value]) -> set[Node]:
    """The nodes that outputs depend on, and all nodes of their blocks that do not depend on a target."""
    marks: dict[Value, int] = {value: 1 for value in graph.inputs if value.is_target}
    targets = graph.depends(marks, dict.fromkeys(augmented, 1))
    forward: set[Node] = set()
    wanted = set(outputs)
    while True:
        needed = graph.needed_by(wanted)
        found = {node for node in graph.nodes if not needed.isdisjoint(node.results)}
        if len(found) == len(forward):
            return forward
        forward = found
        uses = {node.site.entered[-1] for node in forward if node.site.entered}
        inside = (n for n in graph.nodes if n.site.entered and n.site.entered[-1] in uses)
        wanted |= {value for node in inside for value in node.results if not targets.get(value)}


def recomputed(graph: Graph, forward: Collection[Node]) -> Iterator[Node]:
    """The nodes of the network that the loss computes again: it reads them, and they depend on inputs alone,
    without weights, random draws or blocks. Derivatives need the same tensor, so their operands are kept."""
    plain: set[Value] = {*graph.inputs}
    wanted: set[Value] = {value for node in graph.nodes if node not in forward for value in node.reads}
    tracked = {node.operands[node.operator.wrt] for node in graph.nodes if node.operator.wrt is not None}
    for node in graph.nodes if forward else ():
        is_excluded = node.weights or node.operator.random or node.site.uses or node.operator.training_only
        is_plain = not is_excluded and plain.issuperset(node.operands) and tracked.isdisjoint(node.results)
        plain.update(node.results if is_plain else ())
    for node in reversed(graph.nodes):
        if node in forward and plain.issuperset(node.results) and not wanted.isdisjoint(node.results):
            wanted.update(node.reads)
            yield node
