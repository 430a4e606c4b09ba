"""What a value is: its element, the shape of one sample, and its classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.record import record

if TYPE_CHECKING:
    from dlc.compiler.dims import Size

FLOATS = ("float", "float16", "bfloat16", "float64")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
ELEMENTS = (*FLOATS, *INTEGERS, "bool", "binary", "class", "string")


@record
class Classes:
    """The classes of a `class` or `binary` value.

    `count` is a free dimension until the data is read. `names` is none for classes that are only numbers.
    """

    count: Size
    names: tuple[str, ...] | None = None


@record
class Tensor:
    """The type of a value in the graph.

    `element` is one of `ELEMENTS`; `binary` stands only in declarations (a binary input flows as `bool`).
    `shape` is the shape of one sample. A value with `batched=False` is the same for every sample (a declared
    weight, a loss) and has no batch axis. `missing` stands only in declarations: numbers of the input may be
    missing (NaN), as the spec fills them in.
    """

    element: str
    shape: tuple[Size, ...] = ()
    classes: Classes | None = None
    batched: bool = True
    missing: bool = False

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return self.element in FLOATS

    @property
    def is_integer(self) -> bool:
        return self.element in INTEGERS

    @property
    def is_number(self) -> bool:
        """True for what arithmetic takes: floats, whole numbers and booleans."""
        return self.is_float or self.is_integer or self.element == "bool"

    def axis(self, axis: int) -> int:
        """The place of a sample's axis in the whole tensor, batch axis included."""
        return axis % self.rank + self.batched if self.rank else int(self.batched)

    def with_shape(self, *shape: Size) -> Tensor:
        return replace(self, shape=shape)

    def with_element(self, element: str) -> Tensor:
        return replace(self, element=element, classes=None)

    def with_axis(self, axis: int, size: Size) -> Tensor:
        """The same tensor with another size on one axis of the sample."""
        shape = list(self.shape)
        shape[axis] = size
        return replace(self, shape=tuple(shape))

    def __str__(self) -> str:
        return spell(self.element, self.shape)


def spell(element: str, shape: tuple[Size, ...]) -> str:
    """A type as the language writes it: `float[64, 28, 28]`."""
    return f"{element}[{', '.join(map(str, shape))}]" if shape else element
