"""What an ONNX file says of itself, read without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.runtime.artifact.metadata import Metadata


def read_metadata(path: Path) -> Metadata:
    """The metadata of an artifact; `ArtifactError` for a file that dlc did not write."""
    from dlc.runtime.artifact.model_scan import look_at
    from dlc.runtime.run_folder import model_at

    return look_at(model_at(path), whole=False)[0]
