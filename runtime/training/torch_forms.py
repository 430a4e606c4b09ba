"""The training and inference forms of a program as torch modules that share their weights."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import torch

from dlc.compiler.dims.dim import evaluate, names
from dlc.compiler.lower.dim_bindings import dim_sources
from dlc.compiler.lower.torch import Model
from dlc.compiler.operators.operands import DTYPES
from dlc.compiler.operators.sampling import WORD
from dlc.compiler.passes import specialize
from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.passes.hoisting import hoist
from dlc.compiler.training.figures import titles
from dlc.runtime.data import required_fields
from dlc.runtime.data.rows.dataset import batch_sizes
from dlc.runtime.training import device as device_of
from dlc.runtime.training.batch_losses import Losses
from dlc.runtime.training.batch_means import Means
from dlc.runtime.training.batches import DrawnShapes, Loader
from dlc.runtime.training.execution import Batch, Execution
from dlc.runtime.training.fit import computing
from dlc.runtime.training.meter import Meter, OutputMetric
from dlc.runtime.training.training_plan import sizes_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph, Value, Weight
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Objective, Phase
    from dlc.runtime.data.rows.dataset import Rows

    CutGraph = tuple[Graph, Graph]

EVALUATED = 4  # minimum ratio of the rows of a batch without gradients to those of a training batch
ROOM = 1 << 24  # maximum entries of the largest tensor in larger batches
CACHED = 1 << 20  # the same on a CPU, to fit its caches
DECODED = 1024  # maximum rows of a batch whose answers are made step by step, as `dlc eval` takes them
LONG = 1000  # assumed size of a free dimension


class TorchForm:
    """A graph as a function of a batch, which has a tensor for each of `fields`, in order; the graph may read
    only some of them. `early` is the graph of values that are computed once from all rows, before they are
    split into batches.

    `figures` maps the names of reported losses to outputs. In addition to its outputs, the module returns the
    `means` of the losses, each with its weight.
    """

    def __init__(self, graph: Graph, early: Graph, figures: Mapping[str, str],
                 weights: Mapping[str, torch.Tensor], device: torch.device,
                 precision: str = "float32", fields: Sequence[str] = ()) -> None:  # fmt: skip
        self.graph, self.early = graph, early
        self.execution = Execution(weights, device, precision)
        self.fields = list(fields or [value.field for value in graph.inputs if value.default is None])
        self.means = Means(graph, figures, self.execution, self.fields)
        self._indices = [self.fields.index(value.field) for value in graph.inputs if value.default is None]
        self._seeds = [(n, v.default) for n, v in enumerate(graph.inputs) if v.default is not None]
        self.module = self.execution.module(self.means.graph)
        self.weights = self.execution.weights(graph)
        self.dtypes = [dtype_of(w) for w in graph.weights]  # of the exported weights
        self._moves = any(node.operator.moves for node in graph.nodes)
        self._run = self._under_autocast if precision == "bf16" else self.module.forward

    def __call__(
        self, batch: Batch, weights: list[torch.Tensor] | None = None, first: int = 0
    ) -> dict[str, Any]:
        """What it computes for a batch. `first` is the number of the first row, on which draws depend."""
        return self._run(*self.given(batch, first), *(weights or self.weights))

    def exported_weights(self) -> list[torch.Tensor]:
        """The weights with the dtypes of the artifact, whatever the precision of training."""
        return [w.to(dtype) for w, dtype in zip(self.weights, self.dtypes, strict=True)]

    def at_step(self, step: int) -> None:
        """Set the step of training, counted from 0, if a number of the graph changes with it."""
        if self._moves:
            self.execution.at_step(step)

    def given(self, batch: Batch, first: int = 0) -> Batch:
        """The tensors of a batch that the graph reads, and the seed of decoded answers that are drawn."""
        given = [batch[index] for index in self._indices]
        for place, seed in self._seeds:
            given.insert(place, torch.tensor(seed + first * WORD))
        return given

    def _under_autocast(self, *given: torch.Tensor) -> dict[str, Any]:
        with self.execution.autocast():
            return self.module.forward(*given)


class Forms:
    """The forms of a program on one device, with shared weights: one inference form, and one training form
    for each objective. `units` are those of the fields that were cut from texts."""

    def __init__(
        self,
        program: CompiledProgram,
        values: Mapping[str, np.ndarray],
        device: torch.device,
        phase: Phase | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        self.program, self.device, self._values = program, device, values
        self.phase = phase = phase or program.last_phase
        self.measured = measured(program, phase, units or {})
        settings, objectives = phase.settings, phase.objectives
        parted, *answered = self._cut_graphs()
        (early_answering, answering), (early_sampling, sampling), (early_decoding, decoding) = answered
        late = [graph for _, graph in parted]
        device_of.check_precision(device, settings)
        device_of.check_elements(device, *late, answering, decoding)
        read = {w for graph in (answering, sampling, decoding, *late) for w in graph.weights}
        early_graphs = (early_answering, early_sampling, early_decoding, *(graph for graph, _ in parted))
        early = {w for graph in early_graphs for w in graph.weights}
        held = [w for w in program.graph.weights if w in read or w not in early]
        model = Model(answering, held, values).to(device)
        if settings.precision == "float64":
            model.double()
        if device.type == "cpu" and not any(objective.recomputes for objective in objectives):
            channels_last(model)
        self.weights = dict(model.named_parameters()) | dict(model.named_buffers(recurse=False))
        self.fields = list(dict.fromkeys(v.field for graph in late for v in graph.inputs))
        self.training = [
            TorchForm(graph, before, specialize.figures_of(objective, "loss"), self.of_step(objective),
                      device, settings.precision, self.fields)
            for (before, graph), objective in zip(parted, objectives, strict=True)
        ]  # fmt: skip
        figures = {name: at for o in objectives for name, at in specialize.figures_of(o).items()}
        self.answering = TorchForm(answering, early_answering, figures, self.weights, device)
        self.sampling = TorchForm(sampling, early_sampling, {}, self.weights, device)
        self.decoding = TorchForm(decoding, early_decoding, {}, self.weights, device)
        self._prepared: list[tuple[Rows, Graph, Rows]] = []
        self.differentiates = any(n.operator.wrt is not None for n in self.answering.graph.nodes)
        self.work = sum(work(form.graph) for form in self.training)
        self._fitting = (CACHED if device.type == "cpu" else ROOM) // largest(self.answering.graph)
        used = list(dict.fromkeys(w for graph in late for w in graph.weights))
        for weight in used:
            if weight.trainable and settings.freezes(weight):
                self.weights[weight.name].requires_grad_(False)
        self.trained = [self.weights[w.name] for w in used if any(w.name in o.learns for o in objectives)]
        self.statistics = [self.weights[w.name] for w in used if any(w.name in o.updates for o in objectives)]

    def _cut_graphs(self) -> tuple[list[CutGraph], CutGraph, CutGraph, CutGraph]:
        """The training forms, the inference form with losses and metrics, that of samples, and that of
        decoded answers; each as what is computed once from all rows, and the rest."""
        program, phase = self.program, self.phase
        asked = tuple(dict.fromkeys(m.output for m in self.measured if not m.type.decoded))
        decoded = dict.fromkeys(m.output for m in self.decoded)
        answered = replace(program, exports=tuple((name, program.output(name)) for name in asked))
        drawn = {field.name for field in required_fields(program) if field.drawn}
        # rows that differ in length have no array of what is computed early
        cut = partial(hoist, drawn=drawn) if not program.lengths else not_hoisted
        # in float64 no value is computed in float32 before the steps
        cut_training = not_hoisted if phase.settings.precision == "float64" else cut
        pursued = [cut_training(specialize.training(program, objective)) for objective in phase.objectives]
        answering = cut(specialize.validation(answered, phase))
        decoding = cut(specialize.decoding(program, [program.output(name) for name in decoded]))
        return pursued, answering, cut(specialize.samples(program, phase)), decoding

    def of_step(self, objective: Objective) -> dict[str, torch.Tensor]:
        """The weights, without gradients for those that the objective does not train. They share memory."""
        return {name: w if name in objective.learns or not w.requires_grad else w.detach()
                for name, w in self.weights.items()}  # fmt: skip

    def at_step(self, step: int) -> None:
        """Set the step of training, counted from 0, of all training forms."""
        for form in self.training:
            form.at_step(step)

    def loader(self, rows: Rows, *of: TorchForm, seed: int | None = None) -> Loader:
        """A loader of the fields that forms read. With a seed, drawn inputs are the same in every pass."""
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        for form in of:
            rows = self.prepared(rows, form.early)
        given = {value.field: value for form in of for value in form.graph.inputs}
        there = rows.types if rows.drawn else ()
        others = {value.field: value for value in self.program.graph.inputs if value.field in there}
        sources = dim_sources(value for field, value in others.items() if field not in rows.drawn)
        sources = dim_sources((v for field, v in given.items() if field not in rows.drawn), sources)
        drawn = DrawnShapes({n: given[n].type.shape for n in rows.drawn if n in given}, sources)
        fields = dict.fromkeys([*(field for form in of for field in form.fields), *drawn.fields])
        return Loader(rows, [*fields], self.device, drawn, generator)

    def prepared(self, rows: Rows, early: Graph) -> Rows:
        """The rows with the fields of the graph `early`, which is computed on the CPU and cached."""
        if not early.outputs:
            return rows
        for given, graph, made in self._prepared:
            if given is rows and graph is early:
                return made
        made = rows.with_fields([v.field for v in early.inputs], computing(early, self._values))
        self._prepared.append((rows, early, made))
        return made

    @property
    def decoded(self) -> list[OutputMetric]:
        """The metrics of answers that are made step by step."""
        return [m for m in self.measured if m.type.decoded]

    def measure(
        self, part: str, rows: Rows, watched: Container[str] | None = None, *, answers: bool = False
    ) -> Meter:
        """A meter with the losses and metrics of a part of the rows, in inference form; with `answers`, with
        counts of what is answered. Metrics of decoded answers are measured if their figures are `watched`, by
        default all. What is drawn is the same each time, and differs from what is drawn for other parts."""
        assert rows.count is not None, "drawn rows are not measured"
        decoded = [m for m in self.decoded if watched is None or any(name in watched for name in m.figures)]
        plain = [m for m in self.measured if not m.type.decoded]
        losses = Losses([self.answering.means])
        meter = Meter([m for m in self.measured if m in plain or m in decoded], losses, answers=answers)
        seed, batch = seed_of(self.phase.settings.seed, part), self.phase.settings.batch
        sizes = sizes_of(rows.count, "all" if batch == "all" else max(EVALUATED * batch, self._fitting))
        for made, targets in self._answers(self.answering, rows, sizes, seed, plain):
            losses.add(made)
            meter.add(as_arrays(made, self.answering), targets, plain)
        copies = max((m.decoder.row_copies for m in self.program.outputs if m.decoder), default=1)
        most = max(DECODED // copies, 1)
        sizes = batch_sizes(rows.count, min(most, rows.inspected(rows.types))) if decoded else []
        for made, targets in self._answers(self.decoding, rows, sizes, seed, decoded):
            meter.add(as_arrays(made, self.decoding), targets, decoded)
        return meter

    def _answers(
        self, form: TorchForm, rows: Rows, sizes: Sequence[int], seed: int, measured: Sequence[OutputMetric]
    ) -> Iterator[tuple[dict[str, Any], Mapping[str, np.ndarray]]]:
        """What a form returns for each batch, and the targets of what is measured."""
        targets = {m.target for m in measured}
        lengths = {name for field, name in rows.length_names.items() if field in targets}
        batches = self.loader(rows, form, seed=seed).batches(sizes) if sizes else ()
        with torch.inference_mode(not self.differentiates):
            weights = form.exported_weights()
        pairs = zip(batches, rows.batches(sizes, targets | lengths), strict=True)
        for first, (batch, of_batch) in zip(accumulate(sizes, initial=0), pairs, strict=False):
            with torch.inference_mode(not self.differentiates):
                made = form(batch, weights, first)
            yield made, of_batch

    def arrays(self, tensors: list[torch.Tensor] | None = None) -> dict[str, np.ndarray]:
        """The weights as arrays, in the order of the spec; `tensors` replaces their values."""
        held = dict(zip(self.weights, tensors, strict=True)) if tensors else self.weights
        return {
            w.name: as_array(held[w.name], dtype_of(w)) if w.name in held else self._values[w.name]
            for w in self.program.graph.weights
        }


def as_arrays(made: Mapping[str, Any], form: TorchForm) -> dict[str, np.ndarray]:
    """The answers of a form, without its losses."""
    names = form.graph.outputs.keys() - {*form.means.figures.values()}
    return {name: made[name].detach().cpu().numpy() for name in names}


def seed_of(seed: int, use: str) -> int:
    """The seed of what is drawn for a use other than training, such as the validation rows."""
    return crc32(f"{seed} {use}".encode())


def not_hoisted(graph: Graph) -> tuple[Graph, Graph]:
    """An empty graph in place of the hoisted one, and the whole graph."""
    return prune(graph, {}), graph


def as_array(tensor: torch.Tensor, dtype: torch.dtype) -> np.ndarray:
    return tensor.detach().to(dtype).cpu().numpy().copy()


def dtype_of(weight: Weight) -> torch.dtype:
    return getattr(torch, DTYPES[weight.value.type.element][0])


def channels_last(model: Model) -> None:
    """Convert image filters to the channels_last memory format. CPU kernels are fastest with it and propagate
    it to their results."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.dim() == 4:
            tensor.data = torch.empty_like(tensor, memory_format=torch.channels_last).copy_(tensor)


