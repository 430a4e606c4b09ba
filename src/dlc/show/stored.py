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

    from dlc.runtime.artifact.metadata import from_texts

    if not path.is_file():
        raise ArtifactError(f"there is no file {path}")
    try:
        model = onnx.load(path, load_external_data=False)
        return from_texts({entry.key: entry.value for entry in model.metadata_props})
    except DecodeError:
        raise ArtifactError(f"{path} is no ONNX file") from None
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"{path} is no artifact of dlc: {error}") from None
