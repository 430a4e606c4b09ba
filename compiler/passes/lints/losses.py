"""Losses that do not go with an output, and probabilities made of probabilities."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.output_kinds import class_axis, kind_of
from dlc.compiler.passes.lints.value_origins import back, keeps_all, makers, passes_on
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.diagnostics.source import Site
    from dlc.compiler.ir.graph import Graph, Node, Output, Value
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.program import CompiledProgram


def wrong_activations(program: CompiledProgram) -> Iterator[Diagnostic]:
    """An activation that spoils what flows into an output, if no loss asks for what it makes."""
    made = makers(program.graph, keeps_all)
    asked = {v for n in program.graph.nodes if n.operator.of_probabilities for v in n.operands}
    for output in program.outputs:
        kind = kind_of(output.declared)
        for value in dict.fromkeys((output.flowed, output.scores)):
            node = made.get(value)
            if value not in asked and node is not None and node.operator.name in kind.mismatched:
                yield Diagnostic.at(node.site, "W0401",
                                    f"`{node.operator.name}` before the {output.declared.element} output "
                                    f"`{output.name}` can hardly be meant", kind.mismatch_help)  # fmt: skip


def of_another_type(program: CompiledProgram) -> Iterator[Diagnostic]:
    """A loss of scores on an output of numbers, or a loss of numbers on the scores of an output."""
    made, only = makers(program.graph, passes_on), made_of(program.graph)
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
                if (value in others or scores) and is_wrong(loss, output, prediction, made):
                    yield pair(node, loss, output)


def made_of(graph: Graph) -> dict[Value, Value]:
    """For each value that only one flows into, that one: the target, for `one_hot(y.target)`."""
    found: dict[Value, Value] = {}
    for node in graph.nodes:
        flowing = [v for v in node.operands if v.type.batched]
        if len(flowing) == 1 and not node.weights:
            found.update(dict.fromkeys(node.results, found.get(flowing[0], flowing[0])))
    return found


def is_wrong(loss: Operator, output: Output, prediction: Value, made: Mapping[Value, Node]) -> bool:
    """The score behind a `sigmoid` is one, whatever the output is declared as; probabilities that are taken
    for scores are another error."""
    element = output.declared.element
    if kind_of(output.declared).probabilities:
        return prediction is output.scores and element not in loss.of_scores
    maker = made.get(prediction)
    return (
        prediction is output.flowed
        and bool(loss.of_scores)
        and not (maker is not None and maker.operator.matches in loss.of_scores)
    )


def pair(node: Node, loss: Operator, output: Output) -> Diagnostic:
    name, kind, declared = loss.name, kind_of(output.declared), output.declared
    target = f"one_hot({output.name}.target)" if declared.element == "class" else f"{output.name}.target"
    if kind.probabilities:
        why = f"`{name}` compares numbers, and what flows into `{output.name}: {declared.element}` are scores"
        help = f"`{kind.loss}({output.name})` is its loss; `{name}({output.name}.probabilities, {target})` " \
               "compares probabilities"  # fmt: skip
    else:
        wanted = " or ".join(f"`{element}`" for element in loss.of_scores)
        why = f"`{name}` takes scores, and `{output.name}: {declared.element}` answers with numbers"
        help = f"declare `{output.name}` as {wanted}" + (f", or take `{kind.loss}`" if kind.loss else "")
    return Diagnostic.at(node.site, "W0404", why, help)


def numbers_of_layers(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Numbers of either sign, as layers make them, in a loss of probabilities or of counts."""
    makers_of = makers(program.graph, passes_on)
    scores = {o.scores: o.name for o in program.outputs if kind_of(o.declared).probabilities}
    for node in program.graph.nodes:
        only = node.operator.takes_only()
        for value in node.operands if only else ():
            made = makers_of.get(value)
            if only and made is not None and made.operator.linear:
                loss, layer, (what, end) = node.operator.name, made.operator.name, only
                yield Diagnostic.at(node.site, "W0404",
                                    f"`{loss}` takes {what}, and `{layer}` makes numbers of any sign",
                                    f"write `{scores[value]}.probabilities`" if value in scores
                                    else f"put {end} behind that `{layer}`")  # fmt: skip


# --- probabilities of probabilities -----------------------------------------------------------------------


def probabilities_of_probabilities(program: CompiledProgram) -> Iterator[Diagnostic]:
    """What is a probability already goes where scores are wanted: softmax of softmax, sigmoid of sigmoid."""
    made, told = makers(program.graph, passes_on), set()
    # of an answer: where a dropout parts them, there is a warning of that
    made_of_answers = makers(program.graph, lambda n: passes_on(n) and not n.operator.drops())
    answers = {o.scores for o in program.outputs if o.scores is o.flowed}
    producers = {v: n for n in program.graph.nodes for v in n.results}
    for taker in takers_of_scores(program):
        first = (made_of_answers if taker.scores in answers else made).get(taker.scores)
        if first is not None and first.operator.matches == taker.element and first not in told:
            told.add(first)
            if taker.is_activation:
                help = f"leave out one of them: the first `{first.operator.name}`, as a rule"
            else:
                help = along_another_axis(first, taker.scores) or without(first, taker.scores, producers)
            yield Diagnostic.at(taker.site, "W0405",
                                f"{taker.name} takes scores, and `{first.operator.name}` has made "
                                "probabilities of them already", help,
                                more=[Label(first.site.span, "probabilities from here on")])  # fmt: skip


@record
class Taker:
    """Who makes probabilities of scores, of which element, what it takes, and where it stands."""

    name: str
    element: str
    scores: Value
    site: Site
    is_activation: bool = False


def takers_of_scores(program: CompiledProgram) -> Iterator[Taker]:
    for node in program.graph.nodes:
        name = f"`{node.operator.name}`"
        for element in node.operator.of_scores:
            yield Taker(name, element, node.operands[0], node.site)
        if node.operator.matches:
            yield Taker(name, node.operator.matches, node.operands[0], node.site, is_activation=True)
    for output in program.outputs:
        yield Taker(f"the output `{output.name}`", output.declared.element, output.scores, output.site)


def along_another_axis(first: Node, scores: Value) -> str:
    """The fix of a softmax that does not go over the classes."""
    axis = first.operator.sums_to_one(scores.type) if scores in first.results else None
    if axis is None or axis == (classes := class_axis(scores.type.rank) % scores.type.rank):
        return ""
    name = first.operator.name
    meant = f"`{name}(axis={classes})` is meant, or none"
    return f"`{name}` goes over axis {axis}, and the classes are axis {classes}: {meant}"


def without(first: Node, scores: Value, producers: Mapping[Value, Node]) -> str:
    """What to leave out so that scores flow on: the activation, and bounds of probabilities behind it."""
    behind = takewhile(lambda n: n is not first, back(scores, producers, passes_on))
    bounds = [n.operator.name for n in behind if n.operator.bounds]
    out = " and ".join(f"`{name}`" for name in (first.operator.name, *bounds))
    return f"leave out {out}, so that scores flow in"
