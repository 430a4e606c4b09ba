"""Checks of the whole graph, in addition to those of each operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.passes import fitting_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.ir.graph import Graph, Node, Value


def fitted_operators(graph: Graph, problems: Problems) -> None:
    """Report fitted operators that depend on weights that training changes, random draws or targets."""
    why = {w.value: f"the weight `{w.name}`" for w in graph.weights if not w.is_fixed}
    why |= {v: f"the target `{v.field}`" for v in graph.inputs if v.is_target}
    for node in graph.nodes:
        reason = next((why[v] for v in node.reads if v in why), "")
        if node.operator.is_fitted() and reason:
            report(node, reason, problems)
        if node.operator.random:
            reason = f"the random `{node.name}`"
        if reason:
            why.update(dict.fromkeys(node.results, reason))
    for node in fitting_order.in_order(graph)[1]:
        report(node, "its own fitted weights", problems)


def average_nets(graph: Graph, problems: Problems) -> None:
    """Report weights of average nets whose net has no such weights. One error for each average net."""
    weights = {w.name: w for w in graph.weights}
    reported: set[str | None] = set() if not problems.failed else {w.net for w in graph.weights}
    for weight in graph.weights:
        followed = weights.get(weight.follows)
        if not weight.follows or weight.net in reported:
            continue
        if followed is None or followed.value.type.shape != weight.value.type.shape:
            reported.add(weight.net)
            found = f"is {followed.value.type}" if followed else "does not exist"
            message = f"`{weight.name}` is {weight.value.type} and follows `{weight.follows}`, which {found}"
            help = f"use the net that `{weight.net}` follows too, with the same settings and shapes"
            problems.add(Diagnostic.at(weight.value.site, "E0505", message, help))


def report(node: Node, reason: str, problems: Problems) -> None:
    name = node.operator.name
    message = f"`{name}` is fitted to the training rows before training, and it depends on {reason}"
    help = f"apply `{name}` to the inputs first; `batchnorm` or `layernorm` normalize within the network"
    problems.add(Diagnostic.at(node.site, "E0512", message, help))


def derivatives(graph: Graph, problems: Problems) -> None:
    """Report derivatives of values that do not depend on the tensor of the derivative."""
    differentiated = {n: n.operands[n.operator.wrt] for n in graph.nodes if n.operator.wrt is not None}
    marks = {wrt: 1 << k for k, wrt in enumerate(dict.fromkeys(differentiated.values()))}
    depends = graph.depends(marks)
    for node, wrt in differentiated.items():
        if not depends.get(node.operands[0], 0) & marks[wrt]:
            message = f"`{node.operator.name}` differentiates a value that does not depend on `{wrt.name}`"
            help = "bind the tensor to a name, use the name, and differentiate with respect to it"
            problems.add(Diagnostic.at(node.site, "E0213", message, help))


def reached(graph: Graph, starts: Iterable[Value], *, through_all: bool = False) -> set[Value]:
    """The values that get a gradient of these; with `through_all`, those that they depend on."""
    found = {*starts}
    for node in reversed(graph.nodes):
        flows = any(value in found and value.type.is_float for value in node.results)
        if flows and (through_all or not node.operator.detaches):
            found.update(node.reads)
    return found
