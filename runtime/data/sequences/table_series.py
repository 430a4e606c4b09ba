"""Rows of a table as steps of series: `series=`, `order=` and `window=` of a source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions.sections import ColumnField
from dlc.compiler.definitions.series import Ahead, Steps
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.types import Tensor
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.conversion import first_bad_text, refusal
from dlc.runtime.data.data_errors import counted
from dlc.runtime.data.requirements import RequiredField
from dlc.runtime.data.sequences.ragged import Ragged, covered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.definitions.series import TableFile
    from dlc.compiler.dims.dim import Size
    from dlc.runtime.data.source import Column, Opened

# The names of the columns in messages; no field of a program has such a name.
SERIES_COLUMN, ORDER_COLUMN = "series=", "order="
HOLES = {SERIES_COLUMN: "the row belongs to no series", ORDER_COLUMN: "the row has no place in the order"}
FILL = "fill it in, or remove the row"
ONE_ROW = Steps()
# Text that sorts as time does: months, days, quarters, weeks, times of day.
SORTED = r"^(\d{4}-\d{2}(-\d{2}([T ]\d{2}.*)?)?|\d{4}-?[QH]\d|\d{4}-?W\d{2}|\d{2}:\d{2}(:\d{2}(\.\d+)?)?)$"


@dataclass(frozen=True)
class Sequences:
    """The samples of a table. `order` are the row numbers of the source, series after series. Sample `i` has
    the rows `order[starts[i] : starts[i] + lengths[i]]`, and `ahead` rows behind them; `series` is the number
    of its series. `window` is the length of all samples, None for whole series. `notes` count what is in no
    sample."""

    order: np.ndarray
    begins: np.ndarray  # the places in `order` where series begin
    starts: np.ndarray
    lengths: np.ndarray
    series: np.ndarray
    window: int | None = None
    ahead: int = 0
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.starts)

    @property
    def what(self) -> str:
        """What a sample is."""
        return "series" if self.window is None else "window"

    @property
    def span(self) -> int:
        """The rows of a window and those behind it."""
        return (self.window or 0) + self.ahead

    @property
    def first_rows(self) -> np.ndarray:
        """The row number of the first row of each sample."""
        return self.order[self.starts]

    @property
    def named_rows(self) -> np.ndarray:
        """The row number that stands for each sample: the last row of a window, the first of a series."""
        return self.first_rows if self.window is None else self.order[self.starts + self.window - 1]

    def take(self, samples: np.ndarray) -> Sequences:
        """Only these samples."""
        kept = {key: getattr(self, key)[samples] for key in ("starts", "lengths", "series")}
        return replace(self, **kept)

    def holding(self, mask: np.ndarray, steps: Steps) -> np.ndarray:
        """A mask of the samples in which a row of `mask` is one of these steps."""
        begin = self.starts + steps.start
        total = np.concatenate([[0], np.cumsum(mask[self.order])])
        return total[begin + (self.lengths if steps.whole else steps.count)] > total[begin]

    def rows_of(self, steps: Steps) -> FieldRows:
        """The rows that fill a field."""
        begin = self.starts + steps.start
        if steps.axis is None:
            return FieldRows(self.order[begin])
        lengths = self.lengths if steps.whole else np.full(self.count, steps.count)
        mask = covered(begin, lengths, len(self.order))
        return FieldRows(self.order[mask], (np.cumsum(mask) - 1)[begin], lengths, steps)


@dataclass(frozen=True)
class FieldRows:
    """The rows of the source that fill a field, None for all. Sample `i` has `lengths[i]` of them, from
    `starts[i]` on; without `starts`, each row is a sample."""

    rows: np.ndarray | None
    starts: np.ndarray | None = None
    lengths: np.ndarray | None = None
    steps: Steps = ONE_ROW

    def of(self, column: Column) -> Column:
        """The column with these rows alone."""
        return column if self.rows is None else column.take(self.rows)

    def in_samples(self, values: np.ndarray, declared: Sequence[Size]) -> np.ndarray | Ragged:
        """The values of the rows as those of the samples, in the shape of the field. Samples that overlap
        share their rows."""
        assert self.starts is not None and self.lengths is not None
        shape, axis = self.steps.without_axis(declared), self.steps.axis or 0
        if all(isinstance(size, int) for size in shape):
            values = values.reshape(len(values), *shape)
        made = Ragged(values, self.lengths, axis, self.starts)
        if not len(made):
            return np.zeros((0, *made.sample_shape(self.steps.count)), values.dtype)
        one_array = made.is_uniform and self.steps.count == 1  # series of one length, which share no rows
        return made.padded() if one_array else made


def columns_of(opened: Opened) -> list[RequiredField]:
    """The columns that make sequences of the rows. A model answers single rows in the order of the file."""
    settings, found = opened.sequences, []
    if settings is None or (opened.for_model and settings.window is None and settings.series is None):
        return []
    for key, name in (("series", SERIES_COLUMN), ("order", ORDER_COLUMN)):
        if (column := getattr(settings, key)) is not None:
            span = settings.spans.get(key)
            source = ColumnField(column=column).placed(span, {})
            found.append(RequiredField(name, Tensor("string"), key, source, span))
    return found


def sequences_of(opened: Opened, wanted: Sequence[RequiredField], codes: np.ndarray | None,
                 keys: np.ndarray | None) -> Sequences | None:  # fmt: skip
    """The samples that the settings of the source make of its rows; None if rows are samples, as they stand.
    Rows that are only sorted are one series. `codes` are the numbers of the series of the rows, `keys` their
    places in the order. `CompileError` if no window fits into any series."""
    settings = opened.sequences
    if settings is None or (settings.window is None and codes is None and keys is None):
        return None
    ordered = keys is not None
    codes = np.zeros(opened.count, np.int64) if codes is None else codes
    keys = np.zeros(opened.count, np.int64) if keys is None else keys
    rows = np.lexsort((keys, codes))
    sizes = np.bincount(codes) if len(codes) else np.zeros(0, np.int64)
    begins = np.cumsum(sizes) - sizes
    notes = repeated_note(opened, settings, codes[rows], keys[rows]) if ordered else []
    if settings.window is None:
        return Sequences(rows, begins, begins, sizes, np.arange(len(sizes)), notes=tuple(notes))
    ahead = max((w.source.n for w in wanted if isinstance(w.source, Ahead)), default=0)
    span = settings.window + ahead
    counts = np.maximum((sizes - span) // settings.step + 1, 0)
    if opened.count and not counts.any():
        raise too_short(opened, settings, int(sizes.max()), ahead)
    if short := np.count_nonzero(counts == 0):
        what = f"{short} of the {len(sizes)} series of {opened.file}"
        notes.append(
            f"{what} left out: they have fewer than the {span} rows that {described(settings, ahead)}"
        )
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.repeat(begins, counts) + settings.step * within
    lengths = np.full(len(starts), settings.window)
    numbers = np.repeat(np.arange(len(sizes)), counts)
    return Sequences(rows, begins, starts, lengths, numbers, settings.window, ahead, tuple(notes))


def described(settings: TableFile, ahead: int) -> str:
    behind = f" and the {counted(ahead, 'row')} behind it" if ahead else ""
    return f"a window of {settings.window}{behind} take{'' if ahead else 's'}"


def too_short(opened: Opened, settings: TableFile, longest: int, ahead: int) -> data_errors.CompileError:
    """The error if no series has a window."""
    has = counted(opened.count, "row")
    if settings.series is not None:
        has = f"no series of more than {counted(longest, 'row')}"
    message = f"{opened.file} has {has}, and {described(settings, ahead)} {(settings.window or 0) + ahead}"
    in_spec = data_errors.span_of(settings) is not None and not opened.for_model
    help = "bring more rows, or make the window shorter" if in_spec else "bring more rows"
    place = (settings.spans.get("window") or opened.definition, "")
    return data_errors.fail(data_errors.NO_ROWS, message, place, help=help)


def repeated_note(opened: Opened, settings: TableFile, codes: np.ndarray, keys: np.ndarray) -> list[str]:
    """A note that counts the rows whose place in the order is that of another row of their series."""
    same = int(np.count_nonzero((codes[1:] == codes[:-1]) & (keys[1:] == keys[:-1])))
    if not same:
        return []
    verb = "has" if same == 1 else "have"
    of = " of the same series" if settings.series is not None else "; `series=` tells series apart"
    rows = f'{counted(same, "row")} of {opened.file} {verb} the value of "{settings.order}" of another row'
    return [f"{rows}{of}"]


def first_come(column: Column) -> np.ndarray:
    """The number of the series of each row, in the order in which the series begin in the file."""
    refuse_holes(column, SERIES_COLUMN)
    _, first, of_row = np.unique(column.codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[of_row]


def sort_keys(column: Column) -> np.ndarray:
    """Numbers in the order of the values: numbers, dates and times."""
    refuse_holes(column, ORDER_COLUMN)
    if not column.is_text:
        return column.values.reshape(column.count)
    if (values := numbers_or_times(column)) is not None:
        return values
    from dlc.runtime.data.columns.arrow_compute import pc

    odd = pc.invert(pc.match_substring_regex(column.trimmed, SORTED))
    if (bad := odd.to_numpy(zero_copy_only=False)).any():
        what = f'"{shorten(first_bad_text(column, bad))}" is neither a number nor a date such as 2024-01-31'
        raise refusal(
            data_errors.VALUE, what, bad, "write the order as numbers, or dates with the year first"
        )
    words = column.trimmed.to_numpy(zero_copy_only=False).astype(str)
    return np.unique(words, return_inverse=True)[1]


def numbers_or_times(column: Column) -> np.ndarray | None:
    """Text as numbers: of numbers, and of dates and times in ISO 8601; None for other text."""
    import pyarrow as pa

    times = (pa.timestamp("us"), pa.timestamp("us", "UTC"))
    for kind in (pa.int64(), pa.float64(), *times):
        try:
            values = (column.trimmed if kind in times else column.numerals).cast(kind)
        except pa.ArrowInvalid:
            continue
        return (values.cast(pa.int64()) if kind in times else values).to_numpy(zero_copy_only=False)
    return None


def refuse_holes(column: Column, name: str) -> None:
    """Refuse missing values of a column that makes sequences, and columns of several values a row."""
    if column.lengths is not None or column.shape not in ((), (1,)):
        raise data_errors.Refused(data_errors.SHAPE, "it has several values a row", [0])
    if (missing := column.missing_rows).any():
        raise refusal(data_errors.MISSING_VALUE, HOLES[name], missing, FILL)


KEYS = {"series": first_come, "order": sort_keys}
