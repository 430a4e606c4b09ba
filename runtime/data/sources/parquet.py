"""Apache Parquet files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.locations.remote import is_of_network
from dlc.runtime.data.source import PIECE, Column, fix_of
from dlc.runtime.data.sources.arrow import ArrowRows, is_list, list_sizes
from dlc.runtime.data.sources.parquet_pages import MARK, NO_END, ParquetPage, columns, footer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.definitions.sections import Parquet
    from dlc.runtime.data.locations.location import Location


# Exceptions of pyarrow, and of the page scan, for damaged files.
BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError)
# Bytes of a value; the bytes of a text come in addition.
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, "BYTE_ARRAY": 8}
LACKS_ROWS = "it does not hold as many rows as it announces"
PLAIN = "write it again with fewer rows, or as csv"
MAX_ROWS = 1 << 16  # rows that are read at a time
BUFFER = 1 << 20  # bytes of a column that are read at a time


class ParquetFile(ArrowRows):
    def __init__(self, source: Parquet, location: Location) -> None:
        self.file, self.definition = location.name, source
        self.sequences = source
        self._location = location
        self._list_sizes: dict[int, set[int]] = {}
        try:
            self._footer = footer(location)
            self._parquet = self._reader(pre_buffer=True)
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
                raise self._broken(LACKS_ROWS)
            return self.columns(table, indices)
        except BROKEN as error:
            raise self._broken(error) from None

    def pieces(self, indices: Sequence[int]) -> Iterator[list[Column]]:
        names, first = sorted({self.names[index] for index in indices}), 0
        try:
            ragged = {index for index in indices if len(self.list_sizes(index)) > 1}
            for batch in self._batches(names):
                table = pa.Table.from_batches([batch])
                yield self.columns(table, indices, first, ragged)
                first += batch.num_rows
            if first != self.count:
                raise self._broken(LACKS_ROWS)
            if not first:
                yield self.columns(self._parquet.schema_arrow.empty_table(), indices)
        except BROKEN as error:
            raise self._broken(error) from None

    def identity(self) -> list[tuple[str, ...]]:
        return [self._location.identity()]

    def size(self, indices: Sequence[int]) -> int:
        """Numbers have the size of their page headers. Texts of a dictionary are counted as often as there
        are values, as long as the mean text."""
        try:
            if self._location.is_remote:
                return self._announced({self.names[index] for index in indices})
            return sum(self._sizes({self.names[index] for index in indices})[:2])
        except BROKEN as error:
            raise self._broken(error) from None

    def _announced(self, names: set[str]) -> int:
        """The bytes that columns take, by the footer alone."""
        found, size = self._parquet.metadata, 0
        for group in range(found.num_row_groups):
            for j in range(found.num_columns):
                of = found.row_group(group).column(j)
                if _is_of(of.path_in_schema, names):
                    size += max(of.total_uncompressed_size, 0) + 8 * max(of.num_values, 0)
        return size

    def _sizes(self, names: set[str]) -> tuple[int, int, int]:
        """The bytes that numbers and list offsets of columns take, those that texts take, and those of the
        largest page of text; the last two are 0 without text."""
        schema = self._parquet.schema
        leaves = [j for j in range(len(schema)) if _is_of(schema.column(j).path, names)]
        found = columns(self._location, self._footer, leaves)
        size, texts, largest = (
            sum(_width(schema.column(j)) * p.values for j in leaves for p in found[j]),
            0,
            0,
        )
        for j in (j for j in leaves if schema.column(j).physical_type == "BYTE_ARRAY"):
            largest = max([1, largest, *(page.unpacked for page in found[j])])
            texts += _text_bytes(found[j])
        return size, texts, largest

    def _table(self, names: list[str]) -> pa.Table:
        """These columns. Their memory is checked first: for numbers by the page headers, for texts as they
        are read, because a dictionary page may have one text that every row refers to."""
        bound = bounds.memory_limit()
        size, _, largest = self._sizes({*names})
        bounds.check(size, bound, self.file, self.definition)
        threads = max(size, self._location.size()) > bounds.ONE_THREAD
        if not largest or not self.count:
            return self._parquet.read(columns=names, use_threads=threads)
        batches = []
        for batch in self._batches(names):
            batches.append(batch)
            size += batch.nbytes
            bounds.check(size, bound, self.file, self.definition)
        return pa.Table.from_batches(batches)

    def _batches(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        """These columns in batches of rows of about `PIECE` bytes, unless one text is longer."""
        numbers, texts, largest = self._sizes({*names})
        rows = PIECE * self.count // max(numbers + texts, 1)
        most = max(min(PIECE // largest if largest else rows, rows, MAX_ROWS), 1)
        packed, unpacked = self._location.size(), 0
        threads = max(numbers, packed) > bounds.ONE_THREAD
        # with `pre_buffer`, the batches that were read are kept in memory, the whole file in the end
        opened = self._reader(buffer_size=BUFFER, pre_buffer=False)
        for batch in opened.iter_batches(most, columns=names, use_threads=threads):
            plain = _without_dictionaries(batch)
            unpacked += plain.nbytes
            bounds.check_ratio(max(numbers, unpacked), packed, self.file, self.definition, help=PLAIN)
            yield plain

    def _reader(self, **how: Any) -> parquet.ParquetFile:
        return parquet.ParquetFile(self._location.native(), **how)

    def list_sizes(self, index: int) -> set[int]:
        if index not in self._list_sizes:
            name, known = self.names[index], set()
            if is_list(self._parquet.schema_arrow.field(index).type):
                place, first = self.names[:index].count(name), 0
                for batch in self._batches([name]):
                    lists = pa.chunked_array([batch.column(place)])
                    refuse = partial(self._refuse_lists, index, first, (0,), None)
                    known |= {*list_sizes(lists, refuse).tolist()}
                    first += batch.num_rows
            self._list_sizes[index] = known
        return self._list_sizes[index]

    def _broken(self, error: object) -> data_errors.CompileError:
        if self._location.is_remote and isinstance(error, OSError) and is_of_network(error):
            return data_errors.unreadable(self.file, error, self.definition)
        why = "a name in it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error
        message = f"{self.file} cannot be read as a Parquet file: {shorten(why, 200)}"
        help = fix_of(self._location, self.definition, MARK) if str(error) == NO_END else ""
        return data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here"), help=help)


def _without_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch with its dictionary columns decoded."""
    columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _width(leaf: Any) -> int:
    """Bytes that a value of a column takes while it is read: in Arrow, in NumPy, and its list offset."""
    return 2 * WIDTHS.get(leaf.physical_type, leaf.length or 0) + 4


def _text_bytes(pages: list[ParquetPage]) -> int:
    """The bytes of the texts of a column, about. The texts of a dictionary are as often referred to as there
    are values."""
    plain = sum(page.unpacked for page in pages if page.values)
    texts = sum(page.entries for page in pages)
    words = sum(page.unpacked for page in pages if not page.values)
    values = sum(page.values for page in pages)
    return max(plain + words, values * words // max(texts, 1))


def _is_of(path: str, names: set[str]) -> bool:
    """Whether a path of the schema is part of one of these columns."""
    parts = path.split(".")
    return any(".".join(parts[: i + 1]) in names for i in range(len(parts)))
