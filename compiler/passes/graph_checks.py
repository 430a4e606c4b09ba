"""What the whole graph has to keep to, beside what each operator says for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.passes import fitting_order

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.ir.graph import Graph, Node, Value


def learnt_first(graph: Graph, problems: Problems) -> None:
    """What is learnt from the rows stands where no weight, draw or target stands before it."""
    trainable = {w.value: w.name for w in graph.weights if w.trainable}
    why: dict[Value, str] = {v: f"the weight `{name}`" for v, name in trainable.items()}
    why |= {v: f"the target `{v.field}`" for v in graph.inputs if v.is_target}
    for node in graph.nodes:
        reason = next((why[v] for v in node.reads if v in why), "")
        if node.operator.learns() and reason:
            report(node, reason, problems)
        if node.operator.random:
            reason = f"the random `{node.name}`"
        if reason:
            why.update(dict.fromkeys(node.results, reason))
    for node in fitting_order.in_order(graph)[1]:
        report(node, "what it learns itself", problems)


def report(node: Node, reason: str, problems: Problems) -> None:
    name = node.operator.name
    message = f"`{name}` learns from the training rows before training, and {reason} stands before it"
    help = f"let `{name}` act on the inputs first; `batchnorm` or `layernorm` normalize within the network"
    problems.add(Diagnostic.at(node.site, "E0512", message, help))


def derivatives(graph: Graph, problems: Problems) -> None:
    """What is differentiated depends on what it is differentiated with respect to."""
    differentiated = {n: n.operands[n.operator.wrt] for n in graph.nodes if n.operator.wrt is not None}
    marks = {wrt: 1 << place for place, wrt in enumerate(dict.fromkeys(differentiated.values()))}
    depends = graph.depends(marks)
    for node, wrt in differentiated.items():
        if not depends.get(node.operands[0], 0) & marks[wrt]:
            message = f"`{node.operator.name}` is of what does not depend on `{wrt.name}`"
            help = "bind the tensor to a name before it flows on, and differentiate with respect to that"
            problems.add(Diagnostic.at(node.site, "E0213", message, help))
