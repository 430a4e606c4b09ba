"""Helpers for tests of artifacts: export a spec and open the file with readers that are independent of
dlc."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

import dlc
from dlc.runtime.artifact.export import export

Axes = list[int | str]
DTYPES = {"BFLOAT16": ml_dtypes.bfloat16, "STRING": object}


@dataclass(frozen=True)
class Made:
    """A spec and its artifact."""

    face: dlc.Program
    weights: Mapping[str, np.ndarray]
    path: Path
    proto: onnx.ModelProto

    @property
    def inputs(self) -> dict[str, tuple[str, Axes]]:
        return {v.name: declared(v) for v in self.proto.graph.input}

    @property
    def outputs(self) -> dict[str, tuple[str, Axes]]:
        return {v.name: declared(v) for v in self.proto.graph.output}

    @property
    def operators(self) -> list[str]:
        return [node.op_type for node in self.proto.graph.node]

    @property
    def stored(self) -> dict[str, np.ndarray]:
        """The weights in the file, without constants."""
        tensors = (t for t in self.proto.graph.initializer if not t.name.startswith("constant"))
        return {t.name: onnx.numpy_helper.to_array(t) for t in tensors}

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata, read by a plain ONNX Runtime session."""
        return session(self.path).get_modelmeta().custom_metadata_map

    def onnxruntime(self, raw: Mapping[str, Any]) -> dict[str, np.ndarray]:
        opened = session(self.path)
        names = [o.name for o in opened.get_outputs()]
        return dict(zip(names, opened.run(names, dict(raw)), strict=True))

    def reference(self, raw: Mapping[str, Any]) -> dict[str, np.ndarray]:
        evaluator = ReferenceEvaluator(self.proto)
        with np.errstate(all="ignore"):
            return dict(zip(evaluator.output_names, evaluator.run(None, dict(raw)), strict=True))

    def torch(self, raw: Mapping[str, Any]) -> dict[str, np.ndarray]:
        module = self.face.torch(weights=self.weights)
        tensors = {n: a if a.dtype.kind in "OU" else torch.from_numpy(a) for n, a in raw.items()}
        with torch.no_grad():
            return {n: t.numpy() for n, t in module(tensors).items()}


def make(text: str, folder: Path, *, weights: Mapping[str, np.ndarray] | None = None, **given: Any) -> Made:
    """Export a spec, with random weights if none are given, and check the rules for all artifacts."""
    face = dlc.compile(text=text)
    values = random_weights(face) if weights is None else face.weights(weights)
    path = folder / "model.onnx"
    export(face.compiled, values, path, **given)
    made = Made(face, values, path, onnx.load(path))
    check(made)
    return made


def check(made: Made) -> None:
    """Check that the model is valid, has only standard operators, and that each node has its source
    location."""
    onnx.checker.check_model(made.proto, full_check=True)
    onnx.shape_inference.infer_shapes(made.proto, check_type=True, strict_mode=True, data_prop=True)
    assert {o.domain for o in made.proto.opset_import} <= {"", "ai.onnx.ml"}
    assert not made.proto.functions
    lines = made.face.compiled.source.text.splitlines()
    for node in made.proto.graph.node:
        (place,) = [p.value for p in node.metadata_props if p.key == "place"]
        at = re.fullmatch(r"text\.dl:(\d+):(\d+)", place)
        assert at and int(at[2]) <= len(lines[int(at[1]) - 1]), place


def random_weights(face: dlc.Program, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights that differ from the initial values; divisors are positive."""
    rng = np.random.default_rng(seed)
    drawn = {w.name: rng.normal(size=w.value.type.shape) for w in face.compiled.graph.weights}
    positive = ("running_var", "std", "range")
    return {
        n: np.asarray(np.abs(a) + 0.5 if n.endswith(positive) else a, np.float32) for n, a in drawn.items()
    }


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def declared(value: onnx.ValueInfoProto) -> tuple[str, Axes]:
    tensor = value.type.tensor_type
    axes = [d.dim_param if d.HasField("dim_param") else d.dim_value for d in tensor.shape.dim]
    return TensorProto.DataType.Name(tensor.elem_type), axes


def draw(made: Made, batch: int, **free: int) -> dict[str, np.ndarray]:
    """Random raw inputs for the declared inputs of the artifact."""
    rng = np.random.default_rng(batch)
    return {name: draw_one(rng, made, name, batch, free) for name in made.inputs}


def draw_one(
    rng: np.random.Generator, made: Made, name: str, batch: int, free: Mapping[str, int]
) -> np.ndarray:
    element, axes = made.inputs[name]
    shape = [{"batch": batch, **free}[a] if isinstance(a, str) else a for a in axes]
    if element == "STRING":
        classes = made.face.compiled.graph.inputs
        names = next(i.declared.classes.names for i in made.face.compiled.inputs if i.name == name)
        assert classes and names
        return np.array(names, object)[rng.integers(0, len(names), shape)]
    if element == "BOOL":
        return rng.random(shape) < 0.5
    if element.startswith(("INT", "UINT")):
        return rng.integers(0, 3, shape).astype(element.lower())
    return rng.normal(size=shape).astype({"DOUBLE": "float64", "FLOAT16": "float16"}.get(element, "float32"))


def agree(made: Made, batches: tuple[int, ...] = (1, 2, 7), **free: int) -> dict[str, np.ndarray]:
    """Check that ONNX Runtime and `onnx.reference` agree with torch; returns the outputs of the last
    batch."""
    found: dict[str, np.ndarray] = {}
    for batch in batches:
        raw = draw(made, batch, **free)
        wanted = made.torch(raw)
        found = made.onnxruntime(raw)
        for engine in (found, made.reference(raw)):
            assert list(engine) == list(wanted) == list(made.outputs)
            for name, want in wanted.items():
                compare(made, name, want, engine[name])
    return found


def compare(made: Made, name: str, want: np.ndarray, have: np.ndarray) -> None:
    if have.dtype.kind in "OU":
        classes = made.face.compiled.output(name).declared.classes
        assert classes and classes.names
        want = np.array(classes.names, object)[want.astype(np.int64)]
        np.testing.assert_array_equal(have.astype(object), want)
        return
    assert (have.dtype, have.shape) == (want.dtype, want.shape)
    np.testing.assert_allclose(have, want, rtol=1e-3 if want.dtype == np.float16 else 1e-4, atol=1e-5)
