"""Figures of a pass over rows: the loss and the metrics, counted batch by batch in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.output_kinds import kind_of
from dlc.compiler.training.metrics import Prediction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.training.metrics import CountTable, Metric
    from dlc.compiler.types import Tensor
    from dlc.runtime.training.batch_losses import Losses


class Meter:
    """`measured` are the metrics: their name, the output, its declared type, the field it is held against,
    and the metric. Answers come under the artifact's names, from torch or from ONNX Runtime alike; `losses`
    are counted by whoever makes them."""

    def __init__(self, measured: Sequence[OutputMetric], losses: Losses | None = None) -> None:
        self._measured = [(m, m.metric.start(m.type)) for m in measured]
        self._losses = losses

    def add(self, answers: Mapping[str, Any], targets: Mapping[str, Any]) -> None:
        """Count one batch."""
        told: dict[str, Prediction] = {}
        for m, state in self._measured:
            if m.output not in told:
                told[m.output] = answer_of(answers, m.output, m.type)
            m.metric.update(np, state, told[m.output], targets[m.target])

    def figures(self) -> dict[str, float]:
        """The losses, and every figure of the metrics, by name."""
        found = self._losses.read() if self._losses else {}
        for m, state in self._measured:
            if not m.metric.tabular:
                parts = m.metric.parts(m.type)
                assert parts is not None, "the data told the classes"
                values = m.metric.figures(np, state)
                found |= {f"{m.name}{part}": float(v) for part, v in zip(parts, values, strict=True)}
        return found

    def tables(self) -> dict[str, CountTable]:
        """The metrics that are tables, by name."""
        return {m.name: m.metric.value(np, state) for m, state in self._measured if m.metric.tabular}


class OutputMetric:
    """One metric of an output: `accuracy`, or `OUTPUT.accuracy` where several outputs are measured."""

    def __init__(self, name: str, output: str, type: Tensor, target: str, metric: Metric) -> None:
        self.name, self.output, self.type, self.target, self.metric = name, output, type, target, metric


def answer_of(answers: Mapping[str, Any], output: str, type: Tensor) -> Prediction:
    """The answer of one output; classes and binaries that come by their names are made places again."""
    value, *probabilities = (answers[name] for name in kind_of(type).answer_names(output))
    value = np.asarray(value)
    if type.element == "class":
        return Prediction(places(value, type), *probabilities)
    if type.element == "binary":
        yes = (
            value == type.classes.names[1]
            if is_text(value) and type.classes and type.classes.names
            else value
        )
        return Prediction(yes, *probabilities)
    return Prediction(value)


def places(value: np.ndarray, type: Tensor) -> np.ndarray:
    classes = type.classes
    if classes is None or classes.labels is None or (classes.names and not is_text(value)):
        return value  # places, as torch has them in the place of names
    place: dict[object, int] = {label: k for k, label in enumerate(classes.labels)}
    found, inverse = np.unique(value.astype(str) if is_text(value) else value, return_inverse=True)
    return np.array([place[label] for label in found.tolist()], np.int64)[inverse].reshape(value.shape)


def is_text(value: np.ndarray) -> bool:
    return value.dtype.kind in "OUS"
