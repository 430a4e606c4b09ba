"""Trains a net of a golden spec in a spec of its own, and saves its weights."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.numpy import save_file

import dlc

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from dlc.runtime.artifact.loaded import Artifact

HERE = Path(__file__).parent


def train(text: str, rows: Mapping[str, np.ndarray], net: str, file: str) -> Artifact:
    """Train a spec that imports `net` from a golden spec, and write the weights of `net` to a file here.
    Returns the artifact."""
    spec = HERE.parent / "pretraining.dl"
    spec.write_text(text, "utf-8")
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = dlc.train(spec, data=rows, out=folder)
            artifact = dlc.load(result.model)
    finally:
        spec.unlink()
    own = {n.removeprefix(f"{net}."): w for n, w in result.weights.items() if n.startswith(f"{net}.")}
    save_file(own, HERE / file)
    return artifact
