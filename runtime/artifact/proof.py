"""The proof in an artifact: random inputs, given by seed and shape, and the outputs of torch for them."""

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
from dlc.runtime.artifact.compare import FLOOR, PROBABILITY_FLOOR, TOLERANCE, difference, widened
from dlc.runtime.artifact.metadata import type_from_json, type_to_json
from dlc.runtime.artifact.samples import EITHER, POSITIVE, longest_rows, sample
from dlc.runtime.strict_json import all_are, is_dict_of, is_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.types import Tensor
    from dlc.runtime.artifact.metadata import Metadata
    from dlc.runtime.artifact.parity import Parity
    from dlc.runtime.artifact.torch_reference import ReferenceOutput

BATCH = 2
PROOF = "the rows of the recorded proof"
MAX_VALUES = 4096  # recorded of each output; of a larger output every n-th value is recorded
MAX_SEED = 2**31  # seeds are below
DRAWN = 32  # peak bytes per drawn value
# The dtypes in which outputs may be recorded.
ELEMENTS = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")


# --- writing ----------------------------------------------------------------------------------------------


def record(
    parity: Parity, types: Mapping[str, Tensor], seed: int, longest: Mapping[str, int]
) -> dict[str, Any]:
    """The outputs of torch for random inputs of these types, whose shapes are known, as JSON values.
    `longest` are the inputs of lengths, with the maximum."""
    between, answers = EITHER, parity.check(PROOF, sample(types, BATCH, seed, longest=longest)).answers
    if not all(is_finite(a.values) for a in answers.values()):
        between, raw = POSITIVE, sample(types, BATCH, seed, POSITIVE, longest)
        answers = parity.check(PROOF, raw).answers
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
    """The values of an output, and the slack that rounding may need."""
    packed: dict[str, Any] = {"floor": answer.floor} | ({"names": list(answer.names)} if answer.names else {})
    packed |= {} if answer.end is None else {"end": answer.end}
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
    """The stride between recorded values of an output with `size` values."""
    return max(-(-size // MAX_VALUES), 1)


# --- reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """The recorded output of torch: every `step`-th value (labels in place of class indices), and the slack
    of each value for rounding."""

    shape: tuple[int, ...]
    step: int
    values: np.ndarray
    slack: np.ndarray | None
    floor: float
    end: Any = None  # fills the rows of an answer that is made step by step

    def gap(self, have: np.ndarray) -> float:
        """The difference of an output from the recorded values."""
        if self.end is not None and have.ndim == 2:
            steps = self.shape[1]
            have = widened(have[:, :steps], steps, self.end)
        if have.shape != self.shape:
            return float("inf")
        return difference(self.values, have.ravel()[:: self.step], self.slack, self.floor)


@dataclass(frozen=True)
class Proof:
    """Inputs to draw, and the recorded outputs; `worst` is the largest difference at export."""

    types: Mapping[str, Tensor]
    seed: int
    between: tuple[float, float]
    answers: Mapping[str, Recorded]
    worst: float
    longest: Mapping[str, int]  # of inputs of lengths

    def inputs(self) -> dict[str, np.ndarray]:
        return sample(self.types, BATCH, self.seed, self.between, self.longest)


def read(metadata: Metadata) -> Proof:
    """The proof of an artifact. ValueError for anything that `record` does not write for such a model."""
    proof, parity = metadata.proof, metadata.parity
    seed, between, worst = field(proof, "seed"), field(proof, "between"), field(parity, "worst")
    require(is_integer(field(proof, "batch")) and proof["batch"] == BATCH, "its batch")
    require(is_integer(seed) and 0 <= seed < MAX_SEED, "its seed")
    require(between in ([*EITHER], [*POSITIVE]), "the range of its inputs")
    require(field(parity, "tolerance") == TOLERANCE, "its tolerance")
    require(is_finite_float(worst) and worst >= 0, "its worst difference")
    answers = field(proof, "answers")
    require(is_dict_of(answers, dict), "its answers")
    types = proved_types(metadata)
    size = DRAWN * BATCH * sum(prod(map(number, type.shape)) for type in types.values())
    if size > (free := memory.free()):
        raise ValueError(
            f"its inputs take {memory.format_size(size)}, and {memory.format_size(free)} of memory is free"
        )
    recorded = {name: read_answer(name, packed) for name, packed in answers.items()}
    declared = {name: type_from_json(type) for name, type in metadata.inputs.items()}
    longest = longest_rows(metadata.lengths, declared, types)
    return Proof(types, seed, (between[0], between[1]), recorded, float(worst), longest)


def proved_types(metadata: Metadata) -> dict[str, Tensor]:
    """The types of the inputs of a proof, with known shapes. ValueError as in `read`."""
    given = field(metadata.proof, "inputs")
    if not is_dict_of(given, dict) or given.keys() != metadata.inputs.keys():
        raise invalid("its inputs")
    types = {name: type_from_json(type) for name, type in given.items()}
    for name, type in types.items():
        require(is_sized(type, type_from_json(metadata.inputs[name])), f"its input `{shorten(name)}`")
    return types


def is_sized(type: Tensor, declared: Tensor) -> bool:
    """Whether a type is the declared type with numbers for its free dimensions."""
    if len(type.shape) != len(declared.shape) or not all_are(int, type.shape):
        return False
    pairs = zip(type.shape, declared.shape, strict=True)
    same = all(have == want for have, want in pairs if isinstance(want, int))
    return same and type == declared.with_shape(*type.shape)


def read_answer(name: str, packed: Mapping[str, Any]) -> Recorded:
    of = f"its answer `{shorten(name)}`"
    shape, names, floor = field(packed, "shape"), field(packed, "names"), field(packed, "floor")
    require(isinstance(shape, list) and len(shape) <= MAX_RANK and all(is_size(s) for s in shape), of)
    require(floor in (FLOOR, PROBABILITY_FLOOR), of)
    values = unpack(packed, tuple(shape), of)
    if names is not None:
        require(isinstance(names, list) and 0 < len(names) <= MAX_CLASSES + 1 and all_are(str, names), of)
        require(values.dtype.kind in "iub", of)
        values = values.astype(np.int64)
        require(bool(((values >= -1) & (values < len(names))).all()), of)  # the label of class -1 is empty
        values = np.array([*names, ""], dtype=object)[values]
    end = field(packed, "end")
    if end is not None:
        require(is_integer(end) and len(shape) == 2 and values.dtype.kind in "iO", of)
        require(not names or 0 <= end < len(names), of)
        end = names[end] if names else end
    slack = None
    if "slack" in packed:
        require(isinstance(packed["slack"], dict) and field(packed["slack"], "dtype") == "float32", of)
        slack = unpack(packed["slack"], tuple(shape), of)
        require(bool((slack >= 0).all()), of)  # NaN is not
    return Recorded(tuple(shape), packed["step"], values, slack, float(floor), end)


def unpack(packed: Mapping[str, Any], shape: tuple[int, ...], of: str) -> np.ndarray:
    """The recorded values of an array of this shape. ValueError if `pack` does not write them so."""
    step, element, data = field(packed, "step"), field(packed, "dtype"), field(packed, "data")
    require(field(packed, "shape") == list(shape) and step == distance(prod(shape)), of)
    require(element in ELEMENTS and isinstance(data, str) and is_integer(step), of)
    dtype = np.dtype(element).newbyteorder("<")
    size = -(-prod(shape) // step) * dtype.itemsize
    require(len(data) == -(-size // 3) * 4, of)
    content = b64decode(data)
    require(len(content) == size, of)
    return np.frombuffer(content, dtype)


def b64decode(data: str) -> bytes:
    """The bytes of a base64 text; empty if it is invalid."""
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        return b""


def field(table: Mapping[str, Any], name: str) -> Any:
    """A value of a table, None if it is missing. Its type is not checked."""
    return table.get(name)


def require(sound: bool, what: str) -> None:
    if not sound:
        raise invalid(what)


def invalid(what: str) -> ValueError:
    return ValueError(f"dlc does not write {what} like this")


def is_size(value: Any) -> bool:
    return is_integer(value) and 0 <= value < 1 << 40


def is_finite_float(value: Any) -> bool:
    return isinstance(value, float) and isfinite(value)
