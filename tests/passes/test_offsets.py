"""Inputs are cast to float32 after the last subtraction of an offset; float64 computations are hoisted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from legal import legal

import dlc
from dlc.compiler import Source, compile
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.ir.graph import Graph
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import hoisting, specialize
from dlc.runtime.training import device
from dlc.runtime.training import torch_forms as runtime_forms


def program(flow: str, inputs: str = "input t: int64[3]\ninput x: float[3]"):
    return legal(compile(Source("m.dl", f"{inputs}\noutput y: float\nh = {flow}\nsum(h * 1.0) -> y\n")))


def elements(graph: Graph) -> dict[str, str]:
    return {node.operator.name: node.results[0].type.element for node in graph.nodes}


@pytest.mark.parametrize(
    ("flow", "wide"),
    [
        ("t -> standardize", True),
        ("t - 1.5", True),
        ("t - [1.5, 2, 3]", True),
        ("t - [1, 2, 3]", False),  # integers are exact
        ("(t - [[1.5]]) * [2, 3, 4]", True),
        ("(t - x) / 2", True),
        ("(t, x) -> concat -> minmax", True),
        ("(t / 3, x) -> stack -> transpose -> flatten -> standardize", True),
        ("t -> bucketize(4) -> one_hot", True),
        ("where(t > 0.5, 1.0, 2.0)", True),
        ("where(t == 0.5, 1.0, 2.0)", True),
        ("gather(t, argmax(x)) - 1.5", True),
        ("gather(x - 1.5, argmax(x))", False),  # an index is no number of the result
        ("gather(x, t) - 1.5", False),
        ("t - 1", False),  # integers are exact
        ("where(t > 1, 1.0, 2.0)", False),
        ("t -> dense(2)", False),
        ("t * 0.5 -> tanh", False),
        ("exp(t) - 1.5", False),  # a function does not keep the offset of its operand
        ("x - 1.5", False),
    ],
)
def test_subtractions_from_large_numbers_are_computed_in_float64(flow: str, wide: bool) -> None:
    graph = program(flow).graph
    assert any(v.type.element == "float64" for node in graph.nodes for v in node.operands) == wide


def test_narrow_inputs_are_unchanged() -> None:
    for element in ("uint8", "int8", "int16", "bool", "float16", "bfloat16", "float"):
        graph = program("(t, x) -> concat -> standardize", f"input t: {element}[3]\ninput x: float[3]").graph
        assert "float64" not in elements(graph).values()


def test_nothing_is_computed_twice() -> None:
    """Values that are also read in float32 are cast from the float64 values."""
    graph = program("((t, x) -> concat) * 2 + ((t, x) -> concat -> standardize)").graph
    assert sum(node.operator.name == "standardize" for node in graph.nodes) == 1
    casts = [node for node in graph.nodes if node.operator.name == "cast" and node.operator.to == "float"]
    assert len(casts) == len({node.operands[0] for node in casts})
    read = {value for node in graph.nodes for value in node.reads}
    assert all(node.results[0] in read or node.results[0] in graph.outputs.values() for node in casts)


def test_uses_of_a_net_are_fitted_together_in_float64() -> None:
    text = (
        "input t: int64\ninput x: float\noutput y: float\nnet scaled(a) {\n  return a -> standardize\n}\n"
        "x -> scaled -> reshape(1) -> dense(1) -> y\n"
        "output z: float\nt -> scaled -> reshape(1) -> dense(1) -> z\n"
    )
    p = legal(compile(Source("m.dl", text)))
    assert {n.operands[0].type.element for n in p.graph.nodes if n.operator.name == "standardize"} == {
        "float64"
    }
    (mean, _) = [w for w in p.graph.weights if w.role == "fitted"]
    assert mean.value.type.element == "float64"


def test_a_difference_of_two_times_is_exact(tmp_path: Path) -> None:
    text = "input a, b: float64\noutput y: float\nb - a -> y\n"
    face = dlc.compile(text=text)
    a = np.array([1.7e12, 1.7e12 + 1, 1e15])
    made = face.torch()({"a": torch.from_numpy(a), "b": torch.from_numpy(a + 3)})["y"]
    assert (made.dtype, made.tolist()) == (torch.float32, [3, 3, 3])


# --- hoisting ---------------------------------------------------------------------------------------------

TRAINED = """
input  t: int64[3]
input  x: float[3]
output y: float

