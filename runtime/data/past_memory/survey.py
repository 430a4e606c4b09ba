"""What is known of the rows of a source before they are encoded: which part each row is in, and what is found
and learnt in the training rows. The source is read in pieces, and only the columns that are needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime.data.columns import vocabularies
from dlc.runtime.data.columns.column_match import match
from dlc.runtime.data.columns.distinct import DistinctValues, TextCounts
from dlc.runtime.data.columns.field_columns import FieldColumns, refusal_error
from dlc.runtime.data.columns.found_classes import classes_in
from dlc.runtime.data.columns.text_units import UNIT_BYTES
from dlc.runtime.data.complete import complete_rows
from dlc.runtime.data.decode import read_columns
from dlc.runtime.data.files.sizes import bytes_of_files
from dlc.runtime.data.pieces import Piece, integers_among, one_after_another, rows_of_files, smaller
from dlc.runtime.data.requirements import SPLIT_COLUMN
from dlc.runtime.data.source import PIECE, texts
from dlc.runtime.data.split.many_rows import TRAIN, Codes, parts_of_rows
from dlc.runtime.data.split.parting import group_column, label_column

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.definitions.sections import Data
    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.types import Classes
    from dlc.compiler.vocabularies import Vocabulary
    from dlc.runtime.data.columns.column_match import Match
    from dlc.runtime.data.columns.found_classes import Held
    from dlc.runtime.data.columns.vocabularies import Use
    from dlc.runtime.data.complete import LeftOut
    from dlc.runtime.data.data_errors import Refused
    from dlc.runtime.data.requirements import RequiredField
    from dlc.runtime.data.source import Column, Opened

TEXT_BYTES = 16  # of memory for each byte of texts that are read as objects of Python
DECODED = 4 * PIECE  # bytes that a piece may take while it is decoded


@dataclass(frozen=True)
class PieceColumns:
    """The fields of successive rows: of those that are kept. `rows` are their numbers in the source, `parts`
    those of their parts."""

    filled: FieldColumns
    rows: np.ndarray
    parts: np.ndarray


class Survey:
    """Reads a source piece by piece. `fields` restricts the fields that are read; `advance` is called with
    the number of rows of each piece that was read."""

    def __init__(
        self, opened: Opened, data: Data, wanted: Sequence[RequiredField], fields: Container[str] | None,
        *, split: bool, advance: Callable[[int], None] = lambda rows: None,
    ) -> None:  # fmt: skip
        self.opened, self.data, self.wanted, self._fields = opened, data, wanted, fields
        self._split, self._advance = split, advance
        self.left_out: LeftOut | None = None
        self._kept: np.ndarray | None = None  # a mask of all rows; None if all are kept

    @cached_property
    def matches(self) -> list[Match]:
        return match(self.opened, self.wanted, self._fields)

    @property
    def fields(self) -> list[Match]:
        """The inputs and targets that are read."""
        return [m for m in self.matches if m.wanted.is_field]

    @cached_property
    def _integers(self) -> dict[int, bool]:
        return integers_among(self.opened, self.matches)

    # --- reading ------------------------------------------------------------------------------------------

    def pieces(self, names: Container[str] | None = None) -> Iterator[PieceColumns]:
        """All rows that are kept, with the fields of these names, by default all that are read."""
        parts, at = self.parts, 0
        for first, filled in self._columns(self._fields if names is None else names):
            rows = np.arange(first, first + filled.count)
            if self._kept is not None:
                kept = np.flatnonzero(self._kept[first : first + filled.count])
                filled, rows = filled.take(kept), rows[kept]
            yield PieceColumns(filled, rows, parts[at : at + len(rows)])
            at += len(rows)

    def _columns(self, names: Container[str] | None) -> Iterator[tuple[int, FieldColumns]]:
        """The columns of fields, each piece with the number of its first row."""
        for piece in self._read(names):
            yield piece.first, read_columns(piece, self.wanted, names, empty=self.opened.count != 0)
            self._advance(piece.count)

    def _read(self, names: Container[str] | None) -> Iterator[Piece]:
        matches = match(self.opened, self.wanted, names)
        heavy = {index: factor_of(m.wanted) for m in matches for index in m.indices}
        indices = sorted(heavy)
        of_files = rows_of_files(bytes_of_files(self.opened, matches))

        def rows(columns: list[Column]) -> int:
            size = sum(heavy[at] * c.nbytes for at, c in zip(indices, columns, strict=True) if c.is_text)
            return max(min(columns[0].count * DECODED // max(size, 1), of_files), 1)

        for first, columns in one_after_another(smaller(self.opened, indices, self._integers, rows)):
            yield Piece(self.opened, dict(zip(indices, columns, strict=True)), first)

    # --- which rows ---------------------------------------------------------------------------------------

    @cached_property
    def parts(self) -> np.ndarray:
        """The number of the part of each row that is kept."""
        labels, groups, kept, count = Codes(), Codes(), [], 0
        stratified, grouped = (
            self._split and self.data.stratify,
            any(m.wanted.name == SPLIT_COLUMN for m in self.matches),
        )
        if self.data.drop or stratified or grouped or self.opened.count < 0:
            for _, filled in self._columns(self._names_for_parts()):
                count += filled.count
                if self.data.drop:
                    mask = np.zeros(filled.count, bool)
                    filled, left_out = complete_rows(filled)
                    mask[slice(None) if filled.rows is None else filled.rows] = True
                    self.left_out = left_out if self.left_out is None else self.left_out + left_out
                    kept.append(mask)
                if stratified and (column := label_column(self.data, filled)) is not None:
                    labels.add(column)
                if grouped:
                    groups.add(group_column(filled))
        else:
            count = self.opened.count
        if kept:
            self._kept = np.concatenate(kept)
            count = int(self._kept.sum())
            if self.left_out is not None:
                self.left_out.note(self.opened, "row")  # refuses to leave no row
        if not self._split:
            return np.zeros(count, np.uint8)
        found = labels.codes if stratified else None
        return parts_of_rows(count, self.data, self.opened.file, found, groups.codes if grouped else None)

    def _names_for_parts(self) -> Container[str] | None:
        """The fields that decide which rows are kept, and in which part. `drop` looks at all."""
        if self.data.drop:
            return None
        if self.data.stratify:
            return {self.data.stratify}
        return {self.fields[0].wanted.name} if self.fields and self.opened.count < 0 else set()

    # --- what is found and learnt -------------------------------------------------------------------------

    def learn(self) -> tuple[dict[str, Classes], dict[str, Vocabulary]]:
        """The classes of `class(auto)`, and the vocabularies of texts."""
        learns = [m for m in self.fields if m.wanted.learns]
        uses = {key: of for key, of in vocabularies.uses_of(self.fields).items()
                if (reading := of[0][1].operator.reading) is None or reading.vocabulary is None}  # fmt: skip
        counts = {key: TextCounts(of[0][1]) for key, of in uses.items() if not of[0][1].operator.outside}
        found = {(m.wanted.name, index): DistinctValues() for m in learns for index in m.indices}
        readers = [m for key in counts for m, _ in uses[key]]
        if names := {m.wanted.name for m in (*learns, *readers)}:
            for piece in self.pieces(names):
                self._add(piece, learns, found)
                train = np.flatnonzero(piece.parts == TRAIN)
                for key, of in counts.items():
                    of.add(
                        text for m, _ in uses[key] for text in vocabularies.texts_of(piece.filled, m, train)
                    )

        def texts_of(of: Sequence[Use]) -> Mapping[str, int] | Iterable[str]:
            key = key_of(of)
            return counts[key].counts if key in counts else self._texts(of)

        return self._classes(found), vocabularies.learn_from(self.fields, texts_of, self._error)

    def _add(
        self, piece: PieceColumns, learns: Sequence[Match], found: Mapping[tuple[str, int], DistinctValues]
    ) -> None:
        for m in learns:
            train = np.ones(len(piece.rows), bool) if m.wanted.is_target else piece.parts == TRAIN
            for index, column in piece.filled.sources(m):
                found[m.wanted.name, index].add(column, piece.rows, train)

    def _classes(self, found: Mapping[tuple[str, int], DistinctValues]) -> dict[str, Classes]:
        columns = {key: of.column() for key, of in found.items()}

        def held(m: Match) -> list[Held]:
            return [
                (index, columns[m.wanted.name, index][0], columns[m.wanted.name, index][2])
                for index in m.indices
            ]

        def error(m: Match, of: Held, refused: Refused) -> Diagnostic:
            column, rows, _ = columns[m.wanted.name, of[0]]
            return self._error(m, refused, of[0], column, rows)

        return classes_in(self.fields, held, error)

    def _texts(self, uses: Sequence[Use]) -> Iterable[str]:
        """The texts of the training rows that operators learn from, which are read again."""
        for piece in self.pieces({m.wanted.name for m, _ in uses}):
            train = np.flatnonzero(piece.parts == TRAIN)
            for m, _ in uses:
                yield from vocabularies.texts_of(piece.filled, m, train)

    def _error(self, m: Match, refused: Refused, index: int | None = None, column: Column | None = None,
               rows: np.ndarray | None = None) -> Diagnostic:  # fmt: skip
        """The error for values of a column; `rows` are the numbers of its rows in the source."""
        columns = {m.wanted.name: [texts([]) if column is None else column]}
        filled = FieldColumns(self.opened, self.wanted, self.matches, columns)
        return refusal_error(filled, m.wanted, m.indices[0] if index is None else index, refused, rows)


def key_of(uses: Sequence[Use]) -> str:
    reading = uses[0][1].operator.reading
    assert reading is not None
    return reading.key


def factor_of(wanted: RequiredField) -> int:
    """The bytes of memory that a byte of text takes in a field."""
    if wanted.unit:
        return UNIT_BYTES
    return TEXT_BYTES if wanted.declared.element == "string" else 2
