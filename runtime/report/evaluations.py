"""How good the answers of an output are: an evaluation for each kind of output, of group after group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.dims.dim import number
from dlc.compiler.passes.lengths import length_name
from dlc.compiler.training.metric_counts import packed
from dlc.compiler.training.metrics import Prediction
from dlc.compiler.training.sequence_metrics import before_end, edits
from dlc.runtime.artifact.evaluate import check_answers
from dlc.runtime.report.class_counts import Calibration, CountsByClass
from dlc.runtime.report.errors_of_numbers import NumberErrors
from dlc.runtime.report.worst import Verdict, WorstRows
from dlc.runtime.training.meter import counted, entries, prediction_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.types import Tensor
    from dlc.runtime.artifact.opened import OpenArtifact
    from dlc.runtime.report.predicted import PredictedRows

LABELS = 100  # maximum number of yes and no that are evaluated apart
TINY = 1e-12  # probabilities are at least this in logarithms
MANY_EDITS = 10  # numbers of edits from here on are counted together


class AnswerEvaluation(ABC):
    """The evaluation of the answers of one output. `columns` are those of the data that fill its target."""

    def __init__(
        self, output: str, type: Tensor, target: str, unit: str, columns: Sequence[str], most: int
    ) -> None:
        self.output, self.type, self.target, self.unit, self.columns = output, type, target, unit, columns
        self.worst = WorstRows(most)

    def add(self, artifact: OpenArtifact, group: PredictedRows) -> None:
        """Evaluate the rows of a group. `ArtifactError` for answers that are not of the output's type."""
        target = group.fields[self.target]
        check_answers(artifact, self.output, self.type, group.answers, target)
        answer = prediction_of(group.answers, self.output, self.type)
        counts = counted(self.type, target, group.fields.get(length_name(self.target)))
        self.worst.add(group, self.evaluate(answer, target, counts))

    @abstractmethod
    def evaluate(self, answer: Prediction, target: np.ndarray, counts: np.ndarray) -> Verdict:
        """Evaluate rows. `counts` is the mask of the entries of the target that count."""


class ClassEvaluation(AnswerEvaluation):
    """Answers that are classes, one or several for each row."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.counts, self.calibration = CountsByClass.of(labels_of(self.type)), Calibration()

    def evaluate(self, answer, target, counts):
        found, truth = entries(self.type, answer, target, counts)
        value, truth = np.asarray(found.value, np.int64), np.asarray(truth, np.int64)
        self.counts.add(value, truth)
        wrong = value != truth
        losses = wrong.astype(np.float64)
        if found.probability is not None:
            p = np.asarray(found.probability, np.float64)
            self.calibration.add(p.max(1), ~wrong)
            losses = -np.log(np.clip(np.take_along_axis(p, truth[:, None], 1)[:, 0], TINY, 1))
        return verdict(wrong, losses, counts)


class BinaryEvaluation(AnswerEvaluation):
    """Answers that are yes or no, one or several for each row. `labels` are the names of the entries of a
    vector, which are counted apart in `apart`."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        shape = self.type.shape
        several = len(shape) == 1 and isinstance(shape[0], int) and 1 < shape[0] <= LABELS
        self.labels = self._names(number(shape[0])) if several else []
        self.apart = [CountsByClass.of(labels_of(self.type)) for _ in self.labels]
        self.counts, self.calibration = CountsByClass.of(labels_of(self.type)), Calibration()

    def _names(self, count: int) -> list[str]:
        return (
            list(self.columns)
            if len(self.columns) == count
            else [f"{self.target}[{i}]" for i in range(count)]
        )

    def evaluate(self, answer, target, counts):
        value = np.reshape(np.asarray(answer.value), target.shape).astype(np.int64)
        truth = (target >= 0.5).astype(np.int64) if target.dtype.kind == "f" else target.astype(np.int64)
        self.counts.add(value[counts], truth[counts])
        for place, apart in enumerate(self.apart):
            there = counts[:, place]
            apart.add(value[there, place], truth[there, place])
        wrong = (value != truth)[counts]
        losses = wrong.astype(np.float64)
        if answer.probability is not None:
            p = np.reshape(np.asarray(answer.probability, np.float64), target.shape)[counts]
            came = np.asarray(target[counts], np.float64)
            self.calibration.add(p, came)
            p = np.clip(p, TINY, 1 - TINY)
            losses = -(came * np.log(p) + (1 - came) * np.log1p(-p))
        return verdict(wrong, losses, counts)


