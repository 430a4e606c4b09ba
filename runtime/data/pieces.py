"""The rows of a source in pieces, each of which is read like a source of its own: there is no second decoder.

A piece is as large as `Opened.pieces` makes it. Rows that fit into the memory given are one piece, and so are
rows that only make sense together: those of series, and those that are sorted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.definitions.series import Ahead
from dlc.runtime import memory
from dlc.runtime.data.columns import text_units
from dlc.runtime.data.columns.classes import DOTTED, WHOLE, forms_of_integers
from dlc.runtime.data.columns.column_match import match
from dlc.runtime.data.columns.conversion import named_by_numbers
from dlc.runtime.data.columns.joined_columns import joined
from dlc.runtime.data.files.sizes import bytes_of_files
from dlc.runtime.data.sequences.table_series import columns_of
from dlc.runtime.data.source import Column, Opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.runtime.data.columns.column_match import Match
    from dlc.runtime.data.requirements import RequiredField

PIECE_OF_FILES = 1 << 28  # bytes of pictures or recordings that are decoded at a time


class Piece(Opened):
    """Successive rows of a source. `first` is the number of the first one. Windows of other pieces may have
    some of them too: the first windows share all but `step` of their rows with one before."""

    def __init__(
        self, whole: Opened, columns: Mapping[int, Column], first: int, step: int | None = None
    ) -> None:
        for name in Opened.__annotations__:
            if hasattr(whole, name):
                setattr(self, name, getattr(whole, name))
        self._whole, self._columns, self.first, self.step = whole, columns, first, step
        self.count = next(iter(columns.values())).count if columns else 0

    def read(self, indices: Sequence[int]) -> list[Column]:
        return [self._columns[index] for index in indices]

    def at(self, rows: Sequence[int]) -> tuple[Opened, list[int]]:
        return self._whole.at([self.first + row for row in rows])

    def row(self, number: int) -> str:
        return self._whole.row(self.first + number)

    def others(self, numbers: Sequence[int]) -> str:
        return self._whole.others([self.first + number for number in numbers])

    def name(self, index: int) -> str:
        return self._whole.name(index)

    def place_of(self, wanted: RequiredField) -> int | Diagnostic:
        return self._whole.place_of(wanted)

    def heading_help(self, wanted: Sequence[str]) -> str:
        return self._whole.heading_help(wanted)

    def too_few_help(self) -> str:
        return self._whole.too_few_help()

    def absent_help(self, name: str) -> str:
        return self._whole.absent_help(name)

    def not_data(self, rows: Sequence[int]) -> tuple[str, str]:
        return self._whole.not_data([self.first + row for row in rows])

    def no_value(self, wanted: RequiredField, index: int) -> tuple[str, str]:
        return self._whole.no_value(wanted, index)

    def help_for(self, text: str, **known: bool) -> str:
        self._whole.undeclared_marks = self.undeclared_marks
        return self._whole.help_for(text, **known)


class AllRows(Piece):
    """All rows of a source, which are read when they are needed."""

    def __init__(self, whole: Opened, indices: Sequence[int]) -> None:
        super().__init__(whole, {}, 0)
        self.count, self._indices = whole.count, indices

    def read(self, indices: Sequence[int]) -> list[Column]:
        if not self._columns:
            every = sorted({*self._indices, *indices})
            self._whole.sorted_by = self.sorted_by
            self._columns = dict(zip(every, self._whole.read(every), strict=True))
            self.count = self._whole.count
        return super().read(indices)


def pieces_of(
    opened: Opened, wanted: Sequence[RequiredField], others: Sequence[int] = (), share: int | None = None,
    *, drop: bool = False,
) -> Iterator[Piece]:  # fmt: skip
    """The columns of the fields, and `others`, in pieces; there is one at least. All rows are one piece if
    they take at most `share` bytes, by default half of what is free. With `drop` rows that miss a value are
    left out, so windows are too."""
    matches = match(opened, wanted)
    indices = sorted({*others, *(index for m in matches for index in m.indices)})
    window = opened.sequences.window if opened.sequences is not None else None
    together = columns_of(opened) or (drop and window is not None)
    of_files, bound = bytes_of_files(opened, matches), memory.share() if share is None else share
    known = not of_files or (opened.of_files and of_files * opened.count <= bound)
    if together or (known and opened.size(indices) <= bound):
        yield AllRows(opened, indices)
        return
    found = smaller(opened, indices, integers_among(opened, matches), lambda columns: rows_of_files(of_files))
    settings = opened.sequences
    if settings is None or window is None:
        numbered, step = one_after_another(found), None
    else:
        ahead = max((w.source.n for w in wanted if isinstance(w.source, Ahead)), default=0)
        numbered, step = of_windows(found, window + ahead, settings.step), settings.step
    for first, columns in numbered:
        yield Piece(opened, dict(zip(indices, columns, strict=True)), first, step if first else None)


def smaller(
    opened: Opened, indices: Sequence[int], integers: Mapping[int, bool], rows: Callable[[list[Column]], int]
) -> Iterator[list[Column]]:
    """The columns in pieces of at most as many rows as `rows` says of each piece of the source. `integers` is
    whether all rows of a column are integers."""
    for columns in opened.pieces(indices):
        columns = [replace(c, integers=integers.get(at)) for at, c in zip(indices, columns, strict=True)]
        count, step = columns[0].count, rows(columns)
        for start in range(0, max(count, 1), step):
            yield [column.part(start, min(start + step, count)) for column in columns]


def rows_of_files(size: int) -> int:
    """The rows of a piece whose files take so many bytes a row while they are decoded."""
    return max(PIECE_OF_FILES // max(size, 1), 1)


def one_after_another(pieces: Iterable[list[Column]]) -> Iterator[tuple[int, list[Column]]]:
    """The pieces, each with the number of its first row."""
    first = 0
    for columns in pieces:
        yield first, columns
        first += columns[0].count


def of_windows(pieces: Iterable[list[Column]], span: int, step: int) -> Iterator[tuple[int, list[Column]]]:
    """Pieces that begin with the first row of a window, each with the number of that row. Every window of
    `span` rows is in one piece."""
    first, held, found = 0, [], False
    for columns in pieces:
        held = [joined(pair) for pair in zip(held, columns, strict=True)] if held else columns
        count = held[0].count
        windows = max((count - span) // step + 1, 0)
        if windows and windows * step <= count:  # a step may be longer than a window, and end behind the rows
            found = True
            yield first, held
            first += windows * step
            held = [column.part(windows * step, count) for column in held]
    if held[0].count >= span or not found:
        yield first, held


def integers_among(opened: Opened, matches: Sequence[Match]) -> dict[int, bool]:
    """Whether all rows of the untyped columns that have named classes are integers, because they are then the
    indices of the classes. All of these columns are read if the first rows do not tell."""
    units = {index: m.wanted.unit for m in matches if has_names(m.wanted) for index in m.indices}
    if not units:
        return {}
    indices, forms = sorted(units), {index: {WHOLE, DOTTED} for index in units}
    for columns in opened.pieces(indices):
        for index, column in zip(indices, columns, strict=True):
            if not (column.untyped and column.is_text):
                forms.pop(index, None)
            elif forms[index]:
                cells = text_units.cut(column, units[index]) if units[index] else column
                forms[index] = forms[index] & forms_of_integers(cells)
        if not any(forms.values()):
            break
    return {index: bool(found) for index, found in forms.items()}


def has_names(wanted: RequiredField) -> bool:
    """Whether integers in place of the named classes of a field are their indices."""
    classes = wanted.declared.classes
    if wanted.declared.element != "class" or classes is None or classes.found_in:
        return False
    return classes.names is not None and not named_by_numbers(classes.names)
