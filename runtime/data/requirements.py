"""What a program asks of its data: fields with a name, a type and a role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlc.compiler.definitions.sections import NormalField, UniformField
from dlc.compiler.dims.dim import Dim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.definitions.sections import Field
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Classes, Tensor


@dataclass(frozen=True)
class Wanted:
    """One field. `declared` is its type as written, `source` where its values come from if not by its name.
    A `measured` one is read for metrics alone."""

    name: str
    declared: Tensor
    role: str = "input"  # or "target"
    source: Field | None = None
    place: Span | None = None
    measured: bool = False

    @property
    def drawn(self) -> bool:
        return isinstance(self.source, (NormalField, UniformField))

    @property
    def is_target(self) -> bool:
        return self.role == "target"

    def classes_among(self, found: Mapping[str, Classes]) -> Classes | None:
        """Its classes, where they are left open those that were found in the data."""
        known = self.declared.classes
        return found.get(known.found_in) if known is not None and self.learns else known

    @property
    def learns(self) -> bool:
        """True if its classes are still to be found in the training rows."""
        classes = self.declared.classes
        return classes is not None and isinstance(classes.count, Dim)

    def __str__(self) -> str:
        return f"{'target' if self.is_target else 'input'} `{self.name}`"


@dataclass(frozen=True)
class Purpose:
    """What an array is for.

    A `target` has to be one of its classes, and of type binary it may be a probability. `strict` inputs have
    to be one of their classes too, or be missing. `raw` arrays feed the artifact: yes or no by its names.
    """

    target: bool = False
    strict: bool = False
    raw: bool = False


def wanted_by(program: CompiledProgram) -> list[Wanted]:
    """The inputs and targets that training and its metrics read, inputs first, in order of declaration."""
    outputs = {o.name: o for o in program.outputs}
    roots = program.losses
    for name, _ in program.metrics:
        roots += [outputs[name].flowed, outputs[name].target_value]
    read = program.graph.needed_by(roots or [o.flowed for o in program.outputs])
    learnt_from = program.graph.needed_by(program.losses) if program.phases else read
    sources = program.data.fields if program.data else {}
    fields = {
        i.name: Wanted(i.name, i.declared, "input", sources.get(i.name), i.site.span)
        for i in program.inputs
        if i.value in read
    }
    for output in sorted(program.outputs, key=lambda o: o.name != o.target):  # the target's own output first
        if output.target_value in read and output.target not in fields:
            declared, source = output.declared, sources.get(output.target)
            measured = output.target_value not in learnt_from
            fields[output.target] = Wanted(
                output.target, declared, "target", source, output.site.span, measured
            )
    order = {name: place for place, name in enumerate([*(i.name for i in program.inputs), *outputs])}
    return sorted(fields.values(), key=lambda w: (w.is_target, order.get(w.name, len(order))))
