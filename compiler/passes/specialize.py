"""Specialization of a program's graph: the training form and the inference form."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from dlc.compiler.definitions.decoders import SEED
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.ir.graph import Graph, GraphInput, Value
from dlc.compiler.operators.arithmetic import Add
from dlc.compiler.operators.sampling import SEED as SEED_TYPE
from dlc.compiler.output_kinds import ClassKind, kind_of
from dlc.compiler.passes.decoding import decode
from dlc.compiler.passes.graph_checks import reached
from dlc.compiler.passes.graph_rewrite import (
    Extension,
    at_inference,
    node_at_inference,
    node_without_updates,
    prune,
    rewired,
)
from dlc.compiler.passes.lengths import with_computed_lengths, with_lengths
from dlc.compiler.passes.target_augmentation import augment_targets
from dlc.compiler.passes.text_lengths import with_least_steps
from dlc.compiler.training.initial_state import by_net
from dlc.compiler.training.objective import Penalty
from dlc.compiler.types import FLOATS, Tensor

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.ir.graph import Input, Node, Output, Weight
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Objective, Phase
    from dlc.compiler.training.regularizers import Regularizer

LOSS = "the loss"  # its name among the outputs of a graph; no answer can have this name


def loss_of(figure: str) -> str:
    """The name of a reported loss among the outputs of a graph."""
    return LOSS if figure == "loss" else f"{LOSS} {figure}"


def figures_of(objective: Objective, whole: str = "") -> dict[str, str]:
    """The names of losses among the outputs of a graph, by figure. `whole` is the name of the total loss if
    it has another one."""
    figure = objective.figure
    return {figure: whole or loss_of(figure), **{figure: loss_of(figure) for figure in objective.losses}}


# --- training ---------------------------------------------------------------------------------------------


def training(program: CompiledProgram, objective: Objective) -> Graph:
    """The training form, which a step computes: `loss` as written, the losses of outputs, and `objective`,
    the loss with the regularizers added. Targets are augmented with the values they are compared with."""
    graph = with_statistics(program.row_graph, objective.updates, objective.freezes)
    graph = with_losses(graph, objective)
    graph = with_augmented_targets(program, graph)
    whole = loss_of(objective.figure)
    extension, loss = Extension(graph), graph.outputs[whole]
    total = loss
    for regularizer, operands in penalized(program, objective):
        if operands:
            penalty = extension.add(as_penalty(regularizer), operands, regularizer.name, loss.site)
            total = extension.add(Add(), (total, penalty), "objective", loss.site)
    losses = {name: value for name, value in graph.outputs.items() if name != whole}
    return with_lengths(program, extension.done({"objective": total, "loss": loss, **losses}))


def with_losses(graph: Graph, *objectives: Objective) -> Graph:
    """The graph with the losses, and the losses that are reported beside them, as its outputs."""
    extension, outputs = Extension(graph), {}
    for objective in objectives:
        outputs[loss_of(objective.figure)] = objective.loss
        for figure, terms in objective.losses.items():
            outputs[loss_of(figure)] = summed(extension, terms, figure.replace(".", "_"))
    nodes = tuple(extension.nodes)
    return replace(graph, nodes=nodes, outputs=outputs)


def summed(extension: Extension, terms: tuple[Value, ...], name: str) -> Value:
    total, *rest = terms
    for term in rest:
        total = extension.add(Add(), (total, term), name, term.site)
    return total


def as_penalty(regularizer: Regularizer) -> Penalty:
    """A regularizer as an operator. A tensor that it acts on becomes its operand; its setting keeps the
    type."""
    value = regularizer.value
    return Penalty(regularizer=regularizer.with_settings(on=value.type) if value else regularizer)


def with_augmented_targets(program: CompiledProgram, graph: Graph) -> Graph:
    """A graph whose outputs are losses, with its targets augmented like the values they are compared with."""
    smooth = {o.target_value for o in program.outputs if o.declared.element in FLOATS}
    return augment_targets(graph, smooth)


def penalized(program: CompiledProgram, objective: Objective) -> Iterator[tuple[Regularizer, list[Value]]]:
    """Each regularizer, and the values that it acts on: a tensor, or the trained weights of layers."""
    free = objective.trained(program.graph.weights)
    owned = by_net(free)
    for regularizer in objective.regularize:
        if regularizer.value is not None:
            yield regularizer, [regularizer.value]
            continue
        among = free if regularizer.on is None else owned.get(regularizer.on.net, ())
        yield regularizer, [w.value for w in among if regularizer.acts_on(w)]


def trained(program: CompiledProgram) -> list[Weight]:
    """The weights that training may change; empty if all are frozen."""
    learns = frozenset[str]().union(*(objective.learns for objective in program.objectives))
    free = (w for w in program.graph.weights if w.trainable)
    return [w for w in free if w.name in learns or (not program.phases and not program.train.freezes(w))]


def check_reached(program: CompiledProgram) -> None:
    """Reject objectives whose gradient reaches none of their weights."""
    for objective in program.objectives:
        if not changed(program, objective):
            raise program.nothing_to("learn", objective)


def changed(program: CompiledProgram, objective: Objective, *, through_all: bool = False) -> list[Weight]:
    """The weights that an objective changes: those that it trains and that its gradient reaches. With
    `through_all`, a `detach` does not stop it."""
    form = training(program, objective)
    found = reached(form, [form.outputs["objective"]], through_all=through_all)
    return [weight for weight in objective.trained(program.graph.weights) if weight.value in found]


def with_statistics(graph: Graph, updates: Container[str], freezes: Container[str]) -> Graph:
    """The graph in which only the running statistics named in `updates` change, and in which those named in
    `freezes` are used in place of the statistics of the batch."""
    statistics = [w for w in graph.weights if w.role == "statistic"]
    frozen = {w.value for w in statistics if w.name in freezes}
    kept = {w.value for w in statistics if w.name not in updates}
    if not kept:
        return graph

    def changed(node: Node) -> Node:
        if frozen.intersection(node.weights.values()):
            return node_at_inference(node)
        return node_without_updates(node) if kept.intersection(node.weights.values()) else node

    return replace(graph, nodes=tuple(map(changed, graph.nodes)))


# --- inference --------------------------------------------------------------------------------------------


def matrices(graph: Graph) -> list[Weight]:
    """The weights with two axes that are used only as factors of matrix multiplications."""
    readers = graph.readers()
    return [
        w
        for w in graph.weights
        if w.role == "weight"
        and w.value.type.rank == 2
        and all(r.operator.multiply_adds() or r.operator.training_only for r in readers[w.value])
    ]


def inference(program: CompiledProgram) -> Graph:
    """The inference form, which the artifact computes: from raw inputs to answers, by their names there. Its
    rows differ in length only if `export` asks for their lengths, and in the number of words."""
    graph = from_raw(program, with_answers(program, at_inference(program.graph), decoded=True))
    graph = with_raw_lengths(program, graph)
    return with_decoding(graph, decoded_outputs(program), program.train.seed)


def decoded_outputs(program: CompiledProgram) -> list[Output]:
    """The exported outputs whose answers are made step by step."""
    return [o for _, o in program.exports if not isinstance(o, Value) and o.decoder]


def check_decoding(program: CompiledProgram, problems: Problems) -> None:
    """Report what cannot be computed step by step, where an answer is made so."""
    outputs = [output for output in program.outputs if output.decoder]
    if outputs:
        if any(output.decoder.random for output in outputs if output.decoder):
            check_seed(program, problems)
        try:
            decoding(program, outputs)
            inference(program)
        except CompileError as error:
            for diagnostic in error.diagnostics:
                problems.add(diagnostic)


def check_seed(program: CompiledProgram, problems: Problems) -> None:
    """Report what has the name of the seed that the artifact takes."""
    named: list[Input | Output | Value] = [i for i in program.inputs if i.name == SEED]
    named += [o for o in program.outputs if SEED in (o.name, o.target)]
    named += [exported for name, exported in program.exports if name == SEED]
    for found in named:
        message = f"`{SEED}` is the name of the seed that the artifact takes, which draws its answers"
        problems.add(Diagnostic.at(found.site, "E0607", message, "give it another name"))


def with_decoding(graph: Graph, outputs: list[Output], seed: int) -> Graph:
    """The graph with the answers that are made step by step, in place of the scores that it has. If they are
    drawn, it takes a seed, by default this one."""
    extension, answers = Extension(graph), dict(graph.outputs)
    for output in outputs:
        if output.decoder and output.decoder.random:
            extension.inputs.append(GraphInput(SEED, SEED_TYPE, output.site, "seed", SEED, seed))
        value, kind = decode(extension, output, answers[output.name]), kind_of(output.answered)
        assert isinstance(kind, ClassKind)
        for step, operator in kind.named(output.declared.with_shape(*value.type.shape)):
            value = extension.add(operator, (value,), f"{output.name}_{step}", output.site)
        answers[output.name] = value
    return extension.done(answers) if outputs else graph


def with_raw_lengths(program: CompiledProgram, graph: Graph) -> Graph:
    """A form with raw inputs with the lengths of its rows."""
    return with_lengths(program, graph) if program.export.lengths else with_computed_lengths(program, graph)


def validation(program: CompiledProgram, phase: Phase | None = None) -> Graph:
    """The inference form from rows of training, with class indices as inputs; with the losses of a phase;
    of the last one by default."""
    graph, phase = at_inference(program.row_graph), phase or next(reversed(program.phases), None)
    if phase is None:
        return with_lengths(program, with_answers(program, graph))
    graph = with_losses(graph, *phase.objectives)
    return with_lengths(program, with_answers(program, graph, graph.outputs))


def decoding(program: CompiledProgram, outputs: list[Output]) -> Graph:
    """The inference form from rows of training, with the answers of these outputs, which are made step by
    step."""
    exports = tuple((output.name, output) for output in outputs)
    graph = at_inference(program.row_graph)
    graph = with_answers(replace(program, exports=exports), graph, decoded=True)
    return with_decoding(with_lengths(program, graph), outputs, program.train.seed)


def samples(program: CompiledProgram, phase: Phase) -> Graph:
    """The inference form of the values that a phase samples, from rows of training."""
    return with_lengths(program, prune(at_inference(program.row_graph), phase.settings.samples))


def training_answers(program: CompiledProgram) -> Graph:
    """The answers in the training form, from raw inputs: with dropout and batch statistics."""
    settings = program.phases[-1].settings if program.phases else program.train
    statistics = [w for w in program.graph.weights if w.role == "statistic"]
    freezes = {w.name for w in statistics if settings.freezes(w)}
    updates = {w.name for w in statistics if not w.follows} - freezes
    graph = with_statistics(program.graph, updates, freezes)
    graph = from_raw(program, with_answers(program, graph))
    return with_raw_lengths(program, graph)


def with_answers(
    program: CompiledProgram,
    graph: Graph,
    more: Mapping[str, Value] = MappingProxyType({}),
    *,
    decoded: bool = False,
) -> Graph:
    """The graph with the answers of the artifact, and `more`, as its outputs. With `decoded`, an answer that
    is made step by step is its scores; without, it is that of each step after the right ones before."""
    extension, outputs = Extension(graph), dict(more)
    for name, exported in program.exports:
        if isinstance(exported, Value):
            outputs[name] = exported
        elif decoded and exported.decoder:
            outputs[name] = exported.scores
        else:
            outputs |= answer(extension, exported)
    return extension.done(outputs)


def from_raw(program: CompiledProgram, graph: Graph) -> Graph:
    """The graph with the raw inputs of the artifact, which are converted to class indices and booleans. The
    tokens of texts that dlc reads before the artifact are such inputs too, in place of the texts."""
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
    outside = [node for node in graph.nodes if node.operator.outside]
    read = [tokens for node in outside for tokens in node.results[:1] if isinstance(tokens, GraphInput)]
    for tokens in read:
        index = kind_of(tokens.type).index(tokens.type)
        raws[tokens] = tokens if index is None else replace(tokens, type=Tensor(index.raw, tokens.type.shape))
        if index is not None:
            replaced[tokens] = extension.add(index, (raws[tokens],), f"{tokens.name}_number", tokens.site)
    inputs = tuple(raws.get(value, value) for value in (*graph.inputs, *read))
    graph = replace(graph, nodes=tuple(node for node in graph.nodes if not node.operator.outside))
    nodes = (*reversed(extension.nodes), *(rewired(node, replaced) for node in graph.nodes))
    outputs = {name: replaced.get(value, value) for name, value in graph.outputs.items()}
    graph = replace(graph, inputs=inputs, nodes=nodes, outputs=outputs)
    return with_least_steps(prune(graph) if outside else graph)


def answer(extension: Extension, output: Output) -> dict[str, Value]:
    """The answers of one output, by their names in the artifact."""
    declared, kind, value = output.declared, kind_of(output.declared), output.scores
    for step, operator in kind.steps(declared, value.type):
        value = extension.add(operator, (value,), f"{output.name}_{step}", output.site)
    answers, activation = [value], kind.activation(declared)
    if activation is not None:
        answers.append(output.flowed if output.flowed is not output.scores else
                       extension.add(activation, (output.scores,), f"{output.name}_{activation.name}",
                                     output.site))  # fmt: skip
    return dict(zip(kind.answer_names(output.name), answers, strict=True))
