"""`dlc verify`: repeat the proof recorded in an artifact, with ONNX Runtime alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.artifact import proof
from dlc.runtime.artifact.compare import TOLERANCE
from dlc.runtime.artifact.digest import is_sealed
from dlc.runtime.artifact.opened import first_line, open_artifact
from dlc.runtime.artifact.session import run
from dlc.runtime.errors import ArtifactError
from dlc.runtime.python_arguments import path_of
from dlc.runtime.run_folder import model_at

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.runtime.artifact.proof import Proof


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
    session, metadata, longest = open_artifact(path, device)
    if not metadata.proof:
        raise ArtifactError(f"{path} holds no proof: `dlc export` and `dlc train` write files that do")
    try:
        recorded = proof.read(metadata)
        if recorded.answers.keys() != {output.name for output in session.get_outputs()}:
            raise ValueError("its answers are not those of all outputs")
        inputs = recorded.inputs()
    except (ValueError, MemoryError) as error:
        raise ArtifactError(f"{path} holds no proof that can be read: {error}") from None
    try:
        found = run(session, inputs, longest)
    except Exception as error:  # noqa: BLE001  ONNX Runtime's errors have no base of their own
        raise ArtifactError(f"{path} cannot be run on the inputs of its proof: {first_line(error)}") from None
    verified = held(recorded, found)
    if verified.holds and not is_sealed(path, metadata.digest):
        raise ArtifactError(
            f"{path} was changed after it was proved: its answers are those of its proof, and the spec, "
            "the figures or something else in it are not what was written"
        )
    return verified


def held(recorded: Proof, found: dict[str, Any]) -> Verified:
    """Answers against those of the proof."""
    apart = {name: answer.gap(np.asarray(found[name])) for name, answer in recorded.answers.items()}
    wrong = tuple(name for name, gap in apart.items() if not gap <= TOLERANCE)
    return Verified(max(apart.values(), default=0.0), recorded.worst, TOLERANCE, wrong)
