"""Splits the nodes of a program into network and losses."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Value
from dlc.compiler.passes import specialize
from dlc.compiler.passes.graph_rewrite import prune, without_identities
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from dlc.compiler.diagnostics.source import Use
    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.program import CompiledProgram


@record(eq=False)
class NetworkAndLosses:
    """`forward` are the nodes of the network; `losses` are the loss of each objective, with its nodes that are
    not of the network. `roots` are the values that `forward` returns: the `outputs`, then those that losses
    read. `targets` are those after augmentation."""

    graph: Graph
    forward: list[Node]
    losses: list[tuple[Value, list[Node]]]
    outputs: list[Value]
    roots: list[Value]
    targets: set[Value]


def split(program: CompiledProgram) -> NetworkAndLosses:
    """Nodes that outputs depend on are the network, all others are of losses. A block is not divided. Nodes
    that depend on inputs alone are computed in both."""
    graph = file_graph(program)
    counts = {node.results[0]: len(node.results) for node in program.graph.nodes}
    more = {node: node.results[counts.get(node.results[0], len(node.results)) :] for node in graph.nodes}
    augmented = [node for node, results in more.items() if results]  # with additional results for targets
    targets = {v for node in augmented if len(node.results) == len(node.operands) for v in more[node]}
    outputs = list(dict.fromkeys(v for name, v in graph.outputs.items() if " of " not in name))
    forward = network(graph, outputs, [node.results[0] for node in augmented])
    values = [graph.outputs[loss_name(number)] for number in range(len(program.objectives))]
    losses = [(value, loss_nodes(graph, value, forward)) for value in values]
    made, shared = {value for node in forward for value in node.results}, []
    for value, nodes in losses:
        own = {v for node in nodes for v in node.results}
        shared += [v for v in (*reads(nodes), value) if v in made and v not in own]
    roots = list(dict.fromkeys([*outputs, *shared]))
    return NetworkAndLosses(
        graph, [n for n in graph.nodes if n in forward], losses, outputs, roots, targets
    )


def loss_name(number: int) -> str:
    """The name of the loss of an objective in the graph of a file."""
    return f"loss of {number}"


def reads(nodes: Iterable[Node]) -> Iterator[Value]:
    return (value for node in nodes for value in node.reads)


def file_graph(program: CompiledProgram) -> Graph:
    """The graph of the whole file: scores of outputs, other exports, and losses, with augmented targets."""
    outputs: dict[str, Value] = {}
    for output in program.outputs:
        outputs |= {f"{output.name} scores": output.scores, f"{output.name} flowed": output.flowed}
    outputs |= {name: value for name, value in program.exports if isinstance(value, Value)}
    graph = replace(program.graph, outputs={loss_name(n): loss for n, loss in enumerate(program.losses)})
    graph = specialize.with_augmented_targets(program, graph)
    graph = without_identities(replace(graph, outputs=outputs | graph.outputs))
    return prune(graph, graph.outputs | net_results(graph))


def net_results(graph: Graph) -> dict[str, Value]:
    """The results of a net that one of its uses has; all other uses have to return them too."""
    nets: dict[str, dict[Use, list[Value]]] = {}
    for node in graph.nodes:
        for use in (use for use in node.site.entered if use.what.startswith("net ")):
            nets.setdefault(use.prefix, {}).setdefault(use, []).extend(node.results)
    live = prune(graph)
    readers, ends = live.readers(), {*live.outputs.values()}
    found: list[Value] = []
    for uses in nets.values():
        used = {use: values for use, values in uses.items() if not readers.keys().isdisjoint(values)}
        for column in zip(*used.values(), strict=False):
            pairs = zip(used, column, strict=True)
            if any(v in ends or any(u not in n.site.uses for n in readers.get(v, ())) for u, v in pairs):
                found += column
    return {f"result of {number}": value for number, value in enumerate(found)}


def network(graph: Graph, outputs: Collection[Value], augmented: Collection[Value]) -> set[Node]:
    """The nodes that outputs depend on, and all nodes of their blocks that do not depend on a target."""
    marks: dict[Value, int] = {value: 1 for value in graph.inputs if value.is_target}
    return whole_blocks(graph, outputs, graph.depends(marks, dict.fromkeys(augmented, 1)))


def loss_nodes(graph: Graph, loss: Value, forward: Collection[Node]) -> list[Node]:
    """The nodes that a loss computes: those of whole blocks that are not in `forward`, and some again."""
    own = whole_blocks(graph, [loss]).difference(forward)
    own |= {*recomputed(graph, forward, own)}
    return [node for node in graph.nodes if node in own]


def whole_blocks(
    graph: Graph, values: Iterable[Value], left: Mapping[Value, int] = MappingProxyType({})
) -> set[Node]:
    """The nodes that values depend on, and all nodes of their blocks, except those of `left`."""
    found: set[Node] = set()
    wanted = set(values)
    while True:
        needed = graph.needed_by(wanted)
        before, found = found, {node for node in graph.nodes if not needed.isdisjoint(node.results)}
        if len(found) == len(before):
            return found
        uses = {node.site.entered[-1] for node in found if node.site.entered}
        inside = (n for n in graph.nodes if n.site.entered and n.site.entered[-1] in uses)
        wanted |= {value for node in inside for value in node.results if not left.get(value)}


def recomputed(graph: Graph, forward: Collection[Node], own: Collection[Node]) -> Iterator[Node]:
    """The nodes of the network that a loss computes again: its own nodes read them, and they depend on inputs
    alone, without weights, random draws or blocks. Derivatives need the same tensor, so their operands are
    kept."""
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
