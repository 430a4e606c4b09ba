"""Find the step and the node that produced the first NaN or infinity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.training.history import kept_weights
from dlc.runtime.training.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.compiler.diagnostics.source import Span
    from dlc.runtime.training.execution import Batch
    from dlc.runtime.training.learner import Learner
    from dlc.runtime.training.torch_forms import TorchForm

DIVERGED = "E0802"


class NodeResults(fx.Interpreter):
    """Runs a form node by node and keeps the result of each node."""

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
    """The first node whose result, or else whose gradient in the backward pass, is not finite; `result` or
    `gradient`; and the tensor."""
    watched = NodeResults(form.module)
    with form.execution.autocast():
        made = watched.run(*form.given(batch), *form.weights)
    for node, result in watched.made.items():
        if node.op not in ("placeholder", "output") and not finite(result):
            return node, "result", result
    for weight in form.weights:
        weight.grad = None  # clears the gradients of the step
    made["objective"].backward()
    for node, result in reversed(watched.made.items()):
        if result.grad is not None and not finite(result.grad):
            maker = next((u for u in reversed(list(node.users)) if u.op != "output"), node)
            return maker, "gradient", result.grad
    return None, "", None


def finite(tensor: torch.Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def replay(learner: Learner, steps: Iterable[list[Batch]], before: Snapshot, first: int, earlier: int,
           kept: int) -> CompileError:  # fmt: skip
    """Repeat an epoch that diverged and check every step. `first` is the number of its first step in the
    phase, counted from 0, and `earlier` the number of steps before the phase; `kept` is the epoch of the
    phase whose weights are kept, 0 for those with which it began."""
    forms = learner.forms
    note = kept_weights(forms.phase.name, kept)
    before.restore()
    moment = Snapshot(list(forms.weights.values()), learner.optimizers, forms.device)
    for number, batches in enumerate(steps, first):
        for place, taken in learner.order(batches):
            moment.take()
            made = learner.update(place, taken, number)
            if not finite(made["loss"]) or not learner.finite():
                moment.restore()
                trainer = learner.trainers[place]
                title = trainer.objective.step
                at = f"step {earlier + number + 1}" + (f", where `{title}` is trained" if title else "")
                return diverged(trainer.form, taken, at, trainer.rates(number), note)
    return divergence(
        "a value became NaN or infinite in this epoch, but not when the epoch was repeated", None, note
    )


def diverged(
    form: TorchForm, batches: list[Batch], at: str, rates: Sequence[float], note: str
) -> CompileError:
    """The error of a step that diverged; the weights are those before it. `at` says which step."""
    found = (first_bad(form, batch) for batch in batches)
    node, what, numbers = next((bad for bad in found if bad[0] is not None), (None, "", None))
    if node is None or numbers is None:
        rate = " and ".join(f"{rate:g}" for rate in dict.fromkeys(rates))
        return divergence(
            f"a weight is no longer finite after {at}, at a learning rate of {rate}", None, note
        )
    name = node.meta.get("name", node.name)
    bad = "NaN" if bool(torch.isnan(numbers).any()) else "infinite"
    whose = f"the result of `{name}`" if what == "result" else f"the gradient of `{name}`"
    made = next((n for n in form.graph.nodes if n.name == name), None)
    domain = f"`{made.operator.name}` wants {made.operator.domain}" if made and made.operator.domain else ""
    return divergence(f"{whose} is {bad} at {at}", made and made.site.span, note, domain)


def divergence(message: str, span: Span | None, note: str, help: str = "") -> CompileError:
    labels = (Label(span, "made here"),) if span else ()
    help = help or "a smaller learning rate, `clip = norm(1.0)` or standardized inputs often fix this"
    return CompileError([Diagnostic(DIVERGED, message, labels, (note,), help)])
