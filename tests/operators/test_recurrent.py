"""Recurrent layers: against the modules of torch, with initial states, and with rows of several lengths in
torch, ONNX Runtime, `onnx.reference` and OpenVINO."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from engines import run_onnxruntime, run_reference
from forms import Functions, draw_weights
from second_engine import run_openvino
from torch import nn

from dlc.compiler import Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.operators.base import Operator
from dlc.compiler.types import Tensor

KINDS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
FEATURES, UNITS, STEPS = 3, 4, 7
LENGTHS = [7, 0, 1, 4, 7, 3]


def bound(kind: str, states: int, steps: Any, **settings: Any) -> Operator:
    operator = family("operator")[kind](units=UNITS, **settings)
    state = Tensor("float", operator.state_shape())
    return operator.bind(Tensor("float", (steps, FEATURES)), *[state] * states)


def free(name: str) -> Any:
    """A free dimension."""
    return compile(Source("t.dl", f"input x: float[{name}]\n")).inputs[0].value.type.shape[0]


def module(operator: Operator, weights: dict[str, np.ndarray]) -> nn.Module:
    """The module of torch, with the weights of the layer as its `state_dict`."""
    more = {"nonlinearity": operator.activation} if operator.name == "rnn" else {}
    made = KINDS[operator.name](FEATURES, UNITS, operator.layers, bias=operator.bias, batch_first=True,
                                bidirectional=operator.bidirectional, **more)  # fmt: skip
    made.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return made


def alone(operator: Operator, weights: dict[str, np.ndarray], x: np.ndarray, states: list[np.ndarray],
          lengths: list[int]) -> list[np.ndarray]:  # fmt: skip
    """The answer of the module of torch for each row alone, cut to its length."""
    made, answers = module(operator, weights), []
    count = operator.layers * (1 + operator.bidirectional)
    for row, length in enumerate(lengths):
        given = [torch.tensor(s[row]).reshape(count, 1, UNITS) for s in states]
        given = given or [torch.zeros(count, 1, UNITS)]
        own = (given[0], given[-1]) if operator.name == "lstm" else given[0]
        y, last = torch.zeros(1, 0, 0), own
        if length:
            y, last = made(torch.tensor(x[row : row + 1, :length]), own)
        hidden = last[0] if operator.name == "lstm" else last
        final = torch.cat([*hidden[-1 - operator.bidirectional :]], -1)[0]
        answers.append((final if operator.final else y[0]).detach().numpy())
    return answers


def feed(operator: Operator, states: int, steps: int, rows: int) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(1)
    shape = operator.state_shape()
    return (rng.standard_normal((rows, steps, FEATURES), np.float32),
            [rng.standard_normal((rows, *shape), np.float32) for _ in range(states)])  # fmt: skip


def run_torch(operator: Operator, x: Any, states: Any, weights: Any, lengths: Any) -> torch.Tensor:
    F = Functions(len(x))
    F._inputs = {}
    F._sizes = {"T": x.shape[1]}
    F.size_number = lambda size: torch.tensor(float(size))  # type: ignore[method-assign]
    given = {} if lengths is None else {"lengths": torch.tensor(lengths)}
    return operator.torch(F, torch.tensor(x), *map(torch.tensor, states), **given,
                          **{name: torch.tensor(w) for name, w in weights.items()})  # fmt: skip


def onnx_model(operator: Operator, weights: Any, in_openvino: bool, opset: int = 20) -> bytes:
    """The ONNX form of a layer that gets lengths."""
    builder = to_onnx.OnnxBuilder(opset, in_openvino=in_openvino)
    names = ["x", "state", "cell"][: len(operator.operands)]
    values = []
    for name, type in zip(names, operator.operands, strict=True):
        values.append(to_onnx.typed(ir.Value(name=name), type))
    lengths = to_onnx.typed(ir.Value(name="lengths"), Tensor("int64"))
    stored = {n: builder.initializer(f"layer.{n}", w, weight=True) for n, w in weights.items()}
    y = operator.onnx(to_onnx.Operators(builder), *values, lengths=lengths, **stored)
    to_onnx.typed(y, operator.results[0])
    used = {v.name for n in builder.nodes for v in n.inputs if v is not None}
    graph = ir.Graph([*values, lengths], [y], nodes=builder.nodes, opset_imports={"": opset}, name="one",
                     initializers=[v for n, v in builder.initializers.items() if n in used])  # fmt: skip
    return to_onnx.serialize(ir.Model(graph, ir_version=8))


SETTINGS = [
    {"layers": layers, "bidirectional": both, "final": final}
    for layers, both, final in product((1, 2), (False, True), (False, True))
] + [{"bias": False, "layers": 2, "final": True}]
CASES = [
    pytest.param(kind, states, settings, id=f"{kind} {states} {settings}")
    for kind in KINDS
    for settings in SETTINGS
    for states in range(3 if kind == "lstm" else 2)
] + [pytest.param("rnn", 1, {"activation": "relu", "bidirectional": True, "final": True}, id="rnn relu")]


@pytest.mark.parametrize(("kind", "states", "settings"), CASES)
def test_rows_of_several_lengths_are_answered_as_each_alone(kind: str, states: int, settings: Any) -> None:
    """In torch the padding holds numbers, in the artifact it may hold NaN."""
    operator = bound(kind, states, free("T"), **settings)
    weights = draw_weights(operator)
    x, given = feed(operator, states, STEPS, len(LENGTHS))
    wanted = alone(operator, weights, x, given, LENGTHS)

    def compare(found: np.ndarray, engine: str) -> None:
        assert found.shape == (len(LENGTHS), *((STEPS,) * (not operator.final)), wanted[0].shape[-1])
        for row, length in enumerate(LENGTHS):
            have = found[row] if operator.final else found[row, :length]
            if operator.final or length:
                np.testing.assert_allclose(have, wanted[row], atol=2e-6, err_msg=f"{engine}, row {row}")

    made = run_torch(operator, x, given, weights, LENGTHS)
    assert made.isfinite().all()
    compare(made.numpy(), "torch")
    for row, length in enumerate(LENGTHS):
        x[row, length:] = np.nan
    inputs = {"x": x, **dict(zip(("state", "cell"), given, strict=False)), "lengths": np.array(LENGTHS)}
    for in_openvino in (False, True):
        model = onnx_model(operator, weights, in_openvino)
        engines: dict[str, Any] = {"ONNX Runtime": run_onnxruntime(onnx.load_from_string(model)),
                                   "onnx.reference": run_reference(onnx.load_from_string(model))}  # fmt: skip
        if in_openvino:
            engines["OpenVINO"] = lambda inputs, model=model: run_openvino(model, inputs)
        for engine, run in engines.items():
            (found,) = run(inputs).values()
            compare(found, f"{engine}, in_openvino={in_openvino}")
