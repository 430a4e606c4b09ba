"""An artifact ready to answer, with ONNX Runtime and NumPy alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.artifact.inputs import arrays
from dlc.runtime.artifact.metadata import Metadata, from_texts, type_from_json
from dlc.runtime.artifact.proof import proved_types
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.errors import ArtifactError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.types import Tensor


class Artifact:
    """A loaded model. `inputs` and `outputs` are its types as declared, `metadata` what it says of itself."""

    def __init__(self, path: Path, device: str = "cpu"):
        self.path = path
        self.session, self.metadata = open_artifact(path, device)
        self.inputs: dict[str, Tensor] = {n: type_from_json(t) for n, t in self.metadata.inputs.items()}
        self.outputs: dict[str, Tensor] = {n: type_from_json(t) for n, t in self.metadata.outputs.items()}

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Answers for a batch of raw inputs: arrays or lists, the batch first. No rows have no answers: an
        empty list stands for them, whatever the shape of a row."""
        given = {n: self.no_rows(n) if n in self.inputs and is_bare(i) else i for n, i in inputs.items()}
        feed = arrays(self.inputs, self.session.get_inputs(), given)
        try:
            return run(self.session, feed)
        except Exception as error:  # noqa: BLE001  ONNX Runtime's errors have no base of their own
            raise ArtifactError(f"{self.path} cannot answer these inputs: {first_line(error)}") from None

    def no_rows(self, name: str) -> np.ndarray:
        """No rows of an input, of the free sizes at which the artifact was proved, or else of 1."""
        declared = self.inputs[name]
        try:
            known = proved_types(self.metadata.proof)[name].shape
        except (LookupError, AttributeError, TypeError, ValueError):
            known = (1,) * declared.rank
        sizes: list[Any] = [
            s if isinstance(s, int) else k for s, k in zip(declared.shape, known, strict=False)
        ]
        try:
            return np.zeros((0, *sizes))
        except (TypeError, ValueError):
            raise ArtifactError(f"`{name}` takes {declared}, which no array can be") from None


def is_bare(given: Any) -> bool:
    """Whether there are no rows, and nothing tells the shape that one would have."""
    shape = getattr(given, "shape", None)
    if shape is None:
        return isinstance(given, (list, tuple)) and not given
    return len(shape) > 0 and shape[0] == 0 and (len(shape) == 1 or 0 in shape[1:])


def open_artifact(path: Path, device: str = "cpu") -> tuple[Any, Metadata]:
    """A session and the metadata of an artifact; `ArtifactError` for any other file."""
    if not path.is_file():
        raise ArtifactError(f"there is no file {path}")
    try:
        session = open_session(path, device)
    except DeviceError:
        raise
    except Exception as error:  # noqa: BLE001  ONNX Runtime's errors have no base of their own
        raise ArtifactError(
            f"{path} is no ONNX model that ONNX Runtime can run: {first_line(error)}"
        ) from None
    try:
        metadata = from_texts(session.get_modelmeta().custom_metadata_map)
        if metadata.inputs.keys() != {i.name for i in session.get_inputs()}:
            raise ValueError("its inputs are not those that its metadata tells")
        return session, metadata
    except ValueError as error:
        raise ArtifactError(f"{path} is no artifact of dlc: {error}") from None


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def load(path: str | Path, device: str = "cpu") -> Artifact:
    """Load an artifact on the device, `cpu` or `cuda`."""
    return Artifact(Path(path), device)
