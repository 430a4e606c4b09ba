"""Read the metadata of an ONNX file without running the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.runtime.artifact.metadata import Metadata


def read_metadata(path: Path) -> Metadata:
    """The metadata of an artifact. `ArtifactError` if dlc did not write the file."""
    from dlc.runtime.artifact.model_scan import scan
    from dlc.runtime.run_folder import model_at

    return scan(model_at(path), whole=False)[0]
