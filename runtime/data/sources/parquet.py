"""Apache Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime.data import mistakes
from dlc.runtime.data.source import Column, Opened, need_file, numbers, shown, texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from dlc.compiler.sections import Parquet


class ParquetFile(Opened):
    def __init__(self, source: Parquet, folder: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        path = need_file(folder / source.path, source)
        self.file, self.definition = shown(source.path), source
        try:
            self._parquet = parquet.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise self._broken(error) from None
        self.names = tuple(self._parquet.schema_arrow.names)
        self.count = self._parquet.metadata.num_rows
        if not self.count:
            raise mistakes.fail(mistakes.NO_ROWS, f"{self.file} has no rows", (source, "read here"))

    def read(self, places: Sequence[int]) -> list[Column]:
        import pyarrow as pa

        try:
            table = self._parquet.read(columns=sorted({self.names[place] for place in places}))
            if table.num_rows != self.count:
                raise self._broken("it does not hold as many rows as it announces")
            return [self._column(table.column(self._index(table, place)), place) for place in places]
        except (pa.ArrowException, OSError) as error:
            raise self._broken(error) from None

    def _index(self, table: pa.Table, place: int) -> int:
        """Where a column stands in what was read; its name may be there several times."""
        name = self.names[place]
        return table.schema.get_all_field_indices(name)[self.names[:place].count(name)]

    def _column(self, values: pa.ChunkedArray, place: int) -> Column:
        import pyarrow as pa

        types = pa.types
        if types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if (
            types.is_string(values.type)
            or types.is_large_string(values.type)
            or types.is_string_view(values.type)
        ):
            return texts(values)
        if types.is_decimal(values.type) or types.is_null(values.type):
            values = values.cast(pa.float64())
        array, shape = values, (self.count,)
        while _is_list(array.type):
            array, shape = self._unfold(array, shape, place)
        if types.is_boolean(array.type) and array.null_count:
            array = array.cast(pa.float64())
        if types.is_integer(array.type) and array.null_count:
            nulls = np.asarray(array.is_null()).reshape(shape)
            return numbers(array.fill_null(0).to_numpy().reshape(shape), nulls=nulls)
        if types.is_string(array.type) or types.is_large_string(array.type):
            return texts(array, shape[1:])
        if not (
            types.is_integer(array.type) or types.is_floating(array.type) or types.is_boolean(array.type)
        ):
            message = f"{self.file}, {self.name(place)}: a column of {array.type} is neither numbers nor text"
            raise mistakes.fail(mistakes.VALUE, message, (self.definition, "read here"))
        return numbers(array.to_numpy().reshape(shape))

    def _unfold(
        self, lists: pa.ChunkedArray, shape: tuple[int, ...], place: int
    ) -> tuple[pa.ChunkedArray, tuple]:
        """One level of lists as one more axis; they must have one length."""
        from dlc.runtime.data.compute import pc

        lengths = pc.list_value_length(lists)
        if lengths.null_count:
            return self._refuse(
                lengths.is_null(), shape, place, mistakes.MISSING_VALUE, "the value is missing"
            )
        lengths = np.asarray(lengths)
        other = lengths != lengths[0]
        if other.any():
            row = int(np.argmax(other))
            what = f"the list has {lengths[row]} entries, and that of row 1 has {lengths[0]}"
            return self._refuse(other, shape, place, mistakes.RAGGED, what)
        return pc.list_flatten(lists), (*shape, int(lengths[0]))

    def _refuse(self, bad: object, shape: tuple[int, ...], place: int, code: str, what: str) -> tuple:
        per_row = int(np.prod(shape[1:], dtype=np.int64))
        rows = np.unique(np.flatnonzero(np.asarray(bad)) // max(per_row, 1))
        refused = mistakes.Refused(code, what, rows[:5])
        raise mistakes.CompileError(
            [refused.diagnostic(self.file, self.row, self.name(place), (self.definition, "read here"))]
        )

    def _broken(self, error: object) -> mistakes.CompileError:
        message = f"{self.file} cannot be read as a Parquet file: {mistakes.shorten(error, 200)}"
        return mistakes.fail(mistakes.BROKEN, message, (self.definition, "read here"))


def _is_list(type_: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
