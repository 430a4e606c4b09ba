"""The interface of an opened data source: column names and columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from dlc.compiler import reading
from dlc.runtime.data import data_errors
from dlc.runtime.data.sequences.ragged import step_indices

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.definitions.sections import Csv, DataSource, Npz, Parquet, TextSource
    from dlc.compiler.definitions.series import TableFile
    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.runtime.data.locations.location import Location
    from dlc.runtime.data.requirements import RequiredField


PIECE = 1 << 26  # bytes of the rows that are read at a time
STEP = 1 << 24  # bytes that are read from a stream at a time


@dataclass(frozen=True)
class FileReading:
    """How the files that a column names are read. `root` is the folder that the names are relative to, `rate`
    that of recordings. `holds` is what the files are, `picture` or `recording`; empty if the field says it.
    `beside` is the picture of each mask, by its name."""

    root: str
    fit: str
    rate: int
    holds: str = ""
    beside: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Column:
    """The values of a column as the source stores them, rows along the first axis.

    Numbers and booleans are a NumPy array of any rank. Text is a flat Arrow array, with the `shape` of one
    row. Text is `untyped` if the file does not distinguish text from numbers, as in csv; its numbers are
    written with the `decimal` sign. `labels` are the class names of a data set that stores class numbers.
    `nulls` is a mask of missing integers or booleans; a missing float is NaN. In the units that texts were
    `cut` into, white space is a value. Texts that are names of files have in `files` how these are read.

    In a column of sequences that differ in length, `lengths` has the number of steps of each row. The values
    are then the steps of all rows, one row after the other, and `shape` is the shape of one step.

    Rows of an untyped column that are read in pieces have `integers`: whether all its rows are integers.
    """

    values: Any
    shape: tuple[int, ...] = ()
    labels: tuple[str, ...] | None = None
    untyped: bool = False
    nulls: np.ndarray | None = None
    decimal: str = "."
    lengths: np.ndarray | None = None
    cut: bool = False
    files: FileReading | None = None
    integers: bool | None = None

    @property
    def is_text(self) -> bool:
        return not isinstance(self.values, np.ndarray)

    @property
    def is_boolean(self) -> bool:
        """Whether its source stores its values as booleans."""
        return not self.is_text and self.values.dtype.kind == "b"

    @property
    def missing_numbers(self) -> np.ndarray:
        """Mask of the missing numbers."""
        if self.nulls is not None:
            return self.nulls
        return np.isnan(self.values) if self.values.dtype.kind == "f" else np.zeros(self.values.shape, bool)

    @property
    def count(self) -> int:
        """The number of rows."""
        if self.lengths is not None:
            return len(self.lengths)
        return len(self.values) // max(prod(self.shape), 1) if self.is_text else len(self.values)

    def take(self, rows: np.ndarray) -> Column:
        """The rows with these numbers."""
        if self.lengths is not None:
            chosen = self.lengths[rows]
            places = step_indices((np.cumsum(self.lengths) - self.lengths)[rows], chosen)
            return replace(self.steps.take(places), lengths=chosen)
        nulls = None if self.nulls is None else self.nulls[rows]
        if not self.is_text:
            return replace(self, values=self.values[rows], nulls=nulls)
        places = np.arange(len(self.values)).reshape(self.count, prod(self.shape))[rows].ravel()
        return replace(self, values=self.values.take(places))

    def part(self, start: int, stop: int) -> Column:
        """The rows from `start` to before `stop`, which share the memory of the column."""
        if self.lengths is not None:
            ends = np.concatenate([[0], np.cumsum(self.lengths)])
            steps = self.steps.part(int(ends[start]), int(ends[stop]))
            return replace(steps, lengths=self.lengths[start:stop])
        nulls = None if self.nulls is None else self.nulls[start:stop]
        if not self.is_text:
            return replace(self, values=self.values[start:stop], nulls=nulls)
        width = prod(self.shape)
        return replace(self, values=self.values.slice(start * width, (stop - start) * width))

    @property
    def nbytes(self) -> int:
        """Bytes of its values in memory."""
        return self.values.nbytes + sum(a.nbytes for a in (self.nulls, self.lengths) if a is not None)

    @property
    def steps(self) -> Column:
        """The steps of all rows as rows of their own; the column itself if its rows are no sequences."""
        return self if self.lengths is None else replace(self, lengths=None)

    @property
    def codes(self) -> np.ndarray:
        """A number for each row, of a column with one value a row: equal for equal values."""
        if self.is_text:
            return self.values.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return self.values.reshape(self.count)

    @property
    def missing_rows(self) -> np.ndarray:
        """Mask of the rows that miss a value, or one of several; of texts that were cut, the empty ones."""
        if self.cut:
            return np.zeros(self.count, bool) if self.lengths is None else self.lengths == 0
        if self.lengths is not None:
            rows = np.repeat(np.arange(self.count), self.lengths)
            return np.bincount(rows[self.steps.missing_rows], minlength=self.count) > 0
        missing = self.missing_texts if self.is_text else self.missing_numbers
        return np.any(missing.reshape(self.count, prod(self.shape)), axis=1)

    @cached_property
    def trimmed(self) -> Any:
        """Text without leading and trailing white space; empty text is null. Units of a text as they are."""
        if self.cut:
            return self.values
        import pyarrow as pa

        from dlc.runtime.data.columns.arrow_compute import pc

        cells = pc.utf8_trim_whitespace(self.values)
        empty = pc.equal(cells, "")
        return (
            pc.if_else(empty, pa.scalar(None, pa.large_string()), cells) if pc.any(empty).as_py() else cells
        )

    @cached_property
    def missing_texts(self) -> np.ndarray:
        """Mask of the missing text: null, empty, or white space only."""
        return self.trimmed.is_null().to_numpy(zero_copy_only=False)

    @cached_property
    def numerals(self) -> Any:
        """`trimmed` with its decimal signs as points. A point that is no decimal sign becomes a semicolon,
        which is in no number."""
        if self.decimal == ".":
            return self.trimmed
        from dlc.runtime.data.columns.arrow_compute import pc

        unpointed = pc.replace_substring(self.trimmed, ".", ";")
        return pc.replace_substring(unpointed, self.decimal, ".")

    @cached_property
    def parsed(self) -> np.ndarray | None:
        """Text as numbers, NaN where it is missing; None if some text is not a number."""
        import pyarrow as pa

        try:
            values = self.numerals.cast(pa.float64())
        except pa.ArrowInvalid:
            return None
        return values.to_numpy(zero_copy_only=False).reshape(-1, *self.shape)


def numbers(
    values: np.ndarray, labels: Sequence[str] | None = None, nulls: np.ndarray | None = None
) -> Column:
    """A column of numbers or booleans."""
    return Column(values, values.shape[1:], tuple(labels) if labels is not None else None, nulls=nulls)


def texts(values: Any, shape: tuple[int, ...] = (), *, untyped: bool = False, decimal: str = ".") -> Column:
    """A column of text, from an Arrow array or a list; None is a missing text."""
    import pyarrow as pa

    if not isinstance(values, (pa.Array, pa.ChunkedArray)):
        values = pa.array(values, pa.large_string())
    if values.type != pa.large_string():
        values = values.cast(pa.large_string())
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], pa.large_string())
    return Column(values, shape, untyped=untyped, decimal=decimal)


class Opened:
    """An opened source. Only the columns that are read are decoded.

    `names` is empty if the source has no column names; `sizes` is then the number of values that a row has in
    each column. If `remaining` is true, the columns that no field names fill one vector together. `target` is
    the index of the column that fills the only target without a column of its name.
    """

    file: str  # its name in messages
    count: int
    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    remaining: bool = False
    target: int | None = None
    definition: DataSource | None = None
    free_layout: bool = False  # an array fills any shape with the same number of values
    marks: tuple[str, ...] | None = None  # of missing values; None if the source has no such setting
    undeclared_marks: tuple[str, ...] = ()  # found in columns of numbers, set once one was refused
    for_model: bool = False  # rows for an artifact: there is no spec to change
    no_rows: str = "has no rows"  # the message if there are no rows
    numbered: bool = False  # a file without names, whose columns are known by their numbers
    own_names: bool = False  # a field may have its own name although `data` names another column
    typeless: bool = False  # without rows, nothing tells numbers, text and lists apart
    is_table: bool = False  # rows of cells, which may be the steps of series
    sequences: TableFile | None = None  # the settings that make sequences of its rows
    sorted_by: int | None = None  # the column whose dates and times are read, as numbers, to sort by
    of_files: bool = False  # a folder: rows are files, and fields take columns by their types
    notes: tuple[str, ...] = ()  # count what is in no row
    folder: Path = Path()  # that names of files in its columns are relative to

    @property
    def joins_rows(self) -> bool:
        """Whether a sample is several rows, so that a cell is one step."""
        settings = self.sequences
        return settings is not None and (settings.series is not None or settings.window is not None)

    def read(self, indices: Sequence[int]) -> list[Column]:
        """The columns with these indices."""
        raise NotImplementedError

    def root_of(self, root: str) -> Path:
        """The folder that names of files in a column are relative to. Rows for an artifact have it beside
        them, or name files beside them."""
        inside = self.folder / root
        return self.folder if self.for_model and not inside.is_dir() else inside

    def place_of(self, wanted: RequiredField) -> int | Diagnostic:
        """For a folder of files, the column that a field takes, or the error if there is none."""
        raise NotImplementedError

    def pieces(self, indices: Sequence[int]) -> Iterator[list[Column]]:
        """The same columns as `read`, in successive pieces of rows of about `PIECE` bytes each. There is one
        piece at least. The values of sequences differ in length in every piece, if they do in any. A source
        with a `size` reads one piece at a time; others read the columns, and cut them."""
        columns = self.read(indices)
        size = sum(column.nbytes for column in columns)
        rows = max(PIECE * self.count // max(size, 1), 1)
        for start in range(0, max(self.count, 1), rows):
            yield [column.part(start, min(start + rows, self.count)) for column in columns]

    def size(self, indices: Sequence[int]) -> int:
        """The bytes that `read` takes for these columns, about, from headers and file sizes; 0 if the source
        does not read pieces."""
        return 0

    def identity(self) -> list[tuple[str, ...]]:
        """For each file what changes if its content does: its address, its size, and the time of its last
        change; empty if that is not known."""
        return []

    def as_prompt(self) -> None:
        """Make a text, which is read in windows else, one row without newlines at its end."""

    def list_sizes(self, index: int) -> set[int]:
        """The numbers of entries of the lists in a column; empty if it has none."""
        return set()

    def at(self, rows: Sequence[int]) -> tuple[Opened, list[int]]:
        """The file that the first of these rows is in, and the numbers that the rows have there. Rows of
        other files are left out."""
        return self, [*rows]

    def row(self, number: int) -> str:
        """The name of a row in messages. `number` counts from 0, the name counts from 1."""
        return f"row {number + 1}"

    def where(self, number: int) -> str:
        """The name of the source and that of a row in messages."""
        return ", ".join(filter(None, (self.file, self.row(number))))

    def others(self, numbers: Sequence[int]) -> str:
        """The rows of which a message is true too."""
        named = ", ".join(str(number + 1) for number in numbers)
        return f"in {'row' if len(numbers) == 1 else 'rows'} {named}"

    def name(self, index: int) -> str:
        return f'column "{self.names[index]}"' if self.names else number_of(index)

    def heading_help(self, wanted: Sequence[str]) -> str:
        """The fix if no column has any of the names wanted, and there is one cause for all of them."""
        return ""

    def too_few_help(self) -> str:
        """The fix if a source without names has too few columns, and the source knows why."""
        return ""

    def absent_help(self, name: str) -> str:
        """The fix for a name that no column has, if the source knows one."""
        return ""

    def not_data(self, rows: Sequence[int]) -> tuple[str, str]:
        """What is wrong with these rows, and the fix, if they are not data rows at all, such as a repeated
        heading; empty if they may be data."""
        return "", ""

    def no_value(self, wanted: RequiredField, index: int) -> tuple[str, str]:
        """What it means that a row has no value in the column of a field, and the fix; empty if the source
        has nothing to say about it but that the value is missing."""
        return "", ""

    def help_for(self, text: str, *, lacks: bool, words: bool) -> str:
        """The fix for a text in a column of numbers; `lacks` if a number may be missing, `words` if the
        column has no numbers."""
        from dlc.runtime.data.columns.numerals import help_for

        marks = self.marks if self.marks is None else (*self.marks, *self.undeclared_marks)
        return help_for(text, marks, in_spec=not self.for_model, lacks=lacks, words=words)


def number_of(index: int) -> str:
    """The name of a column of a source without names."""
    return f"field {index + 1}"


def read_exactly(stream: IO[bytes], size: int) -> bytearray:
    """So many bytes, or all that are left."""
    data = bytearray()
    while len(data) < size and (piece := stream.read(min(STEP, size - len(data)))):
        data += piece
    return data


def display_path(path: str) -> str:
    """A path as messages show it: as the spec writes it; of an absolute path only the file name."""
    return PurePath(path).name if PurePath(path).is_absolute() else path


def need_file(path: Path, source: Csv | Parquet | Npz | TextSource) -> Path:
    """The path of the file of a source. If it cannot be read, the error names a likely fix."""
    name, place = display_path(source.path), (source, "looked for here")
    try:
        reading.check(path)
    except (FileNotFoundError, NotADirectoryError):
        help = nearest_file(path) or relative(source)
        raise data_errors.fail(data_errors.NO_FILE, f"there is no file {name}", place, help=help) from None
    except OSError as error:
        raise data_errors.fail(data_errors.NO_FILE, f"{name} {reading.why(error)}", place) from None
    return path


def relative(source: DataSource | None) -> str:
    """A hint for a path that the spec gives: it is relative to the spec. Other paths are relative to the
    current folder."""
    return "paths are relative to the spec" if data_errors.span_of(source) else ""


def fix_of(location: Location, source: Any, begins: bytes) -> str:
    """The fix for a file of the wrong format, or a truncated one."""
    from dlc.runtime.data import formats

    with location.open() as file:
        head = file.read(4096)
    return formats.fix(head, source.path, begins, in_spec=data_errors.span_of(source) is not None)


def nearest_file(path: Path) -> str:
    from itertools import islice

    from dlc.compiler.diagnostics.suggest import did_you_mean

    if not path.parent.is_dir():
        return ""
    return did_you_mean(path.name, [p.name for p in islice(path.parent.iterdir(), 500)])
