"""Decoded artifacts in OpenVINO, which runs the same loops."""

from __future__ import annotations

import numpy as np
import pytest
from decoded_specs import STEPS, drawn, onnx_answers, prompts, sequences, targeted

import dlc

pytestmark = pytest.mark.slow

openvino = pytest.importorskip("openvino")


def in_openvino(model: bytes, raw: dict[str, np.ndarray]) -> np.ndarray:
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(raw)[0]


def compare(text: str, raw: dict[str, np.ndarray], seed: int = 1) -> None:
    """The answers of both engines, of which OpenVINO gets the file that it can run."""
    program = dlc.compile(text=targeted(text, "openvino"))
    weights = drawn(program, seed)
    if "speak.dense.bias" in weights:
        weights["speak.dense.bias"][6] -= 90  # no ends
    model = program.onnx(weights).SerializeToString()
    wanted = onnx_answers(dlc.compile(text=text), weights, raw)
    assert wanted.shape[1] == 12
    assert in_openvino(model, raw).tolist() == wanted.tolist()


@pytest.mark.parametrize("steps", STEPS)
def test_openvino_answers_the_same(steps: str) -> None:
    compare(sequences(steps), {"spelling": np.random.default_rng(0).integers(0, 8, (20, 4))})


@pytest.mark.parametrize("steps", STEPS)
def test_openvino_continues_prompts(steps: str) -> None:
    text = np.random.default_rng(0).integers(0, 9, (20, 5))
    compare(prompts(steps), {"text": text}, seed=2)


@pytest.mark.parametrize("steps", [steps for steps in STEPS if "lstm" not in steps])
def test_openvino_continues_prompts_of_different_lengths(steps: str) -> None:
    rng = np.random.default_rng(0)
    raw = {"text": rng.integers(0, 9, (20, 6)), "text_length": rng.integers(1, 7, 20)}
    compare(prompts(steps, lengths=True), raw, seed=3)
