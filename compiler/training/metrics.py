"""Metrics: one definition for training and for `dlc eval`, fed with the artifact's answers batch by batch.

For `class` and `binary` targets counts are streamed; a class metric that is made per class (precision,
recall, f1, iou, auroc) is the plain mean over the classes that occur ("macro", as scikit-learn and
torchmetrics have it); a binary one is that of the positive class. For a `binary[n]` output it is made per
label and averaged. The entries of outputs with further axes (images, sequences) count as so many samples.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definition import Definition
from dlc.compiler.record import record
from dlc.compiler.training.counts import Moments, area, confusion, pooled, table
from dlc.compiler.types import FLOATS, INTEGERS, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

CLASSIFIED = ("class", "binary")


@record
class Answer:
    """What the artifact says of an output, for a batch, as arrays: the value (class numbers, booleans,
    numbers), and for a class the probabilities of all classes, for a binary that of yes."""

    value: Any
    probability: Any = None


@dataclass
class State:
    """What a metric has counted of an output so far."""

    type: Tensor
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def per_label(self) -> bool:
        """True for vectors of known length, whose places are measured one by one."""
        return self.type.rank == 1 and isinstance(self.type.shape[0], int) and self.type.shape[0] > 1


class Metric(Definition, family="metric"):
    """`start`, `update` with every batch, `value` at the end; `np` is NumPy."""

    for_elements: ClassVar[tuple[str, ...]] = ()
    better: ClassVar[str] = "higher"

    def fits(self, type: Tensor) -> bool:
        """True if an output declared with this type can be measured."""
        return type.element in self.for_elements

    def start(self, type: Tensor) -> State:
        return State(type)

    @abstractmethod
    def update(self, np: Any, state: State, answer: Answer, target: Any) -> None:
        raise NotImplementedError

    @abstractmethod
    def value(self, np: Any, state: State) -> float:
        """The metric of all that was counted; not a number where it has no meaning."""
        raise NotImplementedError


class Accuracy(Metric):
    """Share of the answers that are right (scikit-learn `accuracy_score`)."""

    for_elements = (*CLASSIFIED, "bool")

    def update(self, np, state, answer, target):
        target = np.asarray(target)
        truth = target if state.type.element == "class" else target >= 0.5
        right = np.asarray(answer.value).reshape(truth.shape) == truth
        state.counts["right"] = state.counts.get("right", 0) + int(right.sum())
        state.counts["all"] = state.counts.get("all", 0) + right.size

    def value(self, np, state):
        return state.counts["right"] / state.counts["all"] if state.counts.get("all") else float("nan")


class _Counted(Metric, abstract=True):
    """Made from the confusion matrix: true positives, false positives and false negatives of every class."""

    for_elements = CLASSIFIED

    @abstractmethod
    def of(self, np: Any, hit: Any, false: Any, missed: Any) -> Any:
        raise NotImplementedError

    def update(self, np, state, answer, target):
        counted = confusion(np, state.type, state.per_label, answer.value, target)
        state.counts["matrix"] = state.counts.get("matrix", 0) + counted

    def value(self, np, state):
        if "matrix" not in state.counts:
            return float("nan")
        hit, false, missed = table(np, state.counts["matrix"], state.type.element)
        scores = self.of(np, hit, false, missed)
        if state.type.element == "class":
            scores = scores[hit + false + missed > 0]
        return float(scores.mean())


class Precision(_Counted):
    """Share of the answers for a class that are right; 0 where there is none
    (scikit-learn `precision_score`)."""

    def of(self, np, hit, false, missed):
        return hit / np.maximum(hit + false, 1)


class Recall(_Counted):
    """Share of a class that is found; 0 where there is none of it (scikit-learn `recall_score`)."""

    def of(self, np, hit, false, missed):
        return hit / np.maximum(hit + missed, 1)


class F1(_Counted):
    """Harmonic mean of precision and recall (scikit-learn `f1_score`)."""

    name = "f1"

    def of(self, np, hit, false, missed):
        return 2 * hit / np.maximum(2 * hit + false + missed, 1)


class Iou(_Counted):
    """Intersection over union of answers and targets of a class (scikit-learn `jaccard_score`)."""

    def of(self, np, hit, false, missed):
        return hit / np.maximum(hit + false + missed, 1)


class Auroc(Metric):
    """Area under the ROC curve, exact, ties counted half (scikit-learn `roc_auc_score`);
    classes one against the rest.

    A class without a row, or with all rows, is left out. All scores are kept until the end: 4 bytes for every
    class of every row.
    """

    for_elements = CLASSIFIED

    def update(self, np, state, answer, target):
        scores, truth = pooled(np, state.type, state.per_label, answer.probability, target)
        state.counts.setdefault("scores", []).append(np.asarray(scores, np.float32))
        state.counts.setdefault("truth", []).append(truth)

    def value(self, np, state):
        if "scores" not in state.counts:
            return float("nan")
        scores, truth = np.concatenate(state.counts["scores"]), np.concatenate(state.counts["truth"])
        columns = range(scores.shape[1])
        if state.type.element == "class":
            areas = [area(np, scores[:, k], truth == k) for k in columns]
        else:
            areas = [area(np, scores[:, k], truth[:, k]) for k in columns]
        known = [a for a in areas if not isnan(a)]
        return float(np.mean(known)) if known else float("nan")


class _Error(Metric, abstract=True):
    """A mean over all entries of all rows, in float64."""

    for_elements = (*FLOATS, *INTEGERS)
    better = "lower"

    @abstractmethod
    def of(self, np: Any, difference: Any) -> Any:
        raise NotImplementedError

    def update(self, np, state, answer, target):
        difference = np.asarray(answer.value, np.float64) - np.reshape(target, np.shape(answer.value))
        state.counts["sum"] = state.counts.get("sum", 0.0) + float(self.of(np, difference).sum())
        state.counts["all"] = state.counts.get("all", 0) + difference.size

    def value(self, np, state):
        return state.counts["sum"] / state.counts["all"] if state.counts.get("all") else float("nan")


class Mae(_Error):
    """Mean absolute error (scikit-learn `mean_absolute_error`)."""

    def of(self, np, difference):
        return np.abs(difference)


class Rmse(_Error):
    """Root of the mean squared error, over all entries (scikit-learn `root_mean_squared_error`)."""

    def of(self, np, difference):
        return np.square(difference)

    def value(self, np, state):
        return super().value(np, state) ** 0.5


class R2(Metric):
    """Share of the target's variance that is explained (scikit-learn `r2_score`).

    For a vector the mean over its places; a place that never varies counts 1 if it is met exactly, else 0.
    """

    name = "r2"
    for_elements = (*FLOATS, *INTEGERS)

    def update(self, np, state, answer, target):
        columns = state.type.shape[0] if state.per_label else 1
        target = np.asarray(target, np.float64).reshape(-1, columns)
        left = np.asarray(answer.value, np.float64).reshape(-1, columns) - target
        state.counts["left"] = state.counts.get("left", 0.0) + np.square(left).sum(0)
        state.counts.setdefault("target", Moments()).add(np, target)

    def value(self, np, state):
        moments = state.counts.get("target")
        if moments is None or moments.n < 2:
            return float("nan")
        left, varies = state.counts["left"], moments.varies(np)
        explained = 1 - left / np.where(varies, moments.squares, 1)
        return float(np.where(varies, explained, left == 0).mean())


def figures(metrics: Sequence[tuple[str, Metric]]) -> list[str]:
    """The names of an epoch's figures, the loss first: `loss`, `accuracy`, or `OUTPUT.accuracy` where several
    outputs are measured. `metrics` are pairs of an output's name and a metric of it."""
    outputs = {output for output, _ in metrics}
    return ["loss", *(m.name if len(outputs) == 1 else f"{output}.{m.name}" for output, m in metrics)]
