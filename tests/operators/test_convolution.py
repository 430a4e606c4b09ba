"""Convolutions beyond their examples: padding of other libraries, grouped transposes, folding."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from forms import bind, draw_weights, run_onnx, run_torch
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from onnx import helper

from dlc.compiler.dims.dim import evaluate, free
from dlc.compiler.operators.base import Reject
from dlc.compiler.operators.convolution import Conv, ConvTranspose
from dlc.compiler.operators.layers import Dense
from dlc.compiler.types import Tensor


def onnx_same(x: np.ndarray, weight: np.ndarray, stride: int) -> np.ndarray:
    """`SAME_UPPER` of ONNX."""
    node = helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[stride])
    values = [helper.make_tensor_value_info(n, 1, s) for n, s in (("x", x.shape), ("w", weight.shape))]
    graph = helper.make_graph([node], "same", values, [helper.make_tensor_value_info("y", 1, [None] * 3)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x, "w": weight})[0]


def same_elsewhere(x: np.ndarray, weight: np.ndarray, stride: int, dilation: int) -> np.ndarray:
    """The same convolution with the padding of another library."""
    if stride == 1:
        return torch.conv1d(torch.tensor(x), torch.tensor(weight), None, 1, "same", dilation).numpy()
    if (x.shape[2] - 1) % stride >= weight.shape[2]:  # ONNX Runtime crops the start; Keras does not
        return torch.conv1d(torch.tensor(x), torch.tensor(weight), None, stride).numpy()
    return onnx_same(x, weight, stride)


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [
        (1, 1, 1),
        (3, 1, 1),
        (3, 1, 2),
        (2, 1, 2),
        (1, 2, 1),
        (2, 2, 1),
        (3, 2, 1),
        (4, 3, 1),
        (2, 5, 1),
        (7, 5, 1),
    ],
)
def test_padding_same_equals_other_libraries(kernel, stride, dilation):
    rng = np.random.default_rng(0)
    for size in range(1, 13):
        settings = {"kernel": kernel, "stride": stride, "dilation": dilation}
        conv = bind(Conv(channels=2, padding="same", bias=False, **settings), (3, size))
        weights = draw_weights(conv)
        x = rng.standard_normal((2, 3, size)).astype(np.float32)
        made, exported = run_torch(conv, x, **weights).numpy(), run_onnx(conv, x, **weights)
        want = same_elsewhere(x, weights["weight"], stride, dilation)
        assert want.shape == (2, *conv.results[0].shape) == (2, 2, -(-size // stride))
        np.testing.assert_allclose(made, want, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(exported, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 4, 7])
def test_padding_same_over_a_free_dimension_equals_that_of_each_size(kernel, stride):
    def conv(size):
        return Conv(channels=2, kernel=kernel, stride=stride, padding="same").bind(Tensor("float", (3, size)))

    loose = conv(free("T"))
    for size in range(1, 20):
        fixed = conv(size)
        assert evaluate(loose.results[0].shape[1], {"T": size}) == fixed.results[0].shape[1]
        assert [evaluate(p, {"T": size}) for p in loose.pads()[0]] == list(fixed.pads()[0])


def test_causal_padding_does_not_depend_on_later_steps():
    conv = bind(Conv(channels=1, kernel=3, dilation=2, padding="causal"), (1, 10))
    weights = draw_weights(conv)
    x = torch.randn(1, 1, 10)
    changed = x.clone()
    changed[..., 6:] += 1
    before, after = run_torch(conv, x, **weights), run_torch(conv, changed, **weights)
    assert torch.equal(before[..., :6], after[..., :6])
    assert not torch.equal(before[..., 6:], after[..., 6:])


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_grouped_transpose(rank):
    """`onnx.reference` confuses groups, so that no example has several channels in a group."""
    conv = bind(ConvTranspose(channels=4, kernel=3, stride=2, padding=1, groups=2), (6, *[4] * rank))
    weights = draw_weights(conv)
    x = np.random.default_rng(0).standard_normal((2, 6, *[4] * rank)).astype(np.float32)
    layer = (torch.nn.ConvTranspose1d, torch.nn.ConvTranspose2d, torch.nn.ConvTranspose3d)[rank - 1](
        6, 4, 3, 2, 1, groups=2
    )
    layer.load_state_dict({k: torch.tensor(w) for k, w in weights.items()})
    want = layer(torch.tensor(x)).detach()
    torch.testing.assert_close(run_torch(conv, x, **weights), want)
    np.testing.assert_allclose(run_onnx(conv, x, **weights), want.numpy(), rtol=1e-5, atol=1e-5)


@st.composite
def transposes(draw: Any) -> tuple[ConvTranspose, tuple[int, ...]]:
    """A transpose over one to three axes with settings that PyTorch accepts, and the shape of a sample."""
    axes, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    space, kernel, stride, dilation = each(1, 5 if axes < 3 else 3), each(1, 4), each(1, 4), each(1, 5)
    more = tuple(draw(st.integers(0, max(pair) - 1)) for pair in zip(stride, dilation, strict=True))
    sizes = zip(space, kernel, stride, dilation, more, strict=True)
    padding = tuple(draw(st.integers(0, ((n - 1) * s + d * (k - 1) + m) // 2)) for n, k, s, d, m in sizes)
    conv = ConvTranspose(channels=groups * draw(st.integers(1, 2)), kernel=kernel, stride=stride,
                         padding=padding, output_padding=more, dilation=dilation, groups=groups,
                         bias=draw(st.booleans()))  # fmt: skip
    return conv, (groups * draw(st.integers(1, 2)), *space)


@seed(0)
@settings(max_examples=100, database=None, deadline=None)
@given(transposes())
def test_conv_transpose_with_any_settings_equals_pytorch(drawn):
    conv, shape = bind(*drawn), drawn[1]
    weights = draw_weights(conv)
    weight, bias = (torch.tensor(w) if w is not None else None for w in map(weights.get, ("weight", "bias")))
    module = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)[len(shape) - 2]
    rest = (conv.stride, conv.padding, conv.output_padding, conv.groups, conv.dilation)
    for batch in (2, 0):
        x = np.random.default_rng(0).standard_normal((batch, *shape)).astype(np.float32)
        want = module(torch.tensor(x), weight, bias, *rest)
        assert want.shape == (batch, *conv.results[0].shape)
        torch.testing.assert_close(run_torch(conv, x, **weights), want)
        np.testing.assert_allclose(run_onnx(conv, x, **weights), want.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Dense(units=3), (4,)),
        (Dense(units=3, bias=False), (4,)),
        (Dense(units=3), ()),
        (Conv(channels=6, kernel=3, groups=2), (4, 8, 7)),
        (Conv(channels=3, kernel=3, bias=False), (4, 8)),
        (ConvTranspose(channels=6, kernel=3, stride=2, groups=2), (4, 5, 6)),
        (ConvTranspose(channels=6, kernel=2, bias=False), (4, 5)),
    ],
    ids=repr,
)
def test_a_scale_and_offset_fold_into_the_layer(layer, shape):
    layer = bind(layer, shape)
    assert layer.features_first()
    weights = draw_weights(layer)
    x = np.random.default_rng(1).standard_normal((2, *shape)).astype(np.float32)
    plain = run_torch(layer, x, **weights)
    features = plain.shape[1]
    scale, offset = np.linspace(-2, 3, features), np.linspace(5, -4, features)
    per_channel = (1, -1, *[1] * (plain.ndim - 2))
    want = plain * torch.tensor(scale).reshape(per_channel) + torch.tensor(offset).reshape(per_channel)
    folded = layer.scaled(np, weights, scale, offset)
    assert {k: w.dtype for k, w in folded.items()} == {"weight": np.float32, "bias": np.float32}
    assert folded["weight"].shape == weights["weight"].shape
    torch.testing.assert_close(run_torch(layer, x, **folded), want.float(), rtol=1e-4, atol=1e-5)


def test_features_of_a_dense_over_a_sequence_are_not_first():
    assert not bind(Dense(units=3), (5, 4)).features_first()


def test_fans_are_fan_in_and_fan_out():
    """Compared with counts of the results that depend on one operand value, and vice versa."""
    conv = bind(Conv(channels=6, kernel=(3, 2), groups=2), (4, 8, 7))
    weight = next(iter(conv.weights(*conv.operands)))
    assert (weight.shape, weight.fans) == ((6, 2, 3, 2), (12, 18))
    widen = bind(ConvTranspose(channels=6, kernel=4, stride=2, padding=1, groups=2), (4, 8, 8))
    weight = next(iter(widen.weights(*widen.operands)))
    x = torch.zeros(1, 4, 8, 8, requires_grad=True)
    y = run_torch(widen, x, weight=np.ones(weight.shape, np.float32), bias=np.zeros(6, np.float32))
    y[0, 0, 8, 8].backward()
    assert weight.fans[0] == int((x.grad != 0).sum())
    spike = torch.zeros(1, 4, 8, 8)
    spike[0, 0, 4, 4] = 1
    reached = run_torch(widen, spike, weight=np.ones(weight.shape, np.float32), bias=np.zeros(6, np.float32))
    assert weight.fans[1] == int((reached != 0).sum())


def test_the_error_for_a_flattened_image_suggests_its_shape():
    with pytest.raises(Reject, match=r"found float\[784\]") as caught:
        bind(Conv(channels=3, kernel=3), (784,))
    assert "reshape(1, 28, 28)" in caught.value.help


def test_the_error_for_a_too_large_window_has_the_sizes():
    with pytest.raises(
        Reject, match=r"has size 5, which is larger than an axis of float\[3, 8, 2\]: 2 with padding 1 and 1"
    ):
        bind(Conv(channels=3, kernel=5, padding=1), (3, 8, 2))


def test_multiply_adds_count_products():
    assert bind(Conv(channels=6, kernel=5, padding=2), (1, 28, 28)).multiply_adds() == 28 * 28 * 6 * 25
    assert bind(Conv(channels=6, kernel=3, groups=2, stride=2), (4, 9)).multiply_adds() == 4 * 6 * 2 * 3
    assert (
        bind(ConvTranspose(channels=6, kernel=3, groups=2, stride=2), (4, 9)).multiply_adds() == 9 * 6 * 2 * 3
    )
    assert bind(Dense(units=3), (5, 4)).multiply_adds() == 60
    assert bind(Dense(units=3), ()).multiply_adds() == 3
