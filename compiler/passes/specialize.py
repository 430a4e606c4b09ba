"""The two forms of a program's graph: for training, and for inference."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Graph, Node, Value
from dlc.compiler.operators.arithmetic import Add
from dlc.compiler.output_kinds import kind_of
from dlc.compiler.passes import joint_augmentation
from dlc.compiler.passes.graph_rewrite import Extension, rewired
from dlc.compiler.training.figures import losses
from dlc.compiler.training.initial_state import by_net
from dlc.compiler.training.objective import BatchMean, Penalty
from dlc.compiler.types import FLOATS, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.ir.graph import GraphInput, Output, Weight
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Objective
    from dlc.compiler.training.regularizers import Regularizer

LOSS = "the loss"  # its name beside answers, which no answer can have


def loss_of(output: str) -> str:
    """The name beside answers of the loss of one output."""
    return f"loss of {output}"


def figures_of(objective: Objective, whole: str = LOSS) -> dict[str, str]:
    """The losses among the outputs of a graph, by what people are told; `whole` names that of all."""
    return dict(zip(losses(objective.losses), [whole, *map(loss_of, objective.losses)], strict=True))


# --- training ---------------------------------------------------------------------------------------------


def training(program: CompiledProgram, pursued: Objective) -> Graph:
    """What a step computes: `loss` as written and those of outputs, targets that follow an augmentation moved
    with it, and `objective`, which is the loss with the regularizers added."""
    graph = following(program, with_losses(held(program), pursued))
    extension, loss = Extension(graph), graph.outputs[LOSS]
    objective = loss
    for regularizer, operands in penalized(program, pursued):
        if operands:
            penalty = extension.add(acting(regularizer), operands, regularizer.name, loss.site)
            objective = extension.add(Add(), (objective, penalty), "objective", loss.site)
    losses = {name: value for name, value in graph.outputs.items() if name != LOSS}
    return extension.done({"objective": objective, "loss": loss, **losses})


def with_losses(graph: Graph, objective: Objective) -> Graph:
    """The graph with the loss and the losses of outputs as what it gives."""
    extension, outputs = Extension(graph), {LOSS: objective.loss}
    for output, terms in objective.losses.items():
        scalars = [averaged(extension, term) for term in terms]
        outputs[loss_of(output)] = summed(extension, scalars, f"{output}_loss")
    nodes = tuple(extension.nodes)
    return replace(graph, nodes=nodes, outputs=outputs)


def averaged(extension: Extension, term: Value) -> Value:
    """A term of the loss as a scalar: the mean over the axes that are left."""
    if not term.type.batched and not term.type.shape:
        return term
    return extension.add(BatchMean(), (term,), f"{term.name}_mean", term.site)


def summed(extension: Extension, terms: list[Value], name: str) -> Value:
    total, *rest = terms
    for term in rest:
        total = extension.add(Add(), (total, term), name, term.site)
    return total


def acting(regularizer: Regularizer) -> Penalty:
    """A regularizer as an operator. Of a tensor that it acts on, its operand, it knows the type alone."""
    value = regularizer.value
    return Penalty(regularizer=regularizer.with_settings(on=value.type) if value else regularizer)


def following(program: CompiledProgram, graph: Graph) -> Graph:
    """A graph whose outputs are losses, with targets that follow what moves or mixes what they are held
    against."""
    smooth = {o.target_value for o in program.outputs if o.declared.element in FLOATS}
    return joint_augmentation.follow(graph, smooth)


def penalized(program: CompiledProgram, objective: Objective) -> Iterator[tuple[Regularizer, list[Value]]]:
    """Each regularizer, and what it acts on: a tensor, or the weights of layers that learn."""
    free = objective.learnt(program.graph.weights)
    owned = by_net(free)
    for regularizer in objective.regularize:
        if regularizer.value is not None:
            yield regularizer, [regularizer.value]
            continue
        among = free if regularizer.on is None else owned.get(regularizer.on.net, ())
        yield regularizer, [w.value for w in among if regularizer.acts_on(w)]


def trained(program: CompiledProgram) -> list[Weight]:
    """The weights that training may change; none where all are frozen."""
    return [w for w in program.graph.weights if w.trainable and not program.train.freezes(w)]


def check_reached(program: CompiledProgram) -> None:
    """Refuse losses from which no gradient flows back to a weight that follows it."""
    for phase in program.phases:
        for objective in phase.objectives:
            check_flows(program, objective)


def check_flows(program: CompiledProgram, objective: Objective) -> None:
    graph = training(program, objective)
    reached = {graph.outputs["objective"]}
    for node in reversed(graph.nodes):
        flows = any(value in reached and value.type.is_float for value in node.results)
        if flows and not node.operator.detaches:
            reached.update(node.reads)
    if not any(weight.value in reached for weight in objective.learnt(program.graph.weights)):
        raise program.nothing_to("learn")


def held(program: CompiledProgram) -> Graph:
    """The graph with the statistics that are frozen used, and not changed."""
    still = {w.value for w in program.graph.weights if w.role == "statistic" and program.train.freezes(w)}
    if not still:
        return program.graph
    return replace(
        program.graph,
        nodes=tuple(fixed(n) if still.intersection(n.weights.values()) else n for n in program.graph.nodes),
    )


# --- inference --------------------------------------------------------------------------------------------


def matrices(graph: Graph) -> list[Weight]:
    """The weights with two axes that nothing is done with but multiplying by them."""
    readers = graph.readers()
    return [
        w
        for w in graph.weights
        if w.role == "weight"
        and w.value.type.rank == 2
        and all(r.operator.multiply_adds() or r.operator.training_only for r in readers[w.value])
    ]


def inference(program: CompiledProgram) -> Graph:
    """What the artifact computes: raw inputs to answers, by the names that they have there."""
    return from_raw(program, answering(program, at_inference(program.graph)))


def validation(program: CompiledProgram) -> Graph:
    """The same from rows as training has them, whose classes are places; with the loss."""
    graph = at_inference(program.graph)
    if not program.phases:
        return answering(program, graph)
    graph = with_losses(graph, program.objective)
    return answering(program, graph, graph.outputs)


def training_answers(program: CompiledProgram) -> Graph:
    """The answers in the training form, from raw inputs: dropout drops, norms use the batch."""
    return from_raw(program, answering(program, held(program)))


def at_inference(graph: Graph) -> Graph:
    return replace(graph, nodes=tuple(fixed(node) for node in graph.nodes))


def fixed(node: Node) -> Node:
    """The node with the operator that stands in its place at inference."""
    operator = node.operator.inference()
    if operator is node.operator:
        return node
    operands = node.operator.taken_by(operator, node.operands)
    return replace(node, operator=operator.bind(*(v.type for v in operands)), operands=operands)


def answering(
    program: CompiledProgram, graph: Graph, more: Mapping[str, Value] = MappingProxyType({})
) -> Graph:
    """What makes the artifact's answers, and `more`."""
    extension, outputs = Extension(graph), dict(more)
    for name, exported in program.exports:
        outputs |= {name: exported} if isinstance(exported, Value) else answer(extension, exported)
    return extension.done(outputs)


