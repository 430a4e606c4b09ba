"""Arrow columns, from Parquet files and from data frames."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.data import data_errors
from dlc.runtime.data.source import Column, Opened, numbers, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence


class ArrowRows(Opened):
    """Rows of an Arrow table. Lists of equal length become axes, lists of other lengths are sequences;
    several columns may have the same name."""

    is_table = True

    def columns(
        self, table: pa.Table, indices: Sequence[int], first: int = 0, ragged: Container[int] = ()
    ) -> list[Column]:
        """The columns with these indices in the source, from a table that has columns by their names. `first`
        is the number of its first row. Lists in the columns of `ragged` differ in length in other rows."""
        named = [(table.column(self._column_index(table, index)), index) for index in indices]
        return [self._column(values, index, first, index in ragged) for values, index in named]

    def _column_index(self, table: pa.Table, index: int) -> int:
        """The index of a column in the table that was read, where its name may occur several times."""
        name = self.names[index]
        return table.schema.get_all_field_indices(name)[self.names[:index].count(name)]

    def _column(self, values: pa.ChunkedArray, index: int, first: int, ragged: bool) -> Column:
        types = pa.types
        values = _plain(values)
        if _is_text(values.type):
            return self._texts(values, (), index)
        if types.is_temporal(values.type) and index == self.sorted_by:
            values = moments(values)
        if types.is_decimal(values.type) or types.is_null(values.type):
            values = values.cast(pa.float64())
        array, shape, lengths = values, (len(values),), None
        refuse = partial(self._refuse_lists, index, first)
        while is_list(array.type):
            sizes = list_sizes(array, partial(refuse, shape, lengths))
            if len(shape) == 1 and lengths is None and (ragged or (sizes != sizes[:1]).any()):
                lengths, shape = sizes, (int(sizes.sum()),)
            else:
                shape = (*shape, common_size(sizes, partial(refuse, shape, lengths)))
            array = _plain(_flattened(array))
        column = self._values(array, shape, index)
        return column if lengths is None else replace(column, lengths=lengths)

    def _values(self, array: pa.ChunkedArray, shape: tuple[int, ...], index: int) -> Column:
        """A column of numbers or text of this shape."""
        types = pa.types
        if (types.is_integer(array.type) or types.is_boolean(array.type)) and array.null_count:
            nulls = np.asarray(array.is_null()).reshape(shape)
            filled = array.fill_null(pa.scalar(0).cast(array.type))
            return numbers(filled.to_numpy().reshape(shape), nulls=nulls)
        if _is_text(array.type):
            return self._texts(array, shape[1:], index)
        if not (
            types.is_integer(array.type) or types.is_floating(array.type) or types.is_boolean(array.type)
        ):
            message = f"{self.file}, {self.name(index)}: a column of {array.type} is neither numbers nor text"
            raise data_errors.fail(
                data_errors.VALUE, message, (self.definition, "read here"), help=_type_fix(array.type)
            )
        return numbers(array.to_numpy().reshape(shape))

    def _texts(self, values: pa.ChunkedArray, shape: tuple[int, ...], index: int) -> Column:
        """A column of text. Text that is not UTF-8 is refused."""
        try:
            values.validate(full=True)
        except pa.ArrowInvalid:
            message = f"{self.file}, {self.name(index)}: it holds bytes that are not text in UTF-8"
            raise data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here")) from None
        return texts(values, shape)

    def _refuse_lists(self, index: int, first: int, shape: tuple[int, ...], lengths: np.ndarray | None,
                      bad: np.ndarray, code: str, what: str) -> None:  # fmt: skip
        """Refuse some of the lists, if there are any; `lengths` are those of the rows, if these differ in
        length."""
        if not bad.any():
            return
        rows = np.flatnonzero(bad) // max(int(np.prod(shape[1:], dtype=np.int64)), 1)
        if lengths is not None:
            rows = np.searchsorted(np.cumsum(lengths), rows, side="right")
        refused = data_errors.Refused(code, what, first + np.unique(rows)[:5])
        raise CompileError([refused.diagnostic(self, self.name(index), (self.definition, "read here"))])


class ArrowTable(ArrowRows):
    """A table in memory."""

    def __init__(self, table: pa.Table, file: str) -> None:
        self.file, self._rows = file, table
        self.names, self.count = tuple(table.schema.names), table.num_rows

    def read(self, indices: Sequence[int]) -> list[Column]:
        return self.columns(self._rows, indices)


def list_sizes(lists: pa.ChunkedArray, refuse: Callable[[np.ndarray, str, str], None]) -> np.ndarray:
    """The number of entries of each list. `refuse` is called with missing lists."""
    from dlc.runtime.data.columns.arrow_compute import pc

    sizes = pc.list_value_length(lists)
    if sizes.null_count:
        refuse(np.asarray(sizes.is_null()), data_errors.MISSING_VALUE, "the value is missing")
    return np.asarray(sizes).astype(np.int64)


def common_size(sizes: np.ndarray, refuse: Callable[[np.ndarray, str, str], None]) -> int:
    """The number of entries of all lists. `refuse` is called with those of another size."""
    other = sizes != sizes[:1]
    if other.any():
        row = int(np.argmax(other))
        what = f"the list has {sizes[row]} entries, and that of row 1 has {sizes[0]}"
        refuse(other, data_errors.RAGGED, what)
    return int(sizes[0]) if len(sizes) else 0


def _flattened(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    """The entries of all lists."""
    from dlc.runtime.data.columns.arrow_compute import pc

    return pc.list_flatten(lists)


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values themselves, where the column has a dictionary or runs of them."""
    from dlc.runtime.data.columns.arrow_compute import pc

    types = pa.types
    if types.is_dictionary(values.type):
        return _without_dictionary(values)
    if types.is_run_end_encoded(values.type):
        return _plain(pc.run_end_decode(values))
    return values


def moments(values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Dates or times as whole numbers in their order."""
    return values.cast(pa.int32() if values.type.bit_width == 32 else pa.int64()).cast(pa.int64())


def _without_dictionary(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decode a dictionary array. Text is cast first, because Arrow cannot `take` from string views."""
    words = [c.dictionary.cast(pa.large_string()) if _is_text(c.dictionary.type) else c.dictionary
             for c in values.chunks]  # fmt: skip
    taken = [known.take(c.indices) for known, c in zip(words, values.chunks, strict=True)]
    return pa.chunked_array(taken) if taken else values.cast(values.type.value_type)


def _type_fix(type_: pa.DataType) -> str:
    """The fix for values that are neither numbers nor text."""
    if pa.types.is_temporal(type_):
        return "write it as a number, such as seconds since 1970-01-01, or the day of the week"
    if pa.types.is_struct(type_):
        return "write each of its parts as a column of its own"
    return "write it as numbers or text"


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)


def is_list(type_: pa.DataType) -> bool:
    types = pa.types
    with_offsets = types.is_list(type_) or types.is_large_list(type_)
    views = types.is_list_view(type_) or types.is_large_list_view(type_)
    return with_offsets or views or types.is_fixed_size_list(type_)
