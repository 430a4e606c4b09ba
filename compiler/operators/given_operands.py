"""Operands of an operator that follow the positional ones: tensors in its settings, and lengths of rows."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeVar

from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.tensor_parameter_types import WeightTensor, tensor_kind
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.definitions.tensor_parameter_types import TensorValue
    from dlc.compiler.dims.dim import Size

T = TypeVar("T")
LENGTHS = "lengths"


class GivenOperands(Definition, abstract=True):
    """Divides the operands of an operator."""

    operands: tuple[Tensor, ...]
    # The size of the axes along which rows differ, if the last operand holds the lengths of rows along them:
    # see `PaddedOperands.padding_of`.
    lengths: Size | None = None

    @classmethod
    @cache
    def arity(cls) -> tuple[int, int | None]:
        raise NotImplementedError

    @classmethod
    @cache
    def tensor_settings(cls) -> dict[str, TensorValue]:
        """The settings that accept a tensor."""
        kinds = {name: tensor_kind(declared.kind) for name, declared in cls.settings.items()}
        return {name: kind for name, kind in kinds.items() if kind is not None}

    @property
    def given(self) -> tuple[str, ...]:
        """The settings that hold operands. These operands follow the positional ones, in this order."""
        kinds = self.tensor_settings().items()
        operands = (name for name, kind in kinds if not isinstance(kind, WeightTensor))
        found = tuple(name for name in operands if isinstance(getattr(self, name), Tensor))
        return found if self.lengths is None else (*found, LENGTHS)

    def split(self, operands: Sequence[T]) -> tuple[Sequence[T], dict[str, T]]:
        """The positional operands, and the operands of settings by setting name."""
        count = len(operands) - len(self.given)
        return operands[:count], dict(zip(self.given, operands[count:], strict=True))

    @property
    def positional(self) -> Sequence[Tensor]:
        """The types of the positional operands."""
        return self.split(self.operands)[0]

    def varying(self, x: Tensor) -> list[int]:
        """The sample axes of an operand along which rows have these lengths."""
        return [axis for axis, size in enumerate(x.shape) if size == self.lengths]

    def operands_for(self, other: GivenOperands, operands: Sequence[T]) -> tuple[T, ...]:
        """The operands of its own that another operator takes as its replacement."""
        positional, given = self.split(operands)
        return (*positional[: other.arity()[1]], *(given[name] for name in other.given))
