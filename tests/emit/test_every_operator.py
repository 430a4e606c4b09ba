"""Every example of every operator, emitted and run: the file computes the outputs of the training module and
the loss of the spec."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from emitted import as_tensor, assert_close, open_emitted, predicted, with_noise

import dlc.compiler.operators  # noqa: F401  (defines them)
from dlc.compiler import Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.dims.dim import names
from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.lower.torch import Model
from dlc.compiler.lower.torch_names import FUNCTIONAL, MODULE_NAMES
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.samples import sample, sized

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dlc.compiler.operators.base import Example
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor

OPERATORS = family("operator")
ROWS = [
    pytest.param(name, row, id=f"{', '.join(row.operands)} -> {row.call}")
    for name, operator in sorted(OPERATORS.items())
    for row in operator.examples
    if not row.rejects and not operator.reads  # text is an error: `test_emitted_specs.py`
]


def program_of(name: str, row: Example) -> CompiledProgram:
    """A program that applies the call of an example to inputs of its types."""
    return program_of_call(row.call, tuple(row.operands), flows=OPERATORS[name].public)


@cache
def program_of_call(call: str, types: tuple[str, ...], *, flows: bool) -> CompiledProgram:
    operands = ", ".join("abcdefgh"[: len(types)])
    flow = f"({operands}) -> {call}" if len(types) > 1 else f"a -> {call}"
    flow = flow if flows else call
    inputs = [f"input {name}: {type}" for name, type in zip("abcdefgh", types, strict=False)]
    program = compile(Source("example.dl", "\n".join([*inputs, f"y = {flow}", ""])))
    made = program.bindings["y"]
    values = made if isinstance(made, tuple) else (made,)
    return replace(program, exports=tuple((f"y{i}", v) for i, v in enumerate(values) if isinstance(v, Value)))


def differs(name: str, row: Example) -> bool:
    nodes = program_of(name, row).graph.nodes
    return any(node.operator.inference() is not node.operator for node in nodes)


def rows_of(types: Mapping[str, Tensor], row: Example, count: int) -> dict[str, np.ndarray]:
    """Random values of the fields; class names for classes with names."""
    free = sorted({n for type in types.values() for size in type.shape for n in names(size)})
    drawn = sample(
        sized(types, {name: 5 + index for index, name in enumerate(free)}), count, 0, (row.low, row.high)
    )
    known = {n: type.classes.names for n, type in types.items() if type.classes and type.classes.names}
    return drawn | {n: np.resize(np.array(own, object), drawn[n].shape) for n, own in known.items()}


def as_given(rows: np.ndarray) -> Any:
    """Values as the module takes them. Class names are unchanged."""
    return rows if rows.dtype == object else torch.from_numpy(rows)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_example(name: str, row: Example, tmp_path: Path) -> None:
    program = program_of(name, row)
    path = tmp_path / "example.py"
    path.write_text(emit(program, model_alone=True), "utf-8")
    types = {i.name: i.declared for i in program.inputs}
    inputs, weights = rows_of(types, row, 3), with_noise(draw(program.graph, seed=0))
    with torch.no_grad():
        module = Model(specialize.inference(program), program.graph.weights, weights)
        wanted = module({n: as_given(rows) for n, rows in inputs.items()})
    assert_close(predicted(path, weights, inputs, types), {n: t.numpy() for n, t in wanted.items()})


@pytest.mark.parametrize(("name", "row"), [row for row in ROWS if differs(*row.values)])
def test_example_in_training(name: str, row: Example, tmp_path: Path) -> None:
    """With the same seed, the random draws of dropout, rotation and mixing are equal."""
    program = program_of(name, row)
    path = tmp_path / "example.py"
    path.write_text(emit(program, model_alone=True), "utf-8")
    types = {i.name: i.declared for i in program.inputs}
    inputs = {n: torch.from_numpy(x) for n, x in rows_of(types, row, 6).items()}
    weights = with_noise(draw(program.graph, seed=0))
    torch.manual_seed(0)
    wanted = Model(specialize.training_answers(program), program.graph.weights, weights)(inputs)
    _, model = open_emitted(path, weights)
    torch.manual_seed(0)
    torch.testing.assert_close(model.train()(*inputs.values()), wanted["y0"])


# --- in a loss --------------------------------------------------------------------------------------------


def in_a_loss(name: str, row: Example, *, of_targets: bool) -> str:
    """A spec with the example in a block of its loss, applied to inputs or to targets of its types."""
    given = "abcdefgh"[: len(row.operands)]
    lines = [f"input {a}: {type}" for a, type in zip(given, row.operands, strict=True)]
    if of_targets:
        for a, type in zip(given, row.operands, strict=True):
            flow = f"1.0 * one_hot({a})" if type.startswith("class") else a
            lines += [f"output like_{a}: {type}", f"{flow} -> like_{a}"]
    gives = row.gives if isinstance(row.gives, tuple) else (row.gives,)
    made = [f"v{index}" for index in range(len(gives))]
    numbers = [
        f"one_hot({v})" if type.startswith("class") else v for v, type in zip(made, gives, strict=True)
    ]
    flow = f"({', '.join(given)}) -> {row.call}" if OPERATORS[name].public else row.call
    terms = " + ".join(["mse(s, t)", *(f"mean(1.0 * {v})" for v in numbers)])
    operands = [f"like_{a}.target" if of_targets else a for a in given]
    return "\n".join([
        *lines, "input x: float[3]", "output y: float", "x -> dense(1) -> y",
        f"block f({', '.join(given)}, s, t) {{", f"{', '.join(made)} = {flow}", f"return {terms}", "}",
        f"train {{ loss = f({', '.join(operands)}, y, y.target) }}", "",
    ])  # fmt: skip


def allows_targets(name: str, row: Example) -> bool:
    """Whether targets may be the operands. Layers of the loss alone are not emitted, and the scores of class
    images have the class axis first."""
    images = any(type.startswith("class") and "," in type.rpartition("[")[2] for type in row.operands)
    return not (images or program_of(name, row).graph.weights)


def is_numeric(name: str, row: Example) -> bool:
    return not any("string" in str(type) for type in (*row.operands, row.gives))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), [row for row in ROWS if is_numeric(*row.values)])
def test_example_in_a_loss(name: str, row: Example, tmp_path: Path) -> None:
    program = compile(Source("example.dl", in_a_loss(name, row, of_targets=allows_targets(name, row))))
    path = tmp_path / "example.py"
    path.write_text(emit(program, model_alone=True), "utf-8")
    types = {i.name: i.declared for i in program.inputs}
    targets = {v.field: v.type for v in program.graph.inputs if v.is_target}
    rows, weights = rows_of(types | targets, row, 3), with_noise(draw(program.graph, seed=0))
    numbers = {field: as_tensor((types | targets)[field], given) for field, given in rows.items()}
    module = Model(specialize.validation(program), program.graph.weights, weights)
    _, model = open_emitted(path, weights)
    read = inspect.signature(model.compute_loss).parameters
    with torch.no_grad():
        wanted = module(numbers)[specialize.LOSS]
        found = model.eval().compute_loss(*(numbers[field] for field in read))
    torch.testing.assert_close(found.mean(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reduce", ["mean", "sum", "none"])
@pytest.mark.parametrize("loss", [
    "cross_entropy(y", "focal(y", "hinge(y", "mse(y", "huber(y", "cosine(y", "quantile(y, q=0.9",
    "bce(y, positive=[1, 2, 3, 4, 5]", "cross_entropy(y, y.target, label_smoothing=0.1",
    "info_nce(y, y.target",
])  # fmt: skip
def test_losses_with_ignored_entries(loss: str, reduce: str, tmp_path: Path) -> None:
    kind = "class" if loss in ("cross_entropy(y", "focal(y", "hinge(y") else "float"
    type = "class(3, ignore=9)[5]" if kind == "class" else "float(ignore=missing)[5]"
    last = "dense(15) -> reshape(5, 3)" if kind == "class" else "dense(5)"
    train = f"train {{ loss = {loss}, reduce={reduce}) }}"
    text = f"input x: float[4]\noutput y: {type}\nx -> {last} -> y\n{train}\n"
    program, path = compile(Source("example.dl", text)), tmp_path / "example.py"
    path.write_text(emit(program, model_alone=True), "utf-8")
    weights = draw(program.graph, seed=0)
    target = torch.tensor([[0, 1, -1, 2, -1], [-1] * 5, [1, -1, 1, 1, 0]])
    target = target if kind == "class" else torch.where(target < 0, torch.nan, target.float())
    given = {"x": torch.randn(3, 4), "y": target}
    wanted = Model(specialize.validation(program), program.graph.weights, weights)(given)[specialize.LOSS]
    _, model = open_emitted(path, weights)
    torch.testing.assert_close(model.compute_loss(given["x"], target), wanted)


def test_tables_of_torch_names_are_complete() -> None:
    """The emitter does not import torch, so it has tables of names."""
    assert all(hasattr(torch.nn.functional, name) for name in FUNCTIONAL)
    own = {name for name in dir(torch.nn.Module()) if not name.startswith("_")}
    assert own <= MODULE_NAMES
