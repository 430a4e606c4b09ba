"""Recurrent layers: against the modules of torch, with initial states, and with rows of several lengths in
torch, ONNX Runtime, `onnx.reference` and OpenVINO."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from engines import run_onnxruntime, run_reference
from forms import Functions, draw_weights
from onnx import numpy_helper
from second_engine import run_openvino
from torch import nn

from dlc.compiler import Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.diagnostics.source import Site, Span
from dlc.compiler.ir.graph import Value
from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower.torch import Model, trace, without_cudnn
from dlc.compiler.operators.base import Operator
from dlc.compiler.passes import specialize
from dlc.compiler.types import Tensor

KINDS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
FEATURES, UNITS, STEPS = 3, 4, 7
LENGTHS = [7, 0, 1, 4, 7, 3]
STATES = ("state", "cell")


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
    F._sizes = {"T": x.shape[1]}
    given = {} if lengths is None else {"lengths": torch.tensor(lengths)}
    tensors = {name: torch.as_tensor(w) for name, w in weights.items()}
    return operator.torch(F, torch.as_tensor(x), *map(torch.as_tensor, states), **given, **tensors)


def assert_equal_gradients(operator: Operator, x: Any, states: Any, weights: Any) -> None:
    """The gradients of a padded batch are those of all rows alone, in float64."""

    def gradients(run: Any) -> list[torch.Tensor]:
        tensors = {n: torch.tensor(w, dtype=torch.float64, requires_grad=True) for n, w in weights.items()}
        run(tensors).backward()
        return [weight.grad for weight in tensors.values()]

    wide, held = torch.tensor(x).double(), [torch.tensor(s).double() for s in states]

    def padded(tensors: Any) -> torch.Tensor:
        made = run_torch(operator, wide, held, tensors, LENGTHS)
        steps = torch.arange(STEPS)[None] < torch.tensor(LENGTHS)[:, None]
        return (made if operator.final else made[steps]).square().sum()

    def single(tensors: Any) -> torch.Tensor:
        rows = [run_torch(operator, wide[r : r + 1, :n], [s[r : r + 1] for s in held], tensors, None)
                for r, n in enumerate(LENGTHS)]  # fmt: skip
        return sum(row.square().sum() for row in rows)  # type: ignore[return-value]

    torch.testing.assert_close(gradients(padded), gradients(single))


def compare_rows(operator: Operator, wanted: Any, lengths: list[int], engine: str, found: np.ndarray) -> None:
    """The valid steps of each row are as wanted."""
    assert len(found) == len(lengths)
    for row, length in enumerate(lengths):
        have = found[row] if operator.final else found[row, :length]
        if operator.final or length:
            np.testing.assert_allclose(have, wanted[row], atol=2e-6, err_msg=f"{engine}, row {row}")


def engines(model: bytes, in_openvino: bool) -> dict[str, Any]:
    proto = onnx.load_from_string(model)
    found = {"ONNX Runtime": run_onnxruntime(proto), "onnx.reference": run_reference(proto)}
    return found | {"OpenVINO": partial(run_openvino, model)} if in_openvino else found


def onnx_model(operator: Operator, weights: Any, in_openvino: bool, opset: int = 20) -> bytes:
    """The ONNX form of a layer that gets lengths."""
    builder = to_onnx.OnnxBuilder(opset, in_openvino=in_openvino)
    names = ("x", *STATES)[: len(operator.operands)]
    values = [to_onnx.typed(ir.Value(name=name), type)
              for name, type in zip(names, operator.operands, strict=True)]  # fmt: skip
    x = Value("x", operator.operands[0], Site(Span(Source("t.dl", ""), 0, 0)))
    builder.inputs = {x: values[0]}
    lengths = to_onnx.typed(ir.Value(name="lengths"), Tensor("int64"))
    stored = {n: builder.initializer(f"layer.{n}", w, weight=True) for n, w in weights.items()}
    y = operator.onnx(to_onnx.Operators(builder), *values, lengths=lengths, **stored)
    to_onnx.typed(y, operator.results[0])
    used = {v.name for n in builder.nodes for v in n.inputs if v is not None}
    graph = ir.Graph([*values, lengths], [y], nodes=builder.nodes, opset_imports={"": opset}, name="one",
                     initializers=[v for n, v in builder.initializers.items() if n in used])  # fmt: skip
    return to_onnx.serialize(ir.Model(graph, ir_version=8))


SETTINGS: list[dict[str, Any]] = [
    {"final": True},
    {"layers": 2, "bias": False},
    {"layers": 2, "bidirectional": True},
    {"layers": 2, "bidirectional": True, "final": True},
]
CASES = [
    *((kind, states, settings) for kind in KINDS for settings in SETTINGS for states in (0, 1)),
    ("lstm", 2, SETTINGS[3]),
    ("rnn", 1, {"activation": "relu", "bidirectional": True, "final": True}),
]


@pytest.mark.parametrize(("kind", "states", "settings"), CASES)
def test_rows_of_several_lengths_are_answered_as_each_alone(kind: str, states: int, settings: Any) -> None:
    """In torch the padding holds numbers, in the artifact it may hold NaN. Gradients are those of each row
    alone too."""
    operator = bound(kind, states, free("T"), **settings)
    weights = draw_weights(operator)
    x, given = feed(operator, states, STEPS, len(LENGTHS))
    wanted = alone(operator, weights, x, given, LENGTHS)
    compare = partial(compare_rows, operator, wanted, LENGTHS)
    compare("torch", run_torch(operator, x, given, weights, LENGTHS).numpy())
    assert_equal_gradients(operator, x, given, weights)
    for row, length in enumerate(LENGTHS):
        x[row, length:] = np.nan
    inputs = {"x": x, **dict(zip(STATES, given, strict=False)), "lengths": np.array(LENGTHS)}
    for in_openvino in (False, True):
        for engine, run in engines(onnx_model(operator, weights, in_openvino), in_openvino).items():
            compare(f"{engine}, in_openvino={in_openvino}", next(iter(run(inputs).values())))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_steps_keep_the_initial_state(kind: str) -> None:
    for lengths, final in product((None, [0, 0]), (True, False)):
        operator = bound(kind, 1, free("T"), final=final)
        weights = draw_weights(operator)
        x, given = feed(operator, 1, 0, 2)
        compare = partial(compare_rows, operator, alone(operator, weights, x, given, [0, 0]), [0, 0])
        compare("torch", run_torch(operator, x, given, weights, lengths).numpy())
        inputs = {"x": x, "state": given[0], "lengths": np.array([0, 0])}
        for in_openvino in (False, True):
            for engine, run in engines(onnx_model(operator, weights, in_openvino), in_openvino).items():
                compare(engine, next(iter(run(inputs).values())))


@pytest.mark.parametrize("kind", KINDS)
def test_training_computes_what_the_module_of_torch_computes(kind: str) -> None:
    """With the same random numbers for dropout. Its `state_dict` is loaded in both directions."""
    text = f"input x: float[T, {FEATURES}]\ny = x -> {kind}({UNITS}, 2, true, dropout=0.4)\n"
    program = compile(Source("t.dl", text))
    rng = np.random.default_rng(0)
    weights = {w.name: rng.standard_normal(w.value.type.shape).astype(np.float32)
               for w in program.graph.weights}  # fmt: skip
    graph = replace(program.graph, outputs={"y": program.bindings["y"]})
    ours = Model(graph, graph.weights, weights)
    theirs = KINDS[kind](FEATURES, UNITS, 2, batch_first=True, bidirectional=True, dropout=0.4)
    theirs.load_state_dict({n.removeprefix(f"{kind}."): w for n, w in ours.state_dict().items()})
    x = torch.randn(3, STEPS, FEATURES)
    torch.manual_seed(0)
    found = ours({"x": x})["y"]
    torch.manual_seed(0)
    wanted = theirs(x)[0]
    torch.testing.assert_close(found, wanted)
    found.square().sum().backward()
    wanted.square().sum().backward()
    gradients = {n.removeprefix(f"{kind}."): p.grad for n, p in ours.named_parameters()}
    for name, weight in theirs.named_parameters():
        torch.testing.assert_close(gradients[name], weight.grad)


def test_a_tensor_that_flows_stands_before_the_initial_state_in_the_call() -> None:
    head = f"input x: float[T, {FEATURES}]\ninput h, c: float[{UNITS}]\n"
    flows = ("x -> lstm(h, c, 4)", "(x, h, c) -> lstm(4)", "lstm(x, h, c, 4)", "(x, h) -> lstm(c, 4)")
    graphs = [print_graph(compile(Source("t.dl", f"{head}y = {flow}\n"))) for flow in flows]
    assert graphs == graphs[:1] * len(flows)


def print_graph(program: Any) -> list[tuple[str, list[str]]]:
    return [(node.operator.name, [v.name for v in node.operands]) for node in program.graph.nodes]


def test_weights_are_stored_for_each_layer_with_the_gates_of_onnx() -> None:
    operator = bound("lstm", 0, free("T"), layers=2, bidirectional=True)
    weights = draw_weights(operator)
    graph = onnx.load_from_string(onnx_model(operator, weights, False)).graph
    stored = {i.name: numpy_helper.to_array(i) for i in graph.initializer if i.name.startswith("layer.")}
    assert {n: a.shape for n, a in stored.items()} == {
        "layer.W_l0": (2, 16, 3), "layer.R_l0": (2, 16, 4), "layer.B_l0": (2, 32),
        "layer.W_l1": (2, 16, 8), "layer.R_l1": (2, 16, 4), "layer.B_l1": (2, 32),
    }  # fmt: skip
    i, f, g, o = np.split(weights["weight_ih_l1_reverse"], 4)
    np.testing.assert_array_equal(stored["layer.W_l1"][1], np.concatenate([i, o, f, g]))
    assert [n.op_type for n in graph.node].count("LSTM") == 2


def test_derivatives_of_a_recurrent_layer_are_differentiated_without_cudnn() -> None:
    """cuDNN cannot differentiate its derivatives."""
    text = """
    input x: float[5, 3]
    output y: float
    x -> lstm(4, final=true) -> dense(1) -> y
    train { loss = mean(square(gradient(y, x))) }
    """
    program = compile(Source("t.dl", text))
    graph = specialize.training(program, program.objective)
    assert without_cudnn in [node.target for node in trace(graph).graph.nodes]
    weights = {w.name: np.full(w.value.type.shape, 0.5, np.float32) for w in graph.weights}
    model = Model(graph, graph.weights, weights)
    model({"x": torch.randn(2, 5, 3)})["objective"].backward()
    assert all(weight.grad.abs().sum() > 0 for name, weight in model.named_parameters() if "weight" in name)
