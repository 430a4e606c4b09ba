"""Values of expressions during elaboration, in addition to numbers, texts, lists and tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition
from dlc.compiler.ir.graph import Value
from dlc.compiler.operators.arithmetic import Constant
from dlc.compiler.operators.combinators import Stage
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler import syntax
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.scope import Scope
    from dlc.compiler.ir.graph import GraphInput
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.training.average_nets import Average
    from dlc.compiler.types import Tensor


class Halt(Exception):
    """Evaluation of a statement stops. The error is reported already."""


class Stop(Exception):
    """A limit is exceeded, and the error is reported already. Elaboration of the spec stops."""


class Broken:
    """The value of a name whose statement failed. Its use raises `Halt` without another error."""

    def describe(self) -> str:
        return "a broken value"


BROKEN = Broken()


@record(eq=False)
class DefinedStage(Stage):
    """An operator, loss or combinator with its settings and its given tensors."""

    definition: Definition
    given: tuple[Operand, ...]
    span: Span
    spans: Mapping[str, Span]  # where each setting was given

    def describe(self) -> str:
        return f"the stage `{self.definition.name}`"


@record(eq=False)
class BlockStage(Stage):
    """A block or net with its settings and its given tensors. `settings` is `None` until it is called."""

    template: Template
    given: tuple[Operand, ...]
    settings: Mapping[str, Any] | None
    span: Span

    @property
    def net(self) -> str | None:
        """The name of the net, to which `freeze` and `on=` refer; `None` for a block."""
        return self.template.name if self.template.is_net else None

    def describe(self) -> str:
        return f"the {self.template.what} `{self.template.name}`"

    def __str__(self) -> str:
        return self.template.name


@record(eq=False)
class Pipeline(Stage):
    """Stages in sequence."""

    steps: tuple[tuple[Stage, Span], ...]

    def describe(self) -> str:
        return "a pipeline of stages"


@record(eq=False)
class Template:
    """A declared block or net and the file scope that its body sees."""

    declaration: syntax.Block
    home: Scope

    @property
    def name(self) -> str:
        return self.declaration.name.id

    @property
    def is_net(self) -> bool:
        return self.declaration.is_net

    @property
    def what(self) -> str:
        return "net" if self.is_net else "block"


@record(eq=False)
class AverageTemplate(Template):
    """A net with the declaration of the net `source`, whose weights are moving averages of its weights."""

    ident: syntax.Ident
    source: Template
    average: Average

    @property
    def name(self) -> str:
        return self.ident.id


@record(eq=False)
class Operand:
    """A tensor, or numbers in place of one, that flows into an operator."""

    value: Value | int | float | bool | tuple
    span: Span
    output: OutputRef | None = None  # set if it was written as the name of an output

    @property
    def label(self) -> str:
        """Its type as messages show it; a number itself."""
        if isinstance(self.value, tuple):
            return str(Constant(value=self.value).bind().results[0])
        if not isinstance(self.value, Value):
            return str(self.value)
        type = self.value.type
        return spell_classes(type) if type.element == "class" else str(type)


@dataclass(eq=False)
class InputRef:
    """An input as blocks see it: its type, without access to its values."""

    name: str
    value: Value

    def describe(self) -> str:
        return f"the input `{self.name}`"


@dataclass(eq=False)
class OutputRef:
    """A declared output. `flowed`, `scores` and `filled`, the place, are `None` until a value flows into
    it."""

    name: str
    declared: Tensor
    target: str
    span: Span
    flowed: Value | None = None
    scores: Value | None = None
    filled: Span | None = None
    broken: bool = False
    target_value: GraphInput | None = field(default=None)

    def describe(self) -> str:
        return f"the output `{self.name}`"


def is_tensor(value: Any) -> bool:
    return isinstance(value, (Value, OutputRef))


def is_tensors(value: Any) -> bool:
    """Whether a tuple or list flows as several tensors."""
    return isinstance(value, (tuple, list)) and any(is_tensor(v) or is_tensors(v) for v in value)


def given_tensors(operator: Operator) -> dict[str, Any]:
    """The tensors, and lists of numbers in place of tensors, that are given in settings, by setting."""
    found = {name: getattr(operator, name) for name in operator.tensor_settings()}
    return {name: tensor for name, tensor in found.items() if isinstance(tensor, (Value, tuple))}
