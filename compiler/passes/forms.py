"""The two forms of a program's graph: for training, and for inference."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.answers import kind_of
from dlc.compiler.ir import Graph, Node, Value
from dlc.compiler.operators.activations import Identity
from dlc.compiler.operators.arithmetic import Add
from dlc.compiler.training.objective import Penalty
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlc.compiler.ir import Output, Site
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.program import Program


class Extension:
    """Nodes put behind those of a graph."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.inputs = list(graph.inputs)
        self.nodes = list(graph.nodes)
        self.names = {v.name for v in graph.values()} | {n.name for n in graph.nodes}

    def name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.names:
            number += 1
            name = f"{wanted}_{number}"
        self.names.add(name)
        return name

    def add(self, operator: Operator, operands: Iterable[Value], name: str, site: Site) -> Value:
        operands = tuple(operands)
        bound = operator.bind(*(v.type for v in operands))
        name = self.name(name)
        result = Value(name, bound.results[0], site)
        self.nodes.append(Node(bound, operands, {}, (result,), name, site))
        return result

    def done(self, outputs: Mapping[str, Value]) -> Graph:
        nodes, inputs = tuple(self.nodes), tuple(self.inputs)
        return prune(
            without_identities(replace(self.graph, inputs=inputs, nodes=nodes, outputs=dict(outputs)))
        )


def without_identities(graph: Graph) -> Graph:
    """The graph with the readers of each `identity`, which is all that is left of dropout,
    reading what it reads."""
    same: dict[Value, Value] = {}
    nodes = []
    for node in graph.nodes:
        node = rewired(node, same)
        if isinstance(node.operator, Identity):
            same[node.results[0]] = node.operands[0]
        else:
            nodes.append(node)
    outputs = {name: same.get(value, value) for name, value in graph.outputs.items()}
    return replace(graph, nodes=tuple(nodes), outputs=outputs)


def prune(graph: Graph) -> Graph:
    """The graph without what no output needs."""
    needed = set(graph.outputs.values())
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.results):
            kept.append(node)
            needed.update(node.reads)
    weights = tuple(w for w in graph.weights if w.value in needed)
    inputs = tuple(v for v in graph.inputs if v in needed)
    return Graph(inputs, weights, tuple(reversed(kept)), graph.outputs)


# --- training ---------------------------------------------------------------------------------------------


def training(program: Program) -> Graph:
    """What a step computes: `loss` as written, and `objective`, which is that with the regularizers added."""
    loss = program.loss
    if loss is None:
        raise ValueError("nothing is trained")
    extension = Extension(held(program))
    objective = loss
    for regularizer in program.train.regularize:
        operands = penalized(program, regularizer)
        if operands:
            penalty = extension.add(Penalty(regularizer=regularizer), operands, regularizer.name, loss.site)
            objective = extension.add(Add(), (objective, penalty), "objective", loss.site)
    return extension.done({"objective": objective, "loss": loss})


def penalized(program: Program, regularizer) -> list[Value]:
    """What a regularizer acts on: a tensor, or the weights of layers."""
    if regularizer.value is not None:
        return [regularizer.value]
    return [w.value for w in program.graph.weights if regularizer.acts_on(w) and not program.train.freezes(w)]


def held(program: Program) -> Graph:
    """The graph with the statistics that are frozen used, and not changed."""
    still = {w.value for w in program.graph.weights if w.role == "statistic" and program.train.freezes(w)}
    if not still:
        return program.graph
    return replace(
        program.graph,
        nodes=tuple(fixed(n) if still.intersection(n.weights.values()) else n for n in program.graph.nodes),
    )


# --- inference --------------------------------------------------------------------------------------------


def inference(program: Program, *, loss: bool = False) -> Graph:
    """What the artifact computes: raw inputs to answers, by the names that they have there.

    With `loss` the loss of the same form is an output too, which validation reads.
    """
    graph = at_inference(program.graph)
    return answering(program, graph, {"loss": program.loss} if loss and program.loss else {})


def training_answers(program: Program) -> Graph:
    """The answers in the training form: dropout drops, norms use the batch."""
    return answering(program, held(program), {})


def at_inference(graph: Graph) -> Graph:
    return replace(graph, nodes=tuple(fixed(node) for node in graph.nodes))


def fixed(node: Node) -> Node:
    """The node with the operator that stands in its place at inference."""
    operator = node.operator.inference()
    if operator is node.operator:
        return node
    operands = node.operands[: operator.arity()[1]]
    return replace(node, operator=operator.bind(*(v.type for v in operands)), operands=operands)


def answering(program: Program, graph: Graph, outputs: dict[str, Value]) -> Graph:
    extension = Extension(graph)
    replaced = raw_inputs(program, extension)
    for name, exported in program.exports:
        outputs |= {name: exported} if isinstance(exported, Value) else answer(extension, exported)
    if replaced:
        extension.nodes = [rewired(n, replaced) for n in extension.nodes]
    return extension.done({name: replaced.get(value, value) for name, value in outputs.items()})


def raw_inputs(program: Program, extension: Extension) -> dict[Value, Value]:
    """Inputs that take names come as text and are turned into numbers first."""
    replaced: dict[Value, Value] = {}
    for input in program.inputs:
        classes, index = input.declared.classes, kind_of(input.declared).index
        if index is None or classes is None or classes.names is None:
            continue
        raw = Value(input.name, Tensor("string", input.declared.shape), input.site)
        number = extension.add(index(names=classes.names), (raw,), f"{input.name}_number", input.site)
        extension.nodes.insert(0, extension.nodes.pop())
        extension.inputs[extension.inputs.index(input.value)] = raw
        replaced[input.value] = number
    return replaced


def rewired(node: Node, replaced: dict[Value, Value]) -> Node:
    if not any(v in replaced for v in node.operands):
        return node
    return replace(node, operands=tuple(replaced.get(v, v) for v in node.operands))


def answer(extension: Extension, output: Output) -> dict[str, Value]:
    """The answers of one output, as section 3 of the language lists them."""
    declared, kind, value = output.declared, kind_of(output.declared), output.scores
    for step, operator in kind.steps(declared, value.type):
        value = extension.add(operator, (value,), f"{output.name}_{step}", output.site)
    answers, activation = [value], kind.activation(declared)
    if activation is not None:
        answers.append(output.flowed if output.flowed is not output.scores else
                       extension.add(activation, (output.scores,), f"{output.name}_{activation.name}",
                                     output.site))  # fmt: skip
    return dict(zip(kind.answer_names(output.name), answers, strict=True))
