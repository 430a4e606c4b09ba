"""A compiled spec."""

from __future__ import annotations

from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import ClassCount, names
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.definitions.export_section import Export
    from dlc.compiler.definitions.sections import Data
    from dlc.compiler.diagnostics.diagnostic import Allowed, Diagnostic
    from dlc.compiler.diagnostics.source import Source
    from dlc.compiler.ir.graph import Graph, Input, Node, Output, Value
    from dlc.compiler.training.average_nets import Average
    from dlc.compiler.training.figures import Expectation
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.training.phases import Objective, Phase
    from dlc.compiler.training.train_section import Train
    from dlc.compiler.types import Classes, Tensor
    from dlc.compiler.vocabularies import Vocabulary


@record
class Facts:
    """Properties of the files that a spec names: the classes of `class(auto)` fields, by field, the types of
    tensors that `load` takes from files, by path, relative to the spec, and name, and the free dimensions
    along which rows differ in length. `vocabularies` are what `vocabulary` and `tokenize` have learnt."""

    classes: Mapping[str, Classes] = field(default_factory=dict)
    tensors: Mapping[tuple[str, str], Tensor] = field(default_factory=dict)
    lengths: frozenset[str] = frozenset()
    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)


@record(eq=False)
class CompiledProgram:
    """A spec with all names, types and shapes checked.

    `graph` is the program as written, with the losses; passes make its training and inference forms. `phases`
    are trained in order (empty if there is no loss). `metrics` are pairs of an output name and a metric, in
    display order; those of the last phase.
    """

    source: Source
    sources: tuple[Source, ...]  # the file and what it imports
    name: str
    description: str
    params: Mapping[str, Any]
    settings: Mapping[str, str]  # of sections, as a command gave them: `train.epochs`, with the text of `3`
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    graph: Graph
    averages: Mapping[str, Average]  # the average nets in use, by name
    phases: tuple[Phase, ...]
    data: Data | None
    train: Train
    export: Export
    exports: tuple[tuple[str, Output | Value], ...]  # outputs of the artifact: outputs and tensors, by name
    expectations: tuple[Expectation, ...]
    metrics: tuple[tuple[str, Metric], ...]
    warnings: tuple[Diagnostic, ...]
    bindings: Mapping[str, Any]  # the values of the names at the end of the file
    facts: Facts = field(default_factory=Facts)
    allowed: tuple[Allowed, ...] = ()  # `allow` comments for warnings that depend on the data

    @property
    def overrides(self) -> dict[str, Any]:
        """The values with which the texts give this program again: of all params, and of given settings."""
        return {**self.params, **self.settings}

    @cached_property
    def lengths(self) -> frozenset[str]:
        """The free dimensions along which rows differ in length: those that differ in the data, and all those
        of inputs if the artifact takes lengths. Texts always differ in the number of their tokens."""
        sizes = [size for i in self.inputs for size in i.declared.shape if self.export.lengths]
        sizes += [size for node in self.readers for value in node.results for size in value.type.shape]
        return self.facts.lengths | {
            n for size in sizes for n in names(size) if not isinstance(n, ClassCount)
        }

    @cached_property
    def readers(self) -> tuple[Node, ...]:
        """The nodes that turn text into classes."""
        return tuple(node for node in self.graph.nodes if node.operator.reads_text)

    @cached_property
    def row_graph(self) -> Graph:
        """The graph as training computes it: with the classes of texts as inputs in place of the texts."""
        read = tuple(node.results[0] for node in self.readers)
        nodes = tuple(node for node in self.graph.nodes if not node.operator.reads_text)
        return replace(self.graph, inputs=(*self.graph.inputs, *read), nodes=nodes) if read else self.graph

    def output(self, name: str) -> Output:
        return self._outputs[name]

    @cached_property
    def _outputs(self) -> dict[str, Output]:
        return {output.name: output for output in self.outputs}

    @property
    def objectives(self) -> list[Objective]:
        """The objectives of all phases."""
        return [objective for phase in self.phases for objective in phase.objectives]

    @property
    def losses(self) -> list[Value]:
        """The losses of all objectives."""
        return [objective.loss for objective in self.objectives]

    @property
    def last_phase(self) -> Phase:
        """The phase whose figures `expect` and the artifact have; ValueError if nothing is trained."""
        if not self.phases:
            raise ValueError("nothing is trained")
        return self.phases[-1]

    @property
    def phase(self) -> Phase:
        """The only phase; ValueError if there is none or more than one."""
        if len(self.phases) != 1:
            raise ValueError(f"there are {len(self.phases)} phases")
        return self.phases[0]

    @property
    def objective(self) -> Objective:
        """The only objective; ValueError if there is none or more than one."""
        if len(self.phase.objectives) != 1:
            raise ValueError(f"there are {len(self.phase.objectives)} objectives")
        return self.phase.objectives[0]

    def check_answers(self) -> None:
        """Error E0806 for a spec without an output, before training or export."""
        if not self.exports:
            message = f"{self.source.name} has no output: there is nothing to train or to export"
            help = "declare what the model answers, `output y: ...`, and let a flow end in it"
            raise CompileError.of("E0806", message, help=help)

    def nothing_to(self, do: str, objective: Objective) -> CompileError:
        """The error of a loss that depends on no weight; `do` is the verb: `learn` or `check`."""
        that = f" that the step `{objective.step}` trains" if objective.step else ""
        message = f"the loss depends on no weight{that}: there is nothing to {do}"
        help = "use a loss of an output that depends on a layer or on a declared `weight`"
        if objective.step:
            help = "name the net that the loss is computed with: `step NET { ... }`"
        settings = objective.settings
        span = settings.spans.get("loss") or settings.span or self.train.span
        return CompileError.of("E0804", message, span, help=help)
