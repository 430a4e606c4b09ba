"""The blocks of the standard library, compared with torchvision."""

from __future__ import annotations

import pytest
import torch
from specs import codes, names
from torch.nn import BatchNorm2d
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import Conv2dNormActivation, SqueezeExcitation

import dlc


def shortcut(inputs: int, channels: int, stride: int) -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(inputs, channels, 1, stride, bias=False), BatchNorm2d(channels)
    )


BLOCKS = {
    "conv_norm_relu(6)": lambda: Conv2dNormActivation(4, 6),
    "conv_norm_relu(6, kernel=5, stride=2, groups=2)": lambda: Conv2dNormActivation(4, 6, 5, 2, groups=2),
    "basic(4)": lambda: BasicBlock(4, 4),
    "basic(6, stride=2)": lambda: BasicBlock(4, 6, 2, shortcut(4, 6, 2)),
    "bottleneck(8)": lambda: Bottleneck(4, 2, downsample=shortcut(4, 8, 1)),
    "bottleneck(8, stride=2)": lambda: Bottleneck(4, 2, 2, shortcut(4, 8, 2)),
    "squeeze_excite(2)": lambda: SqueezeExcitation(4, 2),
    "squeeze_excite": lambda: SqueezeExcitation(4, 1),
    "squeeze_excite(few=3, activation=silu, gate=hard_sigmoid)": lambda: SqueezeExcitation(
        4, 3, torch.nn.SiLU, torch.nn.Hardsigmoid
    ),
}


@pytest.mark.parametrize("call", BLOCKS)
def test_agrees_with_torchvision(call):
    torch.manual_seed(0)
    theirs = BLOCKS[call]().eval()
    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.2, 1.0)
    block = call.partition("(")[0]
    x = torch.randn(2, 4, 8, 8)
    expected = theirs(x)
    shape = ", ".join(map(str, expected.shape[1:]))
    text = f"import {block} from std\ninput x: float[4, 8, 8]\noutput y: float[{shape}]\nx -> {call} -> y"
    ours = dlc.compile(text=text).torch(mode="infer")
    given = [t for name, t in theirs.state_dict().items() if not name.endswith("num_batches_tracked")]
    own = ours.state_dict()
    ours.load_state_dict({name: t.reshape(own[name].shape) for name, t in zip(own, given, strict=True)})
    torch.testing.assert_close(ours({"x": x})["y"], expected)


def test_a_shortcut_of_equal_shape_is_the_identity():
    text = "import shortcut from std\ninput x: float[4, 8, 8]\noutput y: float[{}]\nx -> shortcut({}) -> y"
    assert names(text.format("4, 8, 8", "4")) == []
    assert names(text.format("6, 8, 8", "6"))[0] == "shortcut.conv"
    assert names(text.format("4, 4, 4", "4, stride=2"))[0] == "shortcut.conv"


def test_an_error_in_a_use_is_reported():
    assert codes("import basic from std\ninput x: float[4]\noutput y: float[4]\nx -> basic(4) -> y") == [
        "E0201"
    ]
