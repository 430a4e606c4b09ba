"""What a training tells: its epochs, its result, and who listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.early_stopping import Patience
    from dlc.compiler.training.metrics import CountTable
    from dlc.runtime.training.training_plan import TrainingPlan

Figures = dict[str, float]


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training rows gave. Epochs and steps count from 1.

    `rate` is that of the optimizer without `on=`, else of the first; `rates` are those of a list of them, in
    its order. `train` holds the mean losses of the steps; `best` says that its weights are the ones to keep
    so far.
    """

    epoch: int
    step: int
    rate: float
    seconds: float
    train: Figures
    validation: Figures
    best: bool
    rates: tuple[float, ...] = ()

    def record(self) -> dict[str, Any]:
        """As plain values that JSON knows; `rates` where there are several."""
        told = asdict(self) | {"train": plain(self.train), "validation": plain(self.validation)}
        if len(self.rates) < 2:
            del told["rates"]
        return told


@dataclass(frozen=True)
class Trained:
    """What training gives.

    `weights` are those of epoch `kept` (0: as they began), `figures` and `tables` what they reach on every
    part of the data in the form that is exported. `ended` is `done`, `early`, `met` (what `until`
    says holds), `interrupted` or `diverged`.
    """

    weights: Mapping[str, np.ndarray] = field(repr=False)
    history: tuple[Epoch, ...]
    kept: int
    ended: str
    figures: Mapping[str, Figures] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, CountTable]] = field(default_factory=dict)


def plain(figures: Figures) -> dict[str, float | None]:
    """Figures as JSON knows them: what is no finite number is none."""
    return {name: value if isfinite(value) else None for name, value in figures.items()}


class Listener(Protocol):
    """Who hears of a training while it runs: the screen, the run folder."""

    def begin(self, program: CompiledProgram, plan: TrainingPlan) -> None: ...

    def step(self, step: int) -> None:
        """From time to time within an epoch."""

    def epoch(self, epoch: Epoch, weights: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """After every epoch; `weights` gives the ones to keep so far."""

    def end(self, trained: Trained) -> None:
        """Also where the training diverged."""


class Watch:
    """Knows the best epoch so far, and when enough epochs went by without a better one.

    Without early stopping the loss is watched, of validation where there is one, and it is never enough.
    """

    def __init__(self, stopping: Patience | None, lower_is_better: bool, validated: bool) -> None:
        self._stopping, self._sign = stopping, 1 if lower_is_better else -1
        self._part = stopping.part if stopping else "validation" if validated else "train"
        self._figure = stopping.figure if stopping else "loss"
        self._least = stopping.min_delta if stopping else 0.0
        self._best, self._waited = inf, 0

    def better(self, parts: Mapping[str, Figures]) -> bool:
        figure = parts[self._part].get(self._figure, inf)
        if not self._sign * figure < self._best - self._least:  # what is no number is never better
            self._waited += 1
            return False
        self._best, self._waited = self._sign * figure, 0
        return True

    @property
    def over(self) -> bool:
        return self._stopping is not None and self._waited >= self._stopping.n
