"""Empty batches where ONNX Runtime fuses operators: it fuses a transpose with the matrix product after it,
and infers whole shapes from their parts. Its reductions keep the size of the axis that they reduce."""

from __future__ import annotations

import pytest
from engines import agree, inference

from dlc.compiler import Source, compile

WEIGHTS = """weight w: float[4, 2] = normal(1)
weight v: float[4] = normal(1)
weight k: float[5, 3, 4] = normal(1)
"""
FLOWS = [
    "x -> transpose -> dense(2)",
    "x -> transpose -> identity -> dense(2, bias=false) -> relu",
    "x -> transpose -> layernorm -> dense(2)",
    "x -> layernorm(axis=0) -> transpose -> dense(2) -> transpose",
    "transpose(x) @ w",
    "transpose(x) @ v",
    "v @ x",
    "transpose(w) @ x",
    "k @ x",
    "transpose(k) @ k @ x",
    "x @ transpose(x) @ w",
    "transpose(x) @ x",
    "x -> reshape(2, 2 * {T}) -> reshape(-1, 2) -> transpose",
    "x -> reshape(-1, 4) -> dense(3) -> reshape(1, 3, {T}) -> adaptive_avgpool([2, 1])",
    "x -> groupnorm(2) -> local_response_norm(3) -> flatten -> reshape(2, -1) -> argmax",
]


@pytest.mark.parametrize("size", ["3", "T"])
@pytest.mark.parametrize("flow", FLOWS)
def test_fused_operators_accept_empty_batches(flow: str, size: str) -> None:
    text = f"input x: float[4, {size}]\n{WEIGHTS}y = {flow.replace('{T}', size)}\n"
    program = compile(Source("none.dl", text))
    agree(inference(program.graph, (program.bindings["y"],)))


@pytest.mark.parametrize("size", ["3", "T"])
@pytest.mark.parametrize("mask", ["bool[{T}]", "bool[{T}, {T}]", "bool[2, {T}, {T}]"])
def test_attention_with_a_mask_of_each_row_accepts_empty_batches(mask: str, size: str) -> None:
    inputs = f"input x: float[{size}, 4]\ninput seen: {mask.replace('{T}', size)}\n"
    program = compile(Source("none.dl", f"{inputs}y = x -> attention(2, mask=seen)\n"))
    agree(inference(program.graph, (program.bindings["y"],)))