def from_raw(program: CompiledProgram, graph: Graph) -> Graph:
    """The graph with its inputs as the artifact takes them, which are turned into what flows first."""
    extension, known = Extension(replace(graph, nodes=())), {*graph.inputs}
    raws: dict[GraphInput, GraphInput] = {}
    replaced: dict[Value, Value] = {}
    for input in program.inputs:
        index = kind_of(input.declared).index(input.declared)
        if index is None or input.value not in known:
            continue
        raws[input.value] = replace(input.value, type=Tensor(index.raw, input.declared.shape))
        given = (raws[input.value],)
        replaced[input.value] = extension.add(index, given, f"{input.name}_number", input.site)
    inputs = tuple(raws.get(value, value) for value in graph.inputs)
    nodes = (*reversed(extension.nodes), *(rewired(node, replaced) for node in graph.nodes))
    outputs = {name: replaced.get(value, value) for name, value in graph.outputs.items()}
    return replace(graph, inputs=inputs, nodes=nodes, outputs=outputs)


def answer(extension: Extension, output: Output) -> dict[str, Value]:
    """The answers of one output, by the names that the artifact gives them."""
    declared, kind, value = output.declared, kind_of(output.declared), output.scores
    for step, operator in kind.steps(declared, value.type):
        value = extension.add(operator, (value,), f"{output.name}_{step}", output.site)
    answers, activation = [value], kind.activation(declared)
    if activation is not None:
        answers.append(output.flowed if output.flowed is not output.scores else
                       extension.add(activation, (output.scores,), f"{output.name}_{activation.name}",
                                     output.site))  # fmt: skip
    return dict(zip(kind.answer_names(output.name), answers, strict=True))
