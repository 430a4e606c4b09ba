"""OpenVINO, an inference engine that shares no code with ONNX Runtime."""

from __future__ import annotations

import numpy as np
import openvino


def run_openvino(model: bytes, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All outputs by name, computed in float32, which is not the default precision on all CPUs."""
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    made = compiled(inputs)
    return {output.any_name: made[output] for output in compiled.outputs}
