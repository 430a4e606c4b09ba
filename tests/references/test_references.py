"""The golden networks agree with independent PyTorch implementations, most of them torchvision's, in torch,
ONNX Runtime and OpenVINO, and a wrong detail is noticed."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import torchvision.models as published
from agreement import (
    ANSWERS,
    TOLERANCE,
    WEIGHTS,
    assert_agrees,
    compile_scores,
    copied,
    difference,
    draw_images,
    randomize,
    run_module,
)
from networks import UNet

from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import folding, specialize

NETWORKS = {
    "resnet18.dl": published.resnet18,
    "resnext50.dl": published.resnext50_32x4d,
    "regnet_y_400mf.dl": published.regnet_y_400mf,
    "vgg11.dl": published.vgg11,
    "vgg16.dl": published.vgg16_bn,
    "googlenet.dl": lambda: published.googlenet(init_weights=False),
    "shufflenet_v2.dl": published.shufflenet_v2_x1_0,
    "mobilenet_v3_small.dl": published.mobilenet_v3_small,
    "efficientnet_b0.dl": published.efficientnet_b0,
    "unet.dl": lambda: UNet(in_channels=3, classes=3),
}
OUTPUTS = dict.fromkeys(NETWORKS, "label") | {"unet.dl": "mask"}
# Smaller images show a wrong detail as well.
SMALL = {"resnet18.dl": (("224, 224", "32, 32"),), "unet.dl": (("128, 128", "32, 32"),)}


@cache
def reference(name: str) -> torch.nn.Module:
    # "meta" draws nothing, as all is drawn below; RegNet works out its widths with tensors.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        module = NETWORKS[name]()
    return randomize(module.to_empty(device="cpu"))


FAST = ("resnet18.dl",)
FAST_WRONG = ("relu before the sum",)


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS]
)
def test_agrees(name: str) -> None:
    program = compile_scores(name, OUTPUTS[name])
    assert_agrees(program, reference(name), 1, 3)


@pytest.mark.parametrize("name", [name for name in NETWORKS if not name.startswith("vgg")])
def test_every_normalization_is_folded(name: str) -> None:
    program = compile_scores(name, OUTPUTS[name])
    graph, _ = folding.fold(specialize.inference(program), copied(program, reference(name)))
    assert "batchnorm" in {n.operator.name for n in program.graph.nodes}
    assert "batchnorm" not in {n.operator.name for n in graph.nodes}


BASIC = """conv(channels, 3, stride=stride, padding=1, bias=false) -> batchnorm -> relu
      -> conv(channels, 3, padding=1, bias=false)"""
SECOND_STRIDES = """conv(channels, 3, padding=1, bias=false) -> batchnorm -> relu
      -> conv(channels, 3, stride=stride, padding=1, bias=false)"""
WRONG = {
    "another eps": ("resnet18.dl", "batchnorm", "batchnorm(eps=1e-3)", ANSWERS),
    "another eps in the first norm alone": (
        "resnet18.dl", "bias=false) -> batchnorm -> relu\n  -> maxpool",
        "bias=false) -> batchnorm(eps=1e-3) -> relu\n  -> maxpool", ANSWERS),
    "the stride on the second convolution": ("resnet18.dl", BASIC, SECOND_STRIDES, ANSWERS),
    "no relu after the sum": (
        "resnet18.dl", "residual(main, skip=skip) -> relu", "residual(main, skip=skip)", ANSWERS),
    "relu before the sum": (
        "resnet18.dl", "residual(main, skip=skip) -> relu", "residual(main -> relu, skip=skip)", ANSWERS),
    "another pooling": ("resnet18.dl", "maxpool(3", "avgpool(3", ANSWERS),
    "no padding of the pooling": ("resnet18.dl", "maxpool(3, stride=2, padding=1)", "maxpool(2)", ANSWERS),
    "no bias in the head": ("resnet18.dl", "dense(classes)", "dense(classes, bias=false)", WEIGHTS),
    "a bias before the norm": ("resnet18.dl", "conv(64, 7, stride=2, padding=3, bias=false)",
                               "conv(64, 7, stride=2, padding=3)", WEIGHTS),
    "no norm in the skip": (
        "resnet18.dl", "stride=stride, bias=false) -> batchnorm", "stride=stride, bias=false)", WEIGHTS),
    "no biases": ("vgg11.dl", "padding=1)", "padding=1, bias=false)", WEIGHTS),
    "no relu between the dense layers": ("vgg11.dl", "dense(4096) -> relu", "dense(4096)", ANSWERS),
    "averages instead of maxima": ("vgg11.dl", "maxpool(2)", "avgpool(2)", ANSWERS),
    "another eps at every scale": ("unet.dl", "batchnorm", "batchnorm(eps=1e-3)", ANSWERS),
    "the skip after what comes up": ("unet.dl", "(here, below)", "(below, here)", ANSWERS),
    "relu before the norm": ("unet.dl", "batchnorm -> relu", "relu -> batchnorm", ANSWERS),
    "raw pixels": ("unet.dl", "photo / 255", "photo / 256", ANSWERS),
    "no bias on the way up": ("unet.dl", "conv_transpose(channels, 2, stride=2)",
                              "conv_transpose(channels, 2, stride=2, bias=false)", WEIGHTS),
    "no shuffle of the channels": (
        "shufflenet_v2.dl", "transpose(1, 0, 2, 3)", "transpose(0, 1, 2, 3)", ANSWERS),
    "the other half is kept": ("shufflenet_v2.dl", "kept, changed = x", "changed, kept = x", ANSWERS),
    "a soft gate": ("mobilenet_v3_small.dl", ", gate=hard_sigmoid", "", ANSWERS),
    "a wider squeeze": ("mobilenet_v3_small.dl", "// 8 * 8", "// 8 * 16", WEIGHTS),
    "excitation through relu": ("efficientnet_b0.dl", ", activation=silu", "", ANSWERS),
    "wider groups": ("regnet_y_400mf.dl", "channels // 8", "channels // 4", WEIGHTS),
    "fewer groups": ("resnext50.dl", "groups=32", "groups=16", WEIGHTS),
    "pooling that begins one place before": (
        "googlenet.dl", "maxpool(3, stride=2, ceil=true)",
        "pad(1, 0, axis=1) -> pad(1, 0, axis=2) -> maxpool(3, stride=2)", ANSWERS),
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [w if w in FAST_WRONG else pytest.param(w, marks=pytest.mark.slow) for w in WRONG]
)
def test_a_wrong_detail_is_noticed(wrong: str) -> None:
    name, right, wrong, differs = WRONG[wrong]
    program = compile_scores(name, OUTPUTS[name], *SMALL.get(name, ()), (right, wrong))
    with pytest.raises(AssertionError, match=differs):
        assert_agrees(program, reference(name), 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18.dl", "unet.dl"])
def test_every_weight_that_is_lost_is_noticed(name: str) -> None:
    program = compile_scores(name, OUTPUTS[name], *SMALL[name])
    images, scores = draw_images(program, 1), f"{OUTPUTS[name]}_logits"
    model = Model(specialize.inference(program), program.graph.weights, copied(program, reference(name)))
    run = run_module(program, model)
    wanted = run(images)[scores]
    for weight, tensor in model.state_dict().items():
        kept = tensor.clone()
        tensor.zero_()
        lost = difference(run(images)[scores], wanted)
        tensor.copy_(kept)
        assert lost > 2 * TOLERANCE, f"{weight} could be lost"
