"""The memory layout of weights in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlc.compiler import compile
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.training.torch_forms import Forms

SPEC = """\
input  image: float[CHANNELS, 8, 8]
output kind: class(3)
image -> conv(4, 3, padding=1) -> relu -> maxpool(2) -> flatten -> dense(3) -> kind
data { source = npz("never_read.npz") }
"""


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_are_channels_last_on_the_cpu_and_contiguous_in_the_result(channels: int) -> None:
    program = compile(Source("small.dl", SPEC.replace("CHANNELS", str(channels))))
    values = draw(program.graph, 0)
    forms = Forms(program, values, torch.device("cpu"))
    assert forms.weights["conv.weight"].stride() == (9 * channels, 1, 3 * channels, channels)
    for name, array in forms.arrays().items():
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, values[name])


def test_results_of_convolutions_keep_the_layout() -> None:
    program = compile(Source("small.dl", SPEC.replace("CHANNELS", "1")))
    forms = Forms(program, draw(program.graph, 0), torch.device("cpu"))
    made = torch.nn.functional.conv2d(torch.rand(2, 1, 8, 8), forms.weights["conv.weight"])
    assert made.is_contiguous(memory_format=torch.channels_last) and not made.is_contiguous()
