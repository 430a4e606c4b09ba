"""All examples of all operators: types, errors, and agreement of all engines.

The example of an operator with a name is a call that the operands flow into. The example of another operator
is an expression of `a`, `b`, ...
"""

from __future__ import annotations

import pytest
from bounds import bound
from engines import BETWEEN, Bounds, agree, compile_flow, inference

import dlc.compiler.operators  # noqa: F401  (defines them)
from dlc.compiler import CompileError
from dlc.compiler.definitions.definition import family
from dlc.compiler.operators.base import Example

OPERATORS = family("operator")


def label(row: Example) -> str:
    return " ".join(filter(None, (", ".join(row.operands), "->", row.call, row.rejects)))


ROWS = [
    pytest.param(name, row, id=label(row))
    for name, operator in sorted(OPERATORS.items())
    for row in operator.examples
]
IN_TURN = [  # of the examples of an operator that are computed, every second one is slow
    pytest.param(name, row, id=label(row), marks=[pytest.mark.slow] * (place % 2 and not row.rejects))
    for name, operator in sorted(OPERATORS.items())
    for place, row in enumerate(operator.examples)
]


def flow(name: str, row: Example) -> str:
    if not OPERATORS[name].public:
        return row.call
    operands = ", ".join("abcdefgh"[: len(row.operands)])
    return f"({operands}) -> {row.call}" if len(row.operands) > 1 else f"a -> {row.call}"


@pytest.mark.parametrize("name", sorted(n for n, c in OPERATORS.items() if c.public))
def test_every_operator_and_every_setting_has_an_example(name):
    accepted = [row for row in OPERATORS[name].examples if not row.rejects]
    assert accepted
    graphs = [compile_flow(flow(name, row), row.operands)[1] for row in accepted]
    used = [node.operator for graph in graphs for node in graph.nodes if node.operator.name == name]
    assert used
    for setting in OPERATORS[name].settings.values():
        values = [getattr(operator, setting.name) for operator in used]
        assert setting.required or any(v != setting.default for v in values), setting.name


@pytest.mark.parametrize(("name", "row"), IN_TURN)
def test_row(name, row):
    if row.rejects:
        with pytest.raises(CompileError) as caught:
            compile_flow(flow(name, row), row.operands)
        assert [d.code for d in caught.value.diagnostics] == [row.rejects], str(caught.value)
        return
    made, graph = compile_flow(flow(name, row), row.operands)
    gives = (row.gives,) if isinstance(row.gives, str) else row.gives
    assert tuple(str(value.type) for value in made) == gives
    agree(inference(graph, made), Bounds(row.low, row.high), within=bound(name))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), [row for row in ROWS if not row.values[1].rejects])
def test_row_at_the_opsets_between(name, row):
    made, graph = compile_flow(flow(name, row), row.operands)
    agree(inference(graph, made), Bounds(row.low, row.high), within=bound(name), opsets=BETWEEN)
