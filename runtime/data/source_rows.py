"""The rows of one source, in memory or in a store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dlc.runtime.data.columns import vocabularies
from dlc.runtime.data.columns.found_classes import find_classes
from dlc.runtime.data.complete import complete_rows
from dlc.runtime.data.decode import decode, read_columns
from dlc.runtime.data.past_memory.encoded import encoded
from dlc.runtime.data.sequences.sequence_shapes import varying
from dlc.runtime.data.split.parting import split_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from dlc.compiler.types import Classes
    from dlc.compiler.vocabularies import Vocabulary
    from dlc.runtime.data.columns.field_columns import FieldColumns
    from dlc.runtime.data.rows.dataset import InMemoryRows, Rows
    from dlc.runtime.data.source_reading import SourceReading


@dataclass(frozen=True)
class SourceRows:
    """The rows of a source: `part` gives those of a part of the split, None if it has none. The other
    attributes are those of `Dataset`."""

    part: Callable[[str], Rows | None]
    are_stored: bool
    classes: Mapping[str, Classes]
    vocabularies: Mapping[str, Vocabulary]
    lengths: frozenset[str]
    notes: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    units: Mapping[str, str]


def rows_of(reading: SourceReading) -> SourceRows:
    """The rows in memory, or encoded in the cache if they are past the memory they may take. Rows in memory
    are decoded when a part is asked for."""
    return rows_in_store(reading) if reading.is_past_memory() else rows_in_memory(reading)


def rows_in_store(reading: SourceReading) -> SourceRows:
    found = encoded(reading)
    facts, notes = found.facts, (*found.notes, *found.facts.notes)
    return SourceRows(found.rows.get, True, facts.classes, facts.vocabularies, facts.lengths, notes,
                      facts.columns, facts.units)  # fmt: skip


def rows_in_memory(reading: SourceReading) -> SourceRows:
    filled, notes = filled_columns(reading)
    places: dict[str, np.ndarray | None] = {reading.part: None}  # of the rows of each part; None for all
    classes, known = reading.classes, reading.vocabularies
    if not reading.part:
        split, crossing = split_of(filled, reading.data)
        places = {part: getattr(split, part) for part in reading.parts}
        classes, known = find_classes(filled, split.train), vocabularies.learn(filled, split.train)
        notes = (*notes, crossing)

    @cache
    def decoded() -> InMemoryRows:
        rows = decode(filled, classes, strict=not reading.part)
        return vocabularies.with_classes(rows, reading.chosen, known)

    named = filled.fields if filled.opened.names or filled.opened.numbered else []
    columns = {m.wanted.name: filled.names(m.wanted.name) for m in named}
    return SourceRows(lambda part: rows_at(decoded, places[part]), False, classes, known,
                      varying(filled.lengths), notes, columns, filled.units)  # fmt: skip


def filled_columns(reading: SourceReading) -> tuple[FieldColumns, tuple[str, ...]]:
    """The columns of the fields, and notes that count the rows left out. `drop` looks at all fields."""
    fields, drop = reading.fields, reading.data.drop
    filled = read_columns(reading.opened, reading.wanted, None if drop else fields)
    filled, left_out = complete_rows(filled) if drop else (filled, None)
    notes = (*filled.notes, *(left_out.note(reading.opened, filled.what) if left_out else ()))
    return filled if fields is None else filled.only(fields), notes


def rows_at(decoded: Callable[[], InMemoryRows], places: np.ndarray | None) -> InMemoryRows | None:
    """The rows at some places, None if there is no place."""
    rows = decoded()
    if places is None or (len(places) and len(places) == rows.count):
        return rows
    return rows.take(places) if len(places) else None
