"""Metrics of sequences of classes, which compare whole sequences.

The target is -1 where an entry does not count. The answer of an output of `ctc` has a length of its own, and
is -1 after it; any other answer has an entry for each of the target, of which the same are left out.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.dims.dim import number
from dlc.compiler.training.metric_counts import packed
from dlc.compiler.training.metrics import Metric, State
from dlc.compiler.types import Tensor

# Class indices as an array `[rows, steps]`, at the start of each row, and how many they are: `[rows]`.
Sequences = tuple[Any, Any]


class OfSequences(Metric, abstract=True):
    """A metric of answers and targets as sequences, each with a length of its own."""

    whole_rows = True
    for_elements = ("class",)
    restriction = " with one axis, the steps"

    def fits(self, type: Tensor) -> bool:
        return type.element == "class" and type.rank == 1

    @abstractmethod
    def compare(self, np: Any, state: State, answers: Sequences, targets: Sequences) -> None:
        """Add the sequences of a batch."""
        raise NotImplementedError

    def update(self, np, state, answer, target):
        value, target = np.asarray(answer.value), np.asarray(target)
        given, own = target >= 0, state.type.blank or state.type.decoded
        answers = packed(np, value, before_end(np, value, value >= 0 if own else given, state.type))
        targets = packed(np, target, before_end(np, target, given, state.type))
        if state.type.ignore or not state.type.blank:
            count = given.any(axis=1)
            answers, targets = ((rows[count], lengths[count]) for rows, lengths in (answers, targets))
        self.compare(np, state, answers, targets)


def before_end(np: Any, rows: Any, given: Any, type: Tensor) -> Any:
    """The mask of the given steps before the one that is the end, if the classes have one."""
    if type.classes is None or not type.classes.end:
        return given
    return given & (np.cumsum(rows == number(type.classes.count) - 1, axis=1) == 0)


class _MeanOfSequences(OfSequences, abstract=True):
    """The mean of a number of each sequence."""

    @abstractmethod
    def of(self, np: Any, answers: Sequences, targets: Sequences) -> Any:
        """The number of each sequence."""
        raise NotImplementedError

    def compare(self, np, state, answers, targets):
        each = self.of(np, answers, targets)
        state.add(sum=float(each.sum()), all=len(each))

    def value(self, np, state):
        return state.mean()


class EditDistanceMetric(_MeanOfSequences):
    """Mean number of insertions, deletions and substitutions that turn an answer into its target (Levenshtein
    1966; torchmetrics `EditDistance`)."""

    usage = """
    input  frames: float[32, 8]
    output text: class(26, ignore=-1)[6]

    frames -> dense(64) -> relu -> dense(text.classes + 1) -> text

    train {
      loss = ctc(text)
      metrics = [edit_distance, sequence_accuracy]
    }
    """
    better = "lower"

    def of(self, np, answers, targets):
        return edits(np, *answers, *targets)


class SequenceAccuracy(_MeanOfSequences):
    """Share of answers of which the whole sequence is right, at the entries that count."""

    usage = """
    input  words: class(1000)[12]
    output tags: class(9)[12]

    words -> embedding(32) -> dense(64) -> relu -> dense(9) -> tags

    train { metrics = [accuracy, sequence_accuracy] }
    """

    def of(self, np, answers, targets):
        (answer, length), (target, wanted) = answers, targets
        width = max(answer.shape[1], target.shape[1])
        same = widened(np, answer, width) == widened(np, target, width)
        return (length == wanted) & same.all(1)


def widened(np: Any, rows: Any, width: int) -> Any:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=-1)


def edits(np: Any, a: Any, length_a: Any, b: Any, length_b: Any) -> Any:
    """The Levenshtein distances of sequences, row by row: one step for each entry of the shorter of the two
    arrays, over all rows and all entries of the other (Wagner and Fischer 1974)."""
    if a.shape[1] > b.shape[1]:
        a, length_a, b, length_b = b, length_b, a, length_a
    place = np.arange(b.shape[1] + 1)
    row = np.broadcast_to(place, (len(b), b.shape[1] + 1))  # the distances of prefixes of `b` to that of `a`
    found = np.array(length_b)
    for step in range(1, int(length_a.max(initial=0)) + 1):
        changed = np.minimum(row[:, 1:] + 1, row[:, :-1] + (b != a[:, step - 1 : step]))
        row = np.concatenate([np.full((len(b), 1), step), changed], 1)
        row = np.minimum.accumulate(row - place, 1) + place  # an insertion adds 1 to the entry before
        ends = length_a == step
        found[ends] = row[ends, length_b[ends]]
    return found
