"""The columns of a table of answers are called after classes only where they are classes."""

from __future__ import annotations

import numpy as np

from dlc.cli.predict import columns


def test_probabilities_are_called_after_their_classes():
    answers = {"y": np.array(["a", "b"]), "y_probabilities": np.full((2, 3), 1 / 3)}
    found = columns(answers, {"y_probabilities": ("a", "b", "c")})
    assert list(found) == ["y", "y_probabilities.a", "y_probabilities.b", "y_probabilities.c"]


def test_places_of_answers_are_counted():
    answers = {"y": np.full((2, 3), "a"), "y_probabilities": np.full((2, 3, 3), 1 / 3)}
    found = columns(answers, {"y_probabilities": ("a", "b", "c")})
    assert list(found)[:4] == ["y.0", "y.1", "y.2", "y_probabilities.0"]
