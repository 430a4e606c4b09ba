"""Which step, and which node of it, made a number that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.training.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.diagnostics.source import Span
    from dlc.runtime.training.execution import Batch
    from dlc.runtime.training.learner import Learner
    from dlc.runtime.training.torch_forms import TorchForm

DIVERGED = "E0802"


class Watched(fx.Interpreter):
    """Runs a form node by node and keeps what each node made."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.made: dict[fx.Node, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        made = super().run_node(n)
        if isinstance(made, torch.Tensor) and made.is_floating_point():
            if made.requires_grad:
                made.retain_grad()
            self.made[n] = made
        return made


def first_bad(form: TorchForm, batch: Batch) -> tuple[fx.Node | None, str, torch.Tensor | None]:
    """The first node whose result, or whose gradient on the way back, is not finite;
    which of both; and the numbers."""
    watched = Watched(form.module)
    with form.execution.autocast():
        made = watched.run(*form.given(batch), *form.weights)
    for node, result in watched.made.items():
        if node.op not in ("placeholder", "output") and not finite(result):
            return node, "result", result
    for weight in form.weights:
        weight.grad = None  # what the step left
    made["objective"].backward()
    for node, result in reversed(watched.made.items()):
        if result.grad is not None and not finite(result.grad):
            maker = next((u for u in reversed(list(node.users)) if u.op != "output"), node)
            return maker, "gradient", result.grad
    return None, "", None


def finite(tensor: torch.Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def replay(learner: Learner, steps: Iterable[list[Batch]], before: Snapshot, first: int,
           kept: int) -> CompileError:  # fmt: skip
    """Go through an epoch that went wrong once more, and look after every step.
    `first` is the number of its first step, from 0; `kept` the epoch whose weights are kept."""
    note = f"the weights of epoch {kept} are kept" if kept else "the weights are kept as they began"
    forms = learner.forms
    before.restore()
    moment = Snapshot(list(forms.weights.values()), learner.optimizers, forms.device)
    for number, batches in enumerate(steps, first):
        for turn, taken in learner.order(batches):
            moment.take()
            made = turn.step(taken, number)
            if not finite(made["loss"]) or not learner.finite():
                moment.restore()
                return diverged(turn.form, taken, number + 1, learner.rate(number), note)
    return told("a number turned NaN or infinite in this epoch, and not when it was repeated", None, note)


def diverged(form: TorchForm, batches: list[Batch], step: int, rate: float, note: str) -> CompileError:
    """The error of a step, counted from 1, that went wrong; the weights are those before it."""
    found = (first_bad(form, batch) for batch in batches)
    node, what, numbers = next((bad for bad in found if bad[0] is not None), (None, "", None))
    if node is None or numbers is None:
        return told(
            f"a weight is no longer finite after step {step}, at a learning rate of {rate:g}", None, note
        )
    name = node.meta.get("name", node.name)
    bad = "NaN" if bool(torch.isnan(numbers).any()) else "infinite"
    whose = f"what `{name}` makes" if what == "result" else f"the gradient of `{name}`"
    made = next((n for n in form.graph.nodes if n.name == name), None)
    wanted = f"`{made.operator.name}` wants {made.operator.domain}" if made and made.operator.domain else ""
    return told(f"{whose} is {bad} at step {step}", made and made.site.span, note, wanted)


def told(message: str, span: Span | None, note: str, wanted: str = "") -> CompileError:
    labels = (Label(span, "made here"),) if span else ()
    help = wanted or "a smaller learning rate, `clip = norm(1.0)` or standardized inputs often fix this"
    return CompileError([Diagnostic(DIVERGED, message, labels, (note,), help)])
