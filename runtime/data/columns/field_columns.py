"""The columns of a source that fill each field, and the errors of their values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.definitions.series import Steps, steps_of
from dlc.runtime.data import data_errors
from dlc.runtime.data.data_errors import Refused
from dlc.runtime.data.sequences.sequence_shapes import step_shape
from dlc.runtime.data.sequences.table_series import FieldRows
from dlc.runtime.data.source import number_of

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.runtime.data.columns.column_match import Match
    from dlc.runtime.data.requirements import RequiredField
    from dlc.runtime.data.sequences.table_series import Sequences
    from dlc.runtime.data.source import Column, Opened


@dataclass(frozen=True)
class FieldColumns:
    """A source that was read: the fields, and the columns that fill each field. `rows` are the numbers of the
    rows in the source, None for all of them. `sequences` are the samples, if these are sequences of rows."""

    opened: Opened
    wanted: Sequence[RequiredField]
    matches: Sequence[Match]
    columns: Mapping[str, list[Column]]
    rows: np.ndarray | None = None
    lengths: Mapping[str, Any] = field(default_factory=dict)  # of dimensions: one number, or one a sample
    sequences: Sequences | None = None
    notes: tuple[str, ...] = ()  # count what is in no sample

    @property
    def count(self) -> int:
        """The number of samples."""
        if self.sequences is not None:
            return self.sequences.count
        return self.opened.count if self.rows is None else len(self.rows)

    def take(self, rows: np.ndarray) -> FieldColumns:
        """Only the samples with these numbers."""
        lengths = {n: of if isinstance(of, int) else of[rows] for n, of in self.lengths.items()}
        if self.sequences is not None:
            return replace(self, sequences=self.sequences.take(rows), lengths=lengths)
        columns = {name: [c.take(rows) for c in columns] for name, columns in self.columns.items()}
        return replace(self, columns=columns, rows=rows, lengths=lengths)

    def only(self, names: Container[str]) -> FieldColumns:
        """Only the fields with these names."""
        wanted = [w for w in self.wanted if w.name in names or not w.is_field]
        kept = [m for m in self.matches if m.wanted.name in names or not m.wanted.is_field]
        return replace(self, wanted=wanted, matches=kept)

    @property
    def fields(self) -> list[Match]:
        """The matches of the inputs and targets."""
        return [m for m in self.matches if m.wanted.is_field]

    @property
    def what(self) -> str:
        """What a sample is: a row, a window or a series."""
        return "row" if self.sequences is None else self.sequences.what

    def steps(self, m: Match) -> Steps:
        """The steps of a sequence that fill a field."""
        assert self.sequences is not None
        row = step_shape(self.columns[m.wanted.name])
        return steps_of(m.wanted.source, m.wanted.declared.shape, row, self.sequences.window)

    def layout(self, m: Match, samples: np.ndarray | None = None) -> FieldRows:
        """The rows of the source that fill a field in these samples, by default in all."""
        if self.sequences is None:
            return FieldRows(samples)
        return (self.sequences if samples is None else self.sequences.take(samples)).rows_of(self.steps(m))

    def sources(self, m: Match) -> list[tuple[int, Column]]:
        """The columns of a field, each with its index in the source."""
        return list(zip(m.indices, self.columns[m.wanted.name], strict=True))

    @property
    def units(self) -> dict[str, str]:
        """The unit of each field that was cut from texts."""
        return {m.wanted.name: m.wanted.unit for m in self.fields if self.columns[m.wanted.name][0].cut}

    def names(self, wanted: str) -> tuple[str, ...]:
        """The names of the columns that a field was read from."""
        indices = next(m.indices for m in self.matches if m.wanted.name == wanted)
        return tuple(self.opened.names[p] if self.opened.names else number_of(p) for p in indices)


def refusal_error(filled: FieldColumns, wanted: RequiredField, index: int, refused: Refused,
                  rows: np.ndarray | None = None) -> Diagnostic:  # fmt: skip
    """The error for values of a column; `rows` are the numbers of its rows in the source."""
    opened, rows = filled.opened, filled.rows if rows is None else rows
    refused = in_rows(refused, filled.columns[wanted.name][0])
    if rows is not None:
        refused.rows = rows[refused.rows].tolist()
    what, help = opened.not_data(refused.rows)
    file, refused.rows = opened.at(refused.rows)
    if what:
        none = Refused(data_errors.VALUE, what, refused.rows, help)
        return none.diagnostic(file, "", (opened.definition, "read here"))
    said = f"`{wanted.name}` is {wanted.declared}" if wanted.is_field else ""
    at = ((wanted.source or wanted.span, said), (opened.definition, "read here"))
    if refused.text:
        lacks = wanted.declared.missing or None in wanted.declared.ignore
        refused.help = opened.help_for(refused.text, lacks=lacks, words=refused.words)
    column = opened.name(index)
    if refused.code == data_errors.MISSING_VALUE and any(known := opened.no_value(wanted, index)):
        (refused.what, refused.help), column = known, ""
    return refused.diagnostic(file, column, *at)


def in_rows(refused: Refused, column: Column) -> Refused:
    """The refusal of steps of sequences as one of rows, which names the first step."""
    if column.lengths is None or refused.of_rows:
        return refused
    ends = np.cumsum(column.lengths)
    rows = np.searchsorted(ends, refused.rows, side="right")
    first = refused.rows[0] - int(ends[rows[0]] - column.lengths[rows[0]])
    refused.what, refused.of_rows = f"step {first + 1}: {refused.what}", True
    refused.rows = np.unique(rows).tolist()
    return refused
