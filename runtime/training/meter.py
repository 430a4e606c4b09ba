"""Accumulate the losses and metrics of a pass over rows, batch by batch, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.output_kinds import class_axis, kind_of
from dlc.compiler.passes.lengths import length_name
from dlc.compiler.training.metrics import Prediction, State
from dlc.runtime.training.answers import counter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.training.metrics import CountTable, Metric
    from dlc.compiler.types import Tensor
    from dlc.runtime.training.batch_losses import Losses


class Meter:
    """Accumulates metrics. Outputs have the names of the artifact, both from torch and from ONNX Runtime. The
    caller adds batches to `losses`."""

    def __init__(
        self, measured: Sequence[OutputMetric], losses: Losses | None = None, *, answers: bool = False
    ) -> None:
        """With `answers`, it also counts what is answered to each output that is measured."""
        self._measured = [(m, m.metric.start(m.updated_with, m.unit)) for m in measured]
        self._losses = losses
        counted = (m for m in measured if answers and not m.metric.whole_rows)
        self._answers = {m.output: counter(m.type) for m in counted}

    def add(
        self,
        answers: Mapping[str, Any],
        targets: Mapping[str, Any],
        of: Sequence[OutputMetric] | None = None,
    ) -> None:
        """Add one batch to the metrics `of` these answers, by default to all. `targets` has the lengths of
        its rows too, as `y_length`, where they differ."""
        predictions: dict[str, Prediction] = {}
        left = {output for output, counter in self._answers.items() if counter is not None}
        for m, state in self._measured:
            if of is not None and m not in of:
                continue
            if m.output not in predictions:
                predictions[m.output] = prediction_of(answers, m.output, m.type)
            if m.output in left and not m.metric.whole_rows:
                self._count(m, predictions[m.output], targets)
                left.remove(m.output)
            answer, target = predictions[m.output], targets[m.target]
            if not m.leaves_out:
                m.metric.update(np, state, answer, target)
                continue
            counts = counted(m.type, target, targets.get(length_name(m.target)))
            if m.metric.whole_rows:
                m.metric.update(np, state, answer, np.where(counts, target, -1))
            elif counts.any():
                whole = m.updated_with is m.type
                given = (answer, target) if whole else entries(m.type, answer, target, counts)
                m.metric.update(np, state, *given)

    def _count(self, m: OutputMetric, answer: Prediction, targets: Mapping[str, Any]) -> None:
        """Count the answers of an output."""
        counter, target = self._answers[m.output], targets[m.target]
        assert counter is not None, "it is looked at before"
        if m.leaves_out:
            counts = counted(m.type, target, targets.get(length_name(m.target)))
            answer, target = entries(m.type, answer, target, counts)
        counter.add(answer, target)

    def answers(self) -> dict[str, Any]:
        """What was answered to each output, as JSON values: see `answers.py`."""
        return {output: counter.record() for output, counter in self._answers.items() if counter is not None}

    def figures(self) -> dict[str, float]:
        """The losses and the figures of all metrics, by name."""
        found = self._losses.read() if self._losses else {}
        for m, state in self._measured:
            if not m.metric.tabular:
                parts = m.metric.parts(m.type)
                assert parts is not None, "the classes are known from the data"
                values = m.metric.figures(np, state)
                found |= {f"{m.name}{part}": float(v) for part, v in zip(parts, values, strict=True)}
        return found

    def tables(self) -> dict[str, CountTable]:
        """The tables of all tabular metrics, by name."""
        return {m.name: m.metric.value(np, state) for m, state in self._measured if m.metric.tabular}


class OutputMetric:
    """A metric of an output: its name (`accuracy`, or `OUTPUT.accuracy` if several outputs are measured), the
    output, the type of the answers that it compares, the target field, the metric, and what texts were cut
    into to make the target, if they were."""

    def __init__(
        self, name: str, output: str, type: Tensor, target: str, metric: Metric, unit: str = ""
    ) -> None:
        self.name, self.output, self.type, self.target, self.metric = name, output, type, target, metric
        self.unit = unit

    @property
    def figures(self) -> set[str]:
        """The names of its figures."""
        return {f"{self.name}{part}" for part in self.metric.parts(self.type) or ()}

    @property
    def leaves_out(self) -> bool:
        """Whether entries of the target may not count: ignored ones, and those after the end of a row."""
        return bool(self.type.ignore) or self.type.free_axis is not None

    @property
    def updated_with(self) -> Tensor:
        """The type of the rows that update the metric: single entries if some may not count, unless the
        metric compares whole rows or measures the entries of a vector separately."""
        separate = self.metric.separates and State(self.type).per_label and self.type.element != "class"
        whole = separate or self.metric.whole_rows
        return self.type.with_shape() if self.leaves_out and not whole else self.type


def counted(type: Tensor, target: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
    """The mask of the entries of a target that count: classes that are not -1, numbers that are not NaN, and
    before the end of a row."""
    if type.element == "class":
        counts = target >= 0
    else:
        counts = ~np.isnan(target) if target.dtype.kind == "f" else np.ones(target.shape, bool)
    axis = type.free_axis
    if lengths is None or axis is None:
        return counts
    within = np.arange(target.shape[axis + 1]) < lengths[:, None]
    return counts & within.reshape(len(target), *[1] * axis, -1, *[1] * (type.rank - axis - 1))


def entries(type: Tensor, answer: Prediction, target: np.ndarray, counts: np.ndarray
            ) -> tuple[Prediction, np.ndarray]:  # fmt: skip
    """The entries that count, as rows of single values."""
    value, probability = np.reshape(answer.value, target.shape)[counts], answer.probability
    if probability is not None and type.element == "class":
        axis = class_axis(type.rank + 1) % (type.rank + 1) + 1
        probability = np.moveaxis(probability, axis, -1)[counts]
    elif probability is not None:
        probability = np.reshape(probability, target.shape)[counts]
    return Prediction(value, probability), target[counts]


def prediction_of(answers: Mapping[str, Any], output: str, type: Tensor) -> Prediction:
    """The prediction of one output. Class labels and binary names are converted to indices."""
    value, *probabilities = (answers[name] for name in kind_of(type).answer_names(output))
    value = np.asarray(value)
    if type.element == "class":
        return Prediction(class_indices(value, type), *probabilities)
    if type.element == "binary":
        yes = (
            value == type.classes.names[1]
            if is_text(value) and type.classes and type.classes.names
            else value
        )
        return Prediction(yes, *probabilities)
    return Prediction(value)


def class_indices(value: np.ndarray, type: Tensor) -> np.ndarray:
    classes = type.classes
    if classes is None or classes.labels is None or (classes.names and not is_text(value)):
        return value  # already indices, as in torch
    index: dict[object, int] = {label: k for k, label in enumerate(classes.labels)}
    found, inverse = np.unique(value.astype(str) if is_text(value) else value, return_inverse=True)
    indices = np.array([index.get(label, -1) for label in found.tolist()], np.int64)  # -1 in padding
    return indices[inverse].reshape(value.shape)


def is_text(value: np.ndarray) -> bool:
    return value.dtype.kind in "OUS"
