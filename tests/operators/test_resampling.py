"""Resampling and adaptive pooling compared with PyTorch and torchvision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engines import inference
from forms import bind, run_onnx, run_torch
from PIL import Image
from second_engine import run_openvino
from torch import nn
from torch.nn import functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from dlc.compiler import Source, compile
from dlc.compiler.lower.onnx import model, serialize
from dlc.compiler.operators.global_pooling import AdaptiveAvgpool
from dlc.compiler.operators.pixels import Crop, GridSample, PixelShuffle
from dlc.compiler.operators.resampling import Resize, Upsample
from dlc.runtime.artifact.session import open_session
from dlc.runtime.artifact.session import run as run_session

MODULES = {
    "adaptive to 3": (AdaptiveAvgpool(size=3), nn.AdaptiveAvgPool1d(3), (2, 7)),
    "adaptive, longer": (AdaptiveAvgpool(size=9), nn.AdaptiveAvgPool1d(9), (2, 4)),
    "adaptive to one size an axis": (AdaptiveAvgpool(size=(4, 5)), nn.AdaptiveAvgPool2d((4, 5)), (2, 14, 9)),
    "adaptive over three axes": (AdaptiveAvgpool(size=2), nn.AdaptiveAvgPool3d(2), (2, 5, 4, 3)),
    "repeated": (Upsample(scale=3), nn.Upsample(scale_factor=3), (2, 4, 5)),
    "linear": (Upsample(scale=4, mode="linear"), nn.Upsample(scale_factor=4, mode="linear"), (2, 5)),
    "bilinear": (Upsample(scale=2, mode="bilinear"), nn.Upsample(scale_factor=2, mode="bilinear"), (2, 4, 5)),
    "bicubic": (Upsample(scale=3, mode="bicubic"), nn.Upsample(scale_factor=3, mode="bicubic"), (2, 4, 5)),
    "trilinear": (
        Upsample(scale=2, mode="trilinear"), nn.Upsample(scale_factor=2, mode="trilinear"), (2, 2, 3, 4)),
    "larger": (Resize(h=7, w=9), nn.Upsample((7, 9), mode="bilinear"), (2, 4, 5)),
    "smaller": (Resize(h=3, w=2), nn.Upsample((3, 2), mode="bilinear"), (2, 8, 7)),
    "larger, corners aligned": (
        Resize(h=7, w=9, align_corners=True), nn.Upsample((7, 9), None, "bilinear", True), (2, 4, 5)),
    "one pixel, corners aligned": (
        Resize(h=1, w=1, align_corners=True), nn.Upsample((1, 1), None, "bilinear", True), (2, 4, 5)),
    "of one pixel, corners aligned": (
        Resize(h=3, w=2, align_corners=True), nn.Upsample((3, 2), None, "bilinear", True), (2, 1, 1)),
    "curved, corners aligned": (
        Resize(h=3, w=9, mode="bicubic", align_corners=True), nn.Upsample((3, 9), None, "bicubic", True),
        (2, 7, 5)),
    "curved": (Resize(h=5, w=11, mode="bicubic"), nn.Upsample((5, 11), mode="bicubic"), (2, 8, 7)),
    "shuffled": (PixelShuffle(r=3), nn.PixelShuffle(3), (18, 2, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_resampling_equals_pytorch(name):
    definition, module, shape = MODULES[name]
    operator = bind(definition, shape)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    want, made = module(x), run_torch(operator, x)
    assert tuple(made.shape[1:]) == operator.results[0].shape
    torch.testing.assert_close(made, want)
    torch.testing.assert_close(*(torch.autograd.grad(y.square().sum(), x)[0] for y in (made, want)))


IMAGES = [((3, 13, 17), 4, 5), ((1, 64, 50), 7, 50), ((2, 5, 6), 11, 3), ((1, 9, 1), 1, 2)]


@pytest.mark.parametrize(("shape", "h", "w"), IMAGES, ids=str)
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiasing_equals_torchvision_in_every_engine(shape, h, w, mode):
    x = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    want = tv.resize(x, [h, w], getattr(InterpolationMode, mode.upper()), antialias=True)
    operator = bind(Resize(h=h, w=w, mode=mode, antialias=True), shape)
    torch.testing.assert_close(run_torch(operator, x), want, rtol=0, atol=1e-6)
    for shape_in_spec in (", ".join(map(str, shape)), f"{shape[0]}, H, W"):
        for found in in_onnx(f"a -> resize({h}, {w}, {mode}, antialias=true)", 20, a=(shape_in_spec, x)):
            np.testing.assert_allclose(found, want.numpy(), rtol=0, atol=3e-6)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiasing_equals_pillow_down_to_one_row_or_column(mode):
    """PyTorch 2.14 itself is wrong for one column."""
    x = np.random.default_rng(0).random((1, 1, 6, 7), np.float32)
    for h in (1, 2, 6, 9):
        for w in (1, 3, 7):
            pillow = Image.fromarray(x[0, 0]).resize((w, h), getattr(Image.Resampling, mode.upper()))
            operator = bind(Resize(h=h, w=w, mode=mode, antialias=True), (1, 6, 7))
            np.testing.assert_allclose(run_torch(operator, x)[0, 0], np.asarray(pillow), rtol=0, atol=1e-6)


def test_antialiasing_reads_every_pixel_and_plain_interpolation_does_not():
    x = np.zeros((1, 1, 8, 8), np.float32)
    x[0, 0, 0, 0] = 1
    plain, smooth = (run_torch(bind(Resize(h=2, w=2, antialias=a), (1, 8, 8)), x) for a in (False, True))
    assert float(plain.abs().max()) == 0
    assert float(smooth.max()) > 0


@pytest.mark.parametrize(("size", "places"), [((5, 7), (4, 3)), ((1, 1), (2, 2)), ((6, 2), (1, 9))])
def test_grid_sample_equals_pytorch_in_every_engine(size, places):
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(3, 2, *size, generator=rng, requires_grad=True)
    grid = ((torch.rand(3, *places, 2, generator=rng) * 2 - 1) * 1.6).requires_grad_()
    want = functional.grid_sample(x, grid, align_corners=False)
    made = run_torch(bind(GridSample(), tuple(x.shape[1:]), tuple(grid.shape[1:])), x, grid)
    assert torch.equal(made, want)
    ours, theirs = (torch.autograd.grad(y.square().sum(), (x, grid)) for y in (made, want))
    assert all(map(torch.equal, ours, theirs))
    x, grid = x.detach(), grid.detach()
    for opset in (18, 20):  # which name the interpolation differently
        for found in in_onnx("a -> grid_sample(b)", opset, a=("2, H, W", x), b=("U, V, 2", grid)):
            np.testing.assert_allclose(found, want.detach().numpy(), rtol=0, atol=5e-6)


def in_onnx(flow: str, opset: int, **inputs: tuple[str, torch.Tensor]):
    """The results of ONNX Runtime and OpenVINO. Each input has the sizes in its type, and a tensor."""
    declared = "\n".join(f"input {name}: float[{sizes}]" for name, (sizes, _) in inputs.items())
    program = compile(Source("resampling.dl", f"{declared}\ny = {flow}\n"))
    graph = inference(program.graph, (program.bindings["y"],))
    feed = {name: tensor.numpy() for name, (_, tensor) in inputs.items()}
    content = serialize(model(graph, {}, opset=opset, ml_opset=3, ir_version=8, name="resampling"))
    yield run_session(open_session(content), feed)["y0"]
    yield run_openvino(content, feed)["y0"]


@pytest.mark.parametrize("size", range(1, 18))
def test_the_nearest_pixel_is_computed_in_integers(size):
    for wanted in range(1, 18):
        operator = bind(Resize(h=1, w=wanted, mode="nearest"), (1, 1, size))
        x = np.arange(size, dtype=np.float32).reshape(1, 1, 1, size)
        want = [i * size // wanted for i in range(wanted)]
        assert run_torch(operator, x).ravel().tolist() == want
        assert run_onnx(operator, x).ravel().tolist() == want


@pytest.mark.parametrize("height", range(4, 12))
def test_crop_equals_torchvision(height):
    x = torch.randn(2, 3, height, 11)
    for wanted in range(1, height + 1):
        operator = bind(Crop(h=wanted, w=4), (3, height, 11))
        torch.testing.assert_close(run_torch(operator, x), tv.center_crop(x, [wanted, 4]))


@pytest.mark.parametrize("size", range(1, 9))
def test_adaptive_avgpool_in_onnx_equals_pytorch(size):
    for windows in range(1, 9):
        operator = bind(AdaptiveAvgpool(size=(windows, 1)), (2, size, 3))
        x = np.random.default_rng(size).standard_normal((2, 2, size, 3)).astype(np.float32)
        want = nn.AdaptiveAvgPool2d((windows, 1))(torch.as_tensor(x)).numpy()
        np.testing.assert_allclose(run_onnx(operator, x), want, rtol=1e-5, atol=1e-6)
