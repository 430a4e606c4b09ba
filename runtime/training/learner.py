"""One round of training, and the record of many."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.passes.specialize import matrices
from dlc.compiler.training.optimizers import main_optimizer, shares
from dlc.runtime.training.batch_losses import divided
from dlc.runtime.training.batch_means import OBJECTIVE
from dlc.runtime.training.snapshot import copy, random_states, set_random_states
from dlc.runtime.training.training_plan import impossible
from dlc.runtime.training.weight_averages import Averages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from dlc.compiler.ir.graph import Weight
    from dlc.compiler.training.phases import Objective, Phase
    from dlc.compiler.training.train_section import Train
    from dlc.runtime.training.execution import Batch
    from dlc.runtime.training.torch_forms import Forms, TorchForm

Made = dict[str, Any]  # what a form makes of a batch, by name


class Learner:
    """Changes the weights of a program in a phase of its training: its objectives take turns."""

    def __init__(self, forms: Forms, phase: Phase, steps: int) -> None:
        if not forms.learnt:
            raise forms.program.nothing_to("learn")
        self.forms, self._accumulate = forms, phase.settings.accumulate
        pursued = zip(forms.training, phase.objectives, strict=True)
        self.turns = [Turn(forms, form, objective, phase.settings, steps) for form, objective in pursued]
        self.optimizers = [made for turn in self.turns for made in turn.optimizers]
        ema = phase.settings.ema
        self.averages = Averages(forms.learnt, ema) if ema is not None else None

    def rates(self, step: int) -> tuple[float, ...]:
        """The learning rates of a step, counted from 0, in the order in which the file has the optimizers."""
        return tuple(rate for turn in self.turns for rate in turn.rates(step))

    def rate(self, step: int) -> float:
        """The rate that is told of a step."""
        written = [optimizer for turn in self.turns for optimizer in turn.objective.optimizers]
        return self.rates(step)[written.index(main_optimizer(written))]

    def after_epoch(self, loss: float) -> None:
        """Let the schedules know the loss of an epoch."""
        for turn in self.turns:
            turn.after_epoch(loss)

    @property
    def averaged(self) -> list[torch.Tensor]:
        return self.averages.tensors if self.averages else []

    def answering(self) -> AbstractContextManager[None]:
        """While it is entered, the weights are those that are validated and exported."""
        return self.averages.in_place() if self.averages else nullcontext()

    def step(self, batches: list[Batch], step: int) -> list[Made]:
        """One round, by some batches taken together. What each form made of them before, as of one batch,
        stays on the device."""
        told = {turn: turn.step(taken, step) for turn, taken in self.order(batches)}
        if self.averages is not None:
            self.averages.add()
        return [*told.values()]

    def order(self, batches: list[Batch]) -> Iterator[tuple[Turn, list[Batch]]]:
        """Who takes the steps of a round, each with its batches; an objective with fewer steps than another
        has the last ones."""
        if len(batches) <= self._accumulate:
            return ((turn, batches) for turn in self.turns)
        starts = range(0, len(batches), self._accumulate)
        taken = [batches[start : start + self._accumulate] for start in starts]
        return ((turn, some) for turn in self.turns for some in taken[-turn.objective.times :])

    def finite(self) -> bool:
        """True if no weight or statistic is NaN or infinite."""
        with torch.no_grad():
            sums = torch.stack([w.sum().float() for w in self.forms.weights.values()])
            return bool(torch.isfinite(sums).all())


class Turn:
    """Changes the weights that learn from one objective, step by step."""

    def __init__(
        self, forms: Forms, form: TorchForm, objective: Objective, settings: Train, steps: int
    ) -> None:
        self.forms, self.form, self.objective = forms, form, objective
        self._settings, self._steps, self._recomputes = settings, steps, objective.recomputes
        self._dtype = torch.float64 if settings.precision == "float64" else torch.float32
        own = objective.trained(form.graph.weights)
        self._weights = [forms.weights[w.name] for w in own]
        made = self._make_optimizers(own)
        self.optimizers = [optimizer for of in made for optimizer in of]
        self._groups = [[group for optimizer in of for group in optimizer.param_groups] for of in made]
        self._seen: list[Any] = [None for _ in objective.optimizers]

    def _make_optimizers(self, own: list[Weight]) -> list[list[Any]]:
        """The optimizers of torch for each of the file."""
        held, chosen = self.forms.weights, {w.name for w in matrices(self.form.graph)}
        parted = shares(self.objective.optimizers, own)
        try:
            return [
                optimizer.over(
                    torch.optim,
                    [held[w.name] for w in share],
                    [held[w.name] for w in share if w.name in chosen],
                    [held[w.name] for w in share if w.role != "weight"],
                )
                if share
                else []
                for optimizer, share in zip(self.objective.optimizers, parted, strict=True)
            ]
        except Reject as reject:
            raise impossible(reject.message, self._settings, "optimizer", reject.help, reject.code) from None

    def rates(self, step: int) -> list[float]:
        """The learning rate of each optimizer of the file, at a step."""
        seen = zip(self.objective.optimizers, self._seen, strict=True)
        return [self.objective.schedule.rate(o.lr, step, self._steps, known) for o, known in seen]

    def after_epoch(self, loss: float) -> None:
        """Let the schedule know the loss of an epoch."""
        seen = zip(self.objective.optimizers, self._seen, strict=True)
        self._seen = [self.objective.schedule.after(o.lr, known, loss) for o, known in seen]

    def step(self, batches: list[Batch], step: int) -> Made:
        """Change the weights by some batches taken together; what the form made of them stays on the
        device."""
        for groups, rate in zip(self._groups, self.rates(step), strict=True):
            for group in groups:
                group["lr"] = rate
        if self._recomputes:
            return self._search(batches)
        made = self._gradients(batches)
        for optimizer in self.optimizers:
            optimizer.step()
        return made

    def _gradients(self, batches: list[Batch]) -> Made:
        """Give every weight its gradient, that of all rows together."""
        for weight in self._weights:
            weight.grad = None
        made = self._backward(batches[0]) if len(batches) == 1 else self._backward_together(batches)
        if self.objective.clip is not None:
            self.objective.clip.torch(torch.nn.utils, self._weights)
        return made

    def _backward(self, batch: Batch) -> Made:
        """The gradients of one batch."""
        made = self.form(batch)
        if not made[OBJECTIVE].requires_grad:
            raise self.forms.program.nothing_to("learn")
        made[OBJECTIVE].backward()
        return made

    def _backward_together(self, batches: list[Batch]) -> Made:
        """The gradients of several batches, whose graphs are not held at once: first those of the objective
        by its means, then those of each batch's share of the means."""
        means = self.form.means
        weights, found = self._before(batches)
        differentiate(means.losses(found)[OBJECTIVE])
        by_mean = [torch.zeros_like(m) if m.grad is None else m.grad for m in found]
        sums: list[Any] = [0.0] * len(found)
        for batch in batches:
            parts = means.sums(batch)
            terms = [g * divided(s, w) for g, s, w in zip(by_mean, parts, weights, strict=True)]
            if terms:
                differentiate(torch.stack(terms).sum())
            sums = [sum + part.detach() for sum, part in zip(sums, parts, strict=True)]
        if all(weight.grad is None for weight in self._weights):
            raise self.forms.program.nothing_to("learn")
        return means.made([divided(s, w) for s, w in zip(sums, weights, strict=True)], weights)

    def _before(self, batches: list[Batch]) -> tuple[list[Any], list[torch.Tensor]]:
        """The weights of the means of several batches, and the means: where no derivative depends on them,
        zeros stand for them, and the weights are all that is computed."""
        means, device = self.form.means, self.forms.device
        if means.weights_are_enough:
            weights = added(means.weigh(batch) for batch in batches)
            found = [torch.zeros((), device=device, dtype=self._dtype) for _ in weights]
        else:
            drawn, statistics = random_states(device), self.forms.statistics
            before = [s.clone() for s in statistics]
            made = [detached(self.form(batch)) for batch in batches]
            set_random_states(device, drawn)
            copy(before, statistics)
            weights = added([m[name] for name in means.weights] for m in made)
            sums = added(means.sums_of(m) for m in made)
            found = [divided(sum, weight) for sum, weight in zip(sums, weights, strict=True)]
        return weights, [mean.requires_grad_() for mean in found]

    def _search(self, batches: list[Batch]) -> Made:
        """A step of an optimizer that computes the loss several times: what is drawn is the same
        each time, and running statistics move once. What is told is that before the step."""
        found: list[Made] = []
        drawn, statistics = random_states(self.forms.device), self.forms.statistics
        before = [s.clone() for s in statistics]

        def again() -> torch.Tensor:
            if found:
                set_random_states(self.forms.device, drawn)
                copy(before, statistics)
            found.append(self._gradients(batches))
            return found[-1][OBJECTIVE]

        for optimizer in self.optimizers:
            optimizer.step(again)
        return found[0]


def added(parts: Iterable[list[Any]]) -> list[Any]:
    """The sum of each place."""
    return [sum(numbers) for numbers in zip(*parts, strict=True)]


def differentiate(number: torch.Tensor) -> None:
    """Add to the gradients of what a number depends on."""
    if number.requires_grad:
        number.backward()


def detached(made: Made) -> Made:
    return {name: x.detach() if isinstance(x, torch.Tensor) else x for name, x in made.items()}
