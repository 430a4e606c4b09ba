"""What attention costs: the multiply-adds of `dlc show` are those that PyTorch counts. All weights count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from dlc.compiler import Source, compile
from dlc.compiler.dims.dim import evaluate, names
from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import cost, specialize

SIZES = {"T": 7, "S": 5}
CALLS = {
    "of itself": ("x: float[T, 8]", "x -> attention(2)"),
    "causal steps are computed as a whole": ("x: float[T, 8]", "x -> attention(2, causal=true)"),
    "a window is computed as a whole": ("x: float[6, 8]", "x -> attention(2, window=2)"),
    "grouped heads": ("x: float[T, 8]", "x -> attention(4, kv_heads=2)"),
    "one head of keys and values": ("x: float[T, 8]", "x -> attention(4, kv_heads=1, rotary=100)"),
    "of a memory": ("x: float[T, 8], memory: float[S, 6]", "attention(x, memory, heads=2)"),
    "of keys and values": (
        "x: float[T, 8], k: float[S, 3], v: float[S, 5]", "attention(x, k, v, heads=4, kv_heads=2)",
    ),
    "axes before the steps": ("x: float[2, 3, T, 4]", "x -> attention(2)"),
    "a mask and scores": (
        "x: float[4, 8], seen: bool[4, 4], near: float[4, 4]", "x -> attention(2, mask=seen, scores=near)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("inputs", "call"), CALLS.values(), ids=CALLS)
def test_multiply_adds_are_those_of_pytorch(inputs: str, call: str) -> None:
    lines = [f"input {each}" for each in inputs.replace("], ", "]\n").split("\n")]
    program = compile(Source("x.dl", "\n".join([*lines, "output y: float", f"mean({call}) -> y", ""])))
    graph = specialize.inference(program)
    weights = draw(program.graph, seed=0)
    rows = {v.field: of_one_row(v) for v in graph.inputs}
    module = Model(graph, program.graph.weights, weights)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(rows)
    wanted = cost.flops(program)
    assert counter.get_total_flops() == evaluate(wanted, {name: SIZES[name] for name in names(wanted)})
    assert cost.parameters(program.graph) == sum(np.size(w) for w in weights.values())


def of_one_row(value: Value) -> torch.Tensor:
    shape = [evaluate(size, {name: SIZES[name] for name in names(size)}) for size in value.type.shape]
    return torch.ones(1, *shape) if value.type.is_float else torch.ones(1, *shape, dtype=torch.bool)
