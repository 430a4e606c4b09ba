"""One step of training, and the record of many."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.kinds import Reject
from dlc.runtime.averages import Averages
from dlc.runtime.plans import impossible
from dlc.runtime.snapshot import copy, random_states, set_random_states

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from dlc.compiler.training.section import Train
    from dlc.runtime.forms import Batch, Forms

HELD = 4096  # losses that are kept apart before they are packed into one tensor


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

    def step(self, batches: list[Batch], step: int) -> torch.Tensor:
        """Change the weights by some batches taken together; the loss stays on the device."""
        for group in self._groups:
            group["lr"] = self.rate(step)
        if self._recomputes:
            loss = self._search(batches)
        else:
            loss, _ = self._gradients(batches)
            self.optimizer.step()
        if self.averages is not None:
            self.averages.add()
        return loss

    def _gradients(self, batches: list[Batch]) -> tuple[torch.Tensor, torch.Tensor]:
        """Give every weight its gradient, the mean over all rows;
        the loss, and what is made small."""
        for weight in self._weights:
            weight.grad = None
        if len(batches) == 1:
            loss, objective = self._backward(batches[0])
        else:
            rows = [len(batch[0]) for batch in batches]
            parts = [self._backward(b, n / sum(rows)) for b, n in zip(batches, rows, strict=True)]
            loss, objective = (torch.stack(numbers).sum() for numbers in zip(*parts, strict=True))
        if self._clip is not None:
            self._clip.torch(torch.nn.utils, self._weights)
        return loss, objective

    def _backward(self, batch: Batch, share: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        """Add the gradients of a batch that is this share of the step."""
        made = self.forms.training(batch)
        loss, objective = made["loss"], made["objective"]
        if not objective.requires_grad:
            raise self.forms.program.nothing_to("learn")
        if share != 1:
            loss, objective = loss * share, objective * share
        objective.backward()
        return loss.detach(), objective.detach()

    def _search(self, batches: list[Batch]) -> torch.Tensor:
        """A step of an optimizer that computes the loss several times: what is drawn is the same
        each time, and running statistics move once. The loss is that before the step."""
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

        self.optimizer.step(again)
        return losses[0]

    def finite(self) -> bool:
        """True if no weight or statistic is NaN or infinite."""
        with torch.no_grad():
            sums = torch.stack([w.sum().float() for w in self.forms.weights.values()])
            return bool(torch.isfinite(sums).all())


class Losses:
    """The losses of an epoch's steps, read back when it is over."""

    def __init__(self) -> None:
        self._packed: list[torch.Tensor] = []
        self._apart: list[torch.Tensor] = []

    def add(self, loss: torch.Tensor) -> None:
        self._apart.append(loss)
        if len(self._apart) == HELD:
            self._pack()

    def read(self) -> list[float]:
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
