"""Several files with the same columns as one source. The rows of a file follow those of the file before it,
in the order of the names of the files. Folders that are named `year=2024` are a column `year`."""

from __future__ import annotations

from copy import copy
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.quoting import VALUES, listed, shorten
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.columns.joined_columns import as_kind, in_sequences, joined, kind_of, rank_of
from dlc.runtime.data.data_errors import counted
from dlc.runtime.data.locations.listing import shown_path
from dlc.runtime.data.source import Column, Opened, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dlc.compiler.definitions.sections import Csv, Parquet
    from dlc.runtime.data.locations.location import Location

SAMPLED = 16  # files whose size tells that of the others


class ManyFiles(Opened):
    """A file is opened when its rows are read, and closed behind them."""

    no_rows = "have no rows"
    is_table = True

    def __init__(self, source: Csv | Parquet, files: Sequence[Location],
                 open_file: Callable[[Csv | Parquet, Location], Opened]) -> None:  # fmt: skip
        self.file, self.definition, self.sequences = shown_path(source.path), source, source
        self._open_file = open_file
        self._files = [file for file in files if not (source.name == "csv" and self._is_empty(file))]
        if not self._files:
            message = f"the {len(files)} files of {self.file} are empty"
            raise data_errors.fail(data_errors.NO_ROWS, message, (source, "read here"))
        self._first = self._open(0)
        self._columns = self._first.names
        self._keys = tuple(self._files[0].partition)
        self.numbered, self.sizes, self.marks = self._first.numbered, self._first.sizes, self._first.marks
        self.names = (*self._columns, *self._keys) if not self.numbered else ()
        self.count = -1
        self._counts: list[int] = []
        self._kinds: dict[int, tuple[str | None, int, str]] = {}
        self._check_partitions()

    def read(self, indices: Sequence[int]) -> list[Column]:
        bound = bounds.memory_limit()
        found: list[list[Column]] = [[] for _ in indices]
        size = 0
        for columns in self._each(indices, lambda file, own: iter([file.read(own)])):
            size += sum(column.nbytes for column in columns)
            bounds.check(size, bound, self.file, self.definition)
            for of, column in zip(found, columns, strict=True):
                of.append(column)
        return [joined(self._alike(index, of)) for index, of in zip(indices, found, strict=True)]

    def pieces(self, indices: Sequence[int]) -> Iterator[list[Column]]:
        ragged = {index for index in indices if len(self.list_sizes(index)) > 1}
        some = False
        for columns in self._each(indices, lambda file, own: file.pieces(own)):
            if not columns or columns[0].count or not indices:
                some = True
                yield [in_sequences(c) if i in ragged else c for i, c in zip(indices, columns, strict=True)]
        if not some:
            yield self.read(indices)

    def size(self, indices: Sequence[int]) -> int:
        """By the first files, and the size of the others."""
        sampled = self._files[:: max(len(self._files) // SAMPLED, 1)]
        estimated = packed = 0
        for file in sampled:
            number = self._files.index(file)
            opened = self._open(number)
            estimated += opened.size([own for own in self._own(opened, indices) if own is not None])
            packed += file.size()
        whole = sum(file.size() for file in self._files)
        return int(estimated * whole / max(packed, 1))

    def list_sizes(self, index: int) -> set[int]:
        if index >= len(self._columns) or not self._first.list_sizes(index):
            return set()
        opened = (self._open(number) for number in range(len(self._files)))
        return {size for file in opened for own in self._own(file, [index]) if own is not None
                for size in file.list_sizes(own)}  # fmt: skip

    def identity(self) -> list[tuple[str, ...]]:
        return [file.identity() for file in self._files]

    # --- places and fixes ---------------------------------------------------------------------------------

    def at(self, rows: Sequence[int]) -> tuple[Opened, list[int]]:
        ends = [*accumulate(self._counts)]
        number = min(int(np.searchsorted(ends, rows[0], side="right")), len(self._files) - 1)
        start = ends[number - 1] if number else 0
        end = ends[number] if number < len(ends) else max(rows) + 1
        return self._open(number), [row - start for row in rows if start <= row < end]

    def row(self, number: int) -> str:
        file, [own] = self.at([number])
        return f"{file.row(own)} of {file.file}"

    def heading_help(self, wanted: Sequence[str]) -> str:
        return self._first.heading_help(wanted)

    def too_few_help(self) -> str:
        return self._first.too_few_help()

    def absent_help(self, name: str) -> str:
        return self._first.absent_help(name)

    def not_data(self, rows: Sequence[int]) -> tuple[str, str]:
        file, own = self.at(rows)
        return file.not_data(own)

    def help_for(self, text: str, *, lacks: bool, words: bool) -> str:
        self._first.for_model, self._first.undeclared_marks = self.for_model, self.undeclared_marks
        return self._first.help_for(text, lacks=lacks, words=words)

    # --- files --------------------------------------------------------------------------------------------

    def _open(self, number: int) -> Opened:
        try:
            opened = self._open_file(self.definition, copy(self._files[number]))  # type: ignore[arg-type]
        except OSError as error:
            raise data_errors.unreadable(self._files[number].name, error, self.definition) from None
        opened.for_model = self.for_model
        return opened

    def _is_empty(self, file: Location) -> bool:
        """Whether a file has no bytes, not even a heading, as tools write it for a part without rows."""
        try:
            return file.size() == 0
        except OSError as error:
            raise data_errors.unreadable(file.name, error, self.definition) from None

    def _each(self, indices: Sequence[int], read: Callable[[Opened, list[int]], Iterator[list[Column]]],
              ) -> Iterator[list[Column]]:  # fmt: skip
        """The columns of all files, in the pieces in which each is read."""
        self._counts, self._kinds, self.count = [], {}, -1
        for number in range(len(self._files)):
            file = self._open(number)
            places = self._own(file, indices)
            own = [place for place in places if place is not None]
            sorts = dict(zip(indices, places, strict=True)).get(
                -1 if self.sorted_by is None else self.sorted_by
            )
            file.sorted_by = sorts
            for columns in read(file, own):
                given = iter(columns)
                count = columns[0].count if columns else max(file.count, 0)
                all_of = [
                    self._partition(index, number, count) if place is None else next(given)
                    for index, place in zip(indices, places, strict=True)
                ]
                yield [self._checked(i, column, file) for i, column in zip(indices, all_of, strict=True)]
            self._counts.append(file.count)
        self.count = sum(self._counts)

    def _own(self, file: Opened, indices: Sequence[int]) -> list[int | None]:
        """The places of columns in a file, None for the value of a folder. A file may have its columns in
        another order."""
        if self.numbered:
            if len(file.sizes) != len(self.sizes):
                message = f"{file.file} has {counted(len(file.sizes), 'column')}, and {self._first.file} has "
                raise self._refused(data_errors.RAGGED, f"{message}{len(self.sizes)}")
            return [*indices]
        if taken := [key for key in self._keys if key in file.names]:
            message = f'{file.file} has a column "{shorten(taken[0])}", and so has its folder'
            raise self._refused(data_errors.REPEATED, message, "rename the column, or the folders")
        places: dict[str, list[int]] = {}
        for place, name in enumerate(file.names):
            places.setdefault(name, []).append(place)
        found: list[int | None] = []
        for index in indices:
            if index >= len(self._columns):
                found.append(None)
                continue
            name = self._columns[index]
            of, number = places.get(name, []), self._columns[:index].count(name)
            if len(of) != self._columns.count(name):
                raise self._differs(file, name, of)
            found.append(of[number])
        return found

    def _differs(self, file: Opened, name: str, of: Sequence[int]) -> data_errors.CompileError:
        has, others = f'column "{shorten(name)}"', self._first.file
        if of:
            return self._refused(data_errors.REPEATED, f"{file.file} has {len(of)} times the {has}, "
                                 f"{others} {self._columns.count(name)} times")  # fmt: skip
        note = f"it has {listed(file.names, VALUES)}"
        help = "all files of a source have the same columns, in any order"
        return self._refused(data_errors.MISSING_COLUMN, f"{file.file} has no {has}, which {others} has",
                             help, note)  # fmt: skip

    def _partition(self, index: int, number: int, count: int) -> Column:
        """The value that the folders of a file have for a column."""
        value = self._files[number].partition[self._keys[index - len(self._columns)]]
        import pyarrow as pa

        return texts(pa.repeat(pa.scalar(value, pa.large_string()), count), untyped=True)

    def _check_partitions(self) -> None:
        """All files are in folders that give values for the same columns."""
        for file in self._files:
            if set(file.partition) != set(self._keys):
                here, there = (listed(keys, VALUES) if keys else "no value"
                               for keys in (tuple(file.partition), self._keys))  # fmt: skip
                message = (
                    f"the folders of {file.name} have {here}, and those of {self._first.file} have {there}"
                )
                raise self._refused(data_errors.SHAPE, message, "put all files in folders named alike")

    def _checked(self, index: int, column: Column, file: Opened) -> Column:
        """A column of a file. It has the kind of values and the axes that it has in the files before."""
        kind, rank = kind_of(column), rank_of(column)
        known, axes, first = self._kinds.get(index, (None, rank, file.file))
        if not column.count:
            return column
        if rank != axes or None is not kind != known is not None:
            here, there = described(kind, rank), described(known, axes)
            message = f"{file.file}, {self.name(index)}: it holds {here}, and in {first} {there}"
            raise self._refused(data_errors.VALUE, message, "write the column alike in all files")
        if known is None:
            self._kinds[index] = (kind, rank, file.file)
        return as_kind(column, self._kinds[index][0])

    def _alike(self, index: int, columns: Sequence[Column]) -> list[Column]:
        """The columns of all files, those without values as missing values of the kind of the others."""
        kind = self._kinds[index][0] if index in self._kinds else None
        return [as_kind(column, kind) for column in columns]

    def _refused(self, code: str, message: str, help: str = "", note: str = "") -> data_errors.CompileError:
        notes = [note] if note else []
        found = data_errors.error(code, message, (self.definition, "read here"), help=help, notes=notes)
        return data_errors.CompileError([found])


def described(kind: str | None, rank: int) -> str:
    """What a column holds, as messages say it."""
    values = kind or "missing values"
    return f"{'lists of ' * rank}{values}"
