"""Losses that do not go with an output, and probabilities made of probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.answers import kind_of
from dlc.compiler.diagnostics import Diagnostic, Label
from dlc.compiler.operators.layers import Layer
from dlc.compiler.operators.regularization import Dropout
from dlc.compiler.passes.lints.tracing import back, behind, keeps_all, passes_on
from dlc.compiler.training.losses import Loss

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.ir import Node, Output, Site, Value
    from dlc.compiler.program import Program


def mistaken_activations(program: Program) -> Iterator[Diagnostic]:
    """An activation that spoils what flows into an output, if no loss asks for what it makes."""
    producers = program.graph.producers()
    asked = {
        v
        for n in program.graph.nodes
        if isinstance(n.operator, Loss) and n.operator.of_probabilities
        for v in n.operands
    }
    for output in program.outputs:
        kind = kind_of(output.declared)
        for value in dict.fromkeys((output.flowed, output.scores)):
            node = behind(value, producers, keeps_all)
            if value not in asked and node is not None and node.operator.name in kind.mistaken:
                yield Diagnostic.at(node.site, "W0401",
                                    f"`{node.operator.name}` before the {output.declared.element} output "
                                    f"`{output.name}` can hardly be meant", kind.meant)  # fmt: skip


def of_another_type(program: Program) -> Iterator[Diagnostic]:
    """A loss of scores on an output of numbers, or a loss of numbers on the scores of an output."""
    producers = program.graph.producers()
    for node in program.graph.nodes:
        loss = node.operator
        if not isinstance(loss, Loss):
            continue
        for output in program.outputs:
            if is_of(node, output, producers) and is_mistaken(loss, output, node.operands[0], producers):
                yield pair(node, loss, output)


def is_of(loss: Node, output: Output, producers: Mapping[Value, Node]) -> bool:
    """Whether it holds an output against its target, or scores against what is made of the target alone."""
    prediction, *others = loss.operands
    if prediction is output.scores and kind_of(output.declared).probabilities:
        others = [made_of(v, producers) for v in others]
    return prediction in (output.scores, output.flowed) and output.target_value in others


def made_of(value: Value, producers: Mapping[Value, Node]) -> Value:
    """The only value that flows into this one: the target, for `one_hot(y.target)`."""
    while (node := producers.get(value)) is not None:
        flowing = [v for v in node.operands if v.type.batched]
        if len(flowing) != 1 or node.weights:
            break
        value = flowing[0]
    return value


def is_mistaken(loss: Loss, output: Output, prediction: Value, producers: Mapping[Value, Node]) -> bool:
    """The score behind a `sigmoid` is one, whatever the output is declared as; probabilities that are taken
    for scores are another mistake."""
    element = output.declared.element
    if kind_of(output.declared).probabilities:
        return prediction is output.scores and element not in loss.scores
    made = behind(prediction, producers, passes_on)
    return (
        prediction is output.flowed
        and bool(loss.scores)
        and not (made is not None and made.operator.matches in loss.scores)
    )


def pair(node: Node, loss: Loss, output: Output) -> Diagnostic:
    name, kind, declared = loss.name, kind_of(output.declared), output.declared
    target = f"one_hot({output.name}.target)" if declared.element == "class" else f"{output.name}.target"
    if kind.probabilities:
        why = f"`{name}` compares numbers, and what flows into `{output.name}: {declared.element}` are scores"
        help = f"`{kind.loss}({output.name})` is its loss; `{name}({output.name}.probabilities, {target})` " \
               "compares probabilities"  # fmt: skip
    else:
        wanted = " or ".join(f"`{element}`" for element in loss.scores)
        why = f"`{name}` takes scores, and `{output.name}: {declared.element}` answers with numbers"
        help = f"declare `{output.name}` as {wanted}" + (f", or take `{kind.loss}`" if kind.loss else "")
    return Diagnostic.at(node.site, "W0404", why, help)


def numbers_of_layers(program: Program) -> Iterator[Diagnostic]:
    """Numbers of either sign, as layers make them, in a loss of probabilities or of counts."""
    producers = program.graph.producers()
    scores = {o.scores: o.name for o in program.outputs if kind_of(o.declared).probabilities}
    for node in program.graph.nodes:
        only = node.operator.takes_only() if isinstance(node.operator, Loss) else None
        for value in node.operands if only else ():
            made = behind(value, producers, passes_on)
            if only and made is not None and isinstance(made.operator, Layer):
                loss, layer, (what, end) = node.operator.name, made.operator.name, only
                yield Diagnostic.at(node.site, "W0404",
                                    f"`{loss}` takes {what}, and `{layer}` makes numbers of any sign",
                                    f"write `{scores[value]}.probabilities`" if value in scores
                                    else f"put {end} behind that `{layer}`")  # fmt: skip


# --- probabilities of probabilities -----------------------------------------------------------------------


def probabilities_of_probabilities(program: Program) -> Iterator[Diagnostic]:
    """What is a probability already goes where scores are wanted: softmax of softmax, sigmoid of sigmoid."""
    producers, told = program.graph.producers(), set()
    answers = {o.scores for o in program.outputs if o.scores is o.flowed}
    for taker, element, scores, site in takers_of_scores(program):
        first = behind(scores, producers, passes_on)
        between = (n.operator for n in back(scores, producers, passes_on))
        if scores in answers and any(isinstance(operator, Dropout) for operator in between):
            continue  # it is the dropout that parts them, of which there is a warning
        if first is not None and first.operator.matches == element and first not in told:
            told.add(first)
            yield Diagnostic.at(site, "W0405",
                                f"{taker} takes scores, and `{first.operator.name}` has made probabilities "
                                "of them already",
                                f"leave out one of them: the first `{first.operator.name}`, as a rule",
                                more=[Label(first.site.span, "probabilities from here on")])  # fmt: skip


def takers_of_scores(program: Program) -> Iterator[tuple[str, str, Value, Site]]:
    """Who makes probabilities of scores, of which element, what it takes, and where it stands."""
    for node in program.graph.nodes:
        if isinstance(node.operator, Loss):
            for element in node.operator.scores:
                yield f"`{node.operator.name}`", element, node.operands[0], node.site
        elif node.operator.matches:
            yield f"`{node.operator.name}`", node.operator.matches, node.operands[0], node.site
    for output in program.outputs:
        yield f"the output `{output.name}`", output.declared.element, output.scores, output.site
