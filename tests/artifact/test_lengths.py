"""The parity check finds sizes of free dimensions for which all values of a network have a size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from artifacts import make

import dlc

LONG = """input x: float[1, T]
output y: float
x -> conv(1, {kernel}) -> global_avgpool -> dense(1) -> y
"""


def test_a_length_for_a_wide_filter_is_found(tmp_path: Path) -> None:
    made = make(LONG.format(kernel=300), tmp_path)
    answers = made.onnxruntime({"x": np.zeros((2, 1, 301), np.float32)})
    assert answers["y"].shape == (2,)


BOUNDED = """input image: float[1, H, W]
input words: float[T, 4]
output y: float
a = image -> conv(2, 40) -> global_avgpool -> dense(1)
b = words -> position_embedding(2) -> last -> dense(1)
a + b -> y
"""


def test_a_bounded_length_is_found_together_with_large_sizes(tmp_path: Path) -> None:
    made = make(BOUNDED, tmp_path)
    rows = {"image": np.zeros((3, 1, 50, 60), np.float32), "words": np.zeros((3, 2, 4), np.float32)}
    assert made.onnxruntime(rows)["y"].shape == (3,)


def test_if_no_length_is_found_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(dlc.CompileError) as caught:
        make(LONG.format(kernel=30_000), tmp_path)
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.line) == ("E0812", 1)
    assert "`T`" in problem.message
    assert not list(tmp_path.rglob("*.onnx"))