class NumberEvaluation(AnswerEvaluation):
    """Answers that are numbers, one or several for each row."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.errors = NumberErrors(self.type, self.target, self.columns)

    def evaluate(self, answer, target, counts):
        value, truth = np.asarray(answer.value, np.float64), np.asarray(target, np.float64)
        value = np.reshape(value, truth.shape)
        self.errors.add(value, truth, counts)
        with np.errstate(invalid="ignore", over="ignore"):
            squares = (value - truth)[counts] ** 2
        found = verdict(np.ones(len(squares), bool), squares, counts)
        return Verdict(found.wrong, np.sqrt(found.badness))


class SequenceEvaluation(AnswerEvaluation):
    """Answers that are sequences of classes with lengths of their own. `edits` counts the rows by the number
    of edits that turn an answer into its target, up to `MANY_EDITS` and more."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.edits = np.zeros(MANY_EDITS + 1, np.int64)
        self.total = 0

    def evaluate(self, answer, target, counts):
        value = np.asarray(answer.value)
        answers = packed(np, value, before_end(np, value, value >= 0, self.type))
        targets = packed(np, target, before_end(np, target, counts, self.type))
        found = np.asarray(edits(np, *answers, *targets))
        self.total += int(found.sum())
        self.edits += np.bincount(np.minimum(found, MANY_EDITS), minlength=MANY_EDITS + 1)
        return Verdict(found > 0, found / np.maximum(targets[1], 1))

    @property
    def mean(self) -> float:
        """The mean number of edits."""
        return self.total / max(int(self.edits.sum()), 1)


def labels_of(type: Tensor) -> Sequence[str]:
    """The names of the classes of an output; of a binary output for no and yes."""
    classes = type.classes
    if classes is None or (type.element != "class" and not classes.names):
        return ("no", "yes")
    return (*classes.without_end().texts, "(end)") if classes.end else classes.texts


def verdict(wrong: np.ndarray, losses: np.ndarray, counts: np.ndarray) -> Verdict:
    """The verdict of rows, from their entries that count: a row is wrong if one of them is. A loss that is
    NaN is the worst."""
    losses = np.where(np.isnan(losses), np.inf, losses)
    within = counts.reshape(len(counts), -1)
    owner = np.repeat(np.arange(len(within)), within.sum(1))
    number = np.bincount(owner, minlength=len(within))
    with np.errstate(invalid="ignore"):
        badness = np.bincount(owner, losses, len(within)) / np.where(number, number, np.nan)
    return Verdict(np.bincount(owner, wrong, len(within)) > 0, badness)


KINDS: dict[str, type[AnswerEvaluation]] = {
    "class": ClassEvaluation,
    "binary": BinaryEvaluation,
    "bool": BinaryEvaluation,
}


def evaluation_of(
    output: str, declared: Tensor, target: str, unit: str, columns: Sequence[str], most: int
) -> AnswerEvaluation | None:
    """The evaluation of an output; None for a kind that has none. `most` is the number of worst rows."""
    kind = KINDS.get(declared.element)
    if declared.blank or declared.decoded:
        kind = SequenceEvaluation
    elif declared.is_float or declared.is_integer:
        kind = NumberEvaluation
    return kind(output, declared, target, unit, columns, most) if kind else None
