"""The figures of rivals that specs name are those of scikit-learn on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

import dlc
from dlc.runtime.open_rows import open_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.runtime.data.ragged import Ragged

SPECS = Path(__file__).parents[2] / "specs"


def images(program: dlc.Program) -> Iterator[np.ndarray]:
    """The training and the test images, as floats from 0 to 1."""
    data = open_data(program, None)
    for rows in (data.train, data.test):
        assert rows is not None
        yield np.asarray(rows["image"], np.float64).reshape(-1, 8, 8) / 16


def test_the_error_of_pca() -> None:
    program = dlc.compile(SPECS / "autoencoder_pca.dl")
    train, test = (rows.reshape(-1, 64) for rows in images(program))
    pca = PCA(program.compiled.params["code"]).fit(train)
    error = ((pca.inverse_transform(pca.transform(test)) - test) ** 2).mean()
    assert program.compiled.params["pca"] == pytest.approx(error, rel=1e-3)


def test_the_accuracy_of_a_logistic_regression_on_means() -> None:
    program = dlc.compile(SPECS / "japanese_vowels.dl")
    data = open_data(program, None)
    assert data.test is not None
    x, test_x = (means(rows["recording"]) for rows in (data.train, data.test))
    y, test_y = data.train["speaker"], data.test["speaker"]
    mean, deviation = x.mean(0), x.std(0)
    accuracies = [
        LogisticRegression(C=strength, max_iter=1000)
        .fit((x - mean) / deviation, y)
        .score((test_x - mean) / deviation, test_y)
        for strength in (0.1, 1, 10, 100)
    ]
    assert program.compiled.params["logistic"] == pytest.approx(max(accuracies), abs=1e-4)


def means(sequences: Ragged) -> np.ndarray:
    """The mean of the steps of each row."""
    begins = np.cumsum(sequences.lengths) - sequences.lengths
    return np.add.reduceat(sequences.steps, begins) / sequences.lengths[:, None]


def test_the_error_of_product_quantization() -> None:
    program = dlc.compile(SPECS / "vq_vae.dl")
    train, test = images(program)
    errors = []
    for row in (0, 4):
        for column in (0, 4):
            here = np.s_[:, row : row + 4, column : column + 4]
            parts = train[here].reshape(-1, 16), test[here].reshape(-1, 16)
            found = KMeans(program.compiled.params["codes"], random_state=0).fit(parts[0])
            errors.append(((found.cluster_centers_[found.predict(parts[1])] - parts[1]) ** 2).mean())
    assert program.compiled.params["product"] == pytest.approx(np.mean(errors), rel=0.02)
