"""What an ONNX file says of itself, read without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dlc.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from dlc.runtime.artifact.metadata import Metadata


def read_metadata(path: Path) -> Metadata:
    """The metadata of an artifact; `ArtifactError` for a file that dlc did not write."""
    import onnx
    from google.protobuf.message import DecodeError

    from dlc.runtime.artifact.metadata import from_texts, no_artifact
    from dlc.runtime.runs import model_at

    path = model_at(path)
    try:
        model = onnx.load(path, load_external_data=False)
        return from_texts({text(entry.key): text(entry.value) for entry in model.metadata_props})
    except DecodeError:
        raise ArtifactError(f"{path} is no ONNX file") from None
    except (ValueError, TypeError, KeyError) as error:
        raise no_artifact(path, error) from None


def text(value: str | bytes) -> str:
    """A string of protobuf, which is bytes where it is not UTF-8."""
    return value.decode() if isinstance(value, bytes) else value
