"""Every example row of every operator, emitted and run: the file answers as the module that training uses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from emitted import answers_of, assert_alike, load, model_of, scattered
from safetensors.numpy import save_file

import dlc.compiler.operators  # noqa: F401  (defines them)
from dlc.compiler import Source, compile
from dlc.compiler.definition import family
from dlc.compiler.dims import names
from dlc.compiler.ir import Value
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.lower.torch import Model
from dlc.compiler.lower.weights import draw
from dlc.compiler.passes import forms
from dlc.runtime.artifact.samples import sample, sized

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.compiler.operators.base import Example
    from dlc.compiler.program import Program

OPERATORS = family("operator")
ROWS = [
    pytest.param(name, row, id=f"{', '.join(row.operands)} -> {row.call}")
    for name, operator in sorted(OPERATORS.items())
    for row in operator.examples
    if not row.rejects
]


def program_of(name: str, row: Example) -> Program:
    """What flows through a row, as a program that answers it."""
    operands = ", ".join("abcdefgh"[: len(row.operands)])
    flow = f"({operands}) -> {row.call}" if len(row.operands) > 1 else f"a -> {row.call}"
    flow = flow if OPERATORS[name].public else row.call
    inputs = [f"input {name}: {type}" for name, type in zip("abcdefgh", row.operands, strict=False)]
    program = compile(Source("example.dl", "\n".join([*inputs, f"y = {flow}", ""])))
    made = program.bindings["y"]
    values = made if isinstance(made, tuple) else (made,)
    return replace(program, exports=tuple((f"y{i}", v) for i, v in enumerate(values) if isinstance(v, Value)))


def differs(name: str, row: Example) -> bool:
    nodes = program_of(name, row).graph.nodes
    return any(node.operator.inference() is not node.operator for node in nodes)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_row(name: str, row: Example, tmp_path: Path) -> None:
    program = program_of(name, row)
    graph = forms.inference(program)
    path = tmp_path / "example.py"
    path.write_text(emit(program), "utf-8")
    types = {i.name: i.declared for i in program.inputs}
    free = sorted({n for type in types.values() for size in type.shape for n in names(size)})
    inputs = sample(
        sized(types, {name: 5 + place for place, name in enumerate(free)}), 3, 0, (row.low, row.high)
    )
    inputs |= {n: np.resize(np.array(type.classes.names, object), inputs[n].shape)
               for n, type in types.items() if type.classes and type.classes.names}  # fmt: skip
    weights = scattered(draw(program.graph, seed=0))
    with torch.no_grad():
        module = Model(graph, program.graph.weights, weights)
        wanted = module(
            {n: rows if rows.dtype == object else torch.from_numpy(rows) for n, rows in inputs.items()}
        )
    assert_alike(answers_of(path, weights, inputs, types), {n: t.numpy() for n, t in wanted.items()})


@pytest.mark.parametrize(("name", "row"), [row for row in ROWS if differs(*row.values)])
def test_row_in_training(name: str, row: Example, tmp_path: Path) -> None:
    """With the same seed the same is drawn: dropped, turned, mixed, normalized over the batch."""
    program = program_of(name, row)
    path = tmp_path / "example.py"
    path.write_text(emit(program), "utf-8")
    types = {i.name: i.declared for i in program.inputs}
    free = sorted({n for type in types.values() for size in type.shape for n in names(size)})
    known = {name: 5 + place for place, name in enumerate(free)}
    inputs = {
        n: torch.from_numpy(x) for n, x in sample(sized(types, known), 6, 0, (row.low, row.high)).items()
    }
    weights = scattered(draw(program.graph, seed=0))
    torch.manual_seed(0)
    wanted = Model(forms.training_answers(program), program.graph.weights, weights)(inputs)
    module = load(path)
    model = model_of(module).train()
    if weights:
        save_file(weights, tmp_path / "weights.safetensors")
        module.load_weights(model, tmp_path / "weights.safetensors")
    torch.manual_seed(0)
    torch.testing.assert_close(model(*inputs.values()), wanted["y0"])
