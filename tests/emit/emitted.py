"""Helpers that load emitted files, run them, and compare their outputs."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.numpy import save_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from dlc.compiler.types import Tensor

POSITIVE = ("_var", ".std", ".range")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"emitted_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model_of(module: ModuleType) -> torch.nn.Module:
    """The model, which is the last class of the file."""
    tree = ast.parse(Path(module.__file__ or "").read_text("utf-8"))
    return getattr(module, [node.name for node in tree.body if isinstance(node, ast.ClassDef)][-1])()


def with_noise(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights with added noise, so that no bias is 0. Variances stay positive."""
    rng = np.random.default_rng(1)
    noisy = {name: w + 0.02 * rng.standard_normal(w.shape).astype(np.float32) for name, w in weights.items()}
    return {name: np.asarray(np.abs(w) + 0.1 if name.endswith(POSITIVE) else w) for name, w in noisy.items()}


def open_emitted(path: Path, weights: Mapping[str, np.ndarray]) -> tuple[ModuleType, torch.nn.Module]:
    """The module of an emitted file, and its model with these weights, by their names in the spec."""
    module = load(path)
    model = model_of(module)
    if weights:
        save_file(dict(weights), path.with_suffix(".safetensors"))
        module.load_weights(model, path.with_suffix(".safetensors"))
    return module, model


def predicted(
    path: Path,
    weights: Mapping[str, np.ndarray],
    inputs: Mapping[str, np.ndarray],
    types: Mapping[str, Tensor],
) -> dict[str, np.ndarray]:
    """The outputs of `predict` of an emitted file with these weights, by their names in the spec. There may
    be more inputs than it takes."""
    _, model = open_emitted(path, weights)
    taken = {name.rstrip("_") for name in inspect.signature(model.predict).parameters}
    given = (as_tensor(types[name], rows) for name, rows in inputs.items() if name.rstrip("_") in taken)
    found = model.predict(*given)
    return {name: np.asarray(output) for name, output in found.items()}


def as_tensor(type: Tensor, rows: np.ndarray) -> torch.Tensor:
    """Inputs of an emitted file. It takes class indices where the artifact takes class names."""
    if rows.dtype == object:
        rows = np.vectorize(type.classes.names.index)(rows)
    return torch.from_numpy(rows)


def assert_close(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for name, output in wanted.items():
        assert found[name].shape == output.shape
        if output.dtype.kind == "f":
            bound = 1e-4 * max(np.abs(output).max(initial=0), 1e-3)
            np.testing.assert_allclose(found[name], output, rtol=1e-4, atol=bound)
        else:
            np.testing.assert_array_equal(found[name], output)
