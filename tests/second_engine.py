"""OpenVINO, an inference engine that shares no code with ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import openvino


def run_openvino(model: bytes, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All outputs by name, computed in float32, which is not the default precision on all CPUs. OpenVINO
    keeps the order of the outputs, and may add names of values that it found to be equal."""
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    made = compiled(inputs)
    names = [output.name for output in onnx.load_from_string(model).graph.output]
    return {name: made[output] for name, output in zip(names, compiled.outputs, strict=True)}
