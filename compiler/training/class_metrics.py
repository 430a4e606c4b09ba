"""Metrics of classes and labels.

A metric per class (precision, recall, f1, iou, auroc) is the unweighted mean over the classes that occur
("macro", as in scikit-learn and torchmetrics), unless its `average` says otherwise. For a binary output it is
that of the positive class. For a `binary[n]` output it is computed per label and averaged.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Any

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Integer, Keyword, Nothing, OneOf
from dlc.compiler.dims.dim import number
from dlc.compiler.training.metric_counts import area, confusion, pooled, tallies
from dlc.compiler.training.metrics import CountTable, Metric, State
from dlc.compiler.types import Tensor

CLASSIFIED = ("class", "binary")
NAME = re.compile(r"[A-Za-z_]\w*")


class Accuracy(Metric):
    """Share of correct answers (scikit-learn `accuracy_score`)."""

    for_elements = (*CLASSIFIED, "bool")

    def update(self, np, state, answer, target):
        target = np.asarray(target)
        truth = target if state.type.element == "class" else target >= 0.5
        correct = np.asarray(answer.value).reshape(truth.shape) == truth
        state.add(sum=int(correct.sum()), all=correct.size)

    def value(self, np, state):
        return state.mean()


class _PerClass(Metric, abstract=True):
    """A metric computed for each class, or for each label of a `binary[n]`, and averaged."""

    separates = True
    for_elements = CLASSIFIED

    average: str | None = setting(
        "how classes are averaged: `macro` with equal weights, `weighted` by their numbers of rows, `micro` "
        "over all rows; `none` gives a figure for each class",
        OneOf(Keyword("macro", "weighted", "micro"), Nothing()),
        "macro",
        keyword=True,
    )

    def parts(self, type: Tensor) -> tuple[str, ...] | None:
        return ("",) if self.average else class_parts(type)

    def figures(self, np, state):
        if self.average:
            return (self.value(np, state),)
        return self.each(np, state) if state.counts else [float("nan")] * len(class_parts(state.type) or ())

    @abstractmethod
    def each(self, np: Any, state: State) -> list[float]:
        """The metric of each class or label."""
        raise NotImplementedError


class _Counted(_PerClass, abstract=True):
    """A metric of the true positives, false positives and false negatives of each class."""

    @abstractmethod
    def of(self, np: Any, hit: Any, false: Any, missed: Any) -> Any:
        raise NotImplementedError

    def update(self, np, state, answer, target):
        state.add(counted=tallies(np, state.type, state.per_label, answer.value, target))

    def each(self, np, state):
        hit, false, missed, _ = state.counts["counted"]
        scores = self.of(np, hit, false, missed)
        return [float(s) if n else float("nan") for s, n in zip(scores, hit + false + missed, strict=True)]

    def value(self, np, state):
        if "counted" not in state.counts:
            return float("nan")
        hit, false, missed, all = state.counts["counted"]
        if self.average == "micro":
            return float(self.of(np, hit.sum(), false.sum(), missed.sum()))
        scores, rows = self.of(np, hit, false, missed), hit + missed
        if self.average == "weighted":
            return float((scores * rows).sum() / rows.sum()) if rows.sum() else float("nan")
        occur = rows + false if state.type.element == "class" else all
        return float(scores[occur > 0].mean())


class Precision(_Counted):
    """Share of correct answers among the answers of a class; 0 if there are none
    (scikit-learn `precision_score`)."""

    def of(self, np, hit, false, missed):
        return hit / np.maximum(hit + false, 1)


class Recall(_Counted):
    """Share of correct answers among the rows of a class; 0 if there are none
    (scikit-learn `recall_score`)."""

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


class Mcc(Metric):
    """Matthews correlation coefficient of answers and targets, from -1 to 1; 0 if all rows have one class or
    one answer (scikit-learn `matthews_corrcoef`). For a `binary[n]` it is the mean over the labels that have
    rows."""

    separates = True
    for_elements = CLASSIFIED

    def counts(self, type: Tensor) -> int:
        return 3 * number(type.classes.count) if type.classes and type.element == "class" else 4

    def update(self, np, state, answer, target):
        count = tallies if state.type.element == "class" else confusion
        state.add(counted=count(np, state.type, state.per_label, answer.value, target))

    def value(self, np, state):
        if "counted" not in state.counts:
            return float("nan")
        counted = state.counts["counted"].astype(np.float64)
        if state.type.element == "class":
            hit, false, missed = counted[:3]
            return self.of_counts(np, hit, hit + false, hit + missed)
        known = [self.of_counts(np, m.diagonal(), m.sum(0), m.sum(1)) for m in counted if m.any()]
        return float(np.mean(known)) if known else float("nan")

    @staticmethod
    def of_counts(np: Any, hit: Any, answered: Any, true: Any) -> float:
        """The coefficient from the numbers of correct answers, of answers and of rows of each class (Gorodkin
        2004)."""
        rows = true.sum()
        if not rows:
            return float("nan")
        spread = (rows**2 - (answered**2).sum()) * (rows**2 - (true**2).sum())
        return float((hit.sum() * rows - (answered * true).sum()) / np.sqrt(spread)) if spread > 0 else 0.0


class TopK(Metric):
    """Share of rows whose true class is among the `k` most probable ones (scikit-learn
    `top_k_accuracy_score`). Of equal probabilities, the class that comes first is ahead. Its figure is
    `test.top_k(5)`."""

    usage = """
    input  image: uint8[3, 32, 32]
    output kind: class(100)

    image / 255 -> conv(16, 3) -> relu -> global_avgpool -> dense(100) -> kind

    train { metrics = [accuracy, top_k(5)] }
    """
    of_probabilities = True
    for_elements = ("class",)

    k: int = setting("the number of classes", Integer(1))

    @property
    def title(self) -> str:
        return f"{self.name}({self.k})"

    @property
    def restriction(self) -> str:
        return f" with more than {self.k} classes"

    def fits(self, type: Tensor) -> bool:
        known = type.classes.count if type.classes else None
        return super().fits(type) and not (isinstance(known, int) and known <= self.k)

    def update(self, np, state, answer, target):
        scores, truth = pooled(np, state.type, state.per_label, answer.probability, target)
        of_truth = np.take_along_axis(scores, truth[:, None], 1)
        earlier = np.arange(scores.shape[1]) < truth[:, None]
        ahead = (scores > of_truth) | ((scores == of_truth) & earlier)
        state.add(sum=int((ahead.sum(1) < self.k).sum()), all=len(truth))

    def value(self, np, state):
        return state.mean()


class ConfusionMatrix(Metric):
    """The number of rows for each pair of true class and answer (scikit-learn `confusion_matrix`).

    It has a row for each true class and a column for each answer. It is shown at the end of training and by
    `dlc eval`.
    """

    tabular = True
    for_elements = CLASSIFIED
    restriction = ", not for several labels at once"

    def fits(self, type: Tensor) -> bool:
        return super().fits(type) and not (type.element == "binary" and State(type).per_label)

    def counts(self, type: Tensor) -> int:
        return number(type.classes.count) ** 2 if type.classes and type.element == "class" else 4

    def update(self, np, state, answer, target):
        state.add(matrix=confusion(np, state.type, False, answer.value, target))

    def value(self, np, state):
        classes = state.type.classes
        size = number(classes.count) if classes and state.type.element == "class" else 2
        matrix = np.reshape(state.counts.get("matrix", np.zeros((size, size), int)), (size, size))
        names = ("no", "yes")
        if classes and (state.type.element == "class" or classes.names):
            names = classes.texts
        return CountTable(names, tuple(tuple(map(int, row)) for row in matrix))


class Perplexity(Metric):
    """`exp` of the mean cross-entropy: the number of equally likely classes with the same cross-entropy
    (torchmetrics `Perplexity`)."""

    of_probabilities = True
    for_elements = ("class",)
    better = "lower"

    def update(self, np, state, answer, target):
        scores, truth = pooled(np, state.type, state.per_label, answer.probability, target)
        of_truth = np.take_along_axis(scores, truth[:, None], 1).astype(np.float64)
        loss = -np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).sum()
        state.add(sum=float(loss), all=len(of_truth))

    def value(self, np, state):
        return float(np.exp(state.mean()))


class Auroc(_PerClass):
    """Area under the ROC curve, exact, ties counted half (scikit-learn `roc_auc_score`);
    classes are compared one versus rest.

    A class with no row or with all rows is skipped. All scores are kept until the end: 4 bytes for each class
    of each row, and the true class. `micro` pools the scores of all classes.
    """

    of_probabilities = True

    def update(self, np, state, answer, target):
        scores, truth = pooled(np, state.type, state.per_label, answer.probability, target)
        state.counts.setdefault("scores", []).append(np.asarray(scores, np.float32))
        smallest = np.min_scalar_type(-scores.shape[1])  # -1 too
        state.counts.setdefault("truth", []).append(truth.astype(smallest))

    def each(self, np, state):
        return self.areas(np, *self.kept(np, state))

    def value(self, np, state):
        if "scores" not in state.counts:
            return float("nan")
        scores, truth = self.kept(np, state)
        if self.average == "micro":
            return self.areas(np, scores.reshape(-1, 1), truth.reshape(-1, 1))[0]
        areas, rows = np.array(self.areas(np, scores, truth)), (truth > 0).sum(0)
        known = ~np.isnan(areas)
        weights = rows[known] if self.average == "weighted" else None
        return float(np.average(areas[known], weights=weights)) if known.any() else float("nan")

    def areas(self, np: Any, scores: Any, truth: Any) -> list[float]:
        counts = truth >= 0
        columns = range(scores.shape[1])
        return [area(np, scores[counts[:, k], k], truth[counts[:, k], k] > 0) for k in columns]

    def kept(self, np: Any, state: State) -> tuple[Any, Any]:
        """The scores and the true classes or labels of all rows, with a column for each class or label."""
        scores, truth = np.concatenate(state.counts["scores"]), np.concatenate(state.counts["truth"])
        if state.type.element == "class":
            truth = truth[:, None] == np.arange(scores.shape[1])
        return scores, truth


def class_parts(type: Tensor) -> tuple[str, ...] | None:
    """The suffix of a metric's name for each class or label: `.setosa`; `[3]` for an integer class, or for
    the class with that index if its name needs quotes. None if only the data determines the classes."""
    if type.element == "binary":
        labels = type.shape[0] if State(type).per_label else 1
        return tuple(f"[{k}]" for k in range(number(labels)))
    if type.classes is None or not isinstance(type.classes.count, int):
        return None
    if type.classes.names is None:
        return tuple(f"[{number}]" for number in type.classes.numbers or ())
    return tuple(f".{n}" if NAME.fullmatch(n) else f"[{k}]" for k, n in enumerate(type.classes.names))
