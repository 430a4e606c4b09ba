"""Operands as an operator takes them: their element types, batch axes and ranks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.initializers import LoadInitial
from dlc.compiler.definitions.tensor_parameter_types import CONVERSIONS, converted
from dlc.compiler.operators.arithmetic import Cast
from dlc.compiler.operators.shape import ExpandBatch, Unsqueeze

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.values import Operand
    from dlc.compiler.ir.graph import Node, Value, Weight
    from dlc.compiler.operators.base import Operator


class OperandConversion(ABC):
    """The part of the graph builder that converts operands. Conversions are nodes of the graph; constants are
    made in the element that is taken."""

    producers: dict[Value, Node]
    weights: dict[str, Weight]

    @abstractmethod
    def tensor(self, operand: Operand) -> Value:
        """The operand as a value of the graph."""

    @abstractmethod
    def constant(self, number: Any, span: Span) -> Value:
        """A new constant."""

    @abstractmethod
    def loaded(self, initial: LoadInitial, element: str, span: Span) -> Value:
        """A tensor of a file as a constant of an element."""

    @abstractmethod
    def _node(self, operator: Operator, operands: tuple[Value, ...], weights: dict[str, Value], name: str,
              span: Span) -> tuple[Value, ...]:  # fmt: skip
        """The results of a new node."""

    def _prepare_operands(self, operator: Operator, operands: list[Operand], span: Span) -> list[Value]:
        values = [self.tensor(o) for o in operands]
        values = self._convert_operands(operator, values, span)
        batched = [v.type.batched for v in values]
        alone = not (operator.broadcasts or operator.mixes)
        if not operator.batchless or (any(batched) and not all(batched) and alone):
            values = [v if v.type.batched else self._expand_batch(v, span) for v in values]
        if operator.broadcasts and len(values) > 1:
            operator.bind(*(v.type for v in values))  # so that an error shows the original ranks
            rank = max(v.type.rank for v in values)
            values = [self._raise_rank(v, rank, span) for v in values]
        return values

    def _convert_operands(self, operator: Operator, values: list[Value], span: Span) -> list[Value]:
        takes = operator.takes if isinstance(operator.takes, tuple) else (operator.takes,) * len(values)
        takes = (*takes, *takes[-1:] * (len(values) - len(takes)))
        numbers = [v for v, t in zip(values, takes, strict=False) if t == "number"]
        common = "float" if any(v.type.is_float for v in numbers) else "int64"
        return [self._converted(operator, value, common if take == "number" else take, index, span)
                for index, (value, take) in enumerate(zip(values, takes, strict=False))]  # fmt: skip

    def _converted(self, operator: Operator, value: Value, take: str, at: int | str, span: Span) -> Value:
        """The operand, cast to the element type that the operator takes."""
        if take == "text":
            if value.type.element != "string":
                raise operator.number_required(value.type, at)
            return value
        if take == "any" or (take == "float or class" and value.type.element == "class"):
            return value
        if not value.type.is_number:
            raise operator.number_required(value.type, at)
        to = "float" if take == "float or class" else take
        return value if value.type.element == to else self._cast(value, to, span)

    def _cast(self, value: Value, to: str, span: Span) -> Value:
        producer = self.producers.get(value)
        constant = producer.operator.constant() if producer is not None else None
        if constant is not None:
            return self.constant(converted(constant, CONVERSIONS[to]), span)
        weight = self.weights.get(value.name) if producer is None else None
        if weight is not None and isinstance(weight.initial, LoadInitial) and weight.role == "constant":
            return self.loaded(weight.initial, to, span)
        return self._node(Cast(to=to).bind(value.type), (value,), {}, "cast", span)[0]

    def _expand_batch(self, value: Value, span: Span) -> Value:
        return self._node(ExpandBatch().bind(value.type), (value,), {}, "expand_batch", span)[0]

    def _raise_rank(self, value: Value, rank: int, span: Span) -> Value:
        """Insert axes of size 1 after the batch axis, so that broadcasting aligns the axes of one sample."""
        missing = rank - value.type.rank
        if not value.type.batched or not missing:
            return value
        return self._node(Unsqueeze(axes=missing).bind(value.type), (value,), {}, "unsqueeze", span)[0]
