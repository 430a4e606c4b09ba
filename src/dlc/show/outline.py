"""The outline of a graph: its operators, grouped by the blocks and nets that they come from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.format.printer import print_call, print_type, print_value
from dlc.compiler.ir.graph import Value
from dlc.compiler.passes import graph_rewrite
from dlc.compiler.passes.cost import summed, weight_size
from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dlc.compiler.diagnostics.source import Use
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph, Node, Weight
    from dlc.compiler.program import CompiledProgram


@record(eq=False)
class OutlineStep:
    """One operator: its name within its group, its call, and the names of its operands."""

    name: str
    call: str
    node: Node
    reads: tuple[str, ...]
    weights: tuple[Weight, ...]  # those that it is the first to read
    in_inference: bool = True  # false if the artifact does not need it

    @property
    def makes(self) -> str:
        results = self.node.results[:1] if self.node.operator.reads_text else self.node.results
        return ", ".join(print_type(v.type) for v in results)

    @property
    def parameters(self) -> Size:
        return summed(weight_size(w) for w in self.weights if w.trainable)

    @property
    def multiply_adds(self) -> Size:
        """Multiply-adds at inference; 0 if only the loss needs the operator."""
        return self.node.operator.multiply_adds() if self.in_inference else 0

    @property
    def initial(self) -> str:
        """The initial values of the weights and the fitted values, without biases."""
        return ", ".join(dict.fromkeys(w.start for w in self.weights if w.role in ("weight", "fitted")))

    def steps(self) -> Iterator[OutlineStep]:
        yield self

    def key(self) -> tuple[Any, ...]:
        """A key that is equal for steps that do the same."""
        return self.name, self.call, self.makes, self.parameters, self.multiply_adds


@record(eq=False)
class Group:
    """One use of a block or net, with the name that prefixes its weights."""

    name: str
    what: str  # "block basic"
    parts: tuple[OutlineStep | Group, ...]
    given: tuple[tuple[Value, str], ...] = ()  # the tensors that it is called with, and their names

    @property
    def makes(self) -> str:
        return [*self.steps()][-1].makes

    @property
    def parameters(self) -> Size:
        return summed(s.parameters for s in self.steps())

    @property
    def multiply_adds(self) -> Size:
        return summed(s.multiply_adds for s in self.steps())

    def steps(self) -> Iterator[OutlineStep]:
        for part in self.parts:
            yield from part.steps()

    @property
    def is_net(self) -> bool:
        return self.what.startswith("net ")

    def key(self) -> tuple[Any, ...]:
        if self.is_net:
            return self.what, tuple((s.call, s.makes) for s in self.steps())
        return self.what, tuple(part.key() for part in self.parts)


def visible(program: CompiledProgram) -> Graph:
    """The graph as written, without the nodes that only the losses need, unless these read weights. Its
    outputs are those of the artifact."""
    outputs = output_values(program)
    shown = set(prune(program.graph, outputs).nodes)
    rest = prune(program.graph, {str(n): loss for n, loss in enumerate(program.losses)}).nodes
    stored = {w.value for w in program.graph.weights}
    known = {v for n in shown for v in n.reads}
    if any(v in stored and v not in known for n in rest for v in n.reads):
        shown |= set(before_losses(rest))
    nodes = tuple(n for n in program.graph.nodes if n in shown)
    read = {v for n in nodes for v in n.reads} | set(outputs.values())
    inputs = tuple(v for v in program.graph.inputs if v in read)
    weights = tuple(w for w in program.graph.weights if w.value in read)
    answered = {n: v if isinstance(v, Value) else v.flowed for n, v in program.exports}
    return replace(program.graph, inputs=inputs, nodes=nodes, weights=weights, outputs=answered)


def before_losses(nodes: Iterable[Node]) -> list[Node]:
    """The nodes that do not depend on a loss, or on the batch as a whole, without constants that no other of
    them reads."""
    of_losses: set[Value] = set()
    before = []
    for node in nodes:
        operator = node.operator
        begins = operator.family == "loss" or operator.joins_batch or operator.reads_batch_size
        if begins or not of_losses.isdisjoint(node.reads):
            of_losses.update(node.results)
        else:
            before.append(node)
    read = {value for node in before for value in node.reads}
    return [node for node in before if node.reads or not read.isdisjoint(node.results)]


def output_values(program: CompiledProgram) -> dict[str, Value]:
    """The values of the outputs before the transformations of inference."""
    return {o.name: o.flowed for o in program.outputs} | {
        n: v for n, v in program.exports if isinstance(v, Value)
    }


class Outline:
    """Groups the nodes of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.producers = graph.producers()
        self.sources = self._sources()
        self.in_inference = {n.name for n in prune(graph_rewrite.at_inference(graph)).nodes}
        self.weights = {w.value: w for w in graph.weights}
        self.owners = self._owners()

    def _owners(self) -> dict[Node, list[Weight]]:
        """The weights that each node owns: a weight belongs to the first node that reads it, also through
        glue."""
        owners: dict[Node, list[Weight]] = {}
        seen: set[Value] = set()
        for node in self.graph.nodes:
            for value in map(self.source_of, node.reads):
                if value in self.weights and value not in seen and not is_glue(node):
                    seen.add(value)
                    owners.setdefault(node, []).append(self.weights[value])
        return owners

    def _sources(self) -> dict[Value, Value]:
        """The source value of each result of a glue node."""
        sources: dict[Value, Value] = {}
        for node in self.graph.nodes:
            if is_glue(node):
                sources.update(dict.fromkeys(node.results, sources.get(node.operands[0], node.operands[0])))
        return sources

    def source_of(self, value: Value) -> Value:
        """The value of the spec that a value comes from, through glue nodes."""
        return self.sources.get(value, value)

    def parts(self) -> tuple[OutlineStep | Group, ...]:
        nodes = [n for n in self.graph.nodes if not is_glue(n) and n.operator.constant() is None]
        return self._grouped(nodes, 0)

    def _grouped(self, nodes: list[Node], depth: int) -> tuple[OutlineStep | Group, ...]:
        """Adjacent nodes that come from the same use of a block form a group."""
        parts: list[OutlineStep | Group] = []
        start = 0
        while start < len(nodes):
            use = use_at(nodes[start], depth)
            end = start + 1
            if use is None:
                parts.append(self._step(nodes[start]))
            else:
                while end < len(nodes) and use_at(nodes[end], depth) is use:
                    end += 1
                inside = nodes[start:end]
                name, within = group_name(use, inside, depth), self._grouped(inside, depth + 1)
                parts.append(Group(name, use.what, within, self._given(use)))
            start = end
        return tuple(parts)

    def _given(self, use: Use) -> tuple[tuple[Value, str], ...]:
        return tuple((self.source_of(v), name) for name, v in use.given.items() if isinstance(v, Value))

    def _step(self, node: Node) -> OutlineStep:
        reads = tuple(self.called(v) for v in node.operands)
        owned = tuple(self.owners.get(node, ()))
        return OutlineStep(
            last(node.name), print_call(node, short=True), node, reads, owned, node.name in self.in_inference
        )

    def called(self, value: Value) -> str:
        """The name of a value; a constant is its number."""
        value = self.source_of(value)
        node = self.producers.get(value)
        number = node.operator.constant() if node is not None else None
        if number is not None:
            return (
                f"{number:.0f}" if isinstance(number, float) and number.is_integer() else print_value(number)
            )
        return value.name


def is_glue(node: Node) -> bool:
    """Whether the outline hides the node and shows its operand in place of its result."""
    return node.operator.glue or node.operator.identity or node.operator.indexes_one


def use_at(node: Node, depth: int) -> Use | None:
    """The block or net of a node at this depth, counted from the outermost one."""
    uses = node.site.entered
    return uses[len(uses) - 1 - depth] if depth < len(uses) else None


def group_name(use: Use, nodes: list[Node], depth: int) -> str:
    """The name of a use of a block: the part of the names of its weights at that level."""
    for node in nodes:
        uses = node.site.entered[::-1]
        nets = [i for i, use in enumerate(uses) if use.what.startswith("net ")]
        parts = node.name.split(".")[:-1]
        level = depth
        if nets and nets[-1] <= depth:  # named from the top, or from the average net that it belongs to
            net = uses[nets[-1]].what.split()[-1]
            level += (parts.index(net) if net in parts else 0) - nets[-1]
        if (not nets or nets[-1] <= depth) and level < len(parts):
            return parts[level]
    return use.what.split()[-1]


def last(name: str) -> str:
    return name.rsplit(".", 1)[-1]
