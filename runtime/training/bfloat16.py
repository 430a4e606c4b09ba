"""Whether the processor computes faster in bfloat16 than in float32."""

from __future__ import annotations

import time
from statistics import median

import torch

SIZE, REPEATS = 256, 3
SAME = 1.1  # ratios below show no difference


def note(device: torch.device, precision: str) -> str:
    """What to tell before a training in this precision; empty on GPUs, which have units for bfloat16."""
    if device.type != "cpu" or precision != "bf16":
        return ""
    ratio = slowdown()
    if ratio > SAME:
        return (f"bf16: this processor takes {ratio:.1f} times as long for a matrix product as in float32; "
                "without `precision = bf16` the training is faster")  # fmt: skip
    compared = f"{1 / ratio:.1f} times as fast as" if ratio < 1 / SAME else "about as fast as"
    return f"bf16: this processor computes a matrix product {compared} in float32"


def slowdown() -> float:
    """The time of a matrix product in bfloat16, by that in float32: medians of alternate runs."""
    wide = torch.ones(SIZE, SIZE)
    narrow = wide.bfloat16()
    both = [(seconds(wide), seconds(narrow)) for _ in range(REPEATS + 1)][
        1:
    ]  # without the first, for warm-up
    in_float32, in_bfloat16 = (median(times) for times in zip(*both, strict=True))
    return in_bfloat16 / in_float32


def seconds(x: torch.Tensor) -> float:
    began = time.perf_counter()
    torch.mm(x, x)
    return time.perf_counter() - began
