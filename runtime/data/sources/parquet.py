"""Apache Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.source import Column, display_path, fix_of, need_file
from dlc.runtime.data.sources.arrow import ArrowRows
from dlc.runtime.data.sources.parquet_pages import MARK, NO_END, columns, footer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dlc.compiler.definitions.sections import Parquet


# Exceptions of pyarrow, and of the page scan, for damaged files.
BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError)
# Bytes of a value; the bytes of a text come in addition.
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, "BYTE_ARRAY": 8}
PLAIN = "write it again with fewer rows, or as csv"
PIECE = 1 << 28  # bytes of text that are read at a time, unless one text is longer
MAX_ROWS = 1 << 16  # rows that are read at a time


class ParquetFile(ArrowRows):
    def __init__(self, source: Parquet, folder: Path) -> None:
        path = need_file(folder / source.path, source)
        self.file, self.definition = display_path(source.path), source
        self.sequences = source
        self._path, self._source = path, source
        try:
            self._footer = footer(path)
            self._parquet = parquet.ParquetFile(path)
        except BROKEN as error:
            raise self._broken(error) from None
        self.names = tuple(self._parquet.schema_arrow.names)
        if not self.names:
            raise data_errors.fail(data_errors.NO_ROWS, f"{self.file} has no columns", (source, "read here"))
        self.count = self._parquet.metadata.num_rows

    def read(self, indices: Sequence[int]) -> list[Column]:
        try:
            table = self._table(sorted({self.names[index] for index in indices}))
            if table.num_rows != self.count:
                raise self._broken("it does not hold as many rows as it announces")
            return self.columns(table, indices)
        except BROKEN as error:
            raise self._broken(error) from None

    def _table(self, names: list[str]) -> pa.Table:
        """These columns. Their memory is checked first: for numbers by the page headers, for texts as they
        are read, because a dictionary page may have one text that every row refers to."""
        schema, bound = self._parquet.schema, bounds.memory_limit()
        leaves = [j for j in range(len(schema)) if _is_of(schema.column(j).path, {*names})]
        texts = [j for j in leaves if schema.column(j).physical_type == "BYTE_ARRAY"]
        found = columns(self._path, self._footer, leaves)
        size = sum(_width(schema.column(j)) * page.values for j in leaves for page in found[j])
        bounds.check(size, bound, self.file, self.definition)
        packed = reading.check(self._path)
        threads = max(size, packed) > bounds.ONE_THREAD
        if not texts or not self.count:
            return self._parquet.read(columns=names, use_threads=threads)
        largest = max([1, *(page.unpacked for j in texts for page in found[j])])
        batches, most = [], min(max(PIECE // largest, 1), MAX_ROWS)
        for batch in self._parquet.iter_batches(most, columns=names, use_threads=threads):
            batches.append(_without_dictionaries(batch))
            size += batches[-1].nbytes
            bounds.check_ratio(size, packed, self.file, self.definition, help=PLAIN)
            bounds.check(size, bound, self.file, self.definition)
        return pa.Table.from_batches(batches)

    def _broken(self, error: object) -> data_errors.CompileError:
        why = "a name in it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error
        message = f"{self.file} cannot be read as a Parquet file: {shorten(why, 200)}"
        help = fix_of(self._path, self._source, MARK) if str(error) == NO_END else ""
        return data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here"), help=help)


def _without_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch with its dictionary columns decoded."""
    columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _width(leaf: Any) -> int:
    """Bytes that a value of a column takes while it is read: in Arrow, in NumPy, and its list offset."""
    return 2 * WIDTHS.get(leaf.physical_type, leaf.length or 0) + 4


def _is_of(path: str, names: set[str]) -> bool:
    """Whether a path of the schema is part of one of these columns."""
    parts = path.split(".")
    return any(".".join(parts[: i + 1]) in names for i in range(len(parts)))
