"""The data fields that a program requires, each with a name, a type and a role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlc.compiler.definitions.sections import CHARACTER, NormalField, UniformField
from dlc.compiler.dims.dim import Dim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.definitions.sections import Data, Field
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.ir.graph import Node, Value
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Classes, Tensor


SPLIT_COLUMN = "split = groups(...)"  # no field of a program has this name


@dataclass(frozen=True)
class RequiredField:
    """One required field. `declared` is its declared type; `source` is the columns or the distribution that
    the `data` section assigns to it, None if it is found by its name. A `measured` field is read only for
    metrics. `unit` is what a text that fills it is cut into; empty if none does. `readers` are the nodes that
    turn its texts into classes."""

    name: str
    declared: Tensor
    role: str = "input"  # or "target"; "split", "series" or "order" for a column that no field reads
    source: Field | None = None
    span: Span | None = None
    measured: bool = False
    unit: str = ""
    readers: tuple[Node, ...] = ()

    @property
    def drawn(self) -> bool:
        return isinstance(self.source, (NormalField, UniformField))

    @property
    def is_target(self) -> bool:
        return self.role == "target"

    @property
    def is_field(self) -> bool:
        """Whether it is an input or a target."""
        return self.role in ("input", "target")

    @property
    def ignores(self) -> bool:
        """True for a target with entries that may not count."""
        return self.is_target and bool(self.declared.ignore)

    @property
    def needs_value(self) -> bool:
        """Whether a row without a value of this field cannot be used, because nothing fills it in."""
        return not (self.drawn or self.declared.missing or self.ignores)

    def classes_among(self, found: Mapping[str, Classes]) -> Classes | None:
        """Its classes: those of its type, or those `found` in the data for `class(auto)`."""
        known = self.declared.classes
        if known is None:
            return None
        return found.get(known.found_in) if self.learns else known.without_end()

    @property
    def has_end(self) -> bool:
        """Whether the class that means the end follows the last step of each row: it is the last class."""
        return self.is_target and self.declared.classes is not None and self.declared.classes.end

    @property
    def learns(self) -> bool:
        """True if its classes have to be found in the training rows."""
        classes = self.declared.classes
        return classes is not None and isinstance(classes.count, Dim)

    def __str__(self) -> str:
        if not self.is_field:
            return f"`{self.name}`"
        return f"{'target' if self.is_target else 'input'} `{self.name}`"


@dataclass(frozen=True)
class Purpose:
    """The purpose of an array.

    A `target` has to be one of its classes; a binary target may be a probability. A `strict` input has to be
    one of its classes or missing. `raw` arrays are inputs of the artifact, where classes and binaries have
    their names. An `ignoring` target has missing values where its entries do not count.
    """

    target: bool = False
    strict: bool = False
    raw: bool = False
    ignoring: bool = False


def required_fields(program: CompiledProgram) -> list[RequiredField]:
    """The inputs and targets that training, its metrics and its samples read: inputs first, in declaration
    order."""
    outputs = {o.name: o for o in program.outputs}
    roots = [*program.losses, *(v for phase in program.phases for v in phase.settings.samples.values())]
    metrics = [*program.metrics, *(metric for phase in program.phases for metric in phase.metrics)]
    for name in dict.fromkeys(name for name, _ in metrics):
        roots += [outputs[name].flowed, outputs[name].target_value]
    read = program.graph.needed_by(roots or [o.flowed for o in program.outputs])
    trained_on = program.graph.needed_by(program.losses) if program.phases else read
    sources = program.data.fields if program.data else {}
    readers: dict[Value, list[Node]] = {}
    for node in (node for node in program.readers if node.results[0] in read):
        readers.setdefault(node.operands[0], []).append(node)
    fields = {
        i.name: RequiredField(i.name, i.declared, "input", sources.get(i.name), i.site.span,
                              unit=unit_of(program.data, i.name, i.declared),
                              readers=tuple(readers.get(i.value, ())))
        for i in program.inputs
        if i.value in read
    }  # fmt: skip
    for output in sorted(program.outputs, key=lambda o: o.name != o.target):  # the target's own output first
        if output.target_value in read and output.target not in fields:
            declared, source = output.declared, sources.get(output.target)
            measured = output.target_value not in trained_on
            unit = unit_of(program.data, output.target, declared)
            fields[output.target] = RequiredField(
                output.target, declared, "target", source, output.site.span, measured, unit
            )
    order = {name: place for place, name in enumerate([*(i.name for i in program.inputs), *outputs])}
    return sorted(fields.values(), key=lambda w: (w.is_target, order.get(w.name, len(order))))


def unit_of(data: Data | None, name: str, declared: Tensor) -> str:
    """What a text that fills a field is cut into; empty if none does."""
    if not declared.takes_text:
        return ""
    of = data.fields.get(name, data.source) if data else None
    return getattr(of, "unit", None) or CHARACTER
