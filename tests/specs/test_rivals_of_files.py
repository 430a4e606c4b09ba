"""The figures of rivals that specs of pictures and recordings name are those of scikit-learn, on
the same rows."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.ndimage import uniform_filter
from scipy.signal import stft
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import jaccard_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import dlc
from dlc.runtime.open_rows import open_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.runtime.data.sequences.ragged import Ragged

SPECS = Path(__file__).parents[2] / "specs"
BANDS, HALF = 32, 128  # of a spectrogram of windows of 256 samples
LOUD = 0.01  # a step is loud if it has this share of the power of the loudest one
COLORS = ("red", "green", "blue", "black", "white", "yellow")
PIXELS = 100_000  # that gradient boosting learns from


def parts(name: str) -> tuple[Any, Any, dict[str, Any]]:
    """The training rows, the test rows, and the params of a spec."""
    program = dlc.compile(SPECS / f"{name}.dl")
    data = open_data(program, None)
    assert data.test is not None
    return data.train, data.test, program.compiled.params


@pytest.mark.slow
@pytest.mark.parametrize("name", ["emoji", "few_pictures"])
def test_the_accuracy_of_a_support_vector_machine_on_pixels(name: str) -> None:
    train, test, params = parts(name)
    x, test_x = (np.asarray(rows["picture"]).reshape(len(rows["kind"]), -1) / 255 for rows in (train, test))
    accuracies = [SVC(C=cost).fit(x, train["kind"]).score(test_x, test["kind"]) for cost in (1, 10)]
    assert params["svm"] == pytest.approx(max(accuracies), abs=1e-3)


@pytest.mark.slow
def test_the_overlap_of_gradient_boosting_on_the_surroundings_of_pixels() -> None:
    train, test, params = parts("coastlines")
    chosen = np.random.default_rng(0).choice(np.asarray(train["cover"]).size, PIXELS, replace=False)
    boosting = HistGradientBoostingClassifier(random_state=0)
    boosting.fit(surroundings(train)[chosen], np.asarray(train["cover"]).ravel()[chosen])
    found = boosting.predict(surroundings(test))
    overlap = jaccard_score(np.asarray(test["cover"]).ravel(), found, average="macro")
    assert params["boosting"] == pytest.approx(overlap, abs=0.01)


def surroundings(rows: Any) -> np.ndarray:
    """The grey of each pixel, and the means of 3 x 3 and 9 x 9 pixels around it."""
    grey = np.asarray(rows["photo"], np.float32)[:, 0]
    around = [grey, *(uniform_filter(grey, (0, size, size)) for size in (3, 9))]
    return np.stack(around, axis=-1).reshape(-1, 3)


def test_the_accuracy_of_a_support_vector_machine_on_digits_of_one_length() -> None:
    train, test, params = parts("spoken_digits")
    found = best_answers(squeezed(train["sound"], 10), train["digit"], squeezed(test["sound"], 10))
    assert params["svm"] == pytest.approx((found == test["digit"]).mean(), abs=0.01)


@pytest.mark.slow
def test_the_orders_of_three_support_vector_machines() -> None:
    """One for each word, which may be missing."""
    train, test, params = parts("spoken_orders")
    words, test_words = words_of(train), words_of(test)
    x, test_x = (squeezed(rows["sound"], 20) for rows in (train, test))
    right = [best_answers(x, words[:, k], test_x) == test_words[:, k] for k in range(3)]
    assert params["svm"] == pytest.approx(np.all(right, axis=0).mean(), abs=0.01)


def words_of(rows: Any) -> np.ndarray:
    """The number, the color and the thing of each order. Classes are sorted letters."""
    with (SPECS / "data" / "spoken_orders.csv").open(encoding="utf-8") as file:
        letters = sorted({letter for row in csv.DictReader(file) for letter in row["order"]})
    orders = ["".join(letters[k] for k in order).split() for order in each(rows["order"])]
    return np.array([three(*words) for words in orders])


def three(*words: str) -> tuple[str, str, str]:
    *before, thing = words
    color = before.pop() if before and before[-1] in COLORS else ""
    return "".join(before), color, thing


def best_answers(x: np.ndarray, y: np.ndarray, test_x: np.ndarray) -> np.ndarray:
    return make_pipeline(StandardScaler(), SVC(C=10)).fit(x, y).predict(test_x)


def squeezed(sounds: Ragged, steps: int) -> np.ndarray:
    """The logarithm of the spectrogram of each recording in `steps` steps, without the pauses at its ends."""
    return np.stack([squeezed_row(row, steps) for row in each(sounds)])


def each(rows: Ragged) -> Iterator[np.ndarray]:
    for start, length in zip(rows.starts, rows.lengths, strict=True):
        yield rows.values[start : start + length]


def squeezed_row(samples: np.ndarray, steps: int) -> np.ndarray:
    power = np.abs(stft(samples, nperseg=2 * HALF, noverlap=HALF)[2]) ** 2
    bands = power[:HALF].reshape(BANDS, HALF // BANDS, -1).mean(axis=1)
    loud = np.flatnonzero(bands.sum(axis=0) > LOUD * bands.sum(axis=0).max())
    spoken = np.log(bands[:, loud[0] : loud[-1] + 1] + 1e-8)
    edges = np.linspace(0, spoken.shape[1], steps + 1)
    cuts = [(int(a), max(int(a) + 1, int(np.ceil(b)))) for a, b in pairwise(edges)]
    found = np.stack([spoken[:, a:b].mean(axis=1) for a, b in cuts])
    return (found - found.mean()).ravel()
