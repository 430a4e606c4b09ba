"""Apache Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from dlc.compiler import reading
from dlc.runtime.data import bounds, mistakes
from dlc.runtime.data.source import Column, Opened, need_file, numbers, shown, texts
from dlc.runtime.data.sources.parquet_pages import columns, footer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dlc.compiler.sections import Parquet


# What pyarrow raises for a file that is not what it says, and what the look at its pages does.
BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError)
# Bytes of a value; a text takes its own beside.
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, "BYTE_ARRAY": 8}
PLAIN = "write it anew with fewer rows, or as csv"
PIECE = 1 << 28  # bytes of text that are read at a time, unless one is longer
MOST_ROWS = 1 << 16  # that are read at a time


class ParquetFile(Opened):
    def __init__(self, source: Parquet, folder: Path) -> None:
        path = need_file(folder / source.path, source)
        self.file, self.definition = shown(source.path), source
        self._path = path
        try:
            self._footer = footer(path)
            self._parquet = parquet.ParquetFile(path)
        except BROKEN as error:
            raise self._broken(error) from None
        self.names = tuple(self._parquet.schema_arrow.names)
        if not self.names:
            raise mistakes.fail(mistakes.NO_ROWS, f"{self.file} has no columns", (source, "read here"))
        self.count = self._parquet.metadata.num_rows

    def read(self, places: Sequence[int]) -> list[Column]:
        try:
            table = self._table(sorted({self.names[place] for place in places}))
            if table.num_rows != self.count:
                raise self._broken("it does not hold as many rows as it announces")
            return [self._column(table.column(self._index(table, place)), place) for place in places]
        except BROKEN as error:
            raise self._broken(error) from None

    def _table(self, names: list[str]) -> pa.Table:
        """These columns. How much they take is counted first: numbers by their pages, texts as they are read,
        since a page may hold one text and say that it is that of every row."""
        schema, bound = self._parquet.schema, bounds.most()
        leaves = [j for j in range(len(schema)) if _is_of(schema.column(j).path, {*names})]
        texts = [j for j in leaves if schema.column(j).physical_type == "BYTE_ARRAY"]
        found = columns(self._path, self._footer, leaves)
        size = sum(_width(schema.column(j)) * page.values for j in leaves for page in found[j])
        bounds.check(size, bound, self.file, self.definition)
        if not texts:
            return self._parquet.read(columns=names)
        largest = max(1, *(page.unpacked for j in texts for page in found[j]))
        packed = reading.check(self._path)
        batches = []
        for batch in self._parquet.iter_batches(min(max(PIECE // largest, 1), MOST_ROWS), columns=names):
            batches.append(_without_dictionaries(batch))
            size += batches[-1].nbytes
            bounds.check_ratio(size, packed, self.file, self.definition, help=PLAIN)
            bounds.check(size, bound, self.file, self.definition)
        return pa.Table.from_batches(batches)

    def _index(self, table: pa.Table, place: int) -> int:
        """Where a column stands in what was read; its name may be there several times."""
        name = self.names[place]
        return table.schema.get_all_field_indices(name)[self.names[:place].count(name)]

    def _column(self, values: pa.ChunkedArray, place: int) -> Column:
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
        if not len(lengths):
            return pc.list_flatten(lists), (*shape, 0)
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
    return pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)


def _without_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows with the texts themselves in place of their numbers in a dictionary."""
    columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _width(leaf: Any) -> int:
    """Bytes that a value of a column takes while it is read: in Arrow, in NumPy, and its place in lists."""
    return 2 * WIDTHS.get(leaf.physical_type, leaf.length or 0) + 4


def _is_of(path: str, names: set[str]) -> bool:
    """Whether what stands at a path of the schema is part of one of these columns."""
    parts = path.split(".")
    return any(".".join(parts[: i + 1]) in names for i in range(len(parts)))
