"""A loaded artifact. It needs only ONNX Runtime and NumPy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from dlc.runtime.artifact.inputs import arrays
from dlc.runtime.artifact.opened import OpenArtifact
from dlc.runtime.artifact.texts import as_texts
from dlc.runtime.artifact.tokens import of_given
from dlc.runtime.data.sources.frames import frame_help, is_frame, open_frame
from dlc.runtime.python_arguments import path_of
from dlc.runtime.run_folder import model_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow

    from dlc.runtime.artifact.answer_frames import ArrowStream, Frame
    from dlc.runtime.artifact.evaluate import Evaluated
    from dlc.runtime.data.columns.unknown_classes import UnknownValues


class Artifact(OpenArtifact):
    """A loaded model."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Unpickling and copying load the artifact again from its file."""
        return load, (self._file, self._device)

    @overload
    def predict(self, inputs: Mapping[str, Any], *, seed: int | None = None) -> dict[str, Any]: ...
    @overload
    def predict(self, inputs: Frame, *, seed: int | None = None) -> Frame: ...
    @overload
    def predict(self, inputs: ArrowStream, *, seed: int | None = None) -> pyarrow.Table: ...
    def predict(self, inputs: Any, *, seed: int | None = None) -> Any:
        """The outputs for a batch of raw inputs, in the form of the inputs.

        A dict of arrays or lists, with the batch axis first, gives a dict of arrays. A frame is read like a
        file of `dlc predict`, and gives a frame of its kind, with the columns of its csv: `species`,
        `species_probabilities.setosa`. It is a DataFrame of pandas (the answers have the index of their
        rows; of a window that of its last row, of a series that of its first), a DataFrame of polars, or a
        Table or RecordBatch of Arrow. Anything else that exports `__arrow_c_stream__` gives a Table. A vector
        or a sequence is a list in a cell, in pandas an array.

        The batch may be empty: an empty list is valid for every input shape. A value that is not one of the
        classes of its input is class -1, with a warning. A text fills a sequence of classes that was learnt
        from texts, and such an output is answered as a text. Large batches run in parts that fit in memory.
        `seed`, from 0 to 2^32 - 1, is that of answers which are drawn, by default that of the training. The
        draws of a row depend on the seed and the number of the row alone. `ArtifactError` and `CompileError`
        for inputs that the model does not take.
        """
        self.seed_of(seed)
        if is_frame(inputs):
            return self._predict_frame(inputs, seed)
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

    def _predict_frame(self, frame: Any, seed: int | None) -> Any:
        from dlc.runtime.artifact import answer_frames, evaluate
        from dlc.runtime.artifact.answer_columns import AnswerColumns

        predicted = evaluate.predict(self, open_frame(frame), seed=seed)
        warn_unknown(predicted.unknown_values, depth=4)
        columns = AnswerColumns.of(self).nested(predicted.answers)
        return answer_frames.like(frame, columns, predicted.numbers)

    def evaluate(self, data: Any, *, seed: int | None = None, memory: str | int | None = None) -> Evaluated:
        """The metrics that `dlc eval` prints, on rows with targets: the path of a file or a folder, a frame,
        or a dict of arrays.

        `figures` of the result are numbers by name, as `accuracy`, or `species.accuracy` if several outputs
        are measured; `tables` are those of `confusion_matrix`. `seed` is that of answers which are drawn.
        `memory` is how much of it the rows may take, as `4G`, half of what is free by default: more rows are
        read in pieces. `ArtifactError` and `CompileError` for rows that the model does not take, and for a
        model that records no metric.
        """
        from dlc.runtime.artifact import evaluate
        from dlc.runtime.memory import share
        from dlc.runtime.open_rows import source_from

        if data is None:
            raise TypeError("`evaluate` takes a path, a frame or a dict of arrays, not None")
        found = evaluate.evaluate(self, source_from(data), seed, share(memory))
        warn_unknown(found.unknown_values)
        return found


def warn_unknown(found: Iterable[UnknownValues], depth: int = 3) -> None:
    """Warn about values that are not one of the classes, at the call of `predict` or `evaluate`, which is
    this many calls away."""
    for some in found:
        if some.unknown:
            warnings.warn(str(some), stacklevel=depth)


def is_empty_batch(given: Any) -> bool:
    """Whether it is an empty batch without a row shape."""
    shape = getattr(given, "shape", None)
    if shape is None:
        return isinstance(given, (list, tuple)) and not given
    return len(shape) > 0 and shape[0] == 0 and (len(shape) == 1 or 0 in shape[1:])


def load(path: str | Path, device: str = "cpu") -> Artifact:
    """Load an artifact from a model file or a run folder. `device` is `cpu` or `cuda`."""
    return Artifact(model_at(path_of(path, "the path of a model")), device)
