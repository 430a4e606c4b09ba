"""Folding: a normalization is folded into the previous layer if it is the only reader of the layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from artifacts import agree, draw, make

FOLDED = {
    "conv": ("float[4, 8, 8]", "float[6, 6, 6]", "conv(6, 3)"),
    "conv without bias": ("float[4, 8, 8]", "float[6, 6, 6]", "conv(6, 3, bias=false)"),
    "grouped conv": ("float[4, 8, 8]", "float[8, 6, 6]", "conv(8, 3, groups=4)"),
    "conv over time": ("float[4, T]", "float[6, T]", "conv(6, 3, padding=same)"),
    "conv over space": ("float[2, 4, 4, 4]", "float[3, 3, 3, 3]", "conv(3, 2)"),
    "conv_transpose": ("float[4, 5, 5]", "float[6, 7, 7]", "conv_transpose(6, 3)"),
    "conv of constants": ("float[1, 4, 4]", "float[1, 3, 3]", "conv(1, 2, weight=[[[[1, -1], [0, 2]]]])"),
    "dense": ("float[4]", "float[6]", "dense(6)"),
    "dense without bias": ("float[4]", "float[6]", "dense(6, bias=false)"),
}


@pytest.mark.parametrize("case", FOLDED)
def test_a_normalization_is_folded_into_the_previous_layer(case: str, tmp_path: Path) -> None:
    takes, gives, layer = FOLDED[case]
    made = make(f"input x: {takes}\noutput y: {gives}\nx -> {layer} -> batchnorm(eps=0.01) -> y\n", tmp_path)
    name = layer.split("(")[0]
    assert len(made.operators) == 1
    assert set(made.stored) == {f"{name}.weight.folded", f"{name}.bias.folded"}
    agree(made, T=9)


@pytest.mark.parametrize("layer", ["conv(3, 3)", "conv(3, 3, bias=false)"])
def test_consecutive_normalizations_are_folded(layer: str, tmp_path: Path) -> None:
    made = make(
        f"input x: float[4, 5, 5]\noutput y: float[3, 3, 3]\n"
        f"x -> {layer} -> batchnorm -> batchnorm(eps=0.1) -> dropout(0.1) -> batchnorm -> y\n",
        tmp_path,
    )
    assert made.operators == ["Conv"]
    assert set(made.stored) == {"conv.weight.folded", "conv.bias.folded"}
    agree(made)


@pytest.mark.parametrize(
    "layer", ["conv_transpose(6, 3, groups=2)", "conv_transpose(4, 3, groups=4, bias=false)"]
)
def test_a_normalization_is_folded_into_a_grouped_conv_transpose(layer: str, tmp_path: Path) -> None:
    """Compared only with torch and ONNX Runtime: `onnx.reference` is wrong for grouped ConvTranspose."""
    made = make(
        f"input x: float[4, 5, 5]\noutput y: float[C, 7, 7]\nx -> {layer} -> batchnorm -> y\n", tmp_path
    )
    assert made.operators == ["ConvTranspose"]
    raw = draw(made, 7)
    np.testing.assert_allclose(made.onnxruntime(raw)["y"], made.torch(raw)["y"], rtol=1e-4, atol=1e-5)


def test_a_layer_followed_by_training_only_operators_is_folded(tmp_path: Path) -> None:
    made = make(
        "input x: float[3, 8, 8]\noutput y: float[4]\n"
        "x -> gaussian_noise(0.1) -> conv(4, 3) -> dropout(0.5) -> batchnorm -> relu -> "
        "dropout(0.3) -> flatten\n"
        "  -> dense(4) -> dropout(0.5) -> y\n",
        tmp_path,
    )
    assert made.operators == ["Conv", "Relu", "Flatten", "Gemm"]
    agree(made)


KEPT = {
    "the layer has another reader": (
        "output y, z: float[6]\nh = x -> dense(6)\nh -> batchnorm -> y\nrelu(h) -> z\n"
    ),
    "the layer is an output": "output y, z: float[6]\nh = x -> dense(6)\nh -> batchnorm -> y\nh -> z\n",
    "the layer is exported": (
        "output y: float[6]\nh = x -> dense(6)\nh -> batchnorm -> y\nexport { outputs = [y, h] }\n"
    ),
    "another operator is between": "output y: float[6]\nx -> dense(6) -> relu -> batchnorm -> y\n",
    "the norm is first": "output y: float[4]\nx -> batchnorm -> y\n",
    "features are on another axis": (
        "output y: float[3]\nx -> reshape(2, 2) -> dense(3) -> batchnorm -> sum(axis=0) -> y\n"
    ),
    "its weight is tied": (
        "weight w: float[6, 4] = normal(0.1)\noutput y: float[6]\noutput z: float[4]\n"
        "h = x -> dense(6, weight=w)\nh -> batchnorm -> y\nrelu(y) @ w -> z\n"
    ),
    "its net is used without the norm too": (
        "net f(v) { return v -> dense(4) }\noutput y, z: float[4]\nx -> f -> batchnorm -> y\nx -> "
        "f -> relu -> z\n"
    ),
    "its net is used before two norms": (
        "net f(v) { return v -> dense(4) }\noutput y, z: float[4]\nx -> f -> batchnorm -> y\nx -> f -> "
        "batchnorm -> z\n"
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_a_normalization_is_kept_where(case: str, tmp_path: Path) -> None:
    made = make(f"input x: float[4]\n{KEPT[case]}", tmp_path)
    assert "BatchNormalization" in made.operators
    assert not [name for name in made.stored if name.endswith(".folded")]
    agree(made)


NORMED = "net f(x) { return x -> dense(6) -> batchnorm }\n"
SHARED = {
    "a norm of the net": (
        "net f(x) { return x -> dense(6) -> batchnorm -> relu }\nf(a) - f(b) -> y\n",
        ["Gemm", "Relu", "Gemm", "Relu", "Sub"],
    ),
    "of two norms the one that all uses share": (
        NORMED + "h = b -> f -> batchnorm\n(a -> f -> batchnorm) - h -> y\n",
        ["Gemm", "BatchNormalization", "Gemm", "BatchNormalization", "Sub"],
    ),
}


@pytest.mark.parametrize("case", SHARED)
def test_in_a_shared_layer_is_folded_once(case: str, tmp_path: Path) -> None:
    text, operators = SHARED[case]
    made = make(f"input a, b: float[4]\noutput y: float[6]\n{text}", tmp_path)
    assert made.operators == operators
    assert {name for name in made.stored if name.startswith("f.")} == {
        "f.dense.weight.folded",
        "f.dense.bias.folded",
    }
    agree(made)


def test_weights_have_their_names(tmp_path: Path) -> None:
    made = make(
        "input x: float[1, 8, 8]\noutput y: float[T_, 3]\n"
        "block unit(x; n) { return x -> conv(n, 3, padding=1) -> relu }\n"
        "h = x -> unit(2) -> unit(2)\nh -> reshape(-1, 4) -> dense(3) -> layernorm -> y\n".replace(
            "T_", "32"
        ),
        tmp_path,
    ).stored
    assert set(made) == {
        "unit.conv.weight", "unit.conv.bias", "unit_2.conv.weight",
        "unit_2.conv.bias", "dense.weight", "dense.bias",
        "layernorm.weight", "layernorm.bias",
    }  # fmt: skip
    assert made["dense.weight"].shape == (3, 4)


def test_a_weight_has_its_name_on_both_sides_of_an_operator(tmp_path: Path) -> None:
    text = "input x: float[4]\noutput y: float[3]\nweight w: float[3, 4] = normal(1)\nw @ (x * w[0]) -> y\n"
    made = make(text, tmp_path)
    assert {name: array.shape for name, array in made.stored.items()} == {"w": (3, 4)}
    agree(made)


def test_a_folded_layer_has_the_source_location_of_the_layer(tmp_path: Path) -> None:
    made = make("input x: float[4]\noutput y: float[6]\nx\n  -> dense(6)\n  -> batchnorm\n  -> y\n", tmp_path)
    (node,) = made.proto.graph.node
    assert (node.op_type, node.metadata_props[0].value) == ("Gemm", "text.dl:4:6")


def test_folding_is_computed_in_float64(tmp_path: Path) -> None:
    """A tiny variance gives large factors; the outputs are still those of the two nodes."""
    text = "input x: float[4]\noutput y: float[2]\nx -> dense(2) -> batchnorm -> y\n"
    weights = {
        "dense.weight": np.full((2, 4), 1e-3, np.float32),
        "batchnorm.running_var": np.array([0, 1e6], np.float32),
        "batchnorm.running_mean": np.array([1e-3, -500], np.float32),
    }  # fmt: skip
    agree(make(text, tmp_path, weights=weights))
