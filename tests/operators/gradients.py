"""Gradients of the training form of examples in float64, compared with finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from engines import Bounds, compile_flow, draw_input, draw_weights
from test_examples import flow

from dlc.compiler import Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.dims.dim import evaluate
from dlc.compiler.ir.graph import Graph
from dlc.compiler.lower.precision import wide
from dlc.compiler.lower.torch import trace
from dlc.compiler.operators.base import Example
from dlc.compiler.passes import specialize
from dlc.compiler.passes.graph_rewrite import prune
from dlc.runtime.artifact.samples import free_sizes

BATCH, STEP = 3, 1e-6
LOSSES = family("loss")
Function = Callable[..., list[torch.Tensor]]


def in_training(name: str, row: Example) -> Graph:
    """The training form of an example, with all its results as outputs."""
    if name in LOSSES:
        return loss_in_training(row, getattr(LOSSES[name], "wrt", None))
    made, graph = compile_flow(flow(name, row), row.operands)
    return prune(graph, {f"y{i}": value for i, value in enumerate(made)})


def loss_in_training(row: Example, wrt: int | None) -> Graph:
    """An example in a loss. A differentiated value depends on the tensor that it is differentiated by."""
    names = "abcdefgh"[: len(row.operands)]
    inputs = "\n".join(f"input {n}: {t}" for n, t in zip(names, row.operands, strict=True))
    called, _, settings = row.call.partition("(")
    operands = [
        n if wrt is None or i == wrt else f"{n} * sum({names[wrt]} ** 3)" for i, n in enumerate(names)
    ]
    call = f"{called}({', '.join(filter(None, (*operands, settings.removesuffix(')'))))})"
    call = call if row.gives == "float" else f"mean({call})"
    program = compile(Source("row.dl", f"{inputs}\ntrain {{ loss = {call} }}\n"))
    return specialize.training(program, program.objective)


def draw(graph: Graph, bounds: Bounds, seed: int) -> list[torch.Tensor]:
    """Inputs, then weights; all floats in float64."""
    rng = np.random.default_rng(seed)
    free, weights = free_sizes(graph)[0], draw_weights(rng, graph)
    drawn = []
    for value in graph.inputs:
        shape = (BATCH, *(evaluate(size, free) for size in value.type.shape))
        drawn.append(draw_input(rng, value.type, shape, bounds))
    drawn += [weights[weight.name] for weight in graph.weights]
    return [torch.from_numpy(array).double() if array.dtype.kind == "f" else torch.from_numpy(array)
            for array in drawn]  # fmt: skip


def prepared(graph: Graph, bounds: Bounds, seed: int = 0) -> tuple[Function, list[torch.Tensor]]:
    """The graph as a function with the same random draws in each call, and a point."""
    module, tensors = wide(trace(graph)), draw(graph, bounds, seed)
    fixed = [False] * len(graph.inputs) + [not weight.trainable for weight in graph.weights]
    for tensor, is_fixed in zip(tensors, fixed, strict=True):
        tensor.requires_grad_(tensor.is_floating_point() and not is_fixed)

    def run(*tensors: torch.Tensor) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return list(
            module(*(tensor.clone() for tensor in tensors)).values()
        )  # running statistics are updated in place

    return run, tensors
