"""What the whole graph has to keep to, beside what each operator says for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlc.compiler.diagnostics import Problems
    from dlc.compiler.ir import Graph, Node, Value


def learnt_first(graph: Graph, problems: Problems) -> None:
    """What is learnt from the rows stands where no weight, draw or target stands before it."""
    trainable = {w.value: w.name for w in graph.weights if w.trainable}
    why: dict[Value, str] = {v: f"the weight `{name}`" for v, name in trainable.items()}
    why |= {
        v: f"the target `{v.name.removesuffix('.target')}`"
        for v in graph.inputs
        if v.name.endswith(".target")
    }
    for node in graph.nodes:
        reason = next((why[v] for v in node.reads if v in why), "")
        if node.operator.learns() and reason:
            report(node, reason, problems)
        if node.operator.random:
            reason = f"the random `{node.name}`"
        if reason:
            why.update(dict.fromkeys(node.results, reason))


def report(node: Node, reason: str, problems: Problems) -> None:
    name = node.operator.name
    problems.report("E0512", node.site.span,
                    f"`{name}` learns from the training rows before training, and {reason} stands before it",
                    notes=node.site.way(),
                    help=f"let `{name}` act on the inputs first; `batchnorm` or `layernorm` normalize "
                         "within the network")  # fmt: skip
