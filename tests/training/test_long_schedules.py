"""Warnings about schedules with more steps than the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import dlc

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """input x: float
output y: float
x -> dense(1) -> y
train {{
  schedule = {}
  batch = 4
  epochs = 2
}}
"""


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("cosine(warmup=6)", "`warmup` of `cosine` is 6 steps, and training has 6"),
        ("cosine(warmup=5)", ""),
        ("cosine", ""),
        ("linear(warmup=100)", "`warmup` of `linear` is 100 steps, and training has 6"),
        ("step(7, by=0.5)", "`every` of `step` is 7 steps, and training has 6"),
        ("step(5, by=0.5)", ""),
        ("constant", ""),
        ("plateau(50, by=0.5)", ""),  # counts epochs without a better loss
    ],
)
def test_schedules_longer_than_training_are_reported(schedule: str, expected: str, tmp_path: Path) -> None:
    rows = {name: np.arange(12, dtype=np.float32) / 12 for name in ("x", "y")}
    result = dlc.train(text=SPEC.format(schedule), data=rows, out=tmp_path)
    assert [d.message for d in result.warnings] == ([expected] if expected else [])
