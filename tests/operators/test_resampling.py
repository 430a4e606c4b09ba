"""Resampling and adaptive pooling compared with PyTorch and torchvision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from forms import bind, run_onnx, run_torch
from torch import nn
from torchvision.transforms.v2.functional import center_crop

from dlc.compiler.operators.pooling import AdaptiveAvgpool
from dlc.compiler.operators.resampling import Crop, PixelShuffle, Resize, Upsample

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
        torch.testing.assert_close(run_torch(operator, x), center_crop(x, [wanted, 4]))


@pytest.mark.parametrize("size", range(1, 9))
def test_adaptive_avgpool_in_onnx_equals_pytorch(size):
    for windows in range(1, 9):
        operator = bind(AdaptiveAvgpool(size=(windows, 1)), (2, size, 3))
        x = np.random.default_rng(size).standard_normal((2, 2, size, 3)).astype(np.float32)
        want = nn.AdaptiveAvgPool2d((windows, 1))(torch.as_tensor(x)).numpy()
        np.testing.assert_allclose(run_onnx(operator, x), want, rtol=1e-5, atol=1e-6)
