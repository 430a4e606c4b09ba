"""Data loading: from a data source to the arrays of the training, validation and test rows.

A program or an artifact lists its required fields. `open_source` opens a source, `match` assigns its columns
to fields, `encode` converts values to arrays, and `split_rows` splits the rows as the `data` section says.
Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions import sections
from dlc.compiler.definitions.sections import PARTS
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.program import Facts
from dlc.compiler.types import Classes, Tensor
from dlc.runtime.data import data_errors, vocabularies
from dlc.runtime.data.classes import ColumnValues, labels_of
from dlc.runtime.data.complete import complete_rows
from dlc.runtime.data.conversion import refusal
from dlc.runtime.data.data_errors import MISSING_VALUE, error, fail
from dlc.runtime.data.decode import decode, drawn, read_columns
from dlc.runtime.data.field_columns import FieldColumns, refusal_error
from dlc.runtime.data.requirements import SPLIT_COLUMN, RequiredField, required_fields
from dlc.runtime.data.rows import Dataset, InMemoryRows, Rows
from dlc.runtime.data.sequence_shapes import varying
from dlc.runtime.data.series_split import split_windows
from dlc.runtime.data.source import number_of
from dlc.runtime.data.sources import open_source, source_of
from dlc.runtime.data.split import RowSplit, split_rows

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from dlc.compiler.definitions.sections import Data
    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data.column_match import Match
    from dlc.runtime.data.sequences import Sequences
    from dlc.runtime.data.source import Opened

STANDARD_INPUT = Path("-")

__all__ = [
    "Dataset",
    "InMemoryRows",
    "RequiredField",
    "Rows",
    "facts",
    "gather",
    "load",
    "open_rows",
    "read_rows",
    "required_fields",
]


def load(
    program: CompiledProgram,
    folder: Path,
    *,
    splits: Sequence[str] = PARTS,
    source: Path | sections.DataSource | Opened | None = None,
    fields: Container[str] | None = None,
) -> Dataset:
    """Load the rows of a program. Paths are relative to `folder`, the folder of the spec. `source` replaces
    the source that the spec names; `fields` restricts the fields that are read."""
    return gather(_data_of(program, source), required_fields(program), folder, splits, fields)


def facts(
    program: CompiledProgram,
    folder: Path,
    *,
    source: Path | sections.DataSource | Opened | None = None,
    fields: Container[str] | None = None,
) -> Facts:
    """The facts about a program that depend on the data. Only the columns they need are decoded."""
    wanted = required_fields(program)
    chosen = [w for w in wanted if fields is None or w.name in fields]
    if not any(w.learns or w.readers or (w.declared.free_axis is not None and not w.drawn) for w in chosen):
        return program.facts
    dataset = gather(_data_of(program, source), wanted, folder, (), fields)
    return Facts(dataset.classes, lengths=dataset.lengths, vocabularies=dataset.vocabularies)


def read_rows(source: Path | sections.DataSource | Opened, wanted: Sequence[RequiredField],
              like: sections.DataSource | None = None, *, drop: bool = False, empty: bool = False,
              ) -> InMemoryRows:  # fmt: skip
    """All rows of one file or data set in the form that an artifact takes: named classes as text, targets as
    numbers.

    A field is found under its own name or under the names of the columns that it was trained on. The suffix
    of the file selects csv, parquet or npz; a folder has the format of MNIST. A file of the kind of `like` is
    read with its settings. `drop` leaves out the rows that miss a value. A source without rows is an error
    unless `empty` is true.
    """
    known = [replace(w, source=None) if w.drawn else w for w in wanted]
    filled = read_columns(open_rows(source, like), known, empty=empty)
    filled, note = complete_rows(filled) if drop else (filled, "")
    rows = decode(filled, raw=True)
    rows.notes, rows.what = (*filled.notes, *([note] if note else [])), filled.what
    return rows


def open_rows(source: Path | sections.DataSource | Opened, like: sections.DataSource | None = None) -> Opened:
    """The source of rows for an artifact; the path `-` is standard input. A file of the kind of `like` is
    read with its settings."""
    if source == STANDARD_INPUT:
        from dlc.runtime.data.sources.standard_input import open_standard_input

        source = open_standard_input(like if isinstance(like, sections.Csv) else None)
    opened = open_source(source_of(source, like) if isinstance(source, Path) else source, Path())
    opened.own_names = opened.for_model = True
    if opened.is_table and opened.sequences is None:
        opened.sequences = like if isinstance(like, sections.TableFile) else None
    if opened.numbered:
        opened.names = tuple(map(number_of, range(len(opened.sizes))))
    return opened


def gather(data: Data, wanted: Sequence[RequiredField], folder: Path, splits: Sequence[str] = PARTS,
           fields: Container[str] | None = None) -> Dataset:  # fmt: skip
    """Read the sources, leave out rows as `drop` says, find classes in the training rows, decode the columns,
    and split the rows. `fields` restricts the fields that are decoded."""
    chosen = [w for w in wanted if fields is None or w.name in fields]
    _check_drawn(chosen)
    if all(w.drawn for w in chosen):
        return _drawn_rows(data, chosen, splits)
    if data.source is None:
        lacking = [w for w in chosen if not w.drawn]
        places = [(w.span, "has no rows to come from") for w in lacking]
        message = f"the `data` section names no source for {', '.join(map(str, lacking))}"
        raise fail(data_errors.NO_SOURCE, message, *places, help='give it one: source = csv("...")')
    read = partial(_read, data, wanted, folder, fields)
    main, note = read(data.source)
    parts, crossing = _split(main, data)
    classes, learnt = _find_classes(main, parts.train), vocabularies.learn(main, parts.train)
    own = _own_sources(data, folder)
    dataset, notes, varies = {}, [*note, crossing], varying(main.lengths)
    vary = any(w.declared.free_axis is not None for w in chosen)
    for name in (name for name in own if name in splits or vary):
        filled, note = read(own[name], name)
        varies |= varying(filled.lengths)
        if name in splits:
            dataset[name] = vocabularies.with_classes(decode(filled, classes), chosen, learnt)
            notes += [f"{name} rows: {some}" for some in note]
    if asked := [name for name in splits if name not in own]:
        decoded = vocabularies.with_classes(decode(main, classes, strict=True), chosen, learnt)
        dataset |= {name: _take(decoded, getattr(parts, name)) for name in asked}
    named = main.fields if main.opened.names or main.opened.numbered else []
    columns = {m.wanted.name: main.names(m.wanted.name) for m in named}
    return Dataset(
        **dataset, classes=classes, columns=columns, units=main.units,
        notes=tuple(filter(None, notes)), lengths=varies, vocabularies=learnt,
    )  # fmt: skip


def _read(data: Data, wanted: Sequence[RequiredField], folder: Path, fields: Container[str] | None,
          source: sections.DataSource | Opened, part: str = "train",
          ) -> tuple[FieldColumns, list[str]]:  # fmt: skip
    """The columns of a source for one part of the split, and notes that count the rows that are left out.
    Only `fields` are read, or all that `drop` looks at."""
    split = _split_column(data) if part == "train" else []
    opened = open_source(source, folder, part)
    filled = read_columns(opened, [*wanted, *split], None if data.drop else fields)
    filled, note = complete_rows(filled) if data.drop else (filled, "")
    return filled if fields is None else filled.only(fields), [*filled.notes, *([note] if note else [])]


def _split(filled: FieldColumns, data: Data) -> tuple[RowSplit, str]:
    """The samples of each part, and a note that counts those in none."""
    groups, sequences = _groups(filled), filled.sequences
    if groups is None and sequences is not None and sequences.window is not None:
        return split_windows(sequences, data, filled.opened.file)
    labels, file = _labels(data, filled), filled.opened.file
    return split_rows(filled.count, data, labels, file, groups, filled.what), ""


def _split_column(data: Data) -> list[RequiredField]:
    """The column of `split = groups(...)`."""
    if not isinstance(data.split, sections.GroupsSplit):
        return []
    source = sections.ColumnField(column=data.split.column).placed(data.split.span, {})
    return [RequiredField(SPLIT_COLUMN, Tensor("string"), "split", source, data.split.span)]


def _groups(filled: FieldColumns) -> np.ndarray | None:
    """The group of each row as a number."""
    if SPLIT_COLUMN not in filled.columns:
        return None
    (column,) = filled.columns[SPLIT_COLUMN]
    if (missing := column.missing_rows).any():
        help = "fill it in, or remove the row; `drop = missing` removes such rows"
        refused = refusal(MISSING_VALUE, "the row has no group", missing, help)
        raise CompileError([_split_error(filled, refused)])
    if filled.sequences is None:
        return column.codes
    return _groups_of_series(filled, filled.sequences, column.codes)


def _groups_of_series(filled: FieldColumns, sequences: Sequences, codes: np.ndarray) -> np.ndarray:
    """The group of each sample. All rows of a series need to be of one group."""
    of_rows = codes[sequences.order]
    other = np.flatnonzero(of_rows[1:] != of_rows[:-1]) + 1
    inside = other[~np.isin(other, sequences.begins)]
    if len(inside):
        help = "give all rows of a series one group, or leave `split` out"
        what = "the row is of another group than those before it in its series"
        refused = data_errors.Refused(data_errors.SPLIT, what, sequences.order[inside[:5]], help)
        raise CompileError([_split_error(filled, refused)])
    return of_rows[sequences.starts]


def _split_error(filled: FieldColumns, refused: data_errors.Refused) -> Diagnostic:
    [m] = (m for m in filled.matches if m.wanted.role == "split")
    return refusal_error(filled, m.wanted, m.indices[0], refused)


def _data_of(program: CompiledProgram, source: Path | sections.DataSource | Opened | None) -> Data:
    """The `data` section; a given source replaces its own."""
    data = program.data or sections.Data()
    if source is None:
        return data
    given = source_of(source.absolute(), data.source) if isinstance(source, Path) else source
    if not isinstance(given, sections.DataSource) and given.is_table:
        given.sequences = data.table
    return sections.Data(**data.values() | {"source": given}).placed(data.span, data.spans)


def _drawn_rows(data: Data, wanted: Sequence[RequiredField], splits: Sequence[str]) -> Dataset:
    """Rows that are only drawn: any number of training rows, and as many others as `data` counts."""
    counts: dict[str, int | None] = {"train": None}
    for part in ("validation", "test"):
        amount = getattr(data, part)
        if isinstance(amount, float) and 0 < amount < 1:
            message = f"every input is drawn, so there are no rows of which `{part}` could take a share"
            raise fail(data_errors.SPLIT, message, (data_errors.span_of_setting(data, part), ""),
                       help=f"say how many to draw: `{part} = 1000`")  # fmt: skip
        if isinstance(amount, int | float) and amount:
            counts[part] = int(amount)
    rows = {part: InMemoryRows({}, n, drawn=drawn(wanted)) for part, n in counts.items() if part in splits}
    return Dataset(rows.get("train"), rows.get("validation"), rows.get("test"))


def _check_drawn(wanted: Sequence[RequiredField]) -> None:
    """Only real numbers can be drawn."""
    problems = [
        error(
            data_errors.DRAWN,
            f"{w} is {w.declared}, and only a float can be drawn",
            (w.source or w.span, ""),
        )
        for w in wanted
        if w.drawn and not w.declared.is_float
    ]
    if problems:
        raise CompileError(problems)


def _labels(data: Data, filled: FieldColumns) -> np.ndarray | None:
    """The class of each row that the split is stratified by, as an integer."""
    if data.stratify is None:
        return None
    found = next((m for m in filled.fields if m.wanted.name == data.stratify), None)
    place = (data_errors.span_of_setting(data, "stratify"), "")
    if found is None:
        from dlc.compiler.diagnostics.suggest import did_you_mean

        help = did_you_mean(data.stratify, [m.wanted.name for m in filled.fields])
        message = f"the rows cannot be stratified by `{data.stratify}`, which is not a field of the data"
        raise fail(data_errors.SPLIT, message, place, help=help)
    declared = found.wanted.declared
    column = filled.columns[data.stratify][0]
    if declared.element not in ("class", "binary", "bool", "string") or declared.rank:
        message = f"the rows cannot be stratified by {found.wanted}, which is {declared} and not one class"
        raise fail(data_errors.SPLIT, message, place)
    return column.codes if filled.sequences is None else column.codes[filled.sequences.first_rows]


def _find_classes(filled: FieldColumns, train: np.ndarray) -> dict[str, Classes]:
    """The classes of `class(auto)` fields: the distinct values of an input in the training rows, and of a
    target in all rows. Fields that share classes have the union of their values."""
    groups: dict[str, list[Match]] = {}
    for m in filled.fields:
        if m.wanted.declared.classes and m.wanted.learns:
            groups.setdefault(m.wanted.declared.classes.found_in, []).append(m)
    classes, problems = {}, []
    for owner, matches in groups.items():
        sources = [(m, index, column) for m in matches for index, column in filled.sources(m)]
        held: list[ColumnValues] = []
        for m, index, column in sources:
            rows = filled.layout(m, None if m.wanted.is_target else train).rows
            rows = np.arange(filled.count) if rows is None else rows
            try:
                held.append(ColumnValues.of(column, rows))
            except data_errors.Refused as refused:
                problems.append(refusal_error(filled, m.wanted, index, refused))
        try:
            if len(held) == len(sources):
                classes[owner] = Classes.found(labels_of(held), owner)
        except data_errors.Refused as refused:
            problems.append(refusal_error(filled, sources[0][0].wanted, sources[0][1], refused))
    if problems:
        raise CompileError(problems)
    return classes


def _own_sources(data: Data, folder: Path) -> dict[str, sections.DataSource]:
    """Parts that have their own source. A folder in the format of MNIST contains its test set."""
    own = {n: s for n in ("validation", "test") if isinstance(s := getattr(data, n), sections.DataSource)}
    if isinstance(data.source, sections.Idx) and not data.test:
        from dlc.runtime.data.sources.idx import has_test

        if has_test(data.source, folder):
            own["test"] = data.source
    return own


def _take(rows: InMemoryRows, index: np.ndarray) -> InMemoryRows | None:
    if not len(index):
        return None
    return rows if len(index) == rows.count else rows.take(index)
