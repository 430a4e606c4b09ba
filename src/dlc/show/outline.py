"""A graph as people see it: operators within the blocks and nets that they came from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import total
from dlc.compiler.format.printer import print_call, print_type, print_value
from dlc.compiler.ir.graph import Value
from dlc.compiler.passes import specialize
from dlc.compiler.passes.cost import weight_size
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
    """One operator: its name within its group, how it is called, and what it reads."""

    name: str
    call: str
    node: Node
    reads: tuple[str, ...]
    weights: tuple[Weight, ...]  # those that it is the first to use
    answers: bool = True  # false if it serves the loss alone

    @property
    def makes(self) -> str:
        return ", ".join(print_type(v.type) for v in self.node.results)

    @property
    def parameters(self) -> Size:
        return total(weight_size(w) for w in self.weights if w.trainable)

    @property
    def multiply_adds(self) -> Size:
        """Those of an answer; what serves the loss alone costs it none."""
        return self.node.operator.multiply_adds() if self.answers else 0

    @property
    def initial(self) -> str:
        """How the weights begin, biases at zero left out; what is learnt from the rows says so."""
        if any(w.role == "fitted" for w in self.weights):
            return "from the rows"
        return ", ".join(dict.fromkeys(str(w.initial) for w in self.weights if w.role == "weight"))

    def steps(self) -> Iterator[OutlineStep]:
        yield self

    def form(self) -> tuple[Any, ...]:
        """What it has in common with a step that does the same elsewhere."""
        return self.name, self.call, self.makes, self.parameters, self.multiply_adds


@record(eq=False)
class Group:
    """One use of a block or net, under the name that its weights have."""

    name: str
    what: str  # "block basic"
    parts: tuple[OutlineStep | Group, ...]

    @property
    def makes(self) -> str:
        return [*self.steps()][-1].makes

    @property
    def parameters(self) -> Size:
        return total(s.parameters for s in self.steps())

    @property
    def multiply_adds(self) -> Size:
        return total(s.multiply_adds for s in self.steps())

    def steps(self) -> Iterator[OutlineStep]:
        for part in self.parts:
            yield from part.steps()

    @property
    def is_net(self) -> bool:
        return self.what.startswith("net ")

    def form(self) -> tuple[Any, ...]:
        if self.is_net:
            return self.what, tuple((s.call, s.makes) for s in self.steps())
        return self.what, tuple(part.form() for part in self.parts)


def visible(program: CompiledProgram) -> Graph:
    """The graph as written, without the losses and what only they need, unless weights are among that."""
    outputs = answers(program)
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
    return replace(program.graph, inputs=inputs, nodes=nodes, weights=weights, outputs=outputs)


def before_losses(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes that read nothing of a loss."""
    of_losses: set[Value] = set()
    for node in nodes:
        if node.operator.family == "loss" or not of_losses.isdisjoint(node.reads):
            of_losses.update(node.results)
        else:
            yield node


def answers(program: CompiledProgram) -> dict[str, Value]:
    """What flows into the outputs, as written."""
    return {o.name: o.flowed for o in program.outputs} | {
        n: v for n, v in program.exports if isinstance(v, Value)
    }


class Outline:
    """Sorts the nodes of a graph into groups."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.producers = graph.producers()
        self.known = self._known()
        self.answering = {n.name for n in prune(specialize.at_inference(graph)).nodes}
        self.weights = {w.value: w for w in graph.weights}
        self.owners = self._owners()

    def _owners(self) -> dict[Node, list[Weight]]:
        """Each weight belongs to the first node that reads it, also through constants of the compiler."""
        owners: dict[Node, list[Weight]] = {}
        seen: set[Value] = set()
        for node in self.graph.nodes:
            for value in map(self.behind, node.reads):
                if value in self.weights and value not in seen and not is_glue(node):
                    seen.add(value)
                    owners.setdefault(node, []).append(self.weights[value])
        return owners

    def _known(self) -> dict[Value, Value]:
        """For what the compiler made, the value that people know behind it."""
        known: dict[Value, Value] = {}
        for node in self.graph.nodes:
            if is_glue(node):
                known.update(dict.fromkeys(node.results, known.get(node.operands[0], node.operands[0])))
        return known

    def behind(self, value: Value) -> Value:
        """The value that people know, behind what the compiler made of it."""
        return self.known.get(value, value)

    def parts(self) -> tuple[OutlineStep | Group, ...]:
        nodes = [n for n in self.graph.nodes if not is_glue(n) and n.operator.constant() is None]
        return self._gather(nodes, 0)

    def _gather(self, nodes: list[Node], depth: int) -> tuple[OutlineStep | Group, ...]:
        """Neighbours that came from the same use of a block stand in one group."""
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
                parts.append(Group(group_name(use, inside, depth), use.what, self._gather(inside, depth + 1)))
            start = end
        return tuple(parts)

    def _step(self, node: Node) -> OutlineStep:
        reads = tuple(self.called(v) for v in node.operands)
        owned = tuple(self.owners.get(node, ()))
        return OutlineStep(
            last(node.name), print_call(node, short=True), node, reads, owned, node.name in self.answering
        )

    def called(self, value: Value) -> str:
        """The name of a value; a number is itself."""
        value = self.behind(value)
        node = self.producers.get(value)
        number = node.operator.constant() if node is not None else None
        if number is not None:
            return (
                f"{number:.0f}" if isinstance(number, float) and number.is_integer() else print_value(number)
            )
        return value.name


def is_glue(node: Node) -> bool:
    """Whether it changes nothing that people care for: its result is shown as what it was made of."""
    return node.operator.glue or node.operator.identity or node.operator.indexes_one


def use_at(node: Node, depth: int) -> Use | None:
    """The block or net that holds the node at this depth, counted from the outermost."""
    uses = node.site.entered
    return uses[len(uses) - 1 - depth] if depth < len(uses) else None


def group_name(use: Use, nodes: list[Node], depth: int) -> str:
    """The name of a use of a block, as the weights within have it: the part of their names at that level."""
    for node in nodes:
        uses = node.site.entered[::-1]
        nets = [i for i, use in enumerate(uses) if use.what.startswith("net ")]
        level = depth - (nets[-1] if nets and nets[-1] <= depth else 0)
        parts = node.name.split(".")[:-1]
        if (not nets or nets[-1] <= depth) and level < len(parts):
            return parts[level]
    return use.what.split()[-1]


def last(name: str) -> str:
    return name.rsplit(".", 1)[-1]
