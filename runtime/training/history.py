"""Records of a training: its epochs, its result, and the listener interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.early_stopping import Patience
    from dlc.compiler.training.metrics import CountTable
    from dlc.compiler.training.phases import Phase
    from dlc.runtime.training.training_plan import TrainingPlan

Figures = dict[str, float]
INTERRUPTED = "interrupted"  # how a training ended


@dataclass(frozen=True)
class Epoch:
    """The record of one epoch. Epochs and steps count from 1.

    `rate` is the learning rate of the optimizer without `on=`, or else of the first one; `rates` are those of
    all optimizers, in the order of the spec. `train` has the mean losses of the steps. `best` says that these
    are the best weights of the phase so far: the newest ones, if no figure is `compared`. `phase` is its
    name, if the spec has phases. `gradient_norm` is that of the last step, after clipping, over all weights
    that training changes. `rows_per_second` counts training rows, and `seconds` the validation too. `memory`
    is the most that the process took so far, in bytes: of the GPU if it trains on one, 0 if unknown.
    """

    epoch: int
    step: int
    rate: float
    seconds: float
    train: Figures
    validation: Figures
    best: bool
    rates: tuple[float, ...] = ()
    phase: str = ""
    compared: bool = True
    gradient_norm: float = nan
    rows_per_second: float = 0.0
    memory: int = 0

    def record(self) -> dict[str, Any]:
        """As plain JSON values; with `best` only if epochs are compared, `rates` only if there are several,
        and `phase` only if it has a name."""
        record = asdict(self) | {"train": plain(self.train), "validation": plain(self.validation)}
        record |= plain({"gradient_norm": self.gradient_norm})
        del record["compared"]
        if not self.compared:
            del record["best"]
        if len(self.rates) < 2:
            del record["rates"]
        if not self.phase:
            del record["phase"]
        return record

    @classmethod
    def restored(cls, record: Mapping[str, Any]) -> Epoch:
        """The epoch of this record, as a state of a training has them."""
        return cls(**{**record, "rates": tuple(record["rates"])})


@dataclass(frozen=True)
class Moment:
    """A moment within an epoch. `step` counts from 1, over all epochs; `rate` is its learning rate. `losses`
    gives the mean losses of the steps of the epoch so far; it waits for the device."""

    step: int
    rate: float
    losses: Callable[[], Figures]


@dataclass(frozen=True)
class PhaseEnd:
    """The end of a phase: its epochs counted from the first of the training, the kept one, the best one (0 if
    no figure compares epochs), why it ended, and the figures of its weights."""

    name: str
    first: int
    last: int
    kept: int
    best: int
    ended: str
    figures: Mapping[str, Figures]


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    `weights` are those of epoch `kept` (0: the initial weights). `figures` and `tables` are measured with
    them on every part of the data, in inference form; `answers` are counts of what they answer. `ended` is
    `done`, `early` (early stopping), `met` (the condition of `until` holds), `interrupted` or `diverged`.
    `best` is the best epoch, 0 if nothing compares epochs. The kept epoch is the best or the last one;
    `other` are the weights of the other one, empty if both are the same epoch. All this is of the last phase
    that was trained; `phases` are the ends of all that were trained to an end, in order.
    """

    weights: Mapping[str, np.ndarray] = field(repr=False)
    history: tuple[Epoch, ...]
    kept: int
    ended: str
    figures: Mapping[str, Figures] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, CountTable]] = field(default_factory=dict)
    best: int = 0
    other: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    phases: tuple[PhaseEnd, ...] = ()
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def last(self) -> int:
        """The last epoch."""
        return len(self.history)

    @property
    def was_interrupted(self) -> bool:
        return self.ended == INTERRUPTED

    def state(self) -> dict[str, Any]:
        """Its fields as numbers, texts and arrays; of its history only the number of epochs."""
        kept = {f.name: getattr(self, f.name) for f in fields(self)}
        tables = {part: {n: asdict(t) for n, t in of.items()} for part, of in self.tables.items()}
        return kept | {"history": self.last, "tables": tables, "phases": [asdict(p) for p in self.phases]}

    @classmethod
    def restored(cls, kept: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> Trained:
        """The training with this state; `history` has its epochs, and maybe more."""
        from dlc.compiler.training.metrics import CountTable

        weights, other = ({n: w.numpy() for n, w in kept[of].items()} for of in ("weights", "other"))
        tables = {part: {n: CountTable(**t) for n, t in of.items()} for part, of in kept["tables"].items()}
        epochs = tuple(map(Epoch.restored, history[: kept["history"]]))
        phases = tuple(PhaseEnd(**phase) for phase in kept["phases"])
        return cls(weights, epochs, kept["kept"], kept["ended"], kept["figures"], tables, kept["best"], other,
                   phases, kept["answers"])  # fmt: skip

    def described(self, epoch: int) -> str:
        """An epoch in words: `epoch 12, the best`."""
        words = [word for word, other in (("best", self.best), ("last", self.last)) if epoch == other]
        return f"epoch {epoch}, the {' and the '.join(words)}" if words else f"epoch {epoch}"


def kept_weights(phase: str, kept: int) -> str:
    """Which weights are kept: those of an epoch of a phase, or with 0 those with which it began."""
    if not kept:
        return f"the weights with which the phase `{phase}` began are kept" if phase else \
            "the initial weights are kept"  # fmt: skip
    return f"the weights of epoch {kept}{f' of the phase `{phase}`' if phase else ''} are kept"


def plain(figures: Figures) -> dict[str, float | None]:
    """Figures as JSON values; NaN and infinity are None."""
    return {name: value if isfinite(value) else None for name, value in figures.items()}


class Listener:
    """What is told about a training while it runs. Its methods do nothing: a listener overrides those that it
    needs. An exception in one ends the training.

        class Losses(dlc.Listener):
            def epoch(self, epoch, weights):
                print(epoch.epoch, epoch.train["loss"])

        dlc.train("iris.dl", listeners=[Losses()])
    """

    def begin(
        self, program: CompiledProgram, plans: Sequence[TrainingPlan], history: Sequence[Epoch] = ()
    ) -> None:
        """Called once, with the plan of each phase; `history` has the epochs of a run that is
        resumed."""

    def step(self, moment: Moment) -> None:
        """Called from time to time within an epoch."""

    def samples(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        """Called with the values of `sample`, a row each, some times in a training."""

    def epoch(self, epoch: Epoch, weights: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """Called after every epoch; `weights` returns the best weights so far."""

    def statistics(self, record: Mapping[str, Any]) -> None:
        """Called after some epochs, with the norms of weights and gradients and the state of the units."""

    def phase(self, phase: PhaseEnd) -> None:
        """Called at the end of each phase, if the spec has phases."""

    def end(self, trained: Trained) -> None:
        """Called at the end, also if the training diverged."""


def compared(stopping: Patience | None, validated: bool, losses: Sequence[str]) -> tuple[str, str]:
    """The part of the data and the figure by which epochs are compared: those of early stopping, else the
    loss, of the validation rows if there are any. No figure, if there are several losses."""
    if stopping is not None:
        return stopping.part, stopping.figure
    return "validation" if validated else "train", losses[0] if len(losses) == 1 else ""


class BestEpoch:
    """Early stopping: tracks the best epoch and the number of epochs since then.

    Without early stopping it never stops. Where no figure compares epochs, each is the best so far.
    """

    def __init__(self, phase: Phase, lower_is_better: bool, validated: bool) -> None:
        self._stopping = stopping = phase.settings.early_stop
        self._sign = 1 if lower_is_better else -1
        self._part, self._figure = compared(stopping, validated, [o.figure for o in phase.objectives])
        self._min_delta = stopping.min_delta if stopping else 0.0
        self._best, self._waited = inf, 0
        self.latest = inf  # the compared figure of the last epoch, lower is better

    @property
    def compares(self) -> bool:
        """Whether a figure compares epochs."""
        return bool(self._figure)

    def number(self, best_at: int, begun: int) -> int:
        """The best epoch, or 0 if there is none. `begun` is the last epoch before the phase."""
        return best_at if self.compares and best_at > begun else 0

    def better(self, parts: Mapping[str, Figures]) -> bool:
        if not self._figure:
            return True
        figure = self._sign * parts[self._part].get(self._figure, inf)
        self.latest = figure if isfinite(figure) else inf
        if not figure < self._best - self._min_delta:  # NaN is never better
            self._waited += 1
            return False
        self._best, self._waited = figure, 0
        return True

    def state(self) -> dict[str, Any]:
        return {"figure": self._best, "waited": self._waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._best, self._waited = state["figure"], state["waited"]

    @property
    def over(self) -> bool:
        return self._stopping is not None and self._waited >= self._stopping.n
