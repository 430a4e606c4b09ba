"""Lints about losses that do not match an output, and activations that are applied twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.output_kinds import KINDS, class_axis, kind_of
from dlc.compiler.passes.lints.value_origins import back, keeps_all, keeps_numbers, keeps_range, source_nodes
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.diagnostics.source import Site
    from dlc.compiler.ir.graph import Graph, Node, Output, Value
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.program import CompiledProgram


def wrong_activations(program: CompiledProgram) -> Iterator[Diagnostic]:
    """An activation that does not match the type of its output, unless a loss takes probabilities."""
    sources = source_nodes(program.graph, keeps_all)
    probabilities = {v for n in program.graph.nodes if n.operator.of_probabilities for v in n.operands}
    for output in program.outputs:
        kind = kind_of(output.declared)
        for value in dict.fromkeys((output.flowed, output.scores)):
            node = sources.get(value)
            if value not in probabilities and node is not None and node.operator.name in kind.mismatched:
                yield Diagnostic.at(node.site, "W0401",
                                    f"`{node.operator.name}` before the {output.declared.element} output "
                                    f"`{output.name}` is probably unintended",
                                    kind.mismatch_help)  # fmt: skip


def bounded_scores(program: CompiledProgram) -> Iterator[Diagnostic]:
    """An activation that does not match the scores of a loss of two tensors, such as `bce(tanh(s), 1)`."""
    sources, elements = source_nodes(program.graph, keeps_all), {k: KINDS[k] for k in ("binary", "class")}
    answers = {v for o in program.outputs for v in (o.flowed, o.scores)}
    for node in program.graph.nodes:
        of = node.operator.of_scores
        for kind in (elements[e] for e in of if len(of) == 1 and e in elements):
            source = sources.get(node.operands[0])
            fits = node.operands[0] in answers or source is None or source.operator.matches in of
            if source is not None and not fits and source.operator.name in kind.mismatched:
                yield Diagnostic.at(node.site, "W0401",
                                    f"`{node.operator.name}` takes scores, and `{source.operator.name}` "
                                    "bounds them", kind.mismatch_help,
                                    more=[Label(source.site.span, "bounded here")])  # fmt: skip


def of_another_type(program: CompiledProgram) -> Iterator[Diagnostic]:
    """A loss of scores on an output of numbers, or a loss of numbers on the scores of an output."""
    sources, only = source_nodes(program.graph, keeps_numbers), single_sources(program.graph)
    outputs: dict[tuple[Value, Value | None], list[Output]] = {}
    for output in program.outputs:
        for prediction in dict.fromkeys((output.scores, output.flowed)):
            outputs.setdefault((prediction, output.target_value), []).append(output)
    for node in program.graph.nodes:
        loss = node.operator
        if loss.family != "loss":
            continue
        prediction, *others = node.operands
        for value in dict.fromkeys((*others, *(only.get(v, v) for v in others))):
            for output in outputs.get((prediction, value), ()):
                scores = prediction is output.scores and kind_of(output.declared).probabilities
                if (value in others or scores) and is_wrong(loss, output, prediction, sources):
                    yield wrong_loss(node, loss, output)


def single_sources(graph: Graph) -> dict[Value, Value]:
    """For each value that is computed from only one batched value, that one: the target of
    `one_hot(y.target)`."""
    found: dict[Value, Value] = {}
    for node in graph.nodes:
        batched = [v for v in node.operands if v.type.batched]
        if len(batched) == 1 and not node.weights:
            found.update(dict.fromkeys(node.results, found.get(batched[0], batched[0])))
    return found


def is_wrong(loss: Operator, output: Output, prediction: Value, sources: Mapping[Value, Node]) -> bool:
    """Whether a loss does not match an output. A result of `sigmoid` counts as a binary score for any type of
    output; that it is already a probability is another warning."""
    element = output.declared.element
    if kind_of(output.declared).probabilities:
        return prediction is output.scores and element not in loss.of_scores
    source = sources.get(prediction)
    return (
        prediction is output.flowed
        and bool(loss.of_scores)
        and not (source is not None and source.operator.matches in loss.of_scores)
    )


def wrong_loss(node: Node, loss: Operator, output: Output) -> Diagnostic:
    name, kind, declared = loss.name, kind_of(output.declared), output.declared
    target = f"one_hot({output.name}.target)" if declared.element == "class" else f"{output.name}.target"
    if kind.probabilities:
        why = f"`{name}` compares numbers, and `{output.name}: {declared.element}` gets scores"
        help = f"`{kind.loss}({output.name})` is its loss; `{name}({output.name}.probabilities, {target})` " \
               "compares probabilities"  # fmt: skip
    else:
        wanted = " or ".join(f"`{element}`" for element in loss.of_scores)
        why = f"`{name}` takes scores, and `{output.name}: {declared.element}` has numbers as answers"
        help = f"declare `{output.name}` as {wanted}" + (f", or use `{kind.loss}`" if kind.loss else "")
    return Diagnostic.at(node.site, "W0404", why, help)


def unbounded_numbers(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Results of layers, which have any sign, in a loss of probabilities or counts."""
    sources = source_nodes(program.graph, keeps_numbers)
    scores = {o.scores: o.name for o in program.outputs if kind_of(o.declared).probabilities}
    for node in program.graph.nodes:
        only = node.operator.takes_only()
        for value in node.operands if only else ():
            source = sources.get(value)
            if only and source is not None and source.operator.linear:
                loss, layer, (what, activation) = node.operator.name, source.operator.name, only
                yield Diagnostic.at(node.site, "W0404",
                                    f"`{loss}` takes {what}, and results of `{layer}` have any sign",
                                    f"write `{scores[value]}.probabilities`" if value in scores
                                    else f"put {activation} after that `{layer}`")  # fmt: skip


