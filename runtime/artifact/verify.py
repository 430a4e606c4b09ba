"""`dlc verify`: repeat the proof recorded in an artifact, with ONNX Runtime alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.dims import number
from dlc.runtime.arguments import path_of
from dlc.runtime.artifact.compare import TOLERANCE, difference
from dlc.runtime.artifact.loaded import first_line, open_artifact
from dlc.runtime.artifact.proof import proved_types, unpack
from dlc.runtime.artifact.samples import sample
from dlc.runtime.artifact.seal import is_sealed
from dlc.runtime.artifact.session import run
from dlc.runtime.errors import ArtifactError
from dlc.runtime.runs import model_at

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.runtime.artifact.metadata import Metadata

MAX_INPUT = 10**8


@dataclass(frozen=True)
class Verified:
    """The worst difference found now and at export, and the tolerance;
    `wrong` names the outputs that differ."""

    worst: float
    recorded: float
    tolerance: float
    wrong: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.wrong


def verify(path: str | Path, device: str = "cpu") -> Verified:
    """Whether an artifact answers as it did at export. `ArtifactError` if it cannot be told,
    or if the answers are the same and something else in the file was changed since."""
    path = model_at(path_of(path, "the path of a model"))
    session, metadata = open_artifact(path, device)
    if not metadata.proof:
        raise ArtifactError(f"{path} holds no proof: `dlc export` and `dlc train` write files that do")
    try:
        verified = repeat(session, metadata)
    except (LookupError, TypeError, ValueError, ArithmeticError, MemoryError) as error:
        raise ArtifactError(f"{path} holds no proof that can be read: {first_line(error)}") from None
    except Exception as error:  # noqa: BLE001  ONNX Runtime's errors have no base of their own
        raise ArtifactError(f"{path} cannot be run on the inputs of its proof: {first_line(error)}") from None
    if verified.holds and not is_sealed(path, metadata.digest):
        raise ArtifactError(
            f"{path} was changed after it was proved: its answers are those of its proof, and the spec, "
            "the figures or something else in it are not what was written"
        )
    return verified


def repeat(session: Any, metadata: Metadata) -> Verified:
    proof = metadata.proof
    types = proved_types(proof)
    batch, (low, high) = int(proof["batch"]), map(float, proof["between"])
    if batch * sum(prod(map(number, t.shape)) for t in types.values()) > MAX_INPUT:
        raise ValueError("its inputs are too large")
    found = run(session, sample(types, batch, int(proof["seed"]), (low, high)))
    apart = {name: distance(packed, np.asarray(found[name])) for name, packed in proof["answers"].items()}
    if apart.keys() != found.keys():
        raise ValueError("it is not of all outputs")
    wrong = tuple(name for name, gap in apart.items() if not gap <= TOLERANCE)
    return Verified(max(apart.values(), default=0.0), float(metadata.parity["worst"]), TOLERANCE, wrong)


def distance(packed: dict[str, Any], have: np.ndarray) -> float:
    """How far an output is from what was recorded of it."""
    if list(have.shape) != packed["shape"]:
        return float("inf")
    want = unpack(packed)
    if "names" in packed:
        want = np.array(packed["names"], dtype=object)[want.astype(np.int64)]
    slack = unpack(packed["slack"]) if "slack" in packed else None
    return difference(want, have.ravel()[:: packed["step"]], slack, float(packed["floor"]))
