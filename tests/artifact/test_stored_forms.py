"""Weights that the file stores in another layout or dtype than training: `op.stored` in ONNX forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from artifacts import agree, make

import dlc
from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Number
from dlc.compiler.operators.base import Example, Operator, WeightSpec
from dlc.compiler.operators.layers import Layer
from dlc.compiler.types import Tensor
from dlc.reference.forms import in_onnx
from dlc.show import stages

IN, OUT = "input x: float[4]\n", "output y: float[4]\n"


@pytest.fixture(autouse=True)
def defined(families: None) -> None:
    """Operators that store their weights in other forms."""

    class Projected(Layer):
        """`scale * x W^T`, with the matrix transposed and scaled in the file."""

        scale: float = setting("factor", Number(), 1.0)

        def type(self, x: Tensor) -> Tensor:
            return x

        def weights(self, x: Tensor):
            yield WeightSpec("weight", (x.shape[-1], x.shape[-1]), initial=self.init)

        def torch(self, F, x, weight):
            return F.linear(x, self.scale * weight)

        def onnx(self, op, x, weight):
            return op.MatMul(x, op.stored(".T", lambda w: w.T * np.float32(self.scale), weight))

        examples = (Example("projected", "float[3]", "float[3]"),)

    class Gated(Operator):
        """`(x V^T + b) * sigmoid(x G^T + c)`, stored as one matrix with the gate first."""

        def type(self, x: Tensor) -> Tensor:
            return x

        def weights(self, x: Tensor):
            features = x.shape[-1]
            for leaf in ("weight_v_l0", "weight_g_l0"):
                yield WeightSpec(leaf, (features, features))
            for leaf in ("bias_v_l0", "bias_g_l0"):
                yield WeightSpec(leaf, (features,), "bias")

        def torch(self, F, x, weight_v_l0, weight_g_l0, bias_v_l0, bias_g_l0):
            return F.linear(x, weight_v_l0, bias_v_l0) * F.sigmoid(F.linear(x, weight_g_l0, bias_g_l0))

        def onnx(self, op, x, weight_v_l0, weight_g_l0, bias_v_l0, bias_g_l0):
            w = op.stored("W_l0", lambda v, g: np.concatenate([g, v]), weight_v_l0, weight_g_l0)
            b = op.stored("B_l0", lambda v, g: np.concatenate([g, v]), bias_v_l0, bias_g_l0)
            both, half = op.Gemm(x, w, b, transB=1), x_size(self)
            gate, value = (
                op.Slice(both, *(op.constant([at], "int64") for at in (start, start + half, 1)))
                for start in (0, half)
            )
            return op.Mul(value, op.Sigmoid(gate))

        examples = (Example("gated", "float[3]", "float[3]"),)

    def x_size(operator: Operator) -> int:
        (size,) = operator.operands[0].shape
        assert isinstance(size, int)
        return size

    class Narrow(Operator, abstract=True):
        dtype: type = np.float32

        def type(self, x: Tensor) -> Tensor:
            return x

        def weights(self, x: Tensor):
            yield WeightSpec("weight", x.shape)

        def torch(self, F, x, weight):
            return x * weight

        def onnx(self, op, x, weight):
            narrow = op.stored(f".{self.name}", lambda w: w.astype(self.dtype), weight)
            return op.Mul(x, op.Cast(narrow, to=1))

        examples = (Example("narrow", "float[3]", "float[3]"),)

    for name, element in {"Half": np.float16, "Byte": np.int8, "Double": np.float64}.items():
        type(Narrow)(name, (Narrow,), {"__doc__": f"`x * weight`, in {element.__name__}.", "dtype": element})


def test_a_transposed_weight_replaces_the_weight(tmp_path: Path) -> None:
    made = make(f"{IN}{OUT}x -> projected -> y\n", tmp_path)
    assert made.operators == ["MatMul"]
    assert set(made.stored) == {"projected.weight.T"}
    np.testing.assert_array_equal(made.stored["projected.weight.T"], made.weights["projected.weight"].T)
    agree(made)


def test_gates_are_stored_in_the_order_of_onnx(tmp_path: Path) -> None:
    made = make(f"{IN}{OUT}x -> gated -> y\n", tmp_path)
    assert set(made.stored) == {"gated.W_l0", "gated.B_l0"}
    gates = [made.weights[f"gated.weight_{gate}_l0"] for gate in "gv"]
    np.testing.assert_array_equal(made.stored["gated.W_l0"], np.concatenate(gates))
    agree(made)


@pytest.mark.parametrize("name", ["half", "byte", "double"])
def test_a_weight_is_stored_in_the_dtype_of_its_form(name: str, tmp_path: Path) -> None:
    whole = {f"{name}.weight": np.array([-3, 0, 2, 100], np.float32)}
    made = make(f"{IN}{OUT}x -> {name} -> y\n", tmp_path, weights=whole)
    dtype = {"half": np.float16, "byte": np.int8, "double": np.float64}[name]
    assert {n: a.dtype for n, a in made.stored.items()} == {f"{name}.weight.{name}": dtype}
    agree(made)
    rows = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(dlc.load(made.path).predict({"x": rows})["y"], rows * [-3, 0, 2, 100])


def test_a_shared_weight_is_stored_once_for_each_form(tmp_path: Path) -> None:
    net = "net twice(a) { return a -> projected }\n"
    made = make(f"{IN}{OUT}{net}x -> twice -> relu -> twice -> y\n", tmp_path)
    assert set(made.stored) == {"twice.projected.weight.T"}
    agree(made)

    plain = "weight w: float[4, 4] = normal(1)\n"
    made = make(
        f"{IN}{OUT}{plain}x -> dense(4, weight=w, bias=false) -> projected(weight=w) -> y\n", tmp_path
    )
    assert set(made.stored) == {"w", "w.T"}
    agree(made)


def test_different_forms_are_stored_separately(tmp_path: Path) -> None:
    flow = "weight w: float[4, 4] = normal(1)\nx -> projected(weight=w) -> projected(2, weight=w) -> y\n"
    made = make(f"{IN}{OUT}{flow}", tmp_path)
    assert set(made.stored) == {"w.T", "w.T_2"}
    agree(made)


def test_a_form_of_numbers_in_the_spec(tmp_path: Path) -> None:
    made = make("input x: float[2]\noutput y: float[2]\nx -> projected(weight=[[1, 2], [3, 4]]) -> y\n",
                tmp_path)  # fmt: skip
    assert [t.name for t in made.proto.graph.initializer] == ["constant.T"]
    agree(made)


def test_a_computed_weight_has_no_stored_form(tmp_path: Path) -> None:
    flow = "weight w: float[4, 4] = normal(1)\nx -> projected(weight=w * 2) -> y\n"
    with pytest.raises(dlc.CompileError, match="not built yet for computed weights") as caught:
        make(f"{IN}{OUT}{flow}", tmp_path)
    (found,) = caught.value.diagnostics
    assert (found.code, found.span and found.span.place) == ("E0901", "text.dl:4:6")


def test_a_stored_form_is_shown_as_a_weight() -> None:
    program = dlc.compile(text=f"{IN}{OUT}x -> projected -> y\n").compiled
    shown = stages.onnx(program)
    assert "  weight %projected.weight.T : float[4, 4]\n" in shown
    assert "  %y = MatMul %x %projected.weight.T  #" in shown
    assert in_onnx(program.graph.nodes[0]) == ["MatMul(x, weight.T)"]
