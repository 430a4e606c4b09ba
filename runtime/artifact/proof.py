"""The proof recorded in an artifact: random inputs by seed and shape, and torch's answers to them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.artifact.metadata import type_to_json
from dlc.runtime.artifact.samples import sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.lower.torch import Model
    from dlc.compiler.types import Tensor

BATCH = 2
MAX_VALUES = 4096  # of each output; a larger one is recorded at even distances


def record(model: Model, types: Mapping[str, Tensor], free: Mapping[str, int], seed: int) -> dict[str, Any]:
    from dlc.runtime.artifact.parity import answers_of, to_torch

    answers = answers_of(model, to_torch(types, sample(types, BATCH, free, seed)))
    return {
        "seed": seed,
        "batch": BATCH,
        "free": dict(free),
        "inputs": {name: type_to_json(type) for name, type in types.items()},
        "answers": {name: pack(array) for name, array in answers.items()},
    }


def pack(array: np.ndarray) -> dict[str, Any]:
    step = -(-array.size // MAX_VALUES)
    kept = np.ascontiguousarray(array.ravel()[:: max(step, 1)])
    little = kept.astype(kept.dtype.newbyteorder("<"))
    return {
        "shape": list(array.shape),
        "step": step,
        "dtype": kept.dtype.name,
        "data": base64.b64encode(little.tobytes()).decode(),
    }


def unpack(packed: Mapping[str, Any]) -> np.ndarray:
    """The recorded values. ValueError if they are not as `pack` makes them."""
    dtype = np.dtype(packed["dtype"])
    if dtype.kind not in "fiub":
        raise ValueError(f"values of type {dtype}")
    return np.frombuffer(base64.b64decode(packed["data"], validate=True), dtype.newbyteorder("<"))
