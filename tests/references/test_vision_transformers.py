"""ViT and Swin agree with torchvision's networks in torch, ONNX Runtime and OpenVINO, and a wrong detail is
noticed. Weights are copied by a table of names."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torchvision.models as published
from agreement import ANSWERS, WEIGHTS, assert_agrees, compile_scores, randomize
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer
from torchvision.ops import StochasticDepth

from dlc.compiler.passes import cost
from dlc.compiler.passes.specialize import inference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from dlc.compiler.program import CompiledProgram

SMALL: dict[str, dict[str, Any]] = {
    "vit.dl": {"side": 48, "width": 64, "heads": 4, "depth": 3, "classes": 10},
    "swin.dl": {"side": 64, "window": 4, "width": 16, "depths": [2, 2, 2], "heads": [2, 4, 8], "classes": 10},
}
# What is added to the sums over shortcuts. It is small, so that the `eps` of every norm matters.
ADDED = ("class_token", "conv_proj", "pos_embedding", "out_proj", "mlp.3", "features.0.2", "attn.proj",
         "reduction")  # fmt: skip


@cache
def reference(name: str, small: bool = True) -> nn.Module:
    """torchvision's network with random weights."""
    of = SMALL[name]
    if name == "vit.dl":
        module = VisionTransformer(of["side"], 16, of["depth"], of["heads"], of["width"], 4 * of["width"],
                                   num_classes=of["classes"]) if small else published.vit_b_16()  # fmt: skip
    else:
        window = [of["window"]] * 2
        module = SwinTransformer([4, 4], of["width"], of["depths"], of["heads"], window,
                                 num_classes=of["classes"]) if small else published.swin_t()  # fmt: skip
    with torch.no_grad():
        randomize(module)
        for weight, tensor in module.named_parameters():
            if weight in ("class_token", "encoder.pos_embedding") or weight.endswith("bias_table"):
                tensor.normal_(generator=torch.Generator().manual_seed(tensor.numel()))
            if any(part in weight for part in ADDED):
                tensor.mul_(0.01)
    return module


# --- weights by name ----------------------------------------------------------------------------------------

# Our layers and theirs. Queries, keys and values are the thirds of one layer.
VIT_LAYER = {
    "layernorm": "ln_1",
    "attention.query": "self_attention.in_proj 0",
    "attention.key": "self_attention.in_proj 1",
    "attention.value": "self_attention.in_proj 2",
    "attention.output": "self_attention.out_proj",
    "layernorm_2": "ln_2",
    "dense": "mlp.0",
    "dense_2": "mlp.3",
}
SWIN_LAYER = {
    "layernorm": "norm1",
    "window_attention": "attn",
    "window_attention.attention.query": "attn.qkv 0",
    "window_attention.attention.key": "attn.qkv 1",
    "window_attention.attention.value": "attn.qkv 2",
    "window_attention.attention.output": "attn.proj",
    "layernorm_2": "norm2",
    "dense": "mlp.0",
    "dense_2": "mlp.3",
}
LEAVES = {"encoder.pos_embedding.weight": "encoder.pos_embedding", "in_proj.weight": "in_proj_weight",
          "in_proj.bias": "in_proj_bias", "attn.table": "attn.relative_position_bias_table"}  # fmt: skip


def numbered(name: str, number: int) -> str:
    return name if number == 0 else f"{name}_{number + 1}"


