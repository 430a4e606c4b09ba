"""`dlc verify`: repeat the proof of an artifact, with ONNX Runtime only."""

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
    """The largest difference now (`worst`) and at export (`recorded`), and the tolerance; `wrong` names the
    outputs that differ."""

    worst: float
    recorded: float
    tolerance: float
    wrong: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.wrong


def verify(path: str | Path, device: str = "cpu") -> Verified:
    """Check whether an artifact gives the outputs of its proof. `ArtifactError` if this cannot be checked, or
    if the outputs are the same but the file was changed since export."""
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
    verified = compared(recorded, found)
    if verified.holds and not is_sealed(path, metadata.digest):
        raise ArtifactError(
            f"{path} was changed after it was proved: its answers are those of its proof, and the spec, "
            "the figures or something else in it are not what was written"
        )
    return verified


def compared(recorded: Proof, found: dict[str, Any]) -> Verified:
    """Compare outputs with those of the proof."""
    apart = {name: answer.gap(np.asarray(found[name])) for name, answer in recorded.answers.items()}
    wrong = tuple(name for name, gap in apart.items() if not gap <= TOLERANCE)
    return Verified(max(apart.values(), default=0.0), recorded.worst, TOLERANCE, wrong)
