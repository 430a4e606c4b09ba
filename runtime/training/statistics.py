"""Statistics of the weights and the units of a network, taken at the ends of epochs."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import ceil, isfinite
from time import process_time
from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.passes.watched_layers import hidden_units, layers
from dlc.runtime.data.rows.dataset import spread_out
from dlc.runtime.training.snapshot import random_states, set_random_states
from dlc.runtime.training.torch_forms import CACHED, largest, seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.passes.watched_layers import Units, WatchedLayer
    from dlc.runtime.data.rows.dataset import Dataset
    from dlc.runtime.training.execution import Batch
    from dlc.runtime.training.history import Epoch, Listener
    from dlc.runtime.training.learner import Learner
    from dlc.runtime.training.snapshot import Snapshot
    from dlc.runtime.training.training_plan import TrainingPlan

SHARE = 0.015  # of the CPU time of the run so far, that goes at most into those of units before the end
RECORDS = 100  # at most in a phase, about
FIRST, STEPS = 20, 20  # the records that each phase may have, and the steps for each one more
ROWS, FEWEST = 256, 32  # training rows whose units are looked at
NODE = 3e-4  # CPU seconds to build one node of the form
FREE, SEEN = 1 << 27, 50  # operations that the last record may take; or one row for so many trained rows
FLAT = 0.01  # a saturating function is flat within this part of its range from its ends
ALWAYS = 0.9  # of the values of a unit are flat: it is saturated


class Statistics:
    """The statistics of one phase.

    They read weights and gradients as the last step left them, and run an inference form with more outputs
    on some training rows. So they change no weight, no running statistic and no gradient, and random
    generators are set back. Which epochs have a record depends on the spec and its rows alone, and so do the
    rows whose units are looked at in the last epoch: a diagnosis reads these. The units of epochs before are
    looked at for as many rows as there is time for: their CPU time is measured, and stays below `SHARE` of
    that of the run, or of the phase if it is not the first one.
    """

    def __init__(
        self, learner: Learner, data: Dataset, plan: TrainingPlan, before: Snapshot,
        listeners: Sequence[Listener], began: float, entered: float,
    ) -> None:  # fmt: skip
        """`before` are the weights as they were when the epoch began. `entered` is the CPU time when the
        phase began, and `began` that from which the time counts of which a share may be spent: that of the
        run, for its first phase."""
        self._began, self._entered, self._listeners = began, entered, listeners
        self._learner, self._forms, self._before = learner, learner.forms, before
        assert data.train is not None, "the plan checks it"
        self._plan, self._rows, self._every = plan, data.train, ceil(plan.epochs / RECORDS)
        self._waited, self._rows_seen, self._records, self._steps = 0, 0, 0, 0
        self._spent = self._told = 0.0
        self._per_row: float | None = None  # CPU seconds to run the form, measured

    def take(self, epoch: Epoch, is_last: bool = False) -> None:
        """Tell the listeners the statistics of an epoch that has just ended, unless it is left out; those of
        the last one always."""
        self._waited += 1
        self._rows_seen += sum(self._plan.sizes)
        self._steps += len(self._plan.sizes)
        may = self._records < FIRST + self._steps // STEPS and self._waited >= min(self._every, epoch.epoch)
        if not may and not is_last:
            return
        self._waited, self._records = 0, self._records + 1
        rows = self._at_end(epoch) if is_last else self._affordable(process_time() - self._began)
        self._tell(self._record(epoch.epoch, epoch.step, epoch.phase, rows))

    def before_divergence(self, batches: list[Batch], epoch: int, step: int) -> None:
        """Tell the statistics of the weights with which the epoch began in which the training diverged, with
        their gradients on the batches of a step. They are computed anew, since the training is over."""
        for place, taken in self._learner.order(batches):
            self._learner.trainers[place].gradients(taken)
        self._tell(self._record(epoch, step, self._forms.phase.name, FEWEST) | {"diverged": True})

    def _tell(self, record: dict[str, Any]) -> None:
        began = process_time()
        for listener in self._listeners:
            listener.statistics(record)
        self._spent += process_time() - began

    def _at_end(self, epoch: Epoch) -> int:
        """The number of rows whose units are looked at in the last epoch, which no clock decides."""
        work = max(self._forms.work, 1)
        seen = sum(self._plan.sizes) * epoch.epoch // SEEN
        return min(ROWS, max(FEWEST, FREE // work, seen))

    def _affordable(self, elapsed: float) -> int:
        """The number of rows whose units there is time to look at; 0 if there are too few."""
        left = SHARE * elapsed - self._spent
        if self._per_row is None:  # not built yet
            left -= NODE * len(self._forms.answering.graph.nodes)
        per_row = self._per_row or (process_time() - self._entered) / self._rows_seen / 2
        count = self._rows.count
        fewest = FEWEST if count is None else min(FEWEST, count)
        rows = int(left / per_row)
        return min(rows, ROWS) if rows >= fewest else 0

    def _record(self, epoch: int, step: int, phase: str, rows: int) -> dict[str, Any]:
        """A record of the weights, and, if there are rows, of the units."""
        began = process_time()
        record: dict[str, Any] = {"epoch": epoch, "step": step, "phase": phase, "weights": self._of_weights()}
        if rows:
            rows = min(rows, self._most)
            record |= {"rows": rows, "units": self._of_units(rows) if self._units else []}
            record |= {"training_rows": self._rows.count} if self._rows.count is not None else {}
        self._spent += process_time() - began
        record["seconds"], self._told = self._spent - self._told, self._spent
        return record

    @cached_property
    def _layers(self) -> list[tuple[WatchedLayer, str]]:
        """The trained weights of layers, each with the step that trains it."""
        pursued = zip(self._forms.training, self._learner.trainers, strict=True)
        return [
            (layer, trainer.objective.step)
            for form, trainer in pursued
            for layer in layers(form.graph, trainer.objective.learns)
            if self._forms.weights[layer.weight.name].requires_grad
        ]

    @cached_property
    def _units(self) -> list[Units]:
        forms, graph = self._forms, self._forms.answering.graph
        names = {id(weight): name for name, weight in forms.weights.items()}
        trained = {names[id(weight)] for weight in forms.trained}
        answers = {v for o in forms.program.outputs for v in (o.flowed, o.scores)}
        return list(hidden_units(graph, trained, answers | {*graph.outputs.values()}))

    @cached_property
    def _graph(self) -> Graph:
        """The part of the inference form that computes the units."""
        graph = self._forms.answering.graph
        values = {str(place): units.value for place, units in enumerate(self._units)}
        return replace(prune(graph, values), inputs=graph.inputs)  # sizes are read from the inputs

    @cached_property
    def _most(self) -> int:
        """The most rows that fit into memory, beside what a step takes."""
        fit = CACHED // largest(self._graph) if self._units else ROWS
        most = min(ROWS, max(max(self._plan.sizes), fit))
        return most if self._rows.count is None else min(most, self._rows.count)

    @cached_property
    def _run(self) -> Callable[[int], dict[str, Any]]:
        """The values of the units for the first of some training rows, which are the same each time."""
        forms, form = self._forms, self._forms.answering
        rows, seed = self._rows, seed_of(self._forms.phase.settings.seed, "statistics")
        taken = rows if rows.count is None else rows.take(spread_out(rows, self._most)[: self._most])
        [batch] = forms.loader(taken, form, seed=seed).batches([self._most])
        given = [batch[form.fields.index(value.field)] for value in self._graph.inputs]
        module, weights = form.execution.module(self._graph), form.execution.weights(self._graph)

        def run(rows: int) -> dict[str, Any]:
            exported = [w.float() if w.is_floating_point() else w for w in weights]
            return module.forward(*(tensor[:rows] for tensor in given), *exported)

        return run

    def _of_weights(self) -> list[dict[str, Any]]:
        """The norm of each layer, of its gradient in the last step, and of its change in the epoch."""
        before = dict(zip(self._forms.weights, self._before.weights, strict=False))
        names = [layer.weight.name for layer, _ in self._layers]
        held = [self._forms.weights[name] for name in names]
        with torch.no_grad():
            norms = [
                [norm(w), norm(w.grad if w.grad is not None else torch.zeros(())), norm(w - before[name])]
                for name, w in zip(names, held, strict=True)
            ]
            numbers = torch.stack([n for row in norms for n in row]).tolist() if norms else []
        found = []
        for place, (layer, step) in enumerate(self._layers):
            size, gradient, update = numbers[3 * place : 3 * place + 3]
            where = {"name": layer.weight.name, "line": line_of(layer.weight.value),
                     "operator": layer.operator, "after": layer.after, "last": layer.last}  # fmt: skip
            where |= {"step": step} if step else {}
            of = {"norm": size, "gradient": gradient, "update": update}
            found.append(where | {name: n if isfinite(n) else None for name, n in of.items()})
        return found

    def _of_units(self, rows: int) -> list[dict[str, Any]]:
        """How many units of each activation are flat for all rows: dead, or saturated."""
        run, drawn = self._run, random_states(self._forms.device)
        began = process_time()
        with torch.set_grad_enabled(self._forms.differentiates):
            made = run(rows)
            counts = [flat_units(made[str(place)].detach(), of) for place, of in enumerate(self._units)]
            flat = torch.stack(counts).tolist()
        self._per_row = (process_time() - began) / rows
        set_random_states(self._forms.device, drawn)
        return [
            {"name": of.node.name, "line": line_of(of.value), "operator": of.node.operator.name,
             "units": of.count, "saturated" if of.node.operator.saturates else "dead": count}
            for of, count in zip(self._units, flat, strict=True)
        ]  # fmt: skip


def norm(tensor: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(tensor).float()


def flat_units(x: torch.Tensor, units: Units) -> torch.Tensor:
    """The number of units whose function is flat for all rows; of a saturating one for nearly all."""
    x = x.movedim(units.axis, 0).flatten(1)
    low, high = units.low, units.high
    if high is not None and units.node.operator.saturates:
        margin = FLAT * (high - low)
        flat = (x <= low + margin) | (x >= high - margin)
        return (flat.float().mean(1) >= ALWAYS).sum()
    return (~(x > low if high is None else (x > low) & (x < high)).any(1)).sum()


def line_of(value: Any) -> int:
    """The line in the spec that makes a value."""
    span = value.site.span
    return span.source.position(span.start)[0]
