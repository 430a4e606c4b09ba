"""Holds a spec against a network written by hand in PyTorch, with all weights and statistics copied over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from second_engine import run_openvino

from dlc.compiler import Source, compile
from dlc.compiler.lower.onnx import serialize
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.artifact.write import onnx_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from dlc.compiler.program import CompiledProgram

Engine = Callable[[torch.Tensor], dict[str, np.ndarray]]
SPECS = Path(__file__).parents[2] / "specs"
TOLERANCE = 1e-4  # of the largest score
WEIGHTS, ANSWERS = "the weights differ", "the answers differ"  # how disagreement is told


def compile_scores(name: str, output: str, *changes: tuple[str, str],
                   params: Mapping[str, Any] | None = None) -> CompiledProgram:  # fmt: skip
    """The spec of that name with its scores exported, after changes to its text,
    each of which has to apply, and with these params."""
    text = (SPECS / name).read_text("utf-8")
    for old, new in changes:
        assert old in text, f"{name} has no `{old}`"
        text = text.replace(old, new)
    text = f"{text}\nexport {{ outputs = [{output}, {output}.logits] }}\n"
    return compile(Source(name, text), params=params)


def randomize(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights, biases, scales and statistics, none of them at its default; in evaluation mode. Scales
    are below 1, so that sums over many shortcuts stay small and rounding with them."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue  # a counter or a table of indices
        drawn = torch.randn(tensor.shape, generator=generator)
        if tensor.ndim > 1:
            tensor.copy_(drawn * (2 / tensor[0].numel()) ** 0.5)
        elif name.endswith(("running_var", "weight")):
            low, high = (0.5, 1.5) if name.endswith("var") else (0.4, 1)
            tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))
        else:
            tensor.copy_(drawn / 2)
    return module.eval()


def draw_images(program: CompiledProgram, batch: int) -> torch.Tensor:
    declared = program.inputs[0].declared
    generator = torch.Generator().manual_seed(batch)
    if declared.element == "uint8":
        return torch.randint(0, 256, (batch, *declared.shape), generator=generator, dtype=torch.uint8)
    return torch.randn(batch, *declared.shape, generator=generator)


def copied(program: CompiledProgram, module: nn.Module) -> dict[str, np.ndarray]:
    """The module's weights under their names in the spec: both stand in the order in which they are made.
    A convolution of one place is a dense layer."""
    theirs = {n: t for n, t in module.state_dict().items() if not n.endswith("num_batches_tracked")}
    ours = {w.name: w.value.type.shape for w in program.graph.weights}
    wanted = [(n.split(".")[-1], without_ones(t.shape)) for n, t in theirs.items()]
    assert [(n.split(".")[-1], without_ones(s)) for n, s in ours.items()] == wanted, WEIGHTS
    return {n: t.numpy().reshape(ours[n]) for n, t in zip(ours, theirs.values(), strict=True)}


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the axes of size 1 at its end."""
    return without_ones(shape[:-1]) if len(shape) > 2 and shape[-1] == 1 else tuple(shape)


def assert_agrees(program: CompiledProgram, module: nn.Module, *batches: int,
                  weights: Mapping[str, np.ndarray] | None = None) -> None:  # fmt: skip
    """The scores and probabilities of every engine are those of the module, at each batch size."""
    weights, output = weights or copied(program, module), program.outputs[0].name
    model = serialize(onnx_model(program, specialize.inference(program), weights, {}))
    engines = {
        "torch": torch_engine(program, weights),
        "ONNX Runtime": onnx_engine(program, model),
        "OpenVINO": openvino_engine(program, model),
    }
    for batch in batches:
        images = draw_images(program, batch)
        with torch.no_grad():
            scores = module(images)
        wanted = {
            f"{output}_logits": scores.numpy(),
            f"{output}_probabilities": scores.softmax(1).numpy(),
        }
        for engine, answer in engines.items():
            assert_close(engine, answer(images), wanted)


def assert_close(engine: str, found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> None:
    for name, want in wanted.items():
        worst = difference(found[name], want)
        assert worst <= TOLERANCE, f"{ANSWERS}: {engine}, {name}, by {worst:.1e}"


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference relative to the largest value."""
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def torch_engine(program: CompiledProgram, weights: Mapping[str, np.ndarray]) -> Engine:
    return run_module(program, Model(specialize.inference(program), program.graph.weights, weights))


def run_module(program: CompiledProgram, model: Model) -> Engine:
    def run(images: torch.Tensor) -> dict[str, np.ndarray]:
        with torch.no_grad():
            return {name: t.numpy() for name, t in model({program.inputs[0].name: images}).items()}

    return run


def onnx_engine(program: CompiledProgram, model: bytes) -> Engine:
    """ONNX Runtime on the model as it is exported, with normalization folded."""
    session = open_session(model)
    return lambda images: run(session, {program.inputs[0].name: images.numpy()})


def openvino_engine(program: CompiledProgram, model: bytes) -> Engine:
    """OpenVINO on the same model."""
    return lambda images: run_openvino(model, {program.inputs[0].name: images.numpy()})
