"""One round of training, and the record of many."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.kinds import Reject
from dlc.compiler.passes.forms import loss_of, matrices
from dlc.compiler.training import figures
from dlc.compiler.training.optimizers import leading, shares
from dlc.runtime.averages import Averages
from dlc.runtime.plans import impossible
from dlc.runtime.snapshot import copy, random_states, set_random_states

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from dlc.compiler.ir import Weight
    from dlc.compiler.training.phases import Objective, Phase
    from dlc.compiler.training.section import Train
    from dlc.runtime.forms import Batch, Form, Forms

HELD = 4096  # losses that are kept apart before they are packed into one tensor


class Learner:
    """Changes the weights of a program in a phase of its training: its objectives take turns."""

    def __init__(self, forms: Forms, phase: Phase, steps: int) -> None:
        if not forms.learnt:
            raise forms.program.nothing_to("learn")
        self.forms, self._accumulate = forms, phase.settings.accumulate
        pursued = zip(forms.training, phase.objectives, strict=True)
        self.turns = [Turn(forms, form, objective, phase.settings, steps) for form, objective in pursued]
        self.optimizers = [made for turn in self.turns for made in turn.optimizers]
        self.losses = [name for turn in self.turns for name in figures.losses(turn.objective.losses)]
        ema = phase.settings.ema
        self.averages = Averages(forms.learnt, ema) if ema is not None else None

    def rates(self, step: int) -> tuple[float, ...]:
        """The learning rates of a step, counted from 0, in the order in which the file has the optimizers."""
        return tuple(rate for turn in self.turns for rate in turn.rates(step))

    def rate(self, step: int) -> float:
        """The rate that is told of a step."""
        written = [optimizer for turn in self.turns for optimizer in turn.objective.optimizers]
        return self.rates(step)[written.index(leading(written))]

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

    def step(self, batches: list[Batch], step: int) -> torch.Tensor:
        """One round, by some batches taken together. What `losses` names, in order, stays on the device."""
        told = {turn: turn.step(taken, step) for turn, taken in self.order(batches)}
        if self.averages is not None:
            self.averages.add()
        return torch.cat([*told.values()])

    def order(self, batches: list[Batch]) -> Iterator[tuple[Turn, list[Batch]]]:
        """Who takes the steps of a round, each with its batches; an objective with fewer steps than another
        has the last ones."""
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

    def __init__(self, forms: Forms, form: Form, objective: Objective, settings: Train, steps: int) -> None:
        self.forms, self.form, self.objective = forms, form, objective
        self._settings, self._steps = settings, steps
        own = objective.learnt(form.graph.weights)
        self._weights = [forms.weights[w.name] for w in own]
        self._told = ["loss", *map(loss_of, objective.losses)]
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

    def step(self, batches: list[Batch], step: int) -> torch.Tensor:
        """Change the weights by some batches taken together; the losses stay on the device."""
        for groups, rate in zip(self._groups, self.rates(step), strict=True):
            for group in groups:
                group["lr"] = rate
        if self.objective.recomputes:
            return self._search(batches)
        loss, _ = self._gradients(batches)
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def _gradients(self, batches: list[Batch]) -> tuple[torch.Tensor, torch.Tensor]:
        """Give every weight its gradient, the mean over all rows;
        the losses, and what is made small."""
        for weight in self._weights:
            weight.grad = None
        if len(batches) == 1:
            loss, objective = self._backward(batches[0])
        else:
            rows = [len(batch[0]) for batch in batches]
            parts = [self._backward(b, n / sum(rows)) for b, n in zip(batches, rows, strict=True)]
            loss, objective = (torch.stack(numbers).sum(0) for numbers in zip(*parts, strict=True))
        if self.objective.clip is not None:
            self.objective.clip.torch(torch.nn.utils, self._weights)
        return loss, objective

    def _backward(self, batch: Batch, share: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        """Add the gradients of a batch that is this share of the step."""
        made = self.form(batch)
        loss, objective = torch.stack([made[name] for name in self._told]), made["objective"]
        if not objective.requires_grad:
            raise self.forms.program.nothing_to("learn")
        if share != 1:
            loss, objective = loss * share, objective * share
        objective.backward()
        return loss.detach(), objective.detach()

    def _search(self, batches: list[Batch]) -> torch.Tensor:
        """A step of an optimizer that computes the loss several times: what is drawn is the same
        each time, and running statistics move once. The losses are those before the step."""
        losses: list[torch.Tensor] = []
        drawn, statistics = random_states(self.forms.device), self.forms.statistics
        before = [s.clone() for s in statistics]

        def again() -> torch.Tensor:
            if losses:
                set_random_states(self.forms.device, drawn)
                copy(before, statistics)
            loss, objective = self._gradients(batches)
            losses.append(loss)
            return objective

        for optimizer in self.optimizers:
            optimizer.step(again)
        return losses[0]


class Losses:
    """The losses of an epoch's steps, read back when it is over."""

    def __init__(self) -> None:
        self._packed: list[torch.Tensor] = []
        self._apart: list[torch.Tensor] = []

    def add(self, loss: torch.Tensor) -> None:
        self._apart.append(loss)
        if len(self._apart) == HELD:
            self._pack()

    def read(self) -> list[list[float]]:
        """The losses of each step."""
        if self._apart:
            self._pack()
        return torch.cat(self._packed).tolist()

    def _pack(self) -> None:
        self._packed.append(torch.stack(self._apart))
        self._apart = []


def mean(losses: list[float], sizes: list[int]) -> float:
    """The mean loss of the rows; the sizes are those of the batches, in order."""
    sizes = sizes[: len(losses)]
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)
