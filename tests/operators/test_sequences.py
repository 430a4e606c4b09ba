"""`last` and `shift` in PyTorch and ONNX, compared with NumPy; and the start symbol of class values."""

from __future__ import annotations

import numpy as np
import pytest
from test_gather import drawn, run_all

from dlc.compiler import Source, compile


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_the_last_step(steps):
    x = drawn(3, steps, 2)
    for (found,) in run_all("a -> last", ("float[T, 2]",), a=x):
        np.testing.assert_array_equal(found, x[:, -1])


@pytest.mark.parametrize("by", [-9, -3, -1, 0, 1, 2, 4, 9])
@pytest.mark.parametrize("steps", [1, 4, 6])
def test_shift_moves_steps_and_fills_with_zeros(by, steps):
    x = drawn(2, steps, 3)
    want = np.zeros_like(x)
    for step in range(steps):
        if 0 <= step - by < steps:
            want[:, step] = x[:, step - by]
    for (found,) in run_all(f"a -> shift({by})", ("float[T, 3]",), a=x):
        np.testing.assert_array_equal(found, want)


def test_shifted_class_values_begin_with_the_start_symbol():
    y = np.array([[2, 0, 1], [1, 1, -1]])
    for (found,) in run_all("a -> shift", ("class(3)[T]",), a=y):
        np.testing.assert_array_equal(found, [[3, 2, 0], [3, 1, 1]])


def test_the_embedding_of_shifted_classes_has_an_additional_row():
    lines = (
        "input  token: class(a, b, c)[T]",
        "output next: class(like=token)[T]",
        "token -> shift -> embedding(4) -> dense(next.classes) -> next",
    )
    program = compile(Source("shifted.dl", "\n".join((*lines, ""))))
    weights = {w.name: w.value.type.shape for w in program.graph.weights}
    assert weights["embedding.weight"] == (4, 4)
    assert weights["dense.weight"] == (3, 4)
