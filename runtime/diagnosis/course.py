"""The course of one phase of a run, as a diagnosis reads it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, log, nan, sqrt
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from dlc.compiler.training.optimizers import main_optimizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.optimizers import Optimizer
    from dlc.compiler.training.phases import Phase
    from dlc.runtime.run_record import RunRecord

    Record = Mapping[str, Any]

RECURRENT = ("rnn", "lstm", "gru")
UNSEEN = ("validation", "test")
SCALING = ("standardize", "minmax", "divide", "multiply")


@dataclass(frozen=True)
class Skill:
    """How much better answers are than the same answer to all rows: 1 if all are right, 0 if they are no
    better. For classes, the share of the rows that the most frequent class does not have that are right; for
    numbers, the share of the variance that is explained. `error` is its standard error."""

    value: float
    error: float
    variance: float  # of numbers; 1 for classes
    words: str  # "accuracy 0.98", "R2 0.42"
    rows: int

    def scaled(self, variance: float) -> Skill:
        """The skill measured with a larger variance, if the rows vary little."""
        share = min(self.variance / variance, 1)
        return replace(self, value=1 - (1 - self.value) * share, error=self.error * share)


@dataclass(frozen=True)
class Course:
    """One phase of a run. `program` is the spec of the run, none if it does not compile any more. `answers`
    are those of the last phase."""

    record: RunRecord
    name: str
    epochs: Sequence[Record]
    statistics: Sequence[Record]
    program: CompiledProgram | None = None
    phase: Phase | None = None
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_last: bool = True

    # --- the losses ---------------------------------------------------------------------------------------

    @cached_property
    def figure(self) -> str:
        """The name of the loss, if there is one alone; a `step` for another has an objective of its own, and
        their losses compare no epochs."""
        losses = [name for name in (self.epochs[0].get("train") or {}) if name.endswith("loss")] \
            if self.epochs else []  # fmt: skip
        several = self.phase is not None and len(self.phase.objectives) > 1
        return "loss" if "loss" in losses and not several else ""

    def curve(self, part: str) -> list[float]:
        """The loss of each epoch; NaN where it was not finite or not measured. Empty without one loss."""
        found = [(epoch.get(part) or {}).get(self.figure) for epoch in self.epochs if self.figure]
        return [float(x) if isinstance(x, (int, float)) else nan for x in found] if any(
            isinstance(x, (int, float)) for x in found) else []  # fmt: skip

    @property
    def diverged(self) -> bool:
        return self.is_last and any(record.get("diverged") for record in self.statistics[-1:])

    @cached_property
    def kept(self) -> int:
        """The place of the epoch among those of the phase whose weights are kept: the best one with early
        stopping, else the last one."""
        stops = self.phase is not None and self.phase.settings.early_stop is not None
        best = [place for place, epoch in enumerate(self.epochs) if epoch.get("best")]
        return best[-1] if stops and best else len(self.epochs) - 1

    def epoch(self, place: int) -> int:
        """The number of an epoch, as messages show it."""
        return int(self.epochs[place].get("epoch", place + 1))

    # --- the answers --------------------------------------------------------------------------------------

    def skill(self, output: str, *parts: str) -> Skill | None:
        """The skill of the answers to an output in some parts of the data together; none if it has no such
        rows, or all have one class or number."""
        found = [of[output] for part in parts for of in [self.answers.get(part, {})] if output in of]
        found = [one for one in found if one.get("rows") and one.get("rows") != [0]]
        if not found:
            return None
        return class_skill(found) if "right" in found[0] else number_skill(found)

    @cached_property
    def outputs(self) -> list[str]:
        """The outputs whose answers are counted, and depend on weights that the phase trains: others, such as
        a forecast that repeats the last year, cannot be learnt better."""
        counted = dict.fromkeys(output for of in self.answers.values() for output in of)
        if self.program is None or self.phase is None:
            return list(counted)
        learns = frozenset[str]().union(*(objective.learns for objective in self.phase.objectives))
        graph = self.program.graph
        learnt = graph.depends({w.value: 1 for w in graph.weights if w.name in learns})
        return [o.name for o in self.program.outputs if o.name in counted and o.flowed in learnt]

    def evenly(self, output: str, part: str) -> float:
        """The skill of the mean of the shares of each class that are right, in which a rare class counts as
        much as a frequent one; NaN for numbers."""
        counts = self.answers.get(part, {}).get(output, {})
        if "right" not in counts:
            return nan
        shares = [right / rows for rows, right in zip(counts["rows"], counts["right"], strict=True) if rows]
        return (fmean(shares) - 1 / len(shares)) / (1 - 1 / len(shares)) if len(shares) > 1 else nan

    def worst(self, *parts: str) -> tuple[str, Skill] | None:
        """The output with the least skill in these parts."""
        skills = [(name, skill) for name in self.outputs for skill in [self.skill(name, *parts)] if skill]
        return min(skills, key=lambda pair: pair[1].value, default=None)

    @cached_property
    def learnt(self) -> float:
        """The least skill on the training rows; NaN if no answers are counted."""
        found = self.worst("train")
        return found[1].value if found else nan

    @cached_property
    def constant_loss(self) -> float:
        """The loss of the best answer that is the same for all rows, if it is `cross_entropy`, `bce` or `mse`
        of one output; else NaN."""
        of = self.answers.get("train", {})
        if len(of) != 1:
            return nan
        [found] = of.values()
        if "right" not in found:
            return found.get("variance") or nan
        total = sum(found["rows"])
        return -sum(n / total * log(n / total) for n in found["rows"] if n) if total else nan

    # --- the statistics -----------------------------------------------------------------------------------

    @cached_property
    def layers(self) -> dict[str, list[Record]]:
        """The records of each layer, in the order of the network; those that no gradient was measured for are
        left out. Of a training that diverged, the last one, of the weights before it did."""
        found: dict[str, list[Record]] = {}
        for record in self.statistics[-1:] if self.diverged else self.statistics:
            for weight in record.get("weights", ()):
                if weight.get("norm") and weight.get("gradient") is not None:
                    found.setdefault(weight["name"], []).append(weight)
        return found

    def relative(self, name: str, what: str) -> float:
        """The median of the gradient, or of the update of an epoch, of a layer relative to its weights."""
        found = [w[what] / w["norm"] for w in self.layers[name] if w.get(what) is not None]
        return median(found) if found else nan

    @cached_property
    def moved(self) -> float:
        """How far the weights of the layer that moved most came in all epochs, relative to their norm; NaN if
        it is not known."""
        found = [self.relative(name, "update") for name in self.layers]
        return max(found, default=nan) * len(self.epochs)

    @cached_property
    def units(self) -> Record | None:
        """The last record of units: that of the end of the training, which does not depend on the time that
        there was for it. None if there is none."""
        return next((record for record in reversed(self.statistics) if record.get("rows")), None)

    # --- the spec -----------------------------------------------------------------------------------------

    def nodes(self) -> Iterator[Any]:
        yield from self.program.graph.nodes if self.program is not None else ()

    def uses(self, *operators: str) -> bool:
        return any(node.operator.name in operators for node in self.nodes())

    @property
    def takes_raw_numbers(self) -> bool:
        """Whether the spec has inputs of numbers, and scales no input by an operator or by arithmetic."""
        inputs = self.program.inputs if self.program is not None else ()
        return any(i.declared.is_float for i in inputs) and not self.uses(*SCALING)

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer, if there is one."""
        if self.phase is None:
            return None
        written = [optimizer for o in self.phase.objectives for optimizer in o.optimizers]
        return main_optimizer(written) if len(written) == 1 else None

    def with_rate(self, factor: float) -> str:
        """The optimizer as the spec would write it with the rate times a factor. A higher rate is a usual one
        at most; a lower one that is not usual yet is the default."""
        optimizer = self.optimizer
        if optimizer is None:
            return f"rates {'ten times' if factor > 1 else 'a tenth'} of the present ones"
        rate, setting = float(f"{optimizer.lr * factor:.1g}"), optimizer.settings["lr"]
        highest = setting.usual[1] if setting.usual is not None else inf
        if factor > 1 and optimizer.lr >= highest:
            return "far more epochs"
        if rate > highest:
            rate = highest if factor > 1 or setting.required else setting.default
        return f"`optimizer = {optimizer.with_settings(lr=rate)!r}`"


def class_skill(found: Sequence[Record]) -> Skill | None:
    counts = [sum(of) for of in zip(*(one["rows"] for one in found), strict=True)]
    total, right = sum(counts), sum(sum(one["right"]) for one in found)
    if not total or max(counts) == total:
        return None
    accuracy, most = right / total, max(counts) / total
    error = sqrt(max(accuracy * (1 - accuracy), 1 / total) / total)
    return Skill((accuracy - most) / (1 - most), error / (1 - most), 1, f"accuracy {accuracy:.3g}", total)


def number_skill(found: Sequence[Record]) -> Skill | None:
    rows = sum(one["rows"] for one in found)
    if any(one.get("variance") is None or one.get("error") is None for one in found):
        return None
    variance = sum(one["variance"] * one["rows"] for one in found) / rows
    left = sum(one["error"] * one["rows"] for one in found) / rows
    if not variance:
        return None
    value = 1 - left / variance
    return Skill(value, left / variance * sqrt(2 / rows), variance, f"R2 {value:.3g}", rows)
