"""Ignored entries of targets (`ignore=` in the type of an output) in the expressions of a loss.

A loss leaves them out. Elsewhere an ignored number is NaN, which would make the loss or its gradient NaN, and
an ignored class is -1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.ir.graph import Graph, GraphInput, Node, Value

CODE = "E0518"


def check(graph: Graph, problems: Problems) -> None:
    """Report computations with ignored numbers that would be NaN, and losses that cannot leave them out."""
    targets = [v for v in graph.inputs if v.is_target and v.type.ignore]
    marks: dict[Value, int] = {target: 1 << k for k, target in enumerate(targets)}
    if not marks:
        return
    replaced = {v: -1 for n in graph.nodes if n.operator.leaves_out_ignored for v in n.results}
    depends = graph.depends(marks, replaced)
    others = [v for v in graph.inputs if not v.is_target] + [w.value for w in graph.weights]
    network = graph.depends(dict.fromkeys(others, 1))
    for node in graph.nodes:
        of_targets = [v for v in node.operands if depends.get(v) and v not in network]
        if not node.operator.leaves_out_ignored:
            bad = next((v for v in of_targets if becomes_nan(node, v, network)), None)
            if bad is not None:
                problems.add(nan_error(node, field_of(depends[bad], targets)))
        elif node.operator.averages or node.operator.of_batch:
            bad = next((v for v in of_targets if not v.type.ignore), None)
            if bad is not None:
                problems.add(unknown_error(node, field_of(depends[bad], targets)))


def becomes_nan(node: Node, value: Value, network: Mapping[Value, int]) -> bool:
    """Whether ignored numbers in an operand spread to other entries or into gradients."""
    if not value.type.ignore or not value.type.is_float:
        return False
    floats = [result for result in node.results if result.type.is_float]
    return any(not result.type.ignore or result in network for result in floats)


def field_of(marks: int, targets: list[GraphInput]) -> str:
    return targets[(marks & -marks).bit_length() - 1].field


def nan_error(node: Node, field: str) -> Diagnostic:
    message = f"`{spelled(node)}` reads ignored entries of the target `{field}`, which are NaN"
    help = f"let a loss such as `mae` compare the target; or replace them first, as in " \
           f"`where({field}.valid, {field}.target, 0)`"  # fmt: skip
    return Diagnostic.at(node.site, CODE, message, help)


def unknown_error(node: Node, field: str) -> Diagnostic:
    message = f"`{node.operator.name}` cannot tell which entries of the target `{field}` are ignored"
    help = f"compare `{field}.target` itself; or keep all entries with `reduce=none`, and multiply them by " \
           f"`{field}.valid`"  # fmt: skip
    return Diagnostic.at(node.site, CODE, message, help)


def spelled(node: Node) -> str:
    return node.operator.symbol or node.operator.name


def unreduced_losses(value: Value, producers: Mapping[Value, Node]) -> Iterator[Node]:
    """The unreduced losses of which not all entries count that a value is computed from entry by entry."""
    waiting, seen = [value], {value}
    while waiting:
        node = producers.get(waiting.pop())
        if node is None:
            continue
        if node.operator.ignores:
            yield node
        elif node.operator.broadcasts or node.operator.glue or "missing" in node.operator.keeps:
            waiting += [v for v in node.operands if v not in seen]
            seen.update(node.operands)
