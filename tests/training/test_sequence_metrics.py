"""Metrics of whole sequences, compared with torchmetrics and with Python lists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torchmetrics.text import EditDistance

from dlc.compiler.definitions.definition import family
from dlc.compiler.dims.dim import free
from dlc.compiler.training.sequence_metrics import edits
from dlc.compiler.types import Classes, Tensor
from dlc.runtime.training.meter import Meter, OutputMetric

RNG = np.random.default_rng(0)
METRICS = family("metric")
LETTERS = "abcd"
PLAIN = Tensor("class", (9,), Classes(4))
DECODED = replace(PLAIN, blank=True)


def measured(name: str, type: Tensor, answers: np.ndarray, targets: np.ndarray) -> float:
    meter = Meter([OutputMetric(name, "y", type, "y", METRICS[name]())])
    for start in range(0, len(targets), 7):
        part = slice(start, start + 7)
        meter.add({"y": answers[part], "y_probabilities": None}, {"y": targets[part]})
    return meter.figures()[name]


def sequences(n: int, width: int, classes: int = 4) -> np.ndarray:
    """Rows of different length, with -1 after their end; some are empty."""
    rows = RNG.integers(0, classes, (n, width))
    return np.where(np.arange(width) < RNG.integers(0, width + 1, n)[:, None], rows, -1)


def texts(rows: np.ndarray) -> list[str]:
    return ["".join(LETTERS[k] for k in row if k >= 0) for row in rows]


def by_torchmetrics(answers: list[str], targets: list[str]) -> float:
    return EditDistance(reduction="mean")(answers, targets).item()


@pytest.mark.parametrize(("wide", "target"), [(9, 5), (4, 9), (6, 6), (0, 3), (3, 0)])
def test_decoded_texts_of_any_length(wide, target):
    answers, targets = sequences(40, wide), sequences(40, target)
    n = min(wide, target)
    answers[:5], targets[:5] = -1, -1
    answers[:5, :n] = targets[:5, :n] = RNG.integers(0, 4, (5, n))
    found, wanted = texts(answers), texts(targets)
    assert measured("edit_distance", DECODED, answers, targets) == pytest.approx(
        by_torchmetrics(found, wanted)
    )
    same = np.mean([a == b for a, b in zip(found, wanted, strict=True)])
    assert measured("sequence_accuracy", DECODED, answers, targets) == pytest.approx(same)


def test_entries_that_do_not_count_are_left_out_of_answers_of_their_places():
    answers = RNG.integers(0, 4, (40, 9))
    targets = np.where(RNG.random((40, 9)) < 0.2, RNG.integers(0, 4, (40, 9)), answers)
    targets[:20] = answers[:20]
    mask = RNG.random((40, 9)) < 0.3
    mask[3] = True  # a row of which nothing counts
    found = [row[~m] for row, m in zip(answers, mask, strict=True) if not m.all()]
    wanted = [row[~m] for row, m in zip(targets, mask, strict=True) if not m.all()]
    targets, ignoring = np.where(mask, -1, targets), replace(PLAIN, ignore=(9,))
    pairs = [texts([*found]), texts([*wanted])]
    assert measured("edit_distance", ignoring, answers, targets) == pytest.approx(by_torchmetrics(*pairs))
    same = np.mean([a == b for a, b in zip(*pairs, strict=True)])
    assert measured("sequence_accuracy", ignoring, answers, targets) == pytest.approx(same)


def test_a_text_of_ignored_symbols_does_not_count_and_an_empty_text_does():
    answers, targets = np.array([[0, 1], [0, -1], [-1, -1]]), np.array([[0, 1], [-1, -1], [-1, -1]])
    assert measured("edit_distance", DECODED, answers, targets) == pytest.approx(1 / 3)
    assert measured("sequence_accuracy", DECODED, answers, targets) == pytest.approx(2 / 3)
    ignoring = replace(DECODED, ignore=(-1,))
    assert measured("edit_distance", ignoring, answers, targets) == 0
    assert measured("sequence_accuracy", ignoring, answers, targets) == 1


def test_an_empty_target_counts_where_rows_have_an_end():
    """The target of the first two rows is the end alone; the last row has none."""
    ended = replace(PLAIN, classes=Classes(3).with_end(), decoded=True)
    answers, targets = np.array([[0, 3], [3, 3], [1, 3]]), np.array([[3, -1], [3, -1], [-1, -1]])
    assert measured("edit_distance", ended, answers, targets) == 0.5
    assert measured("sequence_accuracy", ended, answers, targets) == 0.5


def test_names_and_labels_of_the_artifact():
    named = replace(DECODED, classes=Classes(3, ("a", "b", "c")))
    answers = np.array([["a", "b", ""], ["c", "", ""]], object)
    targets = np.array([[0, 1], [1, -1]])
    assert measured("edit_distance", named, answers, targets) == 0.5
    numbered = replace(DECODED, classes=Classes(3, (-1, 10, 20)))
    answers = np.array([[-1, 10, -2], [20, -2, -2]])
    assert measured("sequence_accuracy", numbered, answers, targets) == 0.5


def test_long_sequences_take_a_step_for_each_entry_of_the_shorter():
    """Sequences that differ by insertions, deletions and substitutions far apart."""
    target = RNG.integers(0, 50, (2, 3000))
    answer = np.delete(target, [5, 900, 2000], axis=1)
    answer[:, 1500] = 50
    whole = [np.full(2, rows.shape[1]) for rows in (answer, target)]
    assert edits(np, answer, whole[0], target, whole[1]).tolist() == [4, 4]


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.whole_rows])
def test_outputs_without_one_axis_of_steps(name):
    metric = METRICS[name]()
    assert not any(metric.fits(Tensor("class", shape, Classes(4))) for shape in ((), (3, 4)))
    assert not any(metric.fits(Tensor(element, (4,))) for element in ("float", "binary", "int64"))


# --- rows that differ in length ---------------------------------------------------------------------------

OF_STEPS = [
    (name, Tensor(element, shape, Classes(count) if count else None))
    for name, metric in sorted(METRICS.items()) if name != "top_k"
    for element, count in (("class", 4), ("binary", 2), ("bool", 0), ("float", 0), ("int32", 0))
    for shape in ((free("T"),), (free("T"), 2), (3, free("T")))
    if metric().fits(Tensor(element, shape, Classes(count) if count else None)) and not metric().whole_rows
]  # fmt: skip


@pytest.mark.parametrize(("name", "type"), OF_STEPS, ids=str)
def test_figures_leave_padding_out(name, type):
    """They are those of a list of the entries before the end of each row."""
    axis = next(axis for axis, size in enumerate(type.shape) if not isinstance(size, int))
    shape, lengths = tuple(6 if not isinstance(s, int) else s for s in type.shape), RNG.integers(0, 7, 30)
    inside = np.arange(6) < lengths[:, None]
    inside = np.broadcast_to(inside.reshape(30, *[1] * axis, 6, *[1] * (type.rank - axis - 1)), (30, *shape))
    if type.element == "class":
        probability = RNG.dirichlet(np.ones(4), (30, *shape)).astype(np.float32)
        value, target = probability.argmax(-1), RNG.integers(0, 4, (30, *shape))
        moved = np.moveaxis(probability, -1, 1) if type.rank > 1 else probability
        answers, alone = {"y_probabilities": moved}, {"y_probabilities": probability[inside]}
    else:
        drawn, target = RNG.random((30, *shape)), (RNG.random((30, *shape)) < 0.5).astype(float)
        value = drawn >= 0.5 if type.element in ("binary", "bool") else (drawn * 9 - 4).astype(type.element)
        answers, alone = {"y_probability": drawn}, {"y_probability": drawn[inside]}
    metric = METRICS[name]()
    padded = Meter([OutputMetric(name, "y", type, "y", metric)])
    for part in (slice(0, 11), slice(11, 30)):
        batch = {key: array[part] for key, array in answers.items()} | {"y": value[part]}
        padded.add(batch, {"y": target[part], "y_length": lengths[part]})
    entries = Meter([OutputMetric(name, "y", type.with_shape(), "y", metric)])
    entries.add(alone | {"y": value[inside]}, {"y": target[inside]})
    if metric.tabular:
        assert padded.tables() == entries.tables()
    else:
        assert padded.figures() == pytest.approx(entries.figures())


@pytest.mark.parametrize("name", ["edit_distance", "sequence_accuracy"])
def test_sequences_end_where_their_rows_end(name):
    """In the padding, answers are wrong and targets repeat the last step."""
    for type in (PLAIN, DECODED):
        answers, lengths = RNG.integers(0, 4, (20, 9)), RNG.integers(1, 10, 20)
        inside = np.arange(9) < lengths[:, None]
        targets = np.where(RNG.random((20, 9)) < 0.1, 0, answers)
        wanted = measured(name, type, answers if not type.blank else np.where(inside, answers, -1),
                          np.where(inside, targets, -1))  # fmt: skip
        answers = np.where(inside, answers, -1 if type.blank else 3)
        meter = Meter([OutputMetric(name, "y", type.with_shape(free("T")), "y", METRICS[name]())])
        meter.add({"y": answers, "y_probabilities": None}, {"y": targets, "y_length": lengths})
        assert meter.figures()[name] == pytest.approx(wanted)
