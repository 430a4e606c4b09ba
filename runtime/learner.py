"""One step of training, and the record of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.kinds import Reject
from dlc.runtime.plans import impossible
from dlc.runtime.snapshot import copy, random_states, set_random_states

if TYPE_CHECKING:
    from dlc.compiler.training.section import Train
    from dlc.runtime.forms import Forms

HELD = 4096  # losses that are kept apart before they are packed into one tensor


class Learner:
    """Changes the weights of a program, batch by batch."""

    def __init__(self, forms: Forms, settings: Train, steps: int) -> None:
        if not forms.learnt:
            raise impossible("the loss depends on no weight: there is nothing to learn", settings, "loss")
        self.forms, self._settings, self._steps = forms, settings, steps
        self._weights, self._clip = forms.learnt, settings.clip
        self.optimizer = self._make_optimizer()
        self._groups = self.optimizer.param_groups

    def _make_optimizer(self) -> Any:
        try:
            return self._settings.optimizer.over(torch.optim, self.forms.learnt, self.forms.matrices)
        except Reject as reject:
            raise impossible(reject.message, self._settings, "optimizer", reject.help, reject.code) from None

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return self._settings.schedule.rate(self._settings.optimizer.lr, step, self._steps)

    def step(self, batch: list[torch.Tensor], step: int) -> torch.Tensor:
        """Change the weights by one batch; the loss stays on the device."""
        for group in self._groups:
            group["lr"] = self.rate(step)
        if self._settings.optimizer.recomputes:
            return self._search(batch)
        loss, _ = self._gradients(batch)
        self.optimizer.step()
        return loss

    def _gradients(self, batch: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Give every weight its gradient; the loss, and what is made small."""
        made = self.forms.training(batch)
        if not made["objective"].requires_grad:
            raise impossible(
                "the loss depends on no weight: there is nothing to learn", self._settings, "loss"
            )
        for weight in self._weights:
            weight.grad = None
        made["objective"].backward()
        if self._clip is not None:
            self._clip.torch(torch.nn.utils, self._weights)
        return made["loss"].detach(), made["objective"].detach()

    def _search(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """A step of an optimizer that computes the loss several times: what is drawn is the same
        each time, and running statistics move once. The loss is that before the step."""
        losses: list[torch.Tensor] = []
        drawn, statistics = random_states(self.forms.device), self.forms.statistics
        before = [s.clone() for s in statistics]

        def again() -> torch.Tensor:
            if losses:
                set_random_states(self.forms.device, drawn)
                copy(before, statistics)
            loss, objective = self._gradients(batch)
            losses.append(loss)
            return objective

        self.optimizer.step(again)
        return losses[0]

    def finite(self) -> bool:
        """True if no weight or statistic is NaN or infinite."""
        with torch.no_grad():
            sums = torch.stack([w.sum() for w in self.forms.weights.values()])
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
