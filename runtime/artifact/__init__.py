"""The artifact: one ONNX file that contains its spec, its proof and its figures. Its use needs no torch."""

from __future__ import annotations

from dlc.runtime.artifact.loaded import Artifact, load
from dlc.runtime.artifact.verify import Verified, verify
from dlc.runtime.errors import ArtifactError

__all__ = ["Artifact", "ArtifactError", "Verified", "load", "verify"]