def largest(graph: Graph) -> int:
    """Number of entries of the largest tensor of one row."""
    return max(entries(v) for v in [*graph.inputs, *(v for n in graph.nodes for v in n.results)])


def work(graph: Graph) -> int:
    """Approximate operations for one row: multiply-adds, plus the entries of every result."""
    adds = (estimate(node.operator.multiply_adds()) for node in graph.nodes)
    return sum(adds) + sum(entries(v) for node in graph.nodes for v in node.results)


def entries(value: Value) -> int:
    return prod(map(estimate, value.type.shape))


def estimate(size: Size) -> int:
    """A size, with `LONG` for every free dimension."""
    return evaluate(size, dict.fromkeys(names(size), LONG))


def measured(program: CompiledProgram, phase: Phase, units: Mapping[str, str]) -> list[OutputMetric]:
    """The metrics of a phase. `units` are those of the fields that were cut from texts. Metrics that compare
    whole rows are of the answers that the artifact makes, all others of each step after the right ones."""
    outputs = {o.name: o for o in program.outputs}
    return [
        OutputMetric(name, of.name, of.answered if metric.whole_rows else of.declared, of.target, metric,
                     units.get(of.target, ""))
        for name, (output, metric) in zip(titles(phase.metrics), phase.metrics, strict=True)
        for of in [outputs[output]]
    ]  # fmt: skip