# --- probabilities of probabilities -----------------------------------------------------------------------


def probabilities_of_probabilities(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Probabilities where scores are expected: softmax of softmax, sigmoid of sigmoid, and means of
    probabilities, or probabilities less a constant, in a loss."""
    sources, reported = source_nodes(program.graph, keeps_numbers), set()
    constants = {v for n in program.graph.nodes if not n.reads for v in n.results}
    sources_of_losses = source_nodes(program.graph, lambda n: keeps_range(n, constants))
    # For answers, a dropout between the two has its own warning.
    sources_of_answers = source_nodes(program.graph, lambda n: keeps_numbers(n) and not n.operator.drops())
    answers = {o.scores for o in program.outputs if o.scores is o.flowed}
    producers = {v: n for n in program.graph.nodes for v in n.results}
    for use in score_uses(program):
        chosen = sources_of_losses if use.is_loss else sources
        first = (sources_of_answers if use.scores in answers else chosen).get(use.scores)
        if first is not None and first.operator.matches == use.element and first not in reported:
            reported.add(first)
            if use.is_activation:
                help = f"leave out one of them, usually the first `{first.operator.name}`"
            else:
                help = along_another_axis(first, use.scores) or without(first, use.scores, producers)
            yield Diagnostic.at(use.site, "W0405",
                                f"{use.name} takes scores, and `{first.operator.name}` has already turned "
                                "them into probabilities", help,
                                more=[Label(first.site.span, "probabilities from here on")])  # fmt: skip


@record
class ScoreUse:
    """A use of scores: the name of the loss, activation or output, the element, the scores and the site."""

    name: str
    element: str
    scores: Value
    site: Site
    is_activation: bool = False
    is_loss: bool = False


def score_uses(program: CompiledProgram) -> Iterator[ScoreUse]:
    for node in program.graph.nodes:
        name = f"`{node.operator.name}`"
        for element in node.operator.of_scores:
            yield ScoreUse(name, element, node.operands[0], node.site, is_loss=True)
        if node.operator.matches:
            yield ScoreUse(name, node.operator.matches, node.operands[0], node.site, is_activation=True)
    for output in program.outputs:
        yield ScoreUse(f"the output `{output.name}`", output.declared.element, output.scores, output.site)


def along_another_axis(first: Node, scores: Value) -> str:
    """The hint for a softmax over an axis other than the classes."""
    axis = first.operator.sums_to_one(scores.type) if scores in first.results else None
    if axis is None or axis == (classes := class_axis(scores.type.rank) % scores.type.rank):
        return ""
    name = first.operator.name
    fix = f"write `{name}(axis={classes})`, or leave it out"
    return f"`{name}` is over axis {axis}, and the classes are axis {classes}: {fix}"


def without(first: Node, scores: Value, producers: Mapping[Value, Node]) -> str:
    """The hint to leave out the activation, and operators after it that clip probabilities."""
    path = [n for n in back(scores, producers, lambda n: n is not first) if n is not first]
    if not all(keeps_numbers(n) for n in path):
        return f"give it the scores, from before `{first.operator.name}`"
    clips = [n.operator.name for n in path if n.operator.bounds]
    names = " and ".join(f"`{name}`" for name in (first.operator.name, *clips))
    return f"leave out {names}"
