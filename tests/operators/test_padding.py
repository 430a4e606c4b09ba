"""`pad` with the entries of the tensor, compared with PyTorch and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engines import inference
from forms import bind, run_onnx, run_torch
from second_engine import run_openvino
from torch.nn import functional

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.lower.onnx import model, serialize
from dlc.compiler.lower.torch import Model
from dlc.compiler.operators.shape import Pad
from dlc.runtime.artifact.session import open_session
from dlc.runtime.artifact.session import run as run_session

MODES = {"reflect": "reflect", "edge": "replicate"}
FREE = """
input  x: float[3, H, W]
output y: float[3, H + 2, W + 2]

x -> pad(1, 1, axis=1, mode={mode}) -> pad(1, 1, axis=-1, mode={mode}) -> y
"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pads", [(0, 0), (1, 0), (2, 3), (4, 4)])
def test_padding_equals_pytorch_and_so_does_its_gradient(mode, pads):
    operator = bind(Pad(before=pads[0], after=pads[1], axis=-1, mode=mode), (2, 3, 5))
    x = torch.randn(4, 2, 3, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    want, made = functional.pad(x, (*pads, 0, 0), mode=MODES[mode]), run_torch(operator, x)
    assert torch.equal(made, want)
    torch.testing.assert_close(*(torch.autograd.grad(y.square().sum(), x)[0] for y in (made, want)))
    assert np.array_equal(run_onnx(operator, x.detach().numpy()), want.detach().numpy())


@pytest.mark.parametrize("mode", MODES)
def test_images_of_any_size_are_padded_as_by_pytorch(mode):
    program = compile(Source("free.dl", FREE.format(mode=mode)))
    run = engines(program)
    for height, width in ((2, 2), (3, 7), (16, 9)):
        x = np.random.default_rng(height).standard_normal((2, 3, height, width)).astype(np.float32)
        want = functional.pad(torch.from_numpy(x), (1, 1, 1, 1), mode=MODES[mode]).numpy()
        for found in run(x):
            assert np.array_equal(found, want)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 9, 30])
def test_a_free_size_that_is_too_small_is_padded_as_by_numpy(mode, size):
    program = compile(Source("free.dl", FREE.format(mode=mode).replace("(1, 1, axis=1", "(7, 12, axis=1")
                             .replace("H + 2", "H + 19")))  # fmt: skip
    x = np.random.default_rng(size).standard_normal((2, 3, size, 4)).astype(np.float32)
    want = np.pad(x, [(0, 0), (0, 0), (7, 12), (1, 1)], mode=mode)
    for found in engines(program)(x):
        assert np.array_equal(found, want)


def engines(program):
    """A function that returns the results of torch, ONNX Runtime and OpenVINO."""
    graph = inference(program.graph, (program.outputs[0].flowed,))
    module = Model(graph, (), {})
    content = serialize(model(graph, {}, opset=20, ml_opset=3, ir_version=9, name="pad"))
    session = open_session(content)

    def run(x):
        yield module({"x": torch.from_numpy(x)})["y0"].numpy()
        yield run_session(session, {"x": x})["y0"]
        yield run_openvino(content, {"x": x})["y0"]

    return run


def test_a_reflection_that_does_not_fit_is_an_error_with_a_fix():
    text = "input x: float[3, 5]\noutput y: float[3, 11]\nx -> pad(5, 1, axis=1, mode=reflect) -> y\n"
    with pytest.raises(CompileError) as caught:
        compile(Source("pad.dl", text))
    (found,) = caught.value.diagnostics
    assert (found.code, found.line, found.column) == ("E0403", 3, 10)
    assert found.help == "`mode=edge` adds any number"
    compile(Source("pad.dl", text.replace("reflect", "edge")))
