"""A loaded artifact. It needs only ONNX Runtime and NumPy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.runtime.artifact.inputs import arrays
from dlc.runtime.artifact.opened import OpenArtifact
from dlc.runtime.artifact.texts import as_texts
from dlc.runtime.artifact.tokens import of_given
from dlc.runtime.data.sources.frames import frame_help, is_frame, open_frame
from dlc.runtime.python_arguments import path_of
from dlc.runtime.run_folder import model_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.runtime.data.source import Opened
    from dlc.runtime.data.unknown_classes import UnknownValues


class Artifact(OpenArtifact):
    """A loaded model."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Unpickling and copying load the artifact again from its file."""
        return load, (self._file, self._device)

    def predict(self, inputs: Any, *, seed: int | None = None) -> dict[str, Any]:
        """The outputs for a batch of raw inputs: a dict of arrays or lists with the batch axis first, or a
        data frame of pandas, polars or Arrow, which is read like a file of `dlc predict`. The batch may be
        empty: an empty list is valid for every input shape. A value that is not one of the classes of its
        input is class -1, with a warning. A text fills a sequence of classes that was learnt from texts, and
        such an output is answered as a text. Large batches run in parts that fit in memory. `seed`, from 0 to
        2^32 - 1, is that of answers which are drawn, by default that of the training. The draws of a row
        depend on the seed and the number of the row alone."""
        self.seed_of(seed)
        if is_frame(inputs):
            return self._predict_rows(open_frame(inputs), seed)
        if not isinstance(inputs, Mapping):
            found = f"{type(inputs).__name__}{frame_help(inputs, [*self.inputs])}"
            raise TypeError(f"`predict` takes a dict of arrays or a frame, not {found}")
        inputs = of_given(self, inputs)
        empty = {name for name, value in inputs.items() if name in self.inputs and is_empty_batch(value)}
        given = {n: self.no_rows(n) if n in empty else i for n, i in inputs.items()}
        about = self.metadata
        feed, found = arrays(self.inputs, self.session.get_inputs(), given, about.units, about.lengths)
        warn_unknown(found)
        return as_texts(self, self.run_rows(feed, seed))

    def _predict_rows(self, rows: Opened, seed: int | None) -> dict[str, Any]:
        from dlc.runtime.artifact import evaluate

        predicted = evaluate.predict(self, rows, seed=seed)
        warn_unknown(predicted.unknown_values)
        return predicted.answers


def warn_unknown(found: Iterable[UnknownValues]) -> None:
    """Warn the caller of `predict` about values that are not one of the classes."""
    for some in found:
        if some.unknown:
            warnings.warn(str(some), stacklevel=3)


def is_empty_batch(given: Any) -> bool:
    """Whether it is an empty batch without a row shape."""
    shape = getattr(given, "shape", None)
    if shape is None:
        return isinstance(given, (list, tuple)) and not given
    return len(shape) > 0 and shape[0] == 0 and (len(shape) == 1 or 0 in shape[1:])


def load(path: str | Path, device: str = "cpu") -> Artifact:
    """Load an artifact from a model file or a run folder. `device` is `cpu` or `cuda`."""
    return Artifact(model_at(path_of(path, "the path of a model")), device)
