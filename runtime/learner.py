"""One step of training, and the record of many."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.kinds import Reject
from dlc.runtime.averages import Averages
from dlc.runtime.forms import OBJECTIVE
from dlc.runtime.losses import divided
from dlc.runtime.plans import impossible
from dlc.runtime.snapshot import copy, random_states, set_random_states

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from dlc.compiler.training.section import Train
    from dlc.runtime.forms import Batch, Forms


Made = dict[str, Any]  # what a form makes of a batch, by name


class Learner:
    """Changes the weights of a program, batch by batch."""

    def __init__(self, forms: Forms, settings: Train, steps: int) -> None:
        if not forms.learnt:
            raise forms.program.nothing_to("learn")
        self.forms, self._settings, self._steps = forms, settings, steps
        self._weights, self._clip = forms.learnt, settings.clip
        self._recomputes = settings.optimizer.recomputes
        self.optimizer = self._make_optimizer()
        self._groups = self.optimizer.param_groups
        self._seen: Any = None
        self.averages = Averages(forms.learnt, settings.ema) if settings.ema is not None else None

    def _make_optimizer(self) -> Any:
        try:
            return self._settings.optimizer.over(torch.optim, self.forms.learnt, self.forms.matrices)
        except Reject as reject:
            raise impossible(reject.message, self._settings, "optimizer", reject.help, reject.code) from None

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        lr = self._settings.optimizer.lr
        return self._settings.schedule.rate(lr, step, self._steps, self._seen)

    def after_epoch(self, loss: float) -> None:
        """Let the schedule know the loss of an epoch."""
        self._seen = self._settings.schedule.after(self._settings.optimizer.lr, self._seen, loss)

    @property
    def averaged(self) -> list[torch.Tensor]:
        return self.averages.tensors if self.averages else []

    def answering(self) -> AbstractContextManager[None]:
        """While it is entered, the weights are those that are validated and exported."""
        return self.averages.in_place() if self.averages else nullcontext()

    def step(self, batches: list[Batch], step: int) -> Made:
        """Change the weights by some batches taken together. What the training form made of them before,
        as of one batch, stays on the device."""
        for group in self._groups:
            group["lr"] = self.rate(step)
        if self._recomputes:
            made = self._search(batches)
        else:
            made = self._gradients(batches)
            self.optimizer.step()
        if self.averages is not None:
            self.averages.add()
        return made

    def _gradients(self, batches: list[Batch]) -> Made:
        """Give every weight its gradient, that of all rows together."""
        for weight in self._weights:
            weight.grad = None
        made = self._backward(batches[0]) if len(batches) == 1 else self._backward_together(batches)
        if self._clip is not None:
            self._clip.torch(torch.nn.utils, self._weights)
        return made

    def _backward(self, batch: Batch) -> Made:
        """The gradients of one batch."""
        made = self.forms.training(batch)
        self._differentiate(made[OBJECTIVE])
        return made

    def _backward_together(self, batches: list[Batch]) -> Made:
        """The gradients of several batches, whose graphs are not held at once: first those of the objective
        by its means, then those of each batch's share of the means."""
        form = self.forms.training
        weights, means = self._before(batches)
        if form.averages.means:
            form.behind(means)[OBJECTIVE].backward()
        by_mean = [torch.zeros_like(m) if m.grad is None else m.grad for m in means]
        sums: list[Any] = [0.0] * len(means)
        for batch in batches:
            parts = form.sums(batch)
            shares = (g * divided(s, w) for g, s, w in zip(by_mean, parts, weights, strict=True))
            self._differentiate(torch.stack(list(shares)).sum())
            sums = [sum + part.detach() for sum, part in zip(sums, parts, strict=True)]
        means = [divided(sum, weight) for sum, weight in zip(sums, weights, strict=True)]
        with torch.no_grad():
            losses = form.behind(means)
        return form.record(losses, means, weights)

    def _before(self, batches: list[Batch]) -> tuple[list[Any], list[torch.Tensor]]:
        """The weights of the means of several batches, and the means: where no derivative depends on them,
        zeros stand for them, and the weights are all that is computed."""
        form, device = self.forms.training, self.forms.device
        if form.averages.is_linear and not form.averages.weights_are_drawn:
            weights = added(form.weigh(batch) for batch in batches)
            means = [torch.zeros((), device=device) for _ in weights]
        else:
            drawn, statistics = random_states(device), self.forms.statistics
            before = [s.clone() for s in statistics]
            made = [detached(form(batch)) for batch in batches]
            set_random_states(device, drawn)
            copy(before, statistics)
            weights = added([m[name] for name in form.weights_of_means] for m in made)
            sums = added(form.sums_of(m) for m in made)
            means = [divided(sum, weight) for sum, weight in zip(sums, weights, strict=True)]
        return weights, [mean.requires_grad_() for mean in means]

    def _differentiate(self, objective: torch.Tensor) -> None:
        if not objective.requires_grad:
            raise self.forms.program.nothing_to("learn")
        objective.backward()

    def _search(self, batches: list[Batch]) -> Made:
        """A step of an optimizer that computes the loss several times: what is drawn is the same
        each time, and running statistics move once. The loss is that before the step."""
        found: list[Made] = []
        drawn, statistics = random_states(self.forms.device), self.forms.statistics
        before = [s.clone() for s in statistics]

        def again() -> torch.Tensor:
            if found:
                set_random_states(self.forms.device, drawn)
                copy(before, statistics)
            found.append(self._gradients(batches))
            return found[-1][OBJECTIVE]

        self.optimizer.step(again)
        return found[0]

    def finite(self) -> bool:
        """True if no weight or statistic is NaN or infinite."""
        with torch.no_grad():
            sums = torch.stack([w.sum().float() for w in self.forms.weights.values()])
            return bool(torch.isfinite(sums).all())


def added(parts: Iterable[list[Any]]) -> list[Any]:
    """The sum of each place."""
    return [sum(numbers) for numbers in zip(*parts, strict=True)]


def detached(made: Made) -> Made:
    return {name: x.detach() if isinstance(x, torch.Tensor) else x for name, x in made.items()}
