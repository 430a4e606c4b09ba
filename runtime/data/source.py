"""What every source of rows offers once it is opened: names of columns, and the columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler import reading
from dlc.runtime.data import data_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.definitions.sections import Csv, DataSource, Npz, Parquet


@dataclass(frozen=True)
class Column:
    """Values as the source has them, rows first.

    Numbers and booleans are a NumPy array of any rank. Text is a flat Arrow array, `shape` being that of one
    row; it is `untyped` where the file does not say whether it stands for text or for numbers, as in csv.
    `labels` are the names behind the class numbers of a set that has both. `nulls` say where a whole number
    or a boolean is missing: a float is NaN there.
    """

    values: Any
    shape: tuple[int, ...] = ()
    labels: tuple[str, ...] | None = None
    untyped: bool = False
    nulls: np.ndarray | None = None

    @property
    def is_text(self) -> bool:
        return not isinstance(self.values, np.ndarray)

    @property
    def is_truth(self) -> bool:
        """Whether its values are true and false, as its source tells."""
        return not self.is_text and self.values.dtype.kind == "b"

    @property
    def gaps(self) -> np.ndarray:
        """Where a number is missing."""
        if self.nulls is not None:
            return self.nulls
        return np.isnan(self.values) if self.values.dtype.kind == "f" else np.zeros(self.values.shape, bool)

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.values) // max(prod(self.shape), 1) if self.is_text else len(self.values)

    @cached_property
    def trimmed(self) -> Any:
        """Text without white space around it; what is empty is missing."""
        import pyarrow as pa

        from dlc.runtime.data.arrow_compute import pc

        cells = pc.utf8_trim_whitespace(self.values)
        empty = pc.equal(cells, "")
        return (
            pc.if_else(empty, pa.scalar(None, pa.large_string()), cells) if pc.any(empty).as_py() else cells
        )

    @cached_property
    def blank(self) -> np.ndarray:
        """Where text is missing: nothing stands there, or white space alone."""
        return self.trimmed.is_null().to_numpy(zero_copy_only=False)

    @cached_property
    def parsed(self) -> np.ndarray | None:
        """Text as numbers, NaN where it is missing; none if some of it is no number."""
        import pyarrow as pa

        try:
            values = self.trimmed.cast(pa.float64())
        except pa.ArrowInvalid:
            return None
        return values.to_numpy(zero_copy_only=False).reshape(-1, *self.shape)


def numbers(
    values: np.ndarray, labels: Sequence[str] | None = None, nulls: np.ndarray | None = None
) -> Column:
    """A column of numbers or booleans."""
    return Column(values, values.shape[1:], tuple(labels) if labels is not None else None, nulls=nulls)


def texts(values: Any, shape: tuple[int, ...] = (), *, untyped: bool = False) -> Column:
    """A column of text, from an Arrow array or a list; none is a missing text."""
    import pyarrow as pa

    if not isinstance(values, (pa.Array, pa.ChunkedArray)):
        values = pa.array(values, pa.large_string())
    if values.type != pa.large_string():
        values = values.cast(pa.large_string())
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], pa.large_string())
    return Column(values, shape, untyped=untyped)


class Opened:
    """A source that was opened. Only the columns that are read are decoded.

    `names` is empty where the source has no names; `sizes` is then the number of values in a row of each.
    `remaining` says that the columns nobody named fill a vector together; `target` is the column that goes to
    the only output that no column is named for.
    """

    file: str  # as messages call it
    count: int
    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    remaining: bool = False
    target: int | None = None
    definition: DataSource | None = None
    free_layout: bool = False  # an array fills any shape of as many values
    marks: tuple[str, ...] | None = None  # of missing values; none where a source has no such setting
    odd: tuple[str, ...] = ()  # more marks that stand in place of numbers, once one was refused
    for_model: bool = False  # rows for an artifact: there is no spec to change
    no_rows: str = "has no rows"  # what is said of it where there are none
    own_names: bool = False  # a field may stand under its own name although `data` names another column

    def read(self, places: Sequence[int]) -> list[Column]:
        """The columns at these places."""
        raise NotImplementedError

    def row(self, number: int) -> str:
        """How a row, counted from 0, is called: the file's own rows are counted from 1."""
        return f"row {number + 1}"

    def name(self, place: int) -> str:
        return f'column "{self.names[place]}"' if self.names else f"field {place + 1}"

    def heading_help(self, wanted: Sequence[str]) -> str:
        """What to say where no column has the names wanted, if one thing is wrong with all of them."""
        return ""

    def absent_help(self, name: str) -> str:
        """What to say of a name that no column has, if the source knows more of it."""
        return ""

    def no_row(self, rows: Sequence[int]) -> tuple[str, str]:
        """What to say of rows with one bad value each, and what to do, where they are no rows of data as a
        whole; nothing if they may be."""
        return "", ""

    def help_for(self, text: str, *, lacks: bool, words: bool) -> str:
        """What to do about a text that stands in place of a number; `lacks` if a number may be missing,
        `words` if no number stands in the column."""
        from dlc.runtime.data.numerals import help_for

        marks = self.marks if self.marks is None else (*self.marks, *self.odd)
        return help_for(text, marks, in_spec=not self.for_model, lacks=lacks, words=words)


def shown(path: str) -> str:
    """A path as messages call it: as the spec writes it, but no folders of the machine."""
    return PurePath(path).name if PurePath(path).is_absolute() else path


def need_file(path: Path, source: Csv | Parquet | Npz) -> Path:
    """The path of a source's file; said kindly if there is no such file."""
    name, place = shown(source.path), (source, "looked for here")
    try:
        reading.check(path)
    except (FileNotFoundError, NotADirectoryError):
        help = _nearest_file(path) or relative(source)
        raise data_errors.fail(data_errors.NO_FILE, f"there is no file {name}", place, help=help) from None
    except OSError as error:
        raise data_errors.fail(data_errors.NO_FILE, f"{name} {reading.why(error)}", place) from None
    return path


def relative(source: DataSource | None) -> str:
    """Where the path of a source begins, if the spec gives it: others begin at the current folder."""
    return "paths are relative to the spec" if data_errors.span_of(source) else ""


def fix_of(path: Path, source: Parquet | Npz, begins: bytes) -> str:
    """What to do about a file that is not what its source reads, or whose end is missing."""
    from dlc.runtime.data import formats

    with reading.open_file(path) as file:
        head = file.read(4096)
    return formats.fix(head, source.path, begins, in_spec=data_errors.span_of(source) is not None)


def _nearest_file(path: Path) -> str:
    from itertools import islice

    from dlc.compiler.diagnostics.suggest import did_you_mean

    if not path.parent.is_dir():
        return ""
    return did_you_mean(path.name, [p.name for p in islice(path.parent.iterdir(), 500)])
