"""The training step: gradients and optimizer updates for all objectives."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.passes.specialize import matrices
from dlc.compiler.training.optimizers import main_optimizer, shares
from dlc.runtime.training.batch_losses import mean_of_sum
from dlc.runtime.training.batch_means import OBJECTIVE
from dlc.runtime.training.optimizer_state import gradient_norm, optimizer_state, restore_optimizer
from dlc.runtime.training.snapshot import copy, random_states, set_random_states
from dlc.runtime.training.training_plan import plan_error
from dlc.runtime.training.weight_averages import Averages, FollowingNet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from dlc.compiler.ir.graph import Weight
    from dlc.compiler.training.phases import Objective, Phase
    from dlc.compiler.training.train_section import Train
    from dlc.runtime.training.execution import Batch
    from dlc.runtime.training.torch_forms import Forms, TorchForm

Outputs = dict[str, Any]  # outputs of a form for a batch, by name


class Learner:
    """Updates the weights of a program in one phase of its training. Its objectives take turns."""

    def __init__(self, forms: Forms, phase: Phase, steps: int) -> None:
        if not forms.trained:
            raise forms.program.nothing_to("learn", phase.objectives[0])
        self.forms, self._accumulate = forms, phase.settings.accumulate
        pursued = zip(forms.training, phase.objectives, strict=True)
        self.trainers = [
            ObjectiveTrainer(forms, form, objective, phase.settings, steps) for form, objective in pursued
        ]
        self.optimizers = [made for trainer in self.trainers for made in trainer.optimizers]
        self._following = [
            FollowingNet(name, average, forms.program, forms.weights)
            for name, average in forms.program.averages.items()
        ]
        ema = phase.settings.ema
        self.averages = Averages(forms.trained, ema) if ema is not None else None

    def rates(self, step: int) -> tuple[float, ...]:
        """The learning rates of a step, counted from 0, in the order of the optimizers in the spec."""
        return tuple(rate for trainer in self.trainers for rate in trainer.rates(step))

    def rate(self, step: int) -> float:
        """The learning rate that is reported for a step."""
        written = [optimizer for trainer in self.trainers for optimizer in trainer.objective.optimizers]
        return self.rates(step)[written.index(main_optimizer(written))]

    def gradient_norm(self) -> float:
        """The norm of the gradients of the last step, after clipping; NaN before the first step."""
        return gradient_norm(self.forms.trained)

    def state(self) -> dict[str, Any]:
        """The state of optimizers, schedules and averages. Tensors are not copied."""
        return {
            "trainers": [trainer.state() for trainer in self.trainers],
            "averages": self.averages.state() if self.averages is not None else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        for trainer, own in zip(self.trainers, state["trainers"], strict=True):
            trainer.restore(own)
        if self.averages is not None:
            self.averages.restore(state["averages"])

    def after_epoch(self, figures: Mapping[str, float]) -> None:
        """Give the losses of an epoch to the schedules."""
        for trainer in self.trainers:
            trainer.after_epoch(figures[trainer.objective.figure])

    @property
    def averaged(self) -> list[torch.Tensor]:
        return self.averages.tensors if self.averages else []

    def answering(self) -> AbstractContextManager[None]:
        """A context in which the weights are those to validate and export: the averages, if there are any."""
        return self.averages.in_place() if self.averages else nullcontext()

    def step(self, batches: list[Batch], step: int) -> list[tuple[int, Outputs]]:
        """One step of all objectives on accumulated batches. Returns the place of the objective of each
        update, and the outputs of its form before it, combined over its batches; they stay on the device."""
        made = [(place, self.update(place, taken, step)) for place, taken in self.order(batches)]
        if self.averages is not None:
            self.averages.add()
        return made

    def update(self, place: int, batches: list[Batch], step: int) -> Outputs:
        """One update of the objective at a place, which average nets follow."""
        trainer = self.trainers[place]
        made = trainer.step(batches, step)
        for net in self._following:
            net.follow(trainer.objective.learns, step)
        return made

    def order(self, batches: list[Batch]) -> Iterator[tuple[int, list[Batch]]]:
        """The updates of one step in order: the place of each objective, and its batches. An objective with
        fewer updates than another uses the last batches."""
        if len(batches) <= self._accumulate:
            return ((place, batches) for place in range(len(self.trainers)))
        starts = range(0, len(batches), self._accumulate)
        taken = [batches[start : start + self._accumulate] for start in starts]
        times = [trainer.objective.times for trainer in self.trainers]
        return ((place, some) for place, count in enumerate(times) for some in taken[-count:])

    def finite(self) -> bool:
        """True if no weight or statistic is NaN or infinite."""
        with torch.no_grad():
            sums = torch.stack([w.sum().float() for w in self.forms.weights.values()])
            return bool(torch.isfinite(sums).all())


class ObjectiveTrainer:
    """Updates the weights of one objective."""

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
        """The torch optimizers for each optimizer of the spec."""
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
            raise plan_error(reject.message, self._settings, "optimizer", reject.help, reject.code) from None

    def state(self) -> dict[str, Any]:
        return {
            "optimizers": [optimizer_state(optimizer) for optimizer in self.optimizers],
            "schedules": [None if known is None else astuple(known) for known in self._seen],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            restore_optimizer(optimizer, kept)
        schedule = self.objective.schedule
        self._seen = [None if k is None else schedule.remembered(k) for k in state["schedules"]]

    def rates(self, step: int) -> list[float]:
        """The learning rate of each optimizer of the spec at a step."""
        seen = zip(self.objective.optimizers, self._seen, strict=True)
        return [self.objective.schedule.rate(o.lr, step, self._steps, known) for o, known in seen]

    def after_epoch(self, loss: float) -> None:
        """Give the loss of an epoch to the schedule."""
        seen = zip(self.objective.optimizers, self._seen, strict=True)
        self._seen = [self.objective.schedule.after(o.lr, known, loss) for o, known in seen]

    def step(self, batches: list[Batch], step: int) -> Outputs:
        """Update the weights with the gradients of accumulated batches. Returns the outputs of the form,
        which stay on the device."""
        self.forms.at_step(step)
        for groups, rate in zip(self._groups, self.rates(step), strict=True):
            for group in groups:
                group["lr"] = rate
        if self._recomputes:
            return self._search(batches)
        made = self.gradients(batches)
        for optimizer in self.optimizers:
            optimizer.step()
        return made

    def gradients(self, batches: list[Batch]) -> Outputs:
        """Compute the gradient of every weight, over the rows of all batches."""
        for weight in self._weights:
            weight.grad = None
        made = self._backward(batches[0]) if len(batches) == 1 else self._backward_together(batches)
        if self.objective.clip is not None:
            self.objective.clip.torch(torch.nn.utils, self._weights)
        return made

    def _backward(self, batch: Batch) -> Outputs:
        """The gradients of one batch."""
        made = self.form(batch)
        if not made[OBJECTIVE].requires_grad:
            raise self.forms.program.nothing_to("learn", self.objective)
        made[OBJECTIVE].backward()
        return made

    def _backward_together(self, batches: list[Batch]) -> Outputs:
        """The gradients of several batches, with one autograd graph in memory at a time: first the gradients
        of the objective by its means, then, for each batch, the gradients of its part of the means."""
        means = self.form.means
        weights, found = self._before(batches)
        differentiate(means.losses(found)[OBJECTIVE])
        by_mean = [torch.zeros_like(m) if m.grad is None else m.grad for m in found]
        sums: list[Any] = [0.0] * len(found)
        for batch in batches:
            parts = means.sums(batch)
            terms = [g * mean_of_sum(s, w) for g, s, w in zip(by_mean, parts, weights, strict=True)]
            if terms:
                differentiate(torch.stack(terms).sum())
            sums = [sum + part.detach() for sum, part in zip(sums, parts, strict=True)]
        if all(weight.grad is None for weight in self._weights):
            raise self.forms.program.nothing_to("learn", self.objective)
        return means.made([mean_of_sum(s, w) for s, w in zip(sums, weights, strict=True)], weights)

    def _before(self, batches: list[Batch]) -> tuple[list[Any], list[torch.Tensor]]:
        """The weights of the means of several batches, and the means as leaf tensors. If no derivative
        depends on the means, only the weights are computed, and the means are zero."""
        means, device = self.form.means, self.forms.device
        if means.weights_are_enough:
            weights = elementwise_sums(means.weigh(batch) for batch in batches)
            found = [torch.zeros((), device=device, dtype=self._dtype) for _ in weights]
        else:
            drawn, statistics = random_states(device), self.forms.statistics
            before = [s.clone() for s in statistics]
            made = [detached(self.form(batch)) for batch in batches]
            set_random_states(device, drawn)
            copy(before, statistics)
            weights = elementwise_sums([m[name] for name in means.weights] for m in made)
            sums = elementwise_sums(means.sums_of(m) for m in made)
            found = [mean_of_sum(sum, weight) for sum, weight in zip(sums, weights, strict=True)]
        return weights, [mean.requires_grad_() for mean in found]

    def _search(self, batches: list[Batch]) -> Outputs:
        """A step of an optimizer that computes the loss several times (LBFGS). Random numbers are the same
        each time, and running statistics are updated once. Returns the outputs before the step."""
        found: list[Outputs] = []
        drawn, statistics = random_states(self.forms.device), self.forms.statistics
        before = [s.clone() for s in statistics]

        def again() -> torch.Tensor:
            if found:
                set_random_states(self.forms.device, drawn)
                copy(before, statistics)
            found.append(self.gradients(batches))
            return found[-1][OBJECTIVE]

        for optimizer in self.optimizers:
            optimizer.step(again)
        return found[0]


def elementwise_sums(parts: Iterable[list[Any]]) -> list[Any]:
    """The elementwise sum of lists."""
    return [sum(numbers) for numbers in zip(*parts, strict=True)]


def differentiate(number: torch.Tensor) -> None:
    """Backpropagate from a scalar, if it needs gradients."""
    if number.requires_grad:
        number.backward()


def detached(made: Outputs) -> Outputs:
    return {name: x.detach() if isinstance(x, torch.Tensor) else x for name, x in made.items()}
