"""A weight that is used plainly and transposed, in the artifact and in two engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from artifacts import make
from second_engine import run_openvino

SPEC = """input x: float[6]
output y: float[6]
output z: float[6]
weight W: float[6, 6] = xavier_normal
FLOWS
export { target = "openvino" }
"""
FLOWS = {
    "transposed": "h = sigmoid(x @ W)\nsigmoid(h @ transpose(W)) -> y\nh -> z",
    "twice": "h = x @ transpose(W)\nh @ transpose(W) -> y\nh @ W -> z",
    "on both sides": "h = tanh(x @ W)\nW @ h -> y\nh -> z",
    "in a layer": "h = x -> dense(6, weight=W) -> tanh\nh @ W -> y\nh -> z",
}


@pytest.mark.parametrize("flows", FLOWS.values(), ids=list(FLOWS))
def test_openvino_computes_with_a_square_weight_and_its_transposition(flows: str, tmp_path: Path) -> None:
    made = make(SPEC.replace("FLOWS", flows), tmp_path)
    given = {"x": np.random.default_rng(0).standard_normal((3, 6), np.float32)}
    found, wanted = run_openvino(made.path.read_bytes(), given), made.onnxruntime(given)
    for name, answer in wanted.items():
        np.testing.assert_allclose(found[name], answer, rtol=1e-4, atol=1e-5)
