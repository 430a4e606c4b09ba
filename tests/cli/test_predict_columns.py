"""Columns of predictions are named after classes only if they are probabilities of the classes of a row."""

from __future__ import annotations

import numpy as np

from dlc.runtime.artifact.answer_columns import AnswerColumns

COLUMNS = AnswerColumns({"y_probabilities": ("a", "b", "c"), "n_probabilities": ()}, frozenset({"said"}))


def test_probabilities_are_named_after_their_classes():
    answers = {"y": np.array(["a", "b"]), "y_probabilities": np.full((2, 3), 1 / 3)}
    names = ["y", "y_probabilities.a", "y_probabilities.b", "y_probabilities.c"]
    assert [*COLUMNS.flat(answers)] == [*COLUMNS.nested(answers)] == names


def test_probabilities_of_numbers_are_numbered():
    answers = {"n": np.array([0, 1]), "n_probabilities": np.full((2, 2), 1 / 2)}
    names = ["n", "n_probabilities.0", "n_probabilities.1"]
    assert [*COLUMNS.flat(answers)] == [*COLUMNS.nested(answers)] == names


def test_columns_of_vectors_are_numbered_or_lists():
    answers = {"z": np.full((2, 3), "a"), "z_probabilities": np.full((2, 3, 3), 1 / 3)}
    assert [*COLUMNS.flat(answers)][:4] == ["z.0", "z.1", "z.2", "z_probabilities.0"]
    assert [*COLUMNS.nested(answers)] == ["z", "z_probabilities"]


def test_sequences_are_one_column():
    for answer in (np.ones((2, 3)), [np.ones(3), np.ones(2)], np.array(["a", "bc"], object)):
        assert [*COLUMNS.flat({"said": answer})] == [*COLUMNS.nested({"said": answer})] == ["said"]
