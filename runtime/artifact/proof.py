"""The proof recorded in an artifact: random inputs by seed and shape, and torch's answers to them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.dims.dim import number
from dlc.compiler.types import MAX_CLASSES, MAX_RANK
from dlc.runtime import memory
from dlc.runtime.artifact.compare import FLOOR, PROBABILITY_FLOOR, TOLERANCE, difference
from dlc.runtime.artifact.metadata import type_from_json, type_to_json
from dlc.runtime.artifact.samples import EITHER, POSITIVE, sample
from dlc.runtime.strict_json import all_are, is_table, is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.types import Tensor
    from dlc.runtime.artifact.metadata import Metadata
    from dlc.runtime.artifact.parity import Parity
    from dlc.runtime.artifact.torch_reference import ReferenceOutput

BATCH = 2
PROOF = "the rows of the recorded proof"
MAX_VALUES = 4096  # of each output; a larger one is recorded at even distances
MAX_SEED = 2**31  # seeds are below
DRAWN = 32  # bytes that a value takes while it is drawn
# The elements that answers have in torch, and those that they may be recorded in.
ELEMENTS = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")


# --- writing ----------------------------------------------------------------------------------------------


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


def is_finite(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def recorded(answer: ReferenceOutput) -> dict[str, Any]:
    """The values, and where rounding may move them, how far."""
    packed: dict[str, Any] = {"floor": answer.floor} | ({"names": list(answer.names)} if answer.names else {})
    if answer.slack is not None and answer.slack.any():
        packed["slack"] = pack(answer.slack.astype(np.float32))
    return pack(answer.values) | packed


def pack(array: np.ndarray) -> dict[str, Any]:
    step = distance(array.size)
    kept = np.ascontiguousarray(array.ravel()[::step])
    little = kept.astype(kept.dtype.newbyteorder("<"))
    data = base64.b64encode(little.tobytes()).decode()
    return {"shape": list(array.shape), "step": step, "dtype": kept.dtype.name, "data": data}


def distance(size: int) -> int:
    """From one recorded value to the next, of so many."""
    return max(-(-size // MAX_VALUES), 1)


# --- reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """What torch answered: values of an output at even distances, the names that stand for them, and how far
    each may be moved by rounding."""

    shape: tuple[int, ...]
    step: int
    values: np.ndarray
    slack: np.ndarray | None
    floor: float

    def gap(self, have: np.ndarray) -> float:
        """How far an answer is from it."""
        if have.shape != self.shape:
            return float("inf")
        return difference(self.values, have.ravel()[:: self.step], self.slack, self.floor)


@dataclass(frozen=True)
class Proof:
    """Inputs to draw, and the answers to them; `worst` is the difference at export."""

    types: Mapping[str, Tensor]
    seed: int
    between: tuple[float, float]
    answers: Mapping[str, Recorded]
    worst: float

    def inputs(self) -> dict[str, np.ndarray]:
        return sample(self.types, BATCH, self.seed, self.between)


def read(metadata: Metadata) -> Proof:
    """The proof of an artifact. ValueError for anything that `record` does not make of such a model."""
    proof, parity = metadata.proof, metadata.parity
    seed, between, worst = field(proof, "seed"), field(proof, "between"), field(parity, "worst")
    need(is_whole(field(proof, "batch")) and proof["batch"] == BATCH, "its batch")
    need(is_whole(seed) and 0 <= seed < MAX_SEED, "its seed")
    need(between in ([*EITHER], [*POSITIVE]), "the range of its inputs")
    need(field(parity, "tolerance") == TOLERANCE, "its tolerance")
    need(is_finite_float(worst) and worst >= 0, "its worst difference")
    answers = field(proof, "answers")
    need(is_table(answers, dict), "its answers")
    types = proved_types(metadata)
    size = DRAWN * BATCH * sum(prod(map(number, type.shape)) for type in types.values())
    if size > (free := memory.free()):
        raise ValueError(f"its inputs take {memory.spell(size)}, and {memory.spell(free)} of memory is free")
    recorded = {name: read_answer(name, packed) for name, packed in answers.items()}
    return Proof(types, seed, (between[0], between[1]), recorded, float(worst))


def proved_types(metadata: Metadata) -> dict[str, Tensor]:
    """The types of the inputs of a proof, of known shapes. ValueError as `read` raises it."""
    given = field(metadata.proof, "inputs")
    if not is_table(given, dict) or given.keys() != metadata.inputs.keys():
        raise unsound("its inputs")
    types = {name: type_from_json(type) for name, type in given.items()}
    for name, type in types.items():
        need(is_sized(type, type_from_json(metadata.inputs[name])), f"its input `{shorten(name)}`")
    return types


def is_sized(type: Tensor, declared: Tensor) -> bool:
    """Whether a type is the declared one with numbers for its free dimensions."""
    if len(type.shape) != len(declared.shape) or not all_are(int, type.shape):
        return False
    pairs = zip(type.shape, declared.shape, strict=True)
    same = all(have == want for have, want in pairs if isinstance(want, int))
    return same and type == declared.with_shape(*type.shape)


def read_answer(name: str, packed: Mapping[str, Any]) -> Recorded:
    of = f"its answer `{shorten(name)}`"
    shape, names, floor = field(packed, "shape"), field(packed, "names"), field(packed, "floor")
    need(isinstance(shape, list) and len(shape) <= MAX_RANK and all(is_size(s) for s in shape), of)
    need(floor in (FLOOR, PROBABILITY_FLOOR), of)
    values = unpack(packed, tuple(shape), of)
    if names is not None:
        need(isinstance(names, list) and len(names) <= MAX_CLASSES and all_are(str, names), of)
        need(values.dtype.kind in "iub", of)
        values = values.astype(np.int64)
        need(bool(((values >= 0) & (values < len(names))).all()), of)
        values = np.array(names, dtype=object)[values]
    slack = None
    if "slack" in packed:
        need(isinstance(packed["slack"], dict) and field(packed["slack"], "dtype") == "float32", of)
        slack = unpack(packed["slack"], tuple(shape), of)
        need(bool((slack >= 0).all()), of)  # NaN is not
    return Recorded(tuple(shape), packed["step"], values, slack, float(floor))


def unpack(packed: Mapping[str, Any], shape: tuple[int, ...], of: str) -> np.ndarray:
    """The recorded values of an array of this shape. ValueError if they are not as `pack` makes them."""
    step, element, data = field(packed, "step"), field(packed, "dtype"), field(packed, "data")
    need(field(packed, "shape") == list(shape) and step == distance(prod(shape)), of)
    need(element in ELEMENTS and isinstance(data, str) and is_whole(step), of)
    dtype = np.dtype(element).newbyteorder("<")
    size = -(-prod(shape) // step) * dtype.itemsize
    need(len(data) == -(-size // 3) * 4, of)
    content = b64decode(data)
    need(len(content) == size, of)
    return np.frombuffer(content, dtype)


def b64decode(data: str) -> bytes:
    """The bytes of a text in base64, none if it is no such text."""
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        return b""


def field(table: Mapping[str, Any], name: str) -> Any:
    """A value of a table, none if it is not there; of no type that is known."""
    return table.get(name)


def need(sound: bool, what: str) -> None:
    if not sound:
        raise unsound(what)


def unsound(what: str) -> ValueError:
    return ValueError(f"dlc writes {what} otherwise")


def is_size(value: Any) -> bool:
    return is_whole(value) and 0 <= value < 1 << 40


def is_finite_float(value: Any) -> bool:
    return isinstance(value, float) and isfinite(value)
