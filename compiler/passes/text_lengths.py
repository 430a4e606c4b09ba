"""Texts whose words are more, or fewer, than operators take: an artifact cannot refuse such a text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.dims.dim import evaluate, names, number

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.program import CompiledProgram

CODE = "E0201"
MOST_LEAST = 1000  # steps that are tried


def with_least_steps(graph: Graph) -> Graph:
    """A graph that reads words, with as many places for words as its operators need, such as a convolution
    without padding: shorter texts are padded."""
    sizes: dict[str, set[Size]] = {}
    for size in {size for value in graph.values() for size in value.type.shape}:
        if len(dims := names(size)) == 1:
            sizes.setdefault(str(next(iter(dims))), set()).add(size)
    nodes = []
    for node in graph.nodes:
        operator = node.operator
        if len(node.results) > 1 and operator.reading is not None and not operator.outside:
            dim = str(node.results[0].type.shape[0])
            operator = operator.knowing(reading=replace(operator.reading, least=least_steps(dim, sizes[dim])))
        nodes.append(node if operator is node.operator else replace(node, operator=operator))
    return replace(graph, nodes=tuple(nodes))


def least_steps(dim: str, sizes: set[Size]) -> int:
    """The least number of steps for which all these sizes, which depend on it alone, are positive."""
    tried = range(1, MOST_LEAST)
    return next((n for n in tried if all(number(evaluate(size, {dim: n})) >= 1 for size in sizes)), 1)


def check(program: CompiledProgram, problems: Problems) -> None:
    """Report operators that take fewer steps than the texts have that the artifact reads."""
    within = [node for node in program.readers if len(node.results) > 1 and not node.operator.outside]
    longest = {str(node.results[0].type.shape[0]): node.operator.max_length for node in within}
    for node in program.graph.nodes if longest else ():
        for size, most in node.operator.size_limits():
            dims = names(size) & longest.keys()
            found = {dim: kept for dim in dims if (kept := longest[dim]) is not None}
            known = len(found) == len(names(size))
            if dims and not (known and number(evaluate(size, found)) <= most):
                message = f"`{node.operator.name}` takes {most} steps here, and a text may have more words"
                help = f"keep the first words of each text: `tokenize(words, max_length={most})`"
                problems.add(Diagnostic.at(node.site, CODE, message, help))
