"""The columns of inputs and targets that are one value a row, for lints that look at single columns."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions.sections import Columns
from dlc.runtime.data import required_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, RequiredField, Rows

MAX_PLACES = 4096  # of a vector whose entries are looked at


@dataclass(frozen=True)
class Scalar:
    """A field that is one value a row, or one entry of a vector. `column` is the column of the source that it
    was read from, empty for an entry of an array."""

    field: RequiredField
    place: int | None = None
    column: str = ""

    def of(self, values: np.ndarray) -> np.ndarray:
        """Its values among those of the field, `[rows]` or `[rows, places]`."""
        return values.reshape(len(values), -1)[:, self.place or 0]

    @property
    def listed(self) -> bool:
        """Whether the spec lists its column among those of a vector."""
        return isinstance(self.field.source, Columns)

    @property
    def leave_out(self) -> str:
        """How to take it out of the spec."""
        if self.place is None:
            return "leave the input out"
        return "leave it out of `columns(...)`" if self.listed else f"leave it out of `{self.field.name}`"

    def __str__(self) -> str:
        if self.place is None:
            return f"`{self.field.name}`"
        return f"column `{self.column}`" if self.column else f"`{self.field.name}[{self.place}]`"


def scalars(program: CompiledProgram, data: Dataset, role: str) -> Iterator[Scalar]:
    """The columns of the inputs or of the targets in the training rows. Windows have none: their entries are
    the same numbers at other times."""
    types = data.train.types if data.train is not None else {}
    table = program.data.table if program.data else None
    in_series = table is not None and (table.window or table.series)
    for field in required_fields(program):
        shape = field.declared.shape
        if field.role != role or field.name not in types or (shape and in_series):
            continue
        names = data.columns.get(field.name, ())
        if not shape or shape == (1,):
            yield Scalar(field, None, names[0] if len(names) == 1 else "")
        elif len(shape) == 1 and isinstance(shape[0], int) and field.declared.element != "class":
            named = len({*names}) == shape[0]
            for place in range(min(shape[0], MAX_PLACES)):
                yield Scalar(field, place, names[place] if named else "")


def read(rows: Rows, wanted: Sequence[Scalar], order: np.ndarray | None = None) -> list[np.ndarray]:
    """The values of these columns in all rows, or in those of `order`."""
    fields = list(dict.fromkeys(scalar.field.name for scalar in wanted))
    count = len(order) if order is not None else rows.count or 0
    if not wanted or not count:
        return [np.zeros(0) for _ in wanted]
    size = rows.inspected(fields)
    sizes = [min(size, count - start) for start in range(0, count, size)]
    found: list[list[np.ndarray]] = [[] for _ in wanted]
    for batch in rows.batches(sizes, fields, order):
        for values, scalar in zip(found, wanted, strict=True):
            values.append(np.array(scalar.of(batch[scalar.field.name])))
    return [np.concatenate(values) for values in found]


def entries(field: RequiredField) -> int:
    """The number of values of a field in a row; two for one of free size."""
    sizes = field.declared.shape
    return prod(size for size in sizes if isinstance(size, int)) if all(
        isinstance(size, int) for size in sizes) else 2  # fmt: skip
