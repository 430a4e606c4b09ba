"""The proof recorded in an artifact: random inputs by seed and shape, and torch's answers to them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.artifact.metadata import type_from_json, type_to_json
from dlc.runtime.artifact.samples import EITHER, POSITIVE, sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.types import Tensor
    from dlc.runtime.artifact.parity import Parity
    from dlc.runtime.artifact.reference import Answer

BATCH = 2
PROOF = "the rows of the recorded proof"
MAX_VALUES = 4096  # of each output; a larger one is recorded at even distances


def record(parity: Parity, types: Mapping[str, Tensor], seed: int) -> dict[str, Any]:
    """Torch's answers to random inputs of these types, whose shapes are known."""
    between, answers = EITHER, parity.hold(PROOF, sample(types, BATCH, seed)).answers
    if not all(is_finite(a.values) for a in answers.values()):
        between, answers = POSITIVE, parity.hold(PROOF, sample(types, BATCH, seed, POSITIVE)).answers
    return {
        "seed": seed,
        "batch": BATCH,
        "between": list(between),
        "inputs": {name: type_to_json(type) for name, type in types.items()},
        "answers": {name: recorded(answer) for name, answer in answers.items()},
    }


def proved_types(proof: Mapping[str, Any]) -> dict[str, Tensor]:
    """The types of the inputs of a recorded proof, of known shapes. LookupError, AttributeError, TypeError or
    ValueError if it is not as `record` makes it."""
    return {name: type_from_json(type) for name, type in proof["inputs"].items()}


def is_finite(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def recorded(answer: Answer) -> dict[str, Any]:
    """The values, and where rounding may move them, how far."""
    packed: dict[str, Any] = {"floor": answer.floor} | ({"names": list(answer.names)} if answer.names else {})
    if answer.slack is not None and answer.slack.any():
        packed["slack"] = pack(answer.slack.astype(np.float32))
    return pack(answer.values) | packed


def pack(array: np.ndarray) -> dict[str, Any]:
    step = max(-(-array.size // MAX_VALUES), 1)
    kept = np.ascontiguousarray(array.ravel()[::step])
    little = kept.astype(kept.dtype.newbyteorder("<"))
    data = base64.b64encode(little.tobytes()).decode()
    return {"shape": list(array.shape), "step": step, "dtype": kept.dtype.name, "data": data}


def unpack(packed: Mapping[str, Any]) -> np.ndarray:
    """The recorded values. ValueError if they are not as `pack` makes them."""
    dtype = np.dtype(packed["dtype"])
    if dtype.kind not in "fiub":
        raise ValueError(f"values of type {dtype}")
    return np.frombuffer(base64.b64decode(packed["data"], validate=True), dtype.newbyteorder("<"))
