"""Whether the processor computes faster in bfloat16 than in float32."""

from __future__ import annotations

import time

import torch
from torch.nn.functional import linear

SIZE, RUNS = 256, 4
SAME = 1.1  # ratios below show no difference


def note(device: torch.device, precision: str) -> str:
    """What to tell before a training in this precision; empty on GPUs, which have units for bfloat16."""
    if device.type != "cpu" or precision != "bf16":
        return ""
    ratio = slowdown()
    if ratio > SAME:
        return (f"bf16: this processor takes {ratio:.1f} times as long for a dense layer as in float32; "
                "without `precision = bf16` the training is faster")  # fmt: skip
    compared = f"{1 / ratio:.1f} times as fast as" if ratio < 1 / SAME else "about as fast as"
    return f"bf16: this processor computes a dense layer {compared} in float32"


def slowdown() -> float:
    """The time of a dense layer and its gradient in bfloat16, by that in float32: the shortest of a few
    alternate runs, which others on the machine disturb least."""
    in_float32, in_bfloat16 = zip(*((seconds(False), seconds(True)) for _ in range(RUNS)), strict=True)
    return min(in_bfloat16) / min(in_float32)


def seconds(narrow: bool) -> float:
    x, weight = torch.ones(SIZE, SIZE, requires_grad=True), torch.ones(SIZE, SIZE, requires_grad=True)
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
        y = linear(x, weight)
    torch.autograd.backward(y, torch.ones_like(y))
    return time.perf_counter() - began
