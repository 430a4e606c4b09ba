"""Decode the rows of a source piece by piece, and write them into a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.data import data_errors
from dlc.runtime.data.columns import vocabularies
from dlc.runtime.data.columns.conversion import as_numbers
from dlc.runtime.data.columns.float32_precision import PrecisionSpread
from dlc.runtime.data.columns.unknown_classes import UnknownCounts
from dlc.runtime.data.decode import decode
from dlc.runtime.data.past_memory.stored_dataset import StoredFacts, part_facts
from dlc.runtime.data.past_memory.survey import Survey
from dlc.runtime.data.sequences.ragged import Ragged
from dlc.runtime.data.sequences.sequence_shapes import MAX_LENGTH
from dlc.runtime.data.source import number_of
from dlc.runtime.data.store.writer import StoreWriter, field_of

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.runtime.data.past_memory.progress import Watch
    from dlc.runtime.data.past_memory.survey import PieceColumns
    from dlc.runtime.data.rows.dataset import InMemoryRows
    from dlc.runtime.data.source_reading import SourceReading


class Writing:
    """Writes the rows of a source into the folder of a store."""

    def __init__(self, reading: SourceReading, folder: Path, watch: Watch) -> None:
        self._reading, self._folder, self._watch, self._done = reading, folder, watch, 0
        self._survey = Survey(
            reading.opened, reading.data, reading.wanted, reading.fields,
            split=not reading.part, advance=self._advance,
        )  # fmt: skip
        self._classes, self._known = reading.classes, reading.vocabularies
        classes = [w.name for w in reading.chosen if w.declared.element == "class" and not w.is_target]
        self._unknown = {part: UnknownCounts(classes) for part in reading.parts}
        self._spreads: dict[str, list[PrecisionSpread]] = {}
        self._ends: dict[str, tuple[int, int]] = {}  # the least and the greatest size of free dimensions
        self._sized: tuple[str, ...] = ()
        self._units: dict[str, str] = {}

    def _advance(self, rows: int) -> None:
        self._done += rows
        self._watch(f"encoding {self._reading.opened.file}", self._done, max(self._reading.opened.count, 0))

    def write(self, key: str) -> None:
        """Decode all rows, and write them."""
        reading, survey = self._reading, self._survey
        if not reading.part:
            self._classes, self._known = survey.learn()
        if not len(survey.parts):
            raise data_errors.fail(data_errors.NO_ROWS, f"{reading.opened.file} {reading.opened.no_rows}",
                                   (reading.opened.definition, "read here"))  # fmt: skip
        self._done, writer = 0, None
        try:
            for piece in survey.pieces():
                rows = self._decoded(piece)
                writer = writer or self._writer(rows)
                self._append(writer, rows, piece)
            assert writer is not None, "there is one piece at least"
            for part, of in writer.parts.items():
                of.facts = part_facts(self._unknown[part].values(), self._losses())
            writer.finish(key, reading.opened.file, self._facts().to_json())
        finally:
            if writer is not None:
                writer.close()

    def _decoded(self, piece: PieceColumns) -> InMemoryRows:
        filled, reading = piece.filled, self._reading
        self._units |= filled.units
        rows = decode(filled, self._classes, strict=not reading.part)
        for m in (m for m in filled.fields if m.wanted.declared.element == "float"):
            names = [reading.opened.name(index) for index in m.indices]
            spreads = self._spreads.setdefault(m.wanted.name, [PrecisionSpread(name) for name in names])
            for spread, (_, column) in zip(spreads, filled.sources(m), strict=True):
                spread.add(as_numbers(column.steps))
        for name, of in filled.lengths.items():
            low, high = self._ends.get(name, (MAX_LENGTH, 0))
            least, greatest = int(np.min(of, initial=MAX_LENGTH)), int(np.max(of, initial=0))
            self._ends[name] = min(low, least), max(high, greatest)
        return vocabularies.with_classes(rows, reading.chosen, self._known)

    def _writer(self, rows: InMemoryRows) -> StoreWriter:
        """The writer for rows like these."""
        free = {
            w.name: w.declared.free_axis for w in self._reading.chosen if w.declared.free_axis is not None
        }
        self._sized = tuple(rows.length_names)
        made = [
            field_of(name, values, differs=name in self._sized, axis=values.axis if isinstance(values, Ragged)
                     else free.get(name, 0))
            for name, values in rows.items()
        ]  # fmt: skip
        return StoreWriter(self._folder, made, self._reading.parts)

    def _append(self, writer: StoreWriter, rows: InMemoryRows, piece: PieceColumns) -> None:
        for number, part in enumerate(self._reading.parts):
            index = np.flatnonzero(piece.parts == number)
            some = rows if len(index) == len(piece.rows) else rows.take(index)
            if len(index):
                writer.parts[part].append(some, piece.rows[index])
                some.count_unknown(self._unknown[part])

    def _losses(self) -> dict[str, list[Any]]:
        return {
            name: [loss for spread in of if (loss := spread.loss()) is not None]
            for name, of in self._spreads.items()
        }

    def _facts(self) -> StoredFacts:
        survey, opened = self._survey, self._reading.opened
        left_out = survey.left_out
        named = opened.names or opened.numbered
        columns = {m.wanted.name: tuple(opened.names[p] if opened.names else number_of(p) for p in m.indices)
                   for m in survey.fields} if named else {}  # fmt: skip
        return StoredFacts(
            self._classes, self._known, frozenset(n for n, (low, high) in self._ends.items() if low < high),
            tuple(left_out.note(opened, "row")) if left_out else (), columns, self._units, self._sized,
        )  # fmt: skip
