"""Columns of predictions are named after classes only if they are probabilities of classes."""

from __future__ import annotations

import numpy as np

from dlc.cli.predict import columns


def test_probabilities_are_named_after_their_classes():
    answers = {"y": np.array(["a", "b"]), "y_probabilities": np.full((2, 3), 1 / 3)}
    found = columns(answers, {"y_probabilities": ("a", "b", "c")})
    assert list(found) == ["y", "y_probabilities.a", "y_probabilities.b", "y_probabilities.c"]


def test_columns_of_vectors_are_numbered():
    answers = {"y": np.full((2, 3), "a"), "y_probabilities": np.full((2, 3, 3), 1 / 3)}
    found = columns(answers, {"y_probabilities": ("a", "b", "c")})
    assert list(found)[:4] == ["y.0", "y.1", "y.2", "y_probabilities.0"]
