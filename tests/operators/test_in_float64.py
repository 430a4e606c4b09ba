"""Operators that keep or subtract the offset of large numbers compute in float64 in all engines."""

from __future__ import annotations

import pytest
from engines import Bounds, agree, compile_flow, inference

from dlc.compiler.definitions.definition import family

OPERATORS = {name: c for name, c in sorted(family("operator").items()) if getattr(c, "offset", "")}


def rows():
    """The examples with floats."""
    for name, operator in OPERATORS.items():
        for row in operator.examples:
            floats = all(type.startswith("float[") or type == "float" for type in row.operands)
            if floats and not row.rejects:
                yield pytest.param(name, row, id=f"{name}: {row.call} of {', '.join(row.operands)}")


@pytest.mark.parametrize(("name", "row"), list(rows()))
def test_row(name, row) -> None:
    operands = tuple(type.replace("float", "float64", 1) for type in row.operands)
    names = ", ".join("abcdefgh"[: len(operands)])
    call = row.call
    if OPERATORS[name].public:
        call = f"({names}) -> {row.call}" if len(operands) > 1 else f"a -> {row.call}"
    call = f"({call})" if isinstance(row.gives, str) else f"({call})[0]"
    made, graph = compile_flow(f"{call} - 0.5" if OPERATORS[name].offset == "keeps" else call, operands)
    used = [node for node in graph.nodes if node.operator.name == name]
    assert used
    assert all(v.type.element == "float64" for node in used for v in node.operands)
    agree(inference(graph, made), Bounds(row.low, row.high))