def layers(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Our layers and blocks with weights, and theirs."""
    if isinstance(module, VisionTransformer):
        yield "vision_transformer.conv", "conv_proj"
        yield "vision_transformer.position_embedding", "encoder.pos_embedding"
        yield "vision_transformer.layernorm", "encoder.ln"
        yield "dense", "heads.head"
        for k in range(len(module.encoder.layers)):
            for ours, theirs in VIT_LAYER.items():
                yield (f"vision_transformer.{numbered('layer', k)}.{ours}",
                       f"encoder.layers.encoder_layer_{k}.{theirs}")  # fmt: skip
        return
    yield from {"swin.conv": "features.0.0", "swin.layernorm": "features.0.2", "swin.layernorm_2": "norm",
                "dense": "head"}.items()  # fmt: skip
    made = 0
    for stage, part in enumerate(module.features[1:], 1):
        if stage % 2 == 0:
            merge = f"swin.{numbered('merge', stage // 2 - 1)}"
            yield f"{merge}.layernorm", f"features.{stage}.norm"
            yield f"{merge}.dense", f"features.{stage}.reduction"
            continue
        for place in range(len(part)):
            for ours, theirs in SWIN_LAYER.items():
                yield f"swin.{numbered('layer', made)}.{ours}", f"features.{stage}.{place}.{theirs}"
            made += 1


def copied(program: CompiledProgram, module: nn.Module) -> dict[str, np.ndarray]:
    """The module's weights under our names. Each is used, and used once."""
    theirs = {n: t.numpy() for n, t in module.state_dict().items() if t.is_floating_point()}
    names, weights, used = dict(layers(module)), {}, []
    for weight in program.graph.weights:
        owner, leaf = weight.name.rsplit(".", 1)
        name, _, third = names.get(owner, "").partition(" ")
        name = f"{name}.{leaf}" if name else "class_token"
        for ending, theirs_ending in LEAVES.items():
            name = name.replace(ending, theirs_ending)
        assert name in theirs, f"{WEIGHTS}: {weight.name}"
        array = np.split(theirs[name], 3)[int(third)] if third else theirs[name]
        shape = weight.value.type.shape
        assert array.size == np.prod(shape), f"{WEIGHTS}: {weight.name}"
        weights[weight.name] = array.reshape(shape)
        used += [name] * (third in ("", "0"))
    assert sorted(used) == sorted(theirs), WEIGHTS
    return weights


def compiled(name: str, small: bool, *changes: tuple[str, str]) -> CompiledProgram:
    return compile_scores(name, "label", *changes, params=SMALL[name] if small else None)


# --- agreement ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_agrees_at_small_size(name: str) -> None:
    program, module = compiled(name, small=True), reference(name)
    assert_agrees(program, module, 1, 3, weights=copied(program, module))


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_agrees_at_the_published_size(name: str) -> None:
    program, module = compiled(name, small=False), reference(name, small=False)
    assert_agrees(program, module, 1, 2, weights=copied(program, module))


PRE = "return x -> residual(attended) -> residual(computed)"
POST = """return x -> residual(attention(heads)) -> layernorm(eps=1e-6)
           -> residual(dense(4 * x.features) -> gelu -> dense(x.features)) -> layernorm(eps=1e-6)"""
WRONG = {
    "vit: another eps in the first norms": (
        "vit.dl", "layernorm(eps=1e-6) -> attention", "layernorm -> attention", ANSWERS),
    "vit: another eps in the second norms": (
        "vit.dl", "layernorm(eps=1e-6) -> dense", "layernorm -> dense", ANSWERS),
    "vit: another eps in the last norm": ("vit.dl", "-> layernorm(eps=1e-6)\n", "-> layernorm\n", ANSWERS),
    "vit: normalized after the sum": ("vit.dl", PRE, POST, ANSWERS),
    "vit: the class token is the last one": (
        "vit.dl", "concat(token, patches", "concat(patches, token", ANSWERS),
    "vit: the last token is read": ("vit.dl", "x[0]", "x[-1]", ANSWERS),
    "vit: features are averaged": ("vit.dl", "x[0]", "mean(x, axis=0)", ANSWERS),
    "vit: gelu with tanh": ("vit.dl", "gelu", "gelu(approximate=tanh)", ANSWERS),
    "vit: fewer heads": ("vit.dl", "attention(heads", "attention(heads // 2", ANSWERS),
    "vit: another scale": ("vit.dl", "attention(heads", "attention(heads, scale=0.2", ANSWERS),
    "vit: patches by columns": (
        "vit.dl", "reshape(width, -1)", "transpose(0, 2, 1) -> reshape(width, -1)", ANSWERS),
    "vit: no learnt positions": ("vit.dl", "position_embedding(x.shape[0])", "sinusoidal_position", WEIGHTS),
    "vit: no biases of attention": ("vit.dl", "attention(heads", "attention(heads, bias=false", WEIGHTS),
    "swin: another eps": ("swin.dl", "layernorm", "layernorm(eps=1e-6)", ANSWERS),
    "swin: another eps where patches are merged": (
        "swin.dl", "axis=2) -> layernorm", "axis=2) -> layernorm(eps=1e-6)", ANSWERS),
    "swin: normalized after the attention": (
        "swin.dl", "layernorm -> window_attention(heads, size, by)",
        "window_attention(heads, size, by) -> layernorm", ANSWERS),
    "swin: windows that never move": ("swin.dl", "k % 2 * (size // 2)", "0", ANSWERS),
    "swin: windows that move too far": ("swin.dl", "k % 2 * (size // 2)", "k % 2 * (size // 2 + 1)", ANSWERS),
    "swin: the first layer moves": ("swin.dl", "k % 2 * (size // 2)", "(1 - k % 2) * (size // 2)", ANSWERS),
    "swin: windows move back the wrong way": ("swin.dl", "roll(-by)", "roll(by)", ANSWERS),
    "swin: only rows move": ("swin.dl", "concat(rows[:, by:], rows[:, :by], axis=1)", "rows", ANSWERS),
    "swin: no mask": ("swin.dl", ", mask=mask", "", ANSWERS),
    "swin: a mask of rows alone": ("swin.dl", "+ reshape(moved, 1", "+ 0 * reshape(moved, 1", ANSWERS),
    "swin: a mask of other positions": ("swin.dl", "(size - by)", "(size - by + 1)", ANSWERS),
    "swin: no bias of positions": ("swin.dl", "scores=scores", "scores=0 * scores", ANSWERS),
    "swin: distances by columns": (
        "swin.dl", "(2 * size - 1) * reshape(apart, size, 1, size, 1) + reshape(apart, 1, size, 1, size)",
        "(2 * size - 1) * reshape(apart, 1, size, 1, size) + reshape(apart, size, 1, size, 1)", ANSWERS),
    "swin: distances the other way": (
        "swin.dl", "(step -> transpose) - step", "step - (step -> transpose)", ANSWERS),
    "swin: a table of the wrong size": ("swin.dl", "(2 * size - 1) ** 2", "(2 * size) ** 2", WEIGHTS),
    "swin: squares merged by rows": (
        "swin.dl", "x[1::2, ::2], x[::2, 1::2]", "x[::2, 1::2], x[1::2, ::2]", ANSWERS),
    "swin: biases where patches are merged": ("swin.dl", "dense(2 * c, bias=false)", "dense(2 * c)", WEIGHTS),
    "swin: the mean of features before the norm": (
        "swin.dl", "layernorm -> mean(axis=[0, 1])", "mean(axis=[0, 1]) -> layernorm", ANSWERS),
}  # fmt: skip


FAST_WRONG = (
    "vit: another eps in the last norm",
    "vit: normalized after the sum",
    "swin: windows that move too far",
    "swin: no mask",
    "swin: distances the other way",
)


@pytest.mark.parametrize(
    "wrong", [w if w in FAST_WRONG else pytest.param(w, marks=pytest.mark.slow) for w in WRONG]
)
def test_a_wrong_detail_is_noticed(wrong: str) -> None:
    name, right, wrong, differs = WRONG[wrong]
    program, module = compiled(name, True, (right, wrong)), reference(name)
    with pytest.raises(AssertionError, match=differs):
        assert_agrees(program, module, 1, weights=copied(program, module))


# --- sizes and training -------------------------------------------------------------------------------------

PUBLISHED = {
    "vit.dl": published.ViT_B_16_Weights.IMAGENET1K_V1,
    "swin.dl": published.Swin_T_Weights.IMAGENET1K_V1,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_multiply_adds_are_the_published_ones(name: str) -> None:
    program, meta = compiled(name, small=False), PUBLISHED[name].meta
    assert cost.parameters(program.graph) == meta["num_params"]
    assert round(cost.multiply_adds(inference(program).nodes) / 1e9, 3) == meta["_ops"]


def test_the_rates_of_drop_path_are_those_of_stochastic_depth() -> None:
    program = compiled("swin.dl", small=False)
    ours = [n.operator.rate for n in program.graph.nodes if n.operator.name == "drop_path"]
    depths = [m for m in published.swin_t().modules() if isinstance(m, StochasticDepth)]
    assert {m.mode for m in depths} == {"row"}
    assert ours == pytest.approx([m.p for m in depths for _ in range(2)])
