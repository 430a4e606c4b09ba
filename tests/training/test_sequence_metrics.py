"""Metrics of whole sequences, compared with torchmetrics and with Python lists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torchmetrics.text import EditDistance

from dlc.compiler.definitions.definition import family
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


@pytest.mark.parametrize("name", ["edit_distance", "sequence_accuracy"])
def test_outputs_without_one_axis_of_steps(name):
    metric = METRICS[name]()
    assert not any(metric.fits(Tensor("class", shape, Classes(4))) for shape in ((), (3, 4)))
    assert not any(metric.fits(Tensor(element, (4,))) for element in ("float", "binary", "int64"))
