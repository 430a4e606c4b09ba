"""An artifact ready to answer, with ONNX Runtime and NumPy alone."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.runtime.artifact.inputs import arrays
from dlc.runtime.artifact.metadata import Metadata, from_texts, type_from_json
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.errors import ArtifactError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from dlc.compiler.types import Tensor


class Artifact:
    """A loaded model. `inputs` and `outputs` are its types as declared, `metadata` what it says of itself."""

    def __init__(self, path: Path, device: str = "cpu"):
        self.path = path
        self.session, self.metadata = open_artifact(path, device)
        self.inputs: dict[str, Tensor] = {n: type_from_json(t) for n, t in self.metadata.inputs.items()}
        self.outputs: dict[str, Tensor] = {n: type_from_json(t) for n, t in self.metadata.outputs.items()}

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Answers for a batch of raw inputs: arrays or lists, the batch first. A value that is none of the
        classes of its input counts as class -1, and is warned of."""
        feed, found = arrays(self.inputs, self.session.get_inputs(), inputs)
        for some in found:
            if some.unknown:
                warnings.warn(str(some), stacklevel=2)
        return self.run(feed)

    def run(self, feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answers to inputs that are as the file takes them."""
        try:
            return run(self.session, feed)
        except Exception as error:  # noqa: BLE001  ONNX Runtime's errors have no base of their own
            raise ArtifactError(f"{self.path} cannot answer these inputs: {first_line(error)}") from None


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
