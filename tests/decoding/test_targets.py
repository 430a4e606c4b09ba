"""Decoded artifacts of older opsets, in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from decoded_specs import STEPS, drawn, onnx_answers, prompts, sequences, targeted

import dlc


@pytest.mark.slow
@pytest.mark.parametrize(("version", "opset"), [("1.14", 18), ("1.17", 20), ("1.21", 22), ("1.28", 24)])
@pytest.mark.parametrize("steps", [STEPS[1], STEPS[-1]])
def test_every_target_answers_the_same(version: str, opset: int, steps: str) -> None:
    """Opset 24 has an operator for attention, which needs known sizes."""
    for text, raw in (
        (sequences(steps), {"spelling": np.random.default_rng(0).integers(0, 8, (5, 4))}),
        (prompts(steps), {"text": np.random.default_rng(0).integers(0, 9, (5, 4))}),
    ):
        program = dlc.compile(text=targeted(text, f"onnxruntime>={version}"))
        weights = drawn(program, 5)
        model = program.onnx(weights)
        assert [o.version for o in model.opset_import if not o.domain] == [opset]
        onnx.checker.check_model(model, full_check=True)
        plain = onnx_answers(dlc.compile(text=text), weights, raw)
        assert onnx_answers(program, weights, raw).tolist() == plain.tolist()
