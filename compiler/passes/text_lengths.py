"""Operators that take fewer steps than a text may have words: an artifact cannot refuse such a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.dims.dim import evaluate, names, number

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.program import CompiledProgram

CODE = "E0201"


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
