"""An artifact ready to answer, with ONNX Runtime and NumPy alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.artifact.metadata import Metadata, from_texts, type_from_json
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.errors import ArtifactError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.types import Tensor

DTYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(int16)": np.int16, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_,
}  # fmt: skip


class Artifact:
    """A loaded model. `inputs` and `outputs` are its types as declared, `metadata` what it says of itself."""

    def __init__(self, path: Path, device: str = "cpu"):
        self.path = path
        self.session, self.metadata = open_artifact(path, device)
        self.inputs: dict[str, Tensor] = {
            i.name: type_from_json(self.metadata.inputs[i.name]) for i in self.session.get_inputs()
        }
        self.outputs: dict[str, Tensor] = {n: type_from_json(t) for n, t in self.metadata.outputs.items()}

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Answers for a batch of raw inputs: arrays or lists, the batch first."""
        return run(
            self.session,
            {i.name: self._array(i, inputs) for i in self.session.get_inputs()}
            | self._refuse_unknown(inputs),
        )

    def _array(self, wanted: Any, inputs: Mapping[str, Any]) -> np.ndarray:
        if wanted.name not in inputs:
            raise ArtifactError(
                f"the input `{wanted.name}` is missing: the model takes {', '.join(self.inputs)}"
            )
        array = np.asarray(inputs[wanted.name])
        if wanted.type == "tensor(string)":
            array = self._checked_names(wanted.name, array.astype(object))
        elif wanted.type in DTYPES:
            array = self._number(wanted.name, array, np.dtype(DTYPES[wanted.type]))
        if array.ndim != len(wanted.shape) or any(
            isinstance(w, int) and w != h for w, h in zip(wanted.shape, array.shape, strict=True)
        ):
            raise ArtifactError(
                f"`{wanted.name}` takes {list(wanted.shape)}, found {list(array.shape)}; the batch is the first axis"
            )
        return array

    def _number(self, name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
        if array.dtype.kind not in "fiub":
            raise ArtifactError(f"`{name}` takes {self.inputs[name]}, found {array.dtype}")
        cast = array.astype(dtype)
        if dtype.kind in "iu" and not np.array_equal(cast, array):
            raise ArtifactError(f"`{name}` takes {self.inputs[name]}, and some of its values are no {dtype}")
        return cast

    def _checked_names(self, name: str, array: np.ndarray) -> np.ndarray:
        known = self.inputs[name].classes
        unknown = sorted({str(v) for v in array.ravel()} - set(known.names)) if known and known.names else []
        if unknown and known and known.names:
            raise ArtifactError(
                f"`{name}` has no class `{unknown[0]}`; its classes are {', '.join(known.names[:10])}"
            )
        return array

    def _refuse_unknown(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        unknown = [n for n in inputs if n not in self.inputs]
        if unknown:
            raise ArtifactError(f"the model has no input `{unknown[0]}`: it takes {', '.join(self.inputs)}")
        return {}


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
        return session, from_texts(session.get_modelmeta().custom_metadata_map)
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"{path} is no artifact of dlc: {error}") from None


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def load(path: str | Path, device: str = "cpu") -> Artifact:
    """Load an artifact on the device, `cpu` or `cuda`."""
    return Artifact(Path(path), device)
