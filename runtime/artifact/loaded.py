"""An artifact ready to answer, with ONNX Runtime and NumPy alone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.artifact.inputs import arrays
from dlc.runtime.artifact.opened import OpenArtifact
from dlc.runtime.data.sources.frames import frame_help, is_frame, open_frame
from dlc.runtime.python_arguments import path_of
from dlc.runtime.run_folder import model_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.runtime.data.source import Opened
    from dlc.runtime.data.unknown_classes import Outside


class Artifact(OpenArtifact):
    """A loaded model."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Where it is unpickled or copied, it is loaded again, from the file that it was loaded from."""
        return load, (self._file, self._device)

    def predict(self, inputs: Any) -> dict[str, np.ndarray]:
        """Answers for a batch of raw inputs: a dict of arrays or lists, the batch first, or a frame of
        pandas, polars or Arrow, which is read as `dlc predict` reads a file. No rows have no answers: an
        empty list stands for them, whatever the shape of a row. A value that is none of the classes of its
        input counts as class -1, and is warned of. As many rows are answered at a time as there is memory
        for."""
        if is_frame(inputs):
            return self._predict_rows(open_frame(inputs))
        if not isinstance(inputs, Mapping):
            found = f"{type(inputs).__name__}{frame_help(inputs, [*self.inputs])}"
            raise TypeError(f"`predict` takes a dict of arrays or a frame, not {found}")
        given = {n: self.no_rows(n) if n in self.inputs and is_bare(i) else i for n, i in inputs.items()}
        feed, found = arrays(self.inputs, self.session.get_inputs(), given)
        warn_of(found)
        return self.run(feed)

    def _predict_rows(self, rows: Opened) -> dict[str, np.ndarray]:
        from dlc.runtime import evaluate

        predicted = evaluate.predict(self, rows)
        warn_of(predicted.outside)
        return predicted.answers


def warn_of(found: Iterable[Outside]) -> None:
    """Warn the caller of `predict` of values that are none of the classes."""
    for some in found:
        if some.unknown:
            warnings.warn(str(some), stacklevel=3)


def is_bare(given: Any) -> bool:
    """Whether there are no rows, and nothing tells the shape that one would have."""
    shape = getattr(given, "shape", None)
    if shape is None:
        return isinstance(given, (list, tuple)) and not given
    return len(shape) > 0 and shape[0] == 0 and (len(shape) == 1 or 0 in shape[1:])


def load(path: str | Path, device: str = "cpu") -> Artifact:
    """Load an artifact, or that of a run's folder, on the device, `cpu` or `cuda`."""
    return Artifact(model_at(path_of(path, "the path of a model")), device)