h = (t, x) -> concat -> standardize
where(t > 1.5, 1.0, 0.0) + (h -> dropout(0.2) -> dense(3)) -> tanh -> dense(1) -> y

train {
  epochs = 3
  batch  = 8
}
"""


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    t = 1_700_000_000 + rng.integers(0, 90, (40, 3))
    return {"t": t, "x": rng.normal(size=(40, 3)).astype(np.float32), "y": (t.sum(1) % 7).astype(np.float32)}


def test_float64_computations_run_once_before_training(tmp_path: Path, monkeypatch) -> None:
    program = compile(Source("m.dl", TRAINED))
    early, rest = hoisting.hoist(specialize.training(program, program.objective))
    assert "float64" not in elements(rest).values()
    assert [v.name for v in early.inputs] == ["t", "x"]
    assert [v.name for v in rest.inputs] == ["y.target", *early.outputs]
    once = dlc.train(text=TRAINED, data=data(), out=tmp_path / "once", device="cpu")
    monkeypatch.setattr(runtime_forms, "hoist", lambda graph, drawn: (hoisting.prune(graph, {}), graph))
    each = dlc.train(text=TRAINED, data=data(), out=tmp_path / "each", device="cpu")
    assert once.figures == each.figures
    assert {n: w.tolist() for n, w in once.weights.items()} == {
        n: w.tolist() for n, w in each.weights.items()
    }
    assert once.weights["standardize.mean"].dtype == np.float64


def test_hoisting_does_not_change_the_answers() -> None:
    program = compile(Source("m.dl", TRAINED))
    whole = specialize.validation(program)
    early, rest = hoisting.hoist(whole)
    rng = np.random.default_rng(1)
    weights = {w.name: np.abs(rng.normal(size=w.value.type.shape)) for w in program.graph.weights}
    weights = {n: a.astype("float64" if "standardize" in n else "float32") for n, a in weights.items()}
    given = {n: torch.from_numpy(np.asarray(a)) for n, a in data().items()}
    wanted = Model(whole, whole.weights, weights)(given)
    made = Model(early, early.weights, weights)(given)
    found = Model(rest, rest.weights, weights)(given | made)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


TWO_SCALES = """
input  t, u: int64[1]
output {name}: float[1]

concat(t -> standardize, u -> standardize) -> dense(1) -> {name}

train {{
  epochs    = 20
  optimizer = sgd(0.1)
}}
"""


@pytest.mark.parametrize("name", ["standardize_2", "subtract", "early", "loss"])
def test_a_target_is_not_confused_with_a_feature_of_the_same_name(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    t, u = rng.integers(0, 90, (2, 200, 1))
    target = ((t + 2 * u) / 90 + 100).astype(np.float32)
    found = []
    for output in ("zzz", name):
        text, given = TWO_SCALES.format(name=output), {"t": t, "u": u, output: target}
        found.append(dlc.train(text=text, data=given, out=tmp_path / output, device="cpu").figures)
    assert found[0] == found[1]
    assert found[1]["train"]["mae"] < 0.1


def test_a_device_without_float64_rejects_computations_that_cannot_be_hoisted() -> None:
    drawn = compile(Source("m.dl", TRAINED.replace("t: int64", "t: float64")))
    _, rest = hoisting.hoist(specialize.training(drawn, drawn.objective), drawn={"t"})
    with pytest.raises(CompileError) as caught:
        device.check_elements(torch.device("mps"), rest)
    assert [d.code for d in caught.value.diagnostics] == ["E0809"]
    device.check_elements(torch.device("cpu"), rest)
    device.check_elements(torch.device("mps"), hoisting.hoist(specialize.training(drawn, drawn.objective))[1])
