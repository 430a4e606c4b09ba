"""Where a training computes: every golden spec, a few steps."""

from __future__ import annotations

from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.gpu.checks import Check, Found
from benchmarks.gpu.golden import DRAWN, Training, golden, names
from dlc.runtime.training.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.runtime.training.torch_forms import Batch

STEPS = 3
FEW = 16  # entries of a tensor that may be made on the CPU: counters, rates, parameters of a distribution
AGAIN = 1e-4  # relative difference of losses of replayed steps; kernels of a GPU add in any order
SHOWN = 3  # names of tensors


def checks(device: torch.device, quick: bool) -> Iterator[Check]:
    yield Check("digits_cnn: an epoch is replayed", partial(replay, device))
    rows = 2 if quick else DRAWN
    for name in names(quick):
        yield Check(name, partial(place, name, rows, device))


def place(name: str, rows: int, device: torch.device) -> Found:
    """Train a few steps, and look where every tensor is."""
    spec = golden(name, rows)
    if not spec.learns:
        return Found("nothing to learn")
    training, made = Training(spec, device), Elsewhere(device)
    batches = next(training.batches)
    with made:
        first = training.step(batches)
    losses = [float(first), *training.losses(STEPS - 1)]
    held = dict(tensors(training, batches))
    away = [*(name for name, tensor in held.items() if tensor.device.type != device.type), *made.found]
    where = f"{len(held)} tensors, {made.calls} operators"
    if away:
        where += f"; not on the device: {', '.join(away[:SHOWN])}" + (", ..." if away[SHOWN:] else "")
    figure = f"losses {', '.join(f'{loss:.4g}' for loss in losses)}; {where}"
    return Found(figure, "all on the device, losses finite", not away and all(map(isfinite, losses)))


class Elsewhere(TorchDispatchMode):
    """Counts the operators that run, and notes those that make a tensor elsewhere than on a device."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device, self.calls, self.found = device, 0, dict[str, None]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        self.calls += 1
        for made in tree_leaves(result):
            if isinstance(made, torch.Tensor) and made.numel() > FEW and made.device.type != self.device.type:
                self.found[f"operator {function.overloadpacket.__name__}"] = None
        return result


def tensors(training: Training, batches: list[Batch]) -> Iterator[tuple[str, torch.Tensor]]:
    """All that a training holds, by name, but for the counters of steps that torch keeps on the CPU."""
    forms, learner = training.forms, training.learner
    for name, weight in forms.weights.items():
        yield f"weight {name}", weight
        if weight.grad is not None:
            yield f"gradient of {name}", weight.grad
    for place, form in enumerate((*forms.training, forms.answering)):
        yield from ((f"{name} of form {place}", tensor) for name, tensor in form.module.named_buffers())
    for place, tensor in enumerate(tree_leaves(batches)):
        yield f"field {place} of a batch", tensor
    states = [state for optimizer in learner.optimizers for state in optimizer.state.values()]
    for place, state in enumerate(states):
        for name, value in state.items():
            held = [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]
            if name != "step":
                yield from ((f"{name} {place}.{number}", leaf) for number, leaf in enumerate(held))
    yield from ((f"average {place}", tensor) for place, tensor in enumerate(learner.averaged))


def replay(device: torch.device) -> Found:
    """Go back to the first step of an epoch with dropout, as a training does that looks for a NaN."""
    training = Training(golden("digits_cnn"), device)
    held, learner = [*training.forms.weights.values()], training.learner
    before = Snapshot([*held, *learner.averaged], learner.optimizers, device)
    before.take()
    first = training.losses(STEPS)
    before.restore()
    training.taken, steps = 0, training.passes.again()
    again = [float(training.step(next(steps))) for _ in range(STEPS)]
    apart = max(abs(a - b) / abs(a) for a, b in zip(first, again, strict=True))
    return Found(f"losses {apart:.1e} apart", f"at most {AGAIN:.0e}", apart <= AGAIN)
