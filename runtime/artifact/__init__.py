"""The artifact: one ONNX file with its spec, its proof and its figures in it. Using one needs no torch."""

from __future__ import annotations

from dlc.runtime.artifact.loaded import Artifact, load
from dlc.runtime.artifact.verify import Verified, verify
from dlc.runtime.errors import ArtifactError

__all__ = ["Artifact", "ArtifactError", "Verified", "load", "verify"]
