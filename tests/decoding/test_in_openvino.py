"""Decoded artifacts in OpenVINO, which runs the same loops; and older opsets in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from decoded_specs import STEPS, drawn, prompts, sequences

import dlc

pytestmark = pytest.mark.slow

openvino = pytest.importorskip("openvino")


def targeted(text: str, target: str) -> str:
    return text.replace("export {", f'export {{\n  target = "{target}"\n ')


def in_openvino(model: bytes, raw: dict[str, np.ndarray]) -> np.ndarray:
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(raw)[0]


def in_onnxruntime(model: onnx.ModelProto, raw: dict[str, np.ndarray]) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, raw)[0]


def compare(text: str, raw: dict[str, np.ndarray], seed: int = 1) -> None:
    """The answers of both engines, of which OpenVINO gets the file that it can run."""
    program = dlc.compile(text=targeted(text, "openvino"))
    weights = drawn(program, seed)
    if "speak.dense.bias" in weights:
        weights["speak.dense.bias"][6] -= 90  # no ends
    model = program.onnx(weights).SerializeToString()
    wanted = in_onnxruntime(dlc.compile(text=text).onnx(weights), raw)
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


def test_what_openvino_cannot_do_is_an_error_before_training() -> None:
    text = targeted(prompts("lstm(8)", lengths=True), "openvino")
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=text)
    (found,) = (d for d in caught.value.diagnostics if d.severity == "error")
    assert found.code == "E0403"
    assert found.message == (
        "OpenVINO cannot compute the cell states of `lstm` after prompts of different lengths"
    )
    assert dlc.compile(text=text.replace("lengths = true", "lengths = false"))


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
        plain = dlc.compile(text=text).onnx(weights)
        assert in_onnxruntime(model, raw).tolist() == in_onnxruntime(plain, raw).tolist()
