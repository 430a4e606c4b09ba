"""`dlc verify`: repeat the proof recorded in an artifact, with ONNX Runtime alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.artifact.loaded import open_artifact
from dlc.runtime.artifact.metadata import type_from_json
from dlc.runtime.artifact.proof import unpack
from dlc.runtime.artifact.samples import sample
from dlc.runtime.artifact.session import run
from dlc.runtime.artifact.ties import ties
from dlc.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from dlc.runtime.artifact.metadata import Metadata

MAX_INPUT = 10**8


@dataclass(frozen=True)
class Verified:
    """The worst difference found now and at export, and the tolerance; `wrong` names the outputs that differ."""

    worst: float
    recorded: float
    tolerance: float
    wrong: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.wrong


def verify(path: str | Path, device: str = "cpu") -> Verified:
    session, metadata = open_artifact(Path(path), device)
    try:
        return repeat(session, metadata)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} holds no proof that can be read: {error}") from None


def repeat(session: Any, metadata: Metadata) -> Verified:
    proof, tolerance = metadata.proof, float(metadata.parity["tolerance"])
    types = {name: type_from_json(type) for name, type in proof["inputs"].items()}
    size = sum(
        int(np.prod([s if isinstance(s, int) else 256 for s in t.shape], dtype=np.float64))
        for t in types.values()
    )
    if size * proof["batch"] > MAX_INPUT:
        raise ValueError("its inputs are too large")
    found = run(session, sample(types, int(proof["batch"]), proof["free"], int(proof["seed"])))
    differences = {
        name: difference(metadata, name, packed, np.asarray(found[name]), found)
        for name, packed in proof["answers"].items()
    }
    wrong = tuple(n for n, d in differences.items() if not d <= tolerance)
    return Verified(max(differences.values(), default=0.0), float(metadata.parity["worst"]), tolerance, wrong)


def difference(
    metadata: Metadata, name: str, packed: dict[str, Any], have: np.ndarray, found: dict[str, Any]
) -> float:
    """Relative difference of one output from what was recorded; infinite for another choice."""
    want = unpack(packed)
    if list(have.shape) != packed["shape"]:
        return float("inf")
    have = have.ravel()[:: max(packed["step"], 1)]
    names = metadata.outputs.get(name, {}).get("names")
    if names:
        want = np.array(names, dtype=object)[want.astype(np.int64)]
    if want.dtype.kind == "f":
        scale = max(float(np.abs(want[np.isfinite(want)]).max(initial=0)), 1.0)
        gap = np.abs(want.astype(np.float64) - have.astype(np.float64))
        alike = (want == have) | (np.isnan(want) & np.isnan(have.astype(np.float64)))
        return float(np.where(alike, 0, gap).max(initial=0) / scale)
    tied = ties(name, found, tuple(packed["shape"])).ravel()[:: max(packed["step"], 1)]
    differ = (want != have) & ~tied
    return float("inf") if differ.any() else 0.0
