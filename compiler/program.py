"""A whole compiled spec."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.definitions.sections import Data, Export
    from dlc.compiler.diagnostics.diagnostic import Allowed, Diagnostic
    from dlc.compiler.diagnostics.source import Source
    from dlc.compiler.ir.graph import Graph, Input, Output, Value
    from dlc.compiler.training.figures import Expectation
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.training.phases import Objective, Phase
    from dlc.compiler.training.train_section import Train
    from dlc.compiler.types import Classes


@record
class Facts:
    """What only the data can tell: the classes of `class(auto)` fields, by the field they are found in."""

    classes: Mapping[str, Classes] = field(default_factory=dict)


@record(eq=False)
class CompiledProgram:
    """A spec, checked to the last shape.

    `graph` is everything as written: the flow, and the losses behind it; passes make the training and the
    inference form of it. `phases` are trained one after the other (none where there is no loss); `metrics`
    are the pairs of an output's name and a metric of it, in the order in which they are shown.
    """

    source: Source
    sources: tuple[Source, ...]  # the file and what it imports
    name: str
    description: str
    params: Mapping[str, Any]
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    graph: Graph
    phases: tuple[Phase, ...]
    data: Data | None
    train: Train
    export: Export
    exports: tuple[tuple[str, Output | Value], ...]  # what the artifact answers: outputs, and tensors by name
    expectations: tuple[Expectation, ...]
    metrics: tuple[tuple[str, Metric], ...]
    warnings: tuple[Diagnostic, ...]
    bindings: Mapping[str, Any]  # what the names of the file stand for at its end
    facts: Facts = field(default_factory=Facts)
    allowed: tuple[Allowed, ...] = ()  # warnings that only the data can tell, and that the file allows

    def output(self, name: str) -> Output:
        return self._outputs[name]

    @cached_property
    def _outputs(self) -> dict[str, Output]:
        return {output.name: output for output in self.outputs}

    @property
    def losses(self) -> list[Value]:
        """What training makes small."""
        return [objective.loss for phase in self.phases for objective in phase.objectives]

    @property
    def phase(self) -> Phase:
        """The phase of a program that has one; `ValueError` for any other."""
        if len(self.phases) != 1:
            raise ValueError(f"there are {len(self.phases)} phases" if self.phases else "nothing is trained")
        return self.phases[0]

    @property
    def objective(self) -> Objective:
        """The objective of a program that has one; `ValueError` for any other."""
        if len(self.phase.objectives) != 1:
            raise ValueError(f"there are {len(self.phase.objectives)} objectives")
        return self.phase.objectives[0]

    def check_answers(self) -> None:
        """Refuse a spec that answers nothing, where something is made of it."""
        if not self.exports:
            message = f"{self.source.name} has no output: there is nothing to train or to export"
            help = "declare what the model answers, `output y: ...`, and let a flow end in it"
            raise CompileError.of("E0806", message, help=help)

    def nothing_to(self, do: str) -> CompileError:
        """The error of a loss that no weight has a part in, where there is one to `learn` or to `check`."""
        message = f"the loss depends on no weight: there is nothing to {do}"
        help = "hold an output against its target that a layer or a declared `weight` has a part in"
        return CompileError.of("E0804", message, self.train.spans.get("loss") or self.train.span, help=help)
