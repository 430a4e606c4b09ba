"""Training in bfloat16 on a device."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.gpu.checks import Check, Found
from benchmarks.gpu.golden import Training, golden

if TYPE_CHECKING:
    from collections.abc import Iterator

BF16 = "precision = bf16"
ROWS = 64  # random rows
STEPS = 24
IN_BFLOAT16 = "convolution"  # the operator that must compute in bfloat16


def checks(device: torch.device, quick: bool) -> Iterator[Check]:
    yield Check("digits_cnn, batch 64", partial(train, "digits_cnn", BF16, device))
    if not quick:
        settings = f"{BF16}\nbatch = {ROWS}"
        yield Check(f"resnet18, batch {ROWS}", partial(train, "resnet18", settings, device))


def train(name: str, settings: str, device: torch.device) -> Found:
    """Train some steps on the same rows."""
    training, seen = Training(golden(name, ROWS, settings), device), Elements()
    batches = next(training.batches)
    with seen:
        first = float(training.step(batches))
    last = [float(training.step(batches)) for _ in range(STEPS)][-1]
    held = [*training.forms.weights.values(), *(w.grad for w in training.forms.trained if w.grad is not None)]
    computed, kept = seen.made[IN_BFLOAT16], {tensor.dtype for tensor in held}
    met = computed == {torch.bfloat16} and kept == {torch.float32} and last < first
    return Found(f"loss {first:.3g} -> {last:.3g} in {STEPS} steps; {IN_BFLOAT16} in {spelled(computed)}, "
                 f"weights and gradients in {spelled(kept)}",
                 "loss falls; bfloat16 and float32", met)  # fmt: skip


class Elements(TorchDispatchMode):
    """Records the dtypes of the results of each operator."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, set[torch.dtype]] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        made = {leaf.dtype for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)}
        self.made.setdefault(function.overloadpacket.__name__, set()).update(made)
        return result


def spelled(dtypes: set[torch.dtype]) -> str:
    return ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
