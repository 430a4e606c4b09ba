"""From rows to a verified artifact, with raw inputs of every type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import dlc
from dlc.runtime.artifact import verify

COUNT = 24
SPEC = """input image: uint8[2, 4, 4]
input colour: class(red, green, blue)
input size: class(auto)
input paid: binary("no", "yes")
input wide: float64[3]
input count: int32
input flag: bool
output kind: class(low, high)
output late: binary("early", "late")
output price: float

pixels = image / 255 -> standardize -> conv(2, 3) -> batchnorm -> relu -> global_avgpool
words = where(colour == 1, 1.0, 0.0) + where(size == 0, 1.0, 0.0) + paid + flag + count / 10
h = concat(pixels, wide -> standardize) + words
h -> dense(2) -> kind
h -> dense(1) -> late
h -> dense(1) -> price

data {
  test     = 6
  stratify = kind
}
train {
  epochs = 2
  batch  = 6
}
"""
ONCE = "train {\n  epochs = 1\n  batch  = 4\n}\n"


def rows() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    pick = {
        "colour": ["red", "green", "blue"],
        "size": ["S", "L"],
        "paid": ["no", "yes"],
        "kind": ["low", "high"],
    }
    chosen = {n: np.array(words)[np.arange(COUNT) % len(words)] for n, words in pick.items()}
    return chosen | {
        "late": np.array(["late", "early", "late"] * 8),
        "image": rng.integers(0, 256, (COUNT, 2, 4, 4)).astype(np.uint8),
        "wide": rng.normal(size=(COUNT, 3)),
        "count": rng.integers(-5, 5, COUNT).astype(np.int32),
        "flag": rng.random(COUNT) < 0.5,
        "price": rng.normal(size=COUNT),
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return dlc.train(text=SPEC, data=rows(), out=tmp_path_factory.mktemp("runs")).model


def test_raw_rows_of_every_type_are_compared(model: Path) -> None:
    metadata = dlc.load(model).metadata
    assert metadata.parity["batches"][-2:] == ["1 real rows", "6 real rows"]
    assert verify(model).holds
    assert metadata.inputs["size"]["names"] == ["L", "S"]


def test_raw_rows_of_every_type_are_predicted(model: Path) -> None:
    given = rows()
    artifact = dlc.load(model)
    found = artifact.predict({n: given[n] for n in artifact.inputs})
    assert set(found["kind"]) <= {"low", "high"}
    assert set(found["late"]) <= {"early", "late"}
    assert found["price"].dtype == np.float32
    assert list(artifact.inputs) == ["image", "colour", "size", "paid", "wide", "count", "flag"]


def test_nothing_of_the_training_is_exported(model: Path) -> None:
    proto = onnx.load(model)
    operators = {n.op_type for n in proto.graph.node}
    assert not operators & {"BatchNormalization", "Dropout", "Log", "SoftmaxCrossEntropyLoss"}
    stored = {t.name for t in proto.graph.initializer}
    assert {"standardize.mean", "standardize_2.std", "conv.weight.folded", "dense.weight"} <= stored
    assert not [name for name in stored if "running" in name or "batchnorm" in name]


def test_the_same_rows_have_the_same_fingerprint(tmp_path: Path) -> None:
    text = f"input x: float\noutput y: float\nx -> dense(1) -> y\n{ONCE}"
    x = np.arange(8.0)
    prints = [
        dlc.load(dlc.train(text=text, data={"x": x, "y": y}, out=tmp_path / name).model).metadata.fingerprint
        for name, y in {"one": x, "same": x.copy(), "other": x + 1}.items()
    ]
    assert prints[0] == prints[1] != prints[2]


def test_an_unknown_class_is_part_of_the_parity_check(tmp_path: Path) -> None:
    """The only test row has a class that no other row has."""
    text = (
        "input c: class(auto)\noutput y: float\nwhere(c == 0, 1.0, 0.0) -> dense(1) -> y\n"
        'data { test = npz("test.npz") }\n' + ONCE
    )
    (tmp_path / "m.dl").write_text(text, "utf-8")
    np.savez(tmp_path / "test.npz", c=np.array(["new"]), y=np.array([1.0]))
    data = {"c": np.array(["a", "b"] * 4), "y": np.arange(8.0)}
    metadata = dlc.load(dlc.train(tmp_path / "m.dl", data=data, out=tmp_path).model).metadata
    assert metadata.parity["batches"][-1] == "1 real rows"


@pytest.mark.parametrize("value", ["1e-9", "1e9"])
def test_rows_of_any_scale_are_compared(value: str, tmp_path: Path) -> None:
    text = f"input x: float\noutput y: float\nx -> standardize -> dense(1) -> y\n{ONCE}"
    x = np.arange(8.0) * float(value)
    result = dlc.train(text=text, data={"x": x, "y": x}, out=tmp_path)
    assert dlc.load(result.model).metadata.parity["worst"] <= 1e-4


def test_a_nan_figure_is_null_in_the_artifact(tmp_path: Path) -> None:
    text = "input x: float\noutput y: binary\nx -> dense(1) -> y\ntrain { metrics = auroc\nepochs = 1 }"
    result = dlc.train(text=text, data={"x": np.arange(4.0), "y": np.ones(4)}, out=tmp_path)
    assert np.isnan(result.figures["train"]["auroc"])
    (entry,) = [p for p in onnx.load(result.model).metadata_props if p.key == "dlc.figures"]
    assert json.loads(entry.value, parse_constant=pytest.fail)["train"]["auroc"] is None
